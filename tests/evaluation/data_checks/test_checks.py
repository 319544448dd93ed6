"""The data checks against slow and known answers."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import hypergeom
from sklearn.metrics import roc_auc_score

from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.evaluation.data_checks.counts import count_pairs, log_hypergeometric
from manyhot.evaluation.data_checks.label_names import similar_names
from manyhot.evaluation.data_checks.leakage import number_leaks


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("has_gaps", [False, True])
@pytest.mark.parametrize("has_unknown", [False, True])
def test_areas_are_those_of_scikit_learn(is_sparse, has_gaps, has_unknown):
    if is_sparse and has_gaps:
        pytest.skip("a sparse matrix has no gaps")
    generator = np.random.default_rng(3)
    values = generator.random((300, 3)) < 0.2
    known = generator.random(values.shape) > (0.3 if has_unknown else -1)
    features = generator.normal(0, 0.07, (300, 4)).round(2)
    features[:, 1] += 0.4 * values[:, 0]
    features[:, 2] -= 0.4 * values[:, 2]
    if is_sparse:
        features[generator.random(features.shape) < 0.5] = 0
        features[:, 1] = np.where(values[:, 0], np.abs(features[:, 1]) + 0.1, np.minimum(features[:, 1], 0))
    if has_gaps:
        features[generator.random(features.shape) < 0.2] = np.nan
    space, targets = LabelSpace(("a", "b", "c")), Targets(values, known)
    given = sp.csr_matrix(features) if is_sparse else features
    found = {(f.labels[0], f.columns[0]): f.values["auc"] for f in number_leaks(space, targets, given, list("wxyz"))}
    expected = {}
    for j, label in enumerate("abc"):
        for k, column in enumerate("wxyz"):
            rows = known[:, j] & ~np.isnan(features[:, k])
            area = roc_auc_score(values[rows, j], features[rows, k])
            if max(area, 1 - area) >= 0.995:
                expected[label, column] = max(area, 1 - area)
    assert ("a", "x") in expected
    assert found == pytest.approx(expected)


def test_pair_counts_are_those_of_a_slow_loop():
    generator = np.random.default_rng(1)
    values, known = generator.random((50, 5)) < 0.4, generator.random((50, 5)) < 0.7
    for targets in (Targets(values), Targets(values, known)):
        pairs = count_pairs(targets, np.arange(5))
        yes, there = targets.values, targets.known_mask()
        for a in range(5):
            for b in range(5):
                rows = there[:, a] & there[:, b]
                assert pairs.rows[a, b] == rows.sum()
                assert pairs.first[a, b] == (yes[:, a] & rows).sum()
                assert pairs.both[a, b] == (yes[:, a] & yes[:, b]).sum()


def test_log_chance_is_the_hypergeometric_one():
    for drawn, fitting, rows in [(3, 10, 20), (10, 12, 300), (5, 5, 9)]:
        assert log_hypergeometric(drawn, fitting, rows) == pytest.approx(hypergeom.logpmf(drawn, rows, fitting, drawn))
    assert log_hypergeometric(6, 5, 9) == -np.inf


@pytest.mark.parametrize(
    ("names", "is_told"),
    [
        (("rock_music", "Rock Music"), True),
        (("e-mail", "email"), True),
        (("colour", "color"), True),
        (("genre_colour", "genre color"), True),
        (("movie", "movies"), True),
        (("city", "cities"), True),
        (("calendar", "calender"), True),
        (("acheive", "achieve"), True),
        (("label_1", "label_2"), False),
        (("class_10", "class_100"), False),
        (("class1", "class11"), False),
        (("type_a", "type_b"), False),
        (("on", "off"), False),
        (("hot", "not"), False),
        (("legal", "regal"), False),
        (("german", "germany"), False),
        (("typical", "atypical"), False),
        (("glass", "grass"), False),
        (("mood_sad", "mood_mad"), False),
        (("clas", "class"), False),
        (("C++", "C#"), False),
        (("x" * 200 + "a", "x" * 200 + "b"), False),
    ],
)
def test_names_that_are_nearly_the_same(names, is_told):
    assert bool(similar_names(LabelSpace(names), np.array([5, 7]))) == is_told
    assert bool(similar_names(LabelSpace(names[::-1]), np.array([5, 7]))) == is_told
