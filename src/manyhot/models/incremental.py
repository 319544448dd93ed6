"""Further rows, or further labels: members keep to their folds, so that out-of-fold scores stay honest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from manyhot import engine, validation
from manyhot.config.training import CUSTOM, TrainingConfig
from manyhot.data.deduplication import fingerprints, merge_duplicates
from manyhot.data.hierarchy import Completion, bind_taxonomy, complete_targets
from manyhot.data.labels import LabelSpace
from manyhot.data.splitting.folds import MemberRows
from manyhot.data.targets import Targets
from manyhot.decisions.policy import untrained_policy
from manyhot.errors import InputError
from manyhot.models.checks import check_learnable, check_softmax_targets
from manyhot.models.cross_fitting import (
    CrossFit,
    EncodedData,
    Features,
    member_starts,
    resolve_label_weights,
    train_cross_fits,
)
from manyhot.models.decision_updates import current_evidence
from manyhot.models.evidence import TrainingRows, concatenate_rows
from manyhot.models.fine_tuning import fine_tuning_plan, is_fine_tuned
from manyhot.models.half_precision import round_tables, sample_blocks
from manyhot.models.measuring import InputRows
from manyhot.models.model import Model
from manyhot.models.network_spec import NetworkSpec
from manyhot.models.training import build_model


@dataclass(frozen=True)
class LabelExtension:
    """A model that is to grow: its labels and rows."""

    labels: LabelSpace
    targets: Targets
    blocks: Mapping[str, Any]
    place: np.ndarray  # int64 (n,), which row of training each row is, -1 for none
    completion: Completion  # what the taxonomy settled of the targets


def match_rows(model: Model, features: Features, space: LabelSpace, targets: Targets) -> LabelExtension:
    """The model's labels with the new ones behind them, and what training knew of the rows."""
    new = [name for name in space.names if name not in model.labels.names]
    if not new:
        raise InputError("every label is known already; give the column of a new one, under its name", argument="y")
    rows = current_evidence(model, "add labels").rows
    if model.report.get("training", {}).get("streamed_rows"):
        raise InputError(
            "the model was trained from a stream and does not know its rows of training again, so no score could be "
            "honest; train anew with the new labels"
        )
    blocks = model.encoder.transform(features)
    place = _match_fingerprints(rows.fingerprints, fingerprints(blocks))
    labels = LabelSpace((*model.labels.names, *new), model.labels.is_integer and space.is_integer)
    values = np.zeros((targets.n_samples, len(labels)), dtype=bool)
    known = np.zeros_like(values)
    columns = [labels.index(name) for name in space.names]
    values[:, columns], known[:, columns] = targets.values, targets.known_mask()
    missing = [j for j, name in enumerate(model.labels.names) if name not in space.names]
    matched = np.flatnonzero(place >= 0)
    old_targets = rows.targets.take(place[matched])
    values[matched[:, None], missing] = old_targets.values[:, missing]
    known[matched[:, None], missing] = old_targets.known_mask()[:, missing]
    completed, completion = complete_targets(Targets(values, known), bind_taxonomy(model.config.taxonomy, labels))
    extension = LabelExtension(labels, completed, blocks, place, completion)
    constant = set(extension.targets.constant_labels().tolist()) - set(rows.targets.constant_labels().tolist())
    lost = [labels.names[j] for j in sorted(constant) if j < len(model.labels)]
    if lost:
        raise InputError(
            f"among these rows {lost[0]!r} does not vary as far as is known, and would be forgotten; hand in "
            "the rows of training too, or targets of the old labels",
            argument="y",
        )
    return extension


def _match_fingerprints(known: np.ndarray, row_fingerprints: np.ndarray) -> np.ndarray:
    """Which known row each number is, -1 for none: the first of equal ones is the first, the second the second."""
    unmatched: dict[int, list[int]] = {}
    for i in range(len(known) - 1, -1, -1):
        unmatched.setdefault(int(known[i]), []).append(i)
    matches = np.full(len(row_fingerprints), -1)
    for i, number in enumerate(row_fingerprints.tolist()):
        if unmatched.get(number):
            matches[i] = unmatched[number].pop()
    return matches


def add_labels(
    model: Model,
    extension: LabelExtension,
    epochs: int | str = "auto",
    ids: np.ndarray | None = None,
    callback: engine.ProgressCallback | None = None,
) -> Model:
    """Train a copy of a model further, with the new labels behind the old ones; "auto" is half as many epochs."""
    if model.config.network == CUSTOM:
        raise InputError("a Keras model of your own has a fixed number of outputs; make one with more and fit it anew")
    if model.config.image_params["fine_tune_epochs"]:
        raise InputError(
            "a tuned backbone moves too slowly to learn further labels, and would forget at a higher rate; fit anew "
            "with all labels, or add labels to a model with fine_tune_epochs=0"
        )
    evidence = current_evidence(model, "add labels")
    half_epochs = max(1, int(model.config.epochs) // 2)
    n_epochs = half_epochs if epochs == "auto" else validation.integer(epochs=epochs, low=1)
    labels, targets, n = extension.labels, extension.targets, extension.targets.n_samples
    config = model.config.changed(epochs=n_epochs)
    untrained = untrained_policy(config, labels)
    check_learnable(targets, labels)
    check_softmax_targets(config, targets)
    is_matched = extension.place >= 0
    weights = np.where(is_matched, evidence.rows.weights[extension.place], 1.0)
    sampled = np.random.default_rng([config.random_state, 2]).integers(len(evidence.rows.held_out), size=n)
    held_out = evidence.rows.held_out[np.where(is_matched, extension.place, sampled)]
    merged = merge_duplicates({**extension.blocks, "held": held_out.astype(np.float32)}, targets, weights)
    blocks = {name: block[merged.rows] for name, block in extension.blocks.items()}
    data = EncodedData(blocks, targets.take(merged.rows), merged.weights, resolve_label_weights(config, labels))
    members = _split_members(config, held_out[merged.rows])
    network = replace(model.network, n_labels=len(labels))
    fit = CrossFit(model.encoder, data, np.arange(len(merged.rows)), merged.inverse, members, config, network)
    _, trained = train_cross_fits([fit], model.runtime, callback, initial_weights=_extend_weights(model, network, fit))
    new = ", ".join(labels.names[len(model.labels) :])
    notes = [f"Trained further from a model without: {new}. Thresholds were chosen anew for {config.decision}."]
    if model.policy.has_given_thresholds or model.policy.exceptions:
        notes.append("Thresholds that were set by hand or for single labels, and guarantees, were not carried over.")
    notes += extension.completion.notes()
    ids = np.arange(1, n + 1).astype(str) if ids is None else ids
    rows = InputRows(targets, weights, ids, n, tuple(notes))
    larger = build_model(fit, trained, untrained, model.runtime, rows, callback)
    larger.config = larger.config.changed(epochs=model.config.epochs)
    return larger


def _split_members(config: TrainingConfig, held_out: np.ndarray) -> list[MemberRows]:
    """Each member trains on all rows that it is not held from, but for those that decide when it stops."""
    all_rows, no_rows = np.arange(len(held_out)), np.zeros(0, dtype=np.int64)
    members = []
    for k in range(held_out.shape[1]):
        train, stopping = all_rows[~held_out[:, k]], no_rows
        if config.early_stopping:
            order = np.random.default_rng([config.random_state, 3, k]).permutation(len(train))
            is_validation = order < math.ceil(config.validation_fraction * len(train))
            train, stopping = train[~is_validation], train[is_validation]
        if not len(train):
            raise InputError(
                "too few rows to train on: a network has none that are not held out; hand in more", argument="X"
            )
        members.append(MemberRows(train, stopping, all_rows[held_out[:, k]]))
    if not held_out.any():
        raise InputError(
            "none of these rows was held out from a network, so nothing could be said of the result; hand in the "
            "rows of training too",
            argument="X",
        )
    return members


def _extend_weights(model: Model, network: NetworkSpec, fit: CrossFit) -> engine.Weights:
    """The old weights, with fresh columns behind them wherever the new network is wider."""
    factory = network.factory(model.n_members, member_starts([fit]))
    trainable: list[list[np.ndarray]] = []
    with engine.use_dtype(network.dtype):
        for k in range(model.n_members):
            assert factory.init_tables is not None
            values = [variable.value for variable in factory.build(k).trainable_variables]
            fresh = [np.array(leaf) for leaf in (*factory.init_tables(k).values(), *values)]
            for leaf, old in zip(fresh, model.weights.trainable, strict=True):
                leaf[..., : old.shape[-1]] = old[k]
            trainable.append(fresh)
    return engine.Weights([np.stack(leaves) for leaves in zip(*trainable, strict=True)], list(model.weights.fixed))


def continue_training(
    model: Model,
    features: Features,
    targets: Targets,
    weights: np.ndarray,
    n_epochs: int,
    callback: engine.ProgressCallback | None,
) -> None:
    """Train every member further on all the given rows; the out-of-fold scores are stale afterwards."""
    blocks = model.encoder.transform(features)
    rows = np.flatnonzero(weights > 0)
    config = fine_tuning_plan(model.config) if is_fine_tuned(model.network) else model.config
    config = config.changed(epochs=n_epochs, schedule="constant", early_stopping=False)
    factory = model.network.factory(model.n_members)
    label_weights = resolve_label_weights(config, model.labels)
    arrays = (blocks, targets.values, targets.known, weights, config.dtype, label_weights)
    data = engine.EncodedRows(*arrays)
    no_rows = np.zeros(0, dtype=np.int64)
    parts = engine.MemberSplits([rows] * model.n_members, [no_rows] * model.n_members, [no_rows] * model.n_members)
    batch_size = int(config.batch_size)
    trained = engine.train(factory, data, parts, config, model.runtime, batch_size, model.weights, callback)
    model.use_weights(trained.weights)
    model.previous = None  # its report was of the weights of before
    round_tables(model.scorer(), model.network, model.weights, sample_blocks(blocks, rows))
    if model.evidence is not None:
        old, row_ids = model.evidence.rows, np.arange(1, len(weights) + 1).astype(str)
        held_out = np.zeros((len(weights), model.n_members), dtype=bool)
        new_rows = TrainingRows(targets, row_ids, weights, fingerprints(blocks), held_out)
        model.evidence = replace(model.evidence, rows=concatenate_rows(old, new_rows), is_stale=True)
    model.report = {**model.report, "is_stale": True}
