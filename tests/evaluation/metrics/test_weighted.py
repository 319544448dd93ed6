"""A row of weight k counts as k copies of it."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, hamming_loss, precision_score, recall_score

from manyhot.data.targets import Targets
from manyhot.evaluation.metrics.classification import weighted_metrics


def test_weights_are_copies():
    generator = np.random.default_rng(0)
    values, decisions = generator.random((2, 60, 4)) > 0.5
    weights = generator.integers(0, 4, 60)
    measured = weighted_metrics(Targets(values), decisions, weights.astype(float))
    truth, answers = np.repeat(values, weights, axis=0), np.repeat(decisions, weights, axis=0)
    expected = {
        "precision_micro": precision_score(truth, answers, average="micro"),
        "recall_micro": recall_score(truth, answers, average="micro"),
        "f1_micro": f1_score(truth, answers, average="micro"),
        "f1_macro": f1_score(truth, answers, average="macro"),
        "hamming_loss": hamming_loss(truth, answers),
        "subset_accuracy": accuracy_score(truth, answers),
    }
    assert measured == pytest.approx(expected)


def test_unknown_entries_do_not_count():
    values, known = np.array([[True, False], [False, False]]), np.array([[True, False], [False, False]])
    measured = weighted_metrics(Targets(values, known), np.array([[True, True], [True, True]]), np.array([2.0, 5.0]))
    assert measured["subset_accuracy"] == measured["f1_micro"] == measured["f1_macro"] == 1
    assert measured["hamming_loss"] == 0
