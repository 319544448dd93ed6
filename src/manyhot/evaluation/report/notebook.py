"""What reports and answers show of themselves in a notebook: a little HTML with styles of its own and no script."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

SHOWN = ("f1_micro", "f1_macro", "f1_samples", "hamming_loss", "map", "roc_auc_macro", "lrap")
LABELS_SHOWN = 10
ROWS_SHOWN = 20
_CELL = "padding:2px 12px 2px 0;text-align:left;border-bottom:1px solid rgba(128,128,128,.3)"
_FIGURE = _CELL.replace("left", "right")
_FIGURES = ("support", "threshold", "precision", "recall", "f1", "average_precision")
_HEADS = ("label", "rows", "threshold", "precision", "recall", "F1", "AP")


class LabelSets(list[set[str]]):
    """Label sets, one for each row: a list that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        lines = "".join(
            f'<tr><td style="{_FIGURE}">{row}</td><td style="{_CELL}">{_chips(names)}</td></tr>'
            for row, names in enumerate(self[:ROWS_SHOWN])
        )
        more = len(self) - ROWS_SHOWN
        last = f"<div>… and {more} more rows</div>" if more > 0 else ""
        return f'<div style="font-size:13px;line-height:1.5">{_table(("row", "labels"), lines)}{last}</div>'


def _chips(names: set[str]) -> str:
    style = "background:rgba(128,128,128,.18);border-radius:3px;padding:0 5px;margin-right:4px"
    shown = "".join(f'<span style="{style}"><bdi>{html.escape(name)}</bdi></span>' for name in sorted(names))
    return shown or "<i>none</i>"


def brief(report: Mapping[str, Any]) -> str:
    """A report in brief.

    Args:
        report: What `report.build` gave.

    Returns:
        HTML without a script, which takes the notebook's own colours.
    """
    data, own = report["data"], report["measures"]["own"]
    measures = "".join(_line((name, own[name]["value"], own[name]["baseline"])) for name in SHOWN)
    ranked = sorted(report["labels"], key=lambda row: -row["support"])
    labels = "".join(_line((row["label"], *(row[name] for name in _FIGURES))) for row in ranked[:LABELS_SHOWN])
    more = len(ranked) - LABELS_SHOWN
    last = f"<div>… and {more} rarer labels</div>" if more > 0 else ""
    odd = "".join(f"<li>{html.escape(finding['text'])}</li>" for finding in report["diagnosis"])
    remarks = html.escape(" ".join(report["scores"]["remarks"]))
    return (
        '<div style="font-size:13px;line-height:1.4">'
        f"<div><b>{data['rows']} rows, {data['labels']} labels.</b> {remarks}</div>"
        f"{_table(('figure', 'value', 'baseline'), measures)}{_table(_HEADS, labels)}{last}"
        f'<ul style="margin:4px 0;padding-left:18px">{odd}</ul>'
        "<div>All of it: <code>print(report)</code>; to look at: <code>report.to_html('report.html')</code></div></div>"
    )


def _table(heads: tuple[str, ...], lines: str) -> str:
    cells = "".join(f'<th style="{_FIGURE if k else _CELL}">{head}</th>' for k, head in enumerate(heads))
    return f'<table style="border-collapse:collapse;margin:6px 0"><tr>{cells}</tr>{lines}</table>'


def _line(cells: tuple[Any, ...]) -> str:
    first, *others = cells
    shown = "".join(f'<td style="{_FIGURE}">{_number(value)}</td>' for value in others)
    return f'<tr><td style="{_CELL}"><bdi>{html.escape(str(first))}</bdi></td>{shown}</tr>'


def _number(value: float | int | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
