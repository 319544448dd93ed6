"""Images for tests, made with Pillow, and some made by hand that nobody should decode."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

TURNED = 6
"""EXIF orientation: to be shown turned by a quarter."""


def noise(height: int = 12, width: int = 16, seed: int = 0) -> np.ndarray:
    """Coloured noise, uint8 (h, w, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def as_file(image: Image.Image | np.ndarray, kind: str = "PNG", **more: Any) -> bytes:
    """The content of a file."""
    buffer = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, kind, **more)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG file that claims a size and holds next to nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def turned(kind: str = "JPEG") -> bytes:
    """Left half black, right half white, to be shown with the black half above: 16 wide, 32 high."""
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, 16:] = 255
    exif = Image.Exif()
    exif[0x0112] = TURNED
    return as_file(pixels, kind, exif=exif)


def moods(folder: Path, n: int = 40, column: str = "photo") -> pl.DataFrame:
    """Photos in folder/photos/a and b, bright on the left (sad) or above (fast), and the table that names them."""
    generator = np.random.default_rng(0)
    Y = generator.random((n, 2)) < 0.5
    names = [f"photos/{'ab'[k % 2]}/im{k:03}.png" for k in range(n)]
    for k, name in enumerate(names):
        pixels = generator.integers(0, 60, (12, 16, 3), dtype=np.uint8)
        pixels[:, :8] += np.uint8(150 * Y[k, 0])
        pixels[:6] += np.uint8(45 * Y[k, 1])
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(as_file(pixels))
    return pl.DataFrame({column: names, "sad": Y[:, 0] * 1, "fast": Y[:, 1] * 1})
