"""`POST /predict` in ASGI's own words: a body read within limits, answered, sent.

Small requests to quick models do not come here: see `turns.py`. Start reading at `Predict.__call__`.
"""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from manyhot.serving.errors import ApiError
from manyhot.serving.predict import predict
from manyhot.serving.state import Service


class Predict:
    """Answers for the model that the address names, or the first.

    Args:
        service: The service.
    """

    __name__ = "predict"

    def __init__(self, service: Service) -> None:
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        service = self.service
        served = service.model(scope["path_params"].get("name"))
        headers: dict[bytes, bytes] = dict(scope["headers"])
        asked = scope["query_string"].decode("latin-1")
        query = dict(parse_qsl(asked, keep_blank_values=True)) if asked else {}
        service.batches_of(served)
        held = MemoryReservation(service)
        try:
            body = await self._awaited(headers, receive, held)
            with service.active():
                content_type = headers.get(b"content-type", b"").decode("latin-1")
                told = await predict(service, served, body, content_type, query)
        finally:
            held.release()
        service.counters.count("manyhot_rows_total", told.n_rows, model=served.name)
        fields = [(b"content-type", told.media_type.encode()), (b"content-length", b"%d" % len(told.content))]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": told.content})

    async def _body(self, headers: dict[bytes, bytes], receive: Receive, held: MemoryReservation) -> bytes:
        """The body, counted while it comes in; `ApiError` where it is longer than is taken."""
        limits = self.service.limits
        told = headers.get(b"content-length", b"0")
        if told.isdigit() and int(told[:20]) > limits.max_body_bytes:
            raise self._too_long(f"says it has {told[:20].decode()} bytes")
        pieces: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientDisconnect
            piece = message.get("body", b"")
            held.take(len(piece))
            if held.n_bytes > limits.max_body_bytes:
                raise self._too_long("is longer")
            pieces.append(piece)
            if not message.get("more_body", False):
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _awaited(self, headers: dict[bytes, bytes], receive: Receive, held: MemoryReservation) -> bytes:
        """The same of a body that is still on its way; `ApiError` also where it does not arrive in time."""
        seconds = self.service.limits.body_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._body(headers, receive, held)
        except TimeoutError:
            message = f"{held.n_bytes} bytes came within {seconds:g} seconds, and not the last one"
            raise ApiError(408, message, argument="body") from None

    def _too_long(self, got: str) -> ApiError:
        return ApiError(413, f"{got}, at most {self.service.limits.max_body_bytes} bytes are taken", argument="body")


class MemoryReservation:
    """The bytes of one request that the service holds.

    Args:
        service: The service.
    """

    def __init__(self, service: Service) -> None:
        self.service, self.n_bytes = service, 0

    def take(self, n_bytes: int) -> None:
        """So many more."""
        self.service.hold(n_bytes)
        self.n_bytes += n_bytes

    def release(self) -> None:
        """None any more."""
        self.service.release(self.n_bytes)
        self.n_bytes = 0
