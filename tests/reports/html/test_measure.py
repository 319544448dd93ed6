"""The dict of a page: exact counts at every threshold, worst mistakes, labels together, curves, plain JSON."""

import base64
import json
import zlib
from dataclasses import replace

import numpy as np
import pytest

from manyhot.data.targets import Targets
from manyhot.evaluation.metrics import METRICS, compute_label_metrics
from manyhot.evaluation.metrics.registry import is_informative, main_metrics
from manyhot.reports.html import measure_page, without_bulk
from manyhot.reports.html.calibration import MIN_IN_BIN, describe_calibration
from manyhot.reports.html.co_occurrence import MAX_MATRIX_LABELS, co_occurrence
from manyhot.reports.html.columns import MAX_NAMED, describe_columns
from manyhot.reports.html.confusions import MAX_PAIR_ROWS, confused_labels
from manyhot.reports.html.measure import (
    GRID,
    MAX_MEMBERS,
    MAX_POINTS,
    STEPS,
    count_by_threshold,
    describe_at_k,
    describe_curves,
)
from manyhot.reports.html.row_contents import TEXT_LETTERS, contents
from manyhot.reports.html.worst_rows import (
    MAX_LABEL_ERRORS,
    MAX_PER_LABEL,
    N_WORST,
    N_WORST_PER_LABEL,
    n_worst_per_label,
    worst_errors,
)
from tests.reports.html.made_up import make_page_inputs


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_counts_at_a_threshold_are_those_of_a_decision(kind):
    made = make_page_inputs(n=400)
    scores = made.scores.astype(kind)
    scores[:200] = np.round(scores[:200], 3)  # on the grid, or a hair beside it
    counts = count_by_threshold(made.targets, scores)
    for place in (0, 1, 250, 300, 437, 500, 999, 1000):
        hits, n_predicted = counts[:, :, place:].sum(axis=2)
        expected = compute_label_metrics(
            made.space, made.targets, scores, scores.astype(np.float64) >= float(f"{place / 1000:.3f}")
        )
        np.testing.assert_array_equal(n_predicted, expected["predicted"])
        with_support = expected["support"] > 0
        np.testing.assert_array_equal(
            hits[with_support] / expected["support"][with_support], expected["recall"][with_support]
        )
    assert [float(f"{value:.3f}") for value in GRID] == GRID.tolist()


def test_a_score_counts_at_the_last_threshold_that_it_reaches():
    beside = np.nextafter(GRID[:-1], 2), np.nextafter(GRID[1:], -1)
    drawn = np.random.default_rng(0).random(50_000)
    for scores in (GRID, *beside, drawn, drawn.astype(np.float32)):
        counts = count_by_threshold(Targets(np.ones((len(scores), 1), dtype=bool)), scores[:, None])
        places = np.searchsorted(GRID, scores.astype(np.float64), side="right") - 1
        np.testing.assert_array_equal(counts[1, 0], np.bincount(places, minlength=STEPS + 1))


def test_a_page_is_plain_json_with_exact_counts_packed_beside():
    page = measure_page(make_page_inputs(curves=np.ones((2, 3, 2)), best_epoch=np.array([2, 3])))
    assert json.loads(json.dumps(page, allow_nan=False)) == page
    packed = np.frombuffer(zlib.decompress(base64.b64decode(page["counts"]["packed"])), "<u4").reshape(2, 4, STEPS + 1)
    made = make_page_inputs()
    np.testing.assert_array_equal(packed[0].sum(axis=1), made.targets.support())
    np.testing.assert_array_equal(packed[1].sum(axis=1), made.targets.n_known())
    assert page["thresholds"]["predicted"] == (made.decisions & made.targets.known).sum(axis=0).tolist()
    assert page["labels"]["f1"] == [row["f1"] for row in page["report"]["labels"]]
    assert page["labels"]["ece_low"][0] <= page["labels"]["ece"][0] <= page["labels"]["ece_high"][0]
    assert page["labels"]["f1_low"][3] is None
    assert measure_page(make_page_inputs())["metrics"] == page["metrics"]
    small = without_bulk(page)
    assert "counts" not in small
    assert small["labels"] == page["labels"]


def test_each_figure_has_words_an_interval_a_baseline_and_its_cover():
    page = measure_page(make_page_inputs())
    figures = {figure["name"]: figure for figure in page["metrics"]}
    report = page["report"]
    informative = {
        name for name in report["metrics"]["decision"] if is_informative(name, report["data"]["labels"], report["k"])
    }
    assert set(figures) == {*informative, "brier", "log_loss", "ece"}
    assert [name for name, figure in figures.items() if figure["is_main"]] == main_metrics(has_taxonomy=False)
    for name, figure in figures.items():
        assert figure["meaning"].endswith(".")
        assert figure["misleads"].endswith(".")
        assert figure["decision"]["low"] <= figure["decision"]["value"] <= figure["decision"]["high"], name
        assert figure["n_labels"] > 0
        # a constant prediction is calibrated, and that says nothing
        assert (figure["baseline"] is None) == (name == "ece")
    assert figures["f1_micro"]["fixed"]["value"] == page["report"]["metrics"]["fixed"]["f1_micro"]["value"]
    assert figures["map"]["fixed"] is None
    assert "already right nearly everywhere" in figures["element_accuracy"]["misleads"]


def test_suspicious_labels_come_with_how_many_are_expected_to_be_wrong():
    made = make_page_inputs(n=400)
    page = measure_page(made)
    suspicion = made.label_errors.suspicion
    assert page["rows"]["n_label_errors"] == len(suspicion)
    assert page["rows"]["expected_label_errors"] == pytest.approx(suspicion.sum())
    step = next(step for step in page["summary"]["next_steps"] if step["kind"] == "label_errors")
    assert step["expected"] == pytest.approx(suspicion.sum())
    assert step["expected"] < step["count"]


def test_all_suspicious_labels_are_kept_up_to_a_bound():
    few = measure_page(make_page_inputs(n=300, share_wrong=0.08))["rows"]
    assert few["n_label_errors"] == len(few["label_errors"]) > 40
    many = measure_page(make_page_inputs(n=1500, share_wrong=0.08))["rows"]
    assert many["n_label_errors"] > len(many["label_errors"]) == MAX_LABEL_ERRORS == 200
    suspicion = [entry["suspicion"] for entry in many["label_errors"]]
    assert suspicion == sorted(suspicion, reverse=True)
    assert {entry["row"] for entry in many["label_errors"]} <= {row["row"] for row in many["named"]}


def test_a_constant_prediction_of_each_label_stands_beside_its_f1():
    made = make_page_inputs()
    page = measure_page(made)
    everywhere = compute_label_metrics(made.space, made.targets, made.scores, np.ones_like(made.decisions))
    with_support = everywhere["support"] > 0
    constant = np.array(page["labels"]["constant_f1"])
    np.testing.assert_allclose(constant[with_support], everywhere["f1"][with_support])
    below = [j for j in np.flatnonzero(with_support) if page["labels"]["f1"][j] <= constant[j]]
    assert page["summary"]["below_constant"] == below
    decisions = np.asarray(made.decisions)
    assert page["predictions"]["labels_per_row"] == pytest.approx(decisions.sum(axis=1).mean())
    assert page["predictions"]["n_rows_without"] == int((decisions.sum(axis=1) == 0).sum())


def test_only_decisions_of_other_thresholds_are_called_cross_fitted():
    assert not measure_page(make_page_inputs())["thresholds"]["is_cross_fitted"]
    made = make_page_inputs()
    other = replace(made, deployed_decisions=made.scores >= 0.3)
    assert measure_page(other)["thresholds"]["is_cross_fitted"]


def test_the_calibration_of_all_labels_is_told_near_the_same_probability():
    page = measure_page(make_page_inputs(n=600))
    bins = page["calibration"]["bins"]
    assert bins == page["report"]["reliability"]
    nearest = min(bins, key=lambda one: abs(one["score"] - 0.8))
    assert page["calibration"]["example"] == nearest
    assert page["calibration"]["n_within"] == sum(one["low"] <= one["score"] <= one["high"] for one in bins)
    assert describe_calibration([])["example"] is None


def test_probabilities_are_taken_at_their_word_where_four_of_five_bins_hold_theirs():
    held = {"score": 0.8, "low": 0.7, "high": 0.9, "count": MIN_IN_BIN}
    missed = held | {"low": 0.5, "high": 0.6}
    assert describe_calibration([held] * 4 + [missed])["is_within"]
    assert not describe_calibration([held] * 3 + [missed])["is_within"]
    assert not describe_calibration([held] * 5)["has_few"]
    assert describe_calibration([held] * 4 + [held | {"count": MIN_IN_BIN - 1}])["has_few"]


def test_metrics_at_k_are_described_with_their_number():
    meaning = METRICS["precision_at_k"].meaning
    assert describe_at_k(meaning, 1) == "The share of rows whose highest-scoring label is present."
    assert "5 highest-scoring labels" in describe_at_k(meaning, 5)


def test_columns_are_counted_by_kind_and_those_left_out_stand_apart():
    found = describe_columns({"tempo": "numeric", "key": "id", "genre": "categorical", "url": "ignored"})
    assert found["used"] == [["tempo", "numeric"], ["genre", "categorical"]]
    assert found["left_out"] == [["key", "names the rows"], ["url", "not used"]]
    many = describe_columns({f"x{j}": "numeric" for j in range(1000)})
    assert (many["n_used"], len(many["used"]), many["kinds"]) == (1000, MAX_NAMED, [["numeric", 1000]])


def test_unknown_targets_are_no_mistakes_and_the_worst_come_first():
    made = make_page_inputs(n=600)
    found = worst_errors(made.targets, made.scores, made.decisions)
    known = made.targets.known
    wrongly, missed = made.decisions & ~made.targets.values & known, ~made.decisions & made.targets.values & known
    assert (found["n_false_positives"], found["n_false_negatives"]) == (wrongly.sum(), missed.sum())
    for kind, wrong, sign in (("false_positives", wrongly, -1), ("false_negatives", missed, 1)):
        best = np.sort(sign * made.scores[wrong].astype(float))[:N_WORST]
        assert [entry["score"] for entry in found[kind]] == pytest.approx(abs(best))
        assert all(wrong[entry["row"], entry["label"]] for entry in found[kind])
        assert found["label_counts"][kind] == wrong.sum(axis=0).tolist()
        for j, label in enumerate(found["labels"]):
            of_label = np.sort(sign * made.scores[wrong[:, j], j].astype(float))[: n_worst_per_label(4)]
            assert [score for _, score in label[kind]] == pytest.approx(abs(of_label))
    assert (n_worst_per_label(4), n_worst_per_label(983)) == (MAX_PER_LABEL, N_WORST_PER_LABEL)


def test_rows_of_one_mistake_kind_are_named_too():
    made = make_page_inputs()
    none_missed = Targets(made.targets.values & made.decisions, made.targets.known)
    page = measure_page(make_page_inputs())
    named = {row["row"] for row in page["rows"]["named"]}
    spoken = [entry["row"] for kind in ("false_positives", "false_negatives") for entry in page["rows"]["errors"][kind]]
    spoken += [entry["row"] for entry in page["rows"]["label_errors"]]
    spoken += [row for label in page["rows"]["errors"]["labels"] for kind in label.values() for row, _ in kind]
    spoken += page["rows"]["without_prediction"]
    assert named == set(spoken)
    assert worst_errors(none_missed, made.scores, made.decisions)["false_negatives"] == []


def test_labels_together_for_few_and_for_many():
    generator = np.random.default_rng(0)
    few = generator.random((300, 3)) < 0.3
    few[:, 1] |= few[:, 0]
    found = co_occurrence(Targets(few))
    order = found["matrix"]["labels"]
    assert sorted(order) == [0, 1, 2]
    assert abs(order.index(0) - order.index(1)) == 1  # side by side
    rows = np.array(found["matrix"]["rows"])
    for i, a in enumerate(order):
        for j, b in enumerate(order):
            assert rows[i, j] == (few[:, a] & few[:, b]).sum()
    assert [(pair["first"], pair["second"]) for pair in found["pairs"]] == [(0, 1)]  # the others are chance
    assert found["sizes"] == np.bincount(few.sum(axis=1)).tolist()
    many = generator.random((500, 400)) < 0.02
    many[:, 7] = many[:, 300] = generator.random(500) < 0.1
    found = co_occurrence(Targets(many, generator.random(many.shape) < 0.95))
    assert len(found["matrix"]["labels"]) == MAX_MATRIX_LABELS
    assert (found["pairs"][0]["first"], found["pairs"][0]["second"]) == (7, 300)
    assert co_occurrence(Targets(np.zeros((4, 2), dtype=bool)))["pairs"] == []


def test_confused_labels_are_those_missed_and_predicted_in_the_same_rows():
    generator = np.random.default_rng(1)
    values = np.zeros((200, 4), dtype=bool)
    values[:60, 0] = values[100:, 2] = True
    decisions = values.copy()
    decisions[:40, 0], decisions[:40, 1] = False, True  # label 1 instead of label 0
    decisions[[50, 150], 3] = True
    known = np.ones_like(values)
    known[:5, 1] = False
    scores = generator.random((200, 4))
    (found,) = confused_labels(Targets(values, known), scores, decisions)
    counted = sorted(range(5, 40), key=lambda row: scores[row, 0] - scores[row, 1])
    assert found["worst"] == counted[:MAX_PAIR_ROWS]
    assert (found["missed"], found["predicted"], found["rows"], found["n_missed"]) == (0, 1, 35, 40)
    assert found["expected"] == 40 * 35 / 200
    independent = [generator.random((300, 5)) < 0.3 for _ in range(2)]
    assert confused_labels(Targets(independent[0]), np.zeros((300, 5)), independent[1]) == []
    assert confused_labels(Targets(values), scores, values) == []


def test_a_row_has_each_of_its_labels_once():
    made = make_page_inputs()
    page = measure_page(made)
    for row in page["rows"]["named"]:
        values, predicted, known = (
            array[row["row"]] for array in (made.targets.values, made.decisions, made.targets.known)
        )
        assert row["correct"] == np.flatnonzero(values & predicted & known).tolist()
        assert {j for j, _ in row["false_positives"]} == set(np.flatnonzero(~values & predicted & known))
        assert {j for j, _ in row["false_negatives"]} == set(np.flatnonzero(values & ~predicted & known))
        assert row["predicted_unknown"] == np.flatnonzero(predicted & ~known).tolist()
        assert row["unknown"] == (~known).sum()
        scores = [score for _, score in row["false_positives"]]
        assert scores == sorted(scores, reverse=True)
        assert scores == pytest.approx([made.scores[row["row"], j] for j, _ in row["false_positives"]], rel=1e-5)


def test_long_curves_of_many_members_are_thinned_out():
    curves = np.full((MAX_MEMBERS + 5, 1000, 2), np.nan, dtype=np.float32)
    curves[:, :, 0] = np.linspace(1, 0.123456789, 1000)
    curves[1, 500:, 0] = np.nan
    found = describe_curves(curves, np.arange(MAX_MEMBERS + 5))
    assert (found["n_members"], found["n_shown"]) == (MAX_MEMBERS + 5, MAX_MEMBERS)
    assert len(found["epochs"]) == MAX_POINTS
    assert found["epochs"][0] == 1
    assert found["epochs"][-1] == 1000
    assert found["training"][0][-1] == 0.12346
    assert found["training"][1][-1] is None
    assert found["n_epochs"][:2] == [1000, 500]
    assert found["validation"] == []


def test_rows_are_shown_as_texts_images_or_cells():
    import polars as pl

    texts = {"message": pl.Series(["short", "x" * 1000, None])}
    images = [np.zeros((4, 6, 3), dtype=np.uint8), None]
    found = contents([1, 0], texts, images, pl.DataFrame({"price": [1.23456, 2.0, 3.0]}))
    assert found[0] == {"text": "short"}
    assert len(found[1]["text"]) == TEXT_LETTERS
    assert base64.b64decode(found[1]["image"])[:3] == b"\xff\xd8\xff"
    assert contents([2], {}, [], pl.DataFrame({"price": [1.23456, 2.0, None]})) == {2: {"cells": [["price", ""]]}}
    assert contents([0], {}, [], pl.DataFrame({"price": [1.23456]})) == {0: {"cells": [["price", "1.235"]]}}
