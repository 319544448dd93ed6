"""Argument checks name the argument."""

import json

import numpy as np
import pytest

from manyhot import validation
from manyhot.config.auto import resolve_auto
from manyhot.config.images import image_settings
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig, config_from_dict, to_dict
from manyhot.errors import InputError


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"members": 0}, "members"),
        ({"members": "many"}, "members"),
        ({"folds": 1}, "folds"),
        ({"epochs": 1.5}, "epochs"),
        ({"epochs": True}, "epochs"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"dropout": 1.0}, "dropout"),
        ({"optimizer": "adamm"}, "did you mean 'adam"),
        ({"hidden": 64}, "hidden"),
        ({"hidden": (0,)}, "hidden"),
        ({"nesterov": 1}, "nesterov"),
        ({"seed": -1}, "seed"),
        ({"activation": ["relu"]}, "activation"),
        ({"members": np.array([2, 3])}, "members"),
        ({"decide": "f1_makro"}, "did you mean 'f1_macro'"),
        ({"label_weights": np.array([1.0])}, "label_weights"),
        ({"loss_settings": np.array([1.0, 2.0])}, "loss_settings"),
        ({"head": "softmax", "label_smoothing": 0.1}, "label_smoothing.*sum to one"),
        ({"loss": "two_way", "calibrate": "none"}, "calibrate.*no zero point of their own"),
    ],
)
def test_wrong_settings_are_named(settings, name):
    with pytest.raises(InputError, match=name):
        TrainingConfig(**settings)


def test_plans_travel_as_json():
    plan = TrainingConfig(hidden=(3, 4), members=5)
    assert config_from_dict(to_dict(plan)) == plan
    with pytest.raises(InputError, match="did you mean 'members'"):
        config_from_dict({"member": 3})
    with pytest.raises(InputError, match="layout"):
        RuntimeConfig(layout="sideways")


@pytest.mark.parametrize(
    ("n_rows", "batch_size"), [(1, 16), (400, 16), (1500, 16), (4500, 64), (21519, 256), (10**7, 1024)]
)
def test_auto_follows_the_rows(n_rows, batch_size):
    plan = resolve_auto(TrainingConfig(), n_rows)
    assert plan.batch_size == batch_size
    assert 4 <= plan.epochs <= 20
    assert plan.members in (8, 16)
    told = {"batch_size": 7, "members": 3, "epochs": 9, "optimizer": "sgd", "prior_bias": False, "encode": "none"}
    told |= {"loss": "focal", "loss_settings": {"gamma": 1.0, "balance": 0.5}, "calibrate": "platt"}
    told |= {"text_settings": {"max_words": 7, "max_characters": 0, "hashed": False}}
    told |= {"image_settings": image_settings(None)}
    assert resolve_auto(TrainingConfig(**told), n_rows) == TrainingConfig(**told)


def test_auto_follows_the_network():
    ours, own, compiled = (
        resolve_auto(TrainingConfig(network=network), 100, has_optimizer)
        for network, has_optimizer in (("mlp", False), ("own", False), ("own", True))
    )
    assert (ours.optimizer, ours.prior_bias, ours.encode) == ("adamw", True, "standard")
    assert (own.optimizer, own.prior_bias, own.encode) == ("adamw", False, "none")
    assert compiled.optimizer == "own"


ONE_OF = ("optimizer", "schedule", "network", "encode", "loss", "head", "calibrate", "decide", "precision")


@pytest.mark.parametrize("value", [["a"], {"a": 1}, None, 3], ids=str)
@pytest.mark.parametrize("name", ONE_OF)
def test_what_is_no_text_is_refused_where_a_name_belongs(name, value):
    for make in (lambda: TrainingConfig(**{name: value}), lambda: config_from_dict({name: value})):
        with pytest.raises(InputError, match=f"{name}.*expected one of"):
            make()


def test_numbers_of_numpy_become_plain():
    plain = {
        "members": 3,
        "folds": 4,
        "learning_rate": 0.25,
        "dropout": 0.5,
        "hidden": (8, 4),
        "activation": "tanh",
        "loss": "focal",
        "loss_settings": {"gamma": 1.5},
        "label_weights": {"a": 2.0, "b": 0.5},
        "decide": "cost",
        "decide_settings": {"miss_cost": [1.0, 3.0], "false_alarm_cost": {"a": 2.0, "b": 4}, "shrink": 0.5},
        "implies": (("a", "b"),),
        "most_labels": 2,
        "seed": 7,
    }
    numpy = {
        "members": np.int64(3),
        "folds": np.arange(5)[4],
        "learning_rate": np.float32(0.25),
        "dropout": np.float16(0.5),
        "hidden": [np.int32(8), np.int64(4)],
        "activation": np.str_("tanh"),
        "loss": np.str_("focal"),
        "loss_settings": {"gamma": np.float32(1.5)},
        "label_weights": {np.str_("a"): np.float32(2), "b": np.float64(0.5)},
        "decide": np.str_("cost"),
        "decide_settings": {
            "miss_cost": np.array([1, 3], dtype=np.float32),
            "false_alarm_cost": {"a": np.float32(2), np.str_("b"): np.int64(4)},
            "shrink": np.float32(0.5),
        },
        "implies": [(np.str_("a"), "b")],
        "most_labels": np.int8(2),
        "seed": np.uint32(7),
    }
    plan = TrainingConfig(**numpy)
    assert plan == TrainingConfig(**plain)
    assert json.loads(json.dumps(to_dict(plan))) == json.loads(json.dumps(to_dict(TrainingConfig(**plain))))
    stored = (plan.learning_rate, plan.dropout, plan.seed, plan.label_weights["a"], plan.loss, plan.implies[0][0])
    assert [type(value) for value in stored] == [float, float, int, float, str, str]
    runtime = RuntimeConfig(devices=np.int64(1), predict_rows=np.int64(64))
    assert json.loads(json.dumps(to_dict(runtime))) == to_dict(RuntimeConfig(devices=1, predict_rows=64))


@pytest.mark.parametrize("told", [{"network": "own"}, {"positive_only": True}, {}], ids=str)
def test_scores_that_only_rank_are_always_up_for_calibration(told):
    assert resolve_auto(TrainingConfig(**told, loss="two_way"), 100).calibrate == "auto"
    assert resolve_auto(TrainingConfig(**told, loss="focal"), 100).calibrate == ("none" if told else "auto")


def test_a_check_takes_one_name():
    assert validation.integer(low=1, n=3) == 3
    with pytest.raises(TypeError):
        validation.integer(low=1, a=1, b=2)
