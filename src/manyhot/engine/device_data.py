"""What a compiled program is given: rows padded to a few sizes, features dense or as padded non-zeros."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from manyhot.backend import jax

jnp = jax.numpy

# sparse features up to this many elements (256 MiB of float32) are laid out densely
DENSE_ELEMENTS = 2**26


def bucket(count: int, min_size: int = 64) -> int:
    """The next of four sizes an octave, so that nearly equal counts share one compiled program."""
    if count <= min_size:
        return min_size
    step = 2 ** (math.floor(math.log2(count - 1)) - 2)
    return math.ceil(count / step) * step


class Nonzeros(NamedTuple):
    """Non-zeros padded to the fullest row, with one column past the last, where a write is dropped."""

    columns: Any  # int32 (n, k)
    values: Any  # float (n, k)


class FlatNonzeros(NamedTuple):
    """All non-zeros of a block, or without values the labels of all rows, row by row."""

    columns: Any  # int32 (z,), padded
    values: Any  # float (z,), padded with 0
    starts: Any  # int32 (n + 1,), where each row begins; padding rows are empty


class DeviceData(NamedTuple):
    """All rows on the device; the leading axis n is padded to a bucket."""

    # (n, ...) of floats, int32 for words, uint8 for images; CSR as `Nonzeros`, or `FlatNonzeros` with a table
    blocks: dict[str, Any]
    values: Any  # uint8 (n, ..., l), 1 where a label holds
    known: Any  # uint8 like `values`, 0 where nobody looked; None when everything is known
    weights: Any  # float (n,), a row's weight
    label_weights: Any  # float (l,), a label's weight
    levels: Any = ()  # which labels imply others; see `max_constraint`


@dataclass(frozen=True)
class EncodedRows:
    """Rows on the host as encoders give them, without padding: what travels to where members are trained."""

    blocks: Mapping[str, np.ndarray | sp.csr_matrix]  # named features (n, ...)
    values: np.ndarray  # bool or uint8 (n, ..., l), where a label holds
    known: np.ndarray | None  # like `values`, where somebody looked; None when everything is known
    weights: np.ndarray  # float (n,)
    dtype: str  # "float32" or "float64", what numbers become on the device
    label_weights: np.ndarray | None = None  # float (l,); None for ones

    def lay_out(self, tables: Collection[str] = ()) -> DeviceData:
        """The same rows padded for a device."""
        return lay_out(self.blocks, self.values, self.known, self.weights, self.dtype, self.label_weights, tables)


@dataclass(frozen=True)
class MemberSplits:
    """Which rows each member trains on, stops on and is scored on; indices, per member."""

    train: Sequence[np.ndarray]  # rows the weights are fitted on, never empty
    validation: Sequence[np.ndarray]  # rows that decide when to stop; empty when nothing stops early
    held_out: Sequence[np.ndarray]  # rows the member never saw, kept for out-of-fold scores

    def __len__(self) -> int:
        return len(self.train)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpack_splits, tuple([pack_indices(rows) for rows in part] for part in vars(self).values())


class PackedIndices(NamedTuple):
    """Rising row indices as one bit a row."""

    first: int
    bits: np.ndarray  # uint8


def pack_indices(rows: np.ndarray) -> PackedIndices | np.ndarray:
    """Row indices as they travel: bits where they rise, else int32."""
    rows = np.asarray(rows)
    if not len(rows) or (np.diff(rows) <= 0).any() or rows[-1] - rows[0] > 32 * len(rows):
        return rows.astype(np.int32)
    mask = np.zeros(int(rows[-1] - rows[0]) + 1, dtype=bool)
    mask[rows - rows[0]] = True
    return PackedIndices(int(rows[0]), np.packbits(mask))


def unpack_indices(packed: PackedIndices | np.ndarray) -> np.ndarray:
    """The row indices that `pack_indices` took, int64."""
    if isinstance(packed, PackedIndices):
        return packed.first + np.flatnonzero(np.unpackbits(packed.bits))
    return packed.astype(np.int64)


def _unpack_splits(*parts: list[PackedIndices | np.ndarray]) -> MemberSplits:
    return MemberSplits(*([unpack_indices(packed) for packed in part] for part in parts))


def pad_rows(array: np.ndarray, n_rows: int, dtype: Any = None) -> np.ndarray:
    """A copy with zeros appended on the first axis up to n_rows, of another type where one is given."""
    padded = np.zeros((n_rows, *array.shape[1:]), array.dtype if dtype is None else dtype)
    padded[: len(array)] = array
    return padded


def pad_indices(row_indices: Sequence[np.ndarray], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Index lists of unequal length -> int32 (m, size) padded with 0, and their lengths int32 (m,)."""
    padded = np.stack([pad_rows(rows, size, np.int32) for rows in row_indices])
    return padded, np.array([len(rows) for rows in row_indices], dtype=np.int32)


def lay_out(
    blocks: Mapping[str, np.ndarray | sp.csr_matrix],
    values: np.ndarray,
    known: np.ndarray | None,
    weights: np.ndarray,
    dtype: str,
    label_weights: np.ndarray | None = None,
    tables: Collection[str] = (),
    *,
    n_rows: int | None = None,
    n_entries: Mapping[str, int] | None = None,
) -> DeviceData:
    """Pad host arrays to a bucket of rows, or to n_rows and n_entries; CSR stays sparse in `tables` or if large."""
    n_rows = bucket(len(values)) if n_rows is None else n_rows
    n_entries = n_entries or {}
    return DeviceData(
        {
            name: flatten_csr(block, n_rows, dtype, n_entries.get(name))
            if name in tables
            else _lay_out_block(block, n_rows, dtype)
            for name, block in blocks.items()
        },
        pad_rows(values, n_rows, np.uint8),
        None if known is None else pad_rows(known, n_rows, np.uint8),
        pad_rows(weights, n_rows, dtype),
        np.ones(values.shape[-1], dtype) if label_weights is None else np.asarray(label_weights, dtype),
    )


def _lay_out_block(block: np.ndarray | sp.csr_matrix, n_rows: int, dtype: str) -> Any:
    if not sp.issparse(block):
        return pad_rows(block, n_rows, device_dtype(block, dtype))
    if block.shape[0] * block.shape[1] <= DENSE_ELEMENTS:
        return pad_rows(sp.csr_matrix(block).toarray(), n_rows, dtype)
    return nonzeros(block, n_rows, dtype)


def device_dtype(block: np.ndarray, dtype: str) -> Any:
    """What a dense block's numbers are on the device: int32 for words, uint8 for images, else the given float."""
    if block.dtype == np.uint8:
        return np.uint8
    return np.int32 if block.dtype.kind == "i" else dtype


def flatten_csr(block: sp.csr_matrix, n_rows: int, dtype: str, size: int | None = None) -> FlatNonzeros:
    """A CSR block (n, f) on the host, padded to n_rows rows and `size` non-zeros; duplicates must have been summed."""
    size = bucket(max(block.nnz, 1)) if size is None else size
    starts = np.full(n_rows + 1, block.nnz, dtype=np.int32)
    starts[: block.shape[0] + 1] = block.indptr
    return FlatNonzeros(
        np.pad(block.indices.astype(np.int32), (0, size - block.nnz)),
        np.pad(block.data.astype(dtype), (0, size - block.nnz)),
        starts,
    )


def nonzeros(block: sp.csr_matrix, n_rows: int, dtype: str) -> Nonzeros:
    """A CSR block (n, f) -> its padded non-zeros; duplicates must have been summed."""
    counts = np.diff(block.indptr)
    width = bucket(int(counts.max(initial=1)), min_size=8)
    columns = np.full((n_rows, width), block.shape[1], dtype=np.int32)
    values = np.zeros((n_rows, width), dtype=dtype)
    rows = np.repeat(np.arange(block.shape[0]), counts)
    places = np.arange(block.indptr[-1]) - np.repeat(block.indptr[:-1], counts)
    columns[rows, places] = block.indices
    values[rows, places] = block.data
    return Nonzeros(columns, values)


def take_rows(block: Any, rows: jax.Array, n_features: int) -> jax.Array:
    """Rows of a block as a dense array (b, f), inside a compiled program."""
    if not isinstance(block, Nonzeros):
        return block[rows]
    columns, values = block.columns[rows], block.values[rows]
    empty = jnp.zeros((rows.shape[0], n_features), values.dtype)
    return empty.at[jnp.arange(rows.shape[0])[:, None], columns].set(values, mode="drop")
