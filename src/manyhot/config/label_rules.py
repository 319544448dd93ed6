"""How rules between labels are written down: lists of names, the text that a person types for them, and a file."""

from __future__ import annotations

import csv
import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from manyhot import validation
from manyhot.errors import InputError

TAXONOMY = "taxonomy"
LABEL_SEP = ";"
"""Default separator between labels in a cell of CSV."""


def validate_implications(value: Any, argument: str = "implies") -> tuple[tuple[str, str], ...]:
    """Pairs (child, parent), each once."""
    pairs = [_require_names(pair, argument) for pair in _require_list(value, argument)]
    for pair in pairs:
        if len(pair) != 2:
            raise InputError(f"got {validation.shorten(pair)}, expected a pair (child, parent)", argument=argument)
        if pair[0] == pair[1]:
            raise InputError(f"{pair[0]!r} is said to imply itself; leave that pair out", argument=argument)
    return tuple(dict.fromkeys((child, parent) for child, parent in pairs))


def validate_taxonomy(value: Any) -> tuple[tuple[str, str], ...]:
    """Pairs (child, parent), each once, of pairs, of their text, or of a CSV with the columns parent and child."""
    if value is None:
        return ()
    if isinstance(value, os.PathLike) or (isinstance(value, str) and names_taxonomy_file(value)):
        return _read_taxonomy(Path(value))
    if isinstance(value, str):
        return implications_from_text(value, TAXONOMY)
    return validate_implications(value, TAXONOMY)


def names_taxonomy_file(text: str) -> bool:
    """Whether the text of a taxonomy is the path of a file, and not pairs."""
    return bool(text.strip()) and ">" not in text and not text.lstrip().startswith("[")


def validate_groups(value: Any) -> tuple[tuple[str, ...], ...]:
    """Groups of two or more labels, each once."""
    groups = [_require_names(group, "exclusive") for group in _require_list(value, "exclusive")]
    for group in groups:
        if len(group) < 2:
            raise InputError(f"got {validation.shorten(group)}, expected two labels or more", argument="exclusive")
        if len(set(group)) < len(group):
            raise InputError(f"a label stands twice in the group {validation.shorten(group)}", argument="exclusive")
    return tuple(dict.fromkeys(groups))


def implications_from_text(text: str, argument: str = "implies") -> tuple[tuple[str, str], ...]:
    """`car>vehicle,dog>animal`, also in chains (`poodle>dog>animal`), or JSON `[["child", "parent"]]` -> pairs."""
    if text.lstrip().startswith("["):
        return validate_implications(_parse_json(text, argument), argument)
    chains = _split(text, ">", argument, 'child>parent", or JSON: [["child", "parent"]]')
    return validate_implications([pair for chain in chains for pair in itertools.pairwise(chain)], argument)


def groups_from_text(text: str) -> tuple[tuple[str, ...], ...]:
    """`day|night,indoor|outdoor|cellar`, or JSON `[["day", "night"]]` -> groups."""
    if text.lstrip().startswith("["):
        return validate_groups(_parse_json(text, "exclusive"))
    return validate_groups(_split(text, "|", "exclusive", 'one|other", or JSON: [["one", "other"]]'))


def implications_to_text(pairs: Sequence[tuple[str, str]]) -> str:
    """Pairs -> the text that `implications_from_text` reads; JSON where names need it."""
    names = [name for pair in pairs for name in pair]
    if any(name != name.strip() or {">", ","} & set(name) or name.startswith("[") for name in names):
        return json.dumps([list(pair) for pair in pairs], ensure_ascii=False)
    return ",".join(">".join(pair) for pair in pairs)


def _read_taxonomy(path: Path) -> tuple[tuple[str, str], ...]:
    """The pairs (child, parent) of a CSV whose header names the columns parent and child; others are left alone."""
    try:
        with path.expanduser().open(encoding="utf-8-sig", newline="") as lines:
            rows = [[cell.strip() for cell in row] for row in csv.reader(lines, strict=True)]
    except (OSError, ValueError, csv.Error) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise InputError(
            f"cannot be read ({reason}); expected pairs such as 'car>vehicle,dog>animal', or a CSV file in UTF-8 with "
            "the columns parent and child",
            file=path,
            argument=TAXONOMY,
        ) from None
    header = rows[0] if rows else []
    for name in ("parent", "child"):
        if header.count(name) != 1:
            found = "no column" if name not in header else "more than one column"
            raise InputError(
                f"has {found} {name!r}; expected a header with parent and child, got {validation.shorten(header)}",
                file=path,
                argument=TAXONOMY,
            )
    places = header.index("child"), header.index("parent")
    pairs = []
    for number, row in enumerate(rows[1:], start=1):
        if not any(row):
            continue
        pair = tuple(row[place] if place < len(row) else "" for place in places)
        if not all(pair):
            name = "parent" if pair[0] else "child"
            raise InputError(f"the {name} is missing", file=path, row=number, column=name, argument=TAXONOMY)
        if pair[0] == pair[1]:
            raise InputError(f"{pair[0]!r} is its own parent", file=path, row=number, argument=TAXONOMY)
        pairs.append(pair)
    return validate_implications(pairs, TAXONOMY)


def _split(text: str, separator: str, argument: str, expected: str) -> tuple[tuple[str, ...], ...]:
    if not text.strip():
        return ()
    pieces = tuple(tuple(name.strip() for name in piece.split(separator)) for piece in text.split(","))
    for piece in pieces:
        if len(piece) < 2 or not all(piece):
            raise InputError(
                f'got {validation.shorten(separator.join(piece))}, expected "{expected}', argument=argument
            )
    return pieces


def _parse_json(text: str, argument: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"this begins like JSON but is none: {error}", argument=argument) from None


def _require_list(value: Any, argument: str) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise InputError(f"got {validation.shorten(value)}, expected a list of lists of label names", argument=argument)
    return value


def _require_names(value: Any, argument: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) and name for name in value):
        raise InputError(f"got {validation.shorten(value)}, expected a list of label names", argument=argument)
    return tuple(str(name) for name in value)
