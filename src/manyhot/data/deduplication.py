"""Equal rows become one row with their weights added, so that no copy of a row trained on is scored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from manyhot.data.targets import Targets

CHUNK_NUMBERS = 2**25
# Rows for each different one, on average, from which on equal rows are taken for different samples
ROWS_PER_DISTINCT = 5


class UniqueRows(NamedTuple):
    """Distinct rows, ordered by a 128-bit hash of what they hold."""

    rows: np.ndarray  # int64 (u,), one original row for each distinct row
    inverse: np.ndarray  # int64 (n,), the distinct row of each original row
    weights: np.ndarray  # float64 (u,), summed weights


def merge_duplicates(
    blocks: Mapping[str, np.ndarray | sp.csr_matrix], targets: Targets, weights: np.ndarray
) -> UniqueRows:
    """Merge rows whose features and targets are equal bit for bit."""
    # Two different rows share a 128-bit hash with a probability below n^2 / 2^120.
    n = targets.n_samples
    parts = [*blocks.values(), _bits(targets.values)]
    if targets.known is not None:
        parts.append(_bits(targets.known))
    first, second = (
        sum((_hash(part, [seed, k]) for k, part in enumerate(parts)), np.zeros(n, np.uint64)) for seed in (1, 2)
    )
    order = np.lexsort((second, first))
    is_new = np.ones(n, dtype=bool)
    is_new[1:] = (first[order][1:] != first[order][:-1]) | (second[order][1:] != second[order][:-1])
    group = np.cumsum(is_new) - 1
    inverse = np.empty(n, dtype=np.int64)
    inverse[order] = group
    return UniqueRows(order[is_new], inverse, np.bincount(inverse, weights=weights, minlength=int(is_new.sum())))


def fingerprints(blocks: Mapping[str, np.ndarray | sp.csr_matrix]) -> np.ndarray:
    """A number for what each row's features are, uint64 (n,): equal rows have equal numbers."""
    # Two different rows share one with a probability below n^2 / 2^60.
    parts = [_hash(part, [3, k]) for k, part in enumerate(blocks.values())]
    return np.asarray(np.sum(parts, axis=0, dtype=np.uint64))


def has_few_distinct(numbers: np.ndarray) -> bool:
    """Whether there are so few different rows that equal ones are other samples, not copies of one."""
    return len(np.unique(numbers)) * ROWS_PER_DISTINCT <= len(numbers)


def duplicate_fraction(numbers: np.ndarray) -> float:
    """Share of the rows that are equal to another row, about that of new rows equal to one of these by chance."""
    # Source: Good (1953), Biometrika 40: the share of the rows that are there once estimates that of rows never seen.
    _, counts = np.unique(numbers, return_counts=True)
    return float(counts[counts > 1].sum() / max(len(numbers), 1))


def _bits(values: np.ndarray) -> np.ndarray:
    """bool (n, ...) -> uint32 (n, words)."""
    packed = np.packbits(values.reshape(len(values), -1), axis=1)
    padded = np.pad(packed, [(0, 0), (0, -packed.shape[1] % 4)])
    return np.ascontiguousarray(padded).view(np.uint32)


def _hash(part: Any, seed: list[int]) -> np.ndarray:
    """uint64 (n,): the wrapping sum of mixed (column, value) pairs, whatever the order of the pairs."""
    if not sp.issparse(part):
        part = part.reshape(len(part), -1)
    generator = np.random.default_rng(seed)
    random_values = generator.integers(2**63, size=part.shape[1], dtype=np.uint64)
    coefficients = np.asarray(random_values * np.uint64(2) + np.uint64(1))
    salt = np.uint64(generator.integers(2**63, dtype=np.uint64))
    if sp.issparse(part):
        mixed = _mix(_as_uint64(part.data), coefficients[part.indices], salt)
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed, dtype=np.uint64)])
        return sums[part.indptr[1:]] - sums[part.indptr[:-1]]
    result = np.empty(part.shape[0], dtype=np.uint64)
    n_rows = max(1, CHUNK_NUMBERS // max(part.shape[1], 1))
    for start in range(0, len(result), n_rows):
        bits = _as_uint64(part[start : start + n_rows])
        result[start : start + n_rows] = _mix(bits, coefficients, salt).sum(axis=1, dtype=np.uint64)
    return result


def _as_uint64(values: np.ndarray) -> np.ndarray:
    if values.dtype == np.uint32:
        return values.astype(np.uint64)
    return (np.ascontiguousarray(values, dtype=np.float32) + np.float32(0)).view(np.uint32).astype(np.uint64)


def _mix(bits: np.ndarray, coefficients: np.ndarray, salt: np.uint64) -> np.ndarray:
    mixed = (bits + salt) * coefficients
    mixed ^= mixed >> np.uint64(31)
    mixed *= np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= coefficients
    return mixed
