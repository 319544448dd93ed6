"""The outermost door of the service: who may come in, what is counted and written down, what every answer carries."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
import traceback
from collections.abc import Collection, Mapping

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from manyhot.serving.errors import ApiError
from manyhot.serving.prometheus import SECONDS
from manyhot.serving.state import Service

logger = logging.getLogger("manyhot.serve")

# How long an unread body is read on after its answer, so that the answer is not lost with the connection.
DRAIN_SECONDS = 2.0
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
# What needs no token: two words on the service's state, and the page's own files.
PUBLIC_PATHS = ("/health", "/ready", "/", "/static/")
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
]


class Gate:
    """Lets requests through to the application."""

    def __init__(
        self,
        app: ASGIApp,
        service: Service,
        token: str | None,
        hosts: Collection[str],
    ) -> None:
        self.app, self.service = app, service
        self.hosts = frozenset(host.lower() for host in hosts)
        self._digest = None if token is None else _digest(token.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the life of the application."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = TrackedRequest(scope, receive, send)
        try:
            try:
                self.check(scope["path"], request.headers)
                await self.app(scope, request.receive, request.send)
            except ApiError as api_error:
                response = Response(api_error.to_json(), api_error.status, api_error.headers, "application/json")
                await response(scope, request.receive, request.send)
        except ClientDisconnect:
            request.status = 499
        except Exception as error:  # the last door
            request.status = request.status or 500
            public_error = internal_error(error)
            if not request.is_started:
                await Response(public_error.to_json(), 500, None, "application/json")(scope, receive, request.send)
        finally:
            self._log(request)

    def check(self, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Whether who asks may come in."""
        if self.hosts and b"host" in headers:
            host = headers[b"host"].decode("latin-1").lower()
            name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
            if name not in self.hosts:
                raise ApiError(421, "host name not accepted; add it with --allow-host", argument="Host")
        if self._digest is None or path in PUBLIC_PATHS or path.startswith("/static/"):
            return
        scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
        if not hmac.compare_digest(_digest(credentials.strip()), self._digest) or scheme.lower() != b"bearer":
            raise ApiError(
                401,
                "expected the header Authorization: Bearer TOKEN",
                argument="Authorization",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _log(self, request: TrackedRequest) -> None:
        log_request(
            self.service,
            request.scope["method"] if request.scope["method"] in METHODS else "other",
            getattr(request.scope.get("endpoint"), "__name__", "none"),
            request.status,
            request.n_received,
            request.n_sent,
            time.perf_counter() - request.start_time,
        )


def log_request(
    service: Service, method: str, endpoint: str, status: int, n_received: int, n_sent: int, seconds: float
) -> None:
    """Count one request, and write its line into the log."""
    counters = service.counters
    counters.count("manyhot_requests_total", endpoint=endpoint, status=str(status))
    counters.observe("manyhot_request_seconds", seconds, SECONDS, endpoint=endpoint)
    if n_received:
        counters.count("manyhot_request_bytes_total", n_received)
    if logger.isEnabledFor(logging.INFO):
        values = (method, endpoint, status, n_received, n_sent, seconds * 1000)
        logger.info("%s %s %d, %d bytes in, %d out, %.1f ms", *values)


def internal_error(error: Exception) -> ApiError:
    """What is told of a mistake of ours: to who asks nothing of the inside, to the log where it was."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    logger.error("unexpected error: %s at %s:%d", type(error).__name__, place.filename, place.lineno or 0)
    return ApiError(500, "unexpected error; see the service's log")


class TrackedRequest:
    """One request on its way through the gate: what came in, what went out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.start_time = time.perf_counter()
        self.status = self.n_received = self.n_sent = 0
        self.is_started = False
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.is_read = b"transfer-encoding" not in self.headers and self.headers.get(b"content-length", b"0") == b"0"

    async def receive(self) -> Message:
        """The next piece of the body."""
        message = await self._receive()
        if message["type"] == "http.request":
            self.n_received += len(message.get("body", b""))
            self.is_read = not message.get("more_body", False)
        else:
            self.is_read = True
        return message

    async def send(self, message: Message) -> None:
        """A piece of the answer; one to a body that was not read to its end is the last of its connection."""
        if message["type"] == "http.response.start":
            self.is_started, self.status = True, message["status"]
            headers = message.get("headers", [])
            names = {name.lower() for name, _ in headers}
            message = {**message, "headers": [*headers, *(header for header in HEADERS if header[0] not in names)]}
            if not self.is_read:
                message["headers"].append((b"connection", b"close"))
        else:
            self.n_sent += len(message.get("body", b""))
            if not self.is_read and not message.get("more_body", False):
                await self._send({**message, "more_body": True})
                await self._drain()
                message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self.is_read:
                    await self.receive()
        except TimeoutError:
            self.is_read = True


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
