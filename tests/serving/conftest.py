"""Small models in files, and a service that answers for them on a port of its own."""

import asyncio
import base64
import http.client
import io
import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
import uvicorn
from PIL import Image

from manyhot import MultiLabelClassifier
from manyhot.data.readers import ReadOptions, read
from manyhot.serving.app import application
from manyhot.serving.limits import Limits
from manyhot.serving.model import load_models
from manyhot.serving.server import open_listener, server_config
from manyhot.serving.state import Service

SMALL = {"n_members": 2, "n_folds": 2, "epochs": 3, "hidden_layer_sizes": (8,), "verbose": 0}
NAMES = ["mood_sad", "mood_quiet", "mood_fast"]
KINDS = {"tempo": "numeric", "live": "boolean", "kind": "categorical", "grade": "categorical", "words": "text"}
LONG_WORDS = ["slow", "rain", "dance", "night", "über", "😀", "?"]


def songs(n_rows: int = 80, seed: int = 0) -> pl.DataFrame:
    """Rows with every kind of column that a table has, and three indicator columns."""
    generator = np.random.default_rng(seed)
    tempo, energy = generator.normal(120, 30, n_rows).round(3), generator.random(n_rows).round(4)
    columns: dict[str, Any] = {
        "song_id": [f"s{k}" for k in range(n_rows)],
        "tempo": [None if k % 9 == 4 else value for k, value in enumerate(tempo.tolist())],
        "energy": energy,
        "live": energy > 0.7,
        "kind": np.where(energy > 0.5, "rock", np.where(tempo > 120, "folk", "jazz")),
        "grade": generator.integers(1, 4, n_rows),
        "words": [" ".join(generator.choice(LONG_WORDS, 6)) for _ in range(n_rows)],
    }
    labels = np.stack([tempo < 115, energy < 0.4, tempo > 125], axis=1).astype(int)
    return pl.DataFrame({**columns, **{name: labels[:, j] for j, name in enumerate(NAMES)}})


def numbers(n_rows: int = 60, seed: int = 0) -> tuple[np.ndarray, list[list[str]]]:
    """A matrix and label sets."""
    X = np.random.default_rng(seed).normal(size=(n_rows, 6)).round(4)
    return X, [["hot"] * bool(row[0] > 0) + ["cold"] * bool(row[1] > 0.3) for row in X]


def photo(bright: bool, seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 128, (8, 8), dtype=np.uint8) + (100 if bright else 0)
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def as_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model of each kind of rows."""
    folder = tmp_path_factory.mktemp("bundles")
    songs().write_csv(folder / "songs.csv")
    samples = read(folder / "songs.csv", ReadOptions(labels="mood_*", column_types=KINDS))
    table = MultiLabelClassifier(**SMALL).fit(samples)
    table.read_options_ = {"labels": "mood_*"}
    table.save(folder / "songs.manyhot")
    X, sets = numbers()
    MultiLabelClassifier(**SMALL).fit(X, sets).save(folder / "matrix.manyhot")
    sparse = sp.csr_matrix(np.where(np.random.default_rng(1).random((60, 40)) < 0.1, 1.0, 0.0))
    MultiLabelClassifier(**SMALL).fit(sparse, sets).save(folder / "sparse.manyhot")
    frame = pl.DataFrame({"photo": [photo(k % 2 == 0, k) for k in range(40)]})
    settings = {**SMALL, "network": "cnn", "image_params": {"filters": [4], "augment": "none"}}
    MultiLabelClassifier(**settings).fit(frame, [["bright"] * (k % 2 == 0) for k in range(40)]).save(
        folder / "photos.manyhot"
    )
    return {path.stem: path for path in folder.glob("*.manyhot")}


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.content)

    @property
    def error(self) -> dict[str, Any]:
        return self.document["error"]


class Running:
    """A service in a thread."""

    def __init__(
        self,
        paths: list[Path],
        token: str | None = None,
        hosts: tuple[str, ...] = (),
        origins: tuple[str, ...] = (),
        **limits: Any,
    ) -> None:
        bounds = Limits(**limits)
        self.service = Service(load_models(paths, [None] * len(paths), bounds, None), bounds)
        listener = open_listener("127.0.0.1", 0)
        self.port = listener.getsockname()[1]
        app = application(self.service, token, hosts, origins)

        async def noting_app(scope, receive, send):
            self.loop = asyncio.get_running_loop()
            await app(scope, receive, send)

        self.server = uvicorn.Server(server_config(bounds, noting_app, "127.0.0.1", self.port))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listener]}, daemon=True)
        self.thread.start()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request; a body that is no bytes is sent as JSON."""
        header_fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            header_fields.setdefault("content-type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, header_fields)
            found = connection.getresponse()
            return Answer(found.status, {k.lower(): v for k, v in found.getheaders()}, found.read())
        finally:
            connection.close()

    def predict(self, document: Any, name: str | None = None) -> Answer:
        return self.ask("POST", "/predict" if name is None else f"/models/{name}/predict", document)

    def wait(self) -> "Running":
        for _ in range(3000):  # five minutes: a busy machine compiles slowly
            if self.service.is_ready:
                return self
            assert self.service.failure is None, self.service.failure
            time.sleep(0.1)
        raise AssertionError("not ready")

    @property
    def n_connections(self) -> int:
        """Connections that uvicorn holds."""
        return len(self.server.server_state.connections)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(60)
        assert not self.thread.is_alive()


class RunningCommand(Running):
    """`manyhot serve` in a process of its own."""

    def __init__(self, words: list[str], **popen: Any) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "manyhot", "serve", *words, "--port", str(self.port)]
        self.process = subprocess.Popen(command, **popen)

    def wait(self) -> "RunningCommand":
        for _ in range(3000):
            assert self.process.poll() is None
            with suppress(OSError):
                if self.ask("GET", "/ready").status == 200:
                    return self
            time.sleep(0.1)
        raise AssertionError("not ready")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="session")
def running(bundles: dict[str, Path]):
    """All models; the table answers where no name is said."""
    order = ["songs", "matrix", "sparse", "photos"]
    service = Running([bundles[name] for name in order]).wait()
    yield service
    service.stop()


def rows_of(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """The rows of the songs without ids and labels, as JSON objects."""
    return frame.drop("song_id", *NAMES).to_dicts()


def until(is_so) -> None:
    for _ in range(100):
        if is_so():
            return
        time.sleep(0.1)
    raise AssertionError("it never came about")
