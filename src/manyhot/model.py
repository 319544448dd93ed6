"""A trained model: labels, encoder, member weights, decision and the evidence for how good it is.

`train_model` is the whole job from features and targets to a `Model`; `Model.scores` is the way back. Where the
features came from, and how a person talks to it, belong to the estimator and the command line. Start reading at
`train_model`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from manyhot import decide, engine, report
from manyhot.encode import Encoder
from manyhot.errors import InputError
from manyhot.fits import Features, Fit, NetworkSpec, is_exclusive, out_of_fold, prepare, train_fits
from manyhot.labels import LabelSpace, Targets
from manyhot.plan import Plan, Runtime, to_dict
from manyhot.splits import stratified_folds

THRESHOLD_FOLDS = 2
"""Parts for the report's thresholds; many parts with a threshold each hedge against a bad one, which flatters."""


@dataclass(frozen=True)
class Evidence:
    """What the report rests on; can be left out of a saved file.

    Args:
        scores: float32 (n, l), out-of-fold scores of the training rows in their original order.
        targets: Their targets.
        ids: Their ids as text (n,).
        weights: float64 (n,), the rows' weights.
        curves: float32 (m, epochs, 2), training and stopping loss.
        best_epoch: int64 (m,).
        is_stale: Whether training went on after the scores were made.
    """

    scores: np.ndarray
    targets: Targets
    ids: np.ndarray
    weights: np.ndarray
    curves: np.ndarray
    best_epoch: np.ndarray
    is_stale: bool = False


@dataclass
class Model:
    """Everything that predicts.

    Args:
        labels: Names and order of the labels.
        encoder: Fitted encoder.
        network: What the members look like.
        weights: What they have learned.
        decision: Scores -> yes or no.
        plan: The plan with nothing left to choose.
        report: The report as plain JSON values.
        evidence: Out-of-fold scores and what belongs to them; None when it was left out.
        runtime: Settings that change only speed.
    """

    labels: LabelSpace
    encoder: Encoder
    network: NetworkSpec
    weights: engine.Weights
    decision: decide.Decision
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
        """Probabilities (n, l), the mean of the members."""
        return self.scorer().scores(self.encoder.transform(features))

    def scorer(self) -> engine.Scorer:
        """The members on their device; made once."""
        if self._scorer is None:
            networks = self.network.networks(self.n_members)
            self._scorer = engine.Scorer(networks, self.weights, self.plan.precision, self.runtime, self.plan.head)
        return self._scorer

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
    fit = prepare(features, targets, encoder, plan, network, weights)
    plan, rows = fit.plan, fit.base.targets.take(fit.rows)
    _, trained = train_fits([fit], runtime, watch)
    undecided = decide.build("half", plan.top_k)
    model = Model(labels, encoder, fit.network, trained.weights, undecided, plan, {}, None, runtime)
    scores, n_scorers = out_of_fold(model.scorer(), fit)
    scored = np.flatnonzero(n_scorers > 0)
    times = counted(fit.base.weights[fit.rows][scored])
    model.decision = fitted_decision(plan, scores[scored], rows.take(scored), times)
    own = np.zeros(scores.shape, dtype=bool)
    own[scored] = _honest_decisions(plan, scores[scored], rows.take(scored), times)
    kept = n_scorers[fit.place] > 0
    model.evidence = Evidence(
        scores[fit.place][kept],
        targets.take(kept),
        ids[kept],
        weights[kept],
        trained.curves,
        trained.best_epoch,
    )
    n_members = len(fit.members)
    facts = report.Facts(
        scores_from="held_out" if n_members == 1 else "out_of_fold",
        n_rows=n,
        members=n_members,
        folds=1 if n_members == 1 else min(plan.folds, n_members, rows.n_samples),
        members_per_score=float(n_scorers[scored].mean()),
        constant_labels=[labels.names[j] for j in targets.constant_labels()],
        notes=[*notes, *_remarks(n, fit, targets)],
        plan=to_dict(plan),
        training=_training(trained),
    )
    model.report = _report(model, own[fit.place][kept], facts)
    return model


def continue_training(
    model: Model, features: Features, targets: Targets, weights: np.ndarray, n_epochs: int, watch: engine.Watch | None
) -> None:
    """Train every member further on all the given rows; the out-of-fold scores are stale afterwards.

    The optimizer begins afresh, at the plan's learning rate without a schedule, and nothing stops early.
    """
    blocks = model.encoder.transform(features)
    rows = np.flatnonzero(weights > 0)
    plan = replace(model.plan, epochs=n_epochs, schedule="constant", early_stopping=False)
    networks = model.network.networks(model.n_members)
    data = engine.lay_out(blocks, targets.values, targets.known, weights, plan.precision)
    nothing = np.zeros(0, dtype=np.int64)
    parts = engine.Parts([rows] * model.n_members, [nothing] * model.n_members, [nothing] * model.n_members)
    batch_size = int(plan.batch_size)
    trained = engine.train(networks, data, parts, plan, model.runtime, batch_size, model.weights, watch)
    model.use_weights(trained.weights)
    if model.evidence is not None:
        model.evidence = Evidence(**{**model.evidence.__dict__, "is_stale": True})
    model.report = {**model.report, "is_stale": True}


def fitted_decision(plan: Plan, scores: np.ndarray, rows: Targets, times: np.ndarray) -> decide.Decision:
    """The plan's decision fitted on scores, each row counted some times."""
    counted = np.repeat(np.arange(len(scores)), times)
    return decide.build(plan.decide, plan.top_k, plan.least_f1).fit(scores[counted], rows.take(counted))


def _honest_decisions(plan: Plan, scores: np.ndarray, rows: Targets, times: np.ndarray) -> np.ndarray:
    """Decisions for the report, bool (n, l): each row at thresholds that were fitted on the other half of the rows."""
    if len(scores) < THRESHOLD_FOLDS:
        return fitted_decision(plan, scores, rows, times).apply(scores)
    own = np.zeros(scores.shape, dtype=bool)
    folds = stratified_folds(rows, THRESHOLD_FOLDS, plan.seed)
    for fold in range(THRESHOLD_FOLDS):
        here = folds == fold
        others = np.flatnonzero(~here)
        own[here] = fitted_decision(plan, scores[others], rows.take(others), times[others]).apply(scores[here])
    return own


def _remarks(n_rows: int, fit: Fit, targets: Targets) -> list[str]:
    remarks = []
    n_used = len(fit.place)
    if n_used < n_rows:
        remarks.append(f"{n_rows - n_used} rows of weight 0 were left out.")
    if len(fit.rows) < n_used:
        remarks.append(
            f"{n_used - len(fit.rows)} of {n_used} rows are exact copies of another row with the same "
            "labels; copies count, but always sit in one fold."
        )
    if is_exclusive(targets) and fit.plan.head == "sigmoid":
        remarks.append(
            "Exactly one label in every row: these labels exclude each other, and softmax (head='softmax', "
            "loss='categorical_crossentropy') suits them better than one sigmoid per label."
        )
    return remarks


def _training(trained: engine.Trained) -> dict[str, Any]:
    last = [curve[np.isfinite(curve[:, 0])][-1] for curve in trained.curves]
    return {
        "best_epoch": trained.best_epoch.tolist(),
        "epochs": int(trained.curves.shape[1]),
        "loss": float(np.mean([pair[0] for pair in last])),
    }


def _report(model: Model, own: np.ndarray, facts: report.Facts) -> dict[str, Any]:
    evidence = model.evidence
    assert evidence is not None
    thresholds = None if model.decision.thresholds is None else model.decision.thresholds.values
    return report.build(model.labels, evidence.targets, evidence.scores, own, evidence.scores >= 0.5, thresholds, facts)


def counted(weights: np.ndarray) -> np.ndarray:
    """How often each row counts for thresholds: whole weights as they are, others in tenths of their mean."""
    whole = np.rint(weights)
    if np.array_equal(whole, weights) and whole.sum() <= 100 * len(whole):
        return whole.astype(np.int64)
    return np.maximum(1, np.rint(10 * weights / weights.mean())).astype(np.int64)


def check_learnable(targets: Targets, labels: LabelSpace, n_folds: int) -> None:
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
