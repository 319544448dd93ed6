"""The process around the service: a socket, signals, the token and the log."""

from __future__ import annotations

import gc
import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from manyhot.errors import InputError, ManyhotError
from manyhot.serving.app import application
from manyhot.serving.limits import Limits
from manyhot.serving.log import LOGGER_NAME
from manyhot.serving.model import load_models
from manyhot.serving.state import Service

LOCAL = ("localhost", "127.0.0.1", "[::1]")
TOKEN_VARIABLE = "MANYHOT_TOKEN"  # the environment variable that holds the token
MIN_TOKEN_LENGTH = 16
KEEP_ALIVE_SECONDS = 30
BACKLOG = 1024
# How long a thread may keep the interpreter while another waits: batches and answers alternate often.
SWITCH_SECONDS = 0.0005
# Objects between two collections of garbage; a request makes a thousand, and nearly all die by themselves.
GC_THRESHOLDS = (20_000, 20, 20)
SIGNALS = (signal.SIGINT, signal.SIGTERM)

logger = logging.getLogger(LOGGER_NAME)


def serve(
    bundles: Sequence[Path],
    names: Sequence[str | None],
    host: str,
    port: int,
    *,
    token: str | None = None,
    allow_hosts: Collection[str] = (),
    allow_origins: Collection[str] = (),
    limits: Limits | None = None,
    text: str | None = None,
) -> None:
    """Serve models until SIGINT or SIGTERM; SIGHUP loads those anew whose files have changed.

    Args:
        bundles: The model files.
        names: A name for each model; None to use the file's name.
        host: The address to listen on.
        port: The port; 0 for any free port, which is written to the log.
        token: The bearer token that requests must send; None to require none.
        allow_hosts: Further host names to accept in the header `Host`.
        allow_origins: Origins, such as https://example.org, whose pages may send requests and read the answers.
        limits: Limits of requests; None for the defaults.
        text: Folder of the pretrained transformer, or of the model in ONNX, that encodes texts.

    Raises:
        InputError: Bundles or names that cannot be used.
        ManyhotError: An address that cannot be listened on.
    """
    limits_or_default = limits or Limits()
    service = Service(load_models(bundles, names, limits_or_default, text), limits_or_default)
    hosts = (*LOCAL, *allow_hosts) if is_loopback(host) or allow_hosts else ()
    config = server_config(limits_or_default, application(service, token, hosts, allow_origins), host, port)
    listener = open_listener(host, port)
    address, bound_port = listener.getsockname()[:2]
    shown_address = f"[{address}]" if ":" in address else address
    logger.info("listening on http://%s:%d, models: %s", shown_address, bound_port, ", ".join(service.models))
    if token is None and not is_loopback(host):
        logger.warning(
            "anyone who can reach this address can use the service; set %s to require a token", TOKEN_VARIABLE
        )
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(*GC_THRESHOLDS)
    run_until_signal(uvicorn.Server(config), listener, service.reload)
    logger.info("stopped")


def run_until_signal(server: uvicorn.Server, listener: socket.socket, reload: Callable[[], None]) -> None:
    """Run a server; a signal ends it in good order, and what uvicorn raises again afterwards ends nothing more.

    SIGHUP calls `reload`.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    def hang_up(number: int, frame: FrameType | None) -> None:
        reload()

    handlers = dict.fromkeys(SIGNALS, stop) | ({signal.SIGHUP: hang_up} if hasattr(signal, "SIGHUP") else {})
    is_main = threading.current_thread() is threading.main_thread()  # no other may set handlers
    old_handlers = {number: signal.signal(number, handler) for number, handler in handlers.items()} if is_main else {}
    try:
        server.run(sockets=[listener])
    finally:
        for number, handler in old_handlers.items():
            signal.signal(number, handler)


def open_listener(host: str, port: int) -> socket.socket:
    """A socket that listens on an address."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        is_dual = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        return socket.create_server(address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=is_dual)
    except OSError as error:
        problem = error.strerror or error
        raise ManyhotError(f"cannot listen on {host}:{port} ({problem}); choose another --host or --port") from None


def server_config(limits: Limits, app: ASGIApp, host: str, port: int) -> uvicorn.Config:
    """How uvicorn runs the service."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http="httptools",
        ws="none",
        loop="auto",  # uvloop where there is one
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level="error",
        server_header=False,
        limit_concurrency=limits.max_connections + 1,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(limits.body_seconds + limits.response_seconds),
        backlog=BACKLOG,
        proxy_headers=False,
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_token(file: Path | None) -> str | None:
    """The token out of a file or the environment variable `MANYHOT_TOKEN`; None where neither is there."""
    if file is not None:
        try:
            token = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot be read ({error})", file=file, argument="--token-file") from None
    else:
        token = os.environ.get(TOKEN_VARIABLE, "").strip()
        if not token:
            return None
    if len(token) < MIN_TOKEN_LENGTH or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(
            f"got a token of {len(token)} characters, expected {MIN_TOKEN_LENGTH} or more of ASCII without blanks",
            argument="--token-file" if file is not None else TOKEN_VARIABLE,
        )
    return token
