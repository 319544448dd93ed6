"""Every metric through the same questions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manyhot.data.hierarchy import Hierarchy
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.evaluation.metrics import METRICS, Score, compute_metrics, intervals, metric_names
from manyhot.evaluation.metrics.registry import Metric
from manyhot.reports.html.measure import measure_page
from tests.reference.metrics import all_measures, baselines, hierarchical, hierarchical_baselines
from tests.reports.html.made_up import make_page_inputs

K = 2


PAIRS = [(6, 4), (4, 2), (8, 4), (7, 0)]
"""A label without knowledge and one without positives stand beside the taxonomy."""


def tree(pairs, n_labels=9):
    return Hierarchy(pairs, tuple(f"label {j}" for j in range(n_labels)))


def ask(name, targets, scores, decisions, k=K, pairs=PAIRS):
    hierarchy = tree(pairs, targets.n_labels) if METRICS[name].needs_taxonomy else None
    return compute_metrics(targets, scores, decisions, k, [name], hierarchy)[name]


def assert_same(one: Score, other: Score):
    assert (one.n_labels, one.n_samples) == (other.n_labels, other.n_samples)
    assert one.value == pytest.approx(other.value, abs=1e-12, nan_ok=True)
    assert (one.baseline is None) == (other.baseline is None)
    if one.baseline is not None:
        assert one.baseline == pytest.approx(other.baseline, abs=1e-12)


def made_up(n=60, n_labels=9, seed=0):
    """Ties, a label never positive, one always, one never known, a row without positives, one without knowledge."""
    rng = np.random.default_rng(seed)
    values = rng.random((n, n_labels)) < rng.random(n_labels)
    known = rng.random((n, n_labels)) < 0.8
    values[:, 1], values[:, 2], known[:, 3] = False, True, False
    values[4], known[5] = False, False
    scores = np.round((rng.random((n, n_labels)) + values) / 2, 1)
    return values, known, scores, rng.random((n, n_labels)) < 0.4


@st.composite
def problems(draw):
    n, n_labels = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    grid = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=n * n_labels, max_size=n * n_labels)
    bits = st.lists(st.booleans(), min_size=n * n_labels, max_size=n * n_labels)
    values, known, decisions = (np.array(draw(bits)).reshape(n, n_labels) for _ in range(3))
    known = known | (draw(st.integers(0, 2)) == 0)
    order = draw(st.permutations(range(n_labels)))
    above = [(order[a], order[b]) for a in range(n_labels) for b in range(a)]
    pairs = draw(st.lists(st.sampled_from(above), max_size=4, unique=True)) if above else []
    return values, known, np.array(draw(grid)).reshape(n, n_labels), decisions, draw(st.integers(1, 6)), pairs


@given(problems())
@settings(max_examples=120, deadline=None)
def test_all_measures_and_baselines_are_what_their_definitions_say(problem):
    values, known, scores, decisions, k, pairs = problem
    truth, rivals = all_measures(values, known, scores, decisions, k), baselines(values, known, k)
    truth |= hierarchical(values.tolist(), known.tolist(), decisions.tolist(), pairs)
    rivals |= hierarchical_baselines(values, known, pairs)
    found = compute_metrics(Targets(values, known), scores, decisions, k, hierarchy=tree(pairs, values.shape[1]))
    assert list(found) == list(METRICS)
    flat = compute_metrics(Targets(values, known), scores, decisions, k)
    assert list(flat) == metric_names(has_taxonomy=False)
    for name, score in found.items():
        assert score.value == pytest.approx(truth[name], abs=1e-12, nan_ok=True), name
        if math.isnan(score.value):
            assert score.baseline is None, name
        else:
            assert score.baseline == pytest.approx(rivals[name], abs=1e-12), name


@given(problems(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_rows_and_labels_does_not_matter(problem, random):
    values, known, scores, decisions, k, pairs = problem
    rows, labels = list(range(values.shape[0])), list(range(values.shape[1]))
    random.shuffle(rows)
    random.shuffle(labels)
    turned = [array[rows][:, labels] for array in (values, known, scores, decisions)]
    turned_pairs = [(labels.index(child), labels.index(parent)) for child, parent in pairs]
    hierarchies = [tree(one, len(labels)) for one in (pairs, turned_pairs)]
    before = compute_metrics(Targets(values, known), scores, decisions, k, hierarchy=hierarchies[0])
    after = compute_metrics(Targets(*turned[:2]), *turned[2:], k, hierarchy=hierarchies[1])
    for name in METRICS:
        assert_same(after[name], before[name])


@pytest.mark.parametrize("name", METRICS)
def test_alone_it_says_what_it_says_among_all(name):
    values, known, scores, decisions = made_up()
    targets = Targets(values, known)
    together = compute_metrics(targets, scores, decisions, K, hierarchy=tree(PAIRS))
    needed = (scores, None) if METRICS[name].needs == "scores" else (None, decisions)
    assert ask(name, targets, *needed) == together[name]


@pytest.mark.parametrize("name", METRICS)
def test_what_is_answered_where_nothing_is_known_changes_nothing(name):
    values, known, scores, decisions = made_up()
    targets = Targets(values, known)
    before = ask(name, targets, scores, decisions)
    other = ask(name, targets, np.where(known, scores, 1 - scores), np.where(known, decisions, ~decisions))
    assert other == before


@pytest.mark.parametrize("name", METRICS)
def test_rows_and_labels_with_nothing_known_are_as_if_they_were_not_there(name):
    values, _, scores, decisions = made_up()
    known = np.ones(values.shape, dtype=bool)
    known[::3], known[:, ::4] = False, False
    rows, labels = np.flatnonzero(known.any(axis=1)), np.flatnonzero(known.any(axis=0))
    alone = [array[rows][:, labels] for array in (values, scores, decisions)]
    masked = ask(name, Targets(values, known), scores, decisions)
    places = labels.tolist()
    pairs = [(places.index(6), places.index(2))]  # what PAIRS says of the labels that are left
    assert_same(masked, ask(name, Targets(alone[0]), *alone[1:], pairs=pairs))
    assert masked.n_samples <= len(rows)
    assert masked.n_labels <= len(labels)


@pytest.mark.parametrize("name", METRICS)
def test_pixels_are_rows(name):
    values, known, scores, decisions = made_up()
    flat = ask(name, Targets(values, known), scores, decisions)
    shape = (3, 4, 5, values.shape[1])
    deep = Targets(values.reshape(shape), known.reshape(shape))
    assert ask(name, deep, scores.reshape(shape), decisions.reshape(shape)) == flat


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("shape", [(0, 3), (4, 3)])
def test_nothing_to_score_is_nan(name, shape):
    nothing = np.zeros(shape, dtype=bool)
    score = ask(name, Targets(nothing, nothing), np.full(shape, 0.5), nothing, pairs=[(1, 0)])
    assert math.isnan(score.value)
    assert (score.n_labels, score.n_samples, score.baseline) == (0, 0, None)


@pytest.mark.parametrize("name", METRICS)
def test_perfect_answers_are_the_best_there_is_and_beat_the_baseline(name):
    rng = np.random.default_rng(3)
    values = rng.random((200, 6)) < 0.3
    scores = np.where(values, 0.6, 0.4) + rng.random(values.shape) / 10
    score = ask(name, Targets(values), scores, values, k=1, pairs=[(1, 0), (2, 1)])
    positives = values.sum(axis=1)
    best = {"coverage_error": positives[positives > 0].mean()}.get(name, float(METRICS[name].higher_is_better))
    assert score.value == pytest.approx(best)
    assert score.baseline is not None
    assert (score.value > score.baseline) == METRICS[name].higher_is_better
    assert score.value != score.baseline


@pytest.mark.parametrize("name", METRICS)
def test_float32_scores_and_whole_number_decisions_are_taken_as_they_are(name):
    values, known, scores, decisions = made_up()
    targets = Targets(values, known)
    rounded = scores.astype(np.float32)
    one = ask(name, targets, rounded, decisions)
    assert_same(one, ask(name, targets, rounded.astype(np.float64), decisions.astype(np.int8)))


@pytest.mark.parametrize("name", METRICS)
def test_what_is_wrong_is_refused_by_the_name_of_the_argument(name):
    values, _, scores, decisions = made_up()
    targets = Targets(values)
    needs = METRICS[name].needs
    with pytest.raises(InputError, match=f"{needs}.*got shape"):
        ask(name, targets, scores[:, :-1], decisions[:, :-1])
    bad_scores, bad_decisions = scores.copy(), decisions.astype(float)
    for wrong in (np.nan, np.inf, -0.1, 1.1):
        bad_scores[7, 2] = bad_decisions[7, 2] = wrong
        with pytest.raises(InputError, match=needs):
            ask(name, targets, bad_scores, bad_decisions)


@pytest.mark.parametrize("name", METRICS)
def test_the_table_says_what_it_means_and_when_it_misleads(name):
    row = METRICS[name]
    assert row.needs in ("scores", "decisions")
    assert row.meaning.endswith(".")
    assert row.misleads.endswith(".")


def mean_count(targets: Targets, decisions: np.ndarray, k: int) -> dict[str, Score]:
    """Labels predicted per row, k at most."""
    mean = float(np.minimum(decisions.sum(axis=1), k).mean())
    return {"mean_count": Score(mean, decisions.shape[1], len(decisions), 0.0)}


def test_a_new_metric_needs_its_row_alone(monkeypatch):
    row = Metric(mean_count, "decisions", "Labels per row, up to {k}", "Means.", "Misleads.", False, upper_bound=5.0)
    monkeypatch.setitem(METRICS, "mean_count", row)
    values, known, scores, decisions = made_up()
    score = compute_metrics(Targets(values, known), scores, decisions, k=3)["mean_count"]
    assert score.value == np.minimum(decisions.sum(axis=1), 3).mean()
    interval = intervals(Targets(values, known), scores, decisions, k=3).metrics["mean_count"]
    assert 0 < interval.low < score.value < interval.high < 3
    deep = Targets(values.reshape(20, 3, -1), known.reshape(20, 3, -1))
    deeper = intervals(deep, scores.reshape(20, 3, -1), decisions.reshape(20, 3, -1), k=3).metrics["mean_count"]
    assert deeper == interval
    page = measure_page(make_page_inputs())
    figure = next(figure for figure in page["metrics"] if figure["name"] == "mean_count")
    assert figure["title"] == "Labels per row, up to 1"
    assert figure["decision"]["low"] < figure["decision"]["value"] < figure["decision"]["high"]


def test_a_report_from_before_a_metric_still_makes_a_page(monkeypatch):
    inputs = make_page_inputs()
    row = Metric(mean_count, "decisions", "Labels per row, up to {k}", "Means.", "Misleads.", False, upper_bound=5.0)
    monkeypatch.setitem(METRICS, "mean_count", row)
    assert "mean_count" not in {figure["name"] for figure in measure_page(inputs)["metrics"]}
