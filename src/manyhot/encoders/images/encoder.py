"""Images of one column -> arrays of one size, as whole numbers from 0 to 255, and what they look like on the whole.

A column holds paths, contents of files, or arrays. Networks get whole numbers as they are and scale them themselves
(`images` says by how much), so that a thousand images take a quarter of the memory. One image is `decoding.py`'s; here
are threads, sizes and rows. Start reading at `ImageEncoder`, then `decoded`.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from manyhot.config.images import ENCODER_SETTINGS, MAX_EDGE
from manyhot.data.image_decoding import BadImageError, Budget, Cell, Header, header_of, is_grey, pixels_of, quiet
from manyhot.data.samples import Samples
from manyhot.errors import InputError

MIN_DEVIATION = 1.0 / 255.0
OWN_EDGE = 256
"""Images that are all of one size keep it up to this edge."""
AUTO_EDGE = 128
"""The longest edge otherwise, at most."""
HEADERS_READ = 1000
COLOURS_READ = 100
"""Images that size and channels are settled by, at most: chosen by what they are, whatever the order of the rows."""
ALIKE = 1.05
"""Shapes whose ratios of width to height differ by no more than this factor are one shape."""
TASK_ROWS = 16
COUNTED_NUMBERS = 2**24
BAD_NAMED = 5


class ImageError(NamedTuple):
    """An image that cannot be used.

    Attributes:
        column: Where it stands.
        words: Its name and what is wrong with it.
    """

    column: str
    words: str


InvalidImages = dict[int, ImageError]
"""Row, from 0 -> what is wrong with its image."""


class DecodedImages(NamedTuple):
    """A column of images, decoded.

    Attributes:
        images: uint8 (n, h, w, c); black where there is none.
        bad: What cannot be used.
    """

    images: np.ndarray
    bad: InvalidImages


class ImageEncoder:
    """Brings the images of one column to one size.

    Args:
        size: "auto", one edge, or height and width in pixels.
        channels: "grey", "colour" or "auto": what the images of training are.
        fit: How an image of another shape is brought to the size: "pad", "stretch" or "crop".
        edge: The longest edge with size "auto", in pixels; None for one that suits most images.
        least_edge: The shorter edge is no shorter then.
    """

    def __init__(
        self,
        size: Any = "auto",
        channels: str = "auto",
        fit: str = "pad",
        edge: int | None = None,
        least_edge: int = 1,
    ) -> None:
        given = {"size": size, "channels": channels, "fit": fit}
        told: dict[str, Any] = {name: ENCODER_SETTINGS[name].checked(name, value) for name, value in given.items()}
        self.size, self.channels, self.fit_by = told["size"], told["channels"], told["fit"]
        self.edge, self.least_edge = edge, least_edge

    def settle(self, column: pl.Series) -> ImageEncoder:
        """Learn only size and number of channels, from headers and a few images.

        Args:
            column: Images, n of them.

        Returns:
            Itself.

        Raises:
            InputError: None of the images can be used.
        """
        chosen = _chosen(column, HEADERS_READ)
        headers = _each(chosen, header_of)
        good = [header for header in headers if isinstance(header, Header)]
        if not good:
            first = next((str(one) for one in headers if isinstance(one, BadImageError)), "there is no row")
            what = _named(chosen[0][1], first) if chosen else first
            raise InputError(
                f"no image can be used: {what}", row=chosen[0][0] + 1 if chosen else None, column=column.name
            )
        height, width = _edges(good, self.edge, self.least_edge) if self.size == "auto" else (self.size * 2)[:2]
        channels = {"grey": 1, "colour": 3}.get(self.channels) or _channels(chosen, good)
        self.shape: tuple[int, int, int] = (height, width, channels)
        return self

    def fit(self, column: pl.Series) -> ImageEncoder:
        """Learn the size, the number of channels, and mean and deviation of each channel.

        Args:
            column: Images, n of them.

        Returns:
            Itself.

        Raises:
            InputError: An image that cannot be used, with its row.
        """
        images = self.settle(column).transform(column)
        levels = np.arange(256) / 255
        counts = [_counts(images, k) for k in range(self.shape[2])]
        self.mean = [float(np.average(levels, weights=count)) for count in counts]
        pairs = zip(counts, self.mean, strict=True)
        spread = [float(np.average(np.square(levels - mean), weights=count)) for count, mean in pairs]
        self.deviation = [max(MIN_DEVIATION, float(np.sqrt(one))) for one in spread]
        return self

    def transform(self, column: pl.Series) -> np.ndarray:
        """The images, uint8 (n, h, w, c).

        Raises:
            InputError: An image that cannot be used, with its row.
        """
        images, bad = self.opened(column)
        raise_for_invalid(bad)
        return images

    def opened(self, column: pl.Series) -> DecodedImages:
        """The images, and what is wrong with those that cannot be used."""
        return decoded(column, self.shape, self.fit_by)

    def to_spec(self) -> dict[str, Any]:
        """The state as JSON values."""
        return {"shape": list(self.shape), "mean": self.mean, "deviation": self.deviation, "fit": self.fit_by}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> ImageEncoder:
        """The encoder that `to_spec` described; the caller has checked types and ranges."""
        if not 1 <= min(spec["shape"][:2]) <= max(spec["shape"][:2]) <= MAX_EDGE or spec["shape"][2] not in (1, 3):
            raise InputError(f"images of shape {spec['shape']}, expected height, width and 1 or 3 channels")
        encoder = cls("auto", "grey" if spec["shape"][2] == 1 else "colour", spec["fit"])
        encoder.shape = tuple(spec["shape"])
        encoder.mean, encoder.deviation = list(spec["mean"]), list(spec["deviation"])
        return encoder


def decoded(column: pl.Series, shape: tuple[int, int, int], fit: str) -> DecodedImages:
    """A column of images as arrays of one shape, by several threads; memory beyond the result is bounded.

    Args:
        column: Paths, contents of files or arrays.
        shape: Height, width and channels.
        fit: How an image of another shape is brought to it.

    Raises:
        InputError: Cells of another type.
    """
    if isinstance(column.dtype, pl.Array) and not column.null_count():
        images = arrays_of(column)
        if images.shape[1:] == shape:
            return DecodedImages(images, {})
    images = np.zeros((len(column), *shape), dtype=np.uint8)
    budget, bad = Budget(), InvalidImages()

    def decode(start: int) -> None:
        for row, cell in enumerate(cells_of(column, start, start + TASK_ROWS), start):
            try:
                images[row] = pixels_of(cell, shape, fit, budget)
            except BadImageError as error:
                bad[row] = ImageError(column.name, _named(cell, str(error)))

    with quiet(), ThreadPoolExecutor(_threads()) as pool:
        list(pool.map(decode, range(0, len(column), TASK_ROWS)))
    return DecodedImages(images, dict(sorted(bad.items())))


def pictures(
    column: pl.Series, rows: Sequence[int] | np.ndarray | None = None, longest_edge: int | None = None
) -> Iterator[np.ndarray | None]:
    """The images of a column at their own shapes, to be shown.

    Args:
        column: Paths, contents of files or arrays.
        rows: Which of them, from 0; None for all.
        longest_edge: Larger ones are made smaller, to this edge; None leaves them as large as they are.

    Yields:
        uint8 (h, w, 3) each, or None for one that cannot be used.
    """
    for row in range(len(column)) if rows is None else rows:
        cell = cells_of(column, int(row), int(row) + 1)[0]
        try:
            with quiet():
                found = header_of(cell)
                scale = min(1.0, (longest_edge or np.inf) / max(found.height, found.width))
                edges = (max(1, round(found.height * scale)), max(1, round(found.width * scale)))
                shown = pixels_of(cell, (*edges, 3), "stretch", Budget())
        except BadImageError:
            shown = None
        yield shown


def cells_of(column: pl.Series, start: int, stop: int) -> list[Cell]:
    """Some cells of a column of images.

    Raises:
        InputError: Cells of another type.
    """
    part = column[start:stop]
    if column.dtype in (pl.String, pl.Binary, pl.Null):
        return part.to_list()
    if not part.null_count():
        return list(arrays_of(part))
    there = iter(arrays_of(part.drop_nulls())) if part.null_count() < len(part) else iter(())
    return [next(there) if is_there else None for is_there in part.is_not_null()]


def arrays_of(column: pl.Series) -> np.ndarray:
    """A column of arrays of one shape as uint8 (n, h, w, c).

    Raises:
        InputError: Cells of another type.
    """
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


def open_images(frame: pl.DataFrame, encoders: Mapping[str, ImageEncoder]) -> tuple[pl.DataFrame, InvalidImages]:
    """A frame with its columns of images decoded, each at the size that its encoder has settled.

    Args:
        frame: n rows.
        encoders: Name of a column of images -> its encoder.

    Returns:
        The frame with arrays in these columns, black where there is none, and the rows whose images cannot be used.

    Raises:
        InputError: Cells of another type.
    """
    columns, bad = [], InvalidImages()
    for name, encoder in encoders.items():
        images, faults = encoder.opened(frame[name])
        columns.append(pl.Series(name, images))
        bad = {**faults, **bad}
    return frame.with_columns(columns), dict(sorted(bad.items()))


def raise_for_invalid(bad: InvalidImages) -> None:
    """Raise `InputError` with the first image that cannot be used."""
    for row, (column, what) in bad.items():
        more = f" (one of {len(bad)} that cannot be used)" if len(bad) > 1 else ""
        raise InputError(
            f"{what}{more}; mend or remove it, or go on without such rows (on_bad_image='skip', --on-bad-image skip)",
            row=row + 1,
            column=column,
        )


def describe_invalid(bad: InvalidImages, what: str, samples: Samples | None = None) -> str:
    """A sentence that counts and names the first few rows.

    Args:
        bad: These rows.
        what: What became of them.
        samples: Whose rows they are, for their numbers in the file.
    """
    number = range(1, max(bad) + 2) if samples is None else samples.row_numbers()
    named = "; ".join(f"row {number[row]}: {fault.words}" for row, fault in list(bad.items())[:BAD_NAMED])
    more = f"; and {len(bad) - BAD_NAMED} more" if len(bad) > BAD_NAMED else ""
    rows = "1 row was" if len(bad) == 1 else f"{len(bad)} rows were"
    return f"{rows} {what}, because the image cannot be used: {named}{more}"


def _named(cell: Cell, words: str) -> str:
    if isinstance(cell, str):
        return f"{cell!r} {words}"
    return f"the image ({len(cell)} bytes) {words}" if isinstance(cell, bytes) else f"the image {words}"


def _threads() -> int:
    return min(8, (os.cpu_count() or 1) + 1)


def _chosen(column: pl.Series, most: int) -> list[tuple[int, Cell]]:
    """Rows and cells of a sample that does not depend on the order of the rows."""
    if isinstance(column.dtype, pl.Array):
        rows: Any = range(1) if len(column) and not column[:1].null_count() else range(min(len(column), most))
    elif len(column) <= most:
        rows = range(len(column))
    else:
        marks = [_mark(cell) for start in range(0, len(column), most) for cell in cells_of(column, start, start + most)]
        rows = sorted(np.argsort(np.asarray(marks), kind="stable")[:most].tolist())
    return [(row, cells_of(column, row, row + 1)[0]) for row in rows]


def _mark(cell: Any) -> int:
    """A number that looks random and depends on the cell alone; of a path, on its last two parts."""
    if isinstance(cell, str):
        cell = "/".join(cell.replace("\\", "/").rsplit("/", 2)[-2:]).encode("utf-8", errors="replace")
    return zlib.crc32(cell[-4096:]) if isinstance(cell, bytes) else 2**32


def _each(chosen: list[tuple[int, Cell]], look: Callable[[Cell], Any]) -> list[Any]:
    """What a look at each cell says, or the `BadImageError`."""

    def safe(one: tuple[int, Cell]) -> Any:
        try:
            return look(one[1])
        except BadImageError as error:
            return error

    with quiet(), ThreadPoolExecutor(_threads()) as pool:
        return list(pool.map(safe, chosen))


def _edges(headers: list[Header], edge: int | None, least: int) -> tuple[int, int]:
    """Height and width for images of these sizes; the longer one is `edge`, if that is given."""
    sizes = np.asarray([header[:2] for header in headers], dtype=float)
    if edge is None and (sizes == sizes[0]).all() and sizes[0].max() <= OWN_EDGE:
        return int(sizes[0, 0]), int(sizes[0, 1])
    longest = edge or min(AUTO_EDGE, round(float(np.median(sizes.max(axis=1)))))
    ratios = sizes[:, 1] / sizes[:, 0]
    if ratios.max() > ALIKE * ratios.min():
        return longest, longest
    ratio = float(np.median(ratios))
    return max(least, round(longest * min(1.0, 1 / ratio))), max(least, round(longest * min(1.0, ratio)))


def _channels(chosen: list[tuple[int, Cell]], headers: list[Header]) -> int:
    """1 where no image of a sample has a colour, else 3."""
    if all(header.is_grey for header in headers):
        return 1
    if isinstance(chosen[0][1], np.ndarray):
        return 3
    found = _each(chosen[:: max(1, len(chosen) // COLOURS_READ)], is_grey)
    return 1 if all(one for one in found if not isinstance(one, BadImageError)) else 3


def _counts(images: np.ndarray, channel: int) -> np.ndarray:
    """How often each level stands in a channel, int64 (256,)."""
    n_rows = max(1, COUNTED_NUMBERS // max(1, int(np.prod(images.shape[1:3]))))
    counts = np.zeros(256, dtype=np.int64)
    for start in range(0, len(images), n_rows):
        counts += np.bincount(images[start : start + n_rows, ..., channel].ravel(), minlength=256)
    return counts
