"""`cross_validate`: fit every fold as `MultiLabelClassifier.fit` would, all together as far as memory allows."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from manyhot import engine, executors, persistence, validation
from manyhot.config.losses import LOSS_SPECS
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.data.digests import digest
from manyhot.data.feature_input import row_weights
from manyhot.data.samples import Samples
from manyhot.decisions.policy import is_tuned, untrained_policy
from manyhot.errors import InputError
from manyhot.estimators.cross_validation.folds import FoldJob, FoldResult, Folds
from manyhot.estimators.cross_validation.result import CrossValidation, FoldScores, collect_results
from manyhot.estimators.cross_validation.splits import Split, repeated_folds, resolve_splits
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.estimators.progress import stage_progress, training_progress
from manyhot.evaluation.metrics import METRICS, metric_names
from manyhot.models.checks import check_learnable
from manyhot.models.cross_fitting import prepare_cross_fit
from manyhot.models.run_identity import run_identity
from manyhot.models.training_data import TrainingInputs

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
    checkpoint: Any = None,
    checkpoint_every: float = 60,
    resume: bool = False,
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
        metrics: Names of `metrics.METRICS`; None for all (hierarchical ones with a `taxonomy` only).
        checkpoint: Folder in which the state of training is kept, as for `MultiLabelClassifier.fit`.
        checkpoint_every: Seconds between two states of the same members, above 0.
        resume: Whether to go on from what the folder holds; with an empty one, training begins.
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
    classifier = as_classifier(estimator, config)
    training, runtime = classifier._configs()
    selected = _selected_metrics(metrics, bool(training.taxonomy))
    inputs = classifier._inputs(X, y, training, runtime)
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
    n_rows = min(len(split.train) for split in resolved_splits)
    if weights is not None:  # a row of weight 0 is as good as absent from training
        resolved_splits = [
            Split(split.repeat, split.train[weights[split.train] > 0], split.test) for split in resolved_splits
        ]
        weights = np.where(weights > 0, weights, 1.0)
    shared_config = _shared_config(inputs, classifier.network, resolved_splits[0].train, n_rows)
    job = FoldJob(
        inputs,
        classifier.network,
        shared_config.changed(epochs=inputs.config.epochs),
        resolved_splits,
        weights,
        selected,
        engine.platform(),
        int(shared_config.epochs),
    )
    with persistence.checkpoints.checkpointed(checkpoint, checkpoint_every, resume) as snapshots:
        if snapshots is not None:
            snapshots.begin(fold_identity(job))
        results = _run_folds(replace(job, snapshots=snapshots), inputs.runtime)
    is_stratified = None if splits is not None else stratify
    facts = {"config": results[0].config, "seconds": time.perf_counter() - start_time, "stratify": is_stratified}
    scores = [results[number].scores for number in range(len(resolved_splits))]
    return collect_results(inputs.labels, inputs.targets, resolved_splits, scores, facts)


def _selected_metrics(metrics: Iterable[str] | None, has_taxonomy: bool) -> list[str]:
    """The names of the metrics to compute; those of a taxonomy need one."""
    if metrics is None:
        return metric_names(has_taxonomy)
    names = [str(validation.one_of(METRICS, metrics=name)) for name in metrics]
    for name in names:
        if METRICS[name].needs_taxonomy and not has_taxonomy:
            raise InputError(f"{name!r} needs a taxonomy; say taxonomy=..., or leave it out", argument="metrics")
    return names


def fold_identity(job: FoldJob) -> dict[str, Any]:
    """What is trained on what, for a checkpoint."""
    network = job.network
    if hasattr(network, "get_config"):
        network = [network.get_config(), network.get_weights()]
    elif callable(network):
        network = getattr(network, "__qualname__", type(network).__name__)
    inputs = job.inputs
    rows = [inputs.features, inputs.targets, job.weights, [list(vars(split).values()) for split in job.splits]]
    identity = run_identity("cross-validation", job.config.to_dict(), inputs.runtime)
    return {**identity, "network": digest(network), "rows": digest(inputs.labels.names, *rows)}


def _run_folds(job: FoldJob, runtime: RuntimeConfig) -> dict[int, FoldResult]:
    """The results of all folds by number, here or where the executor says."""
    n_folds = len(job.splits)
    results: dict[int, FoldResult] = {}

    def keep(found: Iterable[tuple[int, FoldResult]]) -> None:
        for number, result in found:
            engine.warn_of_platform(result.platform, job.platform)
            results[number] = result
            _print_fold(result.scores, len(results), n_folds, runtime)

    if runtime.executor is None:
        is_open = job.snapshots is None
        with training_progress(
            runtime.verbose, "cross-validation", unit="folds", suggests_checkpoint=is_open
        ) as callback:
            keep(Folds(job).iterate(range(n_folds), callback))
        return results
    job, n_together = Folds(job).as_tasks()
    tasks = [(list(range(k, min(k + n_together, n_folds))),) for k in range(0, n_folds, n_together)]
    work = executors.Work(Folds, job, Folds.train_and_score, "cross-validation")
    with stage_progress(runtime.verbose) as progress:
        for _, found in executors.run_tasks(runtime.executor, work, tasks):
            keep(found)
            if progress is not None:
                progress(f"{len(results)} of {n_folds} folds", len(results) / n_folds)
    return results


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


def _shared_config(inputs: TrainingInputs, network: Any, rows: np.ndarray, n_rows: int) -> TrainingConfig:
    """The config with the automatic sizes that are the same in every fold; a fold's rows tell what is encoded."""
    config = inputs.config
    needs_no_tuning = not is_tuned(config) and not LOSS_SPECS[config.resolved_loss].is_shift_free
    if needs_no_tuning and config.n_members == 1 and config.calibration == "auto":
        config = config.changed(calibration="none")
    features, targets = inputs.features[rows], inputs.targets.take(rows)
    first = prepare_cross_fit(features, targets, inputs.encoder(), config, network, trains_on_all=True, n_rows=n_rows)
    sizes = ("n_members", "batch_size", "epochs")
    return config.changed(**{name: getattr(first.config, name) for name in sizes})


def _print_fold(fold: FoldScores, n_done: int, n_folds: int, runtime: RuntimeConfig) -> None:
    if not runtime.verbose or not sys.stderr.isatty():
        return
    names = [name for name in fold.decision if name in PRINTED_METRICS] or list(fold.decision)[:3]
    texts = [f"{name} {fold.decision[name].value:.3f}" for name in names]
    print(f"fold {n_done}/{n_folds}: {', '.join(texts)}", file=sys.stderr)
