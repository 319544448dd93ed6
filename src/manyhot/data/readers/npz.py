"""NumPy archives: `X` (or the parts of a CSR matrix) and `Y`, with optional names and ids; nothing pickled."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from tokenize import TokenError
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot.data.indicators import parse_numbers
from manyhot.data.readers.image_folder import IMAGE_COLUMN
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import ZIP, Source, read_error
from manyhot.data.readers.sparse import SparseRows, sparse_samples
from manyhot.data.readers.table import Table, build_samples, column_options
from manyhot.data.readers.targets import reorder_targets, try_labels
from manyhot.data.readers.unpacking import MAX_RATIO, ZIP_ERRORS, ratio_limit
from manyhot.data.samples import Samples
from manyhot.data.targets import Targets
from manyhot.errors import InputError

_PARTS = ("data", "indices", "indptr", "shape")
_NAMES = ("labels", "feature_names", "ids")


def read_npz(source: Source, options: ReadOptions) -> Samples:
    """A NumPy archive: `X` or the parts of a CSR matrix, `Y` (n, l), and texts `labels`, `feature_names`, `ids`."""
    source.refuse_other_content(ZIP, "NPZ")
    arrays = _arrays(source)
    X = _dense_features(arrays) if "X" in arrays else _sparse_features(arrays)
    n_rows, n_features = X.get_shape() if sp.issparse(X) else X.shape
    names = _text_array(arrays, "feature_names", n_features, "f")
    targets, labels = _read_targets(arrays, n_rows, "label_" if options.label_names is None else "")
    ids = np.asarray(_text_array(arrays, "ids", n_rows, "")) if "ids" in arrays else None
    if sp.issparse(X):
        return sparse_samples(SparseRows(X, names, labels, targets, ids=ids), source, options)
    if isinstance(X, pl.DataFrame):
        table = Table(X, declared={IMAGE_COLUMN: "image"})
    elif len(set(names)) < len(names):
        raise source.error("feature_names must be unique")
    else:
        table = Table(pl.DataFrame(X, schema=list(names), orient="row"), declared=dict.fromkeys(names, "numeric"))
    plain = build_samples(table, source, column_options(options))
    plain = plain if ids is None else replace(plain, ids=ids)
    if targets is None:
        if options.require_labels:
            raise source.error("has no array Y, expected the targets (n, l)")
        return plain
    return plain.with_targets(*try_labels(reorder_targets, targets, labels, options=options))


def _arrays(source: Source) -> dict[str, np.ndarray]:
    names = ("X", "Y", *_PARTS, *_NAMES)
    content = source.content()
    try:
        _refuse_bomb(content, source)
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in names if name in archive.files}
    except InputError:
        raise
    except (*ZIP_ERRORS, KeyError, OSError, MemoryError, SyntaxError, TokenError, TypeError) as error:  # NumPy's heads
        if "pickle" in str(error):
            raise source.error(
                "holds Python objects, which are never loaded; save numbers and text (dtype=str) only"
            ) from None
        raise read_error(source, "NPZ", error) from None
    damaged = next((name for name, array in arrays.items() if not isinstance(array, np.ndarray)), None)
    if damaged is not None:  # NumPy gives the bytes of what does not begin as an array does
        raise source.error(f"{damaged} is damaged: it does not begin as an array of NumPy does")
    return arrays


def _refuse_bomb(content: bytes, source: Source) -> None:
    """Raise for an archive that unpacks to many times its size."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        n_bytes = sum(entry.file_size for entry in archive.infolist())
    if n_bytes > ratio_limit(len(content)):
        raise source.error(
            f"unpacks to {n_bytes:,} bytes, more than {MAX_RATIO} times its size, as files made to exhaust memory do; "
            "if it is what it should be, save it with numpy.savez, or X as the parts of a CSR matrix"
        )


def _dense_features(arrays: Mapping[str, np.ndarray]) -> Any:
    X = arrays["X"]
    if X.ndim == 3 or (X.ndim == 4 and X.shape[3] in (1, 3)):
        if X.dtype != np.uint8:
            raise InputError(f"X has shape {X.shape} and type {X.dtype}; images are whole numbers of type uint8")
        return pl.DataFrame([pl.Series(IMAGE_COLUMN, np.ascontiguousarray(X))])
    if X.ndim != 2 or X.dtype.kind not in "biuf":
        raise InputError(
            f"X has shape {X.shape} and type {X.dtype}, expected numbers of shape (n, f), or images uint8 (n, h, w)"
        )
    return X.astype(np.float64)


def _sparse_features(arrays: Mapping[str, np.ndarray]) -> sp.csr_matrix:
    missing = [name for name in _PARTS if name not in arrays]
    if missing:
        raise InputError(
            f"has no array X, nor all of {', '.join(_PARTS)}; found {', '.join(arrays) or 'none of these'}"
        )
    if any(arrays[name].dtype.kind not in "biuf" for name in _PARTS) or arrays["shape"].shape != (2,):
        raise InputError("the parts of the CSR matrix are no numbers, or shape is no pair")
    try:
        shape = (int(arrays["shape"][0]), int(arrays["shape"][1]))
        matrix = sp.csr_matrix((arrays["data"].astype(np.float64), arrays["indices"], arrays["indptr"]), shape=shape)
        matrix.check_format(full_check=True)
    except (ValueError, IndexError, OverflowError) as error:
        raise InputError(f"the parts do not make a CSR matrix ({error})") from None
    matrix.sum_duplicates()
    return matrix


def _read_targets(arrays: Mapping[str, np.ndarray], n_rows: int, prefix: str) -> tuple[Targets | None, tuple[str, ...]]:
    """The targets; labels without a name are called by their number behind the prefix."""
    if "Y" not in arrays:
        return None, ()
    Y = arrays["Y"]
    if Y.ndim != 2 or Y.shape[0] != n_rows or Y.dtype.kind not in "biuf":
        raise InputError(f"Y has shape {Y.shape} and type {Y.dtype}, expected numbers of shape ({n_rows}, l)")
    names = _text_array(arrays, "labels", Y.shape[1], prefix)
    return parse_numbers(Y.astype(np.float64), names, "NaN, ?"), names


def _text_array(arrays: Mapping[str, np.ndarray], key: str, count: int, prefix: str) -> tuple[str, ...]:
    if key not in arrays:
        return tuple(f"{prefix}{j}" for j in range(count))
    texts = arrays[key]
    if texts.shape != (count,) or texts.dtype.kind not in "Uiu":
        raise InputError(f"{key} has shape {texts.shape} and type {texts.dtype}, expected text of shape ({count},)")
    if texts.dtype.kind == "U" and texts.size and texts.dtype.itemsize:
        codes = np.ascontiguousarray(texts).view(np.dtype(np.uint32).newbyteorder(texts.dtype.byteorder))
        if ((codes > sys.maxunicode) | ((codes >= 0xD800) & (codes <= 0xDFFF))).any():
            raise InputError(f"{key} is damaged: it has codes that are no characters")
    return tuple(str(text) for text in texts)
