"""What every encoder answers about its columns, so that nobody has to ask of which class it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from manyhot.data.feature_input import columns_by_name
from manyhot.data.number_cells import NumberFormat
from manyhot.encoders.images.columns import ImageColumns
from manyhot.encoders.images.encoder import InvalidImages
from manyhot.encoders.text.columns import TextColumns

NO_IMAGES, NO_TEXTS = ImageColumns([]), TextColumns(0)


class BaseEncoder:
    """The answers of an encoder without kinds of columns, texts or images.

    Attributes:
        column_types: Column name -> kind, where columns have kinds.
        number_formats: How text columns write numbers, where columns have kinds; else None.
        text_columns: The columns of text.
        image_columns: The columns of images.
        images: Their encoders; texts: likewise.
        is_sparse: Whether rows are CSR.
        takes_gaps: Whether a number may be missing.
        takes_arrays: Whether arrays of any shape are features.
        matrix_names: The columns by which sparse formats are matched, of a matrix; else None.
    """

    column_types: Mapping[str, str] = {}
    number_formats: Mapping[str, NumberFormat] | None = None
    text_columns: Sequence[str] = ()
    image_columns: Sequence[str] = ()
    images = NO_IMAGES
    texts = NO_TEXTS
    is_sparse = False
    takes_gaps = True
    takes_arrays = False

    @property
    def names(self) -> tuple[str, ...]:
        """The columns; none for arrays."""
        return ()

    @property
    def matrix_names(self) -> tuple[str, ...] | None:
        """The columns of a matrix."""
        return None

    @property
    def sparse(self) -> frozenset[str]:
        """The blocks that are CSR."""
        return frozenset()

    @property
    def vocabularies(self) -> dict[str, int]:
        """Name of a block of numbers of words -> how many different numbers there are, 0 among them."""
        return {}

    @property
    def image_scaling(self) -> dict[str, dict[str, list[float]]]:
        """Name of a block of images -> mean and deviation of each channel, where 1 is white."""
        return {}

    @property
    def reference(self) -> dict[str, np.ndarray]:
        """Block -> the row that explanations start from, where it is not all zeros."""
        return {}

    def typical_numbers(self) -> list[float]:
        """A usual value of each column of numbers."""
        return [0.0] * len(self.names)

    def from_frame(self, frame: pl.DataFrame) -> Any:
        """The rows of a frame as `transform` takes them; columns are matched by name."""
        return columns_by_name(frame, self.names)[0]

    def decode_images(self, features: pl.DataFrame) -> tuple[pl.DataFrame, InvalidImages]:
        """The frame with its images decoded, for `transform`, and the rows whose images cannot be used."""
        return self.images.decode(features)
