"""The service as an ASGI application: a route for each endpoint, and bodies read within limits.

What the answers are is made elsewhere; here is only what HTTP asks. Start reading at `application`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from manyhot.serve.counters import CONTENT_TYPE
from manyhot.serve.gate import Gate
from manyhot.serve.openapi import description
from manyhot.serve.pages import page_routes
from manyhot.serve.predicting import predict as answer
from manyhot.serve.problems import RETRY_SECONDS, HttpError
from manyhot.serve.service import Service
from manyhot.serve.told import told_of

GET, POST = ["GET"], ["POST"]


def application(service: Service, token: str | None = None, hosts: Collection[str] = ()) -> ASGIApp:
    """The service behind its gate.

    Args:
        service: The service, not yet started.
        token: What `Authorization: Bearer` has to say; None for nothing.
        hosts: Names that the header `Host` may say; empty for any.
    """
    endpoints = Endpoints(service, token is not None)

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        service.start()
        yield
        await asyncio.to_thread(service.close)

    routes = [
        Route("/predict", endpoints.predict, methods=POST),
        Route("/models/{name}/predict", endpoints.predict, methods=POST),
        Route("/labels", endpoints.labels, methods=GET),
        Route("/models/{name}/labels", endpoints.labels, methods=GET),
        Route("/model", endpoints.model, methods=GET),
        Route("/models/{name}/model", endpoints.model, methods=GET),
        Route("/models", endpoints.models, methods=GET),
        Route("/health", endpoints.health, methods=GET),
        Route("/ready", endpoints.ready, methods=GET),
        Route("/metrics", endpoints.metrics, methods=GET),
        Route("/openapi.json", endpoints.openapi, methods=GET),
        *page_routes(),
    ]
    app = Starlette(routes=routes, lifespan=life, exception_handlers={HTTPException: _told_by_router})
    app.router.redirect_slashes = False
    return Gate(app, service, token, hosts)


class Endpoints:
    """What each address answers.

    Args:
        service: The service.
        has_token: Whether a bearer token is asked for.
    """

    def __init__(self, service: Service, has_token: bool) -> None:
        self.service, self.has_token = service, has_token

    async def predict(self, request: Request) -> Response:
        """Rows in, labels and probabilities out."""
        service = self.service
        served = service.model(request.path_params.get("name"))
        service.batches_of(served)
        n_held = 0
        try:
            pieces: list[bytes] = []
            async for piece in self._pieces(request):
                service.hold(len(piece))
                n_held += len(piece)
                pieces.append(piece)
            body = b"".join(pieces)
            pieces.clear()
            content_type = request.headers.get("content-type", "")
            with service.active():
                told = await answer(service, served, body, content_type, request.query_params)
        finally:
            service.release(n_held)
        service.counters.count("manyhot_rows_total", told.n_rows, model=served.name)
        return Response(told.content, headers={"content-type": told.media_type})

    async def labels(self, request: Request) -> Response:
        """The labels and their thresholds."""
        document = told_of(self.service.model(request.path_params.get("name")))
        return _json({name: document[name] for name in ("name", "labels", "thresholds", "decision")})

    async def model(self, request: Request) -> Response:
        """What the model is, how good, and what its rows look like."""
        return _json(told_of(self.service.model(request.path_params.get("name"))))

    async def models(self, request: Request) -> Response:
        """The models by name."""
        names = list(self.service.models)
        return _json({"models": names, "first": names[0]})

    async def health(self, request: Request) -> Response:
        """Whether the process lives."""
        return _json({"health": "alive"})

    async def ready(self, request: Request) -> Response:
        """Whether requests are answered."""
        document = {"ready": self.service.is_ready, "state": self.service.state()}
        if self.service.is_ready:
            return _json(document)
        return _json(document, 503, {"Retry-After": str(RETRY_SECONDS)})

    async def metrics(self, request: Request) -> Response:
        """Counters for Prometheus."""
        return Response(self.service.counters.text(), headers={"content-type": CONTENT_TYPE})

    async def openapi(self, request: Request) -> Response:
        """The description of all this."""
        return _json(description(list(self.service.models.values()), self.has_token))

    async def _pieces(self, request: Request) -> AsyncIterator[bytes]:
        """The body as it comes in, counted.

        Raises:
            HttpError: It is longer than is taken, or does not arrive in time.
        """
        limits = self.service.limits
        told = request.headers.get("content-length", "0")
        if told.isdecimal() and int(told[:20]) > limits.max_body_bytes:
            raise self._too_long(f"says it has {told[:20]} bytes")
        n_bytes = 0
        try:
            async with asyncio.timeout(limits.body_seconds):
                async for piece in request.stream():
                    n_bytes += len(piece)
                    if n_bytes > limits.max_body_bytes:
                        raise self._too_long("is longer")
                    yield piece
        except TimeoutError:
            message = f"{n_bytes} bytes came within {limits.body_seconds:g} seconds, and not the last one"
            raise HttpError(408, message, argument="body") from None

    def _too_long(self, got: str) -> HttpError:
        return HttpError(413, f"{got}, at most {self.service.limits.max_body_bytes} bytes are taken", argument="body")


def _json(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8", errors="replace")
    return Response(content, status, headers, "application/json")


async def _told_by_router(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: "there is nothing at this address; /openapi.json says what there is", 405: "another method is needed"}
    problem = HttpError(error.status_code, words.get(error.status_code, error.detail), headers=error.headers)
    return Response(problem.content(), problem.status, problem.headers, "application/json")
