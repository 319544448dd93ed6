"""Training on a file larger than memory: a model from rows that are never all in memory.

A random sample of the rows settles kinds, scales and terms, and a part of it is set aside for everything that rests on
honest scores: thresholds, calibration and the report. All other rows are encoded once, kept on disk, and come back to
the engine in windows. Start reading at `prepare_stream`, then `write_rows` and `train_stream`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp

from manyhot import engine
from manyhot.config.auto import resolve_auto
from manyhot.config.images import image_settings
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.data.labels import LabelSpace
from manyhot.data.readers import StreamableFile, Survey
from manyhot.data.samples import Samples
from manyhot.data.shards import Encoded, Shards, WindowAssignment, joined, refuse_full_disk, row_bytes
from manyhot.data.splitting.folds import MemberRows, cross_fitting, parts_for_one
from manyhot.data.targets import Targets
from manyhot.decisions.policy import DecisionPolicy, untrained_policy
from manyhot.encoders import TableEncoder
from manyhot.encoders.images.encoder import InvalidImages, describe_invalid, raise_for_invalid
from manyhot.errors import InputError
from manyhot.models.checks import check_learnable
from manyhot.models.cross_fitting import (
    CrossFit,
    EncodedData,
    duplicate_groups,
    initial_state,
    prepare_cross_fit,
    weighted_counts,
)
from manyhot.models.measuring import InputRows
from manyhot.models.model import Model
from manyhot.models.training import build_model
from manyhot.models.training_data import Progress, TrainingInputs

WINDOW_BYTES = 2**26
"""Encoded rows of a window at most; a few windows are in memory at a time."""
DISK_SLACK = 1.1
MAX_NOTES = 10


@dataclass(frozen=True)
class RowOrder:
    """The order of the training rows that does not depend on the file's, where the sample is every row.

    Args:
        rows: int64 (u,), places among the rows on disk; equal rows once.
        weights: float64 (u,), how often each counts.
    """

    rows: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class StreamJob:
    """A training from a file, prepared.

    Args:
        file: The file.
        labels: The label space.
        fit: The rows that were set aside for scores, as a fit whose members are trained on none of them.
        given: These rows as they stand in the file.
        stop: Rows that decide about stopping; None where nothing stops early.
        aside: int64, numbers of the file's rows that no member trains on, rising.
        undecided: A decider that learned nothing.
        runtime: Settings that change only speed.
        row_bytes: Bytes of an encoded row, about.
        canonical: The order of the training rows; None where it is that of the file.
    """

    file: StreamableFile
    labels: LabelSpace
    fit: CrossFit
    given: InputRows
    stop: Encoded | None
    aside: np.ndarray
    undecided: DecisionPolicy
    runtime: RuntimeConfig
    row_bytes: float
    canonical: RowOrder | None


def prepare_stream(survey: Survey, taken: TrainingInputs, network: Any = None) -> StreamJob:
    """Fit the encoder on the sample, and set rows of it aside.

    Args:
        survey: The first look at the file.
        taken: Its sample and the settings, as training takes them.
        network: As for `train_model`.

    Raises:
        InputError: Nothing to learn, too few rows, or a network that does not fit.
    """
    if taken.is_kept is not None:  # what is left out is told when all rows are written
        survey, taken = survey.take(taken.is_kept), taken._replace(notes=tuple(survey.samples.notes))
    check_learnable(taken.targets, taken.labels, 2)
    if image_settings(taken.plan.image_settings)["tune"]:
        raise InputError(
            "tune: a backbone is not tuned from a stream; leave tune away, so that it stays as it is, or train in "
            "memory (--no-stream)",
            argument="image_settings",
        )
    undecided = untrained_policy(taken.plan, taken.labels)
    asked = replace(taken.plan, members=1 if taken.plan.members == "auto" else taken.plan.members)
    sample = prepare_cross_fit(
        taken.features, taken.targets, taken.encoder(), asked, network, trains_on_all=True, labels=taken.labels
    )
    if sample.network.own is not None and sample.encoder.sparse:
        raise InputError(
            "a Keras model of your own takes no text from a stream; leave the text columns out, or train in memory",
            argument="network",
        )
    if sample.encoder.vocabularies:
        raise InputError("vectors of words are not learned from a stream; take text='ngrams'", argument="text")
    n_rows = len(sample.rows) if survey.is_whole else survey.file.n_rows
    counted = resolve_auto(asked, n_rows, n_table=sample.network.n_table)
    plan = replace(sample.plan, batch_size=counted.batch_size, epochs=counted.epochs)
    split = _set_aside(sample, plan, n_rows)
    is_held, is_aside = _marked(sample, split.held), _marked(sample, np.concatenate([split.held, split.stop]))
    held = np.flatnonzero(is_held)
    ids = taken.ids if taken.ids is not None else (survey.rows + 1).astype(str)
    given = InputRows(taken.targets.take(held), np.ones(len(held)), ids[held], survey.file.n_rows, taken.notes)
    return StreamJob(
        survey.file,
        taken.labels,
        _held_fit(replace(sample, plan=plan), split.held, sample.place[held]),
        given,
        _taken_out(sample, split.stop) if len(split.stop) else None,
        survey.rows[is_aside],
        undecided,
        taken.runtime,
        row_bytes(sample.base.blocks, sample.base.targets),
        _row_order(sample, split.train, is_aside) if survey.is_whole else None,
    )


@dataclass
class WriteSummary:
    """What was seen of the training rows while they were written.

    Args:
        positives: float64 (l,), positives of each label.
        known: float64 (l,), known entries of each label.
        notes: What the reader had to say.
        bad: Rows that were left out, because their images cannot be used.
    """

    positives: np.ndarray
    known: np.ndarray
    notes: list[str] = field(default_factory=list)
    bad: InvalidImages = field(default_factory=dict)


def write_rows(job: StreamJob, shards: Shards, progress: Progress | None = None) -> WriteSummary:
    """Encode all rows of the file that are not set aside, and keep them on disk.

    Args:
        job: What `prepare_stream` made.
        shards: Where they are kept; empty.
        progress: Called with the share that is done.

    Raises:
        InputError: A row that cannot be used, by its number; a file that changed; too little room on the disk.
        OutputError: The disk is full.
    """
    n_labels, n_rows = len(job.labels), job.file.n_rows
    refuse_full_disk(shards.folder, DISK_SLACK * (n_rows - len(job.aside)) * job.row_bytes)
    seen = WriteSummary(np.zeros(n_labels), np.zeros(n_labels))
    first = 0
    for samples in job.file.pieces():
        assert isinstance(samples.targets, Targets)
        numbers = np.arange(first, first + samples.n_samples)
        stays = np.flatnonzero(~np.isin(numbers, job.aside, assume_unique=True))
        first += samples.n_samples
        seen.notes += [note for note in samples.notes if note not in seen.notes and len(seen.notes) < MAX_NOTES]
        features, stays = _with_images(job, samples, stays, seen)
        targets = samples.targets.take(stays)
        positives, known = weighted_counts(targets, np.ones(len(stays)))
        seen.positives += positives
        seen.known += known
        shards.append(Encoded(job.fit.encoder.transform(features), targets))
        if progress is not None:
            progress("encoding", first / n_rows)
    if seen.bad:
        seen.notes.append(describe_invalid(seen.bad, "left out"))
    return seen


def _with_images(job: StreamJob, samples: Samples, stays: np.ndarray, seen: WriteSummary) -> tuple[Any, np.ndarray]:
    """Some rows of a piece with their images decoded, and their places in it, without those that cannot be used."""
    features, encoder = samples.features[stays], job.fit.encoder
    if not (isinstance(encoder, TableEncoder) and encoder.image_columns):
        return features, stays
    features, bad = encoder.opened(features)
    bad = {int(stays[row]): fault for row, fault in bad.items()}
    try:
        if job.runtime.on_bad_image == "error":
            raise_for_invalid(bad)
    except InputError as error:
        raise samples.placed(error) from None
    seen.bad |= {int(samples.row_numbers()[row]) - 1: fault for row, fault in bad.items()}
    is_good = ~np.isin(stays, list(bad))
    return features.filter(is_good), stays[is_good]


def train_stream(
    job: StreamJob,
    shards: Shards,
    rows: WriteSummary,
    window_bytes: int | None = None,
    watch: engine.ProgressCallback | None = None,
) -> Model:
    """Train on rows on disk, window by window; decide and report on the rows that were set aside.

    Args:
        job: What `prepare_stream` made.
        shards: The training rows.
        rows: What was seen of them.
        window_bytes: Encoded rows of a window at most; None for `WINDOW_BYTES`.
        watch: Called with the progress.

    Raises:
        TrainingError: A loss that is not finite.
    """
    plan, spec = job.fit.plan, job.fit.network
    n_windows = _n_windows(shards, job, WINDOW_BYTES if window_bytes is None else window_bytes)
    supply = WindowSource(job, shards, WindowAssignment(shards.n_rows, n_windows, plan.seed), rows)
    networks = spec.networks(
        len(job.fit.members), lambda number: initial_state(plan, number, lambda: (rows.positives, rows.known))
    )
    windows = supply.windows(networks.tables)
    trained = engine.train_windows(networks, windows, plan, job.runtime, int(plan.batch_size), watch)
    n_rows = job.file.n_rows - len(rows.bad)
    notes = (*job.given.notes, *report_notes(job, windows.n_windows, n_rows), *rows.notes)
    held = weighted_counts(job.given.targets, job.given.weights)
    positives, known = rows.positives + held[0], rows.known + held[1]
    constant = np.flatnonzero((positives == 0) | (positives == known))
    given = replace(job.given, notes=notes, n_rows=n_rows, n_streamed=n_rows - len(job.given.ids), constant=constant)
    return build_model(job.fit, trained, job.undecided, job.runtime, given)


def _set_aside(sample: CrossFit, plan: TrainingConfig, n_rows: int) -> MemberRows:
    """Rows of the sample that train, stop and are scored, as places in `sample.rows`.

    As large a share of all rows as a single member's held-out part in memory, but half of the sample at most.
    """
    groups = None if sample.network.own is None else duplicate_groups(sample, sample.rows)
    n_sample = len(sample.rows)
    n_parts = max(2, parts_for_one(n_rows) * n_sample // n_rows)
    stop_share = plan.stop_share if plan.early_stopping else None
    targets = sample.base.targets.take(sample.rows)
    return cross_fitting(targets, 1, plan.folds, stop_share, plan.seed, groups, n_parts)[0]


def _marked(sample: CrossFit, places: np.ndarray) -> np.ndarray:
    """Which of the sample's rows are at these places or equal to a row that is, bool (s,)."""
    is_there = np.zeros(len(sample.rows), dtype=bool)
    is_there[places] = True
    return is_there[sample.place]


def _taken_out(sample: CrossFit, places: np.ndarray) -> Encoded:
    rows = sample.rows[places]
    return Encoded({name: block[rows] for name, block in sample.base.blocks.items()}, sample.base.targets.take(rows))


def _held_fit(sample: CrossFit, places: np.ndarray, place: np.ndarray) -> CrossFit:
    """The rows at some places, as a fit that scores all of them with every member."""
    held = _taken_out(sample, places)
    number = np.full(len(sample.rows), -1)
    number[places] = np.arange(len(places))
    nothing, everything = np.zeros(0, dtype=np.int64), np.arange(len(places))
    weights = sample.base.weights[sample.rows[places]]
    return replace(
        sample,
        base=EncodedData(held.blocks, held.targets, weights, sample.base.label_weights),
        rows=everything,
        place=number[place],
        members=[MemberRows(nothing, nothing, everything)] * int(sample.plan.members),
    )


def _row_order(sample: CrossFit, places: np.ndarray, is_aside: np.ndarray) -> RowOrder:
    firsts = np.unique(sample.place, return_index=True)[1]
    on_disk = np.cumsum(~is_aside) - 1
    return RowOrder(on_disk[firsts[places]], sample.base.weights[sample.rows[places]])


def _n_windows(shards: Shards, job: StreamJob, window_bytes: int) -> int:
    wanted = math.ceil(shards.n_rows * job.row_bytes / window_bytes)
    return max(1, min(wanted, shards.n_rows // 64))


def report_notes(job: StreamJob, n_windows: int, n_rows: int) -> Iterator[str]:
    """What a reader of the report should know of a training from a stream."""
    n_held = len(job.given.ids)
    yield (
        f"Trained from a stream of {n_rows} rows in {n_windows} window{'s' if n_windows > 1 else ''}. {n_held} rows, "
        "drawn at random and never trained on, are what scores, thresholds and this report rest on."
    )
    if job.canonical is None:
        yield "Kinds of columns, labels, scales and terms were learned from a random sample of the rows."
    if job.canonical is None or n_windows > 1:
        yield "Equal rows were not merged, so copies of a row may be on both sides."


class WindowSource:
    """Windows for the engine out of shards on disk.

    Args:
        job: What `prepare_stream` made.
        shards: The training rows.
        deal: How they are dealt out.
        rows: What was seen of them.
    """

    def __init__(self, job: StreamJob, shards: Shards, deal: WindowAssignment, rows: WriteSummary) -> None:
        self.shards, self.deal, self.rows, self.stop = shards, deal, rows, job.stop
        self.precision, self.label_weights = job.fit.plan.precision, job.fit.base.label_weights
        self.canonical = job.canonical if deal.n_windows == 1 else None
        self.sizes = deal.sizes() if self.canonical is None else (len(self.canonical.rows),) * 2
        self.n_stop = 0 if job.stop is None else job.stop.targets.n_samples
        self.has_unknown = shards.has_unknown or (job.stop is not None and job.stop.targets.known is not None)
        self.n_entries: dict[str, int] = {}

    def windows(self, tables: Any) -> engine.Windows:
        """What the engine asks for windows.

        Args:
            tables: Names of the sparse blocks.
        """
        edges = self.deal.edges()
        for name in tables:
            by_shard = [self.shards.n_entries(name, int(a), int(b)) for a, b in pairwise(edges)]
            most = self.deal.least_and_most(np.asarray(by_shard))[1]
            self.n_entries[name] = engine.bucket(most + self._stop_entries(name).sum() + 1)
        n, counts = self.deal.n_windows, (self.rows.positives, self.rows.known)
        return engine.Windows(self.load, n, self.sizes, self.n_stop, *counts, self.most_entries)

    def load(self, number: int, window: int) -> engine.Window:
        """One window of a pass."""
        rows = joined([self.shards.read(*span) for span in self.deal.ranges(number, window)])
        weights = np.ones(rows.targets.n_samples)
        if self.canonical is not None:
            order, weights = self.canonical.rows, self.canonical.weights
            rows = Encoded({name: block[order] for name, block in rows.blocks.items()}, rows.targets.take(order))
        n_train = rows.targets.n_samples
        values, known = (self._beside(array, *stop) for array, *stop in self._target_arrays(rows.targets))
        blocks = {
            name: self._beside(block, None if self.stop is None else self.stop.blocks[name])
            for name, block in rows.blocks.items()
        }
        data = engine.lay_out(
            blocks,
            values,
            known if self.has_unknown else None,
            self._beside(weights, np.ones(self.n_stop)),
            self.precision,
            self.label_weights,
            tables=self.n_entries,
            n_rows=engine.bucket(self.sizes[1] + self.n_stop),
            n_entries=self.n_entries,
        )
        return engine.Window(data, n_train)

    def most_entries(self, name: str, n_rows: int) -> int:
        """The most non-zeros that so many rows of a block can have, rounded up."""
        counts = np.concatenate([self.shards.entry_counts(name), self._stop_entries(name)])
        return engine.bucket(int(np.sort(counts)[-n_rows:].sum()), smallest=256)

    def _stop_entries(self, name: str) -> np.ndarray:
        return np.zeros(0, dtype=np.int64) if self.stop is None else np.diff(self.stop.blocks[name].indptr)

    def _target_arrays(self, targets: Targets) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        stop = None if self.stop is None else self.stop.targets
        yield targets.values, None if stop is None else stop.values
        yield targets.known_mask(), None if stop is None else stop.known_mask()

    def _beside(self, block: Any, stop: Any) -> Any:
        """Training rows, empty rows up to the largest window, stopping rows."""
        if stop is None or not self.n_stop:
            return block
        gap = (self.sizes[1] - block.shape[0], *block.shape[1:])
        if sp.issparse(block):
            return sp.vstack([block, sp.csr_matrix(gap, dtype=block.dtype), stop], format="csr")
        return np.concatenate([block, np.zeros(gap, block.dtype), stop])
