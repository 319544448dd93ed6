"""Targets as lists of labels, for so many labels that one array of rows by labels does not fit."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from manyhot.engine.device_data import bucket

PADDING_LABEL = -1  # fills up a row's list
MIN_LIST_SIZE = 8  # places in a row's list at least


class PaddedTargets(NamedTuple):
    """Targets of one step; labels below 0 or not below the number of labels are padding, none comes twice in a row."""

    positives: Any  # int32 (b, p), the labels that hold
    weights: Any  # float (b,), the rows' weights, 0 for rows that only fill up the step
    unknown: Any = None  # int32 (b, q), labels that nobody looked at, left out of the loss; None for none


def pad_positives(indptr: np.ndarray, indices: np.ndarray, min_size: int = MIN_LIST_SIZE) -> np.ndarray:
    """Pad rows of a CSR matrix to int32 (b, p), ascending without repeats; p is the next power of two."""
    starts = np.asarray(indptr, dtype=np.int64)
    labels = np.asarray(indices, dtype=np.int64)[starts[0] : starts[-1]]
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((labels, rows))
    rows, labels = rows[order], labels[order]
    is_first = np.ones(len(rows), dtype=bool)
    is_first[1:] = (rows[1:] != rows[:-1]) | (labels[1:] != labels[:-1])
    rows, labels = rows[is_first], labels[is_first]
    counts = np.bincount(rows, minlength=len(starts) - 1)
    width = max(min_size, 1 << (int(counts.max(initial=1)) - 1).bit_length())
    padded = np.full((len(counts), width), PADDING_LABEL, dtype=np.int32)
    padded[rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)] = labels
    return padded


class LabelLists(NamedTuple):
    """The labels of all rows, one row after another."""

    labels: Any  # int32 (z,), padded
    starts: Any  # int32 (n + 1,), where each row begins


def make_label_lists(targets: sp.csr_matrix) -> LabelLists:
    """CSR targets (n, l) -> lists on the host, padded to a bucket."""
    n_rows = bucket(targets.shape[0])
    starts = np.full(n_rows + 1, targets.nnz, np.int32)
    starts[: targets.shape[0] + 1] = targets.indptr
    size = bucket(max(targets.nnz, 1))
    return LabelLists(np.pad(targets.indices.astype(np.int32), (0, size - targets.nnz)), starts)


def list_size_of(targets: sp.csr_matrix) -> int:
    """Places of a row's list: the next power of two, so that nearly equal data share a program."""
    longest = int(np.diff(targets.indptr).max(initial=1))
    return max(MIN_LIST_SIZE, 1 << (longest - 1).bit_length())
