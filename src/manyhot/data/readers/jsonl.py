"""JSONL (NDJSON), one JSON object in a line, and JSON, an array of objects; each object is a row."""

from __future__ import annotations

import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from manyhot.data.readers.encodings import UTF8_MARK
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source, read_error
from manyhot.data.readers.table import Table

_ROWS_WITH_TWINS_CHECKED = 100
MAX_DEPTH = 32  # of lists and objects in a row; polars takes no end of time for deeper ones, or all of the stack
_BLOCK = 1 << 24
_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_BRACKETS = re.compile(rb"[][{}]")
_EXPECTED = 'expected an array of objects, such as [{"size": 1.5, "y": 0}, {"size": 2, "y": 1}]'


def read_jsonl(source: Source, options: ReadOptions) -> Table:
    """A JSONL file; a key that a row lacks is null there."""
    content, notes = source.decoded_text("JSONL")
    return Table(frame_from_lines(content, source, 0), notes=notes)


def read_jsonl_chunks(source: Source, options: ReadOptions, rows: int) -> Iterator[Table]:
    """As `read_jsonl`, `rows` rows at a time; a plain or gzip file is never held as a whole."""
    lines = (line for line in source.lines() if line.strip())
    decoder, first_row = source.decoder(), 0
    names: list[str] = []
    while block := b"".join(itertools.islice(lines, rows)):
        if not first_row:
            source.refuse_binary(block[:4096], "JSONL")
            block = block.removeprefix(UTF8_MARK)
        block = decoder.decode(block)
        frame = frame_from_lines(block, source, first_row)
        names = list(dict.fromkeys([*names, *frame.columns]))
        absent = [pl.lit(None).alias(name) for name in names if name not in frame.columns]
        frame = frame.with_columns(absent).select(names)
        yield Table(frame, first_row=first_row, notes=decoder.notes)
        first_row += frame.height


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


def frame_from_lines(content: bytes, source: Source, first_row: int) -> pl.DataFrame:
    """JSON lines in UTF-8 as a frame; `first_row` rows stand before them."""
    if content.lstrip().startswith(b"["):
        raise source.error("holds a JSON list, expected one JSON object in each line; let its name end in .json")
    # polars keeps one of two equal keys in silence; the first rows are enough to see how the file is made
    _check_rows(content, source, first_row, _ROWS_WITH_TWINS_CHECKED)
    _refuse_deep_rows(content, source, first_row)
    try:
        return pl.read_ndjson(content, infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError) as error:
        _check_rows(content, source, first_row)
        raise read_error(source, "JSONL", error) from None


def _check_rows(content: bytes, source: Source, first_row: int, n_rows: int | None = None) -> None:
    """Raise for the first row, of so many, that is no object or has a key twice."""
    rows = (line for line in io.BytesIO(content) if line.strip())
    for i, line in enumerate(itertools.islice(rows, n_rows)):
        _check_row(line, source, first_row + i)


def _refuse_deep_rows(content: bytes, source: Source, first_row: int) -> None:
    """Raise for the first row that is nested deeper than `MAX_DEPTH`."""
    start = 0
    while start < len(content):
        stop = len(content) if len(content) - start <= _BLOCK else content.find(b"\n", start + _BLOCK) + 1
        stop = stop or len(content)
        letters = np.frombuffer(content, dtype=np.uint8, count=stop - start, offset=start)
        opening = np.flatnonzero((letters == ord("[")) | (letters == ord("{")))
        ends = np.append(np.flatnonzero(letters == ord("\n")), len(letters))
        n_opening = np.diff(np.searchsorted(opening, ends), prepend=0)
        for line in np.flatnonzero(n_opening > MAX_DEPTH).tolist():
            begin = start + (int(ends[line - 1]) + 1 if line else 0)
            if _depth(content[begin : start + int(ends[line])]) > MAX_DEPTH:
                row = sum(1 for one in io.BytesIO(content[:begin]) if one.strip())
                raise source.error(
                    f"is nested more than {MAX_DEPTH} deep, expected an object of values, or of lists of them",
                    row=first_row + row + 1,
                )
        start = stop


def _depth(line: bytes) -> int:
    """How deep a line of JSON is nested; brackets in a text do not count."""
    bare = _TEXTS.sub(b"", line)
    depth = deepest = 0
    for bracket in _BRACKETS.findall(bare):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _check_row(line: bytes, source: Source, row: int) -> None:
    try:
        value = json.loads(line, object_pairs_hook=lambda pairs: pairs)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", str(error))
        raise source.error(f"is no JSON object ({reason})", row=row + 1) from None
    if not line.lstrip().startswith(b"{"):
        found = "a list" if isinstance(value, list) else f"the value {value!r}"
        raise source.error(f"is {found}, expected a JSON object", row=row + 1)
    duplicates = [key for key, count in Counter(key for key, _ in value).items() if count > 1]
    if duplicates:
        raise source.error(f"column names must be unique, found more than once: {', '.join(duplicates)}", row=row + 1)
