"""A service under 1,000 slow connections and bodies that are too long: its memory, and the answers of others meanwhile.

Usage: python benchmarks/serve_hostile.py [--connections 1000] [--seconds 20] [--out results/serve_hostile.json]
Half of the slow connections never end their head, half never end their body; beside them four clients ask for single
rows, and one sends bodies without an end. Memory is told before, at its highest, and ten seconds after.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import tempfile
import threading
import time
from pathlib import Path

from serve import free_port, loaded, started, trained

HEAD = b"POST /predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"


def memory(pid: int) -> int:
    return int(re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) // 1024


async def slow(port: int, head: bytes, ends: float, counts: dict) -> None:
    while time.monotonic() < ends:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head)
            while time.monotonic() < ends:
                writer.write(b"0")
                await writer.drain()
                try:
                    found = await asyncio.wait_for(reader.read(65536), 1)
                except TimeoutError:
                    continue
                key = found[9:12].decode() if found else "closed"
                counts[key] = counts.get(key, 0) + 1
                break
            writer.close()
        except OSError:
            counts["cut off"] = counts.get("cut off", 0) + 1
            await asyncio.sleep(0.5)


async def endless(port: int, ends: float, counts: dict) -> None:
    piece = b"100000\r\n" + b" " * 2**20 + b"\r\n"
    while time.monotonic() < ends:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        answer = asyncio.create_task(reader.read(12))
        try:
            while not answer.done():
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        try:
            status = (await answer)[9:12].decode()
        except OSError:
            status = "cut off"
        counts[f"endless {status}"] = counts.get(f"endless {status}", 0) + 1
        writer.close()


async def attack(port: int, n_connections: int, seconds: float, watch) -> dict:
    counts: dict = {}
    ends = time.monotonic() + seconds
    heads = (b"POST /predict HTTP/1.1\r\nx-slow: ", HEAD + b"content-length: 100000\r\n\r\n")
    tasks = [slow(port, heads[k % 2], ends, counts) for k in range(n_connections)]
    await asyncio.gather(*tasks, endless(port, ends, counts), watch(ends))
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as folder:
        path, port = Path(folder) / "one.manyhot", free_port()
        X = trained(path, 1)
        bodies = Path(folder) / "bodies.json"
        bodies.write_text(json.dumps([json.dumps({"rows": [row]}) for row in X[:50].tolist()]))
        process = started(["-m", "manyhot", "serve", "--quiet", "--port", str(port), str(path)], port)
        try:
            alone = loaded(port, bodies, 4, told.seconds / 4)
            before, highest, beside = memory(process.pid), [0], {}
            thread = threading.Thread(target=lambda: beside.update(loaded(port, bodies, 4, told.seconds)))
            thread.start()

            async def watch(ends: float) -> None:
                while time.monotonic() < ends:
                    highest[0] = max(highest[0], memory(process.pid))
                    await asyncio.sleep(0.2)

            counts = asyncio.run(attack(port, told.connections, told.seconds, watch))
            thread.join()
            time.sleep(10)
            after = memory(process.pid)
        finally:
            process.terminate()
            process.wait()
    result = {
        "memory_mib": {"before": before, "highest": highest[0], "after": after},
        "slow_connections_told": counts,
        "others_alone": alone,
        "others_meanwhile": beside,
        "settings": {"connections": told.connections, "seconds": told.seconds, "load": os.getloadavg()[0]},
    }
    print(json.dumps(result, indent=1))
    if told.out:
        told.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
