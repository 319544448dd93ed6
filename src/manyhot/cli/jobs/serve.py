"""`manyhot serve`: serve models over HTTP until a signal stops it."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from manyhot.errors import InputError, ManyhotError, how_to_install
from manyhot.serving.log import LOGGER_NAME, log_formatter


def run(
    bundles: Sequence[str],
    host: str,
    port: int,
    token_file: Path | None,
    allow_host: Sequence[str] | None,
    allow_origin: Sequence[str] | None,
    text: Path | None,
    log_format: str,
    quiet: bool,
    **limits: Any,
) -> None:
    """Open the bundles, and serve them."""
    if not all(map(find_spec, ("httptools", "prometheus_client", "starlette", "uvicorn"))):
        raise ManyhotError(f"the service is an extra; install it with: {how_to_install('serve')}")
    from manyhot.serving.limits import Limits
    from manyhot.serving.server import read_token, serve

    log = logging.getLogger(LOGGER_NAME)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(log_formatter(log_format))
    log.addHandler(handler)
    log.setLevel(logging.WARNING if quiet else logging.INFO)
    log.propagate = False
    named_files = [parse_bundle(word) for word in bundles]
    try:
        serve(
            [path for _, path in named_files],
            [name for name, _ in named_files],
            host,
            port,
            token=read_token(token_file),
            allow_hosts=allow_host or [],
            allow_origins=[check_origin(origin) for origin in allow_origin or []],
            limits=Limits(**{name: value for name, value in limits.items() if value is not None}),
            text=None if text is None else str(text),
        )
    finally:
        log.removeHandler(handler)


def check_origin(origin: str) -> str:
    """An origin as a browser names it."""
    if not re.fullmatch(r"https?://[^/\s]+/?", origin):
        raise InputError(f"got {origin!r}, expected an origin such as https://example.org", argument="--allow-origin")
    return origin.lower().rstrip("/")


def parse_bundle(argument: str) -> tuple[str | None, Path]:
    """`NAME=FILE`, or a file alone."""
    name, equals, path = argument.partition("=")
    return (name, Path(path)) if equals and not Path(argument).exists() else (None, Path(argument))
