"""Splits of multi-label data for scikit-learn's cross-validation, and a report of how even any splits are."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from manyhot import display, validation
from manyhot.data.splitting.folds import LabelRows, derive_seed, label_rows
from manyhot.data.splitting.stratification import group_codes
from manyhot.errors import InputError

MAX_LABELS_SHOWN = 20


class _Splitter:
    """What the splitters share: a split into parts for each draw, some of which are tested in turn."""

    def _draws(self) -> list[tuple[list[float], int, Sequence[int]]]:
        """The shares of the parts, the seed and the parts that are tested, for each draw."""
        raise NotImplementedError

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows to train on and rows to test on, once for each split.

        Args:
            X: Features with n rows, or None; only their number is looked at.
            y: Targets in any form that `target_conversion.as_targets` takes, a scipy sparse matrix (n, l) of 0, 1 and
                NaN, which stays sparse, or `Targets`. NaN means unknown.
            groups: (n,) without gaps; rows of one group are on one side. None: every row for itself.

        Yields:
            (train, test), int64, ascending, without a row in common, together all rows.

        Raises:
            InputError: Fewer rows or groups than parts; rows of X, y and groups that differ in number; a missing
                group; what does not describe label sets.
        """
        draws = self._draws()
        rows, codes = _check_inputs(X, y, groups, len(draws[0][0]))
        return _iterate_sides(rows, codes, draws)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """The number of splits, whatever the data."""
        return sum(len(tested) for _, _, tested in self._draws())


@dataclass(frozen=True)
class MultiLabelKFold(_Splitter):
    """K folds in which every label is as frequent as in the whole.

    Args:
        n_splits: Number of folds, 2 or more.
        random_state: Start of the draws, 0 or more; the same number and rows in the same order give the same folds.

    Raises:
        InputError: An argument out of its range.

    Source:
        Sechidis, Tsoumakas, Vlahavas (ECML PKDD 2011); `stratification.stratified_parts` says where it departs.

    Example:
        >>> y = [{"red"}, {"blue"}, {"red", "blue"}, {"red"}, {"blue"}, set()]
        >>> for train, test in MultiLabelKFold(n_splits=2).split(None, y):
        ...     print(len(train), len(test))
        3 3
        3 3
    """

    n_splits: int = 5
    random_state: int = 0

    def __post_init__(self) -> None:
        validation.integer(low=2, n_splits=self.n_splits)
        validation.integer(low=0, random_state=self.random_state)

    def _draws(self) -> list[tuple[list[float], int, Sequence[int]]]:
        return [([1 / self.n_splits] * self.n_splits, self.random_state, range(self.n_splits))]


@dataclass(frozen=True)
class RepeatedMultiLabelKFold(_Splitter):
    """`MultiLabelKFold` again and again, each time with other draws.

    Args:
        n_splits: Number of folds of each repeat, 2 or more.
        n_repeats: Number of repeats, 1 or more; every row is tested once in each.
        random_state: Start of the draws, 0 or more.

    Raises:
        InputError: An argument out of its range.
    """

    n_splits: int = 5
    n_repeats: int = 3
    random_state: int = 0

    def __post_init__(self) -> None:
        validation.integer(low=2, n_splits=self.n_splits)
        validation.integer(low=1, n_repeats=self.n_repeats)
        validation.integer(low=0, random_state=self.random_state)

    def _draws(self) -> list[tuple[list[float], int, Sequence[int]]]:
        seeds = [derive_seed(self.random_state, repeat) for repeat in range(self.n_repeats)]
        return [([1 / self.n_splits] * self.n_splits, seed, range(self.n_splits)) for seed in seeds]


@dataclass(frozen=True)
class MultiLabelShuffleSplit(_Splitter):
    """Test sides of a chosen size in which every label is as frequent as in the whole, drawn anew for each split.

    Args:
        n_splits: Number of splits, 1 or more. A row may be tested several times, or never.
        test_size: Share of the rows to test on, above 0 and below 1. With groups it is met as nearly as they allow.
        random_state: Start of the draws, 0 or more.

    Raises:
        InputError: An argument out of its range.
    """

    n_splits: int = 10
    test_size: float = 0.2
    random_state: int = 0

    def __post_init__(self) -> None:
        validation.integer(low=1, n_splits=self.n_splits)
        validation.integer(low=0, random_state=self.random_state)
        share = validation.positive(test_size=self.test_size)
        if share >= 1:
            raise InputError(f"got {share:g}, expected a share of the rows above 0 and below 1", argument="test_size")

    def _draws(self) -> list[tuple[list[float], int, Sequence[int]]]:
        shares = [1 - float(self.test_size), float(self.test_size)]
        return [(shares, derive_seed(self.random_state, draw), (1,)) for draw in range(self.n_splits)]


@dataclass(frozen=True)
class LabelSplits:
    """What some splits do to one label.

    Attributes:
        name: The label.
        n_positives: Rows that carry it.
        n_without_test: Splits whose test side has no positive.
        n_without_train: Splits whose training side has no positive.
        reason: Why a side has none; None where none lacks.
        deviation: The largest distance, over the splits, between the share of positives among the known rows of the
            test side and among all known rows; 0 to 1, NaN where nothing is known.
    """

    name: str
    n_positives: int
    n_without_test: int
    n_without_train: int
    reason: str | None
    deviation: float

    def __repr__(self) -> str:
        lacking = f"none in {self.n_without_test} test sides and {self.n_without_train} training sides"
        return display.short_repr("LabelSplits", f"{self.n_positives} positives, {lacking}; {self.name}")

    def _repr_html_(self) -> str:
        return display.section(display.paragraph(self.name, repr(self).partition(": ")[2].partition(";")[0]))


@dataclass(frozen=True)
class SplitReport:
    """How even some splits are.

    Attributes:
        n_rows: Rows of the data.
        n_splits: Splits looked at.
        test_rows: The fewest and the most rows of a test side.
        labels: One entry for each label, in the order of the columns.
    """

    n_rows: int
    n_splits: int
    test_rows: tuple[int, int]
    labels: tuple[LabelSplits, ...]

    @property
    def lacking(self) -> tuple[LabelSplits, ...]:
        """The labels without a positive on some side."""
        return tuple(label for label in self.labels if label.n_without_test or label.n_without_train)

    @property
    def largest_deviation(self) -> float:
        """The largest deviation of any label's frequency, 0 to 1; NaN where nothing is known."""
        known = [label.deviation for label in self.labels if not np.isnan(label.deviation)]
        return max(known) if known else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values; NaN becomes None."""
        labels = [
            {**dataclasses.asdict(label), "deviation": None if np.isnan(label.deviation) else label.deviation}
            for label in self.labels
        ]
        largest = self.largest_deviation
        return {
            "n_rows": self.n_rows,
            "n_splits": self.n_splits,
            "test_rows": list(self.test_rows),
            "largest_deviation": None if np.isnan(largest) else largest,
            "n_lacking": len(self.lacking),
            "labels": labels,
        }

    def __repr__(self) -> str:
        size = f"{self.n_splits} splits of {self.n_rows} rows, {len(self.labels)} labels"
        deviation = f"label frequencies deviate by at most {self.largest_deviation:.4f}"
        return display.short_repr("SplitReport", f"{size}; {deviation}, {len(self.lacking)} labels lack a positive")

    def _repr_html_(self) -> str:
        uneven = sorted(self.labels, key=lambda label: (label.reason is None, label.n_positives))
        rows = [
            (label.name, label.n_positives, label.n_without_test, label.n_without_train, label.deviation, label.reason)
            for label in uneven[: display.ROWS_SHOWN]
        ]
        headings = ("label", "positives", "test sides without", "training sides without", "largest deviation", "reason")
        return display.section(
            display.paragraph(f"{self.n_splits} splits of {self.n_rows} rows,", "rarest labels first"),
            display.table(headings, rows, len(self.labels), "labels"),
        )

    def __str__(self) -> str:
        smallest, largest = self.test_rows
        lines = [
            f"{self.n_splits} splits of {self.n_rows} rows, {smallest} to {largest} on the test side",
            f"label frequencies on the test side deviate by {self.largest_deviation:.4f} at most",
        ]
        lacking = self.lacking
        lines.append(f"labels without a positive on some side: {len(lacking)} of {len(self.labels)}")
        for label in lacking[:MAX_LABELS_SHOWN]:
            lines.append(
                f"  {validation.shorten(label.name, 60)}: test side in {label.n_without_test}, training side in "
                f"{label.n_without_train} splits; {label.reason}"
            )
        if len(lacking) > MAX_LABELS_SHOWN:
            lines.append(f"  and {len(lacking) - MAX_LABELS_SHOWN} more")
        return "\n".join(lines)


def split_report(y: Any, splits: Iterable[tuple[Any, Any]], groups: Any = None) -> SplitReport:
    """Tell how even splits are and which labels lack a positive where, whoever made the splits.

    Args:
        y: Targets of n rows, as in `MultiLabelKFold.split`.
        splits: Pairs (train, test) of row indices or bool masks (n,).
        groups: The groups the splits were made with, or None; they only matter for the reasons.

    Returns:
        The report. "Folds" in a reason are the test sides where these hold every row equally often, else the two
        sides.

    Raises:
        InputError: No splits; a row that is not there; otherwise as `MultiLabelKFold.split`.
    """
    rows, codes = _check_inputs(None, y, groups, 0)
    n, n_labels = rows.positives.shape
    counts = rows.positives.astype(np.int64)
    unknown = sp.csr_matrix((n, n_labels), dtype=np.int64) if rows.unknown is None else rows.unknown.astype(np.int64)
    total, n_known = _column_sums(counts), n - _column_sums(unknown)
    frequency = _ratio(total, n_known)
    without_test, without_train = np.zeros(n_labels, np.int64), np.zeros(n_labels, np.int64)
    deviation = np.where(n_known > 0, 0.0, np.nan)
    tested, sizes = np.zeros(n, np.int64), []
    for pair in splits:
        train, test = (_indices(side, n) for side in pair)
        test_positives = _column_sums(counts[test])
        without_test += test_positives == 0
        without_train += _column_sums(counts[train]) == 0
        distance = np.abs(_ratio(test_positives, len(test) - _column_sums(unknown[test])) - frequency)
        deviation = np.fmax(deviation, distance)
        tested[test] += 1
        sizes.append(len(test))
    if not sizes:
        raise InputError("got no splits, expected one pair of training and test rows or more", argument="splits")
    is_even = n > 0 and tested.min() == tested.max() > 0
    n_folds = len(sizes) // int(tested[0]) if is_even else 2
    units = None
    if codes is not None:
        gather = sp.csr_matrix((np.ones(n, np.int64), (codes, np.arange(n))), shape=(int(codes.max(initial=-1)) + 1, n))
        units = (gather @ counts).getnnz(axis=0)
    labels = tuple(
        LabelSplits(
            name,
            int(total[j]),
            int(without_test[j]),
            int(without_train[j]),
            _reason(int(total[j]), None if units is None else int(units[j]), n_folds)
            if without_test[j] or without_train[j]
            else None,
            float(deviation[j]),
        )
        for j, name in enumerate(rows.names)
    )
    return SplitReport(n, len(sizes), (min(sizes), max(sizes)), labels)


def _reason(n_positives: int, n_groups: int | None, n_folds: int) -> str:
    if n_positives == 0:
        return "it has no positive at all"
    if n_positives < n_folds:
        return f"fewer positives ({n_positives}) than folds ({n_folds})"
    if n_groups is not None and n_groups < n_folds:
        return f"its positives lie in fewer groups ({n_groups}) than folds ({n_folds})"
    return "its positives were placed otherwise, though there are enough"


def _iterate_sides(
    rows: LabelRows, codes: np.ndarray | None, draws: Iterable[tuple[list[float], int, Sequence[int]]]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for shares, seed, tested in draws:
        parts = rows.split(shares, seed, codes)
        for part in tested:
            yield np.flatnonzero(parts != part), np.flatnonzero(parts == part)


def _check_inputs(X: Any, y: Any, groups: Any, min_parts: int) -> tuple[LabelRows, np.ndarray | None]:
    """The rows and group codes int64 (n,), known to fit together and to be enough; checked before any split."""
    rows = label_rows(y)
    n = rows.n_samples
    n_features = n if X is None else int(X.shape[0]) if hasattr(X, "shape") else len(X)
    if n_features != n:
        raise InputError(f"X has {n_features} rows but y has {n}", argument="X")
    if n < min_parts:
        raise InputError(
            f"{n} rows are fewer than {min_parts} parts; more rows are needed, or fewer splits", argument="y"
        )
    codes = None if groups is None else group_codes(groups, n)
    n_groups = n if codes is None else int(codes.max(initial=-1)) + 1
    if n_groups < min_parts:
        raise InputError(
            f"{n_groups} groups are fewer than {min_parts} parts; more groups are needed, or fewer splits",
            argument="groups",
        )
    return rows, codes


def _indices(side: Any, n: int) -> np.ndarray:
    rows = np.asarray(side)
    if rows.dtype == np.bool_ and rows.shape == (n,):
        return np.flatnonzero(rows)
    if rows.ndim != 1 or (rows.size and (rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= n)):
        raise InputError(f"a side of a split is row indices from 0 to {n - 1} or a bool mask", argument="splits")
    return rows.astype(np.int64)


def _column_sums(table: sp.csr_matrix) -> np.ndarray:
    return np.asarray(table.sum(axis=0)).ravel()


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
