"""`POST /predict`: a body -> rows and what is asked of them -> scores -> the answer.

Small requests are read and written on the event loop, which costs them no change of thread (where their model is quick,
`turns.py` answers those that come together); tables, images, reasons and many rows are left to the service's threads, a
piece at a time, so that small ones pass between the pieces. Start reading at `predict`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from manyhot.config.label_rules import LABEL_SEP
from manyhot.errors import InputError
from manyhot.estimators.prediction_table import WHY, answer_frame, as_csv, ids_of, refuse_separator
from manyhot.explanation.explain import Explanation
from manyhot.persistence.container import strict_json
from manyhot.serving.batching import Blocks
from manyhot.serving.errors import ApiError, to_http_error, unready
from manyhot.serving.limits import Limits
from manyhot.serving.model import PredictOptions, ServedModel
from manyhot.serving.multipart import parts_of
from manyhot.serving.state import Service
from manyhot.validation import did_you_mean, shown

JSON, FORM = "application/json", "multipart/form-data"
TABLES = {"text/csv": "csv", "text/tab-separated-values": "tsv"}
QUICK_BYTES, QUICK_ROWS = 16_384, 8
"""A request up to this size is answered on the event loop."""
ASKED = ("thresholds", "top", "why")


class Answer(NamedTuple):
    """What goes back.

    Attributes:
        content: The body.
        media_type: Its type.
        n_rows: Rows answered.
    """

    content: bytes
    media_type: str
    n_rows: int


class Scored(NamedTuple):
    """Some rows with their scores.

    Attributes:
        scores: float (n, l), calibrated.
        own: bool (n, l), the model's own answers.
    """

    scores: np.ndarray
    own: np.ndarray


class Small(NamedTuple):
    """A small request, read.

    Attributes:
        rows: The rows as they came.
        asked: What is asked of them.
        blocks: The rows as arrays.
    """

    rows: list[Any]
    asked: PredictOptions
    blocks: Blocks


def read_small(served: ServedModel, body: bytes, query: Mapping[str, str]) -> Small | None:
    """What a body of JSON asks, up to `QUICK_BYTES` of it; None where answering it takes a thread.

    Raises:
        ApiError: What cannot be answered.
    """
    rows, asked = _read_json(served, body, query)
    if len(rows) > QUICK_ROWS or asked.why:
        return None
    return Small(rows, asked, served.rows.checked(rows))


def answer_small(served: ServedModel, small: Small, found: tuple[np.ndarray, ...]) -> Answer:
    """The answer to a small request, from what `ServedModel.score` gave for its rows."""
    return _as_json(served, small.asked, small.rows, [Scored(*found)], None)


async def predict(
    service: Service, served: ServedModel, body: bytes, content_type: str, query: Mapping[str, str]
) -> Answer:
    """Answer one request.

    Args:
        service: The service.
        served: The model that is asked.
        body: The whole body.
        content_type: The header that says what it is.
        query: The parameters of the address.

    Raises:
        ApiError: What cannot be answered.
    """
    media = content_type.partition(";")[0].strip().lower()
    if media not in (JSON, FORM, *TABLES):
        raise ApiError(
            415, f"got {shown(media)}, expected {JSON}, {FORM} or {', '.join(TABLES)}", argument="Content-Type"
        )
    batches = service.batches_of(served)
    ends = time.monotonic() + service.limits.answer_seconds
    try:
        if media == JSON and len(body) <= QUICK_BYTES and served.rows.is_quick:
            small = read_small(served, body, query)
            if small is not None:
                found = batches.ask(small.blocks, len(small.rows))
                return answer_small(served, small, await asyncio.wait_for(found, service.limits.answer_seconds))
        async with asyncio.timeout(service.limits.answer_seconds):
            large = _Large(service, served, media, ends)
            return await asyncio.get_running_loop().run_in_executor(
                service.pool, large.answer, body, content_type, query
            )
    except TimeoutError:
        raise unready(f"no answer within {service.limits.answer_seconds:g} seconds; send fewer rows") from None
    except InputError as error:
        raise to_http_error(error) from None


class _Large:
    """One request in a thread of the service's.

    Args:
        service: The service.
        served: The model.
        media: What the body is.
        ends: When it has to be done, on the clock of `time.monotonic`.
    """

    def __init__(self, service: Service, served: ServedModel, media: str, ends: float) -> None:
        self.service, self.served, self.media, self.ends = service, served, media, ends

    def answer(self, body: bytes, content_type: str, query: Mapping[str, str]) -> Answer:
        """The whole answer."""
        self._seconds_left()
        if self.media in TABLES:
            return self._table(body, query)
        served = self.served
        if self.media == JSON:
            rows, asked = _read_json(served, body, query)
        else:
            rows, asked = _rows_and_asked(served, _form(served, body, content_type))
        scored, reasons = [], []
        for first in range(0, len(rows), served.most_rows):
            piece = rows[first : first + served.most_rows]
            try:
                scored.append(self._scored(served.rows.checked(piece), len(piece)))
                reasons += served.explain(piece, asked) if asked.why else []
            except ApiError as problem:
                raise problem.moved(first) from None
            except InputError as error:
                raise to_http_error(error).moved(first) from None
        return _as_json(served, asked, rows, scored, reasons if asked.why else None)

    def _table(self, body: bytes, query: Mapping[str, str]) -> Answer:
        served = self.served
        asked = served.asked(_told(query, served.limits, without="top"))
        refuse_separator(LABEL_SEP, served.labels, "body", "send JSON rows instead")
        texts, n_rows = [], 0
        for samples, features in served.table(body, TABLES[self.media], asked):
            blocks = served.model.encoder.transform(features)
            pieces = [self._of_table(one) for one in _pieces(blocks, samples.n_samples, served.most_rows)]
            scores = np.concatenate([one.scores for one in pieces])
            decisions = served.answers(asked, scores, np.concatenate([one.own for one in pieces]))
            frame = answer_frame(ids_of(samples, n_rows), served.labels, scores, decisions)
            if asked.why:
                told = ["; ".join(one.brief() for one in row.values()) for row in served.explained(features, asked)]
                frame = frame.with_columns(pl.Series(WHY, told, dtype=pl.String))
            texts.append(as_csv(frame, LABEL_SEP, with_header=not n_rows))
            n_rows += samples.n_samples
        return Answer("".join(texts).encode(), "text/csv; charset=utf-8", n_rows)

    def _scored(self, checked: Mapping[str, Any], n_rows: int) -> Scored:
        """Rows scored together with those of other requests."""
        batches = self.service.batches_of(self.served)
        return Scored(*batches.ask_from_thread(checked, n_rows, self._seconds_left()))

    def _of_table(self, blocks: Mapping[str, Any]) -> Scored:
        """A piece of a table, a batch by itself."""
        self._seconds_left()
        return Scored(*self.served.score_blocks(blocks))

    def _seconds_left(self) -> float:
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _pieces(blocks: Mapping[str, Any], n_rows: int, most: int) -> Iterator[dict[str, Any]]:
    for first in range(0, n_rows, most):
        yield {name: block[first : first + most] for name, block in blocks.items()}


def _parsed(text: bytes, what: str, limits: Limits) -> Any:
    try:
        return strict_json.parse(text, what, limits.of_json, is_finite=False)
    except InputError as error:
        raise ApiError(400, error.message, argument=what) from None


def _read_json(served: ServedModel, body: bytes, query: Mapping[str, str]) -> tuple[list[Any], PredictOptions]:
    if query:
        raise ApiError(422, f"unknown: {shown(next(iter(query)))}; JSON says all in its body", argument="query")
    return _rows_and_asked(served, _parsed(body, "body", served.limits))


def _rows_and_asked(served: ServedModel, document: Any) -> tuple[list[Any], PredictOptions]:
    if type(document) is not dict:
        raise ApiError(422, f'got {shown(document)}, expected an object such as {{"rows": [...]}}', argument="body")
    for name in document:
        if name != "rows" and name not in ASKED:
            hint = did_you_mean(name, ("rows", *ASKED))
            raise ApiError(422, f"unknown: {shown(name)}; known are rows, {', '.join(ASKED)}{hint}", argument="body")
    rows = document.get("rows")
    if type(rows) is not list or not rows:
        got = "nothing" if rows is None else shown(rows)
        raise ApiError(422, f"got {got}, expected a list of one row or more", argument="rows")
    asked = served.asked(document)
    most = served.limits.max_why_rows if asked.why else served.limits.max_rows
    if len(rows) > most:
        raise ApiError(422, f"got {len(rows)} rows, at most {most} are taken{' with why' * asked.why}", argument="rows")
    return rows, asked


def _told(query: Mapping[str, str], limits: Limits, without: str) -> dict[str, Any]:
    """What the address asks, each parameter as JSON."""
    known = [name for name in ASKED if name != without]
    told = {}
    for name, text in query.items():
        if name not in known:
            raise ApiError(422, f"unknown: {shown(name)}; known are {', '.join(known)}", argument="query")
        told[name] = _parsed(text.encode("utf-8", errors="replace"), name, limits)
    return told


def _form(served: ServedModel, body: bytes, content_type: str) -> dict[str, Any]:
    """A form as the object that JSON would be: the k-th file of a column belongs to the k-th row."""
    document: dict[str, Any] = {}
    files: dict[str, list[bytes]] = {}
    for part in parts_of(body, content_type, served.limits.max_rows + len(ASKED) + 1):
        if part.is_file or part.name not in ("rows", *ASKED):
            files.setdefault(part.name, []).append(part.content)
        elif part.name in document:
            raise ApiError(422, "stands twice in the form", argument=part.name)
        else:
            document[part.name] = _parsed(part.content, part.name, served.limits)
    known = [column["name"] for column in served.columns if column["kind"] == "image"]
    for name in files:
        if name not in known:
            what = f"the model's images are {known}" if known else "the model takes no images"
            raise ApiError(
                422, f"there is a file {shown(name)}, but {what}{did_you_mean(name, known)}", argument="body"
            )
    n_rows = max((len(one) for one in files.values()), default=0)
    rows = document.setdefault("rows", [{} for _ in range(n_rows)])
    if files and (type(rows) is not list or not all(type(row) is dict for row in rows)):
        raise ApiError(422, "expected a list of objects", argument="rows")
    for name, contents in files.items():
        if len(contents) != len(rows):
            raise ApiError(422, f"{len(contents)} files for {len(rows)} rows", column=name)
        for row, content in zip(rows, contents, strict=True):
            row[name] = content
    return document


def _as_json(
    served: ServedModel,
    asked: PredictOptions,
    rows: Sequence[Any],
    scored: Sequence[Scored],
    reasons: Sequence[Mapping[str, Explanation]] | None,
) -> Answer:
    decided = [(scores, served.answers(asked, scores, own)) for scores, own in scored]
    content = served.writer.text(decided, asked.top, reasons, served.rows.unused(rows))
    return Answer(content, JSON, len(rows))
