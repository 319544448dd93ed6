"""Where a search looks."""

import pytest

from manyhot.config.training import TrainingConfig
from manyhot.errors import InputError
from manyhot.estimators.search.space import (
    Choices,
    Range,
    default_space,
    expand_params,
    label,
    parse_space,
    read_params,
)


def resolved(config: TrainingConfig, **changes) -> TrainingConfig:
    known = {"epochs": 10, "n_members": 8, "batch_size": 16, "network": "mlp", "optimizer": "adamw"}
    return config.changed(**{**known, **changes})


def test_pairs_are_ranges_and_lists_are_choices():
    space = parse_space(
        {
            "learning_rate": (1e-4, 1e-2),
            "label_smoothing": (0, 0.1),
            "epochs": (5, 40),
            "hidden_layer_sizes": [(64,), (128, 128)],
            "loss_params.gamma": (1, 4),
        }
    )
    assert space["learning_rate"] == Range(1e-4, 1e-2, is_log=True)
    assert space["label_smoothing"] == Range(0, 0.1)
    assert space["epochs"] == Range(5, 40, is_whole=True)
    assert space["hidden_layer_sizes"] == Choices(((64,), (128, 128)))
    assert space["loss_params.gamma"] == Range(1, 4)  # a number that need not be whole
    assert space["hidden_layer_sizes"].contains([128, 128])
    assert not space["learning_rate"].contains(0.1)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "settings with values"),
        ({"learning_rat": (1, 2)}, "learning_rate"),
        ({"decision": ["f1_micro"]}, "no setting that is searched"),
        ({"n_members": (2, 8)}, "no setting that is searched"),
        ({"loss_params": [{"gamma": 1}]}, "loss_params.gamma"),
        ({"image_params.size": [32, 64]}, "before images are read"),
        ({"learning_rate": (1e-2, 1e-4)}, "pair"),
        ({"learning_rate": 0.1}, "pair"),
        ({"dropout": []}, "pair"),
    ],
)
def test_what_is_no_space_is_refused(space, message):
    with pytest.raises(InputError, match=message):
        parse_space(space)


def test_the_neighbourhood_of_the_defaults():
    own = TrainingConfig()
    space = default_space(own, resolved(own), has_tables=False)
    names = ["learning_rate", "weight_decay", "epochs", "label_smoothing", "dropout", "hidden_layer_sizes"]
    assert list(space) == names
    defaults = [2e-3, 1e-2, 10, 0.0, 0.3, (256, 256)]
    assert all(values.contains(value) for values, value in zip(space.values(), defaults, strict=True))
    assert space["epochs"] == Range(5, 20, is_log=True, is_whole=True)
    with_words = default_space(own, resolved(own), has_tables=True)
    assert with_words["hidden_layer_sizes"] != space["hidden_layer_sizes"]


def test_settings_that_somebody_chose_are_left_alone():
    own = TrainingConfig(learning_rate=0.01, dropout=0.0, epochs=7)
    space = default_space(own, resolved(own, epochs=7), has_tables=False)
    assert not {"learning_rate", "dropout", "epochs"} & set(space)
    assert "weight_decay" in space


def test_the_space_suits_the_loss_the_optimizer_and_the_network():
    own = TrainingConfig(loss="focal")
    space = default_space(own, resolved(own), has_tables=False)
    assert space["loss_params.gamma"] == Range(1.0, 4.0)
    chosen = TrainingConfig(loss="focal", loss_params={"gamma": 1})
    assert "loss_params.gamma" not in default_space(chosen, resolved(chosen), has_tables=False)
    coupled = TrainingConfig(loss="zlpr")
    assert "label_smoothing" not in default_space(coupled, resolved(coupled), has_tables=False)
    own = TrainingConfig(network="custom")
    compiled = default_space(own, resolved(own, network="custom", optimizer="compiled"), has_tables=False)
    assert list(compiled) == ["epochs", "label_smoothing"]
    stopping = TrainingConfig(early_stopping=True)
    assert "epochs" not in default_space(stopping, resolved(stopping), has_tables=False)


def test_entries_of_a_mapping_join_what_is_there():
    params = {"loss_params.gamma": 1.5, "dropout": 0.1, "hidden_layer_sizes": [64, 64]}
    settings = expand_params(params, {"loss_params": {"balance": 0.3}})
    assert settings == {"loss_params": {"balance": 0.3, "gamma": 1.5}, "dropout": 0.1, "hidden_layer_sizes": (64, 64)}
    config = TrainingConfig(loss="focal", **settings)
    assert read_params(config, dict.fromkeys(params)) == {**params, "hidden_layer_sizes": (64, 64)}
    assert read_params(TrainingConfig(), {"epochs": None, "dropout": None}) == {"dropout": 0.3}  # "auto" is no value


def test_values_in_a_few_letters():
    assert [label(value) for value in ((256, 256), (), 0.00123456, 8, "relu")] == [
        *("256,256", "none", "0.001235", "8", "relu")
    ]
