"""Which settings to try next, and which mattered, by Optuna."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np

from manyhot.errors import InputError, how_to_install
from manyhot.estimators.search.space import Choices, Range, Space, label
from manyhot.estimators.search.trial import Trial
from manyhot.models.trials import COMPLETE

SHARING = 4
"""Trials of a batch with the same settings that are compiled in: they train side by side, on all cores."""
RANDOM_TRIALS = 10
"""Trials before the sampler goes by what it has seen."""
MIN_COMPLETE = 8
"""Fewer trials that were trained whole do not tell which settings mattered."""


def require_optuna() -> None:
    """Raise `InputError` where the extra `tune` is not installed."""
    if find_spec("optuna") is None:
        raise InputError(f"a search is an extra; install it with: {how_to_install('tune')}")


@contextmanager
def _quiet_optuna() -> Iterator[Any]:
    """Optuna without its messages; what it says of its own state is no news for who called us."""
    import optuna  # an extra, and slow to import

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield optuna
    finally:
        optuna.logging.set_verbosity(verbosity)


def propose(
    space: Space,
    trials: Sequence[Trial],
    n_wanted: int,
    higher_is_better: bool,
    seed: int,
    shared: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Settings to try together, by the tree-structured Parzen estimator on what was tried.

    Args:
        space: Where to look.
        trials: What was tried; the next settings depend on nothing else, so that a search can go on later.
        n_wanted: How many settings are wanted.
        higher_is_better: Which way the metric goes.
        seed: Seed of the sampler.
        shared: Names of those that `SHARING` trials in a row have in common, where others are left to differ in.

    Source:
        Bergstra, Bardenet, Bengio, Kegl (2011); settings of one batch keep apart by counting as bad ones until they
        are measured ("constant liar").
    """
    own_seed = int(np.random.SeedSequence([seed, 3, len(trials)]).generate_state(1)[0])
    with _quiet_optuna() as optuna:
        study = _study(optuna, space, trials, higher_is_better, own_seed)
        distributions, sampler = _distributions(optuna, space), study.sampler
        proposed: list[Any] = []
        can_share = not set(space) <= set(shared)
        for place in range(n_wanted):
            if can_share and place % SHARING:
                fixed = {name: proposed[-1].params[name] for name in distributions if name in shared}
                study.sampler = optuna.samplers.PartialFixedSampler(fixed, sampler)
            else:
                study.sampler = sampler
            proposed.append(study.ask(distributions))
    return [{name: _from_optuna(space[name], value) for name, value in one.params.items()} for one in proposed]


def importances(space: Space, trials: Sequence[Trial], higher_is_better: bool) -> dict[str, float]:
    """How much each setting mattered among the trials, shares that sum to 1, the largest first; {} for too few trials.

    Source:
        PED-ANOVA, Watanabe and others (2023); fANOVA, Hutter and others (2014) with versions of Optuna before 5.
    """
    complete = [trial for trial in trials if trial.state == COMPLETE and trial.value is not None]
    if len(complete) < MIN_COMPLETE or len({trial.value for trial in complete}) < 2:
        return {}
    with _quiet_optuna() as optuna:
        study = _study(optuna, space, complete, higher_is_better, 0)
        found = optuna.importance.get_param_importances(study)
    return {name: float(share) for name, share in found.items()}


def _study(optuna: Any, space: Space, trials: Sequence[Trial], higher_is_better: bool, seed: int) -> Any:
    """A study that has seen the trials."""
    sampler = optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=RANDOM_TRIALS, multivariate=False, constant_liar=True
    )
    study = optuna.create_study(direction="maximize" if higher_is_better else "minimize", sampler=sampler)
    distributions = _distributions(optuna, space)
    for trial in trials:
        params = {
            name: _to_optuna(space[name], value)
            for name, value in trial.params.items()
            if name in space and space[name].contains(value)
        }
        is_complete = trial.state == COMPLETE and trial.value is not None
        # those given up are told apart by the loss of their first members, the larger the worse
        loss = None if is_complete or trial.loss is None else -trial.loss if higher_is_better else trial.loss
        study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.COMPLETE if is_complete else optuna.trial.TrialState.PRUNED,
                value=trial.value if is_complete else None,
                intermediate_values=None if loss is None else {0: loss},
                params=params,
                distributions={name: distributions[name] for name in params},
            )
        )
    return study


def _distributions(optuna: Any, space: Space) -> dict[str, Any]:
    return {name: _distribution(optuna.distributions, values) for name, values in space.items()}


def _distribution(kinds: Any, values: Range | Choices) -> Any:
    if isinstance(values, Choices):
        return kinds.CategoricalDistribution([label(value) for value in values.values])
    if values.is_whole:
        return kinds.IntDistribution(int(values.low), int(values.high), log=values.is_log)
    return kinds.FloatDistribution(float(values.low), float(values.high), log=values.is_log)


def _to_optuna(values: Range | Choices, value: Any) -> Any:
    return label(value) if isinstance(values, Choices) else value


def _from_optuna(values: Range | Choices, value: Any) -> Any:
    """Four digits of a number are enough, and what is printed is then what was trained."""
    if isinstance(values, Choices):
        return next(choice for choice in values.values if label(choice) == value)
    return value if values.is_whole else min(max(float(f"{value:.4g}"), values.low), values.high)
