"""Fits: cross-fitted ensembles prepared on the host and trained together as one job of the engine.

A fit is one ensemble: its rows, encoded, and which of them each member uses. One fit makes a model; the thirty fits of
a repeated cross-validation are trained by the same call, side by side where memory allows. What the scores are then
used for is not known here. Start reading at `prepare_cross_fit`, then `train_cross_fits`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from manyhot import engine
from manyhot.config.auto import resolve_auto
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import CUSTOM, TrainingConfig
from manyhot.data.deduplication import are_alike, fingerprints, merge_duplicates
from manyhot.data.labels import LabelSpace
from manyhot.data.splitting.folds import MemberRows, cross_fitting
from manyhot.data.targets import Targets
from manyhot.encoders import Encoder
from manyhot.errors import InputError
from manyhot.models.checks import check_softmax_targets
from manyhot.models.network_spec import (
    NetworkSpec,
    apply_custom_network,
    choose_network,
    describe_custom,
    network_settings,
)
from manyhot.networks import Start

Features = Any
"""What an encoder takes: a polars frame, a matrix (n, f), a CSR matrix or named arrays."""


@dataclass(frozen=True)
class EncodedData:
    """Encoded rows that one or several fits draw from.

    Args:
        blocks: Named features (n, ...), dense or CSR.
        targets: Their targets.
        weights: float (n,).
        label_weights: float (l,), weight of each label in the loss; None for ones.
    """

    blocks: Mapping[str, Any]
    targets: Targets
    weights: np.ndarray
    label_weights: np.ndarray | None = None

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
class CrossFit:
    """One cross-fitted ensemble, ready to be trained.

    Args:
        encoder: Fitted encoder.
        base: The encoded rows.
        rows: int64 (u,), the rows of `base` that are this fit's, in their canonical order.
        place: int64 (n,), for each original row of this fit its place in `rows`.
        members: Which rows of `base` each member uses.
        plan: The plan with nothing left to choose.
        network: What the members look like.
        is_alike: Whether equal rows are taken for different samples, which folds need not keep together.
    """

    encoder: Encoder
    base: EncodedData
    rows: np.ndarray
    place: np.ndarray
    members: list[MemberRows]
    plan: TrainingConfig
    network: NetworkSpec
    is_alike: bool = False

    def start(self, member: int, number: int) -> Start:
        """Where a member begins: its own seed, and the log odds of each label among its training rows."""
        rows = self.members[member].train
        return initial_state(
            self.plan, number, lambda: weighted_counts(self.base.targets.take(rows), self.base.weights[rows])
        )


def weighted_counts(targets: Targets, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted counts of positives and of known entries of each label, float64 (l,) both."""
    places = tuple(range(1, targets.values.ndim - 1))

    def counted(entries: np.ndarray) -> np.ndarray:
        in_row = entries.sum(axis=places) if places else entries
        return (in_row * weights[:, None]).sum(axis=0)

    return counted(targets.values), counted(targets.known_mask())


def initial_state(plan: TrainingConfig, number: int, counts: Callable[[], tuple[np.ndarray, np.ndarray]]) -> Start:
    """Where a member begins.

    Args:
        plan: The plan with nothing left to choose.
        number: The member's number, which is its seed.
        counts: Weighted counts of positives and of known entries of each label among its training rows.
    """
    seed = int(np.random.SeedSequence([plan.seed, 0, number]).generate_state(1)[0])
    if not plan.prior_bias:
        return Start(seed, None, plan.precision)
    positives, total = counts()
    odds = (positives + 0.5) / (total - positives + 0.5)
    if plan.label_weights == "balanced":
        odds *= engine.balanced_weights(positives, total)
    return Start(seed, np.log(odds), plan.precision)


def prepare_cross_fit(
    features: Features,
    targets: Targets,
    encoder: Encoder,
    plan: TrainingConfig,
    network: Any = None,
    weights: np.ndarray | None = None,
    trains_on_all: bool = False,
    labels: LabelSpace | None = None,
) -> CrossFit:
    """Encode, settle equal rows, choose the rows of each member.

    Args:
        features: What the encoder takes, n rows.
        targets: Targets (n, l).
        encoder: Not yet fitted.
        plan: Settings that change the result.
        network: Keras model, or function (input shape, n_labels) -> Keras model, or `CustomNetwork`, for "own".
        weights: float (n,), above 0; None for ones.
        trains_on_all: Whether every member trains on all rows and is scored on none.
        labels: The names of the labels, where the plan gives some of them a weight.

    Raises:
        InputError: Too few rows, a network that does not fit, or softmax for samples with several labels.
    """
    weights = np.ones(targets.n_samples) if weights is None else weights
    blocks = encoder.fit(features, weights).transform(features)
    own = describe_custom(network, encoder.shapes(), targets.n_labels) if plan.network == CUSTOM else None
    plan = choose_network(apply_custom_network(plan, own), encoder.vocabularies, encoder.images)
    check_softmax_targets(plan, targets)
    label_weights = label_weights_of(plan, labels)
    merged = merge_duplicates(blocks, targets, weights)
    is_alike = 2 * len(merged.rows) <= len(merged.place) and are_alike(fingerprints(blocks))
    if own is None and not is_alike:
        rows = merged.rows
        blocks = {name: block[rows] for name, block in blocks.items()}
        base = EncodedData(blocks, targets.take(rows), merged.weights, label_weights)
        place, groups, rows = merged.place, None, np.arange(len(rows))
    else:
        # as the model's own fit would: each copy is a row; in one order whatever the order of the rows was
        base = EncodedData(blocks, targets, weights, label_weights)
        rows = np.lexsort((weights, merged.place))
        place, groups = np.argsort(rows), None if is_alike else merged.place[rows]
    settings = network_settings(plan, encoder.sparse, encoder.vocabularies, encoder.images)
    spec = NetworkSpec(plan.network, settings, encoder.shapes(), targets.n_labels, plan.precision, own)
    plan = resolve_auto(plan, len(rows), own is not None and own.optimizer is not None, spec.n_table)
    members = _members_of(base.targets.take(rows), rows, plan, groups, trains_on_all)
    return CrossFit(encoder, base, rows, place, members, plan, spec, is_alike)


def subset(fit: CrossFit, chosen: np.ndarray, trains_on_all: bool) -> CrossFit:
    """A fit on some of another fit's original rows, sharing its encoded rows; for encoders that learn nothing.

    Args:
        fit: A fit whose base holds every original row at its own place.
        chosen: int64, original rows.
        trains_on_all: As for `prepare_cross_fit`.
    """
    is_chosen = np.zeros(len(fit.place), dtype=bool)
    is_chosen[chosen] = True
    rows = fit.rows[is_chosen[fit.rows]]
    place_of = np.full(len(fit.place), -1)
    place_of[rows] = np.arange(len(rows))
    groups = duplicate_groups(fit, rows)
    members = _members_of(fit.base.targets.take(rows), rows, fit.plan, groups, trains_on_all)
    return replace(fit, rows=rows, place=place_of[chosen], members=members)


def duplicate_groups(fit: CrossFit, rows: np.ndarray) -> np.ndarray | None:
    """For each of some rows of the base, the number of the group of equal rows that it is in; None for no groups."""
    if fit.is_alike:
        return None
    merged = merge_duplicates(
        {name: block[rows] for name, block in fit.base.blocks.items()}, fit.base.targets.take(rows), np.ones(len(rows))
    )
    return merged.place


def _members_of(
    targets: Targets, rows: np.ndarray, plan: TrainingConfig, groups: np.ndarray | None, trains_on_all: bool
) -> list[MemberRows]:
    """The members' rows, as rows of the base; the plan has no "auto" left."""
    n_members = int(plan.members)
    if trains_on_all:
        nothing = np.zeros(0, dtype=np.int64)
        return [MemberRows(rows, nothing, nothing)] * n_members
    stop_share = plan.stop_share if plan.early_stopping else None
    n_units = len(rows) if groups is None else len(np.unique(groups))
    members = cross_fitting(targets, n_members, min(plan.folds, n_units), stop_share, plan.seed, groups)
    return [MemberRows(*(rows[part] for part in member)) for member in members]


def label_weights_of(plan: TrainingConfig, labels: LabelSpace | None) -> np.ndarray | None:
    """The weight of each label in the loss, float64 (l,); None where the plan names none.

    Raises:
        InputError: A name that is not among the labels, or weights that are all zero.
    """
    if labels is None or not isinstance(plan.label_weights, Mapping):
        return None
    weights = np.ones(len(labels))
    for name, weight in plan.label_weights.items():
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
    watch: engine.ProgressCallback | None = None,
    first: int = 0,
    start: engine.Weights | None = None,
) -> tuple[engine.NetworkFactory, engine.TrainingResult]:
    """Train the members of all fits as one job; their networks and plans are alike.

    Args:
        fits: The fits; member i of fit k is number `first` plus what came before.
        runtime: Settings that change only speed.
        watch: Called with the progress now and then.
        first: Number of the first member.
        start: Weights to begin with instead of the networks' own.

    Returns:
        The networks, and what training left, members in the order of the fits.
    """
    plan, spec = fits[0].plan, fits[0].network
    bases: dict[int, tuple[EncodedData, int]] = {}
    n_rows = 0
    for fit in fits:
        if id(fit.base) not in bases:
            bases[id(fit.base)] = (fit.base, n_rows)
            n_rows += len(fit.base.weights)
    owners = [(fit, k) for fit in fits for k in range(len(fit.members))]
    parts = engine.Parts(
        *(
            [fit.members[k][part] + bases[id(fit.base)][1] for fit, k in owners]
            for part in range(len(MemberRows._fields))
        )
    )
    networks = spec.networks(len(owners), lambda n: owners[n][0].start(owners[n][1], first + n), first)
    data = _laid_out([base for base, _ in bases.values()], plan.precision, networks.tables)
    return networks, engine.train(networks, data, parts, plan, runtime, int(plan.batch_size), start, watch)


def _laid_out(bases: list[EncodedData], precision: str, tables: Collection[str]) -> engine.Data:
    if len(bases) == 1:
        base = bases[0]
        given = (base.blocks, base.targets.values, base.targets.known, base.weights)
        return engine.lay_out(*given, precision, base.label_weights, tables=tables)
    targets = Targets.joined([base.targets for base in bases])
    return engine.lay_out(
        {name: _stacked([base.blocks[name] for base in bases]) for name in bases[0].blocks},
        targets.values,
        targets.known,
        np.concatenate([base.weights for base in bases]),
        precision,
        bases[0].label_weights,
        tables=tables,
    )


def _stacked(blocks: list[Any]) -> Any:
    return sp.vstack(blocks, format="csr") if sp.issparse(blocks[0]) else np.concatenate(blocks)


def row_history(fit: CrossFit) -> tuple[np.ndarray, np.ndarray]:
    """What each original row was to the members, so that later training can go on being honest.

    Returns:
        uint64 (n,), a number for each row's features, and bool (n, m), which members the row was held from.
    """
    held = np.zeros((len(fit.base.weights), len(fit.members)), dtype=bool)
    for k, member in enumerate(fit.members):
        held[member.held, k] = True
    return fingerprints(fit.base.blocks)[fit.rows][fit.place], held[fit.rows][fit.place]


def out_of_fold(scorer: engine.Scorer, fit: CrossFit, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores of each of a fit's rows by the members that never saw it, and how many those are.

    Args:
        scorer: The members of this fit, and perhaps others.
        fit: The fit.
        first: Where its members begin in the scorer.

    Returns:
        float (u, l) in the order of `fit.rows`, 0 where nobody scored; int64 (u,).
    """
    n_base = len(fit.base.weights)
    total = np.zeros((n_base, fit.network.n_labels))
    count = np.zeros(n_base, dtype=np.int64)
    for k, member in enumerate(fit.members):
        held = {name: block[member.held] for name, block in fit.base.blocks.items()}
        total[member.held] += scorer.means(held, (first + k, first + k + 1))
        count[member.held] += 1
    total, count = total[fit.rows], count[fit.rows]
    scores = scorer.scores_of(total / np.maximum(count, 1)[:, None])
    return np.where(count[:, None] > 0, scores, 0).astype(fit.plan.precision), count
