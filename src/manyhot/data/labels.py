"""Label sets in, arrays inside, label sets out.

`LabelSpace` fixes the names and their order; `Targets` holds what is known about each
label of each sample. Nothing here knows about features, files or networks. Start reading
at `as_targets`, the one door through which every form of Y enters.
"""

from __future__ import annotations

import numbers
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import narwhals as nw
import numpy as np
import scipy.sparse as sp

from manyhot.data.label_cells import indicator, label_names
from manyhot.errors import InputError
from manyhot.validation import did_you_mean, one_of

UnknownLabels = Literal["error", "ignore", "report"]
UNKNOWN_LABELS: tuple[UnknownLabels, ...] = ("error", "ignore", "report")
MOST_TARGETS = 2_000_000_000
"""Rows times labels that `Targets` are made for: a byte each, and as many again where some are unknown."""


@dataclass(frozen=True)
class Targets:
    """What is known about the labels of some samples.

    Args:
        values: bool, (n, l) for rows or (n, h, w, l) for pixels; the label axis is last. False where unknown.
        known: bool of the same shape, False where nobody looked; None when everything is known.
    """

    values: np.ndarray
    known: np.ndarray | None = None

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
        return Targets(self.values[rows], None if self.known is None else self.known[rows])

    @classmethod
    def joined(cls, parts: Sequence[Targets]) -> Targets:
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


@dataclass(frozen=True)
class LabelSpace:
    """The label names in a fixed order: name <-> column.

    Args:
        names: Unique, non-empty strings; the order is the order of the columns.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names:
            raise InputError("no labels: at least one label is needed")
        for name in self.names:
            if not isinstance(name, str) or not name:
                raise InputError(f"label names are non-empty text, got {name!r}")
        object.__setattr__(self, "names", tuple(str(name) for name in self.names))
        twice = [name for name, count in Counter(self.names).items() if count > 1]
        if twice:
            raise InputError(f"label names must be unique, found more than once: {twice}")

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """The column of a label; `InputError` with a suggestion when there is none."""
        try:
            return self.names.index(name)
        except ValueError:
            raise InputError(f"there is no label {str(name)!r}{did_you_mean(str(name), self.names)}") from None

    def encode(
        self, label_sets: Iterable[Collection[str] | None], unknown_labels: UnknownLabels = "error"
    ) -> tuple[Targets, dict[str, int]]:
        """Label sets -> targets.

        Args:
            label_sets: One collection of names per sample; None where the whole set is unknown.
            unknown_labels: What to do with a name outside this space: raise, drop it, or drop it and report.

        Returns:
            Targets (n, l), and the names outside this space with how often each was seen (empty for "ignore").

        Raises:
            InputError: A plain string where a set belongs; an unseen label when that is an error.
        """
        one_of(UNKNOWN_LABELS, unknown_labels=unknown_labels)
        sets = list(label_sets)
        check_size(len(sets), len(self.names))
        column = {name: j for j, name in enumerate(self.names)}
        values = np.zeros((len(sets), len(self.names)), dtype=bool)
        known = np.ones_like(values)
        unseen: Counter[str] = Counter()
        for i, names in enumerate(sets):
            if names is None:
                known[i] = False
                continue
            for name in label_names(names, row=i + 1):
                j = column.get(name)
                if j is not None:
                    values[i, j] = True
                elif unknown_labels == "error":
                    raise InputError(
                        f"label {name!r} was not there in training{did_you_mean(name, self.names)}; "
                        "say unknown_labels='ignore' or 'report' to go on without it",
                        row=i + 1,
                    )
                else:
                    unseen[name] += 1
        return Targets(values, known), dict(unseen) if unknown_labels == "report" else {}

    def decode(self, decisions: np.ndarray) -> list[set[str]]:
        """0/1 decisions (n, l) -> label sets, one per sample."""
        rows = np.asarray(decisions).astype(bool)
        if rows.ndim != 2 or rows.shape[1] != len(self.names):
            raise InputError(f"decisions have shape {rows.shape}, expected (n, {len(self.names)})")
        names = np.asarray(self.names, dtype=object)
        return [set(names[row]) for row in rows]


def as_targets(
    Y: Any, labels: Sequence[str] | None = None, unknown_labels: UnknownLabels = "error"
) -> tuple[LabelSpace, Targets, dict[str, int]]:
    """Any form of Y -> its label space and targets.

    Args:
        Y: A multi-hot array (n, l) or a deeper one with the label axis last, a scipy sparse matrix, a pandas or
            polars frame of indicator columns, or a sequence of label sets. NaN, None and `?` mean unknown.
        labels: The names and their order. None: the frame's column names, the sorted names found in label sets,
            or `label_0`, `label_1`, ... for arrays.
        unknown_labels: What to do with names outside `labels` in label sets.

    Returns:
        The label space, the targets, and the unseen names with their counts (only for "report").

    Raises:
        InputError: What does not describe label sets, with its row and column.
    """
    if labels is not None:
        labels = LabelSpace(tuple(labels)).names
    if sp.issparse(Y):
        check_size(*Y.shape[:2])
        return (*_from_array(Y.toarray(), labels), {})
    frame = nw.from_native(Y, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        return (*_from_frame(frame, labels), {})
    if isinstance(frame, nw.Series):
        Y = frame.to_list()
    if isinstance(Y, np.ndarray) and Y.ndim >= 2:
        return (*_from_array(Y, labels), {})
    if isinstance(Y, (str, bytes)) or not isinstance(Y, Iterable):
        raise InputError(
            f"got {type(Y).__name__}, expected an array (n, l), a frame or a list of label sets", argument="Y"
        )
    cells = list(Y)
    if cells and all(isinstance(c, numbers.Number) and not isinstance(c, np.bool_) for c in cells if c is not None):
        if labels is None and isinstance(Y, np.ndarray):
            raise InputError(
                f"got one number per row (shape {Y.shape}), expected targets of shape (n, l) or one label set per row; "
                "reshape a single label to (n, 1)",
                argument="Y",
            )
        raise InputError("got one number per row, expected one label set per row", argument="Y")
    if cells and all(_is_indicator_row(c) for c in cells) and len({len(c) for c in cells}) == 1 and len(cells[0]) > 0:
        return (*_from_array(np.asarray(cells, dtype=object), labels), {})
    sets = [None if _is_missing(c) else label_names(c, row=i + 1) for i, c in enumerate(cells)]
    if labels is None:
        labels = sorted({name for names in sets if names is not None for name in names})
        if not labels:
            raise InputError("no row carries any label, so there is nothing to learn", argument="Y")
    space = LabelSpace(tuple(labels))
    targets, unseen = space.encode(sets, unknown_labels)
    return space, targets, unseen


def check_size(n_rows: int, n_labels: int) -> None:
    """Refuse what would not fit into memory as an array of rows by labels.

    Raises:
        InputError: More than `MOST_TARGETS` entries.
    """
    if n_rows * n_labels > MOST_TARGETS:
        raise InputError(
            f"{n_rows:,} rows by {n_labels:,} labels do not fit into memory as one array; ManyLabelClassifier "
            "(manyhot train --many) keeps targets sparse and answers with the best labels of a row",
            argument="y",
        )


def _is_missing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and np.isnan(cell)) or (isinstance(cell, str) and cell == "?")


def _is_indicator_row(cell: Any) -> bool:
    """A list like [0, 1, None]; a set of whole numbers is a label set, not a row of indicators."""
    if not isinstance(cell, (list, tuple, np.ndarray)):
        return False
    return all(
        value is None
        or isinstance(value, (bool, np.bool_))
        or (isinstance(value, numbers.Real) and (np.isnan(float(value)) or value in (0, 1)))
        for value in cell
    )


def _from_frame(frame: nw.DataFrame, labels: Sequence[str] | None) -> tuple[LabelSpace, Targets]:
    names = [str(name) for name in frame.columns]
    if labels is not None and sorted(labels) != sorted(names):
        missing = sorted(set(labels) - set(names))
        extra = sorted(set(names) - set(labels))
        raise InputError(f"the frame's columns are not the labels: missing {missing}, extra {extra}", argument="Y")
    order = list(labels) if labels is not None else names
    space = LabelSpace(tuple(order))
    position = {name: k for k, name in enumerate(names)}
    pairs = []
    columns = list(frame.iter_columns())
    for name in order:
        series = columns[position[name]]
        has_gap = bool(series.is_null().any())
        cells = np.asarray(series.to_list(), dtype=object) if has_gap else series.to_numpy()
        pairs.append(indicator(cells, name=name))
    values = np.stack([v for v, _ in pairs], axis=1) if pairs else np.zeros((len(frame), 0), bool)
    known = np.stack([k for _, k in pairs], axis=1) if pairs else values.copy()
    return space, Targets(values, known)


def _from_array(Y: np.ndarray, labels: Sequence[str] | None) -> tuple[LabelSpace, Targets]:
    n_labels = Y.shape[-1]
    if labels is not None and len(labels) != n_labels:
        raise InputError(f"Y has {n_labels} columns but {len(labels)} labels are named", argument="Y")
    space = LabelSpace(tuple(labels) if labels is not None else tuple(f"label_{j}" for j in range(n_labels)))
    if Y.dtype.kind in "biuf":
        known = ~np.isnan(Y) if Y.dtype.kind == "f" else np.ones(Y.shape, dtype=bool)
        wrong = np.argwhere(known & (Y != 0) & (Y != 1))
        if len(wrong):
            first = tuple(wrong[0])
            raise InputError(
                f"a target is {Y[first]!s}, expected 0, 1 or unknown (NaN)",
                row=int(first[0]) + 1,
                column=space.names[first[-1]],
                argument="Y",
            )
        return space, Targets(known & (Y == 1), known)
    pairs = [indicator(Y[..., j].reshape(-1), name=space.names[j]) for j in range(n_labels)]
    values = np.stack([v for v, _ in pairs], axis=-1).reshape(Y.shape)
    known = np.stack([k for _, k in pairs], axis=-1).reshape(Y.shape)
    return space, Targets(values, known)
