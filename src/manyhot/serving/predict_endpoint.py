"""`POST /predict` in ASGI's own words: a body read within limits, answered, sent."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from manyhot.serving.errors import ApiError
from manyhot.serving.predict import predict
from manyhot.serving.state import Service


class Predict:
    """Answers for the model that the address names, or the first."""

    __name__ = "predict"

    def __init__(self, service: Service) -> None:
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        service = self.service
        served = service.model(scope["path_params"].get("name"))
        headers: dict[bytes, bytes] = dict(scope["headers"])
        query_string = scope["query_string"].decode("latin-1")
        query = dict(parse_qsl(query_string, keep_blank_values=True)) if query_string else {}
        service.get_batches(served)
        reservation = MemoryReservation(service)
        try:
            body = await self._read_body_in_time(headers, receive, reservation)
            with service.active():
                content_type = headers.get(b"content-type", b"").decode("latin-1")
                response = await predict(service, served, body, content_type, query)
        finally:
            reservation.release()
        service.counters.count("manyhot_rows_total", response.n_rows, model=served.name)
        response_headers = [
            (b"content-type", response.media_type.encode()),
            (b"content-length", b"%d" % len(response.content)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": response_headers})
        await send({"type": "http.response.body", "body": response.content})

    async def _read_body(self, headers: dict[bytes, bytes], receive: Receive, reservation: MemoryReservation) -> bytes:
        """The body, counted while it comes in; `ApiError` where it is longer than is taken."""
        limits = self.service.limits
        content_length = headers.get(b"content-length", b"0")
        if content_length.isdigit() and int(content_length[:20]) > limits.max_body_bytes:
            raise self._too_long_error(f"says it has {content_length[:20].decode()} bytes")
        pieces: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientDisconnect
            piece = message.get("body", b"")
            reservation.add(len(piece))
            if reservation.n_bytes > limits.max_body_bytes:
                raise self._too_long_error("is longer")
            pieces.append(piece)
            if not message.get("more_body", False):
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _read_body_in_time(
        self, headers: dict[bytes, bytes], receive: Receive, reservation: MemoryReservation
    ) -> bytes:
        """The same of a body that is still on its way; `ApiError` also where it does not arrive in time."""
        seconds = self.service.limits.body_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._read_body(headers, receive, reservation)
        except TimeoutError:
            message = f"{reservation.n_bytes} bytes came within {seconds:g} seconds, and not the last one"
            raise ApiError(408, message, argument="body") from None

    def _too_long_error(self, got: str) -> ApiError:
        return ApiError(413, f"{got}, expected at most {self.service.limits.max_body_bytes} bytes", argument="body")


class MemoryReservation:
    """The bytes of one request that the service holds."""

    def __init__(self, service: Service) -> None:
        self.service, self.n_bytes = service, 0

    def add(self, n_bytes: int) -> None:
        """So many more."""
        self.service.reserve(n_bytes)
        self.n_bytes += n_bytes

    def release(self) -> None:
        """None any more."""
        self.service.release(self.n_bytes)
        self.n_bytes = 0
