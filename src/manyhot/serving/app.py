"""The service as an ASGI application: a route for each address, behind one gate."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from manyhot.errors import InputError
from manyhot.reports.html import render
from manyhot.reports.model_page import out_of_fold_page
from manyhot.serving.addresses import Address
from manyhot.serving.errors import RETRY_SECONDS, ApiError, service_unavailable
from manyhot.serving.middleware import (
    AccessLog,
    AllowedHosts,
    BearerToken,
    BodyLimits,
    Errors,
    SameOrigin,
    SecurityHeaders,
)
from manyhot.serving.model import ServedModel
from manyhot.serving.openapi import model_card, openapi_document
from manyhot.serving.pages import page_routes
from manyhot.serving.predict import Predict
from manyhot.serving.state import Service

GET, POST = ["GET"], ["POST"]
CORS_METHODS, CORS_HEADERS = ("GET", "POST"), ("Authorization", "Content-Type")
# A report brings a stricter policy along, with the fingerprints of its own style and script.
REPORT_HEADERS = {"content-security-policy": "frame-ancestors 'none'"}

Endpoint = Callable[[Request], Awaitable[Response]] | ASGIApp


def application(
    service: Service, token: str | None = None, hosts: Collection[str] = (), origins: Collection[str] = ()
) -> ASGIApp:
    """The service; without a token it asks for none, without hosts any name is good.

    Pages of `origins` may send requests and read the answers (CORS); those of other sites may not.
    """
    endpoints = Endpoints(service, token is not None)

    @asynccontextmanager
    async def lifespan(app: Router) -> AsyncIterator[None]:
        service.start()
        yield
        await asyncio.to_thread(service.close)

    routes = [
        *_model_routes("/predict", Predict(service), POST),
        Address("/models/{name}/ready", endpoints.model_ready, methods=GET),
        *_model_routes("/labels", endpoints.labels, GET),
        *_model_routes("/model", endpoints.model, GET),
        *_model_routes("/report", endpoints.report, GET),
        Address("/models", endpoints.models, methods=GET),
        Address("/health", endpoints.health, methods=GET),
        Address("/ready", endpoints.ready, methods=GET),
        Address("/metrics", endpoints.metrics, methods=GET),
        Address("/openapi.json", endpoints.openapi, methods=GET),
        *page_routes(),
    ]
    router = Router(routes, redirect_slashes=False, lifespan=lifespan)
    middlewares = [
        Middleware(AccessLog, service),
        Middleware(SecurityHeaders),
        Middleware(BodyLimits, service.limits),
        Middleware(Errors),
        Middleware(SameOrigin, origins),
        *([Middleware(AllowedHosts, hosts)] if hosts else []),
        *([Middleware(BearerToken, token)] if token is not None else []),
    ]
    app: ASGIApp = router
    for middleware, args, _ in reversed(middlewares):
        app = middleware(app, *args)
    if origins:
        app = CORSMiddleware(app, origins, CORS_METHODS, CORS_HEADERS)

    async def service_app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = router  # so that the router raises what it refuses
        await (app if scope["type"] == "http" else router)(scope, receive, send)

    return service_app


def _model_routes(path: str, endpoint: Endpoint, methods: list[str]) -> list[Address]:
    """The routes to something that each model has: of the first one, and of each by its name."""
    return [Address(prefix + path, endpoint, methods=methods) for prefix in ("", "/models/{name}")]


class Endpoints:
    """What each address answers."""

    def __init__(self, service: Service, has_token: bool) -> None:
        self.service, self.has_token = service, has_token
        self._lock = threading.Lock()

    async def labels(self, request: Request) -> Response:
        """The labels and their thresholds."""
        document = model_card(self.service.requested_model(request.scope))
        return _json({name: document[name] for name in ("name", "labels", "thresholds", "decision")})

    async def model(self, request: Request) -> Response:
        """What the model is, how good, and what its rows look like."""
        return _json(model_card(self.service.requested_model(request.scope)))

    async def report(self, request: Request) -> Response:
        """The report as a page."""
        served = self.service.requested_model(request.scope)
        pending = asyncio.get_running_loop().run_in_executor(self.service.pool, self._render_report, served)
        try:
            async with asyncio.timeout(self.service.limits.response_seconds):
                page = await asyncio.shield(pending)  # what was begun is finished, and the next one who asks finds it
        except TimeoutError:
            raise service_unavailable("the report is still being rendered; try again later") from None
        except InputError as error:
            raise ApiError(404, f"there is no report: {error.message}", argument="path") from None
        return Response(page, headers=REPORT_HEADERS, media_type="text/html; charset=utf-8")

    async def models(self, request: Request) -> Response:
        """The models by name."""
        names = list(self.service.models)
        return _json({"models": names, "default": names[0]})

    async def health(self, request: Request) -> Response:
        """Whether the process lives, and the state of the service, which the page asks for until it is ready."""
        return _json({"health": "alive", **self.service.describe()})

    async def ready(self, request: Request) -> Response:
        """Whether requests are answered."""
        models = {name: one.is_warm for name, one in self.service.models.items()}
        return _readiness(self.service.is_ready, {**self.service.describe(), "models": models})

    async def model_ready(self, request: Request) -> Response:
        """Whether requests to one model are answered, which may be before the others are compiled."""
        served = self.service.requested_model(request.scope)
        return _readiness(self.service.answers(served), {"name": served.name})

    async def metrics(self, request: Request) -> Response:
        """Counters for Prometheus."""
        content = generate_latest(self.service.metrics.registry)
        return Response(content, headers={"content-type": CONTENT_TYPE_LATEST})

    async def openapi(self, request: Request) -> Response:
        """The description of all this."""
        return _json(openapi_document(list(self.service.models.values()), self.has_token))

    def _render_report(self, served: ServedModel) -> bytes:
        with self._lock:
            if served.report is None:
                served.report = render(out_of_fold_page(served.model, f"{served.name}.manyhot")).encode()
            return served.report


def _readiness(is_ready: bool, facts: dict[str, Any]) -> Response:
    document = {"ready": is_ready, **facts}
    return _json(document) if is_ready else _json(document, 503, {"Retry-After": str(RETRY_SECONDS)})


def _json(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8", errors="replace")
    return Response(content, status, headers, "application/json")
