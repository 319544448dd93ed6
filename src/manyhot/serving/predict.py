"""`POST /predict`: a body -> rows and what is asked of them -> scores -> the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import polars as pl
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from manyhot.config.label_rules import LABEL_SEP
from manyhot.errors import InputError
from manyhot.estimators.prediction_table import EXPLANATION, check_separator, id_series, prediction_frame, to_csv
from manyhot.explanation.explain import Explanation
from manyhot.serving.batching import ScoreArrays
from manyhot.serving.errors import ApiError, service_unavailable, to_http_error
from manyhot.serving.model import PredictOptions, ServedModel
from manyhot.serving.request_body import read_form, read_json, read_query
from manyhot.serving.state import Service
from manyhot.validation import shorten

JSON, FORM = "application/json", "multipart/form-data"
TABLES = {"text/csv": "csv", "text/tab-separated-values": "tsv"}
# A request up to this size is read and written on the event loop, which costs it no change of thread.
QUICK_BYTES, QUICK_ROWS = 16_384, 8

ReadBody = Callable[[], tuple[list[Any], PredictOptions]]


class Predict:
    """Answers for the model that the address names, or the first."""

    __name__ = "predict"  # the endpoint in the log and the counters

    def __init__(self, service: Service) -> None:
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        served = self.service.requested_model(scope)
        self.service.check_ready(served)
        served.n_active += 1
        pieces: list[bytes] = []
        try:
            await self._read_body(receive, pieces)
            content_type = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
            query_string = scope["query_string"].decode("latin-1")
            query = dict(parse_qsl(query_string, keep_blank_values=True)) if query_string else {}
            self.service.begin()
            try:
                answer = await self._answer(served, b"".join(pieces), content_type, query)
            finally:
                self.service.end()
        finally:
            self.service.release(sum(map(len, pieces)))
            pieces.clear()  # an error would keep them until its answer is gone
            served.n_active -= 1
        await answer(scope, receive, send)

    async def _read_body(self, receive: Receive, pieces: list[bytes]) -> None:
        """Read the body into a list, whose bytes count as held from then on."""
        is_read = False
        while not is_read:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientDisconnect
            piece = message.get("body", b"")
            self.service.reserve(len(piece))
            pieces.append(piece)
            is_read = not message.get("more_body", False)

    async def _answer(self, served: ServedModel, body: bytes, content_type: str, query: Mapping[str, str]) -> Response:
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type not in (JSON, FORM, *TABLES):
            expected = f"expected {JSON}, {FORM} or {', '.join(TABLES)}"
            raise ApiError(415, f"got {shorten(media_type)}, {expected}", argument="Content-Type")
        seconds = self.service.limits.response_seconds
        try:
            if media_type == JSON and len(body) <= QUICK_BYTES and served.row_parser.is_quick:
                rows, options = read_json(served, body, query)
                if len(rows) <= QUICK_ROWS and not options.explain:
                    scores = served.batches.submit(served.row_parser.parse(rows), len(rows))
                    found = await (scores if served.batches.is_quick else asyncio.wait_for(scores, seconds))
                    return _json_answer(served, options, rows, [found], None)
            deadline = time.monotonic() + seconds
            if media_type in TABLES:
                respond = partial(_respond_table, served, deadline, body, TABLES[media_type], query)
            elif media_type == FORM:
                respond = partial(_respond_rows, served, deadline, partial(read_form, served, body, content_type))
            else:
                respond = partial(_respond_rows, served, deadline, partial(read_json, served, body, query))
            async with asyncio.timeout(seconds):
                return await asyncio.get_running_loop().run_in_executor(self.service.pool, respond)
        except TimeoutError:
            raise service_unavailable(f"no response within {seconds:g} seconds; send fewer rows") from None
        except InputError as error:
            raise to_http_error(error) from None


# Large requests are answered in a thread, a piece at a time, so that small ones pass between the pieces.


def _respond_rows(served: ServedModel, deadline: float, read: ReadBody) -> Response:
    """The answer to rows of JSON or of a form."""
    _remaining_seconds(deadline)
    rows, options = read()
    batches, reasons = [], []
    for first in range(0, len(rows), served.max_batch_rows):
        batch_rows = rows[first : first + served.max_batch_rows]
        try:
            parsed = served.row_parser.parse(batch_rows)
            seconds = _remaining_seconds(deadline)
            batches.append(served.batches.submit_and_wait(parsed, len(batch_rows), seconds))
            if options.explain:
                for explained in served.explain(served.row_parser.to_features(batch_rows), options):
                    _remaining_seconds(deadline)
                    reasons.append(explained)
        except ApiError as api_error:
            raise api_error.shift_rows(first) from None
        except InputError as error:
            raise to_http_error(error).shift_rows(first) from None
    return _json_answer(served, options, rows, batches, reasons if options.explain else None)


def _respond_table(
    served: ServedModel, deadline: float, body: bytes, format_name: str, query: Mapping[str, str]
) -> Response:
    """The answer to a table, in CSV."""
    _remaining_seconds(deadline)
    options = read_query(served, query)
    check_separator(LABEL_SEP, served.labels, "body", "send JSON rows instead")
    csv_parts, n_rows = [], 0
    for samples, features in served.read_table(body, format_name, options):
        batches = []
        for batch in served.encode_table(features):
            _remaining_seconds(deadline)
            batches.append(served.score_blocks(batch))
        scores, own_decisions = map(np.concatenate, zip(*batches, strict=True))
        decisions = served.decide(options, scores, own_decisions)
        frame = prediction_frame(id_series(samples, n_rows), served.labels, scores, decisions)
        if options.explain:
            texts = []
            for explained in served.explain(features, options):
                _remaining_seconds(deadline)
                texts.append("; ".join(explanation.brief() for explanation in explained.values()))
            frame = frame.with_columns(pl.Series(EXPLANATION, texts, dtype=pl.String))
        csv_parts.append(to_csv(frame, LABEL_SEP, with_header=not n_rows))
        n_rows += samples.n_samples
    return Response("".join(csv_parts), media_type="text/csv; charset=utf-8")


def _remaining_seconds(deadline: float) -> float:
    """Seconds until a time on the clock of `time.monotonic`; `TimeoutError` where there are none."""
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    return remaining


def _json_answer(
    served: ServedModel,
    options: PredictOptions,
    rows: Sequence[Any],
    batches: Sequence[ScoreArrays],
    reasons: Sequence[Mapping[str, Explanation]] | None,
) -> Response:
    predictions = [(scores, served.decide(options, scores, decisions)) for scores, decisions in batches]
    unused = served.row_parser.unused_columns(rows)
    return Response(served.writer.to_json(predictions, options.top, reasons, unused), media_type=JSON)
