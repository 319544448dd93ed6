"""A prepared training from a file, and the windows of encoded rows that it hands to the engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp

from manyhot import engine
from manyhot.config.runtime import RuntimeConfig
from manyhot.data.hierarchy import Completion
from manyhot.data.invalid_images import InvalidImages
from manyhot.data.labels import LabelSpace
from manyhot.data.readers import StreamableFile
from manyhot.data.shards import Encoded, Shards, WindowAssignment, concatenate
from manyhot.data.targets import Targets
from manyhot.decisions.policy import DecisionPolicy
from manyhot.models.cross_fitting import CrossFit
from manyhot.models.measuring import InputRows


@dataclass(frozen=True)
class RowOrder:
    """The order of the training rows that does not depend on the file's, where the sample is every row."""

    rows: np.ndarray  # int64 (u,), places among the rows on disk; equal rows once
    weights: np.ndarray  # float64 (u,), how often each counts


@dataclass(frozen=True)
class StreamJob:
    """A training from a file, prepared."""

    file: StreamableFile
    labels: LabelSpace
    fit: CrossFit
    input_rows: InputRows
    validation: Encoded | None  # rows that decide about stopping; None where nothing stops early
    reserved: np.ndarray  # int64, numbers of the file's rows that no member trains on, rising
    untrained: DecisionPolicy
    runtime: RuntimeConfig
    row_bytes: float
    row_order: RowOrder | None  # the order of the training rows; None where it is that of the file


@dataclass
class WriteSummary:
    """What was seen of the training rows while they were written."""

    positives: np.ndarray  # float64 (l,), positives of each label
    known: np.ndarray  # float64 (l,), known entries of each label
    notes: list[str] = field(default_factory=list)
    invalid_images: InvalidImages = field(default_factory=dict)
    completion: Completion = field(default_factory=Completion)  # what the taxonomy settled, over all rows


class WindowSource:
    """Windows for the engine out of shards on disk."""

    def __init__(self, job: StreamJob, shards: Shards, assignment: WindowAssignment, summary: WriteSummary) -> None:
        self.shards, self.assignment, self.summary, self.validation = shards, assignment, summary, job.validation
        self.dtype, self.label_weights = job.fit.config.dtype, job.fit.data.label_weights
        self.row_order = job.row_order if assignment.n_windows == 1 else None
        self.sizes = assignment.sizes() if self.row_order is None else (len(self.row_order.rows),) * 2
        self.n_validation = 0 if job.validation is None else job.validation.targets.n_samples
        self.has_unknown = shards.has_unknown or (
            job.validation is not None and job.validation.targets.known is not None
        )
        self.n_entries: dict[str, int] = {}

    def windows(self, tables: Any) -> engine.Windows:
        """What the engine asks for windows."""
        edges = self.assignment.edges()
        for name in tables:
            by_shard = [self.shards.n_entries(name, int(a), int(b)) for a, b in pairwise(edges)]
            max_count = self.assignment.min_and_max(np.asarray(by_shard))[1]
            self.n_entries[name] = engine.bucket(max_count + self._validation_entries(name).sum() + 1)
        n, counts = self.assignment.n_windows, (self.summary.positives, self.summary.known)
        return engine.Windows(self.load, n, self.sizes, self.n_validation, *counts, self.max_entries)

    def load(self, number: int, window: int) -> engine.Window:
        """One window of a pass."""
        rows = concatenate([self.shards.read(*span) for span in self.assignment.ranges(number, window)])
        weights = np.ones(rows.targets.n_samples)
        if self.row_order is not None:
            order, weights = self.row_order.rows, self.row_order.weights
            rows = Encoded({name: block[order] for name, block in rows.blocks.items()}, rows.targets.take(order))
        n_train = rows.targets.n_samples
        values, known = (
            self._append_validation(array, *validation) for array, *validation in self._target_arrays(rows.targets)
        )
        blocks = {
            name: self._append_validation(block, None if self.validation is None else self.validation.blocks[name])
            for name, block in rows.blocks.items()
        }
        data = engine.lay_out(
            blocks,
            values,
            known if self.has_unknown else None,
            self._append_validation(weights, np.ones(self.n_validation)),
            self.dtype,
            self.label_weights,
            tables=self.n_entries,
            n_rows=engine.bucket(self.sizes[1] + self.n_validation),
            n_entries=self.n_entries,
        )
        return engine.Window(data, n_train)

    def max_entries(self, name: str, n_rows: int) -> int:
        """The most non-zeros that so many rows of a block can have, rounded up."""
        counts = np.concatenate([self.shards.entry_counts(name), self._validation_entries(name)])
        return engine.bucket(int(np.sort(counts)[-n_rows:].sum()), min_size=256)

    def _validation_entries(self, name: str) -> np.ndarray:
        return np.zeros(0, dtype=np.int64) if self.validation is None else np.diff(self.validation.blocks[name].indptr)

    def _target_arrays(self, targets: Targets) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        validation = None if self.validation is None else self.validation.targets
        yield targets.values, None if validation is None else validation.values
        yield targets.known_mask(), None if validation is None else validation.known_mask()

    def _append_validation(self, block: Any, validation: Any) -> Any:
        """Training rows, empty rows up to the largest window, stopping rows."""
        if validation is None or not self.n_validation:
            return block
        gap = (self.sizes[1] - block.shape[0], *block.shape[1:])
        if sp.issparse(block):
            return sp.vstack([block, sp.csr_matrix(gap, dtype=block.dtype), validation], format="csr")
        return np.concatenate([block, np.zeros(gap, block.dtype), validation])
