"""Requests that mean ill: the right status, memory as before, and others answered meanwhile."""

import asyncio
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time
import zlib
from pathlib import Path

import pytest

from tests.fixtures.image_files import png_header
from tests.serving.conftest import Running, RunningCommand, as_base64, rows_of, songs, until

ROW = rows_of(songs(3, seed=9))[0]
JSON_HEAD = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
CHUNKED = JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
MIB = 2**20


def sent(port: int, head: bytes, piece: bytes, times: int, seconds: float = 30) -> tuple[bytes, int]:
    """Bytes written until the service has enough; what it says, and how many pieces it took."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(head)
        n_sent = 0
        try:
            for n_sent in range(1, times + 1):
                connection.sendall(piece)
                connection.setblocking(False)
                try:
                    if found := connection.recv(65536):
                        return found, n_sent
                except BlockingIOError:
                    pass
                finally:
                    connection.settimeout(seconds)
            return connection.recv(65536), n_sent
        except (ConnectionError, TimeoutError) as error:
            return repr(error).encode(), n_sent


def status(answer: bytes) -> int:
    found = re.match(rb"HTTP/1.1 (\d+)", answer)
    assert found, answer
    return int(found[1])


class Meanwhile:
    """A good request again and again, in a thread."""

    def __init__(self, running: Running) -> None:
        self.running, self.times, self.is_over = running, [], False
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        while not self.is_over:
            began = time.perf_counter()
            assert self.running.predict({"rows": [ROW]}).status == 200
            self.times.append(time.perf_counter() - began)

    def __enter__(self) -> "Meanwhile":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over = True
        self.thread.join()
        assert self.times
        assert max(self.times) < 10


@pytest.mark.slow
def test_a_body_that_says_it_has_a_gigabyte_is_refused_unread(running):
    head = JSON_HEAD + b"Content-Length: 1073741824\r\n\r\n"
    with Meanwhile(running):
        answer, pieces = sent(running.port, head, b" " * MIB, 1024)
    assert status(answer) == 413
    assert b"1073741824 bytes" in answer
    assert b"connection: close" in answer
    assert pieces < 64


@pytest.mark.slow
def test_who_sends_everything_first_is_still_told(running):
    body = b" " * (32 * MIB)
    with socket.create_connection(("127.0.0.1", running.port), timeout=30) as connection:
        connection.sendall(JSON_HEAD + b"Content-Length: %d\r\n\r\n" % len(body))
        time.sleep(0.2)
        connection.sendall(body)
        assert status(connection.recv(65536)) == 413


@pytest.mark.slow
def test_a_body_without_an_end_is_refused_once_it_is_too_long(running):
    piece = b"100000\r\n" + b" " * MIB + b"\r\n"
    with Meanwhile(running):
        answer, pieces = sent(running.port, CHUNKED, piece, 1024)
    assert status(answer) == 413
    assert 16 <= pieces < 64


def test_a_body_to_an_address_that_takes_none_does_not_go_on_for_ever(running):
    head = b"POST /health HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer, pieces = sent(running.port, head, b"100000\r\n" + b" " * MIB + b"\r\n", 4096)
    assert status(answer) == 405
    assert pieces < 4096


def bomb(width: int, height: int) -> bytes:
    """A small PNG file that unpacks to width x height pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = zlib.compress(bytes((width + 1) * height), 9)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


HOSTILE = {
    "100,000 rows": (lambda: {"rows": [ROW] * 100_000}, 422),
    "many rows of nothing": (lambda: b'{"rows": [' + b"{}," * 100_000 + b"{}]}", 422),
    "a million columns": (lambda: b'{"rows": [{' + b",".join(b'"%d":0' % k for k in range(1_000_000)) + b"}]}", 422),
    "two million values": (lambda: b'{"rows": [' + b"0," * 5_000_000 + b"0]}", 400),
    "five million brackets": (lambda: b'{"rows": ' + b"[" * 5_000_000, 400),
    "a long text": (lambda: {"rows": [{**ROW, "words": "word " * 200_000}]}, 200),
    "a longer text": (lambda: {"rows": [{**ROW, "words": "word " * 1_000_000}]}, 413),
    "a long name": (lambda: {"rows": [{**ROW, "x" * 1_000_000: 1}]}, 200),
    "a long number": (lambda: b'{"rows": [' + b"1" * 1_000_000 + b"]}", 400),
    "a long fraction": (lambda: b'{"rows": [{"tempo": 0.' + b"1" * 1_000_000 + b"}]}", 422),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_too_much_of_anything(running, name):
    make, expected = HOSTILE[name]
    with Meanwhile(running):
        assert running.predict(make()).status == expected


BOMBS = {
    "40,000 x 40,000": (png_header(40_000, 40_000), 422),
    "6,000 x 6,000": (bomb(6_000, 6_000), 200),
    "7,000 x 7,000": (bomb(7_000, 7_000), 422),
    "cut short": (bomb(64, 64)[:60], 422),
    "text": (b"no image", 422),
    "nothing": (b"", 422),
}


@pytest.mark.parametrize("name", BOMBS)
def test_images_that_claim_or_unpack_to_more(running, name):
    content, expected = BOMBS[name]
    with Meanwhile(running):
        answer = running.predict({"rows": [{"photo": as_base64(content)}]}, "photos")
    assert answer.status == expected, answer.content
    if expected != 200:
        assert (answer.error["row"], answer.error["column"]) == (1, "photo")


@pytest.mark.parametrize("text", ["/etc/passwd", "file:///etc/passwd", "http://127.0.0.1/", "data:,x"])
def test_an_image_is_never_a_path(running, text):
    assert running.predict({"rows": [{"photo": text}]}, "photos").status == 422


def test_a_table_of_a_million_columns(running):
    body = ",".join(f"c{k}" for k in range(1_000_000)).encode() + b"\n" + b"1," * 999_999 + b"1\n"
    with Meanwhile(running):
        assert running.ask("POST", "/predict", body, content_type="text/csv").status == 422


def test_a_table_of_too_many_rows(running):
    frame = songs(100).drop("song_id")
    body = frame.write_csv().encode() + frame.write_csv(include_header=False).encode() * 200
    with Meanwhile(running):
        assert running.ask("POST", "/predict", body, content_type="text/csv").status == 422


@pytest.fixture(scope="module")
def hasty(bundles):
    """A service that waits for nothing for long."""
    service = Running([bundles["songs"]], body_seconds=1.5, response_seconds=5.0).wait()
    yield service
    service.stop()


async def trickle(port: int, n_clients: int, head: bytes) -> list[bytes]:
    """Clients that send one byte now and then; what each is told before its connection ends."""

    async def one() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        found = b""
        for _ in range(100):
            try:
                writer.write(b"0")
                await writer.drain()
                found += await asyncio.wait_for(reader.read(65536), 0.2)
                if found or reader.at_eof():
                    break
            except TimeoutError:
                continue
            except (ConnectionError, RuntimeError):  # the latter is uvloop's
                break
        writer.close()
        return found

    return await asyncio.gather(*(one() for _ in range(n_clients)))


@pytest.mark.slow
def test_bodies_that_never_end_are_told_so(hasty):
    head = JSON_HEAD + b"Content-Length: 1000\r\n\r\n"
    with Meanwhile(hasty):
        found = asyncio.run(trickle(hasty.port, 200, head))
    assert {status(answer) for answer in found} == {408}
    until(lambda: not hasty.service.n_held_bytes)


def test_a_thousand_idle_connections_harm_nobody(hasty):
    idle = [socket.create_connection(("127.0.0.1", hasty.port)) for _ in range(1000)]
    until(lambda: hasty.n_connections >= 1000)
    with Meanwhile(hasty):
        time.sleep(1)
    for one in idle:
        one.close()
    until(lambda: not hasty.n_connections)


def test_no_room_is_told_at_once(bundles):
    service = Running([bundles["songs"]], max_held_bytes=1000, max_connections=5).wait()
    try:
        answer = service.predict({"rows": [ROW] * 50})
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        assert service.predict({"rows": [ROW]}).status == 200
        open_ones = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(5)]
        until(lambda: service.n_connections == 5)
        assert service.predict({"rows": [ROW]}).status == 503
        for one in open_ones:
            one.close()
        until(lambda: not service.n_connections)
        assert service.predict({"rows": [ROW]}).status == 200
    finally:
        service.stop()


def test_before_it_is_ready_it_says_so(bundles):
    service = Running([bundles["songs"]])
    service.service.is_ready = False
    try:
        until(lambda: service.server.started)
        answer = service.predict({"rows": [ROW]})
        if not service.service.is_ready:
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        service.wait()
        assert service.ask("GET", "/ready").status == 200
    finally:
        service.stop()


def rss(pid: int) -> int:
    return int(re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


@pytest.fixture
def process(bundles):
    """The command, in a process of its own."""
    remote = RunningCommand(
        [str(bundles["songs"])], stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    try:
        yield remote.wait()
    finally:
        remote.stop()


@pytest.mark.exhaustive
def test_memory_comes_back(process):
    good, many = {"rows": [ROW]}, json.dumps({"rows": [ROW] * 50_000}).encode()

    def rounds(n: int) -> int:
        """What the process holds after that many rounds of large, wrong and broken requests."""
        for _ in range(n):
            process.predict(good)
            process.predict(many)
            process.predict(b'{"rows": [' + b"{}," * 1_000_000 + b"{}]}")
            sent(process.port, CHUNKED, b"100000\r\n" + b" " * MIB + b"\r\n", 64)
        time.sleep(1)
        assert process.predict(good).status == 200
        return rss(process.process.pid)

    # An allocator keeps pages that it may use again: the first rounds, of the same requests, fill them.
    before = rounds(5)
    assert rounds(10) < before + 10 * len(many)


@pytest.mark.slow
def test_a_signal_lets_it_finish_what_it_holds(process):
    rows, found = [ROW] * 9000, []
    threads = [threading.Thread(target=lambda: found.append(process.predict({"rows": rows}))) for _ in range(3)]
    for thread in threads:
        thread.start()
    while "manyhot_active_requests 3" not in process.ask("GET", "/metrics").content.decode():
        assert len(found) < 3, "answered before the signal; ask for more rows"
    process.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert [len(answer.document["predictions"]) for answer in found] == [9000] * 3
    assert process.process.wait(30) == 0
    log = process.process.stderr.read()
    assert "POST /predict songs 200 " in log
    assert "stopped" in log
    assert not [
        word for word in (str(ROW["words"]), "127.0.0.1:8", "tempo") if word in log.replace("http://127.0.0.1", "")
    ]
