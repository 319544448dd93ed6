"""The pages at `/` and `/docs`: files of the package, held in memory, each under its own name."""

from __future__ import annotations

from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

from manyhot.serving.addresses import Address
from manyhot.serving.errors import ApiError

# What is served, by suffix; other files stay at home.
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
PAGES = {"/": "index.html", "/docs": "docs.html"}


def page_routes() -> list[Address]:
    """The routes of the pages."""
    folder = resources.files("manyhot.serving") / "static"
    files = {file.name: file.read_bytes() for file in folder.iterdir() if _content_type(file.name) is not None}

    async def page(request: Request) -> Response:
        name = request.path_params.get("name") or PAGES[request.scope["path"]]
        if name not in files:
            raise ApiError(404, f"there is no file {name[:200]!r}", argument="path")
        return Response(files[name], media_type=_content_type(name))

    return [*(Address(path, page, methods=["GET"]) for path in PAGES), Address("/static/{name}", page, methods=["GET"])]


def _content_type(name: str) -> str | None:
    return CONTENT_TYPES.get(f".{name.rpartition('.')[2]}")
