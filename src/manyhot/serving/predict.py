"""`POST /predict`: a body -> rows and what is asked of them -> scores -> the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from manyhot.config.label_rules import LABEL_SEP
from manyhot.errors import InputError
from manyhot.estimators.prediction_table import EXPLANATION, check_separator, id_series, prediction_frame, to_csv
from manyhot.explanation.explain import Explanation
from manyhot.persistence.container import strict_json
from manyhot.serving.batching import Blocks
from manyhot.serving.errors import ApiError, service_unavailable, to_http_error
from manyhot.serving.limits import Limits
from manyhot.serving.model import PredictOptions, ServedModel
from manyhot.serving.multipart import parse_parts
from manyhot.serving.state import Service
from manyhot.validation import did_you_mean, shorten

JSON, FORM = "application/json", "multipart/form-data"
TABLES = {"text/csv": "csv", "text/tab-separated-values": "tsv"}
QUICK_BYTES, QUICK_ROWS = 16_384, 8  # a request up to this size is answered on the event loop
OPTION_NAMES = ("thresholds", "top", "explain")


class PredictionResponse(NamedTuple):
    """What goes back."""

    content: bytes
    media_type: str
    n_rows: int


class ScoredBatch(NamedTuple):
    """Some rows with their scores."""

    scores: np.ndarray  # float (n, l), calibrated
    decisions: np.ndarray  # bool (n, l), the model's own


class ParsedRequest(NamedTuple):
    """A small request, read."""

    rows: list[Any]
    options: PredictOptions
    blocks: Blocks


def parse_small_request(served: ServedModel, body: bytes, query: Mapping[str, str]) -> ParsedRequest | None:
    """What a body of JSON asks, up to `QUICK_BYTES` of it; None where answering it takes a thread."""
    rows, options = _read_json(served, body, query)
    if len(rows) > QUICK_ROWS or options.explain:
        return None
    return ParsedRequest(rows, options, served.row_parser.parse(rows))


def small_response(served: ServedModel, small: ParsedRequest, arrays: tuple[np.ndarray, ...]) -> PredictionResponse:
    """The answer to a small request, from what `ServedModel.score` gave for its rows."""
    return _json_response(served, small.options, small.rows, [ScoredBatch(*arrays)], None)


async def predict(
    service: Service, served: ServedModel, body: bytes, content_type: str, query: Mapping[str, str]
) -> PredictionResponse:
    """Answer one request."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in (JSON, FORM, *TABLES):
        raise ApiError(
            415, f"got {shorten(media_type)}, expected {JSON}, {FORM} or {', '.join(TABLES)}", argument="Content-Type"
        )
    batches = service.get_batches(served)
    deadline = time.monotonic() + service.limits.response_seconds
    try:
        if media_type == JSON and len(body) <= QUICK_BYTES and served.row_parser.is_quick:
            small = parse_small_request(served, body, query)
            if small is not None:
                scores = batches.submit(small.blocks, len(small.rows))
                return small_response(served, small, await asyncio.wait_for(scores, service.limits.response_seconds))
        async with asyncio.timeout(service.limits.response_seconds):
            large = _LargeRequest(service, served, media_type, deadline)
            return await asyncio.get_running_loop().run_in_executor(
                service.pool, large.respond, body, content_type, query
            )
    except TimeoutError:
        raise service_unavailable(
            f"no response within {service.limits.response_seconds:g} seconds; send fewer rows"
        ) from None
    except InputError as error:
        raise to_http_error(error) from None


class _LargeRequest:
    """One request in a thread of the service's."""

    def __init__(self, service: Service, served: ServedModel, media_type: str, deadline: float) -> None:
        self.service, self.served, self.media_type, self.deadline = service, served, media_type, deadline

    def respond(self, body: bytes, content_type: str, query: Mapping[str, str]) -> PredictionResponse:
        """The whole answer."""
        self._remaining_seconds()
        if self.media_type in TABLES:
            return self._respond_table(body, query)
        served = self.served
        if self.media_type == JSON:
            rows, options = _read_json(served, body, query)
        else:
            rows, options = _parse_document(served, _parse_form(served, body, content_type))
        batches, reasons = [], []
        for first in range(0, len(rows), served.max_batch_rows):
            batch_rows = rows[first : first + served.max_batch_rows]
            try:
                batches.append(self._score_batch(served.row_parser.parse(batch_rows), len(batch_rows)))
                reasons += served.explain(batch_rows, options) if options.explain else []
            except ApiError as api_error:
                raise api_error.shift_rows(first) from None
            except InputError as error:
                raise to_http_error(error).shift_rows(first) from None
        return _json_response(served, options, rows, batches, reasons if options.explain else None)

    def _respond_table(self, body: bytes, query: Mapping[str, str]) -> PredictionResponse:
        served = self.served
        options = served.parse_options(_parse_query(query, served.limits, excluded="top"))
        check_separator(LABEL_SEP, served.labels, "body", "send JSON rows instead")
        csv_parts, n_rows = [], 0
        for samples, features in served.read_table(body, TABLES[self.media_type], options):
            blocks = served.model.encoder.transform(features)
            batches = [
                self._score_table_batch(part)
                for part in _split_blocks(blocks, samples.n_samples, served.max_batch_rows)
            ]
            scores = np.concatenate([batch.scores for batch in batches])
            decisions = served.decide(options, scores, np.concatenate([batch.decisions for batch in batches]))
            frame = prediction_frame(id_series(samples, n_rows), served.labels, scores, decisions)
            if options.explain:
                reason_texts = [
                    "; ".join(explanation.brief() for explanation in row.values())
                    for row in served.explain_features(features, options)
                ]
                frame = frame.with_columns(pl.Series(EXPLANATION, reason_texts, dtype=pl.String))
            csv_parts.append(to_csv(frame, LABEL_SEP, with_header=not n_rows))
            n_rows += samples.n_samples
        return PredictionResponse("".join(csv_parts).encode(), "text/csv; charset=utf-8", n_rows)

    def _score_batch(self, blocks: Mapping[str, Any], n_rows: int) -> ScoredBatch:
        """Rows scored together with those of other requests."""
        batches = self.service.get_batches(self.served)
        return ScoredBatch(*batches.submit_and_wait(blocks, n_rows, self._remaining_seconds()))

    def _score_table_batch(self, blocks: Mapping[str, Any]) -> ScoredBatch:
        """A piece of a table, a batch by itself."""
        self._remaining_seconds()
        return ScoredBatch(*self.served.score_blocks(blocks))

    def _remaining_seconds(self) -> float:
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining


def _split_blocks(blocks: Mapping[str, Any], n_rows: int, max_rows: int) -> Iterator[dict[str, Any]]:
    for first in range(0, n_rows, max_rows):
        yield {name: block[first : first + max_rows] for name, block in blocks.items()}


def _parse_json(text: bytes, argument: str, limits: Limits) -> Any:
    try:
        return strict_json.parse(text, argument, limits.json_limits, is_finite=False)
    except InputError as error:
        raise ApiError(400, error.message, argument=argument) from None


def _read_json(served: ServedModel, body: bytes, query: Mapping[str, str]) -> tuple[list[Any], PredictOptions]:
    if query:
        raise ApiError(
            422,
            f"unknown parameter {shorten(next(iter(query)))}; with JSON, all options go in the body",
            argument="query",
        )
    return _parse_document(served, _parse_json(body, "body", served.limits))


def _parse_document(served: ServedModel, document: Any) -> tuple[list[Any], PredictOptions]:
    if type(document) is not dict:
        raise ApiError(422, f'got {shorten(document)}, expected an object such as {{"rows": [...]}}', argument="body")
    for name in document:
        if name != "rows" and name not in OPTION_NAMES:
            hint = did_you_mean(name, ("rows", *OPTION_NAMES))
            raise ApiError(
                422, f"unknown field {shorten(name)}, expected rows, {', '.join(OPTION_NAMES)}{hint}", argument="body"
            )
    rows = document.get("rows")
    if type(rows) is not list or not rows:
        got = "nothing" if rows is None else shorten(rows)
        raise ApiError(422, f"got {got}, expected a list of one row or more", argument="rows")
    options = served.parse_options(document)
    max_rows = served.limits.max_explain_rows if options.explain else served.limits.max_rows
    if len(rows) > max_rows:
        raise ApiError(
            422,
            f"got {len(rows)} rows, expected at most {max_rows}{' with explain' * options.explain}",
            argument="rows",
        )
    return rows, options


def _parse_query(query: Mapping[str, str], limits: Limits, excluded: str) -> dict[str, Any]:
    """What the address asks, each parameter as JSON."""
    known = [name for name in OPTION_NAMES if name != excluded]
    values = {}
    for name, text in query.items():
        if name not in known:
            raise ApiError(422, f"unknown parameter {shorten(name)}, expected {', '.join(known)}", argument="query")
        values[name] = _parse_json(text.encode("utf-8", errors="replace"), name, limits)
    return values


def _parse_form(served: ServedModel, body: bytes, content_type: str) -> dict[str, Any]:
    """A form as the object that JSON would be: the k-th file of a column belongs to the k-th row."""
    document: dict[str, Any] = {}
    files: dict[str, list[bytes]] = {}
    for part in parse_parts(body, content_type, served.limits.max_rows + len(OPTION_NAMES) + 1):
        if part.is_file or part.name not in ("rows", *OPTION_NAMES):
            files.setdefault(part.name, []).append(part.content)
        elif part.name in document:
            raise ApiError(422, "appears twice in the form", argument=part.name)
        else:
            document[part.name] = _parse_json(part.content, part.name, served.limits)
    known = [column["name"] for column in served.columns if column["type"] == "image"]
    for name in files:
        if name not in known:
            expected = f"the model's images are {known}" if known else "the model takes no images"
            raise ApiError(
                422, f"there is a file {shorten(name)}, but {expected}{did_you_mean(name, known)}", argument="body"
            )
    n_rows = max((len(contents) for contents in files.values()), default=0)
    rows = document.setdefault("rows", [{} for _ in range(n_rows)])
    if files and (type(rows) is not list or not all(type(row) is dict for row in rows)):
        raise ApiError(422, "expected a list of objects", argument="rows")
    for name, contents in files.items():
        if len(contents) != len(rows):
            raise ApiError(422, f"{len(contents)} files for {len(rows)} rows", column=name)
        for row, content in zip(rows, contents, strict=True):
            row[name] = content
    return document


def _json_response(
    served: ServedModel,
    options: PredictOptions,
    rows: Sequence[Any],
    batches: Sequence[ScoredBatch],
    reasons: Sequence[Mapping[str, Explanation]] | None,
) -> PredictionResponse:
    predictions = [(scores, served.decide(options, scores, decisions)) for scores, decisions in batches]
    content = served.writer.to_json(predictions, options.top, reasons, served.row_parser.unused_columns(rows))
    return PredictionResponse(content, JSON, len(rows))
