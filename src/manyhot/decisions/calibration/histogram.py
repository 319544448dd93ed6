"""Known targets counted by label, fold and logit: all that fitting a map needs, in far less room than the scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from manyhot.data.targets import Targets
from manyhot.decisions.calibration.parametric import logits, widest
from manyhot.errors import InputError
from manyhot.evaluation.metrics.score import blocks, scored

STEP = 1 / 16
"""Width of a cell in logits. A cell's entries are fitted at their mean, which errs by the square of this."""


@dataclass(frozen=True)
class Known:
    """Scores beside targets and the weights of the rows, checked.

    Args:
        scores: float (n, l) in [0, 1].
        values: bool (n, l).
        known: bool (n, l), or None when everything is known.
        weights: float64 (n,), 0 or more.
    """

    scores: np.ndarray
    values: np.ndarray
    known: np.ndarray | None
    weights: np.ndarray

    def entry_weights(self, part: slice) -> np.ndarray:
        """The weight of each entry of some labels, float64 (n, b); 0 where unknown."""
        shape = (len(self.weights), part.stop - part.start)
        if self.known is None:
            return np.broadcast_to(self.weights[:, None], shape)
        return self.known[:, part] * self.weights[:, None]

    def parts(self, n_folds: int = 1) -> Iterator[slice]:
        """Blocks of labels that bound the room of everything done with one block."""
        return blocks(self.values.shape[1], max(len(self.weights), n_folds * _n_cells(self.scores.dtype)))

    def tally(self, part: slice, folds: np.ndarray | None = None) -> Tally:
        """Count the entries of some labels.

        Args:
            part: The labels; the first of them is 0 in the tally.
            folds: int (n,), from 0; None for one fold.
        """
        n_folds = 1 if folds is None else int(folds.max(initial=0)) + 1
        n_cells, weights = _n_cells(self.scores.dtype), self.entry_weights(part)
        z = logits(self.scores[:, part])
        width = z.shape[1]
        cell = np.rint(z / STEP).astype(np.int64)
        cell += n_cells // 2 + n_folds * n_cells * np.arange(width)
        if folds is not None:
            cell += n_cells * folds[:, None]
        place, size = cell.ravel(), width * n_folds * n_cells
        total = np.bincount(place, weights.ravel(), size)
        positive = np.bincount(place, (weights * self.values[:, part]).ravel(), size)
        z *= weights
        summed = np.bincount(place, z.ravel(), size)
        return _cells(total, positive, summed, n_folds, n_cells)


class Tally(NamedTuple):
    """Known entries in k cells, by label, then fold, then logit.

    Attributes:
        label: int64 (k,), from 0.
        fold: int64 (k,), from 0.
        z: float64 (k,), the weighted mean logit of a cell's entries.
        positive: float64 (k,), the weight of its entries that carry the label.
        total: float64 (k,), the weight of all its entries, above 0.
    """

    label: np.ndarray
    fold: np.ndarray
    z: np.ndarray
    positive: np.ndarray
    total: np.ndarray

    def where(self, chosen: np.ndarray) -> Tally:
        """The chosen cells; bool or indices."""
        return Tally(*(column[chosen] for column in self))

    def varies(self, n_labels: int) -> np.ndarray:
        """Which labels have a positive and a negative, bool (n_labels,)."""
        positive = np.bincount(self.label, self.positive, n_labels)
        negative = np.bincount(self.label, self.total - self.positive, n_labels)
        return (positive > 0) & (negative > 0)

    def of_labels(self, chosen: np.ndarray) -> Tally:
        """The cells of the labels marked in bool (l,), numbered anew from 0."""
        cells = self.where(chosen[self.label])
        return cells._replace(label=(np.cumsum(chosen) - 1)[cells.label])


def known_entries(scores: np.ndarray, targets: Targets, weights: np.ndarray | None) -> Known:
    """Scores, targets and weights side by side.

    Raises:
        InputError: Another shape, a score that is no probability, or weights that are no weights.
    """
    entries = scored(targets, scores)
    n, n_samples = entries.shape[0], targets.n_samples
    if weights is None:
        return Known(entries.answers, entries.values, entries.known, np.ones(n))
    given = np.asarray(weights)
    if given.shape != (n_samples,) or given.dtype.kind not in "biuf":
        raise InputError(
            f"got {given.dtype} values of shape {given.shape}, expected one number per row ({n_samples})",
            argument="weights",
        )
    wide = given.astype(np.float64)
    if not (np.isfinite(wide) & (wide >= 0)).all():
        raise InputError("a weight is negative or not finite, expected numbers from 0 upwards", argument="weights")
    return Known(entries.answers, entries.values, entries.known, np.repeat(wide, n // max(n_samples, 1)))


def joined(parts: list[tuple[int, Tally]]) -> Tally:
    """The tallies of blocks of labels as one, given the number of each block's first label."""
    shifted = [part._replace(label=part.label + first) for first, part in parts]
    return Tally(*(np.concatenate(columns) for columns in zip(*shifted, strict=True)))


def pooled(parts: list[Tally], dtype: np.dtype) -> Tally:
    """The entries of all labels as if they were one label's; each fold for itself."""
    n_cells = _n_cells(dtype)
    n_folds = 1 + max((int(part.fold.max(initial=0)) for part in parts), default=0)
    total, positive, summed = sums = np.zeros((3, n_folds * n_cells))
    for part in parts:
        place = np.rint(part.z / STEP).astype(np.int64) + n_cells // 2 + part.fold * n_cells
        for row, column in zip(sums, (part.total, part.positive, part.total * part.z), strict=True):
            row += np.bincount(place, column, len(row))
    return _cells(total, positive, summed, n_folds, n_cells)


def _n_cells(dtype: np.dtype) -> int:
    return 2 * (int(np.ceil(widest(dtype) / STEP)) + 1) + 1


def _cells(total: np.ndarray, positive: np.ndarray, summed: np.ndarray, n_folds: int, n_cells: int) -> Tally:
    kept = np.flatnonzero(total > 0)
    label, fold = np.divmod(kept // n_cells, n_folds)
    return Tally(label, fold, summed[kept] / total[kept], positive[kept], total[kept])
