"""What Optuna proposes depends on the trials alone, and follows them."""

import math

import pytest

from manyhot.errors import InputError
from manyhot.estimators.search import proposals
from manyhot.estimators.search.proposals import importances, propose, require_optuna
from manyhot.estimators.search.space import Choices, Range
from manyhot.estimators.search.trial import Trial

SPACE = {
    "learning_rate": Range(1e-4, 1e-1, is_log=True),
    "dropout": Choices((0.1, 0.3)),
    "epochs": Range(2, 20, is_log=True, is_whole=True),
    "hidden_layer_sizes": Choices(((64,), (128, 128))),
}


def distance(params) -> float:
    """From the best learning rate; nothing else matters."""
    return abs(math.log10(params["learning_rate"]) + 2)


def tried(n_batches: int, seed: int = 0) -> list[Trial]:
    trials: list[Trial] = []
    for _ in range(n_batches):
        for params in propose(SPACE, trials, 8, False, seed):
            trials.append(Trial(len(trials), params, "complete", distance(params), 0.1))
    return trials


def test_proposals_are_in_the_space_and_depend_on_the_trials_alone():
    first = propose(SPACE, [], 8, True, 3)
    assert first == propose(SPACE, [], 8, True, 3) != propose(SPACE, [], 8, True, 4)
    assert len({str(params) for params in first}) == 8
    for params in first:
        assert set(params) == set(SPACE)
        assert all(SPACE[name].contains(value) for name, value in params.items())
        assert isinstance(params["epochs"], int)
        assert params["learning_rate"] == float(f"{params['learning_rate']:.4g}")


def test_later_proposals_come_closer():
    trials = tried(5)
    early, late = ([distance(trial.params) for trial in part] for part in (trials[:8], trials[-16:]))
    assert sum(late) / len(late) < 0.6 * sum(early) / len(early)


def test_trials_that_were_given_up_count_as_bad_ones():
    """All large rates were given up, so that few are proposed any more."""
    rates = [10 ** (-1 - 3 * k / 29) for k in range(30)]
    trials = [
        Trial(k, {"learning_rate": rate}, "pruned" if rate > 1e-3 else "complete", None if rate > 1e-3 else 0.5, 1.0)
        for k, rate in enumerate(rates)
    ]
    proposed = propose({"learning_rate": SPACE["learning_rate"]}, trials, 8, True, 0)
    assert sum(params["learning_rate"] > 1e-3 for params in proposed) <= 2


def test_those_given_up_are_told_apart_by_their_loss():
    """All were given up, small rates with a smaller loss, whichever way the metric goes."""
    rates = [10 ** (-1 - 3 * k / 29) for k in range(30)]
    trials = [Trial(k, {"learning_rate": rate}, "pruned", None, rate) for k, rate in enumerate(rates)]
    for higher_is_better in (True, False):
        proposed = propose({"learning_rate": SPACE["learning_rate"]}, trials, 8, higher_is_better, 0)
        assert sum(params["learning_rate"] > 1e-2 for params in proposed) <= 2


def test_trials_that_are_compiled_together():
    compiled = ("dropout", "hidden_layer_sizes")
    proposed = propose(SPACE, [], 8, True, 0, compiled)
    for four in (proposed[:4], proposed[4:]):
        assert len({tuple(params[name] for name in compiled) for params in four}) == 1
        assert len({params["learning_rate"] for params in four}) == 4
    choices = {name: SPACE[name] for name in compiled}
    assert len({str(params) for params in propose(choices, [], 4, True, 0, compiled)}) > 1


def test_values_outside_of_the_space_are_no_obstacle():
    own = Trial(0, {"learning_rate": 5.0, "dropout": 0.2, "epochs": 3}, "complete", 0.5, 0.1)
    assert propose(SPACE, [own], 2, True, 0)


def test_what_mattered():
    shares = importances(SPACE, tried(4), False)
    assert next(iter(shares)) == "learning_rate"
    assert shares["learning_rate"] > 0.5
    assert sum(shares.values()) == pytest.approx(1)
    assert importances(SPACE, tried(4)[:7], False) == {}


def test_without_optuna_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(proposals, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"manyhot\[tune\]"):
        require_optuna()
