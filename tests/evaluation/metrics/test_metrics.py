import time
import warnings

import numpy as np
import pytest
from sklearn import metrics as oracle

from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.evaluation.metrics import (
    METRICS,
    brier,
    compute_label_metrics,
    compute_metrics,
    log_loss,
    metric_names,
    score,
)
from tests.reference.metrics import average_precision, kept_labels, roc_auc


def random_problem(n=150, n_labels=300, seed=0, density=0.1, dtype=np.float64):
    """More than 255 labels, ties, and rows and labels of every kind."""
    rng = np.random.default_rng(seed)
    values = rng.random((n, n_labels)) < density * rng.random(n_labels) * 2
    values[3], values[4], values[:, 7], values[:, 8] = False, True, False, True
    scores = np.round((rng.random((n, n_labels)) + 0.5 * values) / 1.5, 2).astype(dtype)
    return values, scores, scores > 0.6


@pytest.mark.slow
@pytest.mark.parametrize(("n", "n_labels", "seed"), [(150, 300, 0), (40, 12, 1), (30, 1, 2), (9, 3, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scikit_learn_agrees_when_all_is_known(n, n_labels, seed, dtype):
    rng = np.random.default_rng(seed)
    values = rng.random((n, n_labels)) < 0.3
    values[3] = False
    values[4] = True
    if n_labels > 10:
        values[:, 7], values[:, 8] = False, True
    scores = np.round((rng.random((n, n_labels)) + 0.5 * values) / 1.5, 2).astype(dtype)
    decisions = scores > 0.6
    y, d = values.astype(np.int64), decisions.astype(np.int64)  # wider than uint8, which LabelBinarizer corrupts
    some, present = values.any(axis=1), values.any(axis=0)
    both = present & ~values.all(axis=0)
    k = 5
    found = {name: one.value for name, one in compute_metrics(Targets(values), scores, decisions, k).items()}
    f1 = oracle.f1_score(y, d, average=None, zero_division=0) if n_labels > 1 else [oracle.f1_score(y, d)]
    expected = {
        "subset_accuracy": (values == decisions).all(axis=1).mean(),
        "element_accuracy": (values == decisions).mean(),
        "hamming_loss": oracle.hamming_loss(y, d),
        "f1_macro": np.mean(np.asarray(f1)[present]),
        "f1_macro_all": np.mean(f1),
        "map": np.mean([oracle.average_precision_score(y[:, j], scores[:, j]) for j in np.flatnonzero(present)]),
        "roc_auc_macro": np.mean([oracle.roc_auc_score(y[:, j], scores[:, j]) for j in np.flatnonzero(both)]),
    }
    if n_labels > 1:  # scikit-learn takes one column for a binary problem
        expected |= {
            "subset_accuracy": oracle.accuracy_score(y, d),
            "f1_micro": oracle.f1_score(y, d, average="micro"),
            "f1_samples": oracle.f1_score(y, d, average="samples", zero_division=1.0),
            "jaccard_samples": oracle.jaccard_score(y, d, average="samples", zero_division=1.0),
            "ranking_loss": oracle.label_ranking_loss(y[some], scores[some]),
            "lrap": oracle.label_ranking_average_precision_score(y[some], scores[some]),
            "coverage_error": oracle.coverage_error(y[some], scores[some]),
            "ndcg_at_k": oracle.ndcg_score(y[some], scores[some].astype(np.float64), k=k),
        }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-12, abs=1e-12), name


def test_rows_where_every_label_is_positive_count_as_scikit_learn_counts_them():
    values = np.array([[1, 1, 1], [1, 0, 0]], dtype=bool)
    scores = np.array([[0.1, 0.5, 0.9], [0.2, 0.6, 0.7]])
    found = compute_metrics(Targets(values), scores, None)
    assert found["ranking_loss"].value == oracle.label_ranking_loss(values.astype(int), scores) == 0.5
    assert found["ranking_loss"].n_samples == 2
    assert found["lrap"].value == oracle.label_ranking_average_precision_score(values.astype(int), scores)


def test_a_small_example_by_hand():
    values = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]], dtype=bool)
    scores = np.array([[0.9, 0.8, 0.7], [0.5, 0.5, 0.1], [0.6, 0.2, 0.3]])
    found = {name: one.value for name, one in compute_metrics(Targets(values), scores, scores >= 0.5, k=2).items()}
    assert found == pytest.approx(
        {
            "subset_accuracy": 0.0,
            "element_accuracy": 6 / 9,
            "hamming_loss": 3 / 9,
            "f1_micro": 2 * 3 / (3 + 6),
            "f1_macro": (1 / 2 + 2 / 3 + 1) / 3,
            "f1_macro_all": (1 / 2 + 2 / 3 + 1) / 3,
            "f1_samples": (4 / 5 + 2 / 3 + 0) / 3,
            "jaccard_samples": (2 / 3 + 1 / 2 + 0) / 3,
            "ranking_loss": (1 / 2 + 1 / 2) / 2,
            "lrap": ((1 + 2 / 3) / 2 + 1 / 2) / 2,
            "coverage_error": (3 + 2) / 2,
            "one_error": (0 + 1 / 2) / 2,
            "map": (1 + 1 / 2 + 1) / 3,
            "roc_auc_macro": (1 + 1 / 2 + 1) / 3,
            "precision_at_k": (1 / 2 + 1 / 2) / 2,
            "ndcg_at_k": (1 / (1 + 1 / np.log2(3)) + (1 + 1 / np.log2(3)) / 2) / 2,
        }
    )


def test_scores_say_what_they_cover():
    values = np.array([[1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0]], dtype=bool)
    known = np.ones((4, 4), dtype=bool)
    known[:, 3] = False
    known[3] = False
    found = compute_metrics(Targets(values, known), np.full((4, 4), 0.5), np.ones((4, 4), dtype=bool))
    cover = {name: (one.n_labels, one.n_samples) for name, one in found.items()}
    assert cover["element_accuracy"] == cover["subset_accuracy"] == cover["f1_samples"] == (3, 3)
    assert cover["f1_macro"] == cover["map"] == cover["roc_auc_macro"] == (2, 3)
    assert cover["f1_macro_all"] == (3, 3)
    assert cover["ranking_loss"] == cover["ndcg_at_k"] == (3, 2)


def test_absent_labels_lower_only_the_measure_that_says_all():
    values = np.zeros((6, 4), dtype=bool)
    values[:3, :2] = True
    assert compute_metrics(Targets(values), None, values)["f1_macro"].value == 1.0
    assert compute_metrics(Targets(values), None, values)["f1_macro_all"].value == 0.5
    known = np.ones(values.shape, dtype=bool)
    known[:, 2] = False
    assert compute_metrics(Targets(values, known), None, values)["f1_macro_all"].value == pytest.approx(2 / 3)


def test_a_silent_model_has_high_accuracy_and_so_has_its_baseline():
    values = np.random.default_rng(0).random((400, 20)) < 0.03
    found = compute_metrics(Targets(values), None, np.zeros_like(values))
    assert found["element_accuracy"].value == found["element_accuracy"].baseline > 0.95
    assert found["f1_macro"].value == 0.0 < found["f1_macro"].baseline
    assert found["f1_micro"].value == 0.0 < found["f1_micro"].baseline


def test_one_constant_label_does_not_spoil_the_mean_roc_auc():
    values = np.random.default_rng(0).random((50, 3)) < 0.5
    values[:, 1] = False
    found = compute_metrics(Targets(values), values * 0.5 + 0.2, None)
    assert (found["roc_auc_macro"].value, found["roc_auc_macro"].n_labels) == (1.0, 2)
    assert (found["map"].value, found["map"].n_labels) == (1.0, 2)
    values[:, 1] = True
    found = compute_metrics(Targets(values), values * 0.5 + 0.2, None)
    assert (found["roc_auc_macro"].value, found["roc_auc_macro"].n_labels) == (1.0, 2)
    assert (found["map"].value, found["map"].n_labels) == (1.0, 3)


@pytest.mark.parametrize("k", [3, 4, 100])
def test_k_beyond_the_labels_is_all_of_them(k):
    values, scores, _ = random_problem(n_labels=20)
    few = Targets(values[:, :3]), scores[:, :3]
    found, whole = compute_metrics(*few, None, k=k), compute_metrics(*few, None, k=3)
    assert found["precision_at_k"] == whole["precision_at_k"]
    assert found["ndcg_at_k"] == whole["ndcg_at_k"]
    assert found["precision_at_k"].value == pytest.approx(
        values[:, :3].sum(axis=1)[values[:, :3].any(axis=1)].mean() / 3
    )


def test_one_error_is_what_precision_at_1_leaves():
    values, scores, _ = random_problem()
    found = compute_metrics(Targets(values), np.round(scores, 1), None, k=1)
    assert found["one_error"].value == pytest.approx(1 - found["precision_at_k"].value)


def test_work_in_blocks_gives_the_same(monkeypatch):
    values, scores, decisions = random_problem()
    targets = Targets(values, np.random.default_rng(1).random(values.shape) < 0.9)
    whole = compute_metrics(targets, scores, decisions)
    monkeypatch.setattr(score, "MAX_BLOCK_ENTRIES", 1000)
    parts = compute_metrics(targets, scores, decisions)
    for name in metric_names(has_taxonomy=False):
        assert parts[name].value == pytest.approx(whole[name].value, rel=1e-12)
        assert parts[name].baseline == pytest.approx(whole[name].baseline, rel=1e-12)


def test_names_choose_and_are_checked():
    values, scores, decisions = random_problem(n_labels=20)
    targets = Targets(values)
    assert list(compute_metrics(targets, scores, decisions, names=["map", "f1_micro"])) == ["map", "f1_micro"]
    assert all(METRICS[name].needs == "scores" for name in compute_metrics(targets, scores, None))
    with pytest.raises(InputError, match="did you mean 'f1_macro'"):
        compute_metrics(targets, scores, decisions, names=["f1_makro"])
    with pytest.raises(InputError, match="argument 'decisions'"):
        compute_metrics(targets, scores, None, names=["f1_micro"])
    for k in (0, -1, 1.5, True):
        with pytest.raises(InputError, match="argument 'k'"):
            compute_metrics(targets, scores, decisions, k=k)
    with pytest.raises(InputError, match="sigmoid"):
        compute_metrics(targets, scores * 9 - 4, None)


def test_brier_and_log_loss_are_binary_per_entry():
    values, scores, _ = random_problem(n_labels=20)
    scores = np.clip(scores, 0.01, 0.99)
    known = np.random.default_rng(1).random(values.shape) < 0.7
    y, s = values[known].astype(np.int64), scores[known]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert brier(Targets(values, known), scores).value == pytest.approx(oracle.brier_score_loss(y, s))
        assert log_loss(Targets(values, known), scores).value == pytest.approx(oracle.log_loss(y, s))
    prior = np.broadcast_to(Targets(values, known).prevalence(), values.shape)
    assert brier(Targets(values, known), scores).baseline == pytest.approx(brier(Targets(values, known), prior).value)
    assert log_loss(Targets(values, known), scores).baseline == pytest.approx(
        log_loss(Targets(values, known), prior).value
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_confident_mistake_does_not_make_log_loss_infinite(dtype):
    found = log_loss(Targets(np.array([[True]])), np.zeros((1, 1), dtype=dtype)).value
    assert found == pytest.approx(-np.log(np.finfo(dtype).eps))


def test_the_line_of_each_label():
    values, scores, decisions = random_problem(n_labels=20)
    known = np.random.default_rng(1).random(values.shape) < 0.7
    known[:, 5] = False
    space = LabelSpace(tuple(f"label {j}" for j in range(20)))
    limits = np.linspace(0, 1, 20)
    found = compute_label_metrics(space, Targets(values, known), scores, decisions, limits)
    assert found["label"] == list(space.names)
    np.testing.assert_array_equal(found["threshold"], limits)
    for j in set(range(20)) - {5}:
        y, d, s = (array[known[:, j], j].astype(float) for array in (values, decisions, scores))
        assert found["support"][j] == y.sum()
        assert found["n_known"][j] == len(y)
        assert found["predicted"][j] == d.sum()
        assert found["prevalence"][j] == pytest.approx(y.mean())
        assert found["brier"][j] == pytest.approx(((y - s) ** 2).mean())
        precision, recall, f1, _ = oracle.precision_recall_fscore_support(y, d, average="binary", zero_division=np.nan)
        assert found["precision"][j] == pytest.approx(precision, nan_ok=True)
        assert found["recall"][j] == pytest.approx(recall, nan_ok=True)
        assert found["f1"][j] == (pytest.approx(f1) if y.any() else pytest.approx(np.nan, nan_ok=True))
    lines = kept_labels(values, known, scores)
    others = [j for j in range(20) if j != 5]
    expected = [average_precision(line) for line in lines]
    np.testing.assert_allclose(found["average_precision"][others], expected, rtol=1e-12)
    areas = [np.nan if area is None else area for area in map(roc_auc, lines)]
    np.testing.assert_allclose(found["roc_auc"][others], areas, rtol=1e-12)
    for name in ("prevalence", "precision", "recall", "f1", "average_precision", "roc_auc", "brier"):
        assert np.isnan(found[name][5]), name
    assert np.isnan(compute_label_metrics(space, Targets(values), scores, decisions)["threshold"]).all()


@pytest.mark.slow
def test_twenty_thousand_rows_with_a_thousand_labels_take_seconds():
    rng = np.random.default_rng(0)
    values = rng.random((20_000, 1000)) < 0.02
    scores = ((rng.random(values.shape, dtype=np.float32) + 0.3 * values) / 1.3).astype(np.float32)
    start = time.process_time()
    compute_metrics(Targets(values), scores, scores >= 0.5)
    assert time.process_time() - start < 20
