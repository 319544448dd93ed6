"""What a report measures is what the deployed policy does."""

import numpy as np

from manyhot.config.training import TrainingConfig
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.decisions.policy import cross_fitted_decisions, fit_policy, merge_equal_scores


def test_a_decision_that_stayed_at_one_half_is_measured_at_one_half():
    config, space = TrainingConfig(calibration="none"), LabelSpace(("a", "b", "c"))
    kinds = set()
    for seed in range(12):
        generator = np.random.default_rng(seed)
        logits = 3 * generator.normal(size=(60, 3)) - 1
        scores = 1 / (1 + np.exp(-logits))
        merged = merge_equal_scores(scores, Targets(generator.random((60, 3)) < scores), np.ones(60))
        policy = fit_policy(config, space, merged)
        deployed = policy.decision
        calibrated, decisions = cross_fitted_decisions(config, space, merged, policy)
        at_half = bool((decisions == (calibrated >= 0.5)).all())
        if deployed.is_one_half:
            assert at_half
        kinds.add((deployed.is_one_half, at_half))
    assert (False, False) in kinds  # others are measured by thresholds of the other half
    assert (True, True) in kinds
