"""Trials of a search: settings tried on the same rows and folds, each measured by the out-of-fold score of its fit.

Trials that differ in `engine.DATA_SETTINGS` alone share one compiled program and train side by side as one job. Some
members of every trial are trained first; where their loss on rows that they never saw is not among the lowest third,
the rest is spared. A learning-rate schedule makes half-trained networks of different trials hard to compare, whole
members are not.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from manyhot import engine
from manyhot.config.fields import AUTO
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import CUSTOM, TrainingConfig
from manyhot.decisions.policy import untrained_policy
from manyhot.errors import TrainingError
from manyhot.models.branch_shares import score_with_chosen_shares
from manyhot.models.checks import check_n_rows
from manyhot.models.cross_fitting import (
    CrossFit,
    EncodedFit,
    MemberStarts,
    as_one_job,
    encode_rows,
    member_starts,
    members_together,
    plan_cross_fit,
)
from manyhot.models.epoch_search import (
    SCORED_ROWS,
    concatenate_results,
    select_members,
    tempered_losses,
    train_searched,
)
from manyhot.models.fine_tuning import is_fine_tuned, scale_progress
from manyhot.models.out_of_fold import EnsembleEstimate, OutOfFold, estimate_ensemble, score_out_of_fold
from manyhot.models.training import used_rows
from manyhot.models.training_data import TrainingInputs

COMPLETE, PRUNED, DIVERGED = STATES = ("complete", "pruned", "diverged")
"""Trained whole; given up after some members; a loss that was no finite number."""
MIN_LOSSES = 4
"""Trials whose losses are compared, at least."""
KEPT_SHARE = 1 / 3
"""Share of trials that are trained whole: those whose first members have the lowest losses so far."""
PILOT_SHARE = 0.75
"""Where the first members are more than this share of all, sparing the rest gains little, and nothing is pruned."""
GROUP_BYTES = 2**29
"""Weights of the trials that train as one job, and what an optimizer keeps beside them."""
ENCODINGS = 2
"""Ways of encoding the rows that are kept."""


@dataclass(frozen=True)
class TrialScore:
    """What a trial came to."""

    state: str  # one of `STATES`
    value: float | None  # the metric; None unless complete, and where it is undefined
    loss: float | None  # of the first members on rows they never saw; None where it is no finite number
    config: TrainingConfig  # with every "auto" resolved


@dataclass
class _Trial:
    """A trial under way."""

    place: int  # among those of a call
    fit: CrossFit  # with the settings of the trial
    pilots: engine.TrainingResult | None = None
    loss: float = math.inf


class TrialRunner:
    """Trains and measures trials on the rows of one data set.

    Args:
        inputs: Rows and settings; a trial has settings of its own.
        network: As for `train_inputs`.
        sample_weight: As for `train_inputs`.
        metric: Name of the metric, of `METRICS`.
    """

    def __init__(self, inputs: TrainingInputs, network: Any, sample_weight: np.ndarray | None, metric: str) -> None:
        self.inputs, self.network, self.metric = inputs, network, metric
        self.features, self.rows = used_rows(inputs, sample_weight)
        untrained_policy(inputs.config, inputs.labels)  # invalid settings and rules raise before training
        self.losses: list[float] = []  # of the first members of every trial so far
        self.n_pilots: int | None = None  # the same for all trials, so that losses are of the same rows
        self._encoded: dict[Hashable, EncodedFit] = {}
        self._plans: dict[Hashable, CrossFit] = {}

    def plan(self, config: TrainingConfig) -> CrossFit:
        """The fit of some settings, ready to be trained; what an earlier trial prepared alike is used again."""
        key = (_program(config), config.epochs == AUTO)
        if key not in self._plans:
            fit = plan_cross_fit(self._encode(config), config)
            n_members = int(fit.config.n_members)
            check_n_rows(len(self.rows.ids), min(config.n_folds, n_members) if n_members > 1 else 2)
            self._plans[key] = fit
        fit = self._plans[key]
        if config.epochs == AUTO:
            return fit
        return replace(fit, config=fit.config.changed(**{name: getattr(config, name) for name in engine.DATA_SETTINGS}))

    def _encode(self, config: TrainingConfig) -> EncodedFit:
        texts = tuple(sorted((name, str(value)) for name, value in config.text_params.items()))
        key = (config.is_encoded, config.text, texts, config.network == CUSTOM)
        if key not in self._encoded:
            while len(self._encoded) >= ENCODINGS:
                self._encoded.pop(next(iter(self._encoded)))
                self._plans.clear()  # they hold the rows
            encoder = self.inputs._replace(config=config).encoder()
            rows = self.rows.targets, encoder, config, self.network, self.rows.weights, self.inputs.labels
            self._encoded[key] = encode_rows(self.features, *rows)
        return self._encoded[key]

    def run_whole(self, config: TrainingConfig, callback: engine.ProgressCallback | None = None) -> TrialScore:
        """One trial exactly as `fit` would train it, the search of its epochs included."""
        (fit,), _, trained = train_searched([self.plan(config)], self.inputs.runtime, callback)
        n_pilots = self._count_pilots(fit)
        first = select_members(trained, slice(0, n_pilots))
        loss = self._losses(replace(fit, members=fit.members[:n_pilots]), first, 1)[0]
        self.losses.append(loss)
        return TrialScore(COMPLETE, self._measure(fit, trained.weights), loss, fit.config)

    def measure_ensemble(
        self, config: TrainingConfig, callback: engine.ProgressCallback | None = None
    ) -> EnsembleEstimate | None:
        """The metric that all members together would have on rows that none of them saw.

        Out of fold, a row is scored by one member of each round of folds alone, and an ensemble gains the more, the
        more its members differ. As many members again are trained on other folds, and how much better rows are scored
        by both says what further members would add. So a trial is measured by members that it was not chosen by, too.
        None where a loss was no finite number, or the metric is undefined.
        """
        n_members = int(config.n_members)
        n_folds = min(config.n_folds, n_members)
        plan = self.plan(config.changed(n_members=2 * n_members, n_folds=n_folds))
        (fit,), _, trained = train_searched([plan], self.inputs.runtime, callback)
        if not _is_finite(trained.weights):
            return None
        first, second = (
            self._score(replace(fit, members=fit.members[half]), trained.weights.members(half))
            for half in (slice(0, n_members), slice(n_members, 2 * n_members))
        )
        both = self._score(fit, trained.weights)
        found = estimate_ensemble((first, second), both, n_folds, self.metric)
        return found if math.isfinite(found.value) else None

    def restore(self, config: TrainingConfig, losses: Sequence[float]) -> None:
        """Go on after trials of an earlier process: the settings of the first one, and the losses of all."""
        self._count_pilots(self.plan(config))
        self.losses = list(losses)

    def run(
        self, configs: Sequence[TrainingConfig], callback: engine.ProgressCallback | None = None
    ) -> list[TrialScore]:
        """Several trials with explicit epochs, in the order of their settings."""
        trials = [_Trial(place, self.plan(config)) for place, config in enumerate(configs)]
        scores: dict[int, TrialScore] = {}
        together = [trial for trial in trials if not self._runs_alone(trial.fit)]
        share = len(together) / len(trials)
        middle = share / 2 if any(self._can_spare(trial.fit) for trial in together) else share
        self._train_pilots(together, scale_progress(callback, 0.0, middle))
        self.losses += [trial.loss for trial in together]
        limit = (
            float(np.quantile(self.losses, KEPT_SHARE, method="inverted_cdf"))
            if len(self.losses) >= MIN_LOSSES
            else math.inf
        )
        promising = []
        for trial in together:
            if not math.isfinite(trial.loss):
                scores[trial.place] = TrialScore(DIVERGED, None, None, trial.fit.config)
            elif trial.loss > limit and self._can_spare(trial.fit):
                scores[trial.place] = TrialScore(PRUNED, None, trial.loss, trial.fit.config)
            else:
                promising.append(trial)
        for trial, value in self._train_rest(promising, scale_progress(callback, middle, share)):
            state = DIVERGED if value is None else COMPLETE
            scores[trial.place] = TrialScore(state, value, trial.loss, trial.fit.config)
        alone = [trial for trial in trials if self._runs_alone(trial.fit)]
        for number, trial in enumerate(alone):
            low, high = (share + (1 - share) * n_done / len(alone) for n_done in (number, number + 1))
            try:
                scores[trial.place] = self.run_whole(configs[trial.place], scale_progress(callback, low, high))
            except TrainingError:
                scores[trial.place] = TrialScore(DIVERGED, None, None, trial.fit.config)
        return [scores[place] for place in range(len(trials))]

    def _runs_alone(self, fit: CrossFit) -> bool:
        """Whether members are trained in several parts, so that trials cannot share a job."""
        return fit.searches_epochs or is_fine_tuned(fit.network)

    def _can_spare(self, fit: CrossFit) -> bool:
        """Whether some members are left when the first ones are trained."""
        return self._count_pilots(fit) < len(fit.members)

    def _size(self, fit: CrossFit) -> engine.JobSize:
        n_validation = max(len(member.validation) for member in fit.members)
        return engine.JobSize(len(fit.members), n_validation, engine.platform())

    def _count_pilots(self, fit: CrossFit) -> int:
        """Members that are trained first: whole programs, two at least, enough for `SCORED_ROWS` or half the rows."""
        if self.n_pilots is None:
            n_members, n_rows = len(fit.members), len(fit.rows)
            n_folds = len({member.held_out.tobytes() for member in fit.members})
            n_needed = max(2, math.ceil(min(SCORED_ROWS, n_rows / 2) * n_folds / n_rows))
            together = min(members_together(fit, self.inputs.runtime, self._size(fit)), n_members)
            n_pilots = together * math.ceil(n_needed / together)
            self.n_pilots = n_pilots if n_pilots <= PILOT_SHARE * n_members else n_members
        return min(self.n_pilots, len(fit.members))

    def _groups(self, trials: Sequence[_Trial]) -> Iterator[list[_Trial]]:
        """Yield trials that share a program, as many as memory allows."""
        groups: dict[Hashable, list[_Trial]] = {}
        for trial in trials:
            groups.setdefault(_program(trial.fit.config), []).append(trial)
        for group in groups.values():
            fit = group[0].fit
            one_bytes = len(fit.members) * engine.member_bytes(fit.network.factory(1), fit.config.dtype)
            n_most = max(1, int(GROUP_BYTES // max(one_bytes, 1)))
            yield from (group[k : k + n_most] for k in range(0, len(group), n_most))

    def _train(
        self, group: Sequence[_Trial], members: slice, callback: engine.ProgressCallback | None
    ) -> engine.TrainingResult:
        configs = [trial.fit.config for trial in group]
        fit = group[0].fit
        return train_trials(fit, configs, members, self.inputs.runtime, callback, self._size(fit))

    def _train_pilots(self, trials: Sequence[_Trial], callback: engine.ProgressCallback | None) -> None:
        """Train the first members of some trials, and measure them on rows they never saw."""
        n_done = 0
        for group in self._groups(trials):
            ends = n_done / len(trials), (n_done + len(group)) / len(trials)
            members = slice(0, self._count_pilots(group[0].fit))
            trained = self._train(group, members, scale_progress(callback, *ends))
            pilot_fit = replace(group[0].fit, members=group[0].fit.members[members])
            for k, (trial, loss) in enumerate(zip(group, self._losses(pilot_fit, trained, len(group)), strict=True)):
                trial.pilots = select_members(trained, slice(k * members.stop, (k + 1) * members.stop))
                trial.loss = loss
            n_done += len(group)

    def _train_rest(
        self, trials: Sequence[_Trial], callback: engine.ProgressCallback | None
    ) -> Iterator[tuple[_Trial, float | None]]:
        """Train the other members of some trials -> each with its metric, None where a loss was no finite number."""
        n_done = 0
        for group in self._groups(trials):
            ends = n_done / len(trials), (n_done + len(group)) / len(trials)
            n_members, n_pilots = len(group[0].fit.members), self._count_pilots(group[0].fit)
            n_rest = n_members - n_pilots
            rest = None
            if n_rest:
                rest = self._train(group, slice(n_pilots, n_members), scale_progress(callback, *ends))
            for k, trial in enumerate(group):
                assert trial.pilots is not None
                parts = [trial.pilots]
                if rest is not None:
                    parts.append(select_members(rest, slice(k * n_rest, (k + 1) * n_rest)))
                weights = concatenate_results(parts).weights
                trial.pilots = None  # a batch of trials is large
                yield trial, self._measure(trial.fit, weights) if _is_finite(weights) else None
            n_done += len(group)

    def _losses(self, fit: CrossFit, trained: engine.TrainingResult, n_trials: int) -> list[float]:
        """The log loss of each trial at its best temperature, on rows that its members, those of the fit, never saw."""
        config, n_members = fit.config, len(fit.members)
        factory = fit.network.factory(n_members * n_trials)
        weights = engine.Weights(*(list(leaves) for leaves in trained.weights))
        scorer = engine.Scorer(factory, weights, config.dtype, self.inputs.runtime, config.head)
        losses = []
        for k in range(n_trials):
            if not _is_finite(weights.members(slice(k * n_members, (k + 1) * n_members))):
                losses.append(math.inf)
                continue
            scores, n_scorers = score_with_chosen_shares(scorer, fit, weights, k * n_members)
            rows = np.flatnonzero(n_scorers > 0)
            targets, row_weights = fit.data.targets.take(fit.rows[rows]), fit.data.weights[fit.rows[rows]]
            row_losses, counts, _ = tempered_losses(scores[rows], targets, row_weights)
            losses.append(float(np.average(row_losses, weights=counts)))
        return losses

    def _score(self, fit: CrossFit, weights: engine.Weights) -> OutOfFold:
        return score_out_of_fold(fit, weights, self.rows.targets, self.inputs.labels, self.inputs.runtime, self.metric)

    def _measure(self, fit: CrossFit, weights: engine.Weights) -> float | None:
        """The metric that the report of a fit with these weights would have."""
        value = float(self._score(fit, weights).value(self.metric))
        return value if math.isfinite(value) else None


def train_trials(
    fit: CrossFit,
    configs: Sequence[TrainingConfig],
    members: slice,
    runtime: RuntimeConfig,
    callback: engine.ProgressCallback | None = None,
    size: engine.JobSize | None = None,
) -> engine.TrainingResult:
    """Train some members of a fit under each of several settings as one job, the members of one after another's.

    The settings differ in `engine.DATA_SETTINGS` alone; each member is the one that the whole fit would train.
    """
    part = replace(fit, members=fit.members[members])
    n_trials, first = len(configs), members.indices(len(fit.members))[0]
    one_factory, rows, splits = as_one_job([part], first)
    starts = member_starts([part], first)
    repeated = MemberStarts(starts.seeds * n_trials, starts.output_biases * n_trials, starts.dtype)
    factory = fit.network.factory(one_factory.n_members * n_trials, repeated, first)
    parts = splits.train, splits.validation, splits.held_out
    splits = engine.MemberSplits(*(list(part) * n_trials for part in parts))
    batch_size = int(fit.config.batch_size)
    n_steps = [math.ceil(max(len(one.train) for one in fit.members) / batch_size)] * factory.n_members
    return engine.train(
        factory,
        rows,
        splits,
        fit.config,
        runtime,
        batch_size,
        callback=callback,
        n_steps=n_steps,
        size=size,
        trials=configs,
    )


def _program(config: TrainingConfig) -> Hashable:
    """Equal for settings whose members one compiled program trains."""
    settings = config.to_dict()
    return tuple(str(value) for name, value in settings.items() if name not in engine.DATA_SETTINGS)


def _is_finite(weights: engine.Weights) -> bool:
    return all(np.isfinite(leaf).all() for leaf in weights.trainable)
