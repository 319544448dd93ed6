"""Images of any size, handed out one by one as whole numbers from 0 to 255."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl

from manyhot.data.feature_input import is_frame, to_uint8
from manyhot.data.image_decoding import BadImageError, PixelBudget, decode_pixels, read_header, suppress_warnings
from manyhot.data.samples import Samples
from manyhot.errors import InputError

GREY_WEIGHTS = np.array([0.299, 0.587, 0.114])


class ImageSet:
    """Images of one column."""

    def __init__(self, cells: Sequence[Any] | np.ndarray, channels: int | None = None, name: str = "image") -> None:
        self.cells, self.name = cells, name
        self.channels = max((_count_channels(cell) for cell in cells), default=1) if channels is None else channels

    @property
    def shape(self) -> tuple[int, int]:
        """Images, and columns: 1."""
        return len(self.cells), 1

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, row: Any) -> Any:
        """One image, uint8 (h, w, channels); or with an array of row numbers an `ImageSet` of those."""
        if isinstance(row, np.ndarray):
            return ImageSet([self.cells[int(i)] for i in row], self.channels, self.name)
        try:
            image = _decode_cell(self.cells[row])
        except InputError as error:
            raise InputError(error.message, file=error.file, row=row + 1, column=self.name) from None
        if image.shape[2] == self.channels:
            return image
        if self.channels == 3:
            return np.repeat(image, 3, axis=2)
        return np.rint(image @ GREY_WEIGHTS).astype(np.uint8)[..., None]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[row] for row in range(len(self)))


def image_set(X: Any, channels: int | None = None) -> ImageSet:
    """Images in any form."""
    if isinstance(X, ImageSet):
        return ImageSet(X.cells, channels or X.channels, X.name)
    if isinstance(X, Samples):
        images = [name for name, kind in X.column_types.items() if kind == "image"]
        others = [name for name, kind in X.column_types.items() if kind not in ("image", "id", "ignored")]
        if len(images) != 1 or others or not isinstance(X.features, pl.DataFrame):
            extra = f" beside {', '.join(others[:5])}" if others else ""
            raise InputError(
                f"labels of pixels need one column of images and no other features, got {len(images)}{extra}; say "
                "which column holds the images (--column-type NAME=image), and that others are ignored (--column-type "
                "NAME=ignored)",
                argument="X",
            )
        return image_set(X.features.select(images[0]), channels)
    if isinstance(X, pl.DataFrame):
        if X.width != 1:
            raise InputError(f"labels of pixels need one column of images, got {X.width} columns", argument="X")
        column = X.to_series()
        is_array = isinstance(column.dtype, pl.Array)
        return ImageSet(column.to_numpy() if is_array else column.to_list(), channels, column.name)
    if is_frame(X):
        frame = nw.from_native(X, eager_only=True)
        columns = {name: pl.Series(frame[name].to_list(), dtype=pl.Object) for name in frame.columns}
        return image_set(pl.DataFrame(columns), channels)
    if isinstance(X, np.ndarray) and X.dtype.kind != "O":
        return ImageSet(to_uint8(X), channels)
    if isinstance(X, (list, tuple, np.ndarray)) and len(X):
        return ImageSet(list(X), channels)
    raise InputError(f"got {type(X).__name__}, expected images (n, h, w[, c]) or a list of (h, w[, c])", argument="X")


def digest(image: np.ndarray) -> bytes:
    """A name for what an image holds: equal images have equal ones."""
    return hashlib.blake2b(np.ascontiguousarray(image).tobytes(), key=repr(image.shape).encode()).digest()


def _count_channels(cell: Any) -> int:
    if isinstance(cell, np.ndarray):
        return int(cell.shape[2]) if cell.ndim == 3 else 1
    return 1 if _read_image(lambda: read_header(cell), cell).is_grey else 3


def _decode_cell(cell: Any) -> np.ndarray:
    if isinstance(cell, np.ndarray):
        images = to_uint8(cell[None])
        return images[0] if images.ndim == 4 else images[0][..., None]

    def decode() -> np.ndarray:
        header = read_header(cell)
        with suppress_warnings():
            return decode_pixels(
                cell, (header.height, header.width, 1 if header.is_grey else 3), "stretch", PixelBudget()
            )

    return _read_image(decode, cell)


def _read_image(read: Callable[[], Any], cell: Any) -> Any:
    """What a look at a file says; what is wrong with it as `InputError`."""
    if cell is not None and not isinstance(cell, (str, bytes)):
        raise InputError(f"got {type(cell).__name__}, expected an image as an array, a file's path or its content")
    try:
        return read()
    except BadImageError as error:
        raise InputError(f"{f'{cell!r} ' if isinstance(cell, str) else 'the image '}{error}") from None
