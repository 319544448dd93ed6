"""The nginx of docs/nginx.conf before the service: it closes what the service by itself would hold for ever."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.serving.conftest import Answer, Running, free_port, rows_of, songs, until
from tests.serving.test_hostile import Meanwhile, status, trickle

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CONFIG = (Path(__file__).parents[2] / "docs/nginx.conf").read_text()
HOST = "predictions.example.org"
ROWS = rows_of(songs(60, seed=9))

pytestmark = pytest.mark.skipif(NGINX is None, reason="there is no nginx here (Debian: apt-get install nginx-light)")


class Behind(Running):
    """A service that is asked through nginx, whose times are shortened to a second."""

    def __init__(self, path: Path, folder: Path) -> None:
        super().__init__([path], hosts=(HOST, "127.0.0.1"))
        self.wait()
        self.service_port, self.port = self.port, free_port()
        config = re.sub(r"(client_header_timeout|client_body_timeout|send_timeout) 10s", r"\1 1s", CONFIG)
        config = config.replace("127.0.0.1:8000", f"127.0.0.1:{self.service_port}")
        config = config.replace("listen 80;", f"listen 127.0.0.1:{self.port} sndbuf=16k;")
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in kinds)
        config = config.replace("http {\n", f"http {{\n{paths}", 1)
        user = "user root;\n" if os.geteuid() == 0 else ""  # of the folder, too
        (folder / "nginx.conf").write_text(f"{user}pid {folder}/pid;\ndaemon off;\n{config}")
        words = [str(NGINX), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
        self.nginx = subprocess.Popen(words)
        until(lambda: self.ask("GET", "/ready").status == 200 if _is_open(self.port) else False)

    def ask(self, method: str, path: str, body=None, **headers: str) -> Answer:
        return super().ask(method, path, body, **{"host": HOST, **headers})

    def stop(self) -> None:
        self.nginx.terminate()
        self.nginx.wait(10)
        super().stop()


def _is_open(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def proxied(bundles, tmp_path_factory):
    service = Behind(bundles["songs"], tmp_path_factory.mktemp("nginx"))
    yield service
    service.stop()


def request(row, more: str = "") -> bytes:
    body = json.dumps({"rows": [row]}).encode()
    head = f"POST /predict HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\n{more}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def test_requests_pass_as_they_are(proxied):
    answer = proxied.predict({"rows": ROWS})
    assert (answer.status, len(answer.document["predictions"])) == (200, len(ROWS))
    refused = proxied.predict({"rows": [{**ROWS[0], "tempo": "fast"}]})
    assert (refused.status, refused.error["column"]) == (422, "tempo")
    assert proxied.ask("GET", "/ready", host="evil.example").status == 421
    assert b"manyhot_ready 1.0" in proxied.ask("GET", "/metrics").content
    assert proxied.predict(b" " * (17 * 2**20)).status == 413


@pytest.mark.parametrize("head", [b"POST /predict HT", b"GET /health HTTP/1.1\r\nX-Slow: "], ids=["line", "header"])
def test_heads_that_never_end_are_cut_off(proxied, head):
    with Meanwhile(proxied):
        began = time.perf_counter()
        asyncio.run(trickle(proxied.port, 200, head))
        assert time.perf_counter() - began < 15


def test_a_head_too_long_is_refused(proxied):
    with socket.create_connection(("127.0.0.1", proxied.port), timeout=10) as connection:
        lines = b"".join(f"X-{k}: {'x' * 1000}\r\n".encode() for k in range(1000))
        try:
            connection.sendall(f"GET /health HTTP/1.1\r\nHost: {HOST}\r\n".encode() + lines)
            assert status(connection.recv(65536)) == 400
        except ConnectionError:
            pass  # what it sent was not read any more


def test_a_body_that_stops_coming_is_cut_off_and_the_service_never_sees_it(proxied):
    with socket.create_connection(("127.0.0.1", proxied.port), timeout=10) as connection, Meanwhile(proxied):
        connection.sendall(request(ROWS[0])[:-5])
        began = time.perf_counter()
        with suppress(ConnectionError):
            connection.recv(65536)
        assert time.perf_counter() - began < 5
        assert proxied.service.n_held_bytes < 2000


@pytest.mark.slow
def test_who_takes_no_answers_is_cut_off(proxied):
    """One request after the other reaches the service, and none once answers have waited for `send_timeout`."""
    n_before = proxied.service.metrics.requests["predict", "200"]
    with (
        socket.create_connection(("127.0.0.1", proxied.port), timeout=60) as connection,
        suppress(ConnectionError),
    ):
        connection.sendall(request(ROWS[0]) * 100_000)
    until(lambda: not proxied.service.n_active)
    assert proxied.service.n_held_bytes == 0
    assert proxied.service.metrics.requests["predict", "200"] - n_before <= 1000  # nginx's `keepalive_requests`
    assert proxied.predict({"rows": ROWS[:1]}).status == 200


@pytest.mark.slow
def test_an_answer_that_nobody_takes_waits_in_nginx_and_is_cut_off(proxied):
    many = {"rows": ROWS * 160}
    whole = len(proxied.predict(many).content)
    body = json.dumps(many).encode()
    head = request(ROWS[0]).partition(b"content-length")[0] + b"content-length: %d\r\n\r\n" % len(body)
    n_before = proxied.service.metrics.requests["predict", "200"]
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", proxied.port))
        connection.sendall(head + body)
        until(lambda: proxied.service.metrics.requests["predict", "200"] > n_before)
        assert proxied.service.n_active == 0
        time.sleep(4)
        n_received = 0
        with suppress(ConnectionError):
            while piece := connection.recv(2**20):
                n_received += len(piece)
    assert n_received < whole


def test_a_thousand_idle_connections_harm_nobody_and_are_closed(proxied):
    idle = [socket.create_connection(("127.0.0.1", proxied.port), timeout=10) for _ in range(1000)]
    with Meanwhile(proxied):
        for one in idle:
            with suppress(ConnectionError):
                assert one.recv(1) == b""
            one.close()
