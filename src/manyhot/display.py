"""How results show themselves: one line as `repr`; in a notebook HTML without a script, in the page's own colours."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

MAX_REPR = 200  # characters
ROWS_SHOWN = 20
_CELL = "padding:2px 12px 2px 0;text-align:left;vertical-align:top;border-bottom:1px solid rgba(128,128,128,.3)"
_FIGURE = _CELL.replace("left", "right")
_CHIP = "background:rgba(128,128,128,.18);border-radius:3px;padding:0 5px;margin-right:4px"


def short_repr(name: str, text: str) -> str:
    """A `repr` of one line and at most 200 characters: "<Name: text>"."""
    line = " ".join(f"{name}: {text}".split())
    return f"<{line}>" if len(line) <= MAX_REPR - 2 else f"<{line[: MAX_REPR - 3]}…>"


def list_repr(values: Sequence[Any]) -> str:
    """The `repr` of a list, or its beginning and its length where that is too long."""
    shown: list[str] = []
    suffix = f", … {len(values)} in all]"
    length = 1
    for value in values:
        text = repr(value)
        length += len(text) + 2
        if length > MAX_REPR:
            break
        shown.append(text)
    whole = f"[{', '.join(shown)}]"
    if len(shown) == len(values) and len(whole) <= MAX_REPR:
        return whole
    while shown and len(", ".join(shown)) + len(suffix) + 1 > MAX_REPR:
        shown.pop()
    return f"[{', '.join(shown)}{suffix}" if shown else f"[… {len(values)} in all]"


def section(*parts: str) -> str:
    """Parts in HTML, below each other."""
    return f'<div style="font-size:13px;line-height:1.45">{"".join(parts)}</div>'


def paragraph(heading: str, text: str = "") -> str:
    """A bold heading with text behind it."""
    bold = f"<b>{html.escape(heading)}</b>" if heading else ""
    return f'<div style="margin:2px 0;max-width:60em">{bold} {html.escape(text)}</div>'


def chips(names: Iterable[Any]) -> str:
    """Names in boxes, in the order of the alphabet."""
    boxes = "".join(
        f'<span style="{_CHIP}"><bdi>{html.escape(str(name))}</bdi></span>' for name in sorted(names, key=str)
    )
    return boxes or "<i>none</i>"


class Markup(str):
    """HTML that is part of a cell as it is."""


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]], n_all: int | None = None, what: str = "rows") -> str:
    """A table; a column of numbers is aligned right, None is a dash, and what is left out is counted below."""
    is_figure = [all(_is_number(row[k]) for row in rows) and bool(rows) for k in range(len(headings))]
    styles = [_FIGURE if right else _CELL for right in is_figure]
    head = "".join(
        f'<th style="{style}">{html.escape(name)}</th>' for name, style in zip(headings, styles, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f'<td style="{style}">{_cell(cell)}</td>' for cell, style in zip(row, styles, strict=True))
        + "</tr>"
        for row in rows
    )
    n_more = 0 if n_all is None else n_all - len(rows)
    remainder = f"<div>… and {n_more} more {html.escape(what)}</div>" if n_more > 0 else ""
    style = "border-collapse:collapse;color:inherit;margin:6px 0;font-variant-numeric:tabular-nums"
    return f'<div style="overflow-x:auto"><table style="{style}"><tr>{head}</tr>{body}</table></div>{remainder}'


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _cell(value: Any) -> str:
    if isinstance(value, Markup):
        return value
    if value is None or value != value:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"<bdi>{html.escape(str(value))}</bdi>"
