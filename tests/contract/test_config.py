"""The names that settings may have are those of the tables, and the help says every one of them."""

import pytest

from manyhot.config import training
from manyhot.config.fields import describe_fields
from manyhot.config.losses import LOSS_SPECS
from manyhot.config.text import TEXT_KINDS
from manyhot.decisions import thresholds
from manyhot.engine.losses import LOSSES, OUTPUTS
from manyhot.networks import BUILDERS


def test_the_config_knows_every_network_loss_and_head():
    assert set(training.NETWORKS) == {"auto", *BUILDERS, training.CUSTOM}
    assert set(training.LOSSES) - {"auto"} == {loss for loss, _ in LOSSES}
    assert set(training.HEADS) == set(OUTPUTS) == {head for _, head in LOSSES}


def test_every_decision_has_the_name_of_its_class():
    for name, decision in thresholds.DECISIONS.items():
        assert decision.name == name
        assert decision.__name__.lower() == name.replace("_", "")


def test_softmax_has_the_losses_of_its_head():
    assert set(training.SOFTMAX_LOSSES) - {"auto", "binary_crossentropy"} == {
        loss for loss, head in LOSSES if head == "softmax"
    } - {"binary_crossentropy"}


@pytest.mark.parametrize(
    ("field", "names"),
    {
        "loss": LOSS_SPECS,
        "decision": thresholds.DECISIONS,
        "calibration": training.CALIBRATIONS,
        "network": training.NETWORKS,
        "text": TEXT_KINDS,
        "optimizer": training.OPTIMIZERS,
        "schedule": training.SCHEDULES,
    }.items(),
)
def test_the_help_says_every_name(field, names):
    text = describe_fields(training.TrainingConfig)[field]
    assert [name for name in names if f'"{name}"' not in text] == []
