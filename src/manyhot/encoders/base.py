"""What every encoder answers about its columns, so that nobody asks for its class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from manyhot.data.invalid_images import InvalidImages
from manyhot.data.number_cells import NumberFormat
from manyhot.encoders.categories import Category
from manyhot.encoders.images.columns import ImageColumns
from manyhot.encoders.text.columns import TextColumns

NO_TEXTS, NO_IMAGES = TextColumns(0), ImageColumns([])


class BaseEncoder:
    """The answers of an encoder without kinds of columns, texts or images."""

    column_types: Mapping[str, str] = {}  # column name -> kind, where columns have kinds
    number_formats: Mapping[str, NumberFormat] | None = None  # how text columns write numbers, where they have kinds
    numeric_columns: Sequence[str] = ()  # the columns of numbers, where columns have kinds
    categorical_columns: Sequence[str] = ()
    categories: Sequence[Category] = ()  # their levels
    text_columns: Sequence[str] = ()
    image_columns: Sequence[str] = ()
    texts = NO_TEXTS
    images = NO_IMAGES
    is_sparse = False  # whether rows are CSR
    takes_gaps = True  # whether a number may be missing
    takes_arrays = False  # whether arrays of any shape are features
    names: tuple[str, ...] = ()  # the columns; none for arrays
    matrix_names: tuple[str, ...] | None = None  # the columns of a matrix, by which sparse formats are matched

    @property
    def reading_types(self) -> Mapping[str, str]:
        """Column name -> kind as which a file's column is read, where that is not guessed anew."""
        return self.column_types

    @property
    def sparse(self) -> frozenset[str]:
        """The blocks that are CSR."""
        return frozenset()

    @property
    def vocabularies(self) -> dict[str, int]:
        """Block of token ids -> number of different ids, padding (0) included."""
        return self.texts.vocabularies

    @property
    def image_scaling(self) -> dict[str, dict[str, list[float]]]:
        """Block of images -> mean and deviation of each channel, where 1 is white."""
        pairs = zip(self.images.blocks, self.images.encoders, strict=False)
        return {name: {"mean": encoder.mean, "deviation": encoder.deviation} for name, encoder in pairs}

    @property
    def reference(self) -> dict[str, np.ndarray]:
        """Block -> float32 (f,), the row that explanations start from, where it is not all zeros."""
        return {}

    def describe_columns(self) -> list[dict[str, Any]]:
        """Describe the columns: name and type."""
        return [{"name": str(name), "type": "numeric"} for name in self.names]

    def backbone_features(self, blocks: Mapping[str, Any]) -> dict[str, Any]:
        """Replace blocks of pixels by the features of a backbone."""
        return dict(blocks)

    def typical_numbers(self) -> list[float]:
        """Return a usual value of each column of numbers."""
        return [0.0] * len(self.names)

    def from_frame(self, frame: pl.DataFrame) -> Any:
        """Return the rows of a frame as `transform` takes them; columns are matched by name."""
        return frame.select([name for name in self.names if name in frame.columns])

    def decode_images(self, features: pl.DataFrame) -> tuple[pl.DataFrame, InvalidImages]:
        """Decode the images of a frame, for `transform`; also return the rows whose images cannot be used."""
        return self.images.decode(features)
