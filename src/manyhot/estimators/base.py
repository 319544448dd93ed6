"""What both classifiers share: X in any form as the encoder takes it, parameters, and scikit-learn's tags."""

from __future__ import annotations

import copy
import functools
import inspect
import textwrap
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Self, TypeVar

import narwhals as nw
import numpy as np
import polars as pl
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from manyhot import models, validation
from manyhot.config.executor import kept_executor
from manyhot.config.fields import describe_fields
from manyhot.config.training import CUSTOM
from manyhot.data.feature_input import (
    extract_texts,
    image_frame,
    is_frame,
    refuse_infinity,
    refuse_other_forms,
    refuse_text,
    to_arrays,
    to_frame,
)
from manyhot.data.readers.column_types import are_image_names
from manyhot.data.readers.columns import read_columns, read_ids
from manyhot.data.readers.label_columns import label_like_columns, label_like_note, same_name_note
from manyhot.data.samples import Samples
from manyhot.display import MAX_REPR
from manyhot.errors import InputError, ManyhotWarning
from manyhot.validation import did_you_mean

E = TypeVar("E", bound="BaseMultiLabelEstimator")
DOCUMENTATION = "https://manyhot.readthedocs.io/en/stable/{estimator_name}.html"
"""Where the documentation of an estimator is; scikit-learn's HTML representation links it."""
if TYPE_CHECKING:
    from manyhot.models.training_data import TrainingFeatures

IMAGE_COLUMN = "image"
"""Name of the column that an array of images becomes."""


SETTINGS = "        (settings)\n"
"""The line of a docstring that `document_settings` replaces by the settings."""
_WIDTH = 108


def document_settings(*config_classes: type, names: Collection[str] | None = None) -> Callable[[type[E]], type[E]]:
    """Write every field of these dataclasses into a class's docstring, with its meaning and default.

    Args:
        config_classes: Dataclasses of settings whose docstrings describe their fields.
        names: The fields that the class has; None for all.
    """

    def decorate(estimator: type[E]) -> type[E]:
        lines = []
        for config_class in config_classes:
            descriptions = describe_fields(config_class)
            for field in fields(config_class):
                if names is not None and field.name not in names:
                    continue
                text = f"{field.name}: {descriptions.get(field.name, '')} Default: {field.default!r}."
                lines += textwrap.wrap(text, _WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 12)
        if estimator.__doc__:
            estimator.__doc__ = estimator.__doc__.replace(SETTINGS, "\n".join(lines) + "\n")
        return estimator

    return decorate


def keep_parameters(init: Callable[..., None]) -> Callable[..., None]:
    """An `__init__` that stores each of its parameters, and answers a misspelt one with the nearest."""
    defaults = {name: p.default for name, p in inspect.signature(init).parameters.items() if name != "self"}

    @functools.wraps(init)
    def store(self: Any, **params: Any) -> None:
        for name in params:
            if name not in defaults:
                raise TypeError(f"{type(self).__name__} has no parameter {name!r}{did_you_mean(name, defaults)}")
        vars(self).update({**defaults, **params})

    return store


def draw_seed(random_state: Any) -> int:
    """The seed of one fit.

    Args:
        random_state: A whole number is the seed itself; None gives a fresh one; a `numpy.random.RandomState` gives its
            next number, so that every fit has another one.

    Raises:
        InputError: Anything else.
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(0, 2**32, dtype=np.uint32))
    return validation.integer(random_state=random_state, low=0, high=2**32 - 1)


def warn_of_table(notes: Sequence[str]) -> None:
    """Tell a person in Python, in one warning at their own line, what the command line prints of a table."""
    if not notes:
        return
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith("manyhot."):
        level, frame = level + 1, frame.f_back
    warnings.warn("; ".join(notes), ManyhotWarning, stacklevel=level)


def _has_label_columns(y: Any, labels: Sequence[str]) -> bool:
    """Whether targets are a column for each label, and not label sets, whose names need not be alike."""
    table = nw.from_native(y, pass_through=True, eager_only=True)
    if isinstance(table, nw.DataFrame):
        return {str(name) for name in table.columns} >= set(labels)
    return len(getattr(y, "shape", ())) > 1


class BaseMultiLabelEstimator(BaseEstimator):
    """What both classifiers share: features in any form, scikit-learn's tags, names of parameters.

    `model_` has an `encoder`.
    """

    model_: Any
    column_types: Mapping[str, str] | None
    network: Any = CUSTOM  # an estimator without a choice of networks takes no arrays of images
    _doc_link_module = "manyhot"
    _doc_link_template = DOCUMENTATION

    def __repr__(self, N_CHAR_MAX: int = MAX_REPR) -> str:
        # scikit-learn's has up to 700 characters, not counting blanks; settings such as 374 names of labels fill them
        text = " ".join(super().__repr__(N_CHAR_MAX=N_CHAR_MAX).split())
        return text if len(text) <= N_CHAR_MAX else f"{text[: N_CHAR_MAX - 2]}…)"

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "executor" in state:
            state["executor"] = kept_executor(state["executor"])
        return state

    def __sklearn_clone__(self) -> Any:
        """A clone with the same executor: a handle of somebody's cluster is shared, never copied."""
        plain = copy.copy(self)  # without it
        twin = super(BaseMultiLabelEstimator, plain).__sklearn_clone__()
        if hasattr(self, "executor"):
            twin.executor = self.executor
        return twin

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.startswith("_")]

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, as scikit-learn does.

        Raises:
            InputError: No such parameter, with the nearest one.
        """
        known = self.get_params()
        for name in params:
            if name.partition("__")[0] not in known:
                raise InputError(f"there is no such parameter{did_you_mean(name, known)}", argument=name)
        return super().set_params(**params)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.target_tags.two_d_labels = True
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags

    def _training_features(self, X: Any) -> TrainingFeatures:
        """X as an encoder takes it; sets `n_features_in_`."""
        if isinstance(X, Samples):
            self.n_features_in_ = len(X.feature_names)
            self.feature_names_in_ = np.asarray(X.feature_names, dtype=object)
            sample_types = None if X.is_sparse else {name: X.column_types[name] for name in X.feature_names}
            return models.training_data.TrainingFeatures(X.features, sample_types, X.number_formats)
        refuse_other_forms(X, not isinstance(self.network, str) or self.network == CUSTOM)
        user_types = self.column_types or {}
        texts = extract_texts(X)
        if texts is not None:
            kind = "image" if are_image_names(texts) else "text"
            X, user_types = pl.DataFrame({kind: texts}), {kind: kind, **user_types}
        arrays = to_arrays(X)
        if arrays is not None and isinstance(self.network, str) and self.network != CUSTOM and len(arrays.blocks) == 1:
            self.n_features_in_ = 1
            images = image_frame(next(iter(arrays.blocks.values())), IMAGE_COLUMN)
            return models.training_data.TrainingFeatures(images, {IMAGE_COLUMN: "image"})
        if arrays is not None:
            self.n_features_in_ = arrays.shape[1]
            return models.training_data.TrainingFeatures(arrays)
        if is_frame(X):
            validate_data(self, X=X, skip_check_array=True, reset=True)
            frame, inspection = read_columns(to_frame(X, user_types, is_raw=True), user_types)
            ids, id_notes = read_ids(frame, inspection.column_types, None, user_types)
            notes = (*id_notes, *inspection.notes)
            return models.training_data.TrainingFeatures(
                frame, inspection.column_types, inspection.number_formats, notes, ids
            )
        return models.training_data.TrainingFeatures(self._matrix(X, reset=True))

    def _data_notes(self, y: Any, labels: Sequence[str], table: TrainingFeatures) -> tuple[str, ...]:
        """What was guessed of the columns of X, and which are labels or look like further ones."""
        notes = table.notes
        if isinstance(table.features, pl.DataFrame):
            kinds, label_set = table.column_types or {}, set(labels)
            names = [name for name in table.features.columns if kinds.get(name) not in ("ignored", "id")]
            same = [name for name in names if name in label_set]
            others = table.features.drop(list(self.column_types or {}), strict=False)
            similar = label_like_columns(others, labels, kinds) if _has_label_columns(y, labels) else ()
            similar_note = (label_like_note(similar),) if similar else ()
            notes = (*((same_name_note(same),) if same else ()), *similar_note, *notes)
        return notes

    def _features(self, X: Any) -> Any:
        """X as the encoder of the trained model takes it."""
        encoder = self.model_.encoder
        if self.model_.labels_pixels:
            return models.segmentation.image_set(X, self.model_.channels)
        if isinstance(X, Samples):
            return models.prediction.sample_features(self.model_, X)
        refuse_other_forms(X, encoder.takes_arrays)
        texts = extract_texts(X)
        if texts is not None:
            X = pl.DataFrame({self._only_column(): texts})
        arrays = to_arrays(X)
        if arrays is not None and encoder.image_columns:
            (images,) = arrays.blocks.values()
            return image_frame(images, encoder.image_columns[0])
        if arrays is not None:
            return arrays
        if is_frame(X):
            self._check_columns(X)
            frame = to_frame(X, encoder.column_types, encoder.number_formats)
            return frame if encoder.matrix_names is None else frame.to_numpy()
        matrix = self._matrix(X, reset=False)
        if encoder.column_types:
            names = list(encoder.column_types) if not hasattr(self, "feature_names_in_") else self.feature_names_in_
            return pl.DataFrame(matrix, schema=[str(name) for name in names])
        return matrix

    def _check_columns(self, X: Any) -> None:
        """Refuse a frame with other columns than those of `fit`, in scikit-learn's words."""
        try:
            validate_data(self, X=X, skip_check_array=True, reset=False)
        except ValueError as error:
            raise InputError(str(error)) from None

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
        if len(names) != 1 or names != (*encoder.text_columns, *encoder.image_columns):
            columns = ", ".join(map(str, names[:5])) + (", ..." if len(names) > 5 else "")
            raise InputError(f"got texts alone, but the model takes {columns}; pass rows as in training", argument="X")
        return names[0]
