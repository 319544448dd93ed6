"""`manyhot serve`: models that answer over HTTP, until a signal says stop."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from manyhot.errors import ManyhotError


def run(
    bundles: Sequence[str],
    host: str,
    port: int,
    token_file: Path | None,
    allow_hosts: Sequence[str],
    limits: Mapping[str, Any],
    text: Path | None,
    quiet: bool,
) -> None:
    """Open the bundles, and serve them."""
    if not all(map(find_spec, ("httptools", "starlette", "uvicorn"))):
        raise ManyhotError("the service is an extra; install it with: pip install 'manyhot[serve]'")
    from manyhot.serving.limits import Limits
    from manyhot.serving.server import serve, token_of

    log = logging.getLogger("manyhot.serve")
    written = logging.StreamHandler(sys.stderr)
    log.addHandler(written)
    log.setLevel(logging.WARNING if quiet else logging.INFO)
    log.propagate = False
    found = [named(word) for word in bundles]
    try:
        serve(
            [path for _, path in found],
            [name for name, _ in found],
            host,
            port,
            token=token_of(token_file),
            allow_hosts=allow_hosts,
            limits=Limits(**limits),
            text=None if text is None else str(text),
        )
    finally:
        log.removeHandler(written)


def named(word: str) -> tuple[str | None, Path]:
    """`NAME=FILE`, or a file alone."""
    name, equals, path = word.partition("=")
    return (name, Path(path)) if equals and not Path(word).exists() else (None, Path(word))
