"""What a comparison says of its differences."""

import pytest

from manyhot.errors import InputError
from manyhot.estimators.cross_validation.comparison import Comparison, Difference

COMPARISON = Comparison(
    "decision",
    {
        "f1_macro": Difference(0.02, 0.01, 0.03, 0.95),
        "hamming_loss": Difference(0.02, 0.01, 0.03, 0.05),
        "lrap": Difference(0.02, -0.01, 0.05, 0.94),
    },
)


def test_a_verdict_needs_a_chance_of_95_percent():
    assert [COMPARISON.verdict(name) for name in COMPARISON.metrics] == ["this", "other", "unsure"]
    with pytest.raises(InputError, match="f1_micro"):
        COMPARISON.verdict("f1_micro")


def test_verdicts_stand_in_text_and_document():
    lines = str(COMPARISON).splitlines()[-3:]
    assert [line.split("%")[1].strip() for line in lines] == [
        "this is better",
        "other is better",
        "no clear difference",
    ]
    assert COMPARISON.to_dict()["metrics"]["lrap"] == {
        "value": 0.02,
        "low": -0.01,
        "high": 0.05,
        "probability_better": 0.94,
        "verdict": "unsure",
    }
