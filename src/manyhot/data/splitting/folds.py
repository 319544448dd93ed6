"""Folds that keep every label's frequency, also where some targets are unknown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from manyhot.data.splitting.stratification import stratified_parts
from manyhot.data.target_conversion import as_targets
from manyhot.data.targets import Targets
from manyhot.errors import InputError


class LabelRows(NamedTuple):
    """What is known of the labels of n rows, kept sparse."""

    positives: sp.csr_matrix  # bool CSR (n, l)
    unknown: sp.csr_matrix | None  # bool CSR (n, l); None when everything is known
    names: Sequence[str]

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return int(self.positives.shape[0])

    def split(self, shares: Sequence[float], seed: int, groups: np.ndarray | None) -> np.ndarray:
        """A part for every row, int32 (n,); `stratification.stratified_parts` tells the rest."""
        return stratified_parts(self.positives, shares, seed, groups, self.unknown)


def label_rows(y: Any) -> LabelRows:
    """Any form of targets -> sparse rows; a row (..., l) has a label where any of its places has it."""
    if y is None:
        raise InputError("got None, expected targets: rows are spread by their labels", argument="y")
    if sp.issparse(y):
        return _read_sparse(y)
    if isinstance(y, Targets):
        return LabelRows(*_sparse(y), [f"label_{j}" for j in range(y.n_labels)])
    space, targets = as_targets(y)
    return LabelRows(*_sparse(targets), space.names)


def _read_sparse(y: Any) -> LabelRows:
    table = sp.csr_matrix(y)
    if table.shape[1] == 0:
        raise InputError("there is no column, expected at least one label", argument="y")
    if not table.has_canonical_format:
        table = table.copy()
        table.sum_duplicates()
    is_unknown = np.isnan(table.data) if table.data.dtype.kind == "f" else np.zeros(table.nnz, dtype=bool)
    invalid = np.flatnonzero(~is_unknown & (table.data != 0) & (table.data != 1))
    if len(invalid):
        row = int(np.searchsorted(table.indptr, invalid[0], side="right"))
        column = f"label_{table.indices[invalid[0]]}"
        message = f"a target is {table.data[invalid[0]]!s}, expected 0, 1 or unknown (NaN)"
        raise InputError(message, row=row, column=column, argument="y")

    def marked(mask: np.ndarray) -> sp.csr_matrix:
        result = sp.csr_matrix((mask, table.indices, table.indptr), shape=table.shape, copy=True)
        result.eliminate_zeros()
        return result

    names = [f"label_{j}" for j in range(table.shape[1])]
    return LabelRows(marked(~is_unknown & (table.data == 1)), marked(is_unknown) if is_unknown.any() else None, names)


def _sparse(targets: Targets) -> tuple[sp.csr_matrix, sp.csr_matrix | None]:
    axes = tuple(range(1, targets.values.ndim - 1))
    values = targets.values.any(axis=axes)
    known = None if targets.known is None else targets.known.any(axis=axes)
    return sp.csr_matrix(values), None if known is None or known.all() else sp.csr_matrix(~known)


def stratified_folds(targets: Targets, n_folds: int, seed: int, groups: np.ndarray | None = None) -> np.ndarray:
    """A fold for every row, such that each label's positives are spread evenly."""
    # unknown entries count for no label, and are spread as well, with a tenth of the weight of a label
    return label_rows(targets).split([1 / n_folds] * n_folds, seed, groups)


class MemberRows(NamedTuple):
    """Which rows one member uses; int64 index arrays that share no row."""

    train: np.ndarray
    validation: np.ndarray  # rows that decide when to stop; empty when nothing stops early
    held_out: np.ndarray  # rows that the member is scored on


def cross_fitting_splits(
    targets: Targets,
    n_members: int,
    n_folds: int,
    validation_fraction: float | None,
    seed: int,
    groups: np.ndarray | None = None,
    n_parts: int | None = None,
) -> list[MemberRows]:
    """The rows of each member, so that nothing a member has learned from comes back when it is scored."""
    n = targets.n_samples
    if n_parts is None:
        n_parts = single_member_parts(n) if n_members == 1 else min(n_folds, n_members)
    if n < n_parts:
        advice = "several members (n_members=2)" if n_members == 1 else "fewer folds (n_folds=2 is the least)"
        raise InputError(
            f"n_samples={n}: {n} different rows are fewer than {n_parts} folds; more rows are needed, or {advice}"
        )
    all_rows = np.arange(n)
    members: list[MemberRows] = []
    n_slices, shares = _validation_slices(validation_fraction)
    folds = slices = np.zeros(n, dtype=np.int32)
    for k in range(n_members):
        repeat, fold = divmod(k, n_parts)
        if fold == 0:
            folds = stratified_folds(targets, n_parts, derive_seed(seed, repeat, 0), groups)
            if validation_fraction is not None:
                slices = label_rows(targets).split(shares, derive_seed(seed, repeat, 1), groups)
        is_held_out = folds == fold
        is_validation = np.zeros(n, dtype=bool)
        if validation_fraction is not None:
            is_validation = ~is_held_out & (slices == k % n_slices)
            if not is_validation.any():
                is_validation[np.flatnonzero(~is_held_out)[:1]] = True
        train = ~is_held_out & ~is_validation
        if not train.any():
            raise InputError(f"n_samples={n}: too few different rows to train on, stop on and be scored on")
        members.append(MemberRows(all_rows[train], all_rows[is_validation], all_rows[is_held_out]))
    return members


def _validation_slices(fraction: float | None) -> tuple[int, list[float]]:
    """How many parts of this share there are, of which the members take turns, and the shares of all parts."""
    if fraction is None:
        return 0, []
    n_slices = math.floor(1 / fraction + 1e-9)
    rest = 1 - n_slices * fraction
    return n_slices, [fraction] * n_slices + ([rest] if rest > 1e-9 else [])


def single_member_parts(n_rows: int) -> int:
    """In how many parts the rows are split when one of them is all that a single member is scored on."""
    # at least 100 rows in a part, at most a quarter of all rows, and a tenth from 1,000 rows on
    return min(10, max(4, n_rows // 100))


def derive_seed(*parts: int) -> int:
    """One seed out of several whole numbers from 0, such that different numbers give unrelated draws."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
