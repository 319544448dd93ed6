"""`cross_validate`: all fits of all folds and repeats, trained side by side where memory allows.

Every fold is fitted as `MultiLabelClassifier.fit` would fit its training rows (encoder, members, thresholds), so that
nothing of a test row enters. How networks are trained is the engine's business. Start reading at `cross_validate`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from manyhot import engine, validation
from manyhot.config.auto import resolve_auto
from manyhot.config.losses import LOSS_SPECS
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig, to_dict
from manyhot.data.labels import LabelSpace
from manyhot.decisions.policy import DecisionPolicy, fit_policy, is_tuned, merge_equal_scores, untrained_policy
from manyhot.errors import InputError
from manyhot.estimators.cross_validation.result import CrossValidation, FoldScores, gathered
from manyhot.estimators.cross_validation.splits import Split, given_splits, repeated_folds
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.estimators.progress import watching
from manyhot.evaluation.metrics import MEASURES, measure, measure_labels
from manyhot.models.checks import check_learnable
from manyhot.models.cross_fitting import CrossFit, out_of_fold, prepare_cross_fit, subset
from manyhot.models.fine_tuning import train_and_fine_tune
from manyhot.models.training_data import TrainingInputs

GROUP_BYTES = 2**29
"""Encoded rows, and weights with their optimizer's variables, that are held for fits trained side by side."""


def cross_validate(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    folds: int = 10,
    repeats: int = 3,
    stratify: bool = True,
    groups: Any = None,
    splits: Any = None,
    measures: Iterable[str] | None = None,
    **plan: Any,
) -> CrossValidation:
    """Repeated cross-validation.

    Each fold's model is what `fit` makes of its training rows: its encoder, its members, and thresholds tuned on
    out-of-fold scores inside those rows, so that the F1 of the test rows is not flattered. A single member whose
    decision needs no tuning (`decide="half"` or "top_k") trains on all training rows, unless its loss gives no
    probabilities without calibration; `fit` would hold a part of them out for its report.

    Args:
        estimator: `MultiLabelClassifier`; or a Keras model, or a function `(input_shape, n_labels) -> keras.Model`,
            of which each fold trains one, decided at 0.5, unless `members` and `decide` say otherwise.
        X: As for `MultiLabelClassifier.fit`.
        y: As there; None when X is `Samples` with targets.
        folds: Parts of each repeat, 2 or more (the estimator's own `folds` are those inside a fit).
        repeats: How often, 1 or more, each time with other folds.
        stratify: Whether every fold keeps the labels' frequencies.
        groups: (n,), rows of one group are tested together; None: every row for itself.
        splits: Pairs (train, test) of row numbers, or a splitter of scikit-learn's kind, instead of all these.
        measures: Names of `metrics.MEASURES`; None for all.
        plan: Fields of `TrainingConfig` and `RuntimeConfig` by name, such as `epochs=100, batch_size=32, seed=1`.

    Returns:
        Scores per fold with mean, deviation and corrected interval, out-of-fold scores, and scores per label.

    Raises:
        InputError: What cannot be used, by argument.

    Example:
        >>> result = cross_validate(model, X, Y, folds=10, repeats=3, epochs=100, batch_size=32)  # doctest: +SKIP
        >>> result.mean("subset_accuracy", at="half")  # doctest: +SKIP
        0.814
    """
    began = time.perf_counter()
    names = None if measures is None else [validation.one_of(MEASURES, measures=name) for name in measures]
    classifier = as_classifier(estimator, plan)
    taken = classifier._inputs(X, y)
    check_learnable(taken.targets, taken.labels, 2)
    untrained_policy(taken.plan, taken.labels)  # settings and rules that do not suit are told before any training
    if taken.is_kept is not None and splits is not None:
        raise InputError("rows were left out for their images, so splits by number do not fit; mend them first")
    if splits is None:
        groups = taken.of_rows(groups, "groups")
        chosen = repeated_folds(taken.targets, folds, repeats, stratify, groups, taken.plan.seed)
    else:
        chosen = given_splits(splits, taken.targets, groups)
    plan_for_all = _for_all_folds(taken.plan, min(len(split.train) for split in chosen), taken.n_table())
    results: list[FoldScores] = []
    for fit_numbers, fits in _grouped(taken, classifier.network, plan_for_all, chosen):
        with watching(taken.runtime.quiet, f"{len(results)}/{len(chosen)} folds scored, training") as watch:
            first = int(plan_for_all.members) * fit_numbers[0]
            networks, trained = train_and_fine_tune(fits, taken.runtime, watch, first)
        scorer = engine.Scorer(networks, trained.weights, plan_for_all.precision, taken.runtime, fits[0].plan.head)
        begin = 0
        for number, fit in zip(fit_numbers, fits, strict=True):
            results.append(_scored(taken, chosen[number], fit, scorer, begin, names))
            begin += len(fit.members)
            _tell(results[-1], len(results), len(chosen), taken.runtime)
    is_stratified = None if splits is not None else stratify
    facts = {"plan": to_dict(fits[0].plan), "seconds": time.perf_counter() - began, "stratify": is_stratified}
    return gathered(taken.labels, taken.targets, chosen, results, facts)


def as_classifier(estimator: Any, plan: dict[str, Any]) -> MultiLabelClassifier:
    """A classifier of one's own with some settings changed; what was handed over stays as it is.

    Raises:
        InputError: A setting that does not exist, or something that is neither a classifier nor a network.
    """
    known = set(MultiLabelClassifier().get_params())
    for name in plan:
        if name not in known:
            raise InputError(f"there is no such setting{validation.did_you_mean(name, known)}", argument=name)
    if isinstance(estimator, MultiLabelClassifier):
        return MultiLabelClassifier(**{**estimator.get_params(deep=False), **plan})
    if isinstance(estimator, str) or not callable(estimator):
        raise InputError(
            f"got {type(estimator).__name__}, expected a MultiLabelClassifier, a Keras model or a function that makes "
            "one",
            argument="estimator",
        )
    return MultiLabelClassifier(**{"network": estimator, "members": 1, "decide": "half", **plan})


def _for_all_folds(plan: TrainingConfig, n_rows: int, n_table: int) -> TrainingConfig:
    """The plan with numbers that hold for every fold alike."""
    known = resolve_auto(plan, n_rows, n_table=n_table)
    needs_nothing = not is_tuned(plan) and not LOSS_SPECS[plan.loss_used].is_shift_free
    calibrate = "none" if needs_nothing and plan.members == 1 and known.calibrate == "auto" else known.calibrate
    return replace(plan, members=known.members, epochs=known.epochs, batch_size=known.batch_size, calibrate=calibrate)


def _trains_on_all(plan: TrainingConfig) -> bool:
    return plan.members == 1 and not _learns(plan) and not plan.early_stopping


def _learns(plan: TrainingConfig) -> bool:
    """Whether anything is fitted on out-of-fold scores."""
    return is_tuned(plan) or plan.calibrate != "none"


def _grouped(
    taken: TrainingInputs, network: Any, plan: TrainingConfig, splits: list[Split]
) -> Iterator[tuple[list[int], list[CrossFit]]]:
    """Fits in their order, as many at a time as may be trained side by side."""
    everything = _trains_on_all(plan)
    shared: CrossFit | None = None
    if taken.encoder().kind == "plain":
        shared = prepare_cross_fit(
            taken.features, taken.targets, taken.encoder(), plan, network, trains_on_all=True, labels=taken.labels
        )
        network = shared.network.own
    waiting: list[CrossFit] = []
    numbers: list[int] = []
    held = member_bytes = 0.0
    sizes: list[Any] = []
    for number, split in enumerate(splits):
        if shared is not None:
            fit = subset(shared, split.train, everything)
        else:
            rows, targets = taken.features[split.train], taken.targets.take(split.train)
            fit = prepare_cross_fit(
                rows, targets, taken.encoder(), plan, network, trains_on_all=everything, labels=taken.labels
            )
        if fit.network.shapes not in sizes:
            sizes.append(fit.network.shapes)
            member_bytes = engine.member_bytes(fit.network.networks(1), plan.precision)
        own = len(fit.members) * member_bytes + (0 if shared is not None else fit.base.n_bytes)
        is_alike = not waiting or _structure(waiting[0]) == _structure(fit)
        if waiting and (held + own > GROUP_BYTES or not is_alike):
            yield numbers, waiting
            waiting, numbers, held = [], [], 0.0
        waiting.append(fit)
        numbers.append(number)
        held += own
    yield numbers, waiting


def _structure(fit: CrossFit) -> tuple[Any, Any]:
    return fit.network.shapes, fit.network.settings


def _scored(
    taken: TrainingInputs, split: Split, fit: CrossFit, scorer: engine.Scorer, begin: int, names: list[str] | None
) -> FoldScores:
    """One fold's fit on its test rows, at thresholds from its training rows and at 0.5."""
    decider = _decider(taken.labels, fit, scorer, begin)
    test = taken.targets.take(split.test)
    blocks = fit.encoder.transform(taken.features[split.test])
    scores = decider.scores(scorer.scores(blocks, (begin, begin + len(fit.members))))
    own = decider.answers(scores)
    thresholds = decider.thresholds
    at_half = None if names is None else [name for name in names if MEASURES[name].needs == "decisions"]
    measured = measure(test, scores, own, names=names)
    return FoldScores(
        scores,
        own,
        thresholds,
        measured,
        {**measured, **measure(test, None, scores >= 0.5, names=at_half)},
        measure_labels(taken.labels, test, scores, own, thresholds),
    )


def _decider(labels: LabelSpace, fit: CrossFit, scorer: engine.Scorer, begin: int) -> DecisionPolicy:
    plan = fit.plan
    if not _learns(plan):
        return untrained_policy(plan, labels)
    scores, n_scorers = out_of_fold(scorer, fit, begin)
    scored = np.flatnonzero(n_scorers > 0)
    rows = fit.rows[scored]
    known = merge_equal_scores(scores[scored], fit.base.targets.take(rows), fit.base.weights[rows])
    return fit_policy(plan, labels, known, has_spread=False)


def _tell(fold: FoldScores, n_done: int, n_folds: int, runtime: RuntimeConfig) -> None:
    if runtime.quiet or not sys.stderr.isatty():
        return
    shown = [f"{name} {score.value:.3f}" for name, score in fold.own.items() if name in SHOWN] or [
        f"{name} {score.value:.3f}" for name, score in list(fold.own.items())[:3]
    ]
    print(f"fold {n_done}/{n_folds}: {', '.join(shown)}", file=sys.stderr)


SHOWN = ("f1_micro", "f1_macro", "subset_accuracy", "lrap")
"""What the line about a fold tells, where it was measured."""
