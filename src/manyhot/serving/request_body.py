"""The body of a request -> rows, and what is asked of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from manyhot.errors import InputError
from manyhot.persistence.container import strict_json
from manyhot.serving.errors import ApiError
from manyhot.serving.limits import Limits
from manyhot.serving.model import PredictOptions, ServedModel
from manyhot.serving.multipart import parse_parts
from manyhot.validation import did_you_mean, shorten

OPTION_NAMES = ("thresholds", "top", "explain")
FIELD_NAMES = ("rows", *OPTION_NAMES)


def read_json(served: ServedModel, body: bytes, query: Mapping[str, str]) -> tuple[list[Any], PredictOptions]:
    """The rows and options of a body of JSON."""
    if query:
        got = shorten(next(iter(query)))
        raise ApiError(422, f"unknown parameter {got}; with JSON, all options go in the body", argument="query")
    return _check_document(served, _parse_json(body, "body", served.limits))


def read_form(served: ServedModel, body: bytes, content_type: str) -> tuple[list[Any], PredictOptions]:
    """The same of a form: the k-th file of a column belongs to the k-th row."""
    document: dict[str, Any] = {}
    files: dict[str, list[bytes]] = {}
    for part in parse_parts(body, content_type, served.limits.max_rows + len(FIELD_NAMES)):
        if part.is_file or part.name not in FIELD_NAMES:
            files.setdefault(part.name, []).append(part.content)
        elif part.name in document:
            raise ApiError(422, "appears twice in the form", argument=part.name)
        else:
            document[part.name] = _parse_json(part.content, part.name, served.limits)
    known = [column["name"] for column in served.columns if column["type"] == "image"]
    for name in files:
        if name not in known:
            expected = (
                f"the model's images are {known}"
                if known
                else "the model takes no images; send a table as the body, of type text/csv"
            )
            hint = did_you_mean(name, known)
            raise ApiError(422, f"there is a file {shorten(name)}, but {expected}{hint}", argument="body")
    n_rows = max(map(len, files.values()), default=0)
    rows = document.setdefault("rows", [{} for _ in range(n_rows)])
    if files and (type(rows) is not list or not all(type(row) is dict for row in rows)):
        raise ApiError(422, "expected a list of objects", argument="rows")
    for name, contents in files.items():
        if len(contents) != len(rows):
            raise ApiError(422, f"{len(contents)} files for {len(rows)} rows", column=name)
        for row, content in zip(rows, contents, strict=True):
            row[name] = content
    return _check_document(served, document)


def read_query(served: ServedModel, query: Mapping[str, str]) -> PredictOptions:
    """The options beside a table, each a parameter in JSON."""
    known = [name for name in OPTION_NAMES if name != "top"]
    values = {}
    for name, text in query.items():
        if name not in known:
            raise ApiError(422, f"unknown parameter {shorten(name)}, expected {', '.join(known)}", argument="query")
        values[name] = _parse_json(text.encode("utf-8", errors="replace"), name, served.limits)
    return served.parse_options(values)


def _parse_json(text: bytes, argument: str, limits: Limits) -> Any:
    if not text.strip():
        raise ApiError(400, 'is empty, expected JSON such as {"rows": [...]}; was a file not found?', argument=argument)
    try:
        return strict_json.parse(text, argument, limits.json_limits, is_finite=False)
    except InputError as error:
        raise ApiError(400, error.message, argument=argument) from None


def _check_document(served: ServedModel, document: Any) -> tuple[list[Any], PredictOptions]:
    if type(document) is not dict:
        got = "a list: it belongs under that name" if type(document) is list else json.dumps(document)[:200]
        raise ApiError(422, f'expected an object such as {{"rows": [...]}}, got {got}', argument="body")
    for name in document:
        if name not in FIELD_NAMES:
            expected = f"expected rows, {', '.join(OPTION_NAMES)}{did_you_mean(name, FIELD_NAMES)}"
            raise ApiError(422, f"unknown field {shorten(name)}, {expected}", argument="body")
    rows = document.get("rows")
    if type(rows) is not list or not rows:
        got = "nothing" if rows is None else shorten(rows)
        raise ApiError(422, f"got {got}, expected a list of one row or more", argument="rows")
    options = served.parse_options(document)
    max_rows = served.limits.max_explain_rows if options.explain else served.limits.max_rows
    if len(rows) > max_rows:
        suffix = " with explain" if options.explain else ""
        raise ApiError(422, f"got {len(rows)} rows, expected at most {max_rows}{suffix}", argument="rows")
    return rows, options
