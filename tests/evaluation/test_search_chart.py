"""The chart of a search."""

import pytest

from manyhot.evaluation.search_chart import plot_search

TRIALS = [
    {"number": k, "params": {"learning_rate": 10.0**-k, "dropout": [1, 2]}, "value": value}
    for k, value in enumerate([0.4, None, 0.6, 0.5])
]
VALUES = {
    "metric": "map",
    "better": "higher",
    "best_trial": 3,
    "trials": TRIALS,
    "importances": {"learning_rate": 0.75, "dropout": 0.25},
    "space": {"learning_rate": {"low": 1e-4, "high": 1.0, "log": True}, "dropout": [[1, 2], [3]]},
}


def texts(chart) -> str:
    return chart.to_svg()


def test_the_best_so_far_and_what_mattered():
    pytest.importorskip("vl_convert")
    chart = plot_search(VALUES)
    document = chart.to_dict()
    rows = best_rows(document)
    assert [row["best"] for row in rows] == [0.4, 0.6, 0.6, 0.6]
    assert [row["trial"] for row in rows] == [0, 2, 3, 3]
    assert "Search over 4 trials" in texts(chart)
    assert "75%" in texts(chart)
    assert [
        row["score"] for row in next(rows for rows in _datasets(document) if len(rows) == 1 and rows[0]["trial"])
    ] == [0.5]


def test_lower_is_better():
    lower = {**VALUES, "metric": "ranking_loss", "better": "lower", "importances": {}}
    rows = best_rows(plot_search(lower).to_dict())
    assert [row["best"] for row in rows] == [0.4, 0.4, 0.4, 0.4]


def test_without_a_score_there_is_still_a_chart():
    nothing = {**VALUES, "trials": [{**trial, "value": None} for trial in TRIALS], "importances": {}}
    assert "Search over 4 trials" in texts(plot_search(nothing))


def best_rows(document):
    """The rows of the line."""
    return max((rows for rows in _datasets(document) if any("best" in row for row in rows)), key=len)


def _datasets(document):
    """Every list of rows in a specification."""
    if isinstance(document, dict):
        data = document.get("data")
        if isinstance(data, dict) and "values" in data:
            yield data["values"]
        for value in document.values():
            yield from _datasets(value)
    elif isinstance(document, list):
        for value in document:
            yield from _datasets(value)
