"""What a person hands to the estimator, brought into the few forms that the rest takes.

Frames of pandas, polars or Arrow become polars frames with a kind per column; anything else becomes one matrix of
numbers. Targets of any form become `Targets`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import scipy.sparse as sp
from PIL import Image

from manyhot.data.image_decoding import BadImageError, packed
from manyhot.data.labels import LabelSpace, Targets, as_targets
from manyhot.data.readers.column_types import typed
from manyhot.data.readers.columns import words
from manyhot.data.samples import Arrays, Samples
from manyhot.errors import InputError


def is_frame(X: Any) -> bool:
    """Whether X is a data frame of any kind."""
    return isinstance(nw.from_native(X, eager_only=True, pass_through=True), nw.DataFrame)


def texts_of(X: Any) -> pl.Series | None:
    """Texts in a list, tuple, array or series, None for missing ones; None where X is something else."""
    series = nw.from_native(X, series_only=True, pass_through=True)
    cells: Sequence[Any] = ()
    if isinstance(series, nw.Series):
        cells = _cells(series)
    elif isinstance(X, np.ndarray):
        cells = X.tolist() if X.ndim == 1 and X.dtype.kind in "OUT" else ()
    elif isinstance(X, (list, tuple)):
        cells = X
    if not all(isinstance(cell, str) or cell is None or _is_nan(cell) for cell in cells):
        return None
    texts = pl.Series([cell if isinstance(cell, str) else None for cell in cells], dtype=pl.String)
    return texts if texts.null_count() < len(texts) else None


def _is_nan(cell: Any) -> bool:
    return isinstance(cell, float) and cell != cell


def frame_of(X: Any, texts: Collection[str] = ()) -> pl.DataFrame:
    """A polars frame with the same columns, each in the type its values have; missing stays missing.

    Args:
        X: A data frame of any kind.
        texts: Columns whose cells are text whatever they look like: "007" is no 7.
    """

    def settled(column: pl.Series) -> pl.Series:
        if isinstance(column.dtype, pl.Struct) and column.dtype.to_schema().get("bytes") == pl.Binary:
            return column.struct.field("bytes").alias(column.name)
        return words(column) if column.name in texts else typed(column)

    if isinstance(X, pl.DataFrame):
        columns = [image_cells(one.name, one.to_list()) if one.dtype == pl.Object else one for one in X]
        return pl.DataFrame([settled(column) for column in columns])
    frame = nw.from_native(X, eager_only=True)
    names = [str(name) for name in frame.columns]
    if len(set(names)) != len(names):
        raise InputError("column names must be unique", argument="X")
    return pl.DataFrame(
        [settled(_series(name, column)) for name, column in zip(names, frame.iter_columns(), strict=True)]
    )


def _series(name: str, column: nw.Series) -> pl.Series:
    if (column.dtype.is_numeric() or column.dtype == nw.Boolean) and not column.is_null().any():
        return pl.Series(name, column.to_numpy())
    cells = _cells(column)
    if column.dtype.is_numeric():
        return pl.Series(name, cells, dtype=pl.Float64, strict=False)
    if any(isinstance(cell, (bytes, np.ndarray, Image.Image)) for cell in cells):
        return image_cells(name, cells)
    if all(cell is None or isinstance(cell, (bool, np.bool_)) for cell in cells):
        return pl.Series(name, cells, dtype=pl.Boolean)
    if all(cell is None or isinstance(cell, (int, float, np.number)) for cell in cells):
        return pl.Series(name, cells, dtype=pl.Float64, strict=False)
    return pl.Series(name, [None if cell is None else str(cell) for cell in cells], dtype=pl.String)


def _cells(column: nw.Series) -> list[Any]:
    """The values, None for missing ones of any kind."""
    is_missing = column.is_null().to_numpy()
    return [None if gap else value for value, gap in zip(column.to_list(), is_missing, strict=True)]


def targets_of(
    y: Any, names: Sequence[str] | None, classes: np.ndarray | None = None
) -> tuple[LabelSpace, Targets, np.ndarray | None]:
    """Targets of any form -> label space, targets, and the two classes when y was one binary target.

    Args:
        y: What `labels.as_targets` takes, or one binary target (n,) as scikit-learn has it: an array or list of
            numbers with at most two distinct values, or an array of text with two. The higher value is yes.
        names: The labels and their order, or None.
        classes: The two values of a binary target, when they are known already.

    Raises:
        InputError: What does not describe label sets or a binary target.
    """
    if isinstance(y, Targets):
        return LabelSpace(tuple(names or (f"label_{j}" for j in range(y.n_labels)))), y, None
    if hasattr(y, "__array__") and not hasattr(y, "dtype") and not is_frame(y):
        y = np.asarray(y)
    column = _binary_target(y)
    if column is None:
        return (*as_targets(y, names)[:2], None)
    if classes is None:
        classes = _two_classes(column)
    wrong = np.flatnonzero(~np.isin(column, classes))
    if wrong.size:
        found = column[wrong[0]].item()
        raise InputError(f"got {found!r}, expected one of {classes.tolist()}", row=int(wrong[0]) + 1, argument="y")
    space = LabelSpace(tuple(names) if names is not None else (str(classes[1]),))
    return space, Targets((column == classes[1])[:, None]), classes


def _binary_target(y: Any) -> np.ndarray | None:
    """y as one value per row (n,), or None when it is something else: label sets, indicators, gaps."""
    if isinstance(y, (list, tuple)):
        if not y or not all(isinstance(cell, (int, float, np.number)) for cell in y):
            return None
        return np.asarray(y)
    if not hasattr(y, "dtype") or len(y.shape) != 1:
        return None
    column = np.asarray(y)
    if column.dtype.kind == "O" and len(column):
        if all(isinstance(cell, str) for cell in column):
            column = column.astype(str)
        elif all(isinstance(cell, (int, float, np.number)) for cell in column):
            column = np.asarray(column.tolist())
    return column if column.dtype.kind in "biufU" and len(column) else None


def _two_classes(column: np.ndarray) -> np.ndarray:
    advice = "give one label set per row, or an array (n, l) of 0 and 1"
    if column.dtype.kind == "f":
        if np.isnan(column).any():
            raise InputError(f"Input y contains NaN in a binary target; {advice} where unknown is NaN", argument="y")
        if not np.isfinite(column).all():
            row = int(np.isinf(column).argmax()) + 1
            raise InputError(f"Input y contains infinity; {advice}", argument="y", row=row)
        if (column != np.rint(column)).any():
            raise InputError(f"Unknown label type: continuous values, one per row; {advice}", argument="y")
    classes = np.unique(column)
    if len(classes) > 2 and column.dtype.kind == "U":
        raise InputError(
            f"got the text {str(column[0])!r} where a set of labels belongs; write [{str(column[0])!r}] for one label, "
            "or split it first",
            row=1,
            argument="y",
        )
    if len(classes) > 2:
        raise InputError(
            "Only binary classification is supported. The type of the target is multiclass: "
            f"{len(classes)} different values, one per row; {advice}",
            argument="y",
        )
    if len(classes) < 2:
        raise InputError(f"y has one class only, {classes.tolist()}, so there is nothing to learn", argument="y")
    return classes


def given_targets(samples: Samples | None, y: Any, labels: Sequence[str] | None) -> tuple[Any, Sequence[str] | None]:
    """y, or the targets that samples carry, and the names of the labels where they are known."""
    if samples is not None and y is None:
        if samples.listed is not None:
            raise InputError("these samples list very many labels; ManyLabelClassifier takes them", argument="y")
        if samples.targets is None or samples.labels is None:
            raise InputError("these samples carry no labels", argument="y")
        return samples.targets, samples.labels.names
    if y is None:
        raise InputError(
            "requires y to be passed, but the target y is None; expected label sets or an array (n, l)", argument="y"
        )
    return y, labels


def targets_in_order(X: Any, y: Any, space: LabelSpace, classes: np.ndarray | None = None) -> Targets:
    """Targets in the order of a model's labels: by name where y carries names, else column by column.

    Args:
        X: The rows; `Samples` bring their own targets when y is None.
        y: As for `targets_of`.
        space: The model's labels.
        classes: The two values of a binary target.

    Raises:
        InputError: Other labels than the model's, or another number of columns.
    """
    y, names = given_targets(X if isinstance(X, Samples) else None, y, None)
    if isinstance(y, Targets):
        if names is None or tuple(names) == space.names:
            return _fitting(y, space)
        if sorted(names) != sorted(space.names):
            raise InputError(f"the labels are {list(names)[:8]}, expected {list(space.names)[:8]}", argument="y")
        order = [list(names).index(name) for name in space.names]
        return Targets(y.values[..., order], None if y.known is None else y.known[..., order])
    is_numbers = sp.issparse(y) or (isinstance(y, np.ndarray) and (y.ndim > 1 or y.dtype.kind in "biuf"))
    return _fitting(targets_of(y, None if is_numbers else space.names, classes)[1], space)


def _fitting(targets: Targets, space: LabelSpace) -> Targets:
    if targets.n_labels != len(space):
        raise InputError(f"y has {targets.n_labels} labels, expected {len(space)}", argument="y")
    return targets


def row_weights(sample_weight: Any, n_rows: int) -> np.ndarray:
    """Weights of rows, float64 (n,), ones when none are given.

    Raises:
        InputError: Another length, negative or infinite weights, or nothing but zeros.
    """
    if sample_weight is None:
        return np.ones(n_rows)
    weights = np.array(sample_weight, dtype=float)
    if weights.ndim == 0:
        weights = np.full(n_rows, float(weights))
    if weights.shape != (n_rows,):
        raise InputError(
            f"Sample weights must be 1D array or scalar: got shape {weights.shape}, expected ({n_rows},)",
            argument="sample_weight",
        )
    wrong = np.flatnonzero(~np.isfinite(weights) | (weights < 0))
    if wrong.size:
        raise InputError(
            f"got {weights[wrong[0]]}, expected a finite weight of 0 or more",
            row=int(wrong[0]) + 1,
            argument="sample_weight",
        )
    if not weights.any():
        raise InputError("Sample weights are all zero, so no row counts", argument="sample_weight")
    return weights


def columns_by_name(frame: pl.DataFrame, names: Collection[str]) -> tuple[pl.DataFrame, list[str]]:
    """The columns that training used, in its order, and the names of the others."""
    wanted = [name for name in names if name in frame.columns]
    return frame.select(wanted), [name for name in frame.columns if name not in names]


def arrays_of(X: Any) -> Arrays | None:
    """Named arrays, when X is a dict or list of arrays or one array with more than two axes; else None.

    Arrays of a list are called input_0, input_1, ... in their order.
    """
    if isinstance(X, Arrays):
        return X
    if isinstance(X, Mapping) and not sp.issparse(X):
        return Arrays(X)
    if isinstance(X, (list, tuple)) and X and all(isinstance(part, np.ndarray) and part.ndim > 1 for part in X):
        return Arrays({f"input_{k}": part for k, part in enumerate(X)})
    if isinstance(X, np.ndarray) and X.ndim > 2:
        return Arrays({"features": X})
    return None


def image_cells(name: str, cells: Sequence[Any]) -> pl.Series:
    """Images as one column: arrays where all are arrays of one shape, else the contents of files.

    Args:
        name: What the column is called.
        cells: Bytes, arrays uint8 (h, w) or (h, w, c), images of Pillow's, paths, or None.

    Raises:
        InputError: A cell that is none of these, or that cannot be read.
    """
    shapes = {cell.shape if isinstance(cell, np.ndarray) and cell.dtype == np.uint8 else () for cell in cells}
    if len(shapes) == 1 and len(next(iter(shapes))) in (2, 3):
        return image_frame(np.stack(list(cells)), name)[name]
    contents: list[bytes | None] = []
    for row, cell in enumerate(cells, 1):
        try:
            if isinstance(cell, (np.ndarray, Image.Image)):
                contents.append(packed(cell))
            elif cell is None or isinstance(cell, bytes):
                contents.append(cell)
            else:
                raise BadImageError(f"is {type(cell).__name__}, beside bytes, arrays or images of Pillow's")
        except BadImageError as error:
            raise InputError(f"the image {error}", row=row, column=name) from None
    return pl.Series(name, contents, dtype=pl.Binary)


def image_frame(images: np.ndarray, name: str) -> pl.DataFrame:
    """One column of images from an array.

    Args:
        images: (n, h, w) or (n, h, w, c) of whole numbers from 0 to 255, or of floats from 0 to 1, which become those.
        name: What the column is called.

    Raises:
        InputError: Another shape, or numbers outside these ranges.
    """
    return pl.DataFrame([pl.Series(name, np.ascontiguousarray(whole_numbers(images)))])


def whole_numbers(images: np.ndarray) -> np.ndarray:
    """Images (n, h, w) or (n, h, w, c) as uint8; as `image_frame` tells."""
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise InputError(
            f"got an array of shape {images.shape}, expected images (n, h, w) or (n, h, w, c) with 1 or 3 channels; "
            "other arrays need a Keras model of your own (network=model)",
            argument="X",
        )
    if images.dtype != np.uint8:
        kind = images.dtype.kind
        low, high = (images.min(), images.max()) if images.size and kind in "biuf" else (-1, -1)
        if kind not in "biuf" or not (low >= 0 and high <= (1 if kind == "f" else 255)):
            raise InputError(
                f"got images of {images.dtype} from {low} to {high}, expected whole numbers from 0 to 255 or floats "
                "from 0 to 1",
                argument="X",
            )
        images = np.rint(images * 255).astype(np.uint8) if kind == "f" else images.astype(np.uint8)
    return images
