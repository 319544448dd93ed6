"""A model of scores answers as any other: rows are scores."""

import numpy as np
import pytest

from manyhot import DecisionLayer
from tests.serving.conftest import Running

NAMES = ["sad", "quiet"]


@pytest.fixture(scope="module")
def layer():
    generator = np.random.default_rng(0)
    Y = generator.random((120, 2)) < [0.3, 0.5]
    return DecisionLayer(labels=NAMES).fit(0.5 * generator.random((120, 2)) + 0.4 * Y, Y)


@pytest.fixture(scope="module")
def service(layer, tmp_path_factory):
    path = tmp_path_factory.mktemp("scores") / "layer.manyhot"
    layer.save(path)
    running = Running([path]).wait()
    yield running
    running.stop()


def test_rows_by_name_and_as_lists_are_what_python_predicts(service, layer):
    scores = np.random.default_rng(1).random((5, 2)).round(4)
    expected = layer.predict_proba(scores)
    for rows in (scores.tolist(), [dict(zip(NAMES, row, strict=True)) for row in scores.tolist()]):
        answer = service.predict({"rows": rows})
        assert answer.status == 200, answer.content
        found = [[row["probabilities"][name] for name in NAMES] for row in answer.document["predictions"]]
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert [set(row["labels"]) for row in answer.document["predictions"]] == list(layer.predict_labels(scores))


def test_a_table_of_scores_is_taken_too(service, layer):
    answer = service.ask(
        "POST", "/predict", b"sad,quiet\n0.9,0.1\n0.2,0.8\n", content_type="text/csv", accept="text/csv"
    )
    assert answer.status == 200, answer.content
    assert answer.content.decode().splitlines()[0].split(",")[-2:] == ["p_sad", "p_quiet"]


def test_what_is_no_score_is_refused_with_its_place(service):
    refused = service.predict({"rows": [{"sad": 0.1, "quiet": 0.2}, {"sad": 0.1, "quiet": 3}]})
    assert refused.status == 422
    assert (refused.error["row"], refused.error["column"]) == (2, "quiet")
    assert service.predict({"rows": [{"sad": 0.1}]}).status == 422


def test_the_model_says_what_it_is_and_has_its_report(service):
    card = service.ask("GET", "/model").document
    assert (card["network"], card["can_explain"], card["has_report"]) == ("identity", False, True)
    assert card["example"] == {"sad": 0.5, "quiet": 0.5}
    report = service.ask("GET", "/report")
    assert report.status == 200
    assert b"Nothing was trained here" in report.content
