"""Clients that send one request after another over connections kept alive, as fast as answers come.

Usage: python benchmarks/peers/serve_load.py PORT BODIES CLIENTS SECONDS
BODIES is a JSON list of bodies, sent in turn. One JSON line comes out: requests a second, milliseconds, statuses.
"""

import asyncio
import json
import sys
import time


class Client(asyncio.Protocol):
    def __init__(self, requests, first, ends, times, statuses, done):
        self.requests, self.at, self.ends, self.times, self.statuses = requests, first, ends, times, statuses
        self.done, self.buffer, self.length = done, b"", None

    def connection_made(self, transport):
        self.transport = transport
        self.send()

    def send(self):
        self.at = (self.at + 1) % len(self.requests)
        self.began = time.perf_counter()
        self.transport.write(self.requests[self.at])

    def data_received(self, data):
        self.buffer += data
        head, blank, body = self.buffer.partition(b"\r\n\r\n")
        if not blank:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        now = time.perf_counter()
        self.times.append(now - self.began)
        status = head[9:12].decode()
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.buffer = body[length:]
        if now < self.ends:
            self.send()
        else:
            self.transport.close()

    def connection_lost(self, error):
        if not self.done.done():
            self.done.set_result(None)


async def load(port, bodies, n_clients, seconds):
    head = "POST /predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: "
    requests = [f"{head}{len(body.encode())}\r\n\r\n{body}".encode() for body in bodies]
    loop, times, statuses, waiting = asyncio.get_running_loop(), [], {}, []
    began = time.perf_counter()
    ends = began + seconds
    for first in range(n_clients):
        done = loop.create_future()
        await loop.create_connection(
            lambda first=first, done=done: Client(requests, first, ends, times, statuses, done), "127.0.0.1", port
        )
        waiting.append(done)
    await asyncio.gather(*waiting)
    taken = time.perf_counter() - began
    times.sort()
    return {
        "requests_per_second": len(times) / taken,
        "p50_ms": 1000 * times[len(times) // 2],
        "p99_ms": 1000 * times[min(len(times) - 1, len(times) * 99 // 100)],
        "requests": len(times),
        "statuses": statuses,
    }


if __name__ == "__main__":
    port, bodies, n_clients, seconds = sys.argv[1:]
    with open(bodies) as file:
        told = json.load(file)
    print(json.dumps(asyncio.run(load(int(port), told, int(n_clients), float(seconds)))))
