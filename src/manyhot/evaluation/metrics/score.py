"""One measured number with what it covers, and the checks that every metric starts with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from manyhot.data.targets import Targets
from manyhot.errors import InputError

# Work goes through the arrays in blocks of about this many entries, so that temporary memory stays at a few dozen
# megabytes whatever n and l are, and a block still fits into the processor's cache.
MAX_BLOCK_ENTRIES = 1 << 20
# Labels taken at once: the columns of a row-major matrix share cache lines, so one at a time would read it all again.
LABELS_AT_ONCE = 16


@dataclass(frozen=True)
class Score:
    """One measured number and what it covers."""

    value: float  # NaN when nothing could be scored
    n_labels: int  # labels that entered
    n_samples: int  # rows that entered, or pixels
    baseline: float | None = None  # what a prediction that ignores the features gets


@dataclass(frozen=True)
class Column:
    """The known entries of one label."""

    label: int
    values: np.ndarray  # bool (m,)
    scores: np.ndarray  # float (m,)
    rows: np.ndarray  # int64 (m,)


@dataclass(frozen=True)
class Entries:
    """Targets beside their scores or decisions, checked and laid out as one row per sample or pixel."""

    values: np.ndarray  # bool (n, l), False where unknown
    known: np.ndarray  # bool (n, l), perhaps a read-only view of one True
    predictions: np.ndarray  # scores in [0, 1] or decisions, (n, l)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and labels."""
        return self.values.shape[0], self.values.shape[1]

    def known_per_row(self) -> np.ndarray:
        """Known entries of each row, int64 (n,)."""
        return self.known.sum(axis=1, dtype=np.int64)

    def known_per_label(self) -> np.ndarray:
        """Known entries of each label, int64 (l,)."""
        return self.known.sum(axis=0, dtype=np.int64)

    def prevalence(self) -> np.ndarray:
        """Share of positives among the known entries of each label, float64 (l,); 0 where nothing is known."""
        n_known = self.known_per_label()
        return self.values.sum(axis=0, dtype=np.int64) / np.maximum(n_known, 1)

    def score(
        self,
        value: float,
        baseline: float,
        rows: np.ndarray | slice = slice(None),
        labels: np.ndarray | slice = slice(None),
    ) -> Score:
        """A value with its coverage: labels and rows with a known entry among the chosen ones, bool (n,) and (l,)."""
        known = self.known[rows][:, labels]
        n_labels, n_samples = int(known.any(axis=0).sum()), int(known.any(axis=1).sum())
        if n_labels == 0 or n_samples == 0 or math.isnan(value):
            return Score(math.nan, n_labels, n_samples, None)
        return Score(float(value), n_labels, n_samples, None if math.isnan(baseline) else float(baseline))

    def columns(self, labels: Sequence[int] | np.ndarray | None = None) -> Iterator[Column]:
        """Iterate over the known entries of all labels, or of those given in their order, a few copied at a time."""
        n, n_labels = self.shape
        label_order = np.arange(n_labels) if labels is None else np.asarray(labels)
        for part in blocks(len(label_order), min(n, (1 << 20) // LABELS_AT_ONCE)):
            batch = label_order[part]
            arrays = (np.ascontiguousarray(array[:, batch].T) for array in (self.values, self.known, self.predictions))
            for label, values, known, predictions in zip(batch.tolist(), *arrays, strict=True):
                rows = np.flatnonzero(known)
                yield Column(label, values[rows], predictions[rows], rows)


def score_entries(targets: Targets, scores: np.ndarray) -> Entries:
    """Targets (n, l), or deeper with the label axis last, beside checked scores of the same shape."""
    return _build_entries(targets, check_scores(scores, targets.values.shape))


def decision_entries(targets: Targets, decisions: np.ndarray) -> Entries:
    """Targets (n, l), or deeper with the label axis last, beside decisions of the same shape: bool, or 0 and 1."""
    array = np.asarray(decisions)
    _check_shape(array, targets.values.shape, "decisions")
    if array.dtype != np.bool_:
        if array.dtype.kind not in "iuf" or not ((array == 0) | (array == 1)).all():
            raise InputError(
                f"got {array.dtype} values that are not all 0 or 1; decide first (score >= threshold)",
                argument="decisions",
            )
        array = array == 1
    return _build_entries(targets, array)


def check_scores(scores: np.ndarray, shape: tuple[int, ...] | None = None, n_labels: int | None = None) -> np.ndarray:
    """Check scores in [0, 1], label axis last; floats keep their type, float16 becomes float32, integers float64."""
    array = np.asarray(scores)
    if shape is not None:
        _check_shape(array, shape, "scores")
    elif array.ndim < 2:
        raise InputError(f"got shape {array.shape}, expected (n, l)", argument="scores")
    if n_labels is not None and array.shape[-1] != n_labels:
        raise InputError(f"got {array.shape[-1]} labels, expected {n_labels}", argument="scores")
    if array.dtype.kind not in "biuf":
        raise InputError(f"got {array.dtype} values, expected numbers from 0 to 1", argument="scores")
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    elif array.dtype.itemsize not in (4, 8):
        array = array.astype(np.float32 if array.dtype.itemsize < 4 else np.float64)
    if array.size:
        low, high = float(array.min()), float(array.max())  # either is NaN when any score is
        if not (low >= 0.0 and high <= 1.0):
            raise InputError(
                f"scores run from {low:g} to {high:g}, expected probabilities from 0 to 1; "
                "apply the sigmoid to logits first",
                argument="scores",
            )
    return array


def blocks(n: int, width: int) -> Iterator[slice]:
    """Slices over n lines of the given width, each of about `MAX_BLOCK_ENTRIES` entries."""
    step = max(1, MAX_BLOCK_ENTRIES // max(1, width))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def _check_shape(array: np.ndarray, shape: tuple[int, ...], name: str) -> None:
    if array.shape != shape:
        raise InputError(f"got shape {array.shape}, expected {shape} as in the targets", argument=name)


def _build_entries(targets: Targets, predictions: np.ndarray) -> Entries:
    if targets.values.ndim < 2:
        raise InputError(f"got shape {targets.values.shape}, expected (n, l)", argument="targets")
    width = targets.n_labels
    n = targets.values.size // width if width else 0
    known = np.broadcast_to(np.True_, targets.values.shape) if targets.known is None else targets.known
    return Entries(*(array.reshape(n, width) for array in (targets.values, known, predictions)))
