"""What reports and answers show of themselves in a notebook: a little HTML with styles of its own and no script."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

MEASURES_SHOWN = ("f1_micro", "f1_macro", "f1_samples", "hamming_loss", "map", "roc_auc_macro", "lrap")
LABELS_SHOWN = 10
ROWS_SHOWN = 20
_CELL = "padding:2px 12px 2px 0;text-align:left;border-bottom:1px solid rgba(128,128,128,.3)"
_FIGURE = _CELL.replace("left", "right")
_FIGURES = ("support", "threshold", "precision", "recall", "f1", "average_precision")
_HEADINGS = ("label", "rows", "threshold", "precision", "recall", "F1", "AP")


class LabelSets(list[set[Any]]):
    """Label sets, one for each row: a list that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        lines = "".join(
            f'<tr><td style="{_FIGURE}">{row}</td><td style="{_CELL}">{_label_chips(names)}</td></tr>'
            for row, names in enumerate(self[:ROWS_SHOWN])
        )
        n_more = len(self) - ROWS_SHOWN
        remainder = f"<div>… and {n_more} more rows</div>" if n_more > 0 else ""
        return f'<div style="font-size:13px;line-height:1.5">{_table(("row", "labels"), lines)}{remainder}</div>'


def _label_chips(names: set[Any]) -> str:
    style = "background:rgba(128,128,128,.18);border-radius:3px;padding:0 5px;margin-right:4px"
    chips = "".join(f'<span style="{style}"><bdi>{html.escape(str(name))}</bdi></span>' for name in sorted(names))
    return chips or "<i>none</i>"


def report_html(report: Mapping[str, Any]) -> str:
    """Render a report in brief as HTML without a script, in the notebook's own colours."""
    data, decision_metrics = report["data"], report["metrics"]["decision"]
    metrics = "".join(
        _table_row((name, decision_metrics[name]["value"], decision_metrics[name]["baseline"]))
        for name in MEASURES_SHOWN
    )
    ranked = sorted(report["labels"], key=lambda row: -row["support"])
    labels = "".join(_table_row((row["label"], *(row[name] for name in _FIGURES))) for row in ranked[:LABELS_SHOWN])
    n_more = len(ranked) - LABELS_SHOWN
    remainder = f"<div>… and {n_more} rarer labels</div>" if n_more > 0 else ""
    findings = "".join(f"<li>{html.escape(finding['text'])}</li>" for finding in report["checks"])
    remarks = html.escape(" ".join(report["scores"]["remarks"]))
    return (
        '<div style="font-size:13px;line-height:1.4">'
        f"<div><b>{data['rows']} rows, {data['labels']} labels.</b> {remarks}</div>"
        f"{_table(('figure', 'value', 'baseline'), metrics)}{_table(_HEADINGS, labels)}{remainder}"
        f'<ul style="margin:4px 0;padding-left:18px">{findings}</ul>'
        "<div>All of it: <code>print(report)</code>; to look at: <code>report.to_html('report.html')</code></div></div>"
    )


def _table(headings: tuple[str, ...], lines: str) -> str:
    cells = "".join(f'<th style="{_FIGURE if k else _CELL}">{head}</th>' for k, head in enumerate(headings))
    return f'<table style="border-collapse:collapse;margin:6px 0"><tr>{cells}</tr>{lines}</table>'


def _table_row(cells: tuple[Any, ...]) -> str:
    heading, *values = cells
    value_cells = "".join(f'<td style="{_FIGURE}">{_number(value)}</td>' for value in values)
    return f'<tr><td style="{_CELL}"><bdi>{html.escape(str(heading))}</bdi></td>{value_cells}</tr>'


def _number(value: float | int | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
