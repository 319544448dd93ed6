"""What a reader returns: rows with their ids, their columns and their targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot.data.labels import LabelSpace
from manyhot.data.number_cells import NumberFormat
from manyhot.data.numbered_names import NumberedNames
from manyhot.data.pixel_targets import PixelTargets
from manyhot.data.targets import Targets
from manyhot.display import ROWS_SHOWN, paragraph, section, short_repr, table
from manyhot.errors import InputError

ColumnKind = Literal["numeric", "boolean", "categorical", "id", "text", "image", "ignored"]

COLUMN_TYPES: tuple[ColumnKind, ...] = ("numeric", "boolean", "categorical", "id", "text", "image", "ignored")


@dataclass(frozen=True)
class Samples:
    """Rows as they came out of a file, before anything is fitted.

    Args:
        features: A polars frame (mixed columns), or a float CSR matrix (n, f) for sparse data.
        feature_names: The f column names, in order; unique.
        column_types: Column name -> kind, for every name in `feature_names`.
        targets: What is known of the labels (n, l), or of those of every pixel of n images; None when the file carries
            none.
        labels: The names that belong to the columns of `targets` or `sparse_targets`; None exactly when both are.
        ids: One id per row as text; None when no id column was found (rows are then counted from 1).
        source: Where it came from, for messages.
        notes: Short sentences for the user: what was guessed, ignored or replaced.
        sparse_targets: In place of `targets`, the labels that hold as CSR bool (n, l), where all are known and there
            are very many of them.
        rows: int64 (n,), the number of each row in its file, from 1; None where they are 1 to n.
        sample_weight: float64 (n,), 0 or more, from a column that holds the weights of the rows; None: all alike.
        number_formats: Column name -> how its numbers are written, for columns that hold them as text.
        label_like: Feature columns of 0 and 1 that resemble the labels, of which a note speaks; None where nobody
            looked for them.
    """

    features: pl.DataFrame | sp.csr_matrix
    feature_names: Sequence[str]
    column_types: Mapping[str, ColumnKind]
    targets: Targets | PixelTargets | None = None
    labels: LabelSpace | None = None
    ids: np.ndarray | None = None
    source: str = ""
    notes: Sequence[str] = field(default_factory=tuple)
    sparse_targets: sp.csr_matrix | None = None
    rows: np.ndarray | None = None
    sample_weight: np.ndarray | None = None
    number_formats: Mapping[str, NumberFormat] = field(default_factory=dict)
    label_like: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        names = self.feature_names
        duplicates: list[str] = []
        if not isinstance(names, NumberedNames) and len(set(names)) != len(names):
            duplicates = sorted(name for name, count in Counter(names).items() if count > 1)
        fault = None
        if duplicates:
            fault = f"column names must be unique, found more than once: {duplicates}"
        elif self.features.shape[1] != len(names):
            fault = f"{self.features.shape[1]} columns but {len(names)} names"
        elif (self.targets is None and self.sparse_targets is None) != (self.labels is None):
            fault = "targets and labels come together"
        elif self.targets is not None and self.targets.n_samples != self.n_samples:
            fault = f"{self.n_samples} rows of features but {self.targets.n_samples} of targets"
        if fault is not None:
            raise InputError(fault, file=self.source or None)

    def __repr__(self) -> str:
        labels = "no labels" if self.labels is None else f"{len(self.labels)} labels"
        size = f"{self.n_samples} rows, {len(self.feature_names)} columns, {labels}"
        return short_repr("Samples", f"{size}; from {self.source}" if self.source else size)

    def _repr_html_(self) -> str:
        kinds = [(str(name), self.column_types[name]) for name in self.feature_names[:ROWS_SHOWN]]
        return section(
            paragraph(repr(self)[1:-1]),
            table(("column", "type"), kinds, len(self.feature_names), "columns"),
            *(paragraph("", f"• {note}") for note in self.notes),
        )

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return int(self.features.shape[0])

    @property
    def is_sparse(self) -> bool:
        """Whether the features are one CSR matrix."""
        return sp.issparse(self.features)

    def slice(self, start: int, stop: int) -> Samples:
        """The rows from one to before another, with their numbers in the file."""
        rows = np.arange(start, min(stop, self.n_samples))
        return replace(
            self,
            features=self.features[rows],
            targets=None if self.targets is None else self.targets.take(rows),
            ids=None if self.ids is None else self.ids[rows],
            sparse_targets=None if self.sparse_targets is None else self.sparse_targets[rows],
            rows=None if not start and self.rows is None else self.row_numbers()[rows],
            sample_weight=None if self.sample_weight is None else self.sample_weight[rows],
        )

    def with_targets(self, targets: Targets, labels: LabelSpace, notes: Sequence[str] = ()) -> Samples:
        """The same rows with targets."""
        return replace(self, targets=targets, labels=labels, notes=(*self.notes, *notes))

    def locate_error(self, error: InputError) -> InputError:
        """An error about one of these rows, with the file and the row's number in it."""
        row = error.row if error.row is None or self.rows is None else int(self.rows[error.row - 1])
        location = {"file": error.file or self.source or None, "column": error.column, "argument": error.argument}
        return InputError(error.message, row=row, **location)

    def row_numbers(self) -> np.ndarray:
        """The number of each row in its file, from 1."""
        return np.arange(1, self.n_samples + 1) if self.rows is None else self.rows

    def row_ids(self) -> np.ndarray:
        """One id per row, as text: the file's own, or the row's number counted from 1."""
        if self.ids is not None:
            return self.ids
        return np.arange(1, self.n_samples + 1).astype(str)


class Arrays:
    """Several named arrays with one row per sample, or one array with more than two axes."""

    def __init__(self, blocks: Mapping[str, np.ndarray]) -> None:
        self.blocks = {str(name): np.asarray(block) for name, block in blocks.items()}
        counts = {name: len(block) for name, block in self.blocks.items() if block.ndim}
        if len(counts) < len(self.blocks) or len(set(counts.values())) != 1:
            raise InputError(f"the arrays have unequal numbers of rows: {counts}", argument="X")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and numbers in a row over all arrays."""
        n = len(next(iter(self.blocks.values())))
        return n, sum(int(np.prod(block.shape[1:])) for block in self.blocks.values())

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: np.ndarray) -> Arrays:
        return Arrays({name: block[rows] for name, block in self.blocks.items()})
