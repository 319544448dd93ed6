"""Weights of labels and entries, smoothing and the loss's settings: data to the program, and one reduce."""

import numpy as np
import pytest

from manyhot import engine
from manyhot.engine.device_data import DeviceData
from manyhot.engine.label_counts import MAX_POSITIVE_WEIGHT, balanced_weights, count_labels
from manyhot.engine.losses import LOSSES
from manyhot.engine.state import LabelCounts, StepScalars
from manyhot.engine.train_step import StepConfig, loss_sums, take_batch
from manyhot.estimators.multilabel import MultiLabelClassifier
from tests.engine.test_compiles import problem


def plain_sums(logits, values, known, weights, label_weights, positive_weights, smoothing):
    total = weight = 0.0
    for i, j in np.ndindex(*logits.shape):
        if not known[i, j]:
            continue
        t, z = values[i, j] * (1 - smoothing) + smoothing / 2, logits[i, j]
        p = 1 / (1 + np.exp(-z))
        w = weights[i] * label_weights[j] * (positive_weights[j] if values[i, j] else 1.0)
        total += w * (-t * np.log(p) - (1 - t) * np.log(1 - p))
        weight += w
    return total, weight


@pytest.mark.slow
def test_the_reduce_weighs_rows_labels_and_positives_over_known_entries():
    generator = np.random.default_rng(0)
    n, width = 9, 4
    logits = generator.normal(size=(n, width)).astype(np.float32)
    values, known = generator.random((n, width)) < 0.4, generator.random((n, width)) < 0.7
    values &= known
    weights, label_weights, positive_weights = (generator.random(k).astype(np.float32) + 0.1 for k in (n, width, width))
    data = DeviceData({"x": np.zeros((n, 1))}, values, known, weights, label_weights)
    step_config = StepConfig(None, None, LOSSES["binary_crossentropy", "sigmoid"], n + 3, 0, False, "constant", {})
    rows = np.concatenate([np.arange(n), np.zeros(3, int)])
    ones = np.ones(width, np.float32)
    counts = LabelCounts(ones, ones, positive_weights)
    step_scalars = StepScalars(None, None, None, None, None, None, {}, np.float32(0.2))
    padded = np.concatenate([logits, np.full((3, width), 1e4, np.float32)])
    batch = (rows, np.arange(n + 3) < n)
    found = loss_sums(step_config, padded, take_batch(step_config, data, batch), data, batch, counts, step_scalars)
    expected = plain_sums(logits, values, known, weights, label_weights, positive_weights, 0.2)
    np.testing.assert_allclose([float(x) for x in found], expected, rtol=1e-5)


def test_balanced_weights_are_negatives_per_positive_within_limits():
    positives, known = np.array([10.0, 50.0, 1.0, 99.0, 0.0, 100.0]), np.full(6, 100.0)
    max_weight = MAX_POSITIVE_WEIGHT
    np.testing.assert_allclose(balanced_weights(positives, known), [9, 1, max_weight, 1 / max_weight, 1, 1])


def test_each_member_counts_its_own_training_rows(make_job):
    job = make_job()
    job.known = np.random.default_rng(1).random(job.values.shape) < 0.8
    data = engine.EncodedRows({"x": job.features}, job.values & job.known, job.known, job.weights, "float64")
    counts = count_labels(data, job.parts, is_counted=True, is_balanced=True)
    for k, rows in enumerate(job.parts.train):
        np.testing.assert_allclose(counts.positives[k], (job.values & job.known)[rows].sum(axis=0))
        np.testing.assert_allclose(counts.known[k], job.known[rows].sum(axis=0))
    assert not np.allclose(counts.positive_weights, 1)
    assert np.allclose(count_labels(data, job.parts, False, False).positive_weights, 1)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["focal", "asymmetric", "class_balanced"])
def test_no_recompile_when_a_setting_or_a_weight_changes(loss, compiles):
    settings = {
        "hidden_layer_sizes": (11,),
        "n_members": 2,
        "compilation_cache": False,
        "batch_size": 16,
        "epochs": 2,
        "loss": loss,
    }
    name = "gamma_negative" if loss == "asymmetric" else "gamma"
    MultiLabelClassifier(**settings, labels=list("abc")).fit(*problem(250))
    compiles.clear()
    changes = (
        {"loss_params": {name: 1.5}},
        {"loss_params": {name: 3.0}},
        {"label_weights": "balanced"},
        {"label_weights": {"a": 2.0, "c": 0.5}},
        {"label_weights": {"a": 7.0}},
        {"label_smoothing": 0.1},
    )
    scores = []
    for change in changes:
        fitted = MultiLabelClassifier(**settings, **change, labels=list("abc"), calibration="none").fit(*problem(250))
        scores.append(fitted.predict_proba(problem(250)[0]))
    assert len(compiles) == 0
    for k, one in enumerate(scores):
        assert not any(np.allclose(one, other, atol=1e-6) for other in scores[:k])


@pytest.mark.slow
def test_a_label_of_weight_zero_is_not_learned():
    X, Y = problem(400)
    settings = {"hidden_layer_sizes": (11,), "n_members": 2, "epochs": 40, "learning_rate": 1e-2, "calibration": "none"}
    areas = []
    for weights in ({"b": 0.0}, None):
        fitted = MultiLabelClassifier(**settings, labels=list("abc"), label_weights=weights).fit(X, Y)
        areas.append([row["roc_auc"] for row in fitted.report_.to_dict()["labels"]])
    (a, b, c), (full_a, full_b, full_c) = areas
    assert min(full_a, full_b, full_c) > 0.75
    assert min(a, c) > 0.75
    assert b < 0.7
