"""Requests for minutes, while a signal ends the service and it is started again: none lost, none wrong, memory level.

Usage: python benchmarks/serve_soak.py [--minutes 10] [--requests 200000] [--clients 16] [--out results/soak.json]
Clients ask for 1, 1, 3 and 20 rows in turn, over connections kept alive, at an even pace. Half-way SIGTERM arrives, and
the service is started again on the same port. What comes must be whole and right; a connection that is refused or
closed before an answer began is asked again. Answers that the service's log says it gave are counted beside those that
arrived: none may be missing.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from serve import free_port, started, trained

from manyhot import load

KINDS = 4
HEAD = b"POST /predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"


def bodies_of(X: np.ndarray, expected: np.ndarray) -> list[tuple[bytes, np.ndarray]]:
    found = []
    for k in range(200):
        rows = slice(k, k + (1, 1, 3, 20)[k % KINDS])
        body = json.dumps({"rows": X[rows].tolist()}).encode()
        found.append((HEAD + b"content-length: %d\r\n\r\n" % len(body) + body, expected[rows]))
    return found


class Client:
    def __init__(self, port: int, counts: dict) -> None:
        self.port, self.counts, self.reader, self.writer = port, counts, None, None

    async def ask(self, request: bytes) -> bytes:
        """The body of a 200; asks again where no answer had begun."""
        while True:
            began = False
            try:
                if self.writer is None:
                    self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
                self.writer.write(request)
                head = await self.reader.readuntil(b"\r\n")
                began = True
                head += await self.reader.readuntil(b"\r\n\r\n")
                length = int(re.search(rb"content-length: (\d+)", head)[1])
                body = await self.reader.readexactly(length)
                if b"connection: close" in head:
                    self.close()
                if head[9:12] == b"200":
                    return body
                self.counts[f"status {head[9:12].decode()}"] = self.counts.get(f"status {head[9:12].decode()}", 0) + 1
                await asyncio.sleep(0.2)
            except (OSError, asyncio.IncompleteReadError):
                self.close()
                self.counts["cut off in an answer" if began else "asked again"] += 1
                await asyncio.sleep(0.1)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


async def soak(port: int, told: argparse.Namespace, jobs: list, processes: list, start) -> dict:
    counts = {"answered": 0, "wrong": 0, "cut off in an answer": 0, "asked again": 0}
    memory, times, ends = [], [], time.monotonic() + 60 * told.minutes
    pause = 60 * told.minutes * told.clients / told.requests
    left = told.requests

    async def client(first: int) -> None:
        nonlocal left
        one, k = Client(port, counts), first
        while left > 0 and time.monotonic() < ends:
            left, k = left - 1, k + 1
            request, expected = jobs[k % len(jobs)]
            began = time.monotonic()
            answers = json.loads(await one.ask(request))["predictions"]
            times.append(time.monotonic() - began)
            found = np.array([list(row["probabilities"].values()) for row in answers])
            counts["answered"] += 1
            counts["wrong"] += not (found.shape == expected.shape and np.allclose(found, expected, atol=1e-6))
            await asyncio.sleep(max(0.0, pause - (time.monotonic() - began)))
        one.close()

    async def watch() -> None:
        while time.monotonic() < ends and left > 0:
            status = Path(f"/proc/{processes[-1].pid}/status")
            found = re.search(r"RssAnon:\s+(\d+)", status.read_text() if status.exists() else "")
            if found:
                memory.append((len(processes), int(found[1]) // 1024))
            await asyncio.sleep(1)

    async def restart() -> None:
        await asyncio.sleep(30 * told.minutes)
        processes[0].send_signal(signal.SIGTERM)
        began = time.monotonic()
        code = await asyncio.to_thread(processes[0].wait)
        counts["exit code"], counts["seconds to end"] = code, round(time.monotonic() - began, 2)
        processes.append(await asyncio.to_thread(start))

    await asyncio.gather(*(client(7 * k) for k in range(told.clients)), watch(), restart())
    times.sort()
    second = [size for process, size in memory if process == 2]
    first = [size for process, size in memory if process == 1]
    return {
        **counts,
        "p50_ms": round(1000 * times[len(times) // 2], 2),
        "p99_ms": round(1000 * times[len(times) * 99 // 100], 2),
        "memory_mib": {"first": [first[len(first) // 4], first[-1]], "second": [second[len(second) // 4], second[-1]]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, port = Path(folder) / "one.manyhot", free_port()
        X = trained(path, 4)
        jobs = bodies_of(X, load(path).predict_proba(X))
        words, log = ["-m", "manyhot", "serve", "--port", str(port), str(path)], Path(folder) / "log"
        processes = [started(words, port, log)]
        try:
            result = asyncio.run(soak(port, told, jobs, processes, lambda: started(words, port, log)))
            result["answers in the log"] = log.read_text().count("POST predict 200,")
        finally:
            for process in processes:
                process.kill()
    result["settings"] = {"minutes": told.minutes, "requests": told.requests, "clients": told.clients}
    result["settings"]["load"] = os.getloadavg()[0]
    print(json.dumps(result, indent=1))
    if told.out:
        told.out.write_text(json.dumps(result, indent=1) + "\n")
    lost = result["answers in the log"] - result["answered"]
    sys.exit(bool(lost or result["wrong"] or result["cut off in an answer"] or result["exit code"]))


if __name__ == "__main__":
    main()
