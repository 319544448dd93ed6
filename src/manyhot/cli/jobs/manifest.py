"""`manifest.json` in a folder of predictions: by which model and settings, of which files, with checksums."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.errors import InputError
from manyhot.files import file_sha256, write_file
from manyhot.version import __version__

NAME = "manifest.json"
MAX_TIME_SHARE = 0.05  # of writing the manifest after each part, which takes longer the more parts there are
_NEW_FOLDER = "predict into another folder, or replace what is there with --overwrite"


class Manifest:
    """What a folder of predictions holds."""

    def __init__(self, folder: Path, model: Mapping[str, str], settings: Mapping[str, Any], overwrite: bool) -> None:
        self.path = folder / NAME
        self.model, self.settings = dict(model), dict(settings)
        self.parts: dict[str, dict[str, Any]] = {}
        self._next_time = 0.0
        if not self.path.exists():
            return
        document = self._read()
        if overwrite:
            return
        if document["model"]["sha256"] != self.model["sha256"]:
            raise InputError(
                f"the predictions here are of another model ({document['model']['file']}) than {self.model['file']}; "
                f"{_NEW_FOLDER}",
                file=self.path,
                argument="--output",
            )
        for name, value in self.settings.items():
            old_value = document["settings"].get(name)
            if old_value != value:
                raise InputError(
                    f"got {_in_words(value)}, but the predictions here were made with {_in_words(old_value)}; "
                    f"{_NEW_FOLDER}",
                    file=self.path,
                    argument=f"--{name.replace('_', '-')}",
                )
        self.parts = document["parts"]

    def is_done(self, source: Path, output: Path) -> bool:
        """Whether the predictions of a file are there, whole, and made of the file as it is."""
        part = self.parts.get(output.name)
        if part is None or part["input"] != describe_input(source):
            return False
        try:
            return part["bytes"] == output.stat().st_size and part["sha256"] == file_sha256(output)
        except OSError:
            return False

    def add(self, source: Mapping[str, Any], output: Path, rows: int) -> None:
        """Note the predictions of a file as it was when they were begun."""
        n_bytes = output.stat().st_size
        self.parts[output.name] = {
            "input": dict(source),
            "rows": rows,
            "bytes": n_bytes,
            "sha256": file_sha256(output),
        }
        if time.monotonic() >= self._next_time:
            self.write()

    def write(self) -> None:
        """Replace the file."""
        start_time = time.monotonic()
        document = {
            "manyhot": __version__,
            "model": self.model,
            "settings": self.settings,
            "parts": dict(sorted(self.parts.items())),
        }
        write_file(self.path, json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n")
        end_time = time.monotonic()
        self._next_time = end_time + (end_time - start_time) / MAX_TIME_SHARE

    def _read(self) -> dict[str, Any]:
        try:
            document = json.loads(self.path.read_bytes())
            if isinstance(document["parts"], dict) and isinstance(document["settings"], dict):
                document["model"]["sha256"], document["model"]["file"]
                return dict(document)
        except (OSError, ValueError, TypeError, KeyError):
            pass
        raise InputError(
            "is not a manifest of `manyhot predict`; predict into another folder", file=self.path, argument="--output"
        )


def _in_words(value: Any) -> str:
    return "nothing" if value in (None, False) else repr(value)


def describe_input(path: Path) -> dict[str, Any]:
    """A file as it is now: where, how large, and when it was changed."""
    status = path.stat()
    return {"file": os.path.abspath(path), "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
