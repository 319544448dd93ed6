"""Small requests to quick models, answered together at the end of the turn of the event loop in which they came."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from manyhot.errors import InputError
from manyhot.serving.errors import ApiError, to_http_error
from manyhot.serving.middleware import HEADERS, Gate, internal_error, log_request
from manyhot.serving.model import ServedModel
from manyhot.serving.predict import JSON, QUICK_BYTES, ParsedRequest, parse_small_request, small_response
from manyhot.serving.state import Service

Fields = Sequence[tuple[bytes, bytes]]


def _lines(fields: Fields) -> bytes:
    return b"".join(b"%s: %s\r\n" % field for field in fields)


MEDIA = JSON.encode()
ALWAYS = _lines(HEADERS)
STATUS_LINES = {int(one): f"HTTP/1.1 {int(one)} {one.phrase}\r\n".encode() for one in HTTPStatus}


class Unheard:
    """Nobody waits for what uvicorn would say of a small request."""

    def set(self) -> None:
        """Nothing."""


class SmallRequest:
    """One request, from its head to its answer; uvicorn takes it for one of its own."""

    more_body = False
    message_event = Unheard()

    def __init__(self, path: str, served: ServedModel, headers: Mapping[bytes, bytes], connection: Any) -> None:
        self.path, self.served, self.headers, self.connection = path, served, headers, connection
        self.began = time.perf_counter()
        self.body = bytearray()
        self.response_complete = self.disconnected = False
        self.keep_alive = True

    def send(self, status: int, content: bytes, headers: Fields, default: bytes) -> bool:
        """The answer; False where nobody is there any more."""
        self.response_complete = True
        connection, self.connection = self.connection, None  # it keeps this request as its last
        transport = connection.transport
        if self.disconnected or transport.is_closing():
            return False
        last = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        length = b"content-type: %s\r\ncontent-length: %d\r\n" % (MEDIA, len(content))
        transport.write(b"".join((STATUS_LINES[status], default, length, _lines(headers), ALWAYS, last, content)))
        if not self.keep_alive:
            transport.close()
        connection.on_response_complete()
        return True


class Turns:
    """What came in this turn of the event loop."""

    def __init__(self, service: Service, gate: Gate) -> None:
        self.service, self.gate = service, gate
        named = {f"/models/{name}/predict": served for name, served in service.models.items()}
        paths = {"/predict": service.default_model, **named}
        self.targets = {path.encode("utf-8", "replace"): (path, served) for path, served in paths.items()}
        self._waiting: dict[str, list[tuple[SmallRequest, ParsedRequest]]] = {name: [] for name in service.models}
        self._n_rows = dict.fromkeys(service.models, 0)
        self._default: tuple[Fields, bytes] = ((), b"")

    def small(self, url: bytes, fields: Fields, connection: Any) -> SmallRequest | None:
        """A request whose head is complete, if by this head it may be answered here."""
        target = self.targets.get(url)
        if target is None or not target[1].is_quick or not self.service.is_ready:
            return None
        headers = dict(fields)
        length = headers.get(b"content-length", b"")
        if not length.isdigit() or len(length) > 5 or int(length) > QUICK_BYTES:
            return None
        if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != MEDIA:
            return None
        if b"transfer-encoding" in headers or b"expect" in headers or b"upgrade" in headers:
            return None
        return SmallRequest(*target, headers, connection)

    def take(self, request: SmallRequest) -> bool:
        """Read a request that is complete; its answer follows at the end of the turn."""
        try:
            self.gate.check(request.path, request.headers)
            self.service.get_batches(request.served)
            small = parse_small_request(request.served, bytes(request.body), {})
        except Exception as error:
            self._refuse(request, error)
            return True
        if small is None:
            return False
        served, n_rows = request.served, len(small.rows)
        if self._n_rows[served.name] + n_rows > served.max_batch_rows:
            self._answer(served)
        if not self._n_rows[served.name]:
            request.connection.loop.call_soon(self._answer, served)  # behind all whose bytes came with this one's
        self._waiting[served.name].append((request, small))
        self._n_rows[served.name] += n_rows
        return True

    def _answer(self, served: ServedModel) -> None:
        """Score and answer what waits for one model."""
        some, self._waiting[served.name], self._n_rows[served.name] = self._waiting[served.name], [], 0
        if not some:
            return
        assert served.batches is not None
        results = served.batches.score_together([(small.blocks, len(small.rows)) for _, small in some])
        for (request, small), found in zip(some, results, strict=True):
            try:
                if isinstance(found, Exception):
                    raise found
                answer = small_response(served, small, found)
            except Exception as error:
                self._refuse(request, error)
            else:
                self.service.counters.count("manyhot_rows_total", answer.n_rows, model=served.name)
                self._finish(request, 200, answer.content, ())

    def _refuse(self, request: SmallRequest, error: Exception) -> None:
        if isinstance(error, InputError):
            problem = to_http_error(error)
        else:
            problem = error if isinstance(error, ApiError) else internal_error(error)
        fields = [(name.lower().encode(), value.encode("latin-1")) for name, value in problem.headers.items()]
        self._finish(request, problem.status, problem.to_json(), fields)

    def _finish(self, request: SmallRequest, status: int, content: bytes, headers: Fields) -> None:
        is_sent = request.send(status, content, headers, self._default_lines(request))
        seconds = time.perf_counter() - request.began
        log_request(
            self.service, "POST", "predict", status if is_sent else 499, len(request.body), len(content), seconds
        )

    def _default_lines(self, request: SmallRequest) -> bytes:
        """What uvicorn says in every answer, such as the date; it makes a new list of it every second."""
        fields = request.connection.server_state.default_headers
        if fields is not self._default[0]:
            self._default = (fields, _lines(fields))
        return self._default[1]
