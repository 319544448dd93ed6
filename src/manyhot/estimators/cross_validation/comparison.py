"""The comparison of two cross-validations on the same folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from manyhot import display, validation
from manyhot.evaluation.metrics import METRICS
from manyhot.evaluation.report.measure import to_json_value
from manyhot.evaluation.report.text import table

LEVEL = 0.95  # of the intervals of scores and differences
VERDICT_PROBABILITY = 0.95  # from which a comparison names the better setting
VERDICTS = {"this": "this is better", "other": "other is better", "unsure": "no clear difference"}
REPR_METRICS = ("f1_macro", "f1_micro")


class Difference(NamedTuple):
    """Difference of one metric between two settings on the same folds."""

    value: float  # mean, this minus other
    low: float  # of the corrected interval
    high: float
    probability_better: float


@dataclass(frozen=True)
class Comparison:
    """Comparison of two settings on the same folds by the correlated t-test."""

    at: str  # "decision" or "fixed"
    metrics: Mapping[str, Difference]  # metric -> difference

    def verdict(self, metric: str) -> str:
        """Return "this" or "other", whichever is better with a probability of at least 95 %, else "unsure"."""
        probability = self.metrics[validation.one_of(self.metrics, metric=metric)].probability_better
        return (
            "this"
            if probability >= VERDICT_PROBABILITY
            else "other"
            if probability <= 1 - VERDICT_PROBABILITY
            else "unsure"
        )

    def __repr__(self) -> str:
        name = next((name for name in REPR_METRICS if name in self.metrics), next(iter(self.metrics), None))
        text = "no common metric"
        if name is not None:
            row = self.metrics[name]
            text = f"{name} {row.value:+.4f} ({row.low:+.4f} to {row.high:+.4f}), {VERDICTS[self.verdict(name)]}"
        return display.short_repr("Comparison", f"this minus other, {len(self.metrics)} metrics; {text}")

    def _repr_html_(self) -> str:
        rows = [
            (METRICS[name].title.format(k=5), *row, VERDICTS[self.verdict(name)]) for name, row in self.metrics.items()
        ]
        headings = ("metric", "difference", f"{LEVEL:.0%} from", "to", "probability that this is better", "verdict")
        return display.section(
            display.paragraph("This minus other,", "on the same folds"), display.table(headings, rows)
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        rows = {name: {**row._asdict(), "verdict": self.verdict(name)} for name, row in self.metrics.items()}
        return to_json_value({"at": self.at, "level": LEVEL, "metrics": rows})

    def __str__(self) -> str:
        lines = []
        for name, row in self.metrics.items():
            spread_text = f"{row.low:+.4f} to {row.high:+.4f}"
            lines.append(
                [name, f"{row.value:+.4f}", spread_text, f"{row.probability_better:.0%}", VERDICTS[self.verdict(name)]]
            )
        return table(["metric", "difference", f"{LEVEL:.0%} interval", "P(this is better)", "verdict"], lines)
