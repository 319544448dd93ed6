"""One image, wherever it lies -> pixels of a given shape, or words on why it cannot be used."""

from __future__ import annotations

import io
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin, WebPImagePlugin

MAX_PIXELS = 40_000_000  # Pixels of an image at most
_MORE = (TiffImagePlugin.TiffImageFile, WebPImagePlugin.WebPImageFile)  # known to Pillow once they are imported
# What is read; Pillow has more, which start other programs or are rarely met
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", *(kind.format for kind in _MORE))
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")
ORIENTATION = 0x0112
DRAFT_TIMES = 2  # A JPEG is decoded at a fraction of its size where that is at least so many times what is wanted
REDUCING_GAP = 3.0
PROBED_EDGE = 64

Cell = str | bytes | np.ndarray | None  # A path, the content of a file, pixels (h, w) or (h, w, c), or nothing

_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF")
# What Pillow raises on files that are damaged or made by hand
_DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    ArithmeticError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)


class BadImageError(Exception):
    """Why an image cannot be used, in words that follow its name."""


class Header(NamedTuple):
    """What an image says of itself."""

    height: int
    width: int
    is_grey: bool


class PixelBudget:
    """So many pixels are being decoded at a time at most, whatever the number of threads; one image always is."""

    def __init__(self, max_pixels: int = MAX_PIXELS) -> None:
        self._max_pixels, self._used = max_pixels, 0
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, pixels: int) -> Iterator[None]:
        """Wait until there is room for some pixels, and hold it."""
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + pixels <= self._max_pixels)
            self._used += pixels
        try:
            yield
        finally:
            with self._changed:
                self._used -= pixels
                self._changed.notify_all()


def read_header(cell: Cell) -> Header:
    """Size and kind, without decoding."""
    if isinstance(cell, np.ndarray):
        return Header(cell.shape[0], cell.shape[1], cell.ndim == 2 or cell.shape[2] == 1)
    with _open_image(cell) as image:
        width, height = image.size
        # TIFF is turned by Pillow itself; asked for EXIF data that it does not hold in front, PNG would be decoded
        has_exif = image.format != "TIFF" and (image.format != "PNG" or "exif" in image.info)
        is_rotated = has_exif and image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
        return Header(*((width, height) if is_rotated else (height, width)), image.mode in GREY_MODES)


def is_grey(cell: Cell) -> bool:
    """Whether no pixel has a colour, as a look at a smaller version shows."""
    header = read_header(cell)
    if header.is_grey:
        return True
    edges = (min(PROBED_EDGE, header.height), min(PROBED_EDGE, header.width))
    pixels = decode_pixels(cell, (*edges, 3), "stretch", PixelBudget())
    return bool((pixels == pixels[..., :1]).all())


def decode_pixels(cell: Cell, shape: tuple[int, int, int], fit: str, budget: PixelBudget) -> np.ndarray:
    """The first frame as it is shown: turned as its EXIF data say, what is transparent on white."""
    with _open_image(cell) as image:
        if image.format in ("JPEG", "MPO"):
            edge = DRAFT_TIMES * max(shape[:2])
            image.draft(None, (edge, edge))
        with budget.reserve(image.width * image.height):
            content = _resize(_normalize_mode(image), shape[:2], fit)
    if content.mode in ("LA", "RGBA"):
        white = Image.new("RGBA", content.size, "white")
        white.alpha_composite(content.convert("RGBA"))
        content = white.convert("RGB")
    pixels = np.asarray(content.convert("L" if shape[2] == 1 else "RGB")).reshape(content.height, content.width, -1)
    if pixels.shape == shape:
        return pixels
    canvas = np.empty(shape, dtype=np.uint8)
    canvas[:] = np.rint(pixels.mean(axis=(0, 1)))
    top, left = (shape[0] - content.height) // 2, (shape[1] - content.width) // 2
    canvas[top : top + content.height, left : left + content.width] = pixels
    return canvas


def encode_png(image: Image.Image | np.ndarray) -> bytes:
    """An image of Pillow's, or pixels uint8 (h, w) or (h, w, 1, 3 or 4), as the content of a PNG file."""
    try:
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or image.ndim not in (2, 3) or 0 in image.shape:
                raise BadImageError(f"is an array {image.shape} of {image.dtype}, expected uint8 (h, w) or (h, w, 3)")
            image = Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)
        buffer = io.BytesIO()
        _normalize_mode(image.copy()).save(buffer, "PNG", compress_level=1)
    except _DECODE_ERRORS as error:
        raise BadImageError(_describe_error(error)) from None
    return buffer.getvalue()


@contextmanager
def suppress_warnings() -> Iterator[None]:
    """Pillow's warnings kept to themselves: what is wrong with an image is told here, with its name."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


@contextmanager
def _open_image(cell: Cell) -> Iterator[Image.Image]:
    """The image with its header read and within the limit; whatever breaks inside is told as `BadImageError`."""
    if cell is None:
        raise BadImageError("is missing")
    if isinstance(cell, bytes) and not cell:
        raise BadImageError("is empty")
    if isinstance(cell, str) and re.match(r"(?i)(https?|s3|gs|ftp)://", cell):
        raise BadImageError("is a web address; download the images first")
    try:
        if isinstance(cell, np.ndarray):
            yield Image.fromarray(cell[..., 0] if cell.ndim == 3 and cell.shape[2] == 1 else cell)
            return
        with Image.open(io.BytesIO(cell) if isinstance(cell, bytes) else cell, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadImageError(_too_large(image.width * image.height, f"{image.width} x {image.height}, "))
            yield image
    except Image.DecompressionBombError as error:
        match = re.search(r"\((\d+) pixels\)", str(error))
        raise BadImageError(_too_large(int(match[1]) if match else MAX_PIXELS)) from None
    except Image.UnidentifiedImageError:
        raise BadImageError(_describe_non_image(cell)) from None
    except FileNotFoundError:
        raise BadImageError("does not exist") from None
    except _DECODE_ERRORS as error:
        raise BadImageError(_describe_error(error)) from None


def _too_large(pixels: int, edges: str = "") -> str:
    return f"says it has {edges}{pixels / 1e6:.0f} megapixels, more than the {MAX_PIXELS / 1e6:.0f} that are decoded"


def _describe_non_image(cell: Cell) -> str:
    """What a file is that is no image."""
    if isinstance(cell, bytes):
        head = cell[:64]
    else:
        with open(str(cell), "rb") as file:
            head = file.read(64)
    if not head:
        return "is empty (0 bytes)"
    if head.startswith(_MAGIC):
        return "is damaged or cut short within its header"
    is_text = all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head)
    return f"is {'text' if is_text else 'something else'} and no image of a kind that is read ({', '.join(FORMATS)})"


def _describe_error(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "needs more memory than there is"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be opened ({error.strerror})"
    return f"is damaged or cut short ({str(error).splitlines()[0][:120] if str(error) else type(error).__name__})"


def _normalize_mode(image: Image.Image) -> Image.Image:
    """Decoded and turned, in one of the modes L, LA, RGB and RGBA; may change what is handed over."""
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode in DEEP_MODES:
        image = _high_byte(image)
    elif image.mode == "F":
        raise BadImageError("holds fractions, whose range nobody knows; save it with 8 or 16 bits a channel")
    elif image.mode in ("LA", "La"):
        image = image.convert("LA")
    elif image.mode in ("RGBA", "RGBa", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return image


def _high_byte(image: Image.Image) -> Image.Image:
    """16 bits a channel as 8."""
    pixels = np.asarray(image)
    if image.mode == "I" and (pixels.min() < 0 or pixels.max() > 65535):
        raise BadImageError("holds 32-bit numbers, whose range nobody knows; save it with 8 or 16 bits a channel")
    return Image.fromarray((pixels >> 8).astype(np.uint8))


def _resize(image: Image.Image, edges: tuple[int, int], fit: str) -> Image.Image:
    """As large as the edges allow; of just this size but for "pad"."""
    height, width = edges
    if image.size == (width, height):
        return image
    by_edge = (width / image.width, height / image.height)
    box: tuple[float, float, float, float] | None = None
    if fit == "pad":
        scale = min(by_edge)
        width, height = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    elif fit == "crop":
        scale = max(by_edge)
        half = (image.width - width / scale) / 2, (image.height - height / scale) / 2
        box = (max(half[0], 0.0), max(half[1], 0.0), image.width - max(half[0], 0.0), image.height - max(half[1], 0.0))
    return image.resize((width, height), Image.Resampling.BILINEAR, box=box, reducing_gap=REDUCING_GAP)
