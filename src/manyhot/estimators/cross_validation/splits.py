"""The splits of a cross-validation: repeated stratified folds, or splits from the caller."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from manyhot import validation
from manyhot.data.splitting.folds import derive_seed, label_rows
from manyhot.data.splitting.stratification import group_codes, stratified_parts
from manyhot.data.targets import Targets
from manyhot.errors import InputError


@dataclass(frozen=True)
class Split:
    """Training and test rows of one fit."""

    repeat: int  # from 0
    train: np.ndarray  # int64, row indices
    test: np.ndarray  # int64, row indices, none of them in `train`


def repeated_folds(
    targets: Targets, n_splits: int, n_repeats: int, stratify: bool, groups: Any, random_state: int
) -> list[Split]:
    """Folds in which every row is tested once per repeat."""
    validation.integer(low=2, n_splits=n_splits)
    validation.integer(low=1, n_repeats=n_repeats)
    validation.boolean(stratify=stratify)
    n = targets.n_samples
    n_groups = n if groups is None else len(np.unique(group_codes(groups, n)))
    if n_groups < n_splits:
        what = "rows" if groups is None else "groups"
        raise InputError(f"{n_groups} {what} are fewer than {n_splits} folds", argument="n_splits")
    rows = label_rows(targets)
    fractions = [1 / n_splits] * n_splits
    splits = []
    for repeat in range(n_repeats):
        seed = derive_seed(random_state, 7, repeat)
        if stratify:
            folds = rows.split(fractions, seed, groups)
        else:
            folds = stratified_parts(sp.csr_matrix((n, 0), dtype=bool), fractions, seed, groups)
        splits += [Split(repeat, np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(n_splits)]
    return splits


def resolve_splits(splits: Any, targets: Targets, groups: Any) -> list[Split]:
    """Validate splits from the caller: pairs of row indices, or a scikit-learn splitter."""
    n = targets.n_samples
    if hasattr(splits, "split"):
        try:
            splits = list(splits.split(np.zeros((n, 1)), targets.values, groups))
        except (TypeError, ValueError) as error:
            raise InputError(f"the splitter rejected these targets or groups: {error}", argument="splits") from None
    if not isinstance(splits, Iterable):
        raise InputError("expected pairs (train, test) or a splitter with `split`", argument="splits")
    resolved: list[Split] = []
    tested = np.zeros((0, n), dtype=bool)
    for number, pair in enumerate(splits):
        try:
            train, test = (_row_indices(rows, n) for rows in pair)
        except (TypeError, ValueError):
            raise InputError(
                f"split {number + 1} is not a pair (train, test) of row indices", argument="splits"
            ) from None
        for side, rows in (("train", train), ("test", test)):
            if len(np.unique(rows)) < rows.size:
                raise InputError(f"split {number + 1}: {side} rows contain duplicates", argument="splits")
            if rows.ndim != 1 or not len(rows) or rows.min() < 0 or rows.max() >= n:
                message = f"split {number + 1}: {side} must have at least one row index, all from 0 to {n - 1}"
                raise InputError(message, argument="splits")
        if np.intersect1d(train, test).size:
            raise InputError(f"split {number + 1}: train and test rows overlap", argument="splits")
        free_repeats = np.flatnonzero(~tested[:, test].any(axis=1))
        if not free_repeats.size:
            tested = np.vstack([tested, np.zeros((1, n), dtype=bool)])
            free_repeats = np.array([len(tested) - 1])
        tested[free_repeats[0], test] = True
        resolved.append(Split(int(free_repeats[0]), train, test))
    if not resolved:
        raise InputError("expected at least one split", argument="splits")
    return resolved


def _row_indices(rows: Any, n: int) -> np.ndarray:
    """Row indices as int64; a boolean mask (n,) is converted to the indices of its rows."""
    values = np.asarray(rows)
    if values.dtype == np.bool_:
        if values.shape != (n,):
            raise ValueError("the mask has the wrong length")
        return np.flatnonzero(values)
    return values.astype(np.int64, casting="safe")
