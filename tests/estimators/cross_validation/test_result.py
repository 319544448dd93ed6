"""What a cross-validation prints, from made-up scores."""

import numpy as np
import pytest

from manyhot.data.targets import Targets
from manyhot.estimators.cross_validation.result import CrossValidation
from manyhot.estimators.cross_validation.splits import Split
from manyhot.evaluation.metrics import METRICS, metric_names
from manyhot.evaluation.metrics.registry import MAIN_METRICS

LABELS = ("a", "b")


def made_up(names=None, values=(0.9, 1.0), n=40):
    names = metric_names(has_taxonomy=False) if names is None else names
    half = np.arange(n) < n // 2
    splits = [Split(0, np.flatnonzero(part), np.flatnonzero(~part)) for part in (half, ~half)]
    scores = {at: {name: np.array(values) for name in names} for at in ("decision", "fixed")}
    columns = ("support", "precision", "recall", "f1", "average_precision", "roc_auc")
    return CrossValidation(
        LABELS,
        Targets(np.ones((n, 2), dtype=bool)),
        splits,
        scores,
        {at: {name: np.zeros(2) for name in names} for at in scores},
        {column: np.ones((2, 2)) for column in columns},
        np.full((2, 2), 0.5),
        np.ones((1, n, 2)),
        np.ones((1, n, 2), dtype=bool),
        np.ones((1, n), dtype=bool),
        np.zeros(2, dtype=int),
        {"config": {"decision": "auto", "decision_params": None}, "seconds": 1.0, "stratify": True},
    )


def test_intervals_stay_on_the_scale_of_their_metric():
    result = made_up(values=(0.05, 0.95))
    for name in metric_names(has_taxonomy=False):
        low, high = result.interval(name)
        assert low == 0.0
        assert high == pytest.approx(10.4, abs=0.01) if METRICS[name].upper_bound > 1 else high == 1.0
    difference = result.compare(made_up(values=(0.95, 0.05))).metrics["f1_macro"]
    assert (difference.low, difference.high) == (-1.0, 1.0)


def test_six_metrics_are_printed_first_and_those_that_say_nothing_never():
    result = made_up()

    def printed(text):
        return {name for name in METRICS if f"\n{name} " in text}

    brief, full = str(result), result.to_text(all_metrics=True)
    assert printed(brief) == set(MAIN_METRICS)
    assert printed(full) == {name for name in metric_names(has_taxonomy=False) if name != "precision_at_k"}
    assert "All metrics: --all" in brief
    assert "All metrics" not in full


def test_chosen_metrics_are_all_printed():
    text = str(made_up(names=["lrap", "f1_macro"]))
    assert "\nlrap " in text
    assert "All metrics" not in text


def test_numbers_agree_with_their_nouns():
    assert str(made_up(n=2)).startswith("2 fits (1 repeat) on 2 rows, 1 test row each; ")
    assert str(made_up()).startswith("2 fits (1 repeat) on 40 rows, 20 test rows each; ")
