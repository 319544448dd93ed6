"""A new label later: the head of a trained model gets more columns, and training goes on from where it stood.

Every member keeps to its own fold: a row that it never trained on stays a row that it never trains on, so that the new
out-of-fold scores, and all that rests on them, are as honest as the old ones. Start reading at `add_labels`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from manyhot import engine, validation
from manyhot.backend import precision
from manyhot.config.images import image_settings
from manyhot.config.training import CUSTOM, TrainingConfig
from manyhot.data.deduplication import fingerprints, merge_duplicates
from manyhot.data.labels import LabelSpace
from manyhot.data.splitting.folds import MemberRows
from manyhot.data.targets import Targets
from manyhot.decisions.policy import untrained_policy
from manyhot.errors import InputError
from manyhot.models.checks import check_learnable, check_softmax_targets
from manyhot.models.cross_fitting import CrossFit, EncodedData, Features, label_weights_of, train_cross_fits
from manyhot.models.decision_updates import current_evidence
from manyhot.models.evidence import TrainingRows, joined
from manyhot.models.fine_tuning import is_tuned, tuning_plan
from manyhot.models.measuring import InputRows
from manyhot.models.model import Model
from manyhot.models.network_spec import NetworkSpec
from manyhot.models.training import build_model


@dataclass(frozen=True)
class LabelExtension:
    """A model that is to grow: its labels and rows.

    Args:
        labels: The old labels in their order, then the new ones.
        targets: Targets (n, l) in that order; old labels that were not handed in are those of training, or unknown.
        blocks: The rows, encoded.
        place: int64 (n,), which row of training each row is, -1 for none.
    """

    labels: LabelSpace
    targets: Targets
    blocks: Mapping[str, Any]
    place: np.ndarray


def match_rows(model: Model, features: Features, space: LabelSpace, targets: Targets) -> LabelExtension:
    """The model's labels with the new ones behind them, and what training knew of the rows.

    Args:
        model: The model.
        features: What its encoder takes, n rows.
        space: The labels that were handed in.
        targets: Their targets (n, k).

    Raises:
        InputError: No label is new, a model without out-of-fold scores, or an old label of which too little is known.
    """
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
    place = _places(rows.fingerprints, fingerprints(blocks))
    labels = LabelSpace((*model.labels.names, *new))
    values = np.zeros((targets.n_samples, len(labels)), dtype=bool)
    known = np.zeros_like(values)
    columns = [labels.index(name) for name in space.names]
    values[:, columns], known[:, columns] = targets.values, targets.known_mask()
    missing = [j for j, name in enumerate(model.labels.names) if name not in space.names]
    seen = np.flatnonzero(place >= 0)
    old = rows.targets.take(place[seen])
    values[seen[:, None], missing] = old.values[:, missing]
    known[seen[:, None], missing] = old.known_mask()[:, missing]
    grown = LabelExtension(labels, Targets(values, known), blocks, place)
    constant = set(grown.targets.constant_labels().tolist()) - set(rows.targets.constant_labels().tolist())
    forgotten = [labels.names[j] for j in sorted(constant) if j < len(model.labels)]
    if forgotten:
        raise InputError(
            f"among these rows {forgotten[0]!r} does not vary as far as is known, and would be forgotten; hand in "
            "the rows of training too, or targets of the old labels",
            argument="y",
        )
    return grown


def _places(known: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Which known row each number is, -1 for none: the first of equal ones is the first, the second the second."""
    waiting: dict[int, list[int]] = {}
    for i in range(len(known) - 1, -1, -1):
        waiting.setdefault(int(known[i]), []).append(i)
    found = np.full(len(numbers), -1)
    for i, number in enumerate(numbers.tolist()):
        if waiting.get(number):
            found[i] = waiting[number].pop()
    return found


def add_labels(
    model: Model,
    grown: LabelExtension,
    epochs: int | str = "auto",
    ids: np.ndarray | None = None,
    watch: engine.ProgressCallback | None = None,
) -> Model:
    """Train a model further that answers more labels.

    Args:
        model: The model; it stays as it is.
        grown: Its labels and rows from now on.
        epochs: Passes over the rows; "auto" takes half as many as the model was trained for.
        ids: One id per row as text.
        watch: Called with the progress now and then.

    Returns:
        A new model; its columns are the old labels and then the new ones. Rows of training keep their weights.

    Raises:
        InputError: A Keras model of the user's, settings of the plan that do not suit the new labels, nothing to
            learn, or rows that no member was held from.
    """
    if model.plan.network == CUSTOM:
        raise InputError("a Keras model of your own has a fixed number of outputs; make one with more and fit it anew")
    if image_settings(model.plan.image_settings)["tune"]:
        raise InputError(
            "a tuned backbone moves too slowly to learn further labels, and would forget at a higher rate; fit anew "
            "with all labels, or add labels to a model with tune=0"
        )
    evidence = current_evidence(model, "add labels")
    half = max(1, int(model.plan.epochs) // 2)
    n_epochs = half if epochs == "auto" else validation.integer(epochs=epochs, low=1)
    labels, targets, n = grown.labels, grown.targets, grown.targets.n_samples
    plan = replace(model.plan, epochs=n_epochs)
    undecided = untrained_policy(plan, labels)
    check_learnable(targets, labels, 2)
    check_softmax_targets(plan, targets)
    is_seen = grown.place >= 0
    weights = np.where(is_seen, evidence.rows.weights[grown.place], 1.0)
    drawn = np.random.default_rng([plan.seed, 2]).integers(len(evidence.rows.held), size=n)
    held = evidence.rows.held[np.where(is_seen, grown.place, drawn)]
    merged = merge_duplicates({**grown.blocks, "held": held.astype(np.float32)}, targets, weights)
    blocks = {name: block[merged.rows] for name, block in grown.blocks.items()}
    base = EncodedData(blocks, targets.take(merged.rows), merged.weights, label_weights_of(plan, labels))
    members = _members(plan, held[merged.rows])
    network = replace(model.network, n_labels=len(labels))
    fit = CrossFit(model.encoder, base, np.arange(len(merged.rows)), merged.place, members, plan, network)
    _, trained = train_cross_fits([fit], model.runtime, watch, start=_grown_weights(model, network, fit))
    new = ", ".join(labels.names[len(model.labels) :])
    notes = [f"Trained further from a model without: {new}. Thresholds were chosen anew for {plan.decide}."]
    if model.decider.is_given or model.decider.guarantee is not None:
        notes.append("Thresholds that were set by hand, and promises, did not go along.")
    ids = np.arange(1, n + 1).astype(str) if ids is None else ids
    larger = build_model(fit, trained, undecided, model.runtime, InputRows(targets, weights, ids, n, tuple(notes)))
    larger.plan = replace(larger.plan, epochs=model.plan.epochs)
    return larger


def _members(plan: TrainingConfig, held: np.ndarray) -> list[MemberRows]:
    """Each member trains on all rows that it is not held from, but for those that decide when it stops."""
    everything, nothing = np.arange(len(held)), np.zeros(0, dtype=np.int64)
    members = []
    for k in range(held.shape[1]):
        free, stop = everything[~held[:, k]], nothing
        if plan.early_stopping:
            is_stop = np.random.default_rng([plan.seed, 3, k]).permutation(len(free)) % plan.stop_share == 0
            free, stop = free[~is_stop], free[is_stop]
        if not len(free):
            raise InputError("too few rows to train on: all of them are held from a member; hand in more", argument="X")
        members.append(MemberRows(free, stop, everything[held[:, k]]))
    if not held.any():
        raise InputError(
            "none of these rows was held from a member, so nothing could be said of the result; hand in the rows of "
            "training too",
            argument="X",
        )
    return members


def _grown_weights(model: Model, network: NetworkSpec, fit: CrossFit) -> engine.Weights:
    """The old weights, with fresh columns behind them wherever the new network is wider."""
    networks = network.networks(model.n_members, lambda k: fit.start(k, k))
    trainable: list[list[np.ndarray]] = []
    with precision(network.precision):
        for k in range(model.n_members):
            assert networks.begin_tables is not None
            drawn = [variable.value for variable in networks.build(k).trainable_variables]
            fresh = [np.array(leaf) for leaf in (*networks.begin_tables(k).values(), *drawn)]
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
    watch: engine.ProgressCallback | None,
) -> None:
    """Train every member further on all the given rows; the out-of-fold scores are stale afterwards.

    The optimizer begins afresh, at the plan's learning rate (that of tuning, for a tuned backbone) without a schedule,
    and nothing stops early.
    """
    blocks = model.encoder.transform(features)
    rows = np.flatnonzero(weights > 0)
    plan = tuning_plan(model.plan) if is_tuned(model.network) else model.plan
    plan = replace(plan, epochs=n_epochs, schedule="constant", early_stopping=False)
    networks = model.network.networks(model.n_members)
    by_label = label_weights_of(plan, model.labels)
    given = (blocks, targets.values, targets.known, weights, plan.precision, by_label)
    data = engine.lay_out(*given, tables=networks.tables)
    nothing = np.zeros(0, dtype=np.int64)
    parts = engine.Parts([rows] * model.n_members, [nothing] * model.n_members, [nothing] * model.n_members)
    batch_size = int(plan.batch_size)
    trained = engine.train(networks, data, parts, plan, model.runtime, batch_size, model.weights, watch)
    model.use_weights(trained.weights)
    if model.evidence is not None:
        old, names = model.evidence.rows, np.arange(1, len(weights) + 1).astype(str)
        held = np.zeros((len(weights), model.n_members), dtype=bool)
        more = TrainingRows(targets, names, weights, fingerprints(blocks), held)
        model.evidence = replace(model.evidence, rows=joined(old, more), is_stale=True)
    model.report = {**model.report, "is_stale": True}
