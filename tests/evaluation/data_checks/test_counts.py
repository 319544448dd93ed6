"""Pairs of labels that occur together more often than by chance."""

import numpy as np

from manyhot.data.targets import Targets
from manyhot.evaluation.data_checks.counts import count_pairs


def test_unrelated_labels_are_hardly_ever_above_chance():
    n_wrong = 0
    for seed in range(40):
        values = np.random.default_rng(seed).random((200, 12)) < 0.3
        n_wrong += count_pairs(Targets(values), np.arange(12)).above_chance(*np.triu_indices(12, 1)).any()
    assert n_wrong <= 6  # 2 are expected


def test_related_labels_are():
    rng = np.random.default_rng(0)
    values = rng.random((300, 4)) < 0.3
    values[:, 1] = values[:, 0] ^ (rng.random(300) < 0.1)
    pairs = count_pairs(Targets(values), np.arange(4))
    assert pairs.above_chance(np.array([0, 1, 2]), np.array([1, 0, 3])).tolist() == [True, True, False]
    known = rng.random((300, 4)) < 0.9
    assert count_pairs(Targets(values & known, known), np.arange(4)).above_chance(np.array([0]), np.array([1])).all()
