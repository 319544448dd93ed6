"""Connections that are not let live for ever: one that sends no head in time, or takes no answer, is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Sized
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from manyhot.serving.errors import RETRY_SECONDS, service_unavailable
from manyhot.serving.fast_path import SmallRequest, Turns
from manyhot.serving.state import Service

MAX_HEAD_BYTES = 65_536
LINGER_SECONDS = 1.0  # how long a connection that is one too many is read on after its answer
# How long the rest of a small request may be on its way before somebody watches the clock for it.
PATIENCE_SECONDS = 0.05


def guarded(service: Service, turns: Turns) -> type[HttpToolsProtocol]:
    """uvicorn's protocol with the limits of a service; small requests to quick models go to its turns."""
    limits = service.limits

    class Guarded(HttpToolsProtocol):
        """One connection."""

        cycle: Any
        answering: Any = None
        small: SmallRequest | None = None
        small_timer: asyncio.TimerHandle | None = None

        head_timer: asyncio.TimerHandle | None = None
        n_head_bytes = 0
        write_timer: asyncio.TimerHandle | None = None
        is_refused = False

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.flow = Flow(transport, self.pipeline)
            service.n_connections = len(self.connections)
            if len(self.connections) > limits.max_connections:
                self._refuse(is_patient=len(self.connections) <= 2 * limits.max_connections)
                return
            self._await_head()

        def connection_lost(self, exc: Exception | None) -> None:
            if self.answering is not None:  # uvicorn tells the last one that was read, not the one being answered
                self.answering.disconnected = True
                self.answering.message_event.set()
            self.pipeline.clear()
            self.small = None
            super().connection_lost(exc)
            service.n_connections = len(self.connections)
            for timer in (self.head_timer, self.write_timer, self.small_timer):
                if timer is not None:
                    timer.cancel()

        def data_received(self, data: bytes) -> None:
            if self.is_refused:
                return
            super().data_received(data)
            if self.small is not None and self.small_timer is None:
                self.small_timer = self.loop.call_later(PATIENCE_SECONDS, self._let_go)
            self._await_head()
            self.n_head_bytes = self.n_head_bytes + len(data) if self.head_timer is not None else 0
            if self.n_head_bytes > MAX_HEAD_BYTES:
                self.transport.abort()

        def on_headers_complete(self) -> None:
            is_free = (self.cycle is None or self.cycle.response_complete) and not self.flow.write_paused
            if is_free and self.parser.get_method() == b"POST":
                self.small = turns.small(self.url, self.headers, self)
            if self.small is None:
                super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            if self.small is None:
                super().on_body(body)
            else:
                self.small.body += body

        def on_message_complete(self) -> None:
            small, self.small = self.small, None
            if small is None:
                super().on_message_complete()
                return
            self._stop_small_timer()
            small.keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
            self.cycle, before = small, self.cycle
            if not turns.take(small):
                self.cycle = before
                self._as_cycle(small)
                super().on_message_complete()

        def _start_asgi_task(self, cycle: Any, app: Any) -> None:
            self.answering = cycle
            super()._start_asgi_task(cycle, app)

        def shutdown(self) -> None:
            self._let_go()
            super().shutdown()

        def _let_go(self) -> None:
            """Give up the thought that a request is small: its end is long in coming."""
            self._stop_small_timer()
            small, self.small = self.small, None
            if small is not None:
                self._as_cycle(small)

        def _stop_small_timer(self) -> None:
            if self.small_timer is not None:
                self.small_timer.cancel()
                self.small_timer = None

        def _as_cycle(self, small: SmallRequest) -> None:
            super().on_headers_complete()
            super().on_body(bytes(small.body))

        def pause_writing(self) -> None:
            super().pause_writing()
            self.write_timer = self.loop.call_later(limits.response_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self.write_timer is not None:
                self.write_timer.cancel()
                self.write_timer = None

        def _refuse(self, is_patient: bool) -> None:
            """Answer 503. What the client is still sending is read for a moment, else it would lose the answer."""
            self.is_refused = True
            self.transport.write(_refusal())
            if not is_patient or not self.transport.can_write_eof():
                self.transport.close()
                return
            self.transport.write_eof()
            self.head_timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

        def _await_head(self) -> None:
            """Let the clock run while a head is on its way, and only then."""
            is_between = self.cycle is None or self.cycle.response_complete
            if is_between and self.head_timer is None:
                self.head_timer = self.loop.call_later(limits.head_seconds, self._give_up)
            elif not is_between and self.head_timer is not None:
                self.head_timer.cancel()
                self.head_timer = None

        def _give_up(self) -> None:
            self.head_timer = None
            if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
                self.transport.abort()

    return Guarded


class Flow(FlowControl):
    """Do not read on while requests that were read still wait for their turn."""

    def __init__(self, transport: asyncio.Transport, pipeline: Sized) -> None:
        super().__init__(transport)
        self._pipeline = pipeline

    def resume_reading(self) -> None:
        """Read on, if nothing waits and somebody is there."""
        if not self._pipeline and not self._transport.is_closing():
            super().resume_reading()


def _refusal() -> bytes:
    content = service_unavailable("too many open connections; try again later").to_json()
    head = f"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: {RETRY_SECONDS}\r\n"
    return f"{head}connection: close\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content
