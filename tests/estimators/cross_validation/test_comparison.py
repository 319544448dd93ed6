"""What a comparison says of its differences."""

import pytest

from manyhot.errors import InputError
from manyhot.estimators.cross_validation.comparison import Comparison, Difference

COMPARISON = Comparison(
    "decision",
    {
        "f1_macro": Difference(0.02, 0.01, 0.03, 0.98),
        "hamming_loss": Difference(0.02, 0.01, 0.03, 0.02),
        "lrap": Difference(0.02, -0.01, 0.05, 0.96),
    },
)


def test_a_verdict_needs_an_interval_without_0():
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
        "probability_better": 0.96,
        "verdict": "unsure",
    }


def test_main_metrics_are_shown_first_with_what_is_better():
    comparison = Comparison("decision", COMPARISON.metrics, ("f1_macro", "hamming_loss"))
    rows = [line.split()[:2] for line in comparison.to_text().splitlines()[2:]]
    assert rows == [["f1_macro", "higher"], ["hamming_loss", "lower"]]
    assert "lrap" in comparison.to_text(all_metrics=True)
    assert "lrap" in str(COMPARISON)  # chosen ones are all main ones
    assert ">lower<" in comparison._repr_html_()
    assert "LRAP" not in comparison._repr_html_()
