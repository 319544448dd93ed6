"""The service as an ASGI application: a route for each address, behind one gate."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from manyhot.serving.errors import RETRY_SECONDS, ApiError
from manyhot.serving.middleware import Gate
from manyhot.serving.model_card import model_card
from manyhot.serving.openapi import openapi_document
from manyhot.serving.pages import page_routes
from manyhot.serving.predict_endpoint import Predict
from manyhot.serving.prometheus import CONTENT_TYPE
from manyhot.serving.reports import Reports
from manyhot.serving.state import Service

GET, POST = ["GET"], ["POST"]

Endpoint = Callable[[Request], Awaitable[Response]] | ASGIApp


def application(service: Service, token: str | None = None, hosts: Collection[str] = ()) -> Gate:
    """The service behind its gate."""
    endpoints = Endpoints(service, token is not None)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        service.start()
        yield
        await asyncio.to_thread(service.close)

    routes = [
        *_model_routes("/predict", Predict(service), POST),
        *_model_routes("/labels", endpoints.labels, GET),
        *_model_routes("/model", endpoints.model, GET),
        *_model_routes("/report", endpoints.report, GET),
        Route("/models", endpoints.models, methods=GET),
        Route("/health", endpoints.health, methods=GET),
        Route("/ready", endpoints.ready, methods=GET),
        Route("/metrics", endpoints.metrics, methods=GET),
        Route("/openapi.json", endpoints.openapi, methods=GET),
        *page_routes(),
    ]
    handlers = {HTTPException: _routing_error_response, ApiError: _error_response}
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return Gate(app, service, token, hosts)


def _model_routes(path: str, endpoint: Endpoint, methods: list[str]) -> list[Route]:
    """The routes to something that each model has: of the first one, and of each by its name."""
    return [Route(prefix + path, endpoint, methods=methods) for prefix in ("", "/models/{name}")]


class Endpoints:
    """What each address answers."""

    def __init__(self, service: Service, has_token: bool) -> None:
        self.service, self.has_token = service, has_token
        self.reports = Reports(service)

    async def labels(self, request: Request) -> Response:
        """The labels and their thresholds."""
        document = model_card(self.service.model(request.path_params.get("name")))
        return _json({name: document[name] for name in ("name", "labels", "thresholds", "decision")})

    async def model(self, request: Request) -> Response:
        """What the model is, how good, and what its rows look like."""
        return _json(model_card(self.service.model(request.path_params.get("name"))))

    async def report(self, request: Request) -> Response:
        """The report as a page."""
        return await self.reports.respond(self.service.model(request.path_params.get("name")))

    async def models(self, request: Request) -> Response:
        """The models by name."""
        names = list(self.service.models)
        return _json({"models": names, "default": names[0]})

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
        return _json(openapi_document(list(self.service.models.values()), self.has_token))


def _json(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8", errors="replace")
    return Response(content, status, headers, "application/json")


async def _routing_error_response(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    messages = {404: "not found; see /openapi.json for the addresses", 405: "method not allowed"}
    message = messages.get(error.status_code, error.detail)
    return await _error_response(request, ApiError(error.status_code, message, headers=error.headers))


async def _error_response(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return Response(error.to_json(), error.status, error.headers, "application/json")
