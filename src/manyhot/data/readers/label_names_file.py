"""A file that lists the names of numbered labels (`--label-names FILE`): lines, JSON, or CSV with numbers and names."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from manyhot.data.label_cells import whole_number
from manyhot.data.readers.csv import detect_dialect
from manyhot.data.readers.options import check_label_names
from manyhot.data.readers.source import Source, locate
from manyhot.errors import InputError

_NUMBERED_LINE = re.compile(r"\s*[+-]?\d+\s*[\t,;]\s*\S")
_FORMS = 'one name in each line (the first is that of 0), a JSON list, a JSON object {"3": "joy"}, or CSV number,name'


def load_label_names(path: Path) -> dict[str, str]:
    """A file of names -> number as text to name."""
    source = locate(path)
    text = source.decoded_text("a list of names")[0].decode("utf-8")
    try:
        if source.suffix == ".json":
            return check_label_names(_parse_json(text))
        lines = [line.strip("\r ") for line in text.rstrip().split("\n")]
        if source.suffix in (".csv", ".tsv", ".tab") or all(map(_NUMBERED_LINE.match, lines)):
            return _parse_table(text, source)
        empty = next((k for k, line in enumerate(lines) if not line.strip()), None)
        if empty is not None:
            raise InputError(f"is empty, expected the name of label {empty}", row=empty + 1)
        return check_label_names([line.strip() for line in lines])
    except InputError as error:
        raise InputError(error.message, file=path, row=error.row) from None


def _parse_json(text: str) -> Any:
    def refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twin = _first_twin([key for key, _ in pairs])
        if twin is not None:
            raise InputError(f"the number {pairs[twin][0]!r} stands more than once")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=refuse_twins)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not valid JSON ({error}); expected {_FORMS}") from None


def _parse_table(text: str, source: Source) -> dict[str, str]:
    """Rows of a number and a name; a first row without a number is the header."""
    delimiter = detect_dialect(text.encode("utf-8"), source).delimiter
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row]
    except csv.Error as error:
        raise InputError(f"cannot be read as CSV ({error})") from None
    odd = next((k for k, row in enumerate(rows) if len(row) != 2), None)
    if odd is not None:
        cells = "1 cell" if len(rows[odd]) == 1 else f"{len(rows[odd])} cells"
        raise InputError(
            f"has {cells}, expected 2, a number and a name; quote names with {delimiter!r} in them, and let the name "
            "of a file with one name in each line end in .txt",
            row=odd + 1,
        )
    if len(rows) > 1 and whole_number(rows[0][0]) is None:
        rows = rows[1:]
    wrong = next((k for k, row in enumerate(rows) if whole_number(row[0]) is None), None)
    if wrong is not None:
        raise InputError(
            f"got {rows[wrong][0]!r}, expected a whole number; the first column has the numbers, the second the names",
            row=wrong + 1,
        )
    numbers = [whole_number(row[0]) for row in rows]
    twin = _first_twin(numbers)
    if twin is not None:
        raise InputError(f"the number {numbers[twin]} stands more than once", row=twin + 1)
    return check_label_names({str(number): row[1].strip() for number, row in zip(numbers, rows, strict=True)})


def _first_twin(values: Sequence[Any]) -> int | None:
    """The place of the first value that stands before already."""
    seen: set[Any] = set()
    for k, value in enumerate(values):
        if value in seen:
            return k
        seen.add(value)
    return None
