"""Images of one column (paths, contents of files, arrays) to uint8 arrays of one size, with means and deviations."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import polars as pl

from manyhot.config.images import MAX_EDGE
from manyhot.data.image_decoding import (
    BadImageError,
    Cell,
    Header,
    PixelBudget,
    decode_pixels,
    is_grey,
    read_header,
    suppress_warnings,
)
from manyhot.data.invalid_images import ImageError, InvalidImages, raise_for_invalid
from manyhot.errors import InputError

MIN_DEVIATION = 1.0 / 255.0
MAX_NATIVE_EDGE = 256  # images that are all of one size keep it up to this edge
MAX_AUTO_EDGE = 128  # the longest edge otherwise, at most
MAX_HEADERS = 1000
# images that size and channels are settled by, at most: chosen by what they are, whatever the order of the rows
MAX_COLOUR_CHECKS = 100
MAX_RATIO_SPREAD = 1.05  # shapes whose ratios of width to height differ by no more than this factor are one shape
TASK_ROWS = 16
COUNT_CHUNK_SIZE = 2**24


class ImageEncoder:
    """Bring the images of one column to one size."""

    def __init__(
        self,
        size: Any = "auto",
        channels: str = "auto",
        fit: str = "pad",
        edge: int | None = None,
        min_edge: int = 1,
    ) -> None:
        self.size, self.channels, self.fit_mode = size, channels, fit
        self.edge, self.min_edge = edge, min_edge

    def infer_shape(self, column: pl.Series) -> ImageEncoder:
        """Learn size and number of channels alone, from headers and a few images."""
        sample = _sample_cells(column, MAX_HEADERS)
        headers = _map_cells(sample, read_header)
        valid = [header for header in headers if isinstance(header, Header)]
        if not valid:
            row, message = None, "there is no row"
            if sample:
                row, message = sample[0][0] + 1, _describe_cell(sample[0][1], str(headers[0]))
            raise InputError(f"no image can be used: {message}", row=row, column=column.name)
        height, width = _edges(valid, self.edge, self.min_edge) if self.size == "auto" else (self.size * 2)[:2]
        channels = {"grey": 1, "colour": 3}.get(self.channels) or _channels(sample, valid)
        self.shape: tuple[int, int, int] = (height, width, channels)
        return self

    def fit(self, column: pl.Series) -> ImageEncoder:
        """Learn the size, the number of channels, and mean and deviation of each channel."""
        images = self.infer_shape(column).transform(column)
        levels = np.arange(256) / 255
        counts = [_counts(images, k) for k in range(self.shape[2])]
        self.mean = [float(np.average(levels, weights=count)) for count in counts]
        pairs = zip(counts, self.mean, strict=True)
        spread = [float(np.average(np.square(levels - mean), weights=count)) for count, mean in pairs]
        self.deviation = [max(MIN_DEVIATION, float(np.sqrt(one))) for one in spread]
        return self

    def transform(self, column: pl.Series) -> np.ndarray:
        """Decode the images, uint8 (n, h, w, c); raise `InputError` at one that cannot be used."""
        images, bad = self.decode(column)
        raise_for_invalid(bad)
        return images

    def decode(self, column: pl.Series) -> tuple[np.ndarray, InvalidImages]:
        """Decode the images, black where one cannot be used, within bounded memory; say what is wrong with those."""
        if isinstance(column.dtype, pl.Array) and not column.null_count():
            images = to_image_arrays(column)
            if images.shape[1:] == self.shape:
                return images, {}
        images = np.zeros((len(column), *self.shape), dtype=np.uint8)
        budget, bad = PixelBudget(), InvalidImages()

        def decode_rows(start: int) -> None:
            for row, cell in enumerate(slice_cells(column, start, start + TASK_ROWS), start):
                try:
                    images[row] = decode_pixels(cell, self.shape, self.fit_mode, budget)
                except BadImageError as error:
                    bad[row] = ImageError(column.name, _describe_cell(cell, str(error)))

        _map_in_threads(decode_rows, range(0, len(column), TASK_ROWS))
        return images, dict(sorted(bad.items()))

    def to_spec(self) -> dict[str, Any]:
        """Describe the state as JSON values."""
        return {"shape": list(self.shape), "mean": self.mean, "deviation": self.deviation, "fit": self.fit_mode}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> ImageEncoder:
        """Rebuild what `to_spec` described; the caller has checked types and ranges."""
        if not 1 <= min(spec["shape"][:2]) <= max(spec["shape"][:2]) <= MAX_EDGE or spec["shape"][2] not in (1, 3):
            raise InputError(f"images of shape {spec['shape']}, expected height, width and 1 or 3 channels")
        encoder = cls("auto", "grey" if spec["shape"][2] == 1 else "colour", spec["fit"])
        encoder.shape = tuple(spec["shape"])
        encoder.mean, encoder.deviation = list(spec["mean"]), list(spec["deviation"])
        return encoder


def iter_images(column: pl.Series, rows: Sequence[int], longest_edge: int) -> Iterator[np.ndarray | None]:
    """Yield images at their own shapes, at most `longest_edge` long, uint8 (h, w, 3); None where it cannot be used."""
    for row in rows:
        cell = slice_cells(column, int(row), int(row) + 1)[0]
        try:
            with suppress_warnings():
                header = read_header(cell)
                scale = min(1.0, longest_edge / max(header.height, header.width))
                edges = (max(1, round(header.height * scale)), max(1, round(header.width * scale)))
                image = decode_pixels(cell, (*edges, 3), "stretch", PixelBudget())
        except BadImageError:
            image = None
        yield image


def slice_cells(column: pl.Series, start: int, stop: int) -> list[Cell]:
    """Return some cells of a column of images."""
    part = column[start:stop]
    if column.dtype in (pl.String, pl.Binary, pl.Null):
        return part.to_list()
    if not part.null_count():
        return list(to_image_arrays(part))
    present = iter(to_image_arrays(part.drop_nulls())) if part.null_count() < len(part) else iter(())
    return [next(present) if is_present else None for is_present in part.is_not_null()]


def to_image_arrays(column: pl.Series) -> np.ndarray:
    """Return a column of arrays of one shape as uint8 (n, h, w, c); raise `InputError` for other cells."""
    if not isinstance(column.dtype, pl.Array) or column.dtype.inner.base_type() not in (pl.UInt8, pl.Array):
        raise InputError(
            f"holds {column.dtype}, expected images: paths, contents of files, or arrays of whole numbers (pl.UInt8)",
            column=column.name,
        )
    images = column.to_numpy()
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3):
        raise InputError(f"holds arrays of shape {images.shape[1:]}, expected (h, w) or (h, w, 3)", column=column.name)
    return images


def _describe_cell(cell: Cell, message: str) -> str:
    if isinstance(cell, str):
        return f"{cell!r} {message}"
    return f"the image ({len(cell)} bytes) {message}" if isinstance(cell, bytes) else f"the image {message}"


def _map_in_threads(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    with suppress_warnings(), ThreadPoolExecutor(min(8, (os.cpu_count() or 1) + 1)) as pool:
        return list(pool.map(function, items))


def _sample_cells(column: pl.Series, max_cells: int) -> list[tuple[int, Cell]]:
    """Sample rows and their cells by content, whatever the order of the rows."""
    if isinstance(column.dtype, pl.Array):
        rows: Any = range(1) if len(column) and not column[:1].null_count() else range(min(len(column), max_cells))
    elif len(column) <= max_cells:
        rows = range(len(column))
    else:
        hashes = [
            _cell_hash(cell)
            for start in range(0, len(column), max_cells)
            for cell in slice_cells(column, start, start + max_cells)
        ]
        rows = sorted(np.argsort(np.asarray(hashes), kind="stable")[:max_cells].tolist())
    return [(row, slice_cells(column, row, row + 1)[0]) for row in rows]


def _cell_hash(cell: Any) -> int:
    """Hash a cell; of a path, its last two parts."""
    if isinstance(cell, str):
        cell = "/".join(cell.replace("\\", "/").rsplit("/", 2)[-2:]).encode("utf-8", errors="replace")
    return zlib.crc32(cell[-4096:]) if isinstance(cell, bytes) else 2**32


def _map_cells(sample: list[tuple[int, Cell]], function: Callable[[Cell], Any]) -> list[Any]:
    """Apply a function to each cell; a `BadImageError` is returned, not raised."""

    def safe(one: tuple[int, Cell]) -> Any:
        try:
            return function(one[1])
        except BadImageError as error:
            return error

    return _map_in_threads(safe, sample)


def _edges(headers: list[Header], edge: int | None, min_edge: int) -> tuple[int, int]:
    """Choose height and width for images of these sizes; the longer one is `edge`, if that is given."""
    sizes = np.asarray([header[:2] for header in headers], dtype=float)
    if edge is None and (sizes == sizes[0]).all() and sizes[0].max() <= MAX_NATIVE_EDGE:
        return int(sizes[0, 0]), int(sizes[0, 1])
    longest = edge or min(MAX_AUTO_EDGE, round(float(np.median(sizes.max(axis=1)))))
    ratios = sizes[:, 1] / sizes[:, 0]
    if ratios.max() > MAX_RATIO_SPREAD * ratios.min():
        return longest, longest
    ratio = float(np.median(ratios))
    return max(min_edge, round(longest * min(1.0, 1 / ratio))), max(min_edge, round(longest * min(1.0, ratio)))


def _channels(sample: list[tuple[int, Cell]], headers: list[Header]) -> int:
    """Return 1 where no image of a sample has a colour, else 3."""
    if all(header.is_grey for header in headers):
        return 1
    if isinstance(sample[0][1], np.ndarray):
        return 3
    grey_flags = _map_cells(sample[:: max(1, len(sample) // MAX_COLOUR_CHECKS)], is_grey)
    return 1 if all(one for one in grey_flags if not isinstance(one, BadImageError)) else 3


def _counts(images: np.ndarray, channel: int) -> np.ndarray:
    """Count each level of a channel, int64 (256,)."""
    n_rows = max(1, COUNT_CHUNK_SIZE // max(1, int(np.prod(images.shape[1:3]))))
    counts = np.zeros(256, dtype=np.int64)
    for start in range(0, len(images), n_rows):
        counts += np.bincount(images[start : start + n_rows, ..., channel].ravel(), minlength=256)
    return counts
