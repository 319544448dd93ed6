"""What a model is worth, as plain values and as text; start reading at `measure_report`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from manyhot.evaluation.report.measure import SCORES_FROM, ReportContext, measure_report
from manyhot.evaluation.report.notebook import LabelSets, report_html, report_repr
from manyhot.evaluation.report.text import to_text

__all__ = ["SCORES_FROM", "LabelSets", "Report", "ReportContext", "measure_report", "to_text"]


@dataclass(frozen=True)
class Report:
    """A report to print, to look things up in, and to save; `values` is what `measure_report` gave."""

    values: Mapping[str, Any]

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, all_metrics: bool = False) -> str:
        """The report as text for a terminal.

        Args:
            all_metrics: Whether all metrics are shown, not only the six that most people look at.
        """
        return to_text(self.values, all_metrics=all_metrics)

    def __repr__(self) -> str:
        return report_repr(type(self).__name__, self.values)

    def _repr_html_(self) -> str:
        return report_html(self.values)

    @property
    def metrics(self) -> Mapping[str, Any]:
        """ "decision" and "fixed" (thresholds at 0.5) -> metric -> value, n_labels, n_samples, baseline."""
        return self.values["metrics"]

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return dict(self.values)
