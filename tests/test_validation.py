"""Argument checks name the argument."""

import json

import numpy as np
import pytest

from manyhot import validation
from manyhot.config.auto import resolve_auto
from manyhot.config.images import image_params
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig, config_from_dict
from manyhot.errors import InputError


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"n_members": 0}, "n_members"),
        ({"n_members": "many"}, "n_members"),
        ({"n_folds": 1}, "n_folds"),
        ({"epochs": 1.5}, "epochs"),
        ({"epochs": True}, "epochs"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"dropout": 1.0}, "dropout"),
        ({"optimizer": "adamm"}, "did you mean 'adam"),
        ({"hidden_layer_sizes": 64}, "hidden_layer_sizes"),
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes"),
        ({"nesterov": 1}, "nesterov"),
        ({"random_state": -1}, "random_state"),
        ({"activation": ["relu"]}, "activation"),
        ({"n_members": np.array([2, 3])}, "n_members"),
        ({"decision": "f1_makro"}, "did you mean 'f1_macro'"),
        ({"label_weights": np.array([1.0])}, "label_weights"),
        ({"loss_params": np.array([1.0, 2.0])}, "loss_params"),
        ({"head": "softmax", "label_smoothing": 0.1}, "label_smoothing.*sum to one"),
        ({"loss": "two_way", "calibration": "none"}, "calibration.*no zero point of their own"),
    ],
)
def test_wrong_settings_are_named(settings, name):
    with pytest.raises(InputError, match=name):
        TrainingConfig(**settings)


def test_plans_travel_as_json():
    config = TrainingConfig(hidden_layer_sizes=(3, 4), n_members=5)
    assert config_from_dict(TrainingConfig, config.to_dict()) == config
    with pytest.raises(InputError, match="did you mean 'n_members'"):
        config_from_dict(TrainingConfig, {"member": 3})
    with pytest.raises(InputError, match="member_batching"):
        RuntimeConfig(member_batching="sideways")


@pytest.mark.parametrize(
    ("n_rows", "batch_size"), [(1, 16), (400, 16), (1500, 16), (4500, 64), (21519, 256), (10**7, 1024)]
)
def test_auto_follows_the_rows(n_rows, batch_size):
    config = resolve_auto(TrainingConfig(), n_rows)
    assert config.batch_size == batch_size
    assert 4 <= config.epochs <= 20
    assert config.n_members in (8, 16)
    told = {
        "batch_size": 7,
        "n_members": 3,
        "epochs": 9,
        "optimizer": "sgd",
        "prior_bias": False,
        "preprocessing": "none",
    }
    told |= {"loss": "focal", "loss_params": {"gamma": 1.0, "balance": 0.5}, "calibration": "platt"}
    told |= {"text_params": {"max_words": 7, "max_characters": 0, "hashed": False}}
    told |= {"image_params": image_params(None)}
    assert resolve_auto(TrainingConfig(**told), n_rows) == TrainingConfig(**told)


def test_auto_follows_the_network():
    ours, own, compiled = (
        resolve_auto(TrainingConfig(network=network), 100, has_optimizer)
        for network, has_optimizer in (("mlp", False), ("custom", False), ("custom", True))
    )
    assert (ours.optimizer, ours.prior_bias, ours.preprocessing) == ("adamw", True, "standard")
    assert (own.optimizer, own.prior_bias, own.preprocessing) == ("adamw", False, "none")
    assert compiled.optimizer == "compiled"


ONE_OF = ("optimizer", "schedule", "network", "preprocessing", "loss", "head", "calibration", "decision", "dtype")


@pytest.mark.parametrize("value", [["a"], {"a": 1}, None, 3], ids=str)
@pytest.mark.parametrize("name", ONE_OF)
def test_what_is_no_text_is_refused_where_a_name_belongs(name, value):
    for make in (lambda: TrainingConfig(**{name: value}), lambda: config_from_dict(TrainingConfig, {name: value})):
        with pytest.raises(InputError, match=f"{name}.*expected one of"):
            make()


def test_numbers_of_numpy_become_plain():
    plain = {
        "n_members": 3,
        "n_folds": 4,
        "learning_rate": 0.25,
        "dropout": 0.5,
        "hidden_layer_sizes": (8, 4),
        "activation": "tanh",
        "loss": "focal",
        "loss_params": {"gamma": 1.5},
        "label_weights": {"a": 2.0, "b": 0.5},
        "decision": "cost",
        "decision_params": {
            "false_negative_cost": [1.0, 3.0],
            "false_positive_cost": {"a": 2.0, "b": 4},
            "shrink": 0.5,
        },
        "implies": (("a", "b"),),
        "max_labels": 2,
        "random_state": 7,
    }
    numpy = {
        "n_members": np.int64(3),
        "n_folds": np.arange(5)[4],
        "learning_rate": np.float32(0.25),
        "dropout": np.float16(0.5),
        "hidden_layer_sizes": [np.int32(8), np.int64(4)],
        "activation": np.str_("tanh"),
        "loss": np.str_("focal"),
        "loss_params": {"gamma": np.float32(1.5)},
        "label_weights": {np.str_("a"): np.float32(2), "b": np.float64(0.5)},
        "decision": np.str_("cost"),
        "decision_params": {
            "false_negative_cost": np.array([1, 3], dtype=np.float32),
            "false_positive_cost": {"a": np.float32(2), np.str_("b"): np.int64(4)},
            "shrink": np.float32(0.5),
        },
        "implies": [(np.str_("a"), "b")],
        "max_labels": np.int8(2),
        "random_state": np.uint32(7),
    }
    config = TrainingConfig(**numpy)
    assert config == TrainingConfig(**plain)
    assert json.loads(json.dumps(config.to_dict())) == json.loads(json.dumps(TrainingConfig(**plain).to_dict()))
    stored = (
        config.learning_rate,
        config.dropout,
        config.random_state,
        config.label_weights["a"],
        config.loss,
        config.implies[0][0],
    )
    assert [type(value) for value in stored] == [float, float, int, float, str, str]
    runtime = RuntimeConfig(devices=np.int64(1), predict_batch_size=np.int64(64))
    assert json.loads(json.dumps(runtime.to_dict())) == RuntimeConfig(devices=1, predict_batch_size=64).to_dict()


@pytest.mark.parametrize("told", [{"network": "custom"}, {"positive_unlabeled": True}, {}], ids=str)
def test_scores_that_only_rank_are_always_up_for_calibration(told):
    assert resolve_auto(TrainingConfig(**told, loss="two_way"), 100).calibration == "auto"
    assert resolve_auto(TrainingConfig(**told, loss="focal"), 100).calibration == ("none" if told else "auto")


def test_a_check_takes_one_name():
    assert validation.integer(low=1, n=3) == 3
    with pytest.raises(TypeError):
        validation.integer(low=1, a=1, b=2)
