"""Images of one column -> arrays of one size, as whole numbers from 0 to 255, and what they look like on the whole.

Networks get them as they are and scale them themselves (`images` says by how much), so that a thousand images take a
quarter of the memory. Start reading at `ImageEncoder`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from manyhot.errors import InputError
from manyhot.image_kinds import ENCODER_SETTINGS, MOST_EDGE

LEAST_DEVIATION = 1.0 / 255.0


class ImageEncoder:
    """Brings the images of one column to one size.

    Args:
        size: "auto", one edge, or height and width in pixels.
        channels: "grey", "colour" or "auto": what the images of training are.
        fit: How an image of another shape is brought to the size: "pad", "stretch" or "crop".
    """

    def __init__(self, size: Any = "auto", channels: str = "auto", fit: str = "pad") -> None:
        given = {"size": size, "channels": channels, "fit": fit}
        told = {name: ENCODER_SETTINGS[name].checked(name, value) for name, value in given.items()}
        self.size, self.channels, self.fit_by = told["size"], told["channels"], told["fit"]

    def fit(self, column: pl.Series) -> ImageEncoder:
        """Learn the size, the number of channels, and mean and deviation of each channel.

        Args:
            column: Images, n of them.

        Returns:
            Itself.
        """
        images = arrays_of(column)
        self.shape: tuple[int, int, int] = images.shape[1:]
        levels = np.arange(256) / 255
        counts = [np.bincount(images[..., k].ravel(), minlength=256) for k in range(self.shape[2])]
        self.mean = [float(np.average(levels, weights=count)) for count in counts]
        pairs = zip(counts, self.mean, strict=True)
        spread = [float(np.average(np.square(levels - mean), weights=count)) for count, mean in pairs]
        self.deviation = [max(LEAST_DEVIATION, float(np.sqrt(one))) for one in spread]
        return self

    def transform(self, column: pl.Series) -> np.ndarray:
        """The images, uint8 (n, h, w, c)."""
        images = arrays_of(column)
        if images.shape[1:] != self.shape:
            raise InputError(f"the images have the shape {images.shape[1:]}, expected {self.shape}", column=column.name)
        return images

    def to_spec(self) -> dict[str, Any]:
        """The state as JSON values."""
        return {"shape": list(self.shape), "mean": self.mean, "deviation": self.deviation, "fit": self.fit_by}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> ImageEncoder:
        """The encoder that `to_spec` described; the caller has checked types and ranges."""
        encoder = cls(spec["shape"][:2], "grey" if spec["shape"][2] == 1 else "colour", spec["fit"])
        if not 1 <= min(spec["shape"][:2]) <= max(spec["shape"][:2]) <= MOST_EDGE or spec["shape"][2] not in (1, 3):
            raise InputError(f"images of shape {spec['shape']}, expected height, width and 1 or 3 channels")
        encoder.shape = tuple(spec["shape"])
        encoder.mean, encoder.deviation = list(spec["mean"]), list(spec["deviation"])
        return encoder


def arrays_of(column: pl.Series) -> np.ndarray:
    """A column of arrays of one shape as uint8 (n, h, w, c).

    Raises:
        InputError: Cells of another type.
    """
    if not isinstance(column.dtype, pl.Array) or column.dtype.inner.base_type() not in (pl.UInt8, pl.Array):
        raise InputError(f"holds {column.dtype}, expected images as arrays of whole numbers", column=column.name)
    images = column.to_numpy()
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3):
        raise InputError(f"holds arrays of shape {images.shape[1:]}, expected (h, w) or (h, w, 3)", column=column.name)
    return images
