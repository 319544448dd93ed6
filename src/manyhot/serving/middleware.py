"""What every request passes before it is answered, one small ASGI middleware each; they see HTTP alone."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
import traceback
from collections.abc import Collection, Iterable
from contextlib import suppress

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from manyhot.errors import panics_become
from manyhot.serving.addresses import MODEL, PATTERN
from manyhot.serving.errors import ApiError
from manyhot.serving.limits import Limits
from manyhot.serving.log import LOGGER_NAME, RequestRecord
from manyhot.serving.pages import PAGES
from manyhot.serving.state import Service

logger = logging.getLogger(LOGGER_NAME)

# How long an unread body is read on after its answer, so that the answer is not lost with the connection.
DRAIN_SECONDS = 2.0
SMALL_BYTES = 65_536  # a body up to this size is read on before its answer, so that the connection lives
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")  # which change and compute nothing
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
# What needs no token: the state of the service, and the files of the pages, which ask for it.
PUBLIC_PATHS = ("/health", "/ready", *PAGES)
POLICY = b"content-security-policy"
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
DEFAULT_POLICY = (
    POLICY,
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
)


class AccessLog:
    """Counts each request and logs it: method, route, model, status, time and sizes, nothing of what it says."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        start = time.perf_counter()
        status = n_received = n_sent = 0
        is_complete = False

        async def counting_receive() -> Message:
            nonlocal n_received
            message = await receive()
            n_received += len(message.get("body", b""))
            return message

        async def counting_send(message: Message) -> None:
            nonlocal status, n_sent, is_complete
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                n_sent += len(message.get("body", b""))
                is_complete = not message.get("more_body", False)
            await send(message)

        try:
            await self.app(scope, counting_receive, counting_send)
        finally:
            seconds = time.perf_counter() - start
            endpoint = getattr(scope.get("endpoint"), "__name__", "none")
            status = status if is_complete else 499
            self.service.metrics.count_request(endpoint, status, n_received, seconds)
            if logger.isEnabledFor(logging.INFO):
                method = scope["method"] if scope["method"] in METHODS else "other"
                logger.info(
                    RequestRecord(method, scope.get(PATTERN), scope.get(MODEL), status, seconds, n_received, n_sent)
                )


class SecurityHeaders:
    """Adds to each answer what keeps a browser from making more of it than it is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                has_policy = any(name == POLICY for name, _ in headers)
                message["headers"] = [*headers, *HEADERS] if has_policy else [*headers, *HEADERS, DEFAULT_POLICY]
            await send(message)

        await self.app(scope, receive, send_with_headers)


class BodyLimits:
    """Ends a body that is too long or too slow; one that is refused unread is read on for a moment."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        body = _Body(scope["headers"], receive, send, self.limits)
        await self.app(scope, body.receive, body.send)


class _Body:
    """The body of one request on its way in, and its answer on the way out."""

    def __init__(self, headers: Iterable[tuple[bytes, bytes]], receive: Receive, send: Send, limits: Limits) -> None:
        self._receive, self._send, self.limits = receive, send, limits
        self.n_bytes, self.content_length, self.is_read = 0, 0, True
        self.deadline: float | None = None  # on the loop's clock
        for name, value in headers:
            if name == b"content-length" and value.isdigit():
                self.content_length = int(value[:20])
                self.is_read = self.is_read and not self.content_length
            elif name == b"transfer-encoding":
                self.is_read = False

    async def receive(self) -> Message:
        """The next piece, counted while it comes in."""
        if self.content_length > self.limits.max_body_bytes:
            raise self._too_long_error(f"has {self.content_length} bytes")
        loop = asyncio.get_running_loop()
        self.deadline = self.deadline or loop.time() + self.limits.body_seconds
        try:
            async with asyncio.timeout_at(self.deadline):
                message = await self._next()
        except TimeoutError:
            seconds = self.limits.body_seconds
            text = f"only {self.n_bytes} bytes arrived within {seconds:g} seconds"
            raise ApiError(408, text, argument="body") from None
        self.n_bytes += len(message.get("body", b""))
        if self.n_bytes > self.limits.max_body_bytes:
            raise self._too_long_error("is too long")
        return message

    async def send(self, message: Message) -> None:
        """A piece of the answer; one to a body that was not read to its end is the last of its connection."""
        is_start = message["type"] == "http.response.start"
        if is_start and 0 < self.content_length <= SMALL_BYTES:
            await self._drain()  # mostly it came with the head
        if self.is_read:
            await self._send(message)
        elif is_start:
            await self._send({**message, "headers": [*message["headers"], (b"connection", b"close")]})
        elif message.get("more_body", False):
            await self._send(message)
        else:
            await self._send({**message, "more_body": True})
            await self._drain()
            await self._send({"type": "http.response.body", "body": b""})

    async def _next(self) -> Message:
        message = await self._receive()
        self.is_read = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def _drain(self) -> None:
        if not self.is_read:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS):
                    while not self.is_read:
                        await self._next()

    def _too_long_error(self, got: str) -> ApiError:
        return ApiError(413, f"{got}, expected at most {self.limits.max_body_bytes} bytes", argument="body")


class Errors:
    """Makes an answer of what is raised further inside; of a mistake of ours only the log tells where it was."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        is_started = False

        async def noting_send(message: Message) -> None:
            nonlocal is_started
            is_started = True
            await send(message)

        try:
            with panics_become(RuntimeError):
                await self.app(scope, receive, noting_send)
        except ClientDisconnect:
            return
        except Exception as error:
            if not is_started:
                await _error_response(error)(scope, receive, send)


def _error_response(error: Exception) -> Response:
    if isinstance(error, ApiError):
        problem = error
    elif isinstance(error, HTTPException):  # the router's
        allowed = (error.headers or {}).get("Allow", "another one")
        messages = {
            404: "not found; see /docs for the addresses",
            405: f"method not allowed; this address takes {allowed}",
        }
        problem = ApiError(error.status_code, messages.get(error.status_code, error.detail), headers=error.headers)
    else:
        place = traceback.extract_tb(error.__traceback__)[-1]
        logger.error("unexpected error: %s at %s:%d", type(error).__name__, place.filename, place.lineno or 0)
        problem = ApiError(500, "unexpected error; see the service's log")
    return Response(problem.to_json(), problem.status, problem.headers, "application/json")


class SameOrigin:
    """Refuses what a browser sends for a page of elsewhere, and two hosts, of which a proxy may see the other."""

    def __init__(self, app: ASGIApp, origins: Collection[str] = ()) -> None:
        self.app, self.origins = app, frozenset(origin.lower().rstrip("/") for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) > 1:
            raise ApiError(400, f"got {len(hosts)} headers Host, expected one", argument="Host")
        if scope["method"] not in SAFE_METHODS:
            host = hosts[0].decode("latin-1").lower() if hosts else ""
            for name, value in scope["headers"]:
                origin = value.decode("latin-1").lower()
                if name == b"origin" and origin not in self.origins and not _is_same(origin, host):
                    raise ApiError(403, "requests from pages of another site are refused", argument="Origin")
        await self.app(scope, receive, send)


def _is_same(origin: str, host: str) -> bool:
    """Whether an origin is that of the service, whose scheme only a proxy before it knows."""
    scheme, _, place = origin.partition("://")
    port = DEFAULT_PORTS.get(scheme)
    return port is not None and place.removesuffix(port) == host.removesuffix(port)


class AllowedHosts:
    """Refuses requests whose header `Host` names another host, as those of a page of elsewhere do."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self.app, self.hosts = app, frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value.decode("latin-1").lower()
                before, _, port = host.rpartition(":")
                if (before if port.isdecimal() else host) not in self.hosts:
                    raise ApiError(421, "host name not accepted; add it with --allow-host", argument="Host")
        await self.app(scope, receive, send)


class BearerToken:
    """Asks for a token on every address that tells something."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app, self.digest = app, _digest(token.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        path = scope["path"]
        if path not in PUBLIC_PATHS and not path.startswith("/static/"):
            scheme, _, credentials = dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
            is_bearer = scheme.lower() == b"bearer"
            if not hmac.compare_digest(_digest(credentials.strip()), self.digest) or not is_bearer:
                raise ApiError(
                    401,
                    "the token is wrong" if is_bearer else "expected the header Authorization: Bearer TOKEN",
                    argument="Authorization",
                    headers={"WWW-Authenticate": "Bearer"},
                )
        await self.app(scope, receive, send)


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
