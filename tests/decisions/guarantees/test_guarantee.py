import json

import pytest

from manyhot.data.labels import LabelSpace
from manyhot.decisions.guarantees import Guarantee
from manyhot.errors import InputError

GOOD = {
    "kind": "false_discovery_rate",
    "at_most": 0.1,
    "confidence": 0.9,
    "per_label": True,
    "simultaneous": False,
    "thresholds": [0.5, 1.0],
    "refused": [1],
    "n_used": [40, 0],
    "predictions_per_row": 0.7,
    "share_predicted": 0.7,
}


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "recall"},
        {"kind": ["miss_rate"]},
        {"kind": "miss_rate"},
        {"at_most": 0},
        {"at_most": 1.0},
        {"at_most": "0.1"},
        {"at_most": True},
        {"at_most": float("nan")},
        {"confidence": None},
        {"confidence": 90},
        {"confidence": [0.9]},
        {"per_label": 1},
        {"per_label": False},
        {"simultaneous": None},
        {"thresholds": []},
        {"thresholds": [0.5]},
        {"thresholds": [0.5, 0.9]},
        {"thresholds": [0.5, float("nan")]},
        {"thresholds": [1.5, 1.0]},
        {"thresholds": ["0.5", 1.0]},
        {"thresholds": [True, 1.0]},
        {"thresholds": "0.5"},
        {"thresholds": [[0.5], 1.0]},
        {"refused": [2]},
        {"refused": [-1]},
        {"refused": [0]},
        {"refused": [1, 1]},
        {"refused": [0, 1], "thresholds": [1.0, 1.0]},
        {"refused": [True]},
        {"refused": [1.0]},
        {"refused": {"1": 1}},
        {"n_used": [40]},
        {"n_used": [40, -1]},
        {"n_used": [40, 0.5]},
        {"n_used": [40, 10**400]},
        {"thresholds": [10**400, 1.0]},
        {"at_most": 10**400},
        {"predictions_per_row": 2.5},
        {"predictions_per_row": float("inf")},
        {"predictions_per_row": None},
        {"share_predicted": 1.1},
        {"extra": 1},
    ],
    ids=repr,
)
def test_a_hostile_spec_is_refused(change):
    assert Guarantee.from_spec(GOOD).to_spec() == GOOD
    with pytest.raises(InputError):
        Guarantee.from_spec({**GOOD, **change})


def test_a_spec_of_another_shape_is_refused():
    for wrong in (None, [], {}, {key: value for key, value in GOOD.items() if key != "refused"}):
        with pytest.raises(InputError, match="spec"):
            Guarantee.from_spec(wrong)


def test_thresholds_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        Guarantee.from_spec(GOOD).thresholds[0] = 0.0


def test_a_promise_reads_as_it_is_meant():
    space = LabelSpace(("sad", "quiet"))
    promise = Guarantee.from_spec(json.loads(json.dumps(GOOD)))
    assert promise.statement(space) == (
        "At most 10% of the predictions of a label are wrong, with 90% confidence for each label separately, if new "
        "rows resemble the calibration rows (40 for which it is predicted). Not guaranteed, and never predicted: "
        "'quiet' (too few or too many wrong predictions)."
    )
    assert promise.details() == (
        "The confidence is over the draw of the calibration rows: at least 90% of all draws give thresholds for which "
        "the rate holds; this one rests on 40 rows with a predicted label per label. It assumes that new rows and "
        "calibration rows are drawn independently from the same source, and that their targets become known in the "
        "same way. On the calibration rows 0.70 labels are predicted per row, and 70% of the rows get a label."
    )
    average = {"kind": "miss_rate", "confidence": None, "per_label": False, "refused": []}
    shared = Guarantee.from_spec({**GOOD, **average, "thresholds": [0.25, 0.25], "n_used": [80]})
    assert shared.statement(space) == (
        "At most 10% of a row's labels are missed on average, if new rows resemble the calibration rows (80 with a "
        "label)."
    )
    assert "80 of that kind" in shared.details()
