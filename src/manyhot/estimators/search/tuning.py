"""`tune`: search settings by the out-of-fold scores of their fits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from manyhot import engine, validation
from manyhot.config.fields import AUTO
from manyhot.config.training import TrainingConfig
from manyhot.data.digests import digest
from manyhot.data.feature_input import row_weights
from manyhot.data.samples import Samples
from manyhot.errors import InputError
from manyhot.estimators.cross_validation.fold_training import as_classifier
from manyhot.estimators.cross_validation.splits import repeated_folds
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.estimators.progress import stage_progress
from manyhot.estimators.search.journal import Journal
from manyhot.estimators.search.proposals import importances, propose, require_optuna
from manyhot.estimators.search.result import Search
from manyhot.estimators.search.space import Space, default_space, expand_params, parse_space, read_params
from manyhot.estimators.search.trial import EnsembleScore, Trial, best_trials
from manyhot.evaluation.metrics import METRICS, compute_metrics
from manyhot.models.training import train_inputs
from manyhot.models.training_data import TrainingInputs
from manyhot.models.trials import TrialRunner, TrialScore

BATCH = 8
"""Trials that are proposed and trained together."""
RESOLVED = ("n_members", "batch_size", "epochs", "network", "optimizer", "loss")
"""Settings whose "auto" the first trial resolves for all others."""
FINALISTS = 2
"""Best trials that are compared with the settings given as ensembles."""
WHOLE = "all rows"
"""Name of the search on all rows; those of outer folds have their numbers."""


def tune(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    sample_weight: Any = None,
    metric: str = "map",
    space: Mapping[str, Any] | None = None,
    trials: int = 40,
    minutes: float | None = None,
    nested: int = 0,
    journal: str | Path | None = None,
) -> Search:
    """Search settings: every trial is measured by the out-of-fold scores that its fit makes anyway.

    The first trial has the classifier's own settings. Trials that differ in the learning rate, the weight decay, the
    label smoothing, the parameters of the loss or the epochs alone train side by side in one compiled program. Some
    members of a trial are trained first; where their loss on held-out rows is not among the lowest third of all trials
    so far, the rest is not trained. The two best are then compared with the settings given as ensembles, by members
    trained on other folds. The best trial is trained again as a classifier, on all rows.

    Args:
        estimator: `MultiLabelClassifier`, which is not changed; or a Keras model, as for `cross_validate`. Its
            `executor` also trains the trials.
        X: As for `MultiLabelClassifier.fit`.
        y: As for `MultiLabelClassifier.fit`; None when X is `Samples` with targets.
        sample_weight: As for `MultiLabelClassifier.fit`.
        metric: What the best trial is chosen by, of `metrics.METRICS`. Thresholds are tuned in every fit, and metrics
            that need none, such as the default, are less noisy.
        space: Setting -> pair (low, high) or list of choices, such as `{"learning_rate": (1e-4, 1e-2), "dropout":
            [0.1, 0.3], "loss_params.gamma": (1, 4)}`; a pair is searched on a logarithmic scale where both ends are
            above 0 and 10 times apart. None for the neighbourhood of the classifier's settings; those that are not at
            their defaults are then left as they are.
        trials: Trials in all, 1 or more.
        minutes: No new trials begin after so many minutes, above 0, and towards the end fewer begin together; the
            comparison of the best, and the last fit, come on top. None for no limit.
        nested: Outer folds, 2 or more, for an honest score: on each a whole search is made on its training rows, and
            its best trial is measured on its test rows, which takes that many times as long. 0 for none. With
            `minutes`, all searches share them.
        journal: File of lines of JSON that keeps every trial; where it exists, the search goes on from it. None to keep
            nothing.

    Returns:
        The trials, the best settings, and a classifier fitted with them.

    Raises:
        InputError: An invalid argument, named in the message; a journal of another search; Optuna, of the extra
            `tune`, is not installed.

    Example:
        >>> search = tune(MultiLabelClassifier(), X, Y, trials=40, minutes=20)  # doctest: +SKIP
        >>> search.best_params, search.best_score  # doctest: +SKIP
    """
    start_time = time.perf_counter()
    require_optuna()
    classifier = as_classifier(estimator, {})
    config, runtime = classifier._configs()
    metric = _check_metric(metric, bool(config.taxonomy))
    trials = validation.integer(low=1, trials=trials)
    nested = validation.integer(low=0, nested=nested)
    if nested == 1:
        raise InputError("got 1, expected 0 for no outer folds, or 2 or more", argument="nested")
    seconds = math.inf if minutes is None else 60 * validation.positive(minutes=minutes)
    chosen_space = None if space is None else parse_space(space)
    inputs = classifier._inputs(X, y, config, runtime)
    given_weights = X.sample_weight if sample_weight is None and isinstance(X, Samples) else sample_weight
    selected = inputs.select_rows(given_weights, "sample_weight")
    weights = None if selected is None else row_weights(selected, inputs.targets.n_samples)
    problem = _Problem(classifier, inputs._replace(is_used=None), weights, metric, chosen_space, trials)
    record = Journal(journal, problem.identity(nested))
    n_resumed = len(record.trials.get(WHOLE, ()))
    with stage_progress(runtime.verbose) as show:
        limit = start_time + seconds / (nested + 1)
        found = _run_search(problem, record, WHOLE, limit, show)
        best = as_classifier(classifier, found.best_settings())
        if show is not None:
            show(f"training the best of {len(found.trials)} trials", None)
        best.set_params(verbose=0).fit(X, y, given_weights).set_params(verbose=classifier.verbose)
        outer_scores = _score_outer_folds(problem, record, nested, start_time + seconds, show)
    higher_is_better = METRICS[metric].higher_is_better
    return Search(
        metric=metric,
        trials=tuple(found.trials),
        classifier=best,
        best_settings=found.best_settings(),
        ensemble_scores=found.ensemble_scores,
        space={name: values.to_json() for name, values in found.space.items()},
        importances=importances(found.space, found.trials, higher_is_better),
        nested_scores=outer_scores,
        seconds=time.perf_counter() - start_time,
        n_resumed=n_resumed,
    )


def _check_metric(metric: str, has_taxonomy: bool) -> str:
    name = str(validation.one_of(METRICS, metric=metric))
    if METRICS[name].needs_taxonomy and not has_taxonomy:
        raise InputError(f"{name!r} needs a taxonomy; say taxonomy=..., or choose another metric", argument="metric")
    return name


@dataclass(frozen=True)
class _Problem:
    """What is searched on which rows."""

    classifier: MultiLabelClassifier
    inputs: TrainingInputs
    weights: np.ndarray | None  # float (n,)
    metric: str
    space: Space | None  # None for the neighbourhood of the classifier's settings
    n_trials: int

    def identity(self, nested: int) -> dict[str, Any]:
        """What a journal is of; more trials and other limits continue it."""
        rows = [self.inputs.labels.names, self.inputs.features, self.inputs.targets, self.weights]
        space = None if self.space is None else {name: values.to_json() for name, values in self.space.items()}
        settings = self.inputs.config.to_dict()
        return {"metric": self.metric, "space": space, "nested": nested, "rows": digest(*rows), "settings": settings}

    def part(self, rows: np.ndarray) -> _Problem:
        """The same on some of the rows."""
        inputs, weights = self.inputs, self.weights
        ids = None if inputs.ids is None else inputs.ids[rows]
        part = inputs._replace(features=inputs.features[rows], targets=inputs.targets.take(rows), ids=ids)
        return _Problem(
            self.classifier, part, None if weights is None else weights[rows], self.metric, self.space, self.n_trials
        )

    def config(self, settings: Mapping[str, Any]) -> TrainingConfig:
        """The config of a trial, its values checked."""
        own = self.inputs.config
        config, _ = as_classifier(self.classifier, {**settings, "random_state": own.random_state})._configs()
        # one binary target is decided as scikit-learn does, whatever the classifier says
        return config.changed(decision=own.decision, decision_params=own.decision_params)


class _Found:
    """Where a search is: its space, its trials, and what is the same in all of them."""

    def __init__(self, problem: _Problem, facts: Mapping[str, Any], trials: list[Trial]) -> None:
        self.problem, self.facts, self.trials = problem, facts, trials
        self.ensemble_scores: dict[int, EnsembleScore] = {}  # by the number of the trial; the finalists'
        self.space: Space = problem.space if problem.space is not None else _space_of(problem, facts)
        self.compiled = [name for name in self.space if name.partition(".")[0] not in engine.DATA_SETTINGS]

    def settings(self, trial: Trial) -> dict[str, Any]:
        """What a trial changes of the classifier's settings, so that a fit with them is the trial."""
        random_state = {"random_state": self.problem.inputs.config.random_state}
        own = self.problem.classifier.get_params(deep=False)
        changed_seed = random_state if own["random_state"] != random_state["random_state"] else {}
        if trial.number == 0:
            return changed_seed
        return {**self._resolved_sizes(), **changed_seed, **expand_params(trial.params, own)}

    def _resolved_sizes(self) -> dict[str, Any]:
        own = self.problem.classifier.get_params(deep=False)
        return {name: self.facts[name] for name in RESOLVED[:3] if own[name] == AUTO}

    def compare_finalists(self, runner: TrialRunner, progress: _Progress) -> None:
        """Measure the best trials and the settings given as ensembles, where trials are better than these."""
        finalists = best_trials(self.trials, self.problem.metric)[:FINALISTS]
        if self.trials[0] in finalists:
            finalists = finalists[: finalists.index(self.trials[0])]
        if not finalists or self.facts["n_members"] == 1:
            return
        sign = 1 if METRICS[self.problem.metric].higher_is_better else -1
        own = None
        for place, trial in enumerate([self.trials[0], *finalists]):
            config = self.problem.config({**self._resolved_sizes(), **self.settings(trial)})
            found = runner.measure_ensemble(config, progress.of_finalist(place, len(finalists) + 1))
            own = found if trial.number == 0 else own
            if found is not None and own is not None:
                gain, error = found.gain_over(own)
                self.ensemble_scores[trial.number] = EnsembleScore(found.value, sign * gain, error)

    def best(self) -> Trial:
        """The best trial; the classifier's own settings where no other is better."""
        return best_trials(self.trials, self.problem.metric, self.ensemble_scores)[0]

    def best_settings(self) -> dict[str, Any]:
        """What the best trial changes."""
        return self.settings(self.best())


def _space_of(problem: _Problem, facts: Mapping[str, Any]) -> Space:
    config = problem.inputs.config
    resolved = config.changed(**{name: facts[name] for name in RESOLVED})
    return default_space(config, resolved, bool(facts["has_tables"]))


def _facts(score: TrialScore, has_tables: bool) -> dict[str, Any]:
    """What the first trial settles for all others: "auto" for these rows."""
    config = score.config.to_dict()
    return {**{name: config[name] for name in RESOLVED}, "has_tables": has_tables}


def _run_search(
    problem: _Problem, record: Journal, name: str, limit: float, show: Callable[[str, float | None], None] | None
) -> _Found:
    """All trials of one search; what the journal holds is not trained again."""
    runner = TrialRunner(problem.inputs, problem.classifier.network, problem.weights, problem.metric)
    progress, n_kept = _Progress(problem, name, limit, show), len(record.trials.get(name, ()))
    if name not in record.facts:
        score = runner.run_whole(problem.config({}), progress.of_batch([], 1))
        has_tables = bool(runner.plan(problem.config({})).network.tables())
        facts = _facts(score, has_tables)
        own_space = problem.space or _space_of(problem, facts)
        own = Trial(0, read_params(score.config, own_space), score.state, score.value, score.loss)
        record.add(name, own, facts)
    else:
        losses = [math.inf if trial.loss is None else trial.loss for trial in record.trials[name]]
        runner.restore(problem.config({}), losses)
    found = _Found(problem, record.facts[name], record.trials[name])
    while len(found.trials) < problem.n_trials and time.perf_counter() < limit:
        n_wanted = min(BATCH, problem.n_trials - len(found.trials), progress.n_in_time(len(found.trials) - n_kept))
        seed = problem.inputs.config.random_state
        higher_is_better = METRICS[problem.metric].higher_is_better
        proposed = propose(found.space, found.trials, n_wanted, higher_is_better, seed, found.compiled)
        first = len(found.trials)
        batch = [Trial(first + k, params, "pruned", None, None) for k, params in enumerate(proposed)]
        configs = [problem.config(found.settings(trial)) for trial in batch]
        scores = runner.run(configs, progress.of_batch(found.trials, n_wanted))
        for trial, score in zip(batch, scores, strict=True):
            loss = None if score.loss is None or not math.isfinite(score.loss) else score.loss
            record.add(name, Trial(trial.number, trial.params, score.state, score.value, loss))
    found.compare_finalists(runner, progress)
    return found


class _Progress:
    """How far a search is, and the best score so far."""

    def __init__(
        self, problem: _Problem, name: str, limit: float, show: Callable[[str, float | None], None] | None
    ) -> None:
        self.problem, self.name, self.limit, self.show = problem, name, limit, show
        self.start = time.perf_counter()

    def n_in_time(self, n_trained: int) -> int:
        """How many trials the time that is left suffices for, by those trained so far; one at least."""
        if not n_trained or not math.isfinite(self.limit):
            return BATCH
        now = time.perf_counter()
        return max(1, int((self.limit - now) * n_trained / (now - self.start)))

    def of_batch(self, trials: list[Trial], n_running: int) -> engine.ProgressCallback | None:
        """What the engine calls while so many further trials are trained."""
        show = self.show
        if show is None:
            return None
        values = [trial.value for trial in trials if trial.value is not None]
        best_value = max if METRICS[self.problem.metric].higher_is_better else min
        best = f", best {self.problem.metric} {best_value(values):.4f}" if values else ""
        n_done, n_trials = len(trials), self.problem.n_trials
        where = "" if self.name == WHOLE else f"{self.name}: "
        numbers = f"trial {n_done + 1}" if n_running == 1 else f"trials {n_done + 1} to {n_done + n_running}"
        text = f"{where}{numbers} of {n_trials}{best}"

        def forward(progress: engine.Progress) -> None:
            elapsed = time.perf_counter() - self.start
            share_of_time = elapsed / (self.limit - self.start) if math.isfinite(self.limit) else 0.0
            done = (n_done + n_running * progress.done) / n_trials
            show(text, min(1.0, max(done, share_of_time)))

        return forward

    def of_finalist(self, place: int, n_finalists: int) -> engine.ProgressCallback | None:
        """What the engine calls while a finalist is trained."""
        show = self.show
        if show is None:
            return None
        where = "" if self.name == WHOLE else f"{self.name}: "
        text = f"{where}comparing the best as ensembles, {place + 1} of {n_finalists}"
        return lambda progress: show(text, (place + progress.done) / n_finalists)


def _score_outer_folds(
    problem: _Problem,
    record: Journal,
    nested: int,
    limit: float,
    show: Callable[[str, float | None], None] | None,
) -> tuple[float, ...]:
    """The metric of a whole search on each outer fold's test rows."""
    if not nested:
        return ()
    inputs = problem.inputs
    scores = []
    splits = repeated_folds(inputs.targets, nested, 1, True, None, inputs.config.random_state)
    for number, split in enumerate(splits):
        now = time.perf_counter()
        part = problem.part(split.train)
        share = (limit - now) / (nested - number)
        found = _run_search(part, record, f"outer fold {number + 1} of {nested}", now + share, show)
        config = part.config(found.best_settings())
        model = train_inputs(part.inputs._replace(config=config), problem.classifier.network, part.weights)
        test = inputs.targets.take(split.test)
        predicted = model.scores(inputs.features[split.test])
        decisions = np.asarray(model.decisions(predicted), dtype=bool)
        k = model.report["k"]
        measured = compute_metrics(test, predicted, decisions, k, [problem.metric], model.policy.hierarchy)
        scores.append(float(measured[problem.metric].value))
    return tuple(scores)
