"""A diagnosis -> text for a terminal, at most 100 columns wide; it reads only the plain values."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH = 100
NAME_WIDTH = 40
BRIEFS_SHOWN = 6
SIZES_SHOWN = 10
_TITLES = {"error": "Errors", "warning": "Warnings", "note": "Notes"}


def to_text(values: Mapping[str, Any], words: Mapping[str, tuple[str, str]]) -> str:
    """Render a diagnosis.

    Args:
        values: What `Diagnosis.to_dict` gave.
        words: Kind -> what several findings of it are called, and what to do about them.

    Returns:
        Lines of at most 100 columns, ending without a newline. Several findings of one kind share one paragraph.
    """
    parts = [_headline(values["facts"])]
    for severity, title in _TITLES.items():
        group = [finding for finding in values["findings"] if finding["severity"] == severity]
        by_kind: dict[str, list[Mapping[str, Any]]] = {}
        for finding in group:
            by_kind.setdefault(finding["kind"], []).append(finding)
        if by_kind:
            lines = [_paragraph(alike, *words[kind]) for kind, alike in by_kind.items()]
            parts.append("\n".join([title, *lines]))
    if not values["findings"]:
        parts.append("Nothing odd was found.")
    if values["limits"]:
        parts.append("\n".join(["Left out", *(_bullet(limit) for limit in values["limits"])]))
    return "\n\n".join(parts)


def shown(name: str, width: int = NAME_WIDTH) -> str:
    """A name that a terminal shows and does not obey, cut to a width."""
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
    return text if len(text) <= width else text[: width - 1] + "\N{HORIZONTAL ELLIPSIS}"


def counted(count: int, noun: str, many: str | None = None) -> str:
    """A number and its noun: "1 row", "2 rows"."""
    return f"{count} {noun}" if count == 1 else f"{count} {many or noun + 's'}"


def _headline(facts: Mapping[str, Any]) -> str:
    said = [f"{counted(facts['rows'], 'row')}, {counted(facts['labels'], 'label')}"]
    if facts["cardinality"] is not None:
        said.append(f"{facts['cardinality']:.2f} labels per row")
    if facts["density"] is not None:
        said.append(f"density {facts['density']:.3f}")
    said.append(counted(facts["label_sets"]["distinct"], "distinct label set"))
    said.append(f"{counted(facts['rows_without_labels'], 'row')} without labels")
    if facts["unknown_share"] > 0:
        said.append(f"{100 * facts['unknown_share']:.1f} % of the targets unknown")
    sizes = [(size, rows) for size, rows in enumerate(facts["label_set_sizes"]) if rows]
    lines = [_wrapped("; ".join(said) + ".")]
    if sizes:
        more = sum(rows for _, rows in sizes[SIZES_SHOWN:])
        listed = ", ".join(f"{size} in {rows}" for size, rows in sizes[:SIZES_SHOWN])
        rest = f", more than {sizes[SIZES_SHOWN - 1][0]} in {more}" if more else ""
        lines.append(_wrapped(f"Labels per row, and in how many rows: {listed}{rest}."))
    support = facts["support"]
    lines.append(
        _wrapped(f"Positives per label: {support['least']} to {support['most']}, median {support['median']:g}.")
    )
    return "\n".join(lines)


def _paragraph(findings: Sequence[Mapping[str, Any]], heading: str, advice: str) -> str:
    if len(findings) == 1:
        return _bullet(findings[0]["message"])
    briefs = "; ".join(finding["brief"] for finding in findings[:BRIEFS_SHOWN])
    more = f"; and {len(findings) - BRIEFS_SHOWN} more" if len(findings) > BRIEFS_SHOWN else ""
    return _bullet(f"{len(findings)} {heading}: {briefs}{more}. {advice}")


def _bullet(sentence: str) -> str:
    return _wrapped(sentence, "- ", "  ")


def _wrapped(text: str, first: str = "", later: str = "") -> str:
    whole = shown(" ".join(text.split()), width=len(text) + 1)
    return textwrap.fill(whole, WIDTH, initial_indent=first, subsequent_indent=later, break_on_hyphens=False)
