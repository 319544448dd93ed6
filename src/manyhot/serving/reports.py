"""The report of a model as one page, made when it is first asked for and kept."""

from __future__ import annotations

import asyncio
import threading

from starlette.responses import Response

from manyhot.errors import InputError
from manyhot.reports.html import render
from manyhot.reports.model_page import out_of_fold_page
from manyhot.serving.errors import ApiError, service_unavailable
from manyhot.serving.model import ServedModel
from manyhot.serving.state import Service

# The page brings a stricter one along, with the fingerprints of its own style and script.
POLICY = "frame-ancestors 'none'"


class Reports:
    """The pages of the models."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._pages: dict[str, bytes] = {}
        self._lock = threading.Lock()

    async def respond(self, served: ServedModel) -> Response:
        """The page of a model."""
        pending = asyncio.get_running_loop().run_in_executor(self.service.pool, self._render_page, served)
        try:
            async with asyncio.timeout(self.service.limits.response_seconds):
                page = await asyncio.shield(pending)
        except TimeoutError:
            raise service_unavailable("the report is still being made; try again later") from None
        except InputError as error:
            raise ApiError(404, f"there is no report: {error.message}", argument="path") from None
        return Response(page, headers={"content-security-policy": POLICY}, media_type="text/html; charset=utf-8")

    def _render_page(self, served: ServedModel) -> bytes:
        with self._lock:
            if served.name not in self._pages:
                self._pages[served.name] = render(out_of_fold_page(served.model, f"{served.name}.manyhot")).encode()
            return self._pages[served.name]
