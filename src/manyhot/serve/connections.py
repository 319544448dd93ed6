"""Connections that are not let live for ever: one that sends no head in time, or takes no answer, is closed.

uvicorn closes what is idle between two requests; what is slow in the midst of one is closed here. Start reading at
`guarded`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from manyhot.serve.problems import RETRY_SECONDS, unready
from manyhot.serve.service import Service

MOST_HEAD_BYTES = 65_536
LINGER_SECONDS = 1.0
"""How long a connection that is one too many is read on after its answer."""
IS_WHOLE = "manyhot.is_whole"
"""In the state of a request: its body has arrived, so nobody needs to watch the clock for it."""


def guarded(service: Service) -> type[HttpToolsProtocol]:
    """uvicorn's protocol with the limits of a service."""
    limits = service.limits

    class Guarded(HttpToolsProtocol):
        """One connection."""

        head_timer: asyncio.TimerHandle | None = None
        n_head_bytes = 0
        write_timer: asyncio.TimerHandle | None = None
        is_refused = False

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            service.n_connections = len(self.connections)
            if len(self.connections) > limits.max_connections:
                self._refuse(is_patient=len(self.connections) <= 2 * limits.max_connections)
                return
            self._await_head()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            service.n_connections = len(self.connections)
            for timer in (self.head_timer, self.write_timer):
                if timer is not None:
                    timer.cancel()

        def data_received(self, data: bytes) -> None:
            if self.is_refused:
                return
            super().data_received(data)
            if self.cycle is not None and not self.cycle.more_body:
                self.cycle.scope["state"][IS_WHOLE] = True
            self._await_head()
            self.n_head_bytes = self.n_head_bytes + len(data) if self.head_timer is not None else 0
            if self.n_head_bytes > MOST_HEAD_BYTES:
                self.transport.abort()

        def pause_writing(self) -> None:
            super().pause_writing()
            self.write_timer = self.loop.call_later(limits.answer_seconds, self.transport.abort)

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


def _refusal() -> bytes:
    content = unready("too many connections are open; come back").content()
    head = f"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: {RETRY_SECONDS}\r\n"
    return f"{head}connection: close\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content
