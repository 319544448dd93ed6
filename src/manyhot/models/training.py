"""A trained model: labels, encoder, member weights, decision and the evidence for how good it is.

`train_model` is the whole job from features and targets to a `Model`; `Model.scores` is the way back. Where the
features came from, and how a person talks to it, belong to the estimator and the command line. Start reading at
`train_model`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from manyhot import engine
from manyhot.config.training import Plan, Runtime, to_dict
from manyhot.data.deduplication import fingerprints
from manyhot.data.labels import LabelSpace, Targets
from manyhot.data.pixel_targets import PixelTargets
from manyhot.decisions.policy import Decider, Settled, fit_decider, honest_answers, settled, unfitted_decider
from manyhot.encoders import Encoder
from manyhot.errors import InputError
from manyhot.evaluation import report
from manyhot.models.checks import is_exclusive
from manyhot.models.cross_fitting import Features, Fit, label_weights_of, out_of_fold, prepare, seen_rows
from manyhot.models.fine_tuning import is_tuned, train_and_tune, tuning_plan
from manyhot.models.network_spec import NetworkSpec


@dataclass(frozen=True)
class Remembered:
    """What a model remembers of the rows that it was trained on, in their original order.

    Args:
        targets: Their targets (r, l).
        ids: Their ids as text (r,).
        weights: float64 (r,), their weights.
        fingerprints: uint64 (r,), a number for the features of each; see `duplicates.fingerprints`.
        held: bool (r, m), which members were scored on the row and never trained on it.
    """

    targets: Targets
    ids: np.ndarray
    weights: np.ndarray
    fingerprints: np.ndarray
    held: np.ndarray

    def take(self, rows: np.ndarray) -> Remembered:
        """Some of the rows (indices or bool mask)."""
        others = (self.ids, self.weights, self.fingerprints, self.held)
        return Remembered(self.targets.take(rows), *(array[rows] for array in others))


@dataclass(frozen=True)
class Evidence:
    """What the report rests on; can be left out of a saved file.

    Args:
        scores: float32 (n, l), raw out-of-fold scores of the rows of training that some member was held from.
        rows: All rows of training, those first ones among them in the same order.
        curves: float32 (m, epochs, 2), training and stopping loss.
        best_epoch: int64 (m,).
        is_stale: Whether training went on after the scores were made.
    """

    scores: np.ndarray
    rows: Remembered
    curves: np.ndarray
    best_epoch: np.ndarray
    is_stale: bool = False

    @cached_property
    def scored(self) -> Remembered:
        """The rows that belong to the scores."""
        is_scored = np.asarray(self.rows.held.any(axis=1))
        return self.rows if is_scored.all() else self.rows.take(is_scored)

    def settled(self) -> Settled:
        """The scores with the targets and weights of their rows, in an order of their own."""
        return settled(self.scores, self.targets, self.weights)

    @property
    def targets(self) -> Targets:
        """Targets of the scored rows (n, l)."""
        return self.scored.targets

    @property
    def ids(self) -> np.ndarray:
        """Ids of the scored rows as text (n,)."""
        return self.scored.ids

    @property
    def weights(self) -> np.ndarray:
        """Weights of the scored rows, float64 (n,)."""
        return self.scored.weights


@dataclass
class Model:
    """Everything that predicts.

    Args:
        labels: Names and order of the labels.
        encoder: Fitted encoder.
        network: What the members look like.
        weights: What they have learned.
        decider: Raw scores -> calibrated scores -> yes or no.
        plan: The plan with nothing left to choose.
        report: The report as plain JSON values.
        evidence: Out-of-fold scores and what belongs to them; None when it was left out.
        runtime: Settings that change only speed.
    """

    labels: LabelSpace
    encoder: Encoder
    network: NetworkSpec
    weights: engine.Weights
    decider: Decider
    plan: Plan
    report: dict[str, Any]
    evidence: Evidence | None = None
    runtime: Runtime = field(default_factory=Runtime)

    def __post_init__(self) -> None:
        self._scorer: engine.Scorer | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_scorer": None}

    @property
    def n_members(self) -> int:
        """Number of members."""
        return len(self.weights.trainable[0])

    @property
    def n_weights(self) -> int:
        """Trainable weights of one member."""
        return sum(math.prod(leaf.shape[1:]) for leaf in self.weights.trainable)

    def scores(self, features: Features) -> np.ndarray:
        """Calibrated probabilities (n, l)."""
        return self.decider.scores(self.raw_scores(features))

    def raw_scores(self, features: Features) -> np.ndarray:
        """Scores (n, l) as the members give them together, not yet calibrated."""
        return self.scorer().scores(self.encoder.transform(features))

    def scorer(self) -> engine.Scorer:
        """The members on their device; made once."""
        if self._scorer is None:
            networks = self.network.networks(self.n_members)
            self._scorer = engine.Scorer(networks, self.weights, self.plan.precision, self.runtime, self.plan.head)
        return self._scorer

    def amended(self, values: dict[str, Any], own: np.ndarray) -> dict[str, Any]:
        """A report on the evidence, with what another kind of model has to add; own is bool (n, l), the answers."""
        return values

    def unmeasured(self, values: dict[str, Any]) -> dict[str, Any]:
        """A report whose answers cannot be measured again, without what another kind of model says of them."""
        return values

    def use_weights(self, weights: engine.Weights) -> None:
        """Replace what the members have learned."""
        self.weights = weights
        self._scorer = None


def train_model(
    features: Features,
    labels: LabelSpace,
    targets: Targets,
    encoder: Encoder,
    plan: Plan,
    runtime: Runtime,
    network: Any = None,
    sample_weight: np.ndarray | None = None,
    ids: np.ndarray | None = None,
    watch: engine.Watch | None = None,
    notes: tuple[str, ...] = (),
) -> Model:
    """Encode, merge equal rows, train all members on their folds, score every row out of fold, decide, report.

    Args:
        features: What the encoder takes, n rows.
        labels: The label space.
        targets: Targets (n, l).
        encoder: Not yet fitted.
        plan: Settings that change the result.
        runtime: Settings that do not.
        network: Keras model, or function (input shape, n_labels) -> Keras model, when `plan.network` is "own".
        sample_weight: float (n,), >= 0; a row of weight 0 is as good as absent.
        ids: One id per row as text.
        watch: Called with the progress now and then.
        notes: Sentences about the data for the report.

    Returns:
        The trained model with its report.

    Raises:
        InputError: Targets without anything to learn, or too few rows.
    """
    n = targets.n_samples
    ids = np.arange(1, n + 1).astype(str) if ids is None else ids
    weights = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    is_used = weights > 0
    if not is_used.all():
        features, targets = features[np.flatnonzero(is_used)], targets.take(is_used)
        ids, weights = ids[is_used], weights[is_used]
    check_learnable(targets, labels, plan.folds)
    undecided = unfitted_decider(plan, labels)
    fit = prepare(features, targets, encoder, plan, network, weights, labels=labels)
    _, trained = train_and_tune([fit], runtime, watch)
    return finished(fit, trained, undecided, runtime, Given(targets, weights, ids, n, notes))


@dataclass(frozen=True)
class Given:
    """The rows of a training as they were handed in.

    Args:
        targets: Their targets, n rows of weight above 0.
        weights: float64 (n,).
        ids: Their ids as text (n,).
        n_rows: Rows handed in, those of weight 0 among them.
        notes: Sentences about the data for the report.
        n_streamed: Further rows that all members were trained on, and that are not kept.
        constant: Indices of the labels that never vary; None to look at `targets`.
    """

    targets: Targets
    weights: np.ndarray
    ids: np.ndarray
    n_rows: int
    notes: tuple[str, ...] = ()
    n_streamed: int = 0
    constant: np.ndarray | None = None


def finished(fit: Fit, trained: engine.Trained, undecided: Decider, runtime: Runtime, given: Given) -> Model:
    """Everything after training: out-of-fold scores, the decider, the evidence, the report.

    Args:
        fit: The fit whose members were trained.
        trained: What training left.
        undecided: A decider that learned nothing; it names the labels.
        runtime: Settings that change only speed.
        given: The rows.
    """
    labels, plan, rows = undecided.space, fit.plan, fit.base.targets.take(fit.rows)
    model = Model(labels, fit.encoder, fit.network, trained.weights, undecided, plan, {}, None, runtime)
    scores, n_scorers = out_of_fold(model.scorer(), fit)
    scored = np.flatnonzero(n_scorers > 0)
    known = settled(scores[scored], rows.take(scored), fit.base.weights[fit.rows][scored])
    model.decider = fit_decider(plan, labels, known)
    calibrated, own = np.zeros_like(scores), np.zeros(scores.shape, dtype=bool)
    calibrated[scored], own[scored] = honest_answers(plan, labels, known)
    kept = n_scorers[fit.place] > 0
    rows_given = Remembered(given.targets, given.ids, given.weights, *seen_rows(fit))
    model.evidence = Evidence(scores[fit.place][kept], rows_given, trained.curves, trained.best_epoch)
    n_members = len(fit.members)
    is_held_out = n_members == 1 or given.n_streamed > 0
    constant = given.targets.constant_labels() if given.constant is None else given.constant
    facts = report.Facts(
        scores_from="held_out" if is_held_out else "out_of_fold",
        n_rows=given.n_rows,
        members=n_members,
        folds=1 if is_held_out else min(plan.folds, n_members, rows.n_samples),
        members_per_score=float(n_scorers[scored].mean()),
        constant_labels=[labels.names[j] for j in constant],
        notes=[*given.notes, *_remarks(given, fit)],
        plan=to_dict(plan),
        training=training_summary(trained) | ({"streamed_rows": given.n_streamed} if given.n_streamed else {}),
    )
    model.report = measured_report(model, calibrated[fit.place][kept], own[fit.place][kept], facts)
    return model


def continue_training(
    model: Model, features: Features, targets: Targets, weights: np.ndarray, n_epochs: int, watch: engine.Watch | None
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
        more = Remembered(targets, names, weights, fingerprints(blocks), held)
        model.evidence = replace(model.evidence, rows=joined(old, more), is_stale=True)
    model.report = {**model.report, "is_stale": True}


def joined(first: Remembered, second: Remembered) -> Remembered:
    """The rows of both."""
    targets = Targets.joined([first.targets, second.targets])
    names = ("ids", "weights", "fingerprints", "held")
    return Remembered(targets, *(np.concatenate([getattr(one, name) for one in (first, second)]) for name in names))


def _remarks(given: Given, fit: Fit) -> list[str]:
    remarks = []
    n_used, n_left = len(fit.place), given.n_rows - given.n_streamed - len(fit.place)
    if n_left > 0:
        remarks.append(f"{n_left} rows of weight 0 were left out.")
    if fit.is_alike:
        n_different = len(np.unique(fingerprints(fit.base.blocks)[fit.rows]))
        different = "row is" if n_different == 1 else "rows are"
        remarks.append(
            f"Only {n_different} different {different} among the {n_used}, so most likely a new row is equal to one of "
            "them too: equal rows count as different samples, and lie in several folds."
        )
    if len(fit.rows) < n_used:
        remarks.append(
            f"{n_used - len(fit.rows)} of {n_used} rows are exact copies of another row with the same "
            "labels; copies count, but always sit in one fold."
        )
    if fit.plan.positive_only:
        remarks.append(
            "Only yes was ever recorded (positive_only): a label that is not recorded may hold. It is assumed that "
            "which of the labels that hold were recorded does not depend on the sample. Here what is not recorded "
            "counts as no, so precision, F1 and the like are lower bounds, and a calibrated probability would be that "
            "of being recorded."
        )
    if is_exclusive(given.targets) and fit.plan.head == "sigmoid":
        remarks.append(
            "Exactly one label in every row: these labels exclude each other, and softmax (head='softmax', "
            "loss='categorical_crossentropy') suits them better than one sigmoid per label."
        )
    return remarks


def training_summary(trained: engine.Trained) -> dict[str, Any]:
    """What a report says of the training curves."""
    last = [curve[np.isfinite(curve[:, 0])][-1] for curve in trained.curves]
    return {
        "best_epoch": trained.best_epoch.tolist(),
        "epochs": int(trained.curves.shape[1]),
        "loss": float(np.mean([pair[0] for pair in last])),
    }


def measured_report(model: Model, scores: np.ndarray, own: np.ndarray, facts: report.Facts) -> dict[str, Any]:
    """The report on a model's out-of-fold scores.

    Args:
        model: The model, with evidence.
        scores: Calibrated scores (n, l) of the evidence's rows, each by maps that were fitted without it.
        own: Answers, bool (n, l).
        facts: What cannot be measured.
    """
    evidence = model.evidence
    assert evidence is not None
    decider = model.decider
    raw = None if decider.calibration.is_identity else evidence.scores
    facts = replace(facts, raw_scores=raw, answering=decider.described())
    values = report.build(model.labels, evidence.targets, scores, own, scores >= 0.5, decider.thresholds, facts)
    return model.amended(values, own)


def check_learnable(targets: Targets | PixelTargets, labels: LabelSpace, n_folds: int) -> None:
    """Refuse targets without a label that varies, and fewer rows than folds."""
    if len(targets.constant_labels()) == len(labels):
        each = "each is" if len(labels) > 1 else "it is"
        raise InputError(
            f"no label varies among {targets.n_samples} rows and {len(labels)} labels: {each} always yes, always no or "
            "never known (one class only), so there is nothing to learn",
            argument="y",
        )
    if targets.n_samples < n_folds:
        raise InputError(
            f"n_samples={targets.n_samples} rows are fewer than {n_folds} folds; give more rows, or fewer folds "
            "(folds=2 is the least)"
        )
