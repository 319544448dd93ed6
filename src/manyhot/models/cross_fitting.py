"""Cross-fitted ensembles, prepared on the host; those of all folds are trained together as one job of the engine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from manyhot import engine, networks
from manyhot.config.auto import first_epochs, resolve_auto, searches_epochs
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import CUSTOM, TrainingConfig
from manyhot.data.deduplication import fingerprints, has_few_distinct, merge_duplicates
from manyhot.data.labels import LabelSpace
from manyhot.data.splitting.folds import MemberRows, cross_fitting_splits
from manyhot.data.targets import Targets
from manyhot.encoders import Encoder
from manyhot.errors import InputError
from manyhot.models.checks import check_softmax_targets
from manyhot.models.network_spec import (
    NetworkSpec,
    apply_custom_network,
    choose_branches,
    choose_network,
    describe_custom,
    network_settings,
    taxonomy_levels,
)

Features = Any
"""What an encoder takes: a polars frame, a matrix (n, f), a CSR matrix or named arrays."""


@dataclass(frozen=True)
class EncodedData:
    """Encoded rows that one or several fits draw from."""

    blocks: Mapping[str, Any]  # named features (n, ...), dense or CSR
    targets: Targets
    weights: np.ndarray  # float (n,)
    label_weights: np.ndarray | None = None  # float (l,), weight of each label in the loss; None for ones

    @property
    def n_bytes(self) -> int:
        """Memory that the rows take on the device."""
        blocks = self.blocks.values()
        sizes = [
            8 * block.nnz if sp.issparse(block) else (1 if block.dtype == np.uint8 else 4) * int(np.prod(block.shape))
            for block in blocks
        ]
        return sum(sizes) + self.targets.values.size * (1 if self.targets.known is None else 2)


@dataclass(frozen=True)
class EncodedFit:
    """The rows of one fit, before the rows of its members are chosen."""

    encoder: Encoder
    data: EncodedData
    rows: np.ndarray  # int64 (u,), the rows of `data` in their canonical order
    place: np.ndarray  # int64 (n,), for each original row its place in `rows`
    groups: np.ndarray | None  # (u,), rows of a group stay together; None where each is its own
    is_alike: bool  # whether most rows are equal to others
    custom: networks.CustomNetwork | None  # the Keras model of the user's
    targets: Targets  # of the original rows
    labels: LabelSpace | None


@dataclass(frozen=True)
class CrossFit:
    """One cross-fitted ensemble, ready to be trained."""

    encoder: Encoder
    data: EncodedData
    rows: np.ndarray  # int64 (u,), the rows of `data` that are this fit's, in their canonical order
    place: np.ndarray  # int64 (n,), for each original row of this fit its place in `rows`
    members: list[MemberRows]
    config: TrainingConfig
    network: NetworkSpec
    is_alike: bool = False
    searches_epochs: bool = False  # whether `config.epochs` is only the first of those to try
    epoch_losses: Mapping[int, float] = field(default_factory=dict)  # epochs that were tried -> loss


def weighted_counts(targets: Targets, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted counts of positives and of known entries of each label, float64 (l,) both."""
    axes = tuple(range(1, targets.values.ndim - 1))

    def sum_rows(entries: np.ndarray) -> np.ndarray:
        per_row = entries.sum(axis=axes) if axes else entries
        return (per_row * weights[:, None]).sum(axis=0)

    return sum_rows(targets.values), sum_rows(targets.known_mask())


@dataclass(frozen=True)
class MemberStarts:
    """Where members begin, by their number in the job; plain data, so that it can travel."""

    seeds: list[int]
    output_biases: list[np.ndarray | None]  # float64 (l,), log odds of each label among a member's training rows
    dtype: str

    def __call__(self, member: int) -> networks.MemberInitializer:
        """The initial values of a member."""
        return networks.MemberInitializer(self.seeds[member], self.output_biases[member], self.dtype)


def member_seed(config: TrainingConfig, number: int) -> int:
    """The seed of the member of a number."""
    return int(np.random.SeedSequence([config.random_state, 0, number]).generate_state(1)[0])


def output_bias(config: TrainingConfig, positives: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Log odds of each label (l,) for these weighted counts of positives and of known entries."""
    odds = (positives + 0.5) / (total - positives + 0.5)
    if config.label_weights == "balanced":
        odds *= engine.balanced_weights(positives, total)
    return np.log(odds)


def member_starts(fits: Sequence[CrossFit], first: int = 0) -> MemberStarts:
    """Where the members of these fits begin: own seeds, and the odds of each label among their training rows."""
    config = fits[0].config
    biases: list[np.ndarray | None] = [
        output_bias(config, *weighted_counts(fit.data.targets.take(member.train), fit.data.weights[member.train]))
        if config.prior_bias
        else None
        for fit in fits
        for member in fit.members
    ]
    return MemberStarts([member_seed(config, first + k) for k in range(len(biases))], biases, config.dtype)


def prepare_cross_fit(
    features: Features,
    targets: Targets,
    encoder: Encoder,
    config: TrainingConfig,
    network: Any = None,
    weights: np.ndarray | None = None,
    trains_on_all: bool = False,
    labels: LabelSpace | None = None,
    n_rows: int | None = None,
    epochs: int | None = None,
) -> CrossFit:
    """Encode, settle equal rows, choose the rows of each member.

    `n_rows` is what "auto" is resolved for; `epochs` is what "auto" epochs become, or what their search begins with.
    """
    encoded = encode_rows(features, targets, encoder, config, network, weights, labels)
    return plan_cross_fit(encoded, config, trains_on_all, n_rows, epochs)


def encode_rows(
    features: Features,
    targets: Targets,
    encoder: Encoder,
    config: TrainingConfig,
    network: Any = None,
    weights: np.ndarray | None = None,
    labels: LabelSpace | None = None,
) -> EncodedFit:
    """Encode, and settle equal rows."""
    weights = np.ones(targets.n_samples) if weights is None else weights
    blocks = encoder.fit(features, weights).transform(features)
    custom = describe_custom(network, encoder.shapes(), targets.n_labels) if config.network == CUSTOM else None
    label_weights = resolve_label_weights(config, labels)
    merged = merge_duplicates(blocks, targets, weights)
    is_alike = 2 * len(merged.rows) <= len(merged.inverse) and has_few_distinct(fingerprints(blocks))
    if custom is None and not is_alike:
        rows = merged.rows
        blocks = {name: block[rows] for name, block in blocks.items()}
        data = EncodedData(blocks, targets.take(rows), merged.weights, label_weights)
        place, groups, rows = merged.inverse, None, np.arange(len(rows))
    else:
        # as the model's own fit would: each copy is a row; in one order whatever the order of the rows was
        data = EncodedData(blocks, targets, weights, label_weights)
        rows = np.lexsort((weights, merged.inverse))
        place, groups = np.argsort(rows), None if is_alike else merged.inverse[rows]
    return EncodedFit(encoder, data, rows, place, groups, is_alike, custom, targets, labels)


def plan_cross_fit(
    encoded: EncodedFit,
    config: TrainingConfig,
    trains_on_all: bool = False,
    n_rows: int | None = None,
    epochs: int | None = None,
) -> CrossFit:
    """Choose the network and the rows of each member; the encoded rows are shared, not copied."""
    encoder, data, rows, custom = encoded.encoder, encoded.data, encoded.rows, encoded.custom
    config = choose_network(apply_custom_network(config, custom), encoder.vocabularies, encoder.image_scaling)
    config = choose_branches(config, encoder.shapes(), encoder.sparse)
    check_softmax_targets(config, encoded.targets)
    settings = network_settings(config, encoder.sparse, encoder.vocabularies, encoder.image_scaling)
    levels = taxonomy_levels(config, encoded.labels)
    spec = NetworkSpec(config.network, settings, encoder.shapes(), data.targets.n_labels, config.dtype, custom, levels)
    has_optimizer = custom is not None and custom.optimizer is not None
    is_open = n_rows is None and searches_epochs(config)
    if epochs is not None:
        config = config.changed(epochs=epochs)
    config = resolve_auto(config, n_rows or len(rows), has_optimizer, spec.n_table_weights)
    if is_open:
        config = first_epochs(config)
    members = _split_members(data.targets.take(rows), rows, config, encoded.groups, trains_on_all)
    searched = is_open and len(members) > 1
    return CrossFit(encoder, data, rows, encoded.place, members, config, spec, encoded.is_alike, searched)


def subset(fit: CrossFit, chosen: np.ndarray, trains_on_all: bool) -> CrossFit:
    """A fit on some of another fit's original rows, sharing its encoded rows; for encoders that learn nothing."""
    is_chosen = np.zeros(len(fit.place), dtype=bool)
    is_chosen[chosen] = True
    rows = fit.rows[is_chosen[fit.rows]]
    new_place = np.full(len(fit.place), -1)
    new_place[rows] = np.arange(len(rows))
    groups = duplicate_groups(fit, rows)
    members = _split_members(fit.data.targets.take(rows), rows, fit.config, groups, trains_on_all)
    return replace(fit, rows=rows, place=new_place[chosen], members=members)


def duplicate_groups(fit: CrossFit, rows: np.ndarray) -> np.ndarray | None:
    """For each of some rows of the base, the number of the group of equal rows that it is in; None for no groups."""
    if fit.is_alike:
        return None
    merged = merge_duplicates(
        {name: block[rows] for name, block in fit.data.blocks.items()}, fit.data.targets.take(rows), np.ones(len(rows))
    )
    return merged.inverse


def _split_members(
    targets: Targets, rows: np.ndarray, config: TrainingConfig, groups: np.ndarray | None, trains_on_all: bool
) -> list[MemberRows]:
    """The members' rows, as rows of the base; the config has no "auto" left."""
    n_members = int(config.n_members)
    if trains_on_all:
        no_rows = np.zeros(0, dtype=np.int64)
        return [MemberRows(rows, no_rows, no_rows)] * n_members
    validation_fraction = config.validation_fraction if config.early_stopping else None
    n_units = len(rows) if groups is None else len(np.unique(groups))
    members = cross_fitting_splits(
        targets, n_members, min(config.n_folds, n_units), validation_fraction, config.random_state, groups
    )
    return [MemberRows(*(rows[part] for part in member)) for member in members]


def resolve_label_weights(config: TrainingConfig, labels: LabelSpace | None) -> np.ndarray | None:
    """The weight of each label in the loss, float64 (l,); None where the config names none."""
    if labels is None or not isinstance(config.label_weights, Mapping):
        return None
    weights = np.ones(len(labels))
    for name, weight in config.label_weights.items():
        weights[labels.index(name)] = weight
    if not weights.any():
        raise InputError(
            "the weights are all 0, so nothing would be learned; give one label or more a weight above 0",
            argument="label_weights",
        )
    return weights


def train_cross_fits(
    fits: Sequence[CrossFit],
    runtime: RuntimeConfig,
    callback: engine.ProgressCallback | None = None,
    first: int = 0,
    initial_weights: engine.Weights | None = None,
    size: engine.JobSize | None = None,
    snapshots: engine.Snapshots | None = None,
) -> tuple[engine.NetworkFactory, engine.TrainingResult]:
    """Train the members of all fits as one job, numbered from `first`; their networks and configs are alike."""
    config, batch_size = fits[0].config, int(fits[0].config.batch_size)
    factory, rows, splits = as_one_job(fits, first)
    n_steps = [math.ceil(max(len(one.train) for one in fit.members) / batch_size) for fit in fits for _ in fit.members]
    trained = engine.train(
        factory,
        rows,
        splits,
        config,
        runtime,
        batch_size,
        initial_weights,
        callback,
        n_steps=n_steps,
        size=size,
        snapshots=snapshots,
    )
    return factory, trained


def fits_together(fit: CrossFit, runtime: RuntimeConfig, size: engine.JobSize) -> int:
    """How many fits such as this one it takes to fill the programs of a job of a size."""
    return math.ceil(members_together(fit, runtime, size) / len(fit.members))


def members_together(fit: CrossFit, runtime: RuntimeConfig, size: engine.JobSize) -> int:
    """How many members such as those of this fit one program of a job of a size trains."""
    job = engine.TrainingJob(
        *as_one_job([fit], 0), fit.config, runtime.changed(executor=None), int(fit.config.batch_size), size=size
    )
    return engine.members_together(job)


def as_one_job(
    fits: Sequence[CrossFit], first: int
) -> tuple[engine.NetworkFactory, engine.EncodedRows, engine.MemberSplits]:
    """The members of all fits, numbered from `first`, on the rows of all."""
    bases: dict[int, tuple[EncodedData, int]] = {}
    n_rows = 0
    for fit in fits:
        if id(fit.data) not in bases:
            bases[id(fit.data)] = (fit.data, n_rows)
            n_rows += len(fit.data.weights)
    fit_members = [(fit, member) for fit in fits for member in fit.members]
    splits = engine.MemberSplits(
        *(
            [member[part] + bases[id(fit.data)][1] for fit, member in fit_members]
            for part in range(len(MemberRows._fields))
        )
    )
    factory = fits[0].network.factory(len(fit_members), member_starts(fits, first), first)
    return factory, _encoded_rows([base for base, _ in bases.values()], fits[0].config.dtype), splits


def _encoded_rows(bases: list[EncodedData], dtype: str) -> engine.EncodedRows:
    if len(bases) == 1:
        base = bases[0]
        arrays = (base.blocks, base.targets.values, base.targets.known, base.weights)
        return engine.EncodedRows(*arrays, dtype, base.label_weights)
    targets = Targets.concatenate([base.targets for base in bases])
    return engine.EncodedRows(
        {name: _stack([base.blocks[name] for base in bases]) for name in bases[0].blocks},
        targets.values,
        targets.known,
        np.concatenate([base.weights for base in bases]),
        dtype,
        bases[0].label_weights,
    )


def _stack(blocks: list[Any]) -> Any:
    return sp.vstack(blocks, format="csr") if sp.issparse(blocks[0]) else np.concatenate(blocks)


def row_history(fit: CrossFit) -> tuple[np.ndarray, np.ndarray]:
    """Fingerprints uint64 (n,) of the original rows, and bool (n, m), which members each was held from."""
    held_out = np.zeros((len(fit.data.weights), len(fit.members)), dtype=bool)
    for k, member in enumerate(fit.members):
        held_out[member.held_out, k] = True
    return fingerprints(fit.data.blocks)[fit.rows][fit.place], held_out[fit.rows][fit.place]


def score_out_of_fold(scorer: engine.Scorer, fit: CrossFit, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores (u, l) of a fit's rows by the members that never saw them, 0 where none, and how many those are (u,)."""
    n_base = len(fit.data.weights)
    total = np.zeros((n_base, fit.network.n_labels))
    count = np.zeros(n_base, dtype=np.int64)
    for k, member in enumerate(fit.members):
        blocks = {name: block[member.held_out] for name, block in fit.data.blocks.items()}
        total[member.held_out] += scorer.mean_outputs(blocks, (first + k, first + k + 1))
        count[member.held_out] += 1
    total, count = total[fit.rows], count[fit.rows]
    scores = scorer.to_scores(total / np.maximum(count, 1)[:, None])
    return np.where(count[:, None] > 0, scores, 0).astype(fit.config.dtype), count
