"""`POST /predict`: a body -> rows and what is asked of them -> scores -> the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import numpy as np
import polars as pl
from starlette.requests import ClientDisconnect
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


class Answer(NamedTuple):
    """What goes back."""

    content: bytes
    media_type: str = JSON


class Predict:
    """Answers for the model that the address names, or the first."""

    __name__ = "predict"  # the endpoint in the log and the counters

    def __init__(self, service: Service) -> None:
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        served = self.service.model(scope["path_params"].get("name"))
        self.service.check_ready()
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
        length = b"%d" % len(answer.content)
        headers = [(b"content-type", answer.media_type.encode()), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer.content})

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

    async def _answer(self, served: ServedModel, body: bytes, content_type: str, query: Mapping[str, str]) -> Answer:
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
            async with asyncio.timeout(seconds):
                large = _LargeRequest(self.service, served, time.monotonic() + seconds)
                respond = large.respond_table if media_type in TABLES else large.respond_rows
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self.service.pool, respond, body, content_type, query)
        except TimeoutError:
            raise service_unavailable(f"no response within {seconds:g} seconds; send fewer rows") from None
        except InputError as error:
            raise to_http_error(error) from None


class _LargeRequest:
    """A request in a thread of the service's: a piece at a time, so that small ones pass between the pieces."""

    def __init__(self, service: Service, served: ServedModel, deadline: float) -> None:
        self.service, self.served, self.deadline = service, served, deadline  # on the clock of `time.monotonic`

    def respond_rows(self, body: bytes, content_type: str, query: Mapping[str, str]) -> Answer:
        """The answer to rows of JSON or of a form."""
        self._remaining_seconds()
        served = self.served
        is_form = content_type.partition(";")[0].strip().lower() == FORM
        rows, options = read_form(served, body, content_type) if is_form else read_json(served, body, query)
        batches, reasons = [], []
        for first in range(0, len(rows), served.max_batch_rows):
            batch_rows = rows[first : first + served.max_batch_rows]
            try:
                parsed = served.row_parser.parse(batch_rows)
                seconds = self._remaining_seconds()
                batches.append(served.batches.submit_and_wait(parsed, len(batch_rows), seconds))
                reasons += served.explain(batch_rows, options) if options.explain else []
            except ApiError as api_error:
                raise api_error.shift_rows(first) from None
            except InputError as error:
                raise to_http_error(error).shift_rows(first) from None
        return _json_answer(served, options, rows, batches, reasons if options.explain else None)

    def respond_table(self, body: bytes, content_type: str, query: Mapping[str, str]) -> Answer:
        """The answer to a table, in CSV."""
        self._remaining_seconds()
        served = self.served
        options = read_query(served, query)
        check_separator(LABEL_SEP, served.labels, "body", "send JSON rows instead")
        format_name = TABLES[content_type.partition(";")[0].strip().lower()]
        csv_parts, n_rows = [], 0
        for samples, features in served.read_table(body, format_name, options):
            batches = []
            for batch in served.encode_table(features):
                self._remaining_seconds()
                batches.append(served.score_blocks(batch))
            scores, own_decisions = map(np.concatenate, zip(*batches, strict=True))
            decisions = served.decide(options, scores, own_decisions)
            frame = prediction_frame(id_series(samples, n_rows), served.labels, scores, decisions)
            if options.explain:
                reasons = served.explain_features(features, options)
                texts = ["; ".join(explanation.brief() for explanation in row.values()) for row in reasons]
                frame = frame.with_columns(pl.Series(EXPLANATION, texts, dtype=pl.String))
            csv_parts.append(to_csv(frame, LABEL_SEP, with_header=not n_rows))
            n_rows += samples.n_samples
        return Answer("".join(csv_parts).encode(), "text/csv; charset=utf-8")

    def _remaining_seconds(self) -> float:
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining


def _json_answer(
    served: ServedModel,
    options: PredictOptions,
    rows: Sequence[Any],
    batches: Sequence[ScoreArrays],
    reasons: Sequence[Mapping[str, Explanation]] | None,
) -> Answer:
    predictions = [(scores, served.decide(options, scores, decisions)) for scores, decisions in batches]
    return Answer(served.writer.to_json(predictions, options.top, reasons, served.row_parser.unused_columns(rows)))
