"""Where in an image a model found what speaks for and against a label: a map of the image, and its nine parts by name.

The engine says what each pixel adds to a logit; here maps become sums over parts of the image that a person or another
program can read. How a map is drawn belongs to `gallery`. Start reading at `mapped`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from manyhot import engine
from manyhot.encode import TableEncoder
from manyhot.fits import Features
from manyhot.model import Model

PARTS = (
    ("top left", "top", "top right"),
    ("left", "centre", "right"),
    ("bottom left", "bottom", "bottom right"),
)
"""What the nine parts of an image are called."""
GRID = 8
"""Parts of each edge in the coarse form of a map."""


class Mapped(NamedTuple):
    """What one row's images add to one logit.

    Attributes:
        logit: The row's logit, mean over the members.
        constant: That of the row with images of one colour, the mean of training, in place of its own.
        maps: Column -> float64 (h, w), what each pixel adds, as large as the network gets the image.
    """

    logit: float
    constant: float
    maps: dict[str, np.ndarray]


def has_images(model: Model) -> bool:
    """Whether a model looks at images."""
    return isinstance(model.encoder, TableEncoder) and bool(model.encoder.image_columns)


def mapped(model: Model, features: Features, asked: Sequence[np.ndarray]) -> Iterator[list[Mapped]]:
    """Maps of some labels, row by row.

    Args:
        model: A model that looks at images.
        features: What its encoder takes, n rows.
        asked: For each row the columns of the labels; a row without any is not looked at.
    """
    encoder = model.encoder
    assert isinstance(encoder, TableEncoder)
    counts = np.array([len(columns) for columns in asked], dtype=np.int64)
    blocks = encoder.transform(features[np.flatnonzero(counts)])
    rows = np.repeat(np.arange(np.count_nonzero(counts)), counts[counts > 0])
    labels = np.concatenate([np.zeros(0, dtype=np.int64), *asked])
    tables = [np.asarray(table) for table in model.weights.trainable[: len(model.network.tables())]]
    plain = {name: [255 * mean for mean in told["mean"]] for name, told in encoder.images.items()}
    columns = dict(zip(encoder.images, encoder.image_columns, strict=True))
    found = engine.pixel_contributions(model.scorer(), tables, blocks, rows, labels, plain)
    for of_row in asked:
        pairs = [next(found) for _ in of_row]
        yield [Mapped(one.logit, one.constant, {columns[name]: m for name, m in one.maps.items()}) for one in pairs]


def part_sums(pixels: np.ndarray) -> dict[str, float]:
    """What each of the nine parts of an image adds, by name."""
    sums = sums_of(pixels, 3)
    return {name: float(sums[i, j]) for i, names in enumerate(PARTS) for j, name in enumerate(names)}


def sums_of(pixels: np.ndarray, n_parts: int) -> np.ndarray:
    """Sums over a grid of a map, float64 (n_parts, n_parts), as even as the edges allow."""
    for axis, edge in enumerate(pixels.shape):
        bounds = np.arange(n_parts + 1) * edge // n_parts
        summed = np.concatenate([np.zeros_like(pixels[:1] if not axis else pixels[:, :1]), pixels.cumsum(axis)], axis)
        pixels = np.diff(summed.take(bounds, axis), axis=axis)
    return pixels


def coarse(maps: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Maps as JSON values: by column the size in pixels, and sums over a grid of `GRID` by `GRID` parts."""
    return {
        column: {"height": one.shape[0], "width": one.shape[1], "grid": sums_of(one, GRID).tolist()}
        for column, one in maps.items()
    }
