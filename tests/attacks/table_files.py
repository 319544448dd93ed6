"""A hostile table: its bytes, what lies beside it, and how it is read."""

import gzip
import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from manyhot.data.readers import ReadOptions
from manyhot.data.readers.unpacking import zstd


@dataclass
class HostileTable:
    """A file, what lies beside it, and how it is read."""

    kind: str
    name: str
    content: bytes
    options: dict[str, Any] = field(default_factory=dict)
    others: dict[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Put it in an empty folder; the path to read."""
        for name, content in {**self.others, self.name: self.content}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return folder if self.name == "labels.csv" else folder / self.name


def packed(content: bytes, suffix: str, name: str = "a.csv") -> bytes:
    """The content of a file in gzip, in Zstandard or in a zip archive."""
    if suffix == ".gz":
        return gzip.compress(content)
    if suffix == ".zst":
        return zstd.compress(content)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def read_options(table: HostileTable) -> ReadOptions:
    """How it is read."""
    return ReadOptions(**table.options)
