"""The folds of a cross-validation: each is prepared, trained and scored in one place, and only its scores leave it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from manyhot import engine
from manyhot.config.training import CUSTOM, TrainingConfig
from manyhot.data.labels import LabelSpace
from manyhot.decisions.policy import DecisionPolicy, fit_policy, is_tuned, merge_equal_scores, untrained_policy
from manyhot.estimators.cross_validation.result import FoldScores
from manyhot.estimators.cross_validation.splits import Split
from manyhot.evaluation.metrics import METRICS, compute_label_metrics, compute_metrics
from manyhot.models.branch_shares import score_with_chosen_shares
from manyhot.models.cross_fitting import CrossFit, fits_together, prepare_cross_fit, subset
from manyhot.models.epoch_search import train_searched
from manyhot.models.half_precision import round_fit
from manyhot.models.training_data import TrainingInputs

# encoded rows, weights and optimizer variables of the fits that are trained together
GROUP_BYTES = 2**29


@dataclass(frozen=True)
class FoldJob:
    """All folds of a cross-validation; everything in it can be pickled."""

    inputs: TrainingInputs
    network: Any  # a description of a Keras model, or a function that makes one; a name for those of ours
    config: TrainingConfig  # with what is the same in every fold resolved
    splits: Sequence[Split]
    weights: np.ndarray | None  # float (n,)
    metric_names: list[str]
    platform: str  # of the process that shares the folds out
    epochs: int  # where those of the config are "auto": what they become, or the first of those to try
    snapshots: engine.Snapshots | None = None


class FoldResult(NamedTuple):
    """What a fold leaves."""

    scores: FoldScores
    config: dict[str, Any]  # of its fit, as JSON values
    platform: str  # that it was trained on


class Folds:
    """What one process needs to train any of the folds, prepared once."""

    def __init__(self, job: FoldJob) -> None:
        self.job, config = job, job.config
        self.uses_out_of_fold = is_tuned(config) or config.calibration != "none"
        self.trains_on_all = config.n_members == 1 and not self.uses_out_of_fold and not config.early_stopping
        self.prepare = partial(
            prepare_cross_fit, config=config, network=job.network, labels=job.inputs.labels, epochs=job.epochs
        )
        max_train = max(len(split.train) for split in job.splits)
        n_validation = math.ceil(config.validation_fraction * max_train) if config.early_stopping else 0
        self.size = engine.JobSize(len(job.splits) * int(config.n_members), n_validation, job.platform)
        self.shared: CrossFit | None = None
        if job.inputs.encoder().kind == "plain":
            all_rows = job.inputs.features, job.inputs.targets, job.inputs.encoder()
            self.shared = self.prepare(*all_rows, weights=job.weights, trains_on_all=True)

    def fit(self, number: int) -> CrossFit:
        """The fit of one fold, ready to be trained."""
        inputs, train, weights = self.job.inputs, self.job.splits[number].train, self.job.weights
        if self.shared is not None:
            return subset(self.shared, train, self.trains_on_all)
        row_weights = None if weights is None else weights[train]
        rows = inputs.features[train], inputs.targets.take(train), inputs.encoder()
        return self.prepare(*rows, weights=row_weights, trains_on_all=self.trains_on_all)

    def as_tasks(self) -> tuple[FoldJob, int]:
        """The job as it travels, a Keras model as its description, and how many folds fill the programs of a task."""
        fit, job = self.fit(0), self.job
        if job.config.network == CUSTOM and hasattr(job.network, "get_config"):
            job = replace(job, network=fit.network.custom)
        return job, fits_together(fit, job.inputs.runtime, self.size)

    def train_and_score(self, numbers: Sequence[int]) -> list[tuple[int, FoldResult]]:
        """Number and result of each of some folds."""
        return list(self.iterate(numbers))

    def iterate(
        self, numbers: Sequence[int], callback: engine.ProgressCallback | None = None
    ) -> Iterator[tuple[int, FoldResult]]:
        """Yield number and result of each of some folds, in order; those of a group train as one job."""
        runtime, n_members, n_done = self.job.inputs.runtime, int(self.job.config.n_members), 0
        for group in self._groups(numbers):
            fit_numbers, fits = zip(*group, strict=True)
            trained_fits, networks, trained = train_searched(
                fits,
                runtime.changed(executor=None),
                _within(callback, n_done, len(fits), len(numbers)),
                n_members * fit_numbers[0],
                self.size,
                self._snapshots(fit_numbers),
            )
            n_done += len(fits)
            config = trained_fits[0].config
            scorer = engine.Scorer(networks, trained.weights, config.dtype, runtime, config.head)
            first_member = 0
            for number, fit in zip(fit_numbers, trained_fits, strict=True):
                round_fit(scorer, fit, trained.weights, first_member)  # as `fit` would
                scores = self._score(number, fit, scorer, trained.weights, first_member)
                yield number, FoldResult(scores, fit.config.to_dict(), engine.platform())
                first_member += len(fit.members)

    def _snapshots(self, numbers: Sequence[int]) -> engine.Snapshots | None:
        snapshots = self.job.snapshots
        return None if snapshots is None else snapshots.within(f"folds-{numbers[0]:05d}-{numbers[-1]:05d}")

    def _groups(self, numbers: Sequence[int]) -> Iterator[list[tuple[int, CrossFit]]]:
        """Yield the fits in order, in groups that are small and similar enough to train together."""
        group: list[tuple[int, CrossFit]] = []
        group_bytes = member_bytes = 0.0
        known_shapes: list[Any] = []
        for number in numbers:
            fit = self.fit(number)
            if fit.network.shapes not in known_shapes:
                known_shapes.append(fit.network.shapes)
                member_bytes = engine.member_bytes(fit.network.factory(1), fit.config.dtype)
            fit_bytes = len(fit.members) * member_bytes + (0 if self.shared is not None else fit.data.n_bytes)
            if group and (group_bytes + fit_bytes > GROUP_BYTES or _structure(group[0][1]) != _structure(fit)):
                yield group
                group, group_bytes = [], 0.0
            group.append((number, fit))
            group_bytes += fit_bytes
        if group:
            yield group

    def _score(
        self, number: int, fit: CrossFit, scorer: engine.Scorer, weights: engine.Weights, first_member: int
    ) -> FoldScores:
        """Score one fold's test rows, at the thresholds tuned on its training rows and at 0.5."""
        inputs, metric_names, test_rows = self.job.inputs, self.job.metric_names, self.job.splits[number].test
        policy = self._fit_policy(inputs.labels, fit, scorer, weights, first_member)
        test = inputs.targets.take(test_rows)
        blocks = fit.encoder.transform(inputs.features[test_rows])
        scores = policy.calibrate(scorer.scores(blocks, (first_member, first_member + len(fit.members))))
        decisions, thresholds = policy.decide(scores), policy.thresholds
        fixed_names = [name for name in metric_names if METRICS[name].needs == "decisions"]
        metrics = compute_metrics(test, scores, decisions, names=metric_names, hierarchy=policy.hierarchy)
        at_half = compute_metrics(test, None, scores >= 0.5, names=fixed_names, hierarchy=policy.hierarchy)
        return FoldScores(
            scores,
            decisions,
            thresholds,
            metrics,
            {**metrics, **at_half},
            compute_label_metrics(inputs.labels, test, scores, decisions, thresholds),
        )

    def _fit_policy(
        self, labels: LabelSpace, fit: CrossFit, scorer: engine.Scorer, weights: engine.Weights, first_member: int
    ) -> DecisionPolicy:
        if not self.uses_out_of_fold and (self.trains_on_all or not fit.network.branches):
            return untrained_policy(fit.config, labels)
        scores, n_scorers = score_with_chosen_shares(scorer, fit, weights, first_member)
        if not self.uses_out_of_fold:
            return untrained_policy(fit.config, labels)
        scored_rows = np.flatnonzero(n_scorers > 0)
        rows = fit.rows[scored_rows]
        unique_scores = merge_equal_scores(scores[scored_rows], fit.data.targets.take(rows), fit.data.weights[rows])
        return fit_policy(fit.config, labels, unique_scores, has_spread=False)


def _structure(fit: CrossFit) -> tuple[Any, Any]:
    return fit.network.shapes, fit.network.settings


def _within(
    callback: engine.ProgressCallback | None, n_done: int, n_group: int, n_folds: int
) -> engine.ProgressCallback | None:
    """The callback for one group of folds trained together, of which it shows the part in all folds."""
    if callback is None:
        return None

    def show(progress: engine.Progress) -> None:
        done = (n_done + progress.done * n_group) / n_folds
        callback(progress._replace(done=done, n_finished=n_done, n_members=n_folds))

    return show
