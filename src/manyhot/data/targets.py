"""Targets: a yes, a no or an unknown for every row and label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from manyhot.errors import InputError

# Rows times labels that `Targets` are made for: a byte each, and as many again where some are unknown
MAX_TARGETS = 2_000_000_000


@dataclass(frozen=True)
class Targets:
    """What is known about the labels of some samples.

    Args:
        values: bool, (n, l) for rows or (n, h, w, l) for pixels; the label axis is last. False where unknown.
        known: bool of the same shape, False where nobody looked; None when everything is known.
        notes: What was guessed when they were read, of which a warning spoke.
    """

    values: np.ndarray
    known: np.ndarray | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if self.values.dtype != np.bool_:
            raise TypeError(f"target values are bool, got {self.values.dtype}")
        if self.known is not None:
            if self.known.dtype != np.bool_ or self.known.shape != self.values.shape:
                raise TypeError("known is bool and has the shape of values")
            if self.known.all():
                object.__setattr__(self, "known", None)
            else:
                object.__setattr__(self, "values", self.values & self.known)

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return int(self.values.shape[0])

    @property
    def n_labels(self) -> int:
        """Number of labels."""
        return int(self.values.shape[-1])

    def known_mask(self) -> np.ndarray:
        """The known mask, bool with the shape of values, also when everything is known."""
        return np.ones(self.values.shape, dtype=bool) if self.known is None else self.known

    def take(self, rows: np.ndarray) -> Targets:
        """The targets of the given rows (indices or bool mask)."""
        return Targets(self.values[rows], None if self.known is None else self.known[rows], self.notes)

    def select_labels(self, columns: Sequence[int], is_absent_known: bool = False) -> Targets:
        """The labels at these places, in this order; at -1 one that is not here: no in every row, or else unknown."""
        order = np.asarray(columns, dtype=np.int64)
        present = np.flatnonzero(order >= 0)
        values = np.zeros((*self.values.shape[:-1], len(order)), dtype=bool)
        known = np.full(values.shape, is_absent_known)
        values[..., present] = self.values[..., order[present]]
        known[..., present] = self.known_mask()[..., order[present]]
        return Targets(values, known, self.notes)

    @classmethod
    def concatenate(cls, parts: Sequence[Targets]) -> Targets:
        """The rows of several targets of the same labels, one after another."""
        has_unknown = any(part.known is not None for part in parts)
        known = np.concatenate([part.known_mask() for part in parts]) if has_unknown else None
        return cls(np.concatenate([part.values for part in parts]), known)

    def support(self) -> np.ndarray:
        """Positives per label, int64 (l,)."""
        return self.values.sum(axis=tuple(range(self.values.ndim - 1)), dtype=np.int64)

    def n_known(self) -> np.ndarray:
        """Known entries per label, int64 (l,)."""
        return self.known_mask().sum(axis=tuple(range(self.values.ndim - 1)), dtype=np.int64)

    def prevalence(self) -> np.ndarray:
        """Share of positives among the known entries, float64 (l,); NaN where nothing is known."""
        n_known = self.n_known()
        return np.divide(self.support(), n_known, out=np.full(self.n_labels, np.nan), where=n_known > 0)

    def constant_labels(self) -> np.ndarray:
        """Indices of labels whose known entries are all yes or all no (or that have none)."""
        support = self.support()
        return np.flatnonzero((support == 0) | (support == self.n_known()))


def check_size(n_rows: int, n_labels: int) -> None:
    """Refuse what would not fit into memory as an array of rows by labels."""
    if n_rows * n_labels > MAX_TARGETS:
        refuse_size(n_rows, n_labels)


def refuse_size(n_rows: int, n_labels: int) -> NoReturn:
    """Raise `InputError` for so many rows and labels."""
    raise InputError(
        f"{n_rows:,} rows by {n_labels:,} labels do not fit into memory as one array; ExtremeMultiLabelClassifier "
        "(manyhot train --extreme) keeps targets sparse and predicts the best labels of a row",
        argument="y",
    )
