"""The splits of a cross-validation: repeated stratified folds, or those that the caller brings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from manyhot import validation
from manyhot.data.splitting.folds import derived_seed, label_rows
from manyhot.data.splitting.stratification import group_codes, stratified_parts
from manyhot.data.targets import Targets
from manyhot.errors import InputError


@dataclass(frozen=True)
class Split:
    """One fit's rows.

    Args:
        repeat: Which repeat it belongs to.
        train: int64, rows to train on.
        test: int64, rows to score, none of them in `train`.
    """

    repeat: int
    train: np.ndarray
    test: np.ndarray


def repeated_folds(
    targets: Targets, n_folds: int, n_repeats: int, stratify: bool, groups: Any, seed: int
) -> list[Split]:
    """Every row tested once in every repeat.

    Args:
        targets: Targets (n, l).
        n_folds: Folds of each repeat, 2 or more.
        n_repeats: 1 or more.
        stratify: Whether label frequencies are kept in every fold.
        groups: (n,) without gaps, rows of one group in one fold; None: every row for itself.
        seed: Start of the draws.

    Raises:
        InputError: A number out of its range, fewer rows or groups than folds, or groups that do not fit.
    """
    validation.integer(low=2, folds=n_folds)
    validation.integer(low=1, repeats=n_repeats)
    validation.boolean(stratify=stratify)
    n = targets.n_samples
    n_units = n if groups is None else len(np.unique(group_codes(groups, n)))
    if n_units < n_folds:
        what = "rows" if groups is None else "groups"
        raise InputError(f"{n_units} {what} are fewer than {n_folds} folds", argument="folds")
    rows = label_rows(targets)
    shares = [1 / n_folds] * n_folds
    splits = []
    for repeat in range(n_repeats):
        drawn = derived_seed(seed, 7, repeat)
        if stratify:
            folds = rows.parts(shares, drawn, groups)
        else:
            folds = stratified_parts(sp.csr_matrix((n, 0), dtype=bool), shares, drawn, groups)
        splits += [Split(repeat, np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(n_folds)]
    return splits


def given_splits(splits: Any, targets: Targets, groups: Any) -> list[Split]:
    """Splits that the caller brings: pairs of row numbers, or a splitter of scikit-learn's kind.

    Raises:
        InputError: A pair that is none, shares rows, or names rows that are not there.
    """
    n = targets.n_samples
    if hasattr(splits, "split"):
        try:
            splits = list(splits.split(np.zeros((n, 1)), targets.values, groups))
        except (TypeError, ValueError) as error:
            raise InputError(f"the splitter refuses these targets or groups: {error}", argument="splits") from None
    if not isinstance(splits, Iterable):
        raise InputError("expected pairs (train, test) or a splitter with `split`", argument="splits")
    found: list[Split] = []
    tested = np.zeros((0, n), dtype=bool)
    for number, pair in enumerate(splits):
        try:
            train, test = (_row_numbers(rows, n) for rows in pair)
        except (TypeError, ValueError):
            raise InputError(f"split {number + 1} is no pair of row numbers (train, test)", argument="splits") from None
        for side, rows in (("train", train), ("test", test)):
            if len(np.unique(rows)) < rows.size:
                raise InputError(f"split {number + 1}: a {side} row is named more than once", argument="splits")
            if rows.ndim != 1 or not len(rows) or rows.min() < 0 or rows.max() >= n:
                message = f"split {number + 1}: {side} rows must be numbers from 0 to {n - 1}, at least one"
                raise InputError(message, argument="splits")
        if np.intersect1d(train, test).size:
            raise InputError(f"split {number + 1} trains on rows that it tests", argument="splits")
        free = np.flatnonzero(~tested[:, test].any(axis=1))
        if not free.size:
            tested = np.vstack([tested, np.zeros((1, n), dtype=bool)])
            free = np.array([len(tested) - 1])
        tested[free[0], test] = True
        found.append(Split(int(free[0]), train, test))
    if not found:
        raise InputError("there is no split", argument="splits")
    return found


def _row_numbers(rows: Any, n: int) -> np.ndarray:
    """Numbers as they are, a mask (n,) as the numbers of its rows."""
    given = np.asarray(rows)
    if given.dtype == np.bool_:
        if given.shape != (n,):
            raise ValueError("a mask of another length")
        return np.flatnonzero(given)
    return given.astype(np.int64, casting="safe")
