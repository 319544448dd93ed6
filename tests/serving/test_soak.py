"""Requests of every kind, right and wrong, while models are loaded anew: memory stays level, no mistake of ours."""

import asyncio
import json
import os
import random
import re
import shutil
import signal
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from manyhot import MultiLabelClassifier
from tests.serving.conftest import NAMES, RunningCommand, numbers, rows_of, songs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
TOKEN = "a-token-of-the-soak"
N_CLIENTS = 8
N_REQUESTS, N_FEW = 100_000, 500
N_RELOADS = 10  # SIGHUPs with another file
SAMPLES = 100  # of memory
WARM_UP = 0.2  # share of the requests before memory has to be level
MAX_SLOPE = 1.0  # MiB in 10,000 requests


@dataclass(frozen=True)
class Request:
    """What is sent, which statuses may come back, and how often it is sent beside the others."""

    content: bytes
    statuses: tuple[int, ...]
    weight: int = 1


def request(method, path, body=b"", kind="application/json", statuses=(200,), weight=1, token=TOKEN, **headers):
    """One request; a body that is no bytes is sent as JSON."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(body)}"]
    lines += [f"content-type: {kind}"] * bool(body) + [f"authorization: Bearer {token}"] * bool(token)
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return Request("\r\n".join(lines).encode() + b"\r\n\r\n" + body, statuses, weight)


def mixed_requests():
    """Requests of every kind, for a table of songs and a matrix."""
    rows = rows_of(songs(60))
    table = songs(40).drop(*NAMES).write_csv().encode()
    X = numbers()[0].tolist()
    found = [request("POST", "/predict", {"rows": rows[k : k + 1]}, weight=4) for k in range(20)]
    found += [request("POST", "/predict", {"rows": rows[k : k + 20]}, weight=4) for k in range(5)]
    found += [request("POST", "/models/matrix/predict", {"rows": X[k : k + 3]}, weight=4) for k in range(10)]
    found += [
        request("POST", "/predict", {"rows": rows[:2], "explain": True}, weight=4),
        request("POST", "/predict", {"rows": rows[:1], "explain": [NAMES[0]]}, weight=4),
        request("POST", "/predict", {"rows": rows[:3], "thresholds": {NAMES[0]: 0.3}, "top": 2}, weight=8),
        request("POST", "/predict", table, "text/csv", weight=4),
        request("POST", "/predict?explain=true", table[: table.index(b"s5")], "text/csv", weight=2),
        *(request("GET", path, weight=2) for path in ("/metrics", "/ready", "/health", "/models", "/labels", "/model")),
        *(request("GET", path) for path in ("/openapi.json", "/report", "/models/matrix/ready", "/")),
    ]
    good = {"rows": rows[:1]}
    found += [
        request("POST", "/predict", b'{"rows": [', statuses=(400,)),
        request("POST", "/predict", b"\xff\xfe", statuses=(400,)),
        request("POST", "/predict", {"rows": [{**rows[0], "tempo": "fast"}]}, statuses=(422,)),
        request("POST", "/predict", {"rows": []}, statuses=(422,)),
        request("POST", "/predict", {**good, "thresholds": {"no label": 0.5}}, statuses=(422,)),
        request("POST", "/predict", {**good, "treshold": 1}, statuses=(422,)),
        request("POST", "/predict", {"rows": [rows[0]] * 200, "explain": True}, statuses=(422,)),
        request("POST", "/predict", b"tempo\n1\n", "text/csv", statuses=(400, 422)),
        request("POST", "/predict", table, "image/png", statuses=(415,)),
        request("POST", "/models/nothing/predict", good, statuses=(404,)),
        request("GET", "/nothing", statuses=(404,)),
        request("DELETE", "/predict", statuses=(405,)),
        request("POST", "/predict", good, token="wrong", statuses=(401,), weight=4),
        request("POST", "/predict", good, token="", statuses=(401,)),
        request("POST", "/predict", good, origin="https://elsewhere.example", statuses=(403,)),
        request("POST", "/predict", good, host="other", statuses=(400,)),
        request("POST", "/predict", b" " * 70_000, statuses=(400,)),
        Request(b"POST /predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 99999999999\r\n\r\n", (401, 413)),
    ]
    return found


class Client:
    """One connection that is kept alive as long as the service keeps it."""

    def __init__(self, port):
        self.port, self.writer = port, None

    async def ask(self, content):
        """The status of an answer, and its head."""
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(content)
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        if b"transfer-encoding: chunked" in head:
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                await self.reader.readexactly(size + 2)
            await self.reader.readexactly(2)
        else:
            await self.reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))
        if b"connection: close" in head:
            self.writer.close()
            self.writer = None
        return int(head[9:12]), head


def resident_mib(pid):
    """Memory of a process that is in use."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


async def soak(service, n_requests, reload):
    """Send that many requests; counts of statuses, what was wrong, and memory after each hundredth of them."""
    requests, generator = mixed_requests(), random.Random(0)
    order = generator.choices(requests, [one.weight for one in requests], k=n_requests)
    counts, wrong, memory, n_done = Counter(), [], [], 0

    async def client():
        nonlocal n_done
        one = Client(service.port)
        while order:
            asked = order.pop()
            status, head = await one.ask(asked.content)
            counts[status] += 1
            is_told_to_wait = status == 503 and b"retry-after:" in head
            if status not in asked.statuses and not is_told_to_wait:
                wrong.append((status, asked.content[:200]))
            n_done += 1
            if n_done % max(n_requests // SAMPLES, 1) == 0:
                memory.append((n_done, resident_mib(service.process.pid)))
            if n_done % (n_requests // (N_RELOADS + 1)) == 0:
                reload()

    await asyncio.gather(*(client() for _ in range(N_CLIENTS)))
    return counts, wrong, np.array(memory)


@pytest.fixture
def service(bundles, tmp_path):
    """The command, in a process of its own, on copies of two models; `reload` puts another file in place of one."""
    for name in ("songs", "matrix"):
        shutil.copy(bundles[name], tmp_path / f"{name}.manyhot")
    (tmp_path / "token").write_text(TOKEN)
    files = [str(tmp_path / f"{name}.manyhot") for name in ("songs", "matrix")]
    with open(tmp_path / "log", "w") as log:
        running = RunningCommand([*files, "--token-file", str(tmp_path / "token")], stderr=log)
    try:
        yield running.wait()
    finally:
        running.stop()


@pytest.fixture
def reload(service, tmp_path):
    """A function that puts another model in the place of one, of two that take turns, and sends SIGHUP."""
    X, sets = numbers()
    settings = {"n_members": 2, "n_folds": 2, "epochs": 3, "hidden_layer_sizes": (8,), "verbose": 0}
    MultiLabelClassifier(**settings, random_state=1).fit(X, sets).save(tmp_path / "other.manyhot")
    versions = [(tmp_path / "other.manyhot").read_bytes(), (tmp_path / "matrix.manyhot").read_bytes()]

    def put_other():
        (tmp_path / "next.manyhot").write_bytes(versions[0])
        versions.reverse()
        os.replace(tmp_path / "next.manyhot", tmp_path / "matrix.manyhot")
        service.process.send_signal(signal.SIGHUP)

    return put_other


def assert_well(counts, wrong, n_requests):
    print(f"answers by status: {dict(sorted(counts.items()))}")
    assert not wrong, (len(wrong), wrong[:10])
    assert counts.total() == n_requests
    assert not [status for status in counts if status >= 500 and status != 503]


@pytest.mark.slow
def test_mixed_requests(service, reload, tmp_path):
    counts, wrong, _ = asyncio.run(soak(service, N_FEW, reload))
    assert_well(counts, wrong, N_FEW)
    assert {200, 400, 401, 404, 422} <= set(counts)
    assert (tmp_path / "log").read_text().count("matrix was reloaded") > 1


@pytest.mark.exhaustive
@pytest.mark.timeout(7200)
def test_memory_stays_level(service, reload, tmp_path):
    n_requests = int(os.environ.get("MANYHOT_SOAK_REQUESTS", N_REQUESTS))
    counts, wrong, memory = asyncio.run(soak(service, n_requests, reload))
    assert_well(counts, wrong, n_requests)
    level = memory[memory[:, 0] > WARM_UP * n_requests]
    slope = 10_000 * np.polyfit(level[:, 0], level[:, 1], 1)[0]
    reloads = (tmp_path / "log").read_text().count("matrix was reloaded")
    print(f"MiB: {memory[0, 1]:.0f} first, {level[0, 1]:.0f} warm, {level[-1, 1]:.0f} last; {reloads} reloads")
    print(f"MiB in 10,000 requests: {slope:.2f}; samples {np.round(memory[::5, 1], 1).tolist()}")
    assert slope <= MAX_SLOPE
