"""Data checks -> text for a terminal, at most 100 columns wide; it reads only the plain values."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH = 100
NAME_WIDTH = 40
BRIEFS_SHOWN = 6
SIZES_SHOWN = 10
_TITLES = {"error": "Errors", "warning": "Warnings", "note": "Notes"}


def to_text(values: Mapping[str, Any], captions: Mapping[str, tuple[str, str]]) -> str:
    """Render `DataChecks.to_dict()`; `captions`: kind -> heading and advice for several findings of that kind."""
    sections = [_headline(values["facts"])]
    for severity, title in _TITLES.items():
        group = [finding for finding in values["findings"] if finding["severity"] == severity]
        by_kind: dict[str, list[Mapping[str, Any]]] = {}
        for finding in group:
            by_kind.setdefault(finding["kind"], []).append(finding)
        if by_kind:
            lines = [_paragraph(similar, *captions[kind]) for kind, similar in by_kind.items()]
            sections.append("\n".join([title, *lines]))
    if not values["findings"]:
        sections.append("No problems found.")
    if values["limits"]:
        sections.append("\n".join(["Left out", *(_bullet(limit) for limit in values["limits"])]))
    return "\n\n".join(sections)


def printable(name: str, width: int = NAME_WIDTH) -> str:
    """A name that a terminal shows and does not obey, cut to a width."""
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
    return text if len(text) <= width else text[: width - 1] + "\N{HORIZONTAL ELLIPSIS}"


def pluralize(count: int, noun: str, plural: str | None = None) -> str:
    """A number and its noun: "1 row", "2 rows"."""
    return f"{count} {noun}" if count == 1 else f"{count} {plural or noun + 's'}"


def _headline(facts: Mapping[str, Any]) -> str:
    clauses = [f"{pluralize(facts['rows'], 'row')}, {pluralize(facts['labels'], 'label')}"]
    if facts["cardinality"] is not None:
        clauses.append(f"{facts['cardinality']:.2f} labels per row")
    if facts["density"] is not None:
        clauses.append(f"density {facts['density']:.3f}")
    clauses.append(pluralize(facts["label_sets"]["distinct"], "distinct label set"))
    clauses.append(f"{pluralize(facts['rows_without_labels'], 'row')} without labels")
    if facts["unknown_share"] > 0:
        clauses.append(f"{100 * facts['unknown_share']:.1f} % of the targets unknown")
    sizes = [(size, rows) for size, rows in enumerate(facts["label_set_sizes"]) if rows]
    lines = [_wrap("; ".join(clauses) + ".")]
    if sizes:
        n_more = sum(rows for _, rows in sizes[SIZES_SHOWN:])
        size_list = ", ".join(f"{size} in {rows}" for size, rows in sizes[:SIZES_SHOWN])
        rest = f", more than {sizes[SIZES_SHOWN - 1][0]} in {n_more}" if n_more else ""
        lines.append(_wrap(f"Labels per row, and in how many rows: {size_list}{rest}."))
    support = facts["support"]
    lines.append(_wrap(f"Positives per label: {support['min']} to {support['max']}, median {support['median']:g}."))
    return "\n".join(lines)


def _paragraph(findings: Sequence[Mapping[str, Any]], heading: str, advice: str) -> str:
    if len(findings) == 1:
        return _bullet(findings[0]["message"])
    briefs = "; ".join(finding["brief"] for finding in findings[:BRIEFS_SHOWN])
    remainder = f"; and {len(findings) - BRIEFS_SHOWN} more" if len(findings) > BRIEFS_SHOWN else ""
    return _bullet(f"{len(findings)} {heading}: {briefs}{remainder}. {advice}")


def _bullet(sentence: str) -> str:
    return _wrap(sentence, "- ", "  ")


def _wrap(text: str, first: str = "", rest: str = "") -> str:
    cleaned = printable(" ".join(text.split()), width=len(text) + 1)
    return textwrap.fill(cleaned, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
