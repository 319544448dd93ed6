"""JSON: an array of objects, one for each row; a `.json` file of JSON lines is read as such, with a note."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from manyhot.data.readers.jsonl import frame_from_lines
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source
from manyhot.data.readers.table import Table

_EXPECTED = 'expected an array of objects, such as [{"size": 1.5, "y": 0}, {"size": 2, "y": 1}]'


def read_json(source: Source, options: ReadOptions) -> Table:
    """A JSON file; a key that a row lacks is null there, and so is NaN."""
    content, notes = source.decoded_text("JSON")
    try:
        rows = json.loads(content, object_pairs_hook=_object, parse_constant=_constant)
    except _TwinKeyError as error:
        raise source.error(f"column names must be unique, found more than once: {error}") from None
    except (ValueError, RecursionError) as error:
        if content.lstrip().startswith(b"{") and content.strip().count(b"\n"):
            note = "the file holds JSON lines, not one array of objects, and was read as JSONL"
            return Table(frame_from_lines(content, source, 0), notes=(*notes, note))
        reason = getattr(error, "msg", None) or str(error) or type(error).__name__
        line = f" in line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise source.error(f"is no JSON ({reason}{line}); {_EXPECTED}") from None
    if not isinstance(rows, list):
        kind = f"an object of {len(rows)} keys" if isinstance(rows, dict) else f"the value {rows!r:.50}"
        hint = "; pandas writes it with to_json(orient='records')" if isinstance(rows, dict) else ""
        raise source.error(f"holds {kind}, {_EXPECTED}{hint}")
    if not rows:
        raise source.error(f"holds an empty array, {_EXPECTED}")
    for row, value in enumerate(rows):
        if not isinstance(value, dict):
            raise source.error(f"is {value!r:.50}, expected a JSON object", row=row + 1)
    return Table(frame_from_lines("\n".join(map(json.dumps, rows)).encode(), source, 0), notes=notes)


class _TwinKeyError(Exception):
    """A key that stands twice in one object."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise _TwinKeyError(next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1))
    return value


def _constant(name: str) -> float | None:
    """NaN is what pandas and Python write for a missing number."""
    if name == "NaN":
        return None
    raise ValueError(f"the value {name} is no number of JSON")
