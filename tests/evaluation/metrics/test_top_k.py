import itertools
import math
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.evaluation.metrics import (
    TopK,
    compute_metrics,
    compute_top_k_metrics,
    label_propensities,
    merge_top_k,
    score,
    top_k,
)
from tests.reference import topk as slow

NAMES = ("precision", "recall", "ndcg", "psp", "psndcg")


@st.composite
def problems(draw):
    """A few rows with empty ones, unknown entries, answers missing at the end or in between."""
    n, n_labels = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    m = draw(st.integers(1, n_labels))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = rng.random((n, n_labels)) < draw(st.sampled_from([0.0, 0.2, 0.6]))
    known = rng.random((n, n_labels)) < draw(st.sampled_from([0.3, 0.8, 1.0]))
    top = np.argsort(rng.random((n, n_labels)), axis=1)[:, :m]
    top[rng.random(top.shape) < draw(st.sampled_from([0.0, 0.3]))] = -1
    return values, known, top, rng.uniform(0.05, 1.0, n_labels), draw(st.booleans())


@pytest.mark.slow
@given(problems())
@settings(max_examples=300, deadline=None)
def test_it_is_what_the_definitions_say(problem):
    values, known, top, propensities, count_empty = problem
    ks = range(1, top.shape[1] + 1)
    unknown = None if known.all() else sp.csr_matrix(~known)
    found = compute_top_k_metrics(sp.csr_matrix(values), top, ks, propensities, unknown, count_empty)
    assert list(found) == [f"{name}_at_{k}" for name in NAMES for k in ks]
    frequent = [slow.most_frequent(values, known, top.shape[1])] * len(values)
    rows = known.any(axis=1) if count_empty else (values & known).any(axis=1)
    for k in ks:
        truth = slow.top_measures(values, known, top.tolist(), k, 1 / propensities, count_empty)
        rival = slow.top_measures(values, known, frequent, k, 1 / propensities, count_empty)
        for name in NAMES:
            one = found[f"{name}_at_{k}"]
            kept = (values & known).any(axis=1) if name.startswith("ps") else rows
            assert one.value == pytest.approx(truth[name], abs=1e-12, nan_ok=True), name
            assert (one.n_samples, one.n_labels) == (kept.sum(), known[kept].any(axis=0).sum()), name
            assert one.baseline == (None if math.isnan(one.value) else pytest.approx(rival[name], abs=1e-12)), name


def many_rows(n=300, n_labels=80, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.random((n, n_labels)) < 0.05
    values[::7] = False
    scores = rng.permuted(np.tile(np.linspace(0.01, 0.99, n_labels), (n, 1)), axis=1)  # no ties
    return values, rng.random((n, n_labels)) < 0.9, scores


def test_scikit_learn_and_the_dense_measures_agree():
    values, known, scores = many_rows()
    top = top_k(scores, 20)
    some = values.any(axis=1)
    found = compute_top_k_metrics(values, top, [1, 5], count_empty=False)
    assert found["ndcg_at_5"].value == pytest.approx(ndcg_score(values[some].astype(int), scores[some], k=5), rel=1e-12)
    every_row = compute_top_k_metrics(values, top, [5])["ndcg_at_5"]  # scikit-learn counts empty rows 0 too
    assert every_row.value == pytest.approx(ndcg_score(values.astype(int), scores, k=5), rel=1e-12)
    masked = compute_top_k_metrics(values, top, [1, 5], unknown=~known, count_empty=False)
    for k in (1, 5):
        for mine, targets in ((found, Targets(values)), (masked, Targets(values, known))):
            for name, other in compute_metrics(targets, scores, None, k, ["precision_at_k", "ndcg_at_k"]).items():
                one = mine[name.replace("_k", f"_{k}")]
                assert one.value == pytest.approx(other.value, rel=1e-12)
                assert (one.n_samples, one.n_labels) == (other.n_samples, other.n_labels)


def test_the_size_of_a_block_changes_nothing(monkeypatch):
    values, known, scores = many_rows()
    top, propensities = top_k(scores, 20), label_propensities(values)
    whole = compute_top_k_metrics(values, top, [1, 5], propensities, ~known)
    monkeypatch.setattr(score, "MAX_BLOCK_ENTRIES", 64)
    again = compute_top_k_metrics(values, top, [1, 5], propensities, ~known)
    assert [one.value for one in again.values()] == pytest.approx([one.value for one in whole.values()], rel=1e-12)
    assert [one.baseline for one in again.values()] == pytest.approx([one.baseline for one in whole.values()])
    assert (top_k(scores, 20).labels == top.labels).all()


def test_propensity_scored_precision_by_hand():
    targets = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 0, 0]], dtype=np.uint8)
    top = np.array([[0, 1], [3, 2], [1, 0]])
    found = compute_top_k_metrics(targets, top, (1, 2), propensities=np.array([0.5, 0.25, 0.2, 1.0]))
    # weights 2, 4, 5, 1; hits: 0 in row 1, 3 in row 2; the best first answers are 2 and 1
    assert found["psp_at_1"].value == pytest.approx((2 + 1) / (5 + 4))
    assert found["psp_at_2"].value == pytest.approx((2 + 1) / (5 + 2 + 4 + 1))
    near = 1 / math.log2(3)
    assert found["psndcg_at_2"].value == pytest.approx((2 + 1) / (5 + 2 * near + 4 + 1 * near))
    assert found["psp_at_1"].n_samples == 2
    assert (found["precision_at_1"].value, found["precision_at_1"].n_samples) == (pytest.approx(2 / 3), 3)
    assert compute_top_k_metrics(targets, top, (1,), count_empty=False)["precision_at_1"].value == 1.0
    best = compute_top_k_metrics(targets, np.array([[2, 0], [1, 3], [0, 1]]), (1, 2), np.array([0.5, 0.25, 0.2, 1.0]))
    assert best["psp_at_1"].value == best["psp_at_2"].value == best["psndcg_at_2"].value == 1.0


def test_propensities_are_those_of_the_paper():
    rng = np.random.default_rng(0)
    values = rng.random((40, 7)) < np.linspace(0, 0.9, 7)
    label_sets = [set(np.flatnonzero(row)) for row in values]
    assert label_propensities(sp.csc_matrix(values)) == pytest.approx(slow.propensities(label_sets, 7))
    assert label_propensities(values, a=0.6, b=2.6) == pytest.approx(slow.propensities(label_sets, 7, 0.6, 2.6))
    eight = np.zeros((8, 1), dtype=bool)
    eight[:2] = True
    by_hand = 1 / (1 + (math.log(8) - 1) * 2.5**0.55 * 3.5**-0.55)
    assert label_propensities(eight)[0] == pytest.approx(by_hand)
    for wrong, name in (({"a": 0}, "a"), ({"b": -1}, "b"), ({"targets": eight[:2]}, "targets")):
        with pytest.raises(InputError, match=f"argument '{name}'"):
            label_propensities(**({"targets": eight} | wrong))


def test_every_form_of_targets_says_the_same():
    values, known, scores = many_rows(40, 12)
    top = top_k(scores, 6)
    expected = compute_top_k_metrics(values, top, unknown=~known)
    label, counts = np.nonzero(values)[1], values.sum(axis=1)
    starts = np.concatenate([[0], np.cumsum(counts)])
    twice = sp.csr_matrix((np.ones(2 * len(label)), np.repeat(label, 2), 2 * starts), values.shape)
    zeros = sp.csr_array(np.where(values, 1, 2))
    zeros.data[zeros.data == 2] = 0
    unsorted = sp.csr_matrix(values)
    unsorted.indices = np.concatenate([one[::-1] for one in np.split(unsorted.indices, unsorted.indptr[1:-1])])
    kept = unsorted.indices.copy()
    for form in (
        values.astype(np.uint8),
        sp.csc_matrix(values, dtype=float),
        sp.lil_array(values),
        twice,
        zeros,
        unsorted,
    ):
        assert compute_top_k_metrics(form, top.labels.astype(np.int32), unknown=sp.coo_array(~known)) == expected
    assert (unsorted.indices == kept).all()  # nothing that was handed in is changed
    assert zeros.nnz == values.size


def test_an_answer_where_nothing_is_known_makes_room_for_the_next():
    targets, unknown = sp.csr_matrix([[0, 1, 1, 0]]), sp.csr_matrix([[1, 0, 1, 0]])
    found = compute_top_k_metrics(targets, np.array([[0, 2, 1]]), (1, 2, 3), unknown=unknown)
    assert [found[f"precision_at_{k}"].value for k in (1, 2, 3)] == [1.0, 0.5, 0.5]  # two labels are known
    assert [found[f"recall_at_{k}"].value for k in (1, 2)] == [1.0, 1.0]
    assert (found["precision_at_1"].n_samples, found["precision_at_1"].n_labels) == (1, 2)


def test_nothing_to_score_is_nan():
    for targets, unknown in ((np.zeros((0, 3), bool), None), (np.ones((2, 3), bool), np.ones((2, 3), bool))):
        found = compute_top_k_metrics(targets, np.tile([[2, 1]], (len(targets), 1)), (1,), np.ones(3), unknown)
        assert all(math.isnan(one.value) for one in found.values())
        assert {(one.n_labels, one.n_samples, one.baseline) for one in found.values()} == {(0, 0, None)}
    empty = compute_top_k_metrics(np.zeros((2, 3), bool), np.array([[0], [1]]), (1,), np.ones(3))
    assert (empty["precision_at_1"].value, empty["precision_at_1"].n_samples) == (0.0, 2)
    assert math.isnan(empty["psp_at_1"].value)


@given(st.integers(1, 5), st.integers(1, 12), st.integers(1, 8), st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_the_top_is_that_of_a_full_sort_and_of_merged_blocks(n, n_labels, k, seed):
    rng = np.random.default_rng(seed)
    scores = rng.choice([-np.inf, -1.0, 0.0, -0.0, 0.5, np.inf], (n, n_labels)).astype(rng.choice(["f4", "f8"]))
    top = top_k(scores, k)
    assert top.labels.tolist() == [slow.best_first(row, k) for row in scores.tolist()]
    assert (top.scores == np.take_along_axis(scores, top.labels, axis=1)).all()
    assert top.scores.dtype == scores.dtype
    cuts = sorted({0, n_labels, *rng.integers(0, n_labels + 1, 2).tolist()})
    blocks = [top_k(scores[:, a:b], k, first=a) for a, b in itertools.pairwise(cuts)]
    rng.shuffle(blocks)
    merged = blocks[0]
    for block in blocks[1:]:
        merged = merge_top_k(merged, block, k)
    assert (merged.labels == top.labels).all()
    assert (merged.scores == top.scores).all()


def test_whole_numbers_have_a_top_too():
    for dtype in (np.uint8, np.int32, bool, np.float16):
        assert top_k(np.array([[1, 0, 1, 0]], dtype=dtype), 3).labels.tolist() == [[0, 2, 1]]
    assert top_k(np.zeros((2, 0)), 3).labels.shape == (2, 0)


def test_memory_goes_with_the_positives_and_not_with_the_labels():
    n, n_labels, k, per_row = 20_000, 131_072, 5, 6
    rng = np.random.default_rng(0)
    indices = np.sort(rng.integers(0, n_labels, (n, per_row)), axis=1).ravel()
    targets = sp.csr_matrix((np.ones(n * per_row, bool), indices, np.arange(n + 1) * per_row), (n, n_labels))
    unknown = sp.csr_matrix((np.ones(n, bool), rng.integers(0, n_labels, n), np.arange(n + 1)), (n, n_labels))
    top = indices.reshape(n, per_row)[:, :k] // 2 * 2
    top = (np.sort(top, axis=1) + np.arange(k) * 2) % n_labels  # each label once in a row
    propensities = label_propensities(targets)
    tracemalloc.start()
    try:
        found = compute_top_k_metrics(targets, top, propensities=propensities, unknown=unknown)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0 < found["precision_at_1"].value < 1
    assert peak < 30e6 < n * n_labels / 80


@pytest.mark.slow
def test_a_block_of_scores_is_not_copied_as_a_whole():
    scores = np.random.default_rng(0).random((400, 131_072), dtype=np.float32)
    tracemalloc.start()
    try:
        top_k(scores, 5)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < scores.nbytes / 10


GOOD = {"targets": np.eye(4, 6, dtype=bool), "top": np.tile(np.arange(5), (4, 1))}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ks": [0]}, "argument 'ks': got 0"),
        ({"ks": [1.5]}, "argument 'ks': got 1.5"),
        ({"ks": []}, "argument 'ks': got none"),
        ({"ks": 5}, "argument 'ks': got 5, expected several"),
        ({"ks": [1, 6]}, "argument 'top': got 5 answers a row, expected 6"),
        ({"top": GOOD["top"][:3]}, r"argument 'top': got shape \(3, 5\)"),
        ({"top": GOOD["top"][0]}, r"argument 'top': got shape \(5,\)"),
        ({"top": GOOD["top"] / 2}, "argument 'top': got float64"),
        ({"top": GOOD["top"] + np.array([[0], [2], [0], [0]])}, "row 2, argument 'top': got a label outside"),
        ({"top": GOOD["top"] - 2}, "row 1, argument 'top': got a label outside"),
        ({"top": GOOD["top"] // 2}, "row 1, argument 'top': got a label twice"),
        ({"top": TopK(GOOD["top"], np.zeros((4, 4)))}, r"argument 'top': got scores of shape \(4, 4\)"),
        ({"top": TopK(GOOD["top"], GOOD["top"] / 5)}, "row 1, argument 'top': got scores that are not best first"),
        ({"targets": np.zeros(4, bool)}, r"argument 'targets': got shape \(4,\)"),
        ({"targets": np.zeros((4, 6))}, "argument 'targets': got float64"),
        ({"targets": np.full((4, 6), 2)}, "argument 'targets': got a value that is neither"),
        ({"targets": sp.csr_matrix(np.full((4, 6), np.nan))}, "argument 'targets': got a value that is neither"),
        ({"unknown": np.zeros((4, 5), bool)}, r"argument 'unknown': got shape \(4, 5\)"),
        ({"propensities": np.ones(5)}, "argument 'propensities': got float64 values of shape"),
        ({"propensities": np.zeros(6)}, "argument 'propensities': got a value that is not above 0"),
        ({"propensities": np.full(6, np.nan)}, "argument 'propensities': got a value that is not above 0"),
        ({"count_empty": "no"}, "argument 'count_empty'"),
    ],
)
def test_what_is_wrong_is_named(changed, message):
    compute_top_k_metrics(**GOOD)
    with pytest.raises(InputError, match=message):
        compute_top_k_metrics(**(GOOD | changed))


def test_a_top_that_cannot_be_made_says_why():
    scores = np.random.default_rng(0).random((3, 4))
    with pytest.raises(InputError, match="argument 'k'"):
        top_k(scores, 0)
    with pytest.raises(InputError, match="argument 'first'"):
        top_k(scores, 1, first=-1)
    with pytest.raises(InputError, match=r"argument 'scores': got shape \(4,\)"):
        top_k(scores[0], 1)
    with pytest.raises(InputError, match="argument 'scores': got <U1"):
        top_k(np.array([["a"]]), 1)
    scores[1, 2] = np.nan
    with pytest.raises(InputError, match="row 2, argument 'scores': got a score that is NaN"):
        top_k(scores, 1)
    top = top_k(scores[[0, 2]], 2)
    with pytest.raises(InputError, match="argument 'b': got 1 rows"):
        merge_top_k(top, top_k(scores[:1], 2), 2)
    with pytest.raises(InputError, match="argument 'a': got labels of shape"):
        merge_top_k(TopK(top.labels, top.scores[:, :1]), top, 2)
    with pytest.raises(InputError, match="argument 'k'"):
        merge_top_k(top, top, 0)
