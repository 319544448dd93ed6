"""Known targets counted by label, fold and logit: all that fitting a map needs, in far less room than the scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from manyhot.data.targets import Targets
from manyhot.decisions.calibration.parametric import logits, max_logit
from manyhot.evaluation.metrics.score import Entries, blocks, score_entries

# Width of a cell in logits. A cell's entries are fitted at their mean, which errs by the square of this
CELL_WIDTH = 1 / 16


@dataclass(frozen=True)
class KnownEntries(Entries):
    """Targets beside scores and the weights of the rows."""

    weights: np.ndarray  # float64 (n,), 0 or more

    def entry_weights(self, part: slice) -> np.ndarray:
        """The weight of each entry of some labels, float64 (n, b); 0 where unknown."""
        return self.known[:, part] * self.weights[:, None]

    def label_blocks(self, n_folds: int = 1) -> Iterator[slice]:
        """Blocks of labels that bound the room of everything done with one block."""
        return blocks(self.values.shape[1], max(len(self.weights), n_folds * _n_cells(self.predictions.dtype)))

    def histogram(self, part: slice, folds: np.ndarray | None = None) -> Histogram:
        """Count the entries of some labels, the first of them as 0; folds int (n,) from 0, None for one fold."""
        n_folds = 1 if folds is None else int(folds.max(initial=0)) + 1
        n_cells, weights = _n_cells(self.predictions.dtype), self.entry_weights(part)
        z = logits(self.predictions[:, part])
        width = z.shape[1]
        cell = np.rint(z / CELL_WIDTH).astype(np.int64)
        cell += n_cells // 2 + n_folds * n_cells * np.arange(width)
        if folds is not None:
            cell += n_cells * folds[:, None]
        cell_index, size = cell.ravel(), width * n_folds * n_cells
        total = np.bincount(cell_index, weights.ravel(), size)
        positive = np.bincount(cell_index, (weights * self.values[:, part]).ravel(), size)
        z *= weights
        summed = np.bincount(cell_index, z.ravel(), size)
        return _nonempty_cells(total, positive, summed, n_folds, n_cells)


class Histogram(NamedTuple):
    """Known entries in k cells, by label, then fold, then logit."""

    label: np.ndarray  # int64 (k,)
    fold: np.ndarray  # int64 (k,)
    z: np.ndarray  # float64 (k,), weighted mean logit of a cell's entries
    positive: np.ndarray  # float64 (k,), weight of the positives
    total: np.ndarray  # float64 (k,), weight of all, above 0

    def select(self, mask: np.ndarray) -> Histogram:
        """The chosen cells; bool or indices."""
        return Histogram(*(column[mask] for column in self))

    def varying_labels(self, n_labels: int) -> np.ndarray:
        """Which labels have a positive and a negative, bool (n_labels,)."""
        positive = np.bincount(self.label, self.positive, n_labels)
        negative = np.bincount(self.label, self.total - self.positive, n_labels)
        return (positive > 0) & (negative > 0)

    def select_labels(self, mask: np.ndarray) -> Histogram:
        """The cells of the labels marked in bool (l,), numbered anew from 0."""
        cells = self.select(mask[self.label])
        return cells._replace(label=(np.cumsum(mask) - 1)[cells.label])


def known_entries(scores: np.ndarray, targets: Targets, weights: np.ndarray | None) -> KnownEntries:
    """Put scores, targets and the weights of the samples, (n,) and 0 or more or None for 1, side by side."""
    entries = score_entries(targets, scores)
    sample_weights = np.ones(targets.n_samples) if weights is None else weights.astype(np.float64)
    row_weights = np.repeat(sample_weights, entries.shape[0] // max(targets.n_samples, 1))
    return KnownEntries(entries.values, entries.known, entries.predictions, row_weights)


def concatenate_histograms(parts: list[tuple[int, Histogram]]) -> Histogram:
    """The tallies of blocks of labels as one, given the number of each block's first label."""
    shifted = [part._replace(label=part.label + first_label) for first_label, part in parts]
    return Histogram(*(np.concatenate(columns) for columns in zip(*shifted, strict=True)))


def pool_histograms(parts: list[Histogram], dtype: np.dtype) -> Histogram:
    """The entries of all labels as if they were one label's; each fold for itself."""
    n_cells = _n_cells(dtype)
    n_folds = 1 + max((int(part.fold.max(initial=0)) for part in parts), default=0)
    total, positive, summed = sums = np.zeros((3, n_folds * n_cells))
    for part in parts:
        cell_index = np.rint(part.z / CELL_WIDTH).astype(np.int64) + n_cells // 2 + part.fold * n_cells
        for row, column in zip(sums, (part.total, part.positive, part.total * part.z), strict=True):
            row += np.bincount(cell_index, column, len(row))
    return _nonempty_cells(total, positive, summed, n_folds, n_cells)


def _n_cells(dtype: np.dtype) -> int:
    return 2 * (int(np.ceil(max_logit(dtype) / CELL_WIDTH)) + 1) + 1


def _nonempty_cells(
    total: np.ndarray, positive: np.ndarray, summed: np.ndarray, n_folds: int, n_cells: int
) -> Histogram:
    cells = np.flatnonzero(total > 0)
    label, fold = np.divmod(cells // n_cells, n_folds)
    return Histogram(label, fold, summed[cells] / total[cells], positive[cells], total[cells])
