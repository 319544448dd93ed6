import math
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from manyhot.data.targets import Targets
from manyhot.evaluation.metrics import TopK, compute_metrics, compute_top_k_metrics, label_propensities, score
from manyhot.evaluation.metrics.at_k import top_k_hits
from tests.reference import topk as slow

NAMES = ("precision", "recall", "ndcg", "psp", "psndcg")


def best(labels) -> TopK:
    return TopK(np.asarray(labels), np.tile(np.linspace(1, 0, np.shape(labels)[1]), (len(labels), 1)))


@st.composite
def problems(draw):
    """A few rows, empty ones among them."""
    n, n_labels = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    m = draw(st.integers(1, n_labels))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = rng.random((n, n_labels)) < draw(st.sampled_from([0.0, 0.2, 0.6]))
    return values, np.argsort(rng.random((n, n_labels)), axis=1)[:, :m], rng.uniform(0.05, 1.0, n_labels)


@pytest.mark.slow
@given(problems())
@settings(max_examples=300, deadline=None)
def test_it_is_what_the_definitions_say(problem):
    values, top, propensities = problem
    ks = range(1, top.shape[1] + 1)
    found = compute_top_k_metrics(sp.csr_matrix(values), best(top), ks, propensities)
    assert list(found) == [f"{name}_at_{k}" for name in NAMES for k in ks]
    known = np.ones_like(values)
    frequent = [slow.most_frequent(values, known, top.shape[1])] * len(values)
    for k in ks:
        truth = slow.top_measures(values, known, top.tolist(), k, 1 / propensities, True)
        rival = slow.top_measures(values, known, frequent, k, 1 / propensities, True)
        for name in NAMES:
            one = found[f"{name}_at_{k}"]
            kept = values.any(axis=1) if name.startswith("ps") else known.any(axis=1)
            assert one.value == pytest.approx(truth[name], abs=1e-12, nan_ok=True), name
            assert (one.n_samples, one.n_labels) == (kept.sum(), values.shape[1] if kept.any() else 0), name
            assert one.baseline == (None if math.isnan(one.value) else pytest.approx(rival[name], abs=1e-12)), name


def many_rows(n=300, n_labels=80, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.random((n, n_labels)) < 0.05
    values[::7] = False
    scores = rng.permuted(np.tile(np.linspace(0.01, 0.99, n_labels), (n, 1)), axis=1)  # no ties
    return values, scores, best(np.argsort(-scores, axis=1)[:, :20])


def test_scikit_learn_and_the_dense_measures_agree():
    values, scores, top = many_rows()
    ones = np.ones(values.shape[1])
    found = compute_top_k_metrics(sp.csr_matrix(values), top, [5], ones)["ndcg_at_5"]
    assert found.value == pytest.approx(ndcg_score(values.astype(int), scores, k=5), rel=1e-12)  # empty rows count 0
    some = values.any(axis=1)
    kept = best(top.labels[some])
    for k in (1, 5):
        mine = compute_top_k_metrics(sp.csr_matrix(values[some]), kept, [k], ones)
        for name, other in compute_metrics(
            Targets(values[some]), scores[some], None, k, ["precision_at_k", "ndcg_at_k"]
        ).items():
            one = mine[name.replace("_k", f"_{k}")]
            assert one.value == pytest.approx(other.value, rel=1e-12)
            assert (one.n_samples, one.n_labels) == (other.n_samples, other.n_labels)


def test_the_size_of_a_block_changes_nothing(monkeypatch):
    values, _, top = many_rows()
    targets = sp.csr_matrix(values)
    whole = compute_top_k_metrics(targets, top, [1, 5], label_propensities(targets))
    monkeypatch.setattr(score, "MAX_BLOCK_ENTRIES", 64)
    again = compute_top_k_metrics(targets, top, [1, 5], label_propensities(targets))
    assert [one.value for one in again.values()] == pytest.approx([one.value for one in whole.values()], rel=1e-12)
    assert [one.baseline for one in again.values()] == pytest.approx([one.baseline for one in whole.values()])


def test_propensity_scored_precision_by_hand():
    targets = sp.csr_matrix(np.array([[1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 0, 0]], dtype=bool))
    propensities = np.array([0.5, 0.25, 0.2, 1.0])
    found = compute_top_k_metrics(targets, best([[0, 1], [3, 2], [1, 0]]), (1, 2), propensities)
    # weights 2, 4, 5, 1; hits: 0 in row 1, 3 in row 2; the best first answers are 2 and 1
    assert found["psp_at_1"].value == pytest.approx((2 + 1) / (5 + 4))
    assert found["psp_at_2"].value == pytest.approx((2 + 1) / (5 + 2 + 4 + 1))
    near = 1 / math.log2(3)
    assert found["psndcg_at_2"].value == pytest.approx((2 + 1) / (5 + 2 * near + 4 + 1 * near))
    assert found["psp_at_1"].n_samples == 2
    assert (found["precision_at_1"].value, found["precision_at_1"].n_samples) == (pytest.approx(2 / 3), 3)
    ideal = compute_top_k_metrics(targets, best([[2, 0], [1, 3], [0, 1]]), (1, 2), propensities)
    assert ideal["psp_at_1"].value == ideal["psp_at_2"].value == ideal["psndcg_at_2"].value == 1.0


def test_propensities_are_those_of_the_paper():
    rng = np.random.default_rng(0)
    values = rng.random((40, 7)) < np.linspace(0, 0.9, 7)
    label_sets = [set(np.flatnonzero(row)) for row in values]
    assert label_propensities(sp.csr_matrix(values)) == pytest.approx(slow.propensities(label_sets, 7))
    eight = np.zeros((8, 1), dtype=bool)
    eight[:2] = True
    by_hand = 1 / (1 + (math.log(8) - 1) * 2.5**0.55 * 3.5**-0.55)
    assert label_propensities(sp.csr_matrix(eight))[0] == pytest.approx(by_hand)


def test_nothing_to_score_is_nan():
    found = compute_top_k_metrics(sp.csr_matrix((0, 3), dtype=bool), best(np.zeros((0, 2), int)), (1,), np.ones(3))
    assert all(math.isnan(one.value) for one in found.values())
    assert {(one.n_labels, one.n_samples, one.baseline) for one in found.values()} == {(0, 0, None)}
    empty = compute_top_k_metrics(sp.csr_matrix((2, 3), dtype=bool), best([[0], [1]]), (1,), np.ones(3))
    assert (empty["precision_at_1"].value, empty["precision_at_1"].n_samples) == (0.0, 2)
    assert math.isnan(empty["psp_at_1"].value)


def test_hits_are_the_targets_at_the_answers():
    rng = np.random.default_rng(0)
    values, labels = rng.random((30, 9)) < 0.3, np.argsort(rng.random((30, 9)), axis=1)[:, :4]
    found = top_k_hits(sp.csr_matrix(values), labels.astype(np.int32))
    assert found.dtype == bool
    assert (found == np.take_along_axis(values, labels, axis=1)).all()


def test_memory_goes_with_the_positives_and_not_with_the_labels():
    n, n_labels, k, per_row = 20_000, 131_072, 5, 6
    rng = np.random.default_rng(0)
    indices = np.sort(rng.integers(0, n_labels, (n, per_row)), axis=1).ravel()
    targets = sp.csr_matrix((np.ones(n * per_row, bool), indices, np.arange(n + 1) * per_row), (n, n_labels))
    targets.sum_duplicates()
    top = indices.reshape(n, per_row)[:, :k] // 2 * 2
    top = (np.sort(top, axis=1) + np.arange(k) * 2) % n_labels  # each label once in a row
    propensities = label_propensities(targets)
    tracemalloc.start()
    try:
        found = compute_top_k_metrics(targets, best(top), (1, 3, 5), propensities)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0 < found["precision_at_1"].value < 1
    assert peak < 30e6 < n * n_labels / 80
