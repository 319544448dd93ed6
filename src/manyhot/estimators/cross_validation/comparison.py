"""The comparison of two cross-validations on the same folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from manyhot import display, validation
from manyhot.evaluation.metrics import METRICS
from manyhot.evaluation.report.measure import to_json_value
from manyhot.evaluation.report.text import table

LEVEL = 0.95  # of the intervals of scores and differences
VERDICT_PROBABILITY = (1 + LEVEL) / 2  # from which one is named the better: 0 is outside the interval then
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
    main_metrics: Sequence[str] = ()  # those that are shown first; none for all of them

    def verdict(self, metric: str) -> str:
        """Return "this" or "other", whichever is clearly better, else "unsure".

        Clearly better means that the 95 % interval of the difference does not contain 0.
        """
        probability = self.metrics[validation.one_of(self.metrics, metric=metric)].probability_better
        return (
            "this"
            if probability >= VERDICT_PROBABILITY
            else "other"
            if probability <= 1 - VERDICT_PROBABILITY
            else "unsure"
        )

    def _shown_metrics(self, all_metrics: bool) -> list[str]:
        return [name for name in self.metrics if all_metrics or not self.main_metrics or name in self.main_metrics]

    def __repr__(self) -> str:
        name = next((name for name in REPR_METRICS if name in self.metrics), next(iter(self.metrics), None))
        text = "no common metric"
        if name is not None:
            row = self.metrics[name]
            text = f"{name} {row.value:+.4f} ({row.low:+.4f} to {row.high:+.4f}), {VERDICTS[self.verdict(name)]}"
        return display.short_repr("Comparison", f"this minus other, {len(self.metrics)} metrics; {text}")

    def _repr_html_(self) -> str:
        rows = [
            (METRICS[name].title.format(k=5), METRICS[name].better, *self.metrics[name], VERDICTS[self.verdict(name)])
            for name in self._shown_metrics(all_metrics=False)
        ]
        headings = ("metric", "better", "difference", f"{LEVEL:.0%} from", "to", "P(this is better)", "verdict")
        return display.section(
            display.paragraph("This minus other,", "on the same folds"), display.table(headings, rows)
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        rows = {name: {**row._asdict(), "verdict": self.verdict(name)} for name, row in self.metrics.items()}
        return to_json_value({"at": self.at, "level": LEVEL, "metrics": rows})

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, all_metrics: bool = False) -> str:
        """The comparison as text for a terminal.

        Args:
            all_metrics: Whether all metrics are shown, not only the main ones; where metrics were chosen, they are
                shown anyway.
        """
        lines = []
        for name in self._shown_metrics(all_metrics):
            row, verdict = self.metrics[name], VERDICTS[self.verdict(name)]
            spread = f"{row.low:+.4f} to {row.high:+.4f}"
            lines.append(
                [name, METRICS[name].better, f"{row.value:+.4f}", spread, f"{row.probability_better:.0%}", verdict]
            )
        return table(["metric", "better", "difference", f"{LEVEL:.0%} interval", "P(this is better)", "verdict"], lines)
