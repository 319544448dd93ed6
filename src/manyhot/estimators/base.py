"""X in any form -> what the encoder takes: the part of a classifier that looks at features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp
from sklearn.utils.validation import validate_data

from manyhot.config.training import OWN
from manyhot.data.feature_input import arrays_of, columns_by_name, frame_of, image_frame, is_frame, texts_of
from manyhot.data.readers.column_types import inspect_kinds, name_images
from manyhot.data.samples import Arrays, Samples
from manyhot.encoders import MatrixEncoder, TableEncoder
from manyhot.errors import InputError
from manyhot.models.segmentation import pictures_of
from manyhot.models.segmentation.model import PixelModel
from manyhot.validation import shown

IMAGE_COLUMN = "image"
"""Name of the column that an array of images becomes."""


class Accepts:
    """Frames, matrices, arrays and `Samples` as the model's encoder takes them; `model_` has an `encoder`."""

    model_: Any
    kinds: Mapping[str, str] | None
    network: Any = OWN  # who has no choice of networks takes no arrays of images

    def features_of(self, samples: Samples) -> Any:
        """The rows of a reader as `model_` takes them; columns are matched by name."""
        return self._features(samples, None, reset=False)[0]

    def _features(self, X: Any, y: Any, reset: bool) -> tuple[Any, Mapping[str, str] | None]:
        """X as the encoder takes it, and the kinds of its columns when it is a frame."""
        if not reset and isinstance(self.model_, PixelModel):
            return pictures_of(X, self.model_.channels), None
        if isinstance(X, Samples):
            return self._features_of_samples(X, reset)
        kinds = self.kinds or {}
        texts = texts_of(X)
        if texts is not None and reset:
            kind = "image" if name_images(texts) else "text"
            X, kinds = pl.DataFrame({kind: texts}), {kind: kind, **kinds}
        elif texts is not None:
            X = pl.DataFrame({self._only_column(): texts})
        arrays = arrays_of(X)
        if arrays is not None and self._are_images(arrays, reset):
            (images,) = arrays.blocks.values()
            if reset:
                self.n_features_in_ = 1
                return image_frame(images, IMAGE_COLUMN), {IMAGE_COLUMN: "image"}
            return image_frame(images, self.model_.encoder.image_columns[0]), None
        if arrays is not None:
            if reset:
                self.n_features_in_ = arrays.shape[1]
            return arrays, None
        if is_frame(X):
            validate_data(self, X=X, skip_check_array=True, reset=reset)
            if reset:
                frame = frame_of(X, [name for name, kind in kinds.items() if kind == "text"])
                return frame, inspect_kinds(frame, kinds)
            frame = frame_of(X, getattr(self.model_.encoder, "text_columns", ()))
            if isinstance(self.model_.encoder, MatrixEncoder):
                return frame.to_numpy(), None
            return frame, None
        matrix = self._matrix(X, reset)
        if not reset and isinstance(self.model_.encoder, TableEncoder):
            names = (
                list(self.model_.encoder.kinds) if not hasattr(self, "feature_names_in_") else self.feature_names_in_
            )
            return pl.DataFrame(matrix, schema=[str(name) for name in names]), None
        return matrix, None

    def _matrix(self, X: Any, reset: bool) -> np.ndarray | sp.csr_matrix:
        """Numbers without names, checked; infinity and text are told with their places."""
        try:
            matrix = validate_data(
                self,
                X=X,
                accept_sparse="csr",
                dtype=(np.float64, np.float32),
                ensure_all_finite=False,
                reset=reset,
            )
        except ValueError:
            _refuse_text(X)
            raise
        if sp.issparse(matrix):
            matrix = sp.csr_matrix(matrix)
            matrix.sum_duplicates()
        _refuse_infinity(matrix)
        return matrix

    def _only_column(self) -> str:
        """The one column of the model, of texts or images, which texts alone are for."""
        encoder = self.model_.encoder
        names = tuple(encoder.names)
        fitting = (*getattr(encoder, "text_columns", ()), *getattr(encoder, "image_columns", ()))
        if len(names) != 1 or names != fitting:
            told = ", ".join(map(str, names[:5])) + (", ..." if len(names) > 5 else "")
            raise InputError(f"got texts alone, but the model takes {told}; give it rows as in training", argument="X")
        return names[0]

    def _are_images(self, arrays: Arrays, reset: bool) -> bool:
        """Whether one array of several axes goes to a network of ours, which takes such arrays as images."""
        if reset:
            return self.network != OWN and isinstance(self.network, str) and len(arrays.blocks) == 1
        return bool(getattr(self.model_.encoder, "image_columns", ()))

    def _features_of_samples(self, samples: Samples, reset: bool) -> tuple[Any, dict[str, str] | None]:
        if reset:
            self.n_features_in_ = len(samples.feature_names)
            self.feature_names_in_ = np.asarray(samples.feature_names, dtype=object)
            return samples.features, None if samples.is_sparse else {n: samples.kinds[n] for n in samples.feature_names}
        if samples.is_sparse:
            return samples.features, None
        frame = samples.features
        assert isinstance(frame, pl.DataFrame)
        encoder = self.model_.encoder
        return (
            frame.to_numpy() if isinstance(encoder, MatrixEncoder) else columns_by_name(frame, encoder.names)[0]
        ), None

    def _column_names(self, features: Any, samples: Samples | None) -> list[str]:
        if samples is not None:
            return [str(name) for name in samples.feature_names]
        return [f"x{j}" for j in range(features.shape[1])]


def _refuse_infinity(matrix: np.ndarray | sp.csr_matrix) -> None:
    """Raise `InputError` with the place of the first infinity."""
    infinite = np.isinf(matrix if isinstance(matrix, np.ndarray) else matrix.data)
    if not infinite.any():
        return
    if isinstance(matrix, np.ndarray):
        row, column = np.argwhere(infinite)[0]
    else:
        entries = matrix.tocoo()
        row, column = entries.row[infinite][0], entries.col[infinite][0]
    raise InputError(
        "Input X contains infinity, expected finite numbers, or NaN for missing ones",
        row=int(row) + 1,
        column=f"x{column}",
    )


def _refuse_text(X: Any) -> None:
    """Raise `InputError` with the place of the first text that is no number, where X is a matrix with texts in it."""
    if hasattr(X, "dtype") and X.dtype.kind not in "OUT":
        return  # numbers, refused for something else; as objects they would take many times their memory
    cells = np.asarray(X, dtype=object)
    if cells.ndim != 2:
        return
    for (row, column), cell in np.ndenumerate(cells):
        try:
            if isinstance(cell, str):
                float(cell)
        except ValueError:
            raise InputError(
                f"got {shown(cell)}, expected a number; columns of categories or text come in a DataFrame",
                row=row + 1,
                column=f"x{column}",
            ) from None
