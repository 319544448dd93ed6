"""What a person hands to the estimator, brought into the few forms that the rest takes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import scipy.sparse as sp
from PIL import Image

from manyhot.data.image_decoding import BadImageError, encode_png
from manyhot.data.number_cells import NumberFormat
from manyhot.data.readers.column_types import cast_column
from manyhot.data.readers.columns import coerce_column, is_written, to_text
from manyhot.data.samples import Arrays
from manyhot.errors import InputError
from manyhot.validation import refuse_twin_columns, shorten


def is_frame(X: Any) -> bool:
    """Whether X is a data frame of any kind."""
    return isinstance(nw.from_native(X, eager_only=True, pass_through=True), nw.DataFrame)


def refuse_other_forms(X: Any, is_custom_network: bool = False) -> None:
    """Refuse what is no table of rows, with the way to one."""
    refuse_twin_columns(X, "X")
    if isinstance(X, (str, bytes)):
        raise InputError(f"got one text, {shorten(X)}, expected a list of texts: write [{shorten(X)}]", argument="X")
    if isinstance(X, os.PathLike):
        raise InputError(
            f"got a path, expected rows; read the file first: manyhot.data.readers.read({shorten(str(X))}, "
            "ReadOptions(labels=...)), or train with fit_file",
            argument="X",
        )
    if isinstance(nw.from_native(X, pass_through=True), nw.LazyFrame):
        raise InputError(
            f"got a {type(X).__name__}, which holds no rows yet; expected a DataFrame: write X.collect()", argument="X"
        )
    first = X[0] if isinstance(X, (list, tuple)) and len(X) else None
    if isinstance(first, Mapping):
        raise InputError("got rows as dicts, expected a table: write pandas.DataFrame(X)", argument="X")
    if isinstance(X, Mapping) and not sp.issparse(X) and not is_custom_network:
        axes = {np.ndim(block) for block in X.values()}
        if axes == {0}:
            raise InputError("got one row as a dict, expected a table: write pandas.DataFrame([X])", argument="X")
        if not X or min(axes) < 2:
            raise InputError("got a dict of columns, expected a table: write pandas.DataFrame(X)", argument="X")


def extract_texts(X: Any) -> pl.Series | None:
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


def to_frame(
    X: Any,
    column_types: Mapping[str, str] | None = None,
    number_formats: Mapping[str, NumberFormat] | None = None,
    is_raw: bool = False,
) -> pl.DataFrame:
    """A polars frame with the same columns, each in the type its values have; missing stays missing."""
    column_types = column_types or {}

    def convert(column: pl.Series) -> pl.Series:
        if isinstance(column.dtype, pl.Struct) and column.dtype.to_schema().get("bytes") == pl.Binary:
            return column.struct.field("bytes").alias(column.name)
        kind = column_types.get(column.name)
        if kind in ("text", "categorical"):
            return to_text(column)
        if number_formats is not None and is_written(column) and kind in ("numeric", "boolean"):
            return coerce_column(column, "numeric" if kind == "numeric" else "boolean", number_formats.get(column.name))
        if column.dtype in (pl.Categorical, pl.Enum):
            return to_text(column).cast(pl.Categorical)
        return column if is_raw else cast_column(column)

    if isinstance(X, pl.DataFrame):
        columns = [image_column(series.name, series.to_list()) if series.dtype == pl.Object else series for series in X]
        return pl.DataFrame([convert(column) for column in columns])
    refuse_twin_columns(X, "X")
    frame = nw.from_native(X, eager_only=True)
    names = [str(name) for name in frame.columns]
    return pl.DataFrame(
        [convert(_series(name, column)) for name, column in zip(names, frame.iter_columns(), strict=True)]
    )


def _series(name: str, column: nw.Series) -> pl.Series:
    if (column.dtype.is_numeric() or column.dtype == nw.Boolean) and not column.is_null().any():
        return pl.Series(name, column.to_numpy())
    cells = _cells(column)
    if column.dtype.is_numeric():
        return pl.Series(name, cells, dtype=pl.Float64, strict=False)
    if column.dtype in (nw.Categorical, nw.Enum):
        return to_text(pl.Series(name, cells, strict=False)).cast(pl.Categorical)
    if column.dtype.is_temporal() or any(hasattr(cell, "to_timestamp") for cell in cells[:100]):
        return pl.Series(name, [_to_standard_time(cell) for cell in cells], strict=False)
    if any(isinstance(cell, (bytes, np.ndarray, Image.Image)) for cell in cells):
        return image_column(name, cells)
    if all(cell is None or isinstance(cell, (bool, np.bool_)) for cell in cells):
        return pl.Series(name, cells, dtype=pl.Boolean)
    if all(cell is None or isinstance(cell, (int, float, np.number)) for cell in cells):
        return pl.Series(name, cells, dtype=pl.Float64, strict=False)
    return pl.Series(name, [None if cell is None else str(cell) for cell in cells], dtype=pl.String)


def _to_standard_time(cell: Any) -> Any:
    """A moment, period or span of pandas as one of the standard library."""
    if hasattr(cell, "to_timestamp"):  # a period, which is taken at its start
        cell = cell.to_timestamp()
    for method in ("to_pydatetime", "to_pytimedelta"):
        if hasattr(cell, method):
            return getattr(cell, method)()
    return cell


def _cells(column: nw.Series) -> list[Any]:
    """The values, None for missing ones of any kind."""
    is_missing = column.is_null().to_numpy()
    return [None if is_null else value for value, is_null in zip(column.to_list(), is_missing, strict=True)]


def row_weights(sample_weight: Any, n_rows: int) -> np.ndarray:
    """Weights of rows, float64 (n,), ones when none are given."""
    if sample_weight is None:
        return np.ones(n_rows)
    if isinstance(sample_weight, (str, Mapping)):
        raise InputError(
            f"got {shorten(sample_weight)}, expected one number for each row, (n,); labels are weighted with "
            "label_weights='balanced', or a dict of them",
            argument="sample_weight",
        )
    try:
        weights = np.array(sample_weight, dtype=float)
    except (TypeError, ValueError):
        raise InputError(
            f"got {shorten(sample_weight)}, expected one number for each row, (n,)", argument="sample_weight"
        ) from None
    if weights.ndim == 0:
        weights = np.full(n_rows, float(weights))
    if weights.shape != (n_rows,):
        raise InputError(
            f"Sample weights must be 1D array or scalar: got shape {weights.shape}, expected ({n_rows},)",
            argument="sample_weight",
        )
    invalid = np.flatnonzero(~np.isfinite(weights) | (weights < 0))
    if invalid.size:
        raise InputError(
            f"got {weights[invalid[0]]}, expected a finite weight of 0 or more",
            row=int(invalid[0]) + 1,
            argument="sample_weight",
        )
    if not weights.any():
        raise InputError("Sample weights are all zero, so no row counts", argument="sample_weight")
    return weights


def to_arrays(X: Any) -> Arrays | None:
    """Named arrays, when X is a dict or list of arrays or one array with more than two axes; else None."""
    if isinstance(X, Arrays):
        return X
    if isinstance(X, Mapping) and not sp.issparse(X):
        return Arrays(X)
    if isinstance(X, (list, tuple)) and X and all(isinstance(part, np.ndarray) and part.ndim > 1 for part in X):
        return Arrays({f"input_{k}": part for k, part in enumerate(X)})
    if isinstance(X, np.ndarray) and X.ndim > 2:
        return Arrays({"features": X})
    return None


def image_column(name: str, cells: Sequence[Any]) -> pl.Series:
    """Images as one column: arrays where all are arrays of one shape, else the contents of files."""
    shapes = {cell.shape if isinstance(cell, np.ndarray) and cell.dtype == np.uint8 else () for cell in cells}
    if len(shapes) == 1 and len(next(iter(shapes))) in (2, 3):
        return image_frame(np.stack(list(cells)), name)[name]
    contents: list[bytes | None] = []
    for row, cell in enumerate(cells, 1):
        try:
            if isinstance(cell, (np.ndarray, Image.Image)):
                contents.append(encode_png(cell))
            elif cell is None or isinstance(cell, bytes):
                contents.append(cell)
            else:
                raise BadImageError(f"is {type(cell).__name__}, beside bytes, arrays or images of Pillow's")
        except BadImageError as error:
            raise InputError(f"the image {error}", row=row, column=name) from None
    return pl.Series(name, contents, dtype=pl.Binary)


def image_frame(images: np.ndarray, name: str) -> pl.DataFrame:
    """One column of images from an array."""
    return pl.DataFrame([pl.Series(name, np.ascontiguousarray(to_uint8(images)))])


def to_uint8(images: np.ndarray) -> np.ndarray:
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


def refuse_infinity(matrix: np.ndarray | sp.csr_matrix) -> None:
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


def refuse_text(X: Any) -> None:
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
                f"got {shorten(cell)}, expected a number; columns of categories or text come in a DataFrame",
                row=row + 1,
                column=f"x{column}",
            ) from None
