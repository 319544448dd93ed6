"""What reports and predicted label sets show of themselves in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manyhot.display import ROWS_SHOWN, Markup, chips, list_repr, paragraph, section, short_repr, table
from manyhot.evaluation.metrics import METRICS
from manyhot.evaluation.metrics.registry import main_metrics
from manyhot.evaluation.report.text import pluralize

LABELS_SHOWN = 10
_FIGURES = ("support", "threshold", "precision", "recall", "f1", "average_precision")
_HEADINGS = ("label", "support", "threshold", "precision", "recall", "F1", "AP")


class LabelSets(list[set[Any]]):
    """Label sets, one for each row: a list that a notebook shows as a table."""

    def __repr__(self) -> str:
        return list_repr(self)

    def _repr_html_(self) -> str:
        rows = [(row, Markup(chips(names))) for row, names in enumerate(self[:ROWS_SHOWN])]
        return section(table(("row", "labels"), rows, len(self)))


def report_repr(name: str, report: Mapping[str, Any]) -> str:
    """A report in one line."""
    data, metrics = report["data"], report["metrics"]["decision"]
    figures = [
        f"{METRICS[metric].title} {metrics[metric]['value']:.3f}"
        for metric in ("f1_macro", "f1_micro")
        if metrics[metric]["value"] is not None
    ]
    size = f"{pluralize(data['rows'], 'row')}, {pluralize(data['labels'], 'label')}"
    return short_repr(name, "; ".join([size, ", ".join(figures)]))


def report_html(report: Mapping[str, Any]) -> str:
    """Render a report in brief as HTML."""
    data, metrics = report["data"], report["metrics"]["decision"]
    rows = [
        (METRICS[name].title, metrics[name]["value"], metrics[name]["baseline"], METRICS[name].better)
        for name in main_metrics(has_taxonomy=True)
        if name in metrics
    ]
    ranked = sorted(report["labels"], key=lambda row: -row["support"])
    labels = [(row["label"], *(row[name] for name in _FIGURES)) for row in ranked[:LABELS_SHOWN]]
    return section(
        paragraph(
            f"{pluralize(data['rows'], 'row')}, {pluralize(data['labels'], 'label')}.",
            " ".join(report["scores"]["remarks"]),
        ),
        table(("metric", "value", "baseline", "better"), rows),
        table(_HEADINGS, labels, len(ranked), "labels, less frequent"),
        *(paragraph("", f"• {finding['text']}") for finding in report["checks"]),
        "<div>In full: <code>print(report)</code>; as a page: <code>report.to_html('report.html')</code></div>",
    )
