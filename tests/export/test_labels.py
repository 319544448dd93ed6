"""Calibration and decisions in a graph, beside those of the policy, on scores with many ties."""

import numpy as np
import pytest

from manyhot.config.training import BETA, CALIBRATIONS, DECISIONS, ISOTONIC, NONE, PLATT, TEMPERATURE
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.decisions.calibration import Calibration
from manyhot.decisions.calibration.isotonic import Curve
from manyhot.decisions.guarantees import Guarantee
from manyhot.decisions.rules.rules import Rules
from manyhot.decisions.thresholds import build as build_decision
from manyhot.decisions.thresholds.fixed import Fixed, TopK
from manyhot.decisions.thresholds.samplewise import F1Samples
from manyhot.export.graph import Graph
from manyhot.export.labels import why_not, write_labels
from manyhot.export.scores import write_calibration
from tests.export.models import policy, run

N = 5
NAMES = tuple("abcde")
GENERATOR = np.random.default_rng(0)
SCORES = {
    2: np.concatenate(
        [
            GENERATOR.random((400, N)),
            GENERATOR.integers(0, 5, (400, N)) / 4,  # ties, zeros and ones
            np.nextafter(np.float32(1), np.float32(0)) * np.ones((1, N)),
            np.full((1, N), 1e-30),
        ]
    ).astype(np.float32),
    4: GENERATOR.random((3, 4, 5, N)).astype(np.float32),
}
PARAMETERS = {
    NONE: (1.0, 1.0, 0.0),
    ISOTONIC: (1.0, 1.0, 0.0),
    TEMPERATURE: (1.7, 1.7, 0.0),
    PLATT: (0.6, 0.6, -0.4),
    BETA: (0.5, 1.8, 0.3),
}
CURVES = [
    Curve(np.array([0.1, 0.2, 0.25, 0.9, 0.95]), np.array([0.01, 0.3, 0.3, 0.7, 0.99])),
    Curve(np.array([0.5]), np.array([0.4])),
    Curve(np.array([0.25, 0.75]), np.array([0.2, 0.6])),
    Curve(np.linspace(0, 1, 17), np.linspace(0.1, 0.8, 17) ** 2),
    Curve(np.array([0.0, 0.25, 1.0]), np.array([0.1, 0.5, 0.6])),
]
TREE = (("a", "b"), ("b", "c"), ("d", "c"))


def calibration(*kinds):
    curves = {j: CURVES[j] for j, kind in enumerate(kinds) if kind == ISOTONIC}
    return Calibration(tuple(kinds), np.array([PARAMETERS[kind] for kind in kinds]), curves)


def answers(write, scores):
    graph = Graph(("scores", "result"))
    graph.add_input("scores", np.float32, scores.shape[1:])
    result, dtype = write(graph, scores.ndim)
    graph.add_output("result", result, dtype, scores.shape[1:])
    return run(graph.content({}), {"scores": scores})["result"]


def rules_of(**rules):
    return policy(N, NAMES, (0.2, 0.5, 0.75, 0.5, 0.9), rules=Rules(**rules))


def assert_decides(one, ranks=(2, 4)):
    assert why_not(one) is None
    for rank in ranks:
        scores = SCORES[rank]
        got = answers(lambda graph, rank: (write_labels(graph, "scores", one, rank), bool), scores)
        expected = one.decide(scores.reshape(-1, N)).reshape(scores.shape)
        np.testing.assert_array_equal(got, expected)
        assert 0 < expected.mean() < 1


@pytest.mark.parametrize("rank", [2, 4])
@pytest.mark.parametrize("taxonomy", [(), TREE])
@pytest.mark.parametrize(
    "kinds",
    [*([kind] * N for kind in CALIBRATIONS[1:]), [TEMPERATURE, ISOTONIC, NONE, BETA, PLATT]],
    ids=lambda kinds: "+".join(dict.fromkeys(kinds)),
)
def test_calibration(kinds, taxonomy, rank):
    one = policy(N, NAMES, calibration=calibration(*kinds), taxonomy=taxonomy)
    levels = () if one.hierarchy is None else one.hierarchy.levels
    got = answers(
        lambda graph, rank: (write_calibration(graph, "scores", one.calibration, levels, rank), np.float32),
        SCORES[rank],
    )
    np.testing.assert_allclose(got, one.calibrate(SCORES[rank]), atol=2e-7)


@pytest.mark.parametrize("name", DECISIONS)
def test_every_decision(name):
    settings = {"top_k": {"k": 2}, "precision": {"min_precision": 0.6}, "recall": {"min_recall": 0.6}}
    settings |= {"cost": {"false_positive_cost": 1.0, "false_negative_cost": 2.0}, "fbeta_macro": {"beta": 2.0}}
    targets = Targets(SCORES[2] > GENERATOR.random(SCORES[2].shape))
    try:
        decision = build_decision(name, settings.get(name), LabelSpace(NAMES))
    except Exception as error:
        pytest.fail(f"this test needs settings for {name!r}: {error}")
    assert_decides(policy(N, NAMES, decision=decision.fit(SCORES[2], targets)))


@pytest.mark.parametrize(
    "rules",
    [
        {"implies": TREE},
        {"exclusive": (("a", "d"), ("b", "c", "e"))},
        {"exclusive": (("e", "a"),), "min_labels": 2},
        {"exclusive": (("a", "b"), ("c", "d")), "min_labels": 4, "max_labels": 4},
        {"min_labels": 1},
        {"min_labels": N},
        {"max_labels": 2},
        {"min_labels": 2, "max_labels": 2},
        {"max_labels": 9},
    ],
    ids=str,
)
def test_rules(rules):
    one = rules_of(**rules)
    if rules == {"min_labels": N}:
        scores = SCORES[2]
        got = answers(lambda graph, rank: (write_labels(graph, "scores", one, rank), bool), scores)
        assert got.all()
        assert one.decide(scores).all()
        return
    assert_decides(one)


def test_rules_of_the_highest():
    decision = TopK(3).fit(SCORES[2], Targets(SCORES[2] > 0.5))
    assert_decides(policy(N, NAMES, decision=decision, rules=Rules(exclusive=(("a", "b"),), max_labels=2)))


def test_taxonomy():
    assert_decides(policy(N, NAMES, (0.9, 0.5, 0.75, 0.5, 0.9), taxonomy=TREE))
    assert_decides(policy(N, NAMES, taxonomy=TREE, rules=Rules(implies=(("e", "a"),))))


def test_guarantee():
    values = np.array([0.2, 0.4, 0.6, 0.8, 0.5])
    for refused in ((), (1, 4)):
        promise = object.__new__(Guarantee)
        for name, value in {"thresholds": values, "refused": refused}.items():
            object.__setattr__(promise, name, value)
        assert_decides(policy(N, NAMES, guarantee=promise))


@pytest.mark.parametrize(
    ("one", "word"),
    [
        (rules_of(implies=TREE, exclusive=(("a", "e"),)), "exclusive"),
        (rules_of(implies=TREE, min_labels=1), "min_labels"),
        (policy(N, NAMES, taxonomy=TREE, rules=Rules(max_labels=2)), "max_labels"),
        (rules_of(exclusive=(("a", "e"), ("a", "b"))), "share labels"),
    ],
)
def test_what_takes_a_search_is_named(one, word):
    assert word in why_not(one)


def test_a_decision_that_is_more_than_thresholds_is_named():
    class Joint(Fixed):
        name = "joint"

        def apply(self, scores):
            return scores >= scores.mean(axis=1, keepdims=True)

    assert "'joint'" in why_not(policy(N, NAMES, decision=Joint()))
    assert why_not(policy(N, NAMES, decision=F1Samples())) is None
