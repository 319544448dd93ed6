"""A service under 1,000 connections that mean ill: its memory, and the answers of others meanwhile.

Usage: python benchmarks/serve_hostile.py [--connections 1000] [--seconds 20] [--out results/serve_hostile.json]
By itself: half of the connections are idle, half never end their body. Behind the nginx of docs/nginx.conf, where there
is one: half never end their head, half ask for the report and never take it. Beside them four clients ask for single
rows, and one sends bodies without an end. Memory is told before, at its highest, and ten seconds after.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from serve import free_port, loaded, started, trained

HOST = "predictions.example.org"
HEAD = f"POST /predict HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\n".encode()
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CONFIG = Path(__file__).parents[1] / "docs/nginx.conf"


def memory(pid: int) -> int:
    return int(re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) // 1024


def told(counts: dict, key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


async def held(port: int, head: bytes, piece: bytes, ends: float, counts: dict) -> None:
    """A connection that sends a piece a second; what it is told before it ends."""
    while time.monotonic() < ends:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head)
            while time.monotonic() < ends:
                writer.write(piece)
                await writer.drain()
                try:
                    found = await asyncio.wait_for(reader.read(65536), 1)
                except TimeoutError:
                    continue
                told(counts, found[9:12].decode() if found else "closed")
                break
            writer.close()
        except OSError:
            told(counts, "cut off")
            await asyncio.sleep(0.5)


async def deaf(port: int, ends: float, counts: dict) -> None:
    """A connection that asks for the report and never takes it, until it is cut off."""
    report = f"GET /report HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode()
    while time.monotonic() < ends:
        try:
            own = socket.socket()
            own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            own.setblocking(False)
            await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", port))
            _, writer = await asyncio.open_connection(sock=own, limit=1)
            writer.write(report)
            while time.monotonic() < ends:
                await asyncio.sleep(1)
                writer.write(report)
                await asyncio.wait_for(writer.drain(), 1)
            writer.close()
            told(counts, "unread: still open")
        except (OSError, TimeoutError):
            told(counts, "unread: cut off")


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
        told(counts, f"endless {status}")
        writer.close()


async def attack(port: int, is_behind: bool, words: argparse.Namespace, watch) -> dict:
    counts: dict = {}
    ends = time.monotonic() + words.seconds
    half = words.connections // 2
    if is_behind:
        tasks = [held(port, b"POST /predict HTTP/1.1\r\nx-slow: ", b"0", ends, counts) for _ in range(half)]
        tasks += [deaf(port, ends, counts) for _ in range(half)]
    else:
        tasks = [held(port, b"", b"", ends, counts) for _ in range(half)]
        tasks += [held(port, HEAD + b"content-length: 100000\r\n\r\n", b"0", ends, counts) for _ in range(half)]
    await asyncio.gather(*tasks, endless(port, ends, counts), watch(ends))
    return counts


def proxy(folder: Path, service_port: int, port: int) -> subprocess.Popen:
    config = CONFIG.read_text().replace("127.0.0.1:8000", f"127.0.0.1:{service_port}")
    config = config.replace("listen 80;", f"listen 127.0.0.1:{port} sndbuf=16k;").replace("limit_conn clients 64;", "")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    user = "user root;\n" if os.geteuid() == 0 else ""
    file = folder / "nginx.conf"
    file.write_text(f"{user}pid {folder}/pid;\ndaemon off;\n" + config.replace("http {\n", f"http {{\n{paths}", 1))
    process = subprocess.Popen([str(NGINX), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(file)])
    time.sleep(1)
    return process


def measured(pid: int, port: int, is_behind: bool, bodies: Path, words: argparse.Namespace) -> dict:
    alone = loaded(port, bodies, 4, words.seconds / 4)
    before, highest, beside = memory(pid), [0], {}
    thread = threading.Thread(target=lambda: beside.update(loaded(port, bodies, 4, words.seconds)))
    thread.start()

    async def watch(ends: float) -> None:
        while time.monotonic() < ends:
            highest[0] = max(highest[0], memory(pid))
            await asyncio.sleep(0.2)

    counts = asyncio.run(attack(port, is_behind, words, watch))
    thread.join()
    time.sleep(10)
    return {
        "memory_mib": {"before": before, "highest": highest[0], "after": memory(pid)},
        "connections_told": counts,
        "others_alone": alone,
        "others_meanwhile": beside,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--out", type=Path)
    words = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as folder:
        path, port = Path(folder) / "one.manyhot", free_port()
        X = trained(path, 1)
        bodies = Path(folder) / "bodies.json"
        bodies.write_text(json.dumps([json.dumps({"rows": [row]}) for row in X[:50].tolist()]))
        serve = ["-m", "manyhot", "serve", "--quiet", "--allow-host", HOST, "--port", str(port), str(path)]
        processes = [started(serve, port)]
        try:
            result = {"by itself": measured(processes[0].pid, port, False, bodies, words)}
            if NGINX is not None:
                behind = free_port()
                processes.append(proxy(Path(folder), port, behind))
                result["behind nginx"] = measured(processes[0].pid, behind, True, bodies, words)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()
    result["settings"] = {"connections": words.connections, "seconds": words.seconds, "load": os.getloadavg()[0]}
    print(json.dumps(result, indent=1))
    if words.out:
        words.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
