"""`cross_validate`: fit every fold as `MultiLabelClassifier.fit` would, all together as far as memory allows."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from manyhot import engine, validation
from manyhot.config.auto import resolve_sizes
from manyhot.config.losses import LOSS_SPECS
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.data.feature_input import row_weights
from manyhot.data.labels import LabelSpace
from manyhot.data.samples import Samples
from manyhot.decisions.policy import DecisionPolicy, fit_policy, is_tuned, merge_equal_scores, untrained_policy
from manyhot.errors import InputError
from manyhot.estimators.cross_validation.result import CrossValidation, FoldScores, collect_results
from manyhot.estimators.cross_validation.splits import Split, repeated_folds, resolve_splits
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.estimators.progress import training_progress
from manyhot.evaluation.metrics import METRICS, compute_label_metrics, compute_metrics
from manyhot.models.checks import check_learnable
from manyhot.models.cross_fitting import CrossFit, prepare_cross_fit, score_out_of_fold, subset
from manyhot.models.fine_tuning import train_and_fine_tune
from manyhot.models.training_data import TrainingInputs

# encoded rows, weights and optimizer variables of the fits that are trained together
GROUP_BYTES = 2**29
PRINTED_METRICS = ("f1_micro", "f1_macro", "subset_accuracy", "lrap")  # after each fold, if they were computed


def cross_validate(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    sample_weight: Any = None,
    n_splits: int = 10,
    n_repeats: int = 3,
    stratify: bool = True,
    groups: Any = None,
    splits: Any = None,
    metrics: Iterable[str] | None = None,
    **config: Any,
) -> CrossValidation:
    """Repeated cross-validation.

    Each fold's model is what `fit` would train on the fold's training rows: encoder, members, and thresholds tuned on
    out-of-fold scores within those rows, so that the F1 of the test rows is not biased upwards. A single member whose
    decision needs no tuning (`decision="fixed"` or "top_k") trains on all training rows, unless its loss needs
    calibration to give probabilities; `fit` would hold some of them out for its report.

    Args:
        estimator: `MultiLabelClassifier`; or a Keras model, or a function `(input_shape, n_labels) -> keras.Model`,
            with one member per fold and a threshold of 0.5 unless `n_members` and `decision` are set.
        X: As for `MultiLabelClassifier.fit`.
        y: As for `MultiLabelClassifier.fit`; None when X is `Samples` with targets.
        sample_weight: As for `MultiLabelClassifier.fit`: weights of the training rows, 0 or more; every test row
            counts once.
        n_splits: Folds per repeat, 2 or more (the estimator's `n_folds` are the folds within each fit).
        n_repeats: Number of repeats, 1 or more, each with different folds.
        stratify: Whether label frequencies are preserved in every fold.
        groups: (n,), group of each row; rows of a group stay in the same fold. None if the rows are ungrouped.
        splits: Pairs (train, test) of row indices, or a scikit-learn splitter; replaces `n_splits`, `n_repeats` and
            `stratify`.
        metrics: Names of `metrics.METRICS`; None for all.
        config: Fields of `TrainingConfig` and `RuntimeConfig` by name, such as `epochs=100, batch_size=32,
            random_state=1`.

    Returns:
        Scores per fold with mean, standard deviation and corrected interval, out-of-fold scores, and scores per label.

    Raises:
        InputError: An invalid argument, named in the message.

    Example:
        >>> result = cross_validate(model, X, Y, n_splits=10, n_repeats=3, epochs=100, batch_size=32)  # doctest: +SKIP
        >>> result.mean("subset_accuracy", at="fixed")  # doctest: +SKIP
        0.814
    """
    start_time = time.perf_counter()
    metric_names = list(METRICS) if metrics is None else [validation.one_of(METRICS, metrics=name) for name in metrics]
    classifier = as_classifier(estimator, config)
    inputs = classifier._inputs(X, y, *classifier._configs())
    if sample_weight is None and isinstance(X, Samples):
        sample_weight = X.sample_weight
    weights = None
    if sample_weight is not None:
        weights = row_weights(inputs.select_rows(sample_weight, "sample_weight"), inputs.targets.n_samples)
    check_learnable(inputs.targets, inputs.labels)
    untrained_policy(inputs.config, inputs.labels)  # invalid settings and rules raise before training
    if inputs.is_used is not None and splits is not None:
        raise InputError(
            "rows with unusable images were skipped, so the row indices in `splits` do not match; fix these images "
            "first"
        )
    if splits is None:
        groups = inputs.select_rows(groups, "groups")
        resolved_splits = repeated_folds(
            inputs.targets, n_splits, n_repeats, stratify, groups, inputs.config.random_state
        )
    else:
        resolved_splits = resolve_splits(splits, inputs.targets, groups)
    shared_config = _shared_config(
        inputs.config, min(len(split.train) for split in resolved_splits), inputs.n_table_weights()
    )
    if weights is not None:  # a row of weight 0 is as good as absent from training
        resolved_splits = [
            Split(split.repeat, split.train[weights[split.train] > 0], split.test) for split in resolved_splits
        ]
        weights = np.where(weights > 0, weights, 1.0)
    results: list[FoldScores] = []
    for fit_numbers, fits in _group_fits(inputs, classifier.network, shared_config, resolved_splits, weights):
        with training_progress(
            inputs.runtime.verbose, f"{len(results)}/{len(resolved_splits)} folds scored, training"
        ) as callback:
            first_network = int(shared_config.n_members) * fit_numbers[0]
            networks, trained = train_and_fine_tune(fits, inputs.runtime, callback, first_network)
        scorer = engine.Scorer(networks, trained.weights, shared_config.dtype, inputs.runtime, fits[0].config.head)
        first_member = 0
        for number, fit in zip(fit_numbers, fits, strict=True):
            results.append(_score_fold(inputs, resolved_splits[number], fit, scorer, first_member, metric_names))
            first_member += len(fit.members)
            _print_fold(results[-1], len(results), len(resolved_splits), inputs.runtime)
    is_stratified = None if splits is not None else stratify
    facts = {"config": fits[0].config.to_dict(), "seconds": time.perf_counter() - start_time, "stratify": is_stratified}
    return collect_results(inputs.labels, inputs.targets, resolved_splits, results, facts)


def as_classifier(estimator: Any, config: dict[str, Any]) -> MultiLabelClassifier:
    """A new classifier with some settings changed; the estimator itself is not modified."""
    parameters = set(MultiLabelClassifier().get_params())
    for name in config:
        if name not in parameters:
            raise InputError(f"unknown setting{validation.did_you_mean(name, parameters)}", argument=name)
    if isinstance(estimator, MultiLabelClassifier):
        return MultiLabelClassifier(**{**estimator.get_params(deep=False), **config})
    if isinstance(estimator, str) or not callable(estimator):
        raise InputError(
            f"got {type(estimator).__name__}, expected a MultiLabelClassifier, a Keras model or a function that builds "
            "one",
            argument="estimator",
        )
    return MultiLabelClassifier(**{"network": estimator, "n_members": 1, "decision": "fixed", **config})


def _shared_config(config: TrainingConfig, n_rows: int, n_table: int) -> TrainingConfig:
    """The config with the automatic settings that are the same in every fold resolved."""
    needs_no_tuning = not is_tuned(config) and not LOSS_SPECS[config.resolved_loss].is_shift_free
    if needs_no_tuning and config.n_members == 1 and config.calibration == "auto":
        config = config.changed(calibration="none")
    return resolve_sizes(config, n_rows, n_table)


def _uses_out_of_fold(config: TrainingConfig) -> bool:
    """Whether anything is fitted on out-of-fold scores."""
    return is_tuned(config) or config.calibration != "none"


def _group_fits(
    inputs: TrainingInputs,
    network: Any,
    config: TrainingConfig,
    splits: list[Split],
    weights: np.ndarray | None = None,
) -> Iterator[tuple[list[int], list[CrossFit]]]:
    """Yield the fits in order, in groups that are small and similar enough to train together."""
    trains_on_all = config.n_members == 1 and not _uses_out_of_fold(config) and not config.early_stopping
    prepare = partial(prepare_cross_fit, config=config, network=network, labels=inputs.labels)
    shared: CrossFit | None = None
    if inputs.encoder().kind == "plain":
        all_rows = inputs.features, inputs.targets, inputs.encoder()
        shared = prepare(*all_rows, weights=weights, trains_on_all=True)
    group: list[CrossFit] = []
    fit_numbers: list[int] = []
    group_bytes = member_bytes = 0.0
    known_shapes: list[Any] = []
    for number, split in enumerate(splits):
        if shared is not None:
            fit = subset(shared, split.train, trains_on_all)
        else:
            training_rows = inputs.features[split.train], inputs.targets.take(split.train), inputs.encoder()
            row_weights = None if weights is None else weights[split.train]
            fit = prepare(*training_rows, weights=row_weights, trains_on_all=trains_on_all)
        if fit.network.shapes not in known_shapes:
            known_shapes.append(fit.network.shapes)
            member_bytes = engine.member_bytes(fit.network.factory(1), config.dtype)
        fit_bytes = len(fit.members) * member_bytes + (0 if shared is not None else fit.data.n_bytes)
        if group and (group_bytes + fit_bytes > GROUP_BYTES or _structure(group[0]) != _structure(fit)):
            yield fit_numbers, group
            group, fit_numbers, group_bytes = [], [], 0.0
        group.append(fit)
        fit_numbers.append(number)
        group_bytes += fit_bytes
    yield fit_numbers, group


def _structure(fit: CrossFit) -> tuple[Any, Any]:
    return fit.network.shapes, fit.network.settings


def _score_fold(
    inputs: TrainingInputs,
    split: Split,
    fit: CrossFit,
    scorer: engine.Scorer,
    first_member: int,
    metric_names: list[str],
) -> FoldScores:
    """Score one fold's test rows, at the thresholds tuned on its training rows and at 0.5."""
    policy = _fit_fold_policy(inputs.labels, fit, scorer, first_member)
    test = inputs.targets.take(split.test)
    blocks = fit.encoder.transform(inputs.features[split.test])
    scores = policy.calibrate(scorer.scores(blocks, (first_member, first_member + len(fit.members))))
    decisions, thresholds = policy.decide(scores), policy.thresholds
    fixed_names = [name for name in metric_names if METRICS[name].needs == "decisions"]
    metrics = compute_metrics(test, scores, decisions, names=metric_names)
    return FoldScores(
        scores,
        decisions,
        thresholds,
        metrics,
        {**metrics, **compute_metrics(test, None, scores >= 0.5, names=fixed_names)},
        compute_label_metrics(inputs.labels, test, scores, decisions, thresholds),
    )


def _fit_fold_policy(labels: LabelSpace, fit: CrossFit, scorer: engine.Scorer, first_member: int) -> DecisionPolicy:
    config = fit.config
    if not _uses_out_of_fold(config):
        return untrained_policy(config, labels)
    scores, n_scorers = score_out_of_fold(scorer, fit, first_member)
    scored_rows = np.flatnonzero(n_scorers > 0)
    rows = fit.rows[scored_rows]
    unique_scores = merge_equal_scores(scores[scored_rows], fit.data.targets.take(rows), fit.data.weights[rows])
    return fit_policy(config, labels, unique_scores, has_spread=False)


def _print_fold(fold: FoldScores, n_done: int, n_folds: int, runtime: RuntimeConfig) -> None:
    if not runtime.verbose or not sys.stderr.isatty():
        return
    names = [name for name in fold.decision if name in PRINTED_METRICS] or list(fold.decision)[:3]
    texts = [f"{name} {fold.decision[name].value:.3f}" for name in names]
    print(f"fold {n_done}/{n_folds}: {', '.join(texts)}", file=sys.stderr)
