"""Training on a file larger than memory: a model from rows that are never all in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np

from manyhot import engine
from manyhot.data.hierarchy import Completion, complete_targets
from manyhot.data.invalid_images import ImageError, describe_invalid, raise_for_invalid
from manyhot.data.readers import Survey
from manyhot.data.samples import Samples
from manyhot.data.shards import Encoded, Shards, WindowAssignment, check_disk_space, row_bytes
from manyhot.data.splitting.folds import MemberRows, cross_fitting_splits, single_member_parts
from manyhot.data.targets import Targets
from manyhot.decisions.policy import untrained_policy
from manyhot.errors import InputError
from manyhot.files import scratch_folder
from manyhot.models.checks import check_learnable
from manyhot.models.cross_fitting import (
    CrossFit,
    EncodedData,
    MemberStarts,
    duplicate_groups,
    member_seed,
    output_bias,
    prepare_cross_fit,
    weighted_counts,
)
from manyhot.models.measuring import InputRows
from manyhot.models.model import Model
from manyhot.models.run_identity import fit_identity
from manyhot.models.stream_windows import RowOrder, StreamJob, WindowSource, WriteSummary
from manyhot.models.training import build_model
from manyhot.models.training_data import Progress, TrainingInputs

WINDOW_BYTES = 2**26
"""Encoded rows of a window at most; a few windows are in memory at a time."""
DISK_SLACK = 1.1
MAX_NOTES = 10
ROWS = "rows"
"""Name of the snapshot that says that all rows are on disk."""


def prepare_stream(survey: Survey, inputs: TrainingInputs, network: Any = None) -> StreamJob:
    """Fit the encoder on the sample, and set rows of it aside."""
    if inputs.is_used is not None:  # what is left out is told when all rows are written
        survey, inputs = survey.take(inputs.is_used), inputs._replace(notes=tuple(survey.samples.notes))
    check_learnable(inputs.targets, inputs.labels)
    if inputs.config.image_params["fine_tune_epochs"]:
        raise InputError(
            "fine_tune_epochs: a backbone is not tuned from a stream; omit fine_tune_epochs, so that it stays as it "
            "is, or train in "
            "memory (--no-stream)",
            argument="image_params",
        )
    untrained = untrained_policy(inputs.config, inputs.labels)
    config = inputs.config.changed(n_members=1) if inputs.config.n_members == "auto" else inputs.config
    sample = prepare_cross_fit(
        inputs.features,
        inputs.targets,
        inputs.encoder(),
        config,
        network,
        trains_on_all=True,
        labels=inputs.labels,
        n_rows=None if survey.is_whole else survey.file.n_rows,
    )
    if sample.network.custom is not None and sample.encoder.sparse:
        raise InputError(
            "a Keras model of your own takes no text from a stream; leave the text columns out, or train in memory",
            argument="network",
        )
    if sample.encoder.vocabularies:
        raise InputError("vectors of words are not learned from a stream; take text='tfidf'", argument="text")
    n_rows = len(sample.rows) if survey.is_whole else survey.file.n_rows
    split = _split_sample(sample, n_rows)
    is_held_out, is_reserved = (
        _row_mask(sample, split.held_out),
        _row_mask(sample, np.concatenate([split.held_out, split.validation])),
    )
    held_out = np.flatnonzero(is_held_out)
    ids = inputs.ids if inputs.ids is not None else (survey.rows + 1).astype(str)
    input_rows = InputRows(
        inputs.targets.take(held_out), np.ones(len(held_out)), ids[held_out], survey.file.n_rows, inputs.notes
    )
    return StreamJob(
        survey.file,
        inputs.labels,
        _held_out_fit(sample, split.held_out, sample.place[held_out]),
        input_rows,
        _select_encoded(sample, split.validation) if len(split.validation) else None,
        survey.rows[is_reserved],
        untrained,
        inputs.runtime,
        row_bytes(sample.data.blocks, sample.data.targets),
        _row_order(sample, split.train, is_reserved) if survey.is_whole else None,
    )


def write_rows(job: StreamJob, shards: Shards, progress: Progress | None = None) -> WriteSummary:
    """Encode all rows of the file that are not set aside, and keep them on disk."""
    n_labels, n_rows = len(job.labels), job.file.n_rows
    check_disk_space(shards.folder, DISK_SLACK * (n_rows - len(job.reserved)) * job.row_bytes)
    summary = WriteSummary(np.zeros(n_labels), np.zeros(n_labels))
    first = 0
    for samples in job.file.chunks():
        assert isinstance(samples.targets, Targets)
        numbers = np.arange(first, first + samples.n_samples)
        selected = np.flatnonzero(~np.isin(numbers, job.reserved, assume_unique=True))
        first += samples.n_samples
        summary.notes += [
            note for note in samples.notes if note not in summary.notes and len(summary.notes) < MAX_NOTES
        ]
        features, selected = _decode_selected(job, samples, selected, summary)
        completed, completion = complete_targets(samples.targets, job.untrained.hierarchy)
        summary.completion += completion
        targets = completed.take(selected)
        positives, known = weighted_counts(targets, np.ones(len(selected)))
        summary.positives += positives
        summary.known += known
        shards.append(Encoded(job.fit.encoder.transform(features), targets))
        if progress is not None:
            progress("encoding", first / n_rows)
    if summary.invalid_images:
        summary.notes.append(describe_invalid(summary.invalid_images, "left out"))
    return summary


@contextmanager
def encoded_rows(
    job: StreamJob, folder: Path, snapshots: engine.Snapshots | None = None, progress: Progress | None = None
) -> Iterator[tuple[Shards, WriteSummary]]:
    """Encode all rows of the file on disk; with snapshots only where an earlier run did not come to the end of them."""
    if snapshots is not None:
        snapshots.begin(
            fit_identity(
                "stream",
                job.fit,
                job.runtime,
                file=[job.file.n_rows, job.file.stamp[0]],
                held_out=[job.reserved, job.input_rows.ids.tolist()],
                stopping=None if job.validation is None else list(job.validation),
            )
        )
        saved = snapshots.load(ROWS)
        if saved is not None:
            document, arrays = saved
            invalid = {int(row): ImageError(*fault) for row, fault in document["invalid_images"].items()}
            completion = Completion(*document["completion"])
            summary = WriteSummary(arrays["positives"], arrays["known"], document["notes"], invalid, completion)
            with Shards.reopen(folder, document["index"]) as shards:
                yield shards, summary
            return
    is_shared = job.runtime.executor is not None
    with ExitStack() as stack:
        if is_shared and snapshots is None:
            folder = stack.enter_context(scratch_folder(folder, ".manyhot-"))
        shards = stack.enter_context(Shards(folder, is_named=is_shared or snapshots is not None))
        summary = write_rows(job, shards, progress)
        if snapshots is not None:
            invalid_images = {str(row): list(fault) for row, fault in summary.invalid_images.items()}
            document = {
                "index": shards.index(),
                "notes": summary.notes,
                "invalid_images": invalid_images,
                "completion": list(astuple(summary.completion)),
            }
            snapshots.save(ROWS, document, {"positives": summary.positives, "known": summary.known})
        yield shards, summary


def _decode_selected(
    job: StreamJob, samples: Samples, selected: np.ndarray, summary: WriteSummary
) -> tuple[Any, np.ndarray]:
    """Some rows of a piece with their images decoded, and their places in it, without those that cannot be used."""
    features, encoder = samples.features[selected], job.fit.encoder
    if not encoder.image_columns:
        return features, selected
    features, invalid = encoder.decode_images(features)
    invalid = {int(selected[row]): fault for row, fault in invalid.items()}
    try:
        if job.runtime.on_bad_image == "error":
            raise_for_invalid(invalid)
    except InputError as error:
        raise samples.locate_error(error) from None
    summary.invalid_images |= {int(samples.row_numbers()[row]) - 1: fault for row, fault in invalid.items()}
    is_good = ~np.isin(selected, list(invalid))
    return features.filter(is_good), selected[is_good]


def train_stream(
    job: StreamJob,
    shards: Shards,
    summary: WriteSummary,
    window_bytes: int | None = None,
    callback: engine.ProgressCallback | None = None,
    snapshots: engine.Snapshots | None = None,
) -> Model:
    """Train on rows on disk, window by window; decide and report on the rows that were set aside."""
    config, spec = job.fit.config, job.fit.network
    n_windows = _n_windows(shards, job, WINDOW_BYTES if window_bytes is None else window_bytes)
    source = WindowSource(job, shards, WindowAssignment(shards.n_rows, n_windows, config.random_state), summary)
    n_members = len(job.fit.members)
    bias = output_bias(config, summary.positives, summary.known) if config.prior_bias else None
    seeds = [member_seed(config, number) for number in range(n_members)]
    factory = spec.factory(n_members, MemberStarts(seeds, [bias] * n_members, config.dtype))
    windows = source.windows(factory.tables)
    trained = engine.train_windows(factory, windows, config, job.runtime, int(config.batch_size), callback, snapshots)
    n_rows = job.file.n_rows - len(summary.invalid_images)
    notes = (*job.input_rows.notes, *report_notes(job, windows.n_windows, n_rows), *summary.notes)
    notes += summary.completion.notes()
    held_out_counts = weighted_counts(job.input_rows.targets, job.input_rows.weights)
    positives, known = summary.positives + held_out_counts[0], summary.known + held_out_counts[1]
    constant = np.flatnonzero((positives == 0) | (positives == known))
    input_rows = replace(
        job.input_rows, notes=notes, n_rows=n_rows, n_streamed=n_rows - len(job.input_rows.ids), constant=constant
    )
    return build_model(job.fit, trained, job.untrained, job.runtime, input_rows, callback)


def _split_sample(sample: CrossFit, n_rows: int) -> MemberRows:
    """Rows of the sample that train, stop and are scored, as places in `sample.rows`."""
    groups, config = None if sample.network.custom is None else duplicate_groups(sample, sample.rows), sample.config
    n_sample = len(sample.rows)
    n_parts = max(2, single_member_parts(n_rows) * n_sample // n_rows)
    validation_fraction = config.validation_fraction if config.early_stopping else None
    targets = sample.data.targets.take(sample.rows)
    return cross_fitting_splits(targets, 1, config.n_folds, validation_fraction, config.random_state, groups, n_parts)[
        0
    ]


def _row_mask(sample: CrossFit, places: np.ndarray) -> np.ndarray:
    """Which of the sample's rows are at these places or equal to a row that is, bool (s,)."""
    mask = np.zeros(len(sample.rows), dtype=bool)
    mask[places] = True
    return mask[sample.place]


def _select_encoded(sample: CrossFit, places: np.ndarray) -> Encoded:
    rows = sample.rows[places]
    return Encoded({name: block[rows] for name, block in sample.data.blocks.items()}, sample.data.targets.take(rows))


def _held_out_fit(sample: CrossFit, places: np.ndarray, place: np.ndarray) -> CrossFit:
    """The rows at some places, as a fit that scores all of them with every member."""
    encoded = _select_encoded(sample, places)
    new_place = np.full(len(sample.rows), -1)
    new_place[places] = np.arange(len(places))
    no_rows, all_rows = np.zeros(0, dtype=np.int64), np.arange(len(places))
    weights = sample.data.weights[sample.rows[places]]
    return replace(
        sample,
        data=EncodedData(encoded.blocks, encoded.targets, weights, sample.data.label_weights),
        rows=all_rows,
        place=new_place[place],
        members=[MemberRows(no_rows, no_rows, all_rows)] * int(sample.config.n_members),
    )


def _row_order(sample: CrossFit, places: np.ndarray, is_reserved: np.ndarray) -> RowOrder:
    firsts = np.unique(sample.place, return_index=True)[1]
    on_disk = np.cumsum(~is_reserved) - 1
    return RowOrder(on_disk[firsts[places]], sample.data.weights[sample.rows[places]])


def _n_windows(shards: Shards, job: StreamJob, window_bytes: int) -> int:
    wanted = math.ceil(shards.n_rows * job.row_bytes / window_bytes)
    return max(1, min(wanted, shards.n_rows // 64))


def report_notes(job: StreamJob, n_windows: int, n_rows: int) -> Iterator[str]:
    """What a reader of the report should know of a training from a stream."""
    n_held = len(job.input_rows.ids)
    yield (
        f"Trained from a stream of {n_rows} rows in {n_windows} window{'s' if n_windows > 1 else ''}. {n_held} rows, "
        "drawn at random and never trained on, are what scores, thresholds and this report rest on."
    )
    if job.row_order is None:
        yield "Kinds of columns, labels, scales and terms were learned from a random sample of the rows."
    if job.row_order is None or n_windows > 1:
        yield "Duplicate rows were not merged, so copies of a row may be on both sides."
