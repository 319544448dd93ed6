"""Epochs from the data: some members are trained for fewer and for more epochs, and rows they never saw decide.

Candidates double or halve, each with its whole learning-rate schedule. Loss is measured after one temperature for all
labels: longer training makes scores too sure before it makes their order worse, and calibration mends that anyway.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import minimize_scalar

from manyhot import engine
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import BINS
from manyhot.data.targets import Targets
from manyhot.evaluation.metrics import compute_metrics
from manyhot.models.branch_shares import score_with_chosen_shares
from manyhot.models.cross_fitting import CrossFit, member_starts, members_together
from manyhot.models.fine_tuning import scale_progress, train_and_fine_tune

SCORED_ROWS = 400
"""Rows that the members of the search are scored on, at least, where there are as many."""
TABLE_PILOTS = 2
"""Members of the search where each is trained by itself."""
FITTED_TEMPERATURE = 0.85
"""A lower best temperature means scores that are too sure: fewer epochs are tried next, else more."""
UNINFORMED = 0.98
"""Share of the loss of label frequencies above which scores tell so little that more epochs are tried next."""
STEEP = 0.025
"""If half the epochs are worse by this share, the loss still falls: more epochs are tried after all."""
WORTHWHILE = 0.015
"""What a step has to gain of the loss for the next one, twice as long, to be tried."""
NEGLIGIBLE = 1e-4
"""Losses below this are alike: labels that are predicted without error ask for no further epochs."""
MIN_EPOCHS = 2
MAX_FACTOR, MAX_FACTOR_SMALL = 4, 16
"""How many times the first candidate is tried at most; the second up to `SMALL_ROWS` rows without bins."""
SMALL_ROWS = 1000
MAX_MAP_LOSS = 0.02
"""Share of mean average precision that a lower loss may cost."""
SEARCH_SHARE = 0.5
"""Share of the progress bar that the search gets."""


@dataclass
class _Trial:
    """One number of epochs, tried."""

    epochs: int
    trained: engine.TrainingResult  # of the members that were tried
    row_losses: np.ndarray  # float64 (r,), mean loss of each scored row's known entries at the best temperature
    weights: np.ndarray  # float64 (r,), known weight of each row
    mean_average_precision: float
    temperature: float
    prior_loss: float  # that of each label's frequency

    @property
    def loss(self) -> float:
        """The mean loss of all entries."""
        return float(np.average(self.row_losses, weights=self.weights))

    def is_clearly_better_than(self, other: _Trial) -> bool:
        """Whether the loss is lower by more than a standard error of the paired difference, at about the same mAP."""
        if other.loss < NEGLIGIBLE:
            return False
        shares = self.weights / self.weights.sum()
        differences = self.row_losses - other.row_losses
        mean = float(differences @ shares)
        error = math.sqrt(float(((differences - mean) ** 2) @ shares**2))
        keeps_order = not self.mean_average_precision < (1 - MAX_MAP_LOSS) * other.mean_average_precision
        return mean < -error and keeps_order


@dataclass
class _Search:
    """The search of one fit."""

    fit: CrossFit
    first: int  # number of its first member
    n_pilots: int
    candidate: int | None  # epochs to try next; None at the end
    best: _Trial | None = None
    losses: dict[int, float] = field(default_factory=dict)  # epochs -> loss, in the order of trying

    def accept(self, trial: _Trial) -> None:
        """Take the outcome of the candidate, and choose the next."""
        self.losses[trial.epochs] = trial.loss
        is_longer = self._direction(trial)
        if self.best is None or trial.is_clearly_better_than(self.best):
            self.best = trial
        self.candidate = None
        if is_longer is not None:
            following = self.best.epochs * 2 if is_longer else self.best.epochs // 2
            is_cheap = len(self.fit.rows) <= SMALL_ROWS and BINS not in self.fit.network.branches
            factor = MAX_FACTOR_SMALL if is_cheap else MAX_FACTOR
            is_tried = following in self.losses or not MIN_EPOCHS <= following <= factor * int(self.fit.config.epochs)
            self.candidate = None if is_tried else following

    def _direction(self, trial: _Trial) -> bool | None:
        """Whether more epochs are tried next, or fewer; None for neither."""
        if self.best is None:
            return trial.temperature >= FITTED_TEMPERATURE or trial.loss > UNINFORMED * trial.prior_loss
        change = trial.loss / self.best.loss - 1
        is_longer = trial.epochs > self.best.epochs
        if trial.is_clearly_better_than(self.best):
            return is_longer if -change >= WORTHWHILE else None
        return True if len(self.losses) == 2 and not is_longer and change > STEEP else None


def train_searched(
    fits: Sequence[CrossFit],
    runtime: RuntimeConfig,
    callback: engine.ProgressCallback | None = None,
    first: int = 0,
    size: engine.JobSize | None = None,
    snapshots: engine.Snapshots | None = None,
) -> tuple[list[CrossFit], engine.NetworkFactory, engine.TrainingResult]:
    """Train the members of all fits, for as many epochs as each fit's own rows ask for where its config leaves it open.

    Where whoever follows training ends it, a fit keeps the members that were trained until then.

    Returns:
        The fits with their epochs, and what `train_and_fine_tune` returns.
    """
    if not fits[0].searches_epochs:
        return list(fits), *train_and_fine_tune(fits, runtime, callback, first, size, snapshots)
    n_members = [len(fit.members) for fit in fits]
    starts = first + np.cumsum([0, *n_members])
    size = size or engine.JobSize(sum(n_members), 0, engine.platform())
    search = _Trainer(runtime, callback, size, snapshots)
    searches = [
        _Search(fit, int(start), count_pilots(fit, runtime, size), int(fit.config.epochs))
        for fit, start in zip(fits, starts, strict=False)
    ]
    while any(one.candidate for one in searches) and not engine.is_stopped(callback):
        for candidate, group in itertools.groupby(searches, lambda one: one.candidate):
            if candidate is not None:
                search.try_candidate(list(group), candidate)
    results, found, is_ended = [], [], engine.is_stopped(callback)
    for one in searches:
        assert one.best is not None
        config = one.fit.config.changed(epochs=one.best.epochs)
        fit = replace(one.fit, config=config, searches_epochs=False, epoch_losses=one.losses)
        results.append(one.best.trained)
        if is_ended:
            config = config.changed(n_members=one.n_pilots)
            fit = replace(fit, members=fit.members[: one.n_pilots], config=config)
        elif one.n_pilots < len(fit.members):
            results.append(search.train_rest(fit, one))
        # losses of trainings that were cut short say nothing about a number of epochs
        found.append(replace(fit, epoch_losses={}) if engine.is_stopped(callback) else fit)
    n_trained = sum(len(fit.members) for fit in found)
    factory = fits[0].network.factory(n_trained, member_starts(found, first), first)
    return found, factory, concatenate_results(results)


def count_pilots(fit: CrossFit, runtime: RuntimeConfig, size: engine.JobSize) -> int:
    """How many members the search trains: whole programs, two at least, and enough for `SCORED_ROWS` rows."""
    n_folds = len({member.held_out.tobytes() for member in fit.members})
    n_needed = math.ceil(SCORED_ROWS * n_folds / max(1, len(fit.rows)))
    together = min(members_together(fit, runtime, size), len(fit.members))
    n_pilots = max(TABLE_PILOTS, 2 * together, together * math.ceil(n_needed / together))
    return min(n_pilots, len(fit.members))


class _Trainer:
    """Trains candidates, and keeps what they share."""

    def __init__(
        self,
        runtime: RuntimeConfig,
        callback: engine.ProgressCallback | None,
        size: engine.JobSize,
        snapshots: engine.Snapshots | None,
    ) -> None:
        self.runtime, self.callback, self.size, self.snapshots = runtime, callback, size, snapshots
        self.done = 0.0

    def try_candidate(self, searches: Sequence[_Search], epochs: int) -> None:
        """Train the pilots of some neighbouring searches for as many epochs."""
        # all members of a fit are tried, or those of one fit: members of a job are numbered without gaps
        runs = [searches] if all(one.n_pilots == len(one.fit.members) for one in searches) else [[s] for s in searches]
        for run in runs:
            pilots = [
                replace(one.fit, members=one.fit.members[: one.n_pilots], config=one.fit.config.changed(epochs=epochs))
                for one in run
            ]
            step = (SEARCH_SHARE - self.done) / (2 * len(runs))
            factory, trained = self._train(
                pilots, run[0].first, f"epochs-{epochs}-{run[0].first}", step, f"trying {epochs} epochs"
            )
            config = pilots[0].config
            scorer = engine.Scorer(factory, trained.weights, config.dtype, self.runtime, config.head)
            position = 0
            for one, pilot in zip(run, pilots, strict=True):
                members = slice(position, position + len(pilot.members))
                scores, n_scorers = score_with_chosen_shares(scorer, pilot, trained.weights, position)
                rows = np.flatnonzero(n_scorers > 0)
                targets, row_weights = pilot.data.targets.take(pilot.rows[rows]), pilot.data.weights[pilot.rows[rows]]
                one.accept(_measure(epochs, select_members(trained, members), scores[rows], targets, row_weights))
                position += len(pilot.members)

    def train_rest(self, fit: CrossFit, search: _Search) -> engine.TrainingResult:
        """Train the members that were no pilots."""
        rest = replace(fit, members=fit.members[search.n_pilots :])
        first = search.first + search.n_pilots
        return self._train([rest], first, f"rest-{first}", 1.0 - self.done, f"{fit.config.epochs} epochs")[1]

    def _train(
        self, fits: Sequence[CrossFit], first: int, name: str, step: float, stage: str
    ) -> tuple[engine.NetworkFactory, engine.TrainingResult]:
        callback = scale_progress(self.callback, self.done, self.done + step, stage)
        self.done += step
        snapshots = None if self.snapshots is None else self.snapshots.within(name)
        return train_and_fine_tune(fits, self.runtime, callback, first, self.size, snapshots)


def tempered_losses(
    scores: np.ndarray, targets: Targets, row_weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """The log loss of raw scores (r, l) at their best temperature.

    Returns:
        The mean loss of each row's known entries, float64 (r,); how much each row counts, float64 (r,); the
        temperature.
    """
    clipped = np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7)
    logits, known, values = np.log(clipped) - np.log1p(-clipped), targets.known_mask(), targets.values
    weights = row_weights * (known.sum(axis=1) + 1e-9)  # rows of which nothing is known are not all there is

    def row_losses(log_temperature: float) -> np.ndarray:
        scaled = logits * math.exp(log_temperature)
        losses = np.where(known, np.logaddexp(0, scaled) - scaled * values, 0.0)
        return losses.sum(axis=1) / np.maximum(known.sum(axis=1), 1)

    found = minimize_scalar(
        lambda log_temperature: float(row_losses(log_temperature) @ weights), bounds=(-3.0, 2.0), method="bounded"
    )
    return row_losses(float(found.x)), weights, math.exp(float(found.x))


def _measure(
    epochs: int, trained: engine.TrainingResult, scores: np.ndarray, targets: Targets, row_weights: np.ndarray
) -> _Trial:
    """The loss of raw scores (r, l) at the best temperature, and their mean average precision."""
    losses, weights, temperature = tempered_losses(scores, targets, row_weights)
    known, values = targets.known_mask(), targets.values
    precision = compute_metrics(targets, scores, None, names=["map"])["map"].value
    n_known = row_weights @ known + 1e-9
    prior = np.clip((row_weights @ values) / n_known, 1e-9, 1 - 1e-9)
    prior_losses = -prior * np.log(prior) - (1 - prior) * np.log1p(-prior)
    prior_loss = float(prior_losses @ n_known / n_known.sum())
    return _Trial(epochs, trained, losses, weights, precision, temperature, prior_loss)


def select_members(trained: engine.TrainingResult, members: slice) -> engine.TrainingResult:
    """What training left of some members."""
    return engine.TrainingResult(trained.weights.members(members), trained.best_epoch[members], trained.curves[members])


def concatenate_results(results: Sequence[engine.TrainingResult]) -> engine.TrainingResult:
    """Results of members in their order as one; shorter curves are filled up with NaN."""
    weights = engine.Weights.concatenate([result.weights for result in results])
    n_epochs = max(result.curves.shape[1] for result in results)
    curves = [
        np.pad(one.curves, ((0, 0), (0, n_epochs - one.curves.shape[1]), (0, 0)), constant_values=np.nan)
        for one in results
    ]
    return engine.TrainingResult(weights, np.concatenate([one.best_epoch for one in results]), np.concatenate(curves))
