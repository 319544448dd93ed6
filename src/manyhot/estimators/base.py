"""What both classifiers share: X in any form as the encoder takes it, and the tags of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from manyhot.config.training import CUSTOM
from manyhot.data.feature_input import (
    arrays_of,
    frame_of,
    image_frame,
    is_frame,
    refuse_infinity,
    refuse_text,
    texts_of,
)
from manyhot.data.readers.column_types import inspect_kinds, name_images
from manyhot.data.samples import Samples
from manyhot.encoders import MatrixEncoder, TableEncoder
from manyhot.errors import InputError
from manyhot.models.prediction import sample_features
from manyhot.models.segmentation import image_set
from manyhot.models.segmentation.model import PixelModel

IMAGE_COLUMN = "image"
"""Name of the column that an array of images becomes."""


class BaseMultiLabelEstimator(BaseEstimator):
    """Frames, matrices, arrays and `Samples` as the model's encoder takes them; `model_` has an `encoder`."""

    model_: Any
    kinds: Mapping[str, str] | None
    network: Any = CUSTOM  # an estimator without a choice of networks takes no arrays of images

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.target_tags.two_d_labels = True
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags

    def _training_features(self, X: Any) -> tuple[Any, Mapping[str, str] | None]:
        """X as an encoder takes it, and the kinds of its columns when it is a frame; sets `n_features_in_`."""
        if isinstance(X, Samples):
            self.n_features_in_ = len(X.feature_names)
            self.feature_names_in_ = np.asarray(X.feature_names, dtype=object)
            return X.features, None if X.is_sparse else {name: X.kinds[name] for name in X.feature_names}
        kinds = self.kinds or {}
        texts = texts_of(X)
        if texts is not None:
            kind = "image" if name_images(texts) else "text"
            X, kinds = pl.DataFrame({kind: texts}), {kind: kind, **kinds}
        arrays = arrays_of(X)
        if arrays is not None and isinstance(self.network, str) and self.network != CUSTOM and len(arrays.blocks) == 1:
            self.n_features_in_ = 1
            return image_frame(next(iter(arrays.blocks.values())), IMAGE_COLUMN), {IMAGE_COLUMN: "image"}
        if arrays is not None:
            self.n_features_in_ = arrays.shape[1]
            return arrays, None
        if is_frame(X):
            validate_data(self, X=X, skip_check_array=True, reset=True)
            frame = frame_of(X, [name for name, kind in kinds.items() if kind == "text"])
            return frame, inspect_kinds(frame, kinds)
        return self._matrix(X, reset=True), None

    def _features(self, X: Any) -> Any:
        """X as the encoder of the trained model takes it."""
        encoder = self.model_.encoder
        if isinstance(self.model_, PixelModel):
            return image_set(X, self.model_.channels)
        if isinstance(X, Samples):
            return sample_features(self.model_, X)
        texts = texts_of(X)
        if texts is not None:
            X = pl.DataFrame({self._only_column(): texts})
        arrays = arrays_of(X)
        image_columns = getattr(encoder, "image_columns", ())
        if arrays is not None and image_columns:
            (images,) = arrays.blocks.values()
            return image_frame(images, image_columns[0])
        if arrays is not None:
            return arrays
        if is_frame(X):
            validate_data(self, X=X, skip_check_array=True, reset=False)
            frame = frame_of(X, getattr(encoder, "text_columns", ()))
            return frame.to_numpy() if isinstance(encoder, MatrixEncoder) else frame
        matrix = self._matrix(X, reset=False)
        if isinstance(encoder, TableEncoder):
            names = list(encoder.kinds) if not hasattr(self, "feature_names_in_") else self.feature_names_in_
            return pl.DataFrame(matrix, schema=[str(name) for name in names])
        return matrix

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
            refuse_text(X)
            raise
        if sp.issparse(matrix):
            matrix = sp.csr_matrix(matrix)
            matrix.sum_duplicates()
        refuse_infinity(matrix)
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
