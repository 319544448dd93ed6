import json
import math

import numpy as np
import pytest
from rich.cells import cell_len

from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.evaluation.metrics import METRICS, compute_label_metrics, compute_metrics, metric_names
from manyhot.evaluation.metrics.registry import MAIN_METRICS, choose_k
from manyhot.evaluation.report import Report, ReportContext, measure_report, to_text
from manyhot.evaluation.report.remarks import gains_little
from manyhot.evaluation.report.text import percent


def made_up(n=300, n_labels=40, shift=0.0, density=0.1):
    rng = np.random.default_rng(0)
    values = rng.random((n, n_labels)) < density
    values[:, 1], values[:, 2] = False, True
    values[:, 3] = np.arange(n) < 4
    scores = 1 / (1 + np.exp(-(rng.normal(size=values.shape) + 3 * values - 1.5 + shift)))
    space = LabelSpace(tuple(f"label {j}" for j in range(n_labels)))
    return space, values, scores


def report_of(space, targets, scores, thresholds=None, **facts):
    limits = np.full(len(space), 0.4) if thresholds is None else thresholds
    return measure_report(space, targets, scores, scores >= limits, scores >= 0.5, limits, ReportContext(**facts))


def codes(report):
    return {finding["code"]: finding for finding in report["checks"]}


def assert_plain(value):
    if isinstance(value, dict):
        assert all(type(key) is str for key in value)
        for inner in value.values():
            assert_plain(inner)
    elif isinstance(value, list):
        for inner in value:
            assert_plain(inner)
    else:
        assert value is None or type(value) in (str, int, float, bool), type(value)
        assert not isinstance(value, float) or math.isfinite(value)


@pytest.mark.parametrize("share_known", [1.0, 0.7, 0.0])
def test_a_report_is_plain_values_and_renders_the_same_after_json(share_known):
    space, values, scores = made_up()
    targets = Targets(values, np.random.default_rng(1).random(values.shape) < share_known)
    report = report_of(
        space,
        targets,
        scores,
        notes=["a note"],
        config={"hidden_layer_sizes": (256, 256)},
        training={"epochs": np.array([3, 4])},
    )
    assert_plain(report)
    again = json.loads(json.dumps(report, allow_nan=False))
    assert again == report
    assert to_text(again) == to_text(report) == str(Report(report))
    assert Report(report).to_dict() == report
    assert report["config"] == {"hidden_layer_sizes": [256, 256]}
    assert report["training"] == {"epochs": [3, 4]}


def test_the_measures_are_those_of_metrics_at_both_thresholds():
    space, values, scores = made_up()
    targets = Targets(values, np.random.default_rng(1).random(values.shape) < 0.8)
    limits = np.linspace(0.2, 0.7, len(space))
    report = measure_report(space, targets, scores, scores >= limits, scores >= 0.5, limits, k=3)
    assert list(report["metrics"]) == ["decision", "fixed"]
    for part, decisions in (("decision", scores >= limits), ("fixed", scores >= 0.5)):
        assert list(report["metrics"][part]) == metric_names(has_taxonomy=False)
        for name, score in compute_metrics(targets, scores, decisions, k=3).items():
            assert Report(report).metrics[part][name] == {
                "value": score.value,
                "n_labels": score.n_labels,
                "n_samples": score.n_samples,
                "baseline": score.baseline,
            }
    columns = compute_label_metrics(space, targets, scores, scores >= limits, limits)
    for j, row in enumerate(report["labels"]):
        assert list(row) == list(columns)
        for name, value in row.items():
            expected = columns[name][j]
            assert (value is None and np.isnan(expected)) or value == expected


def test_the_data_are_described():
    space = LabelSpace(("a", "b", "c"))
    values = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]], dtype=bool)
    known = np.ones(values.shape, dtype=bool)
    known[4], known[3, 1] = False, False
    scores = np.full(values.shape, 0.5)
    data = report_of(space, Targets(values, known), scores, n_rows=7)["data"]
    assert data == {
        "rows": 5,
        "rows_total": 7,
        "labels": 3,
        "support": {"total": 5, "min": 0, "median": 2.0, "max": 3},
        "cardinality": 1.0,
        "density": 5 / 11,
        "label_sets": {
            "rows": 3,
            "distinct": 2,
            "once": 1,
            "most_common": [{"labels": ["a", "b"], "rows": 2}, {"labels": [], "rows": 1}],
        },
        "rows_without_labels": 1,
        "unknown_share": pytest.approx(4 / 15),
        "constant_labels": ["c"],
        "absent_labels": ["c"],
    }


@pytest.mark.parametrize("n_labels", [1, 7, 64, 65, 300])
def test_label_sets_are_counted_for_any_number_of_labels(n_labels):
    values = np.random.default_rng(0).random((80, n_labels)) < 1.5 / n_labels
    values[-1] = values[0]
    space = LabelSpace(tuple(f"label {j}" for j in range(n_labels)))
    sets = report_of(space, Targets(values), np.full(values.shape, 0.5))["data"]["label_sets"]
    found = {}
    for row in values:
        found[row.tobytes()] = found.get(row.tobytes(), 0) + 1
    assert (sets["distinct"], sets["once"]) == (len(found), sum(count == 1 for count in found.values()))
    assert [one["rows"] for one in sets["most_common"]] == sorted(found.values(), reverse=True)[:5]
    for one in sets["most_common"]:
        wanted = np.isin(space.names, one["labels"])
        assert (values == wanted).all(axis=1).sum() == one["rows"]


def test_it_says_where_scores_come_from_and_how_that_biases_them():
    space, values, scores = made_up()
    report = report_of(
        space,
        Targets(values),
        scores,
        scores_from="out_of_fold",
        n_members=16,
        n_folds=8,
        members_per_score=2,
        is_tuned_here=True,
    )
    assert report["scores"]["from"] == "out_of_fold"
    assert report["scores"]["n_members"] == 16
    told = " ".join(report["scores"]["remarks"])
    assert "Each row is scored by 2 of the 16 networks" in told
    assert "pessimistic" in told
    assert "optimistic" in told
    assert "pessimistic" in str(Report(report))
    plain = " ".join(report_of(space, Targets(values), scores)["scores"]["remarks"])
    assert "pessimistic" not in plain
    assert "optimistic" not in plain
    assert "far too good" in str(Report(report_of(space, Targets(values), scores, scores_from="training")))


def test_a_silent_model_that_ranks_well_is_diagnosed():
    space, values, scores = made_up(shift=-6.0)
    report = report_of(space, Targets(values), scores, thresholds=np.full(len(space), 0.01))
    assert report["metrics"]["fixed"]["roc_auc_macro"]["value"] > 0.9
    assert report["metrics"]["decision"]["f1_macro"]["value"] > 0.5
    assert "Good ranking, wrong threshold" in codes(report)["threshold_wrong"]["text"]
    assert codes(report)["threshold_wrong"]["labels"] == []
    assert "threshold_wrong" not in codes(report_of(*made_up_targets()))


def made_up_targets(**settings):
    space, values, scores = made_up(**settings)
    return space, Targets(values), scores


def test_a_single_silent_label_is_named():
    space, targets, scores = made_up_targets()
    scores[:, 5] /= 10
    finding = codes(report_of(space, targets, scores))["threshold_wrong"]
    assert finding["labels"] == ["label 5"]


def test_constant_rare_and_flattered_are_told():
    found = codes(report_of(*made_up_targets(density=0.02), constant_labels=["label 9"]))
    assert found["constant_labels"]["labels"][:3] == ["label 1", "label 2", "label 9"]
    assert "label 3" in found["little_support"]["labels"]
    assert "label 1" not in found["little_support"]["labels"]
    assert "flatters" in found["accuracy_flatters"]["text"]
    assert "accuracy_flatters" not in codes(report_of(*made_up_targets(density=0.4)))
    assert "no_better_than_baseline" not in found


def test_scores_that_are_noise_are_told():
    space, targets, scores = made_up_targets(density=0.3)
    noise = np.random.default_rng(2).random(scores.shape)
    assert "no_better_than_baseline" in codes(report_of(space, targets, noise))


def test_text_fits_the_terminal_and_does_not_obey_names():
    _, values, scores = made_up()
    names = [f"l{j}" for j in range(40)]
    names[2] = "日本語のとても長いラベルの名前がここにあります"
    names[5] = "x" * 150
    names[6] = "bell\x07 and \x1b[31mred\nline"
    report = report_of(
        LabelSpace(tuple(names)), Targets(values), scores, notes=["y" * 250, "two\nlines"], constant_labels=names[:7]
    )
    text = to_text(report, labels_shown=40, all_metrics=True)
    lines = text.splitlines()
    assert max(map(cell_len, lines)) <= 100
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    for name in metric_names(has_taxonomy=False):
        assert sum(line.startswith(name.replace("_at_k", "_at_5") + " ") for line in lines) == 1, name
    assert "- two lines" in lines
    assert "".join(text.split()).count("y" * 250) == 1


def test_the_label_table_shows_the_best_supported_and_says_how_many_more():
    space, targets, scores = made_up_targets()
    text = to_text(report_of(space, targets, scores))
    assert "... and 10 more labels, each with " in text
    shown = [line.split("  ")[0] for line in text.splitlines() if line.startswith("label ")][1:]
    support = targets.support()
    assert len(shown) == 30
    assert shown[0] == "label 2"
    assert min(support[space.index(name)] for name in shown) >= max(
        support[space.index(name)] for name in set(space.names) - set(shown)
    )
    assert "... and 1 more label, each" in to_text(report_of(space, targets, scores), labels_shown=39)
    assert "more label" not in to_text(report_of(space, targets, scores), labels_shown=40)


def test_numbers_stand_beside_their_baseline_and_cover():
    space, targets, scores = made_up_targets()
    report = report_of(space, targets, scores)
    line = next(line for line in to_text(report).splitlines() if line.startswith("f1_macro "))
    own, half = report["metrics"]["decision"]["f1_macro"], report["metrics"]["fixed"]["f1_macro"]
    assert line.split() == [
        "f1_macro",
        "higher",
        f"{own['value']:.3f}",
        f"{half['value']:.3f}",
        {"decision": "better", "fixed": "worse"}[report["comparison"]["f1_macro"]["better"]],
        f"{own['baseline']:.3f}",
    ]
    full = next(line for line in Report(report).to_text(all_metrics=True).splitlines() if line.startswith("f1_macro "))
    assert full.split() == [*line.split(), "39", "300"]


def test_six_metrics_are_shown_first_and_the_others_on_request():
    report = report_of(*made_up_targets())
    brief, full = (to_text(report, all_metrics=is_full) for is_full in (False, True))
    named = [name for name in METRICS if any(line.startswith(f"{name} ") for line in brief.splitlines())]
    assert tuple(named) == MAIN_METRICS
    assert "13 more metrics with --all" in brief
    assert "baseline: a constant prediction" in brief
    assert "more metrics" not in full


def test_metrics_that_say_nothing_are_left_out():
    rng = np.random.default_rng(0)
    for n_labels, missing in ((4, ["precision_at_5"]), (1, ["precision_at_5", "lrap", "one_error", "ndcg_at_5"])):
        targets = Targets(rng.random((50, n_labels)) < 0.5)
        space = LabelSpace(tuple(f"l{j}" for j in range(n_labels)))
        text = to_text(report_of(space, targets, rng.random((50, n_labels))), all_metrics=True)
        assert not [name for name in missing if f"\n{name} " in text]
        assert "\nroc_auc_macro " in text
    assert "\nprecision_at_5 " in to_text(report_of(*made_up_targets()), all_metrics=True)


def test_k_is_the_largest_that_rows_have_labels_for():
    rng = np.random.default_rng(0)
    for n_labels, density, k in ((40, 0.2, 5), (40, 0.08, 3), (40, 0.03, 1), (6, 0.23, 1), (3, 1.0, 1), (1, 0.5, 1)):
        targets = Targets(rng.random((400, n_labels)) < density)
        assert choose_k(targets) == k, (n_labels, density)
    assert choose_k(Targets(np.zeros((3, 9), dtype=bool))) == 1
    values = rng.random((200, 6)) < 0.23
    text = to_text(report_of(LabelSpace(tuple("abcdef")), Targets(values), rng.random(values.shape)), all_metrics=True)
    assert "\nprecision_at_1 " in text
    assert "ndcg_at_1" not in text  # the same figure


def test_a_label_no_better_than_predicting_it_everywhere_is_named():
    space, targets, scores = made_up_targets(density=0.3)
    limits = np.full(len(space), 0.4)
    limits[7] = 1.0  # never predicted
    finding = codes(report_of(space, targets, scores, limits))["label_no_better_than_constant"]
    assert finding["labels"] == ["label 7"]
    assert finding["text"].startswith("1 of 40 labels has an F1 no better than")
    assert "label_no_better_than_constant" not in codes(report_of(space, targets, scores))


def test_cross_fitted_figures_of_labels_are_said_to_be():
    tuned = {"decision": "auto", "meaning": "Decision: auto.", "guarantee": None, "calibration": {}, "rules": {}}
    out_of_fold = {"scores_from": "out_of_fold", "n_members": 4, "n_folds": 4}
    for decision, facts, is_said in (
        ("auto", out_of_fold, True),
        ("fixed", out_of_fold, False),
        ("auto", {**out_of_fold, "is_tuned_here": True}, False),
        ("auto", {}, False),
    ):
        report = report_of(*made_up_targets(), decision_info={**tuned, "decision": decision}, **facts)
        assert ("are cross-fitted" in to_text(report)) == is_said, (decision, facts)
    half = report_of(*made_up_targets(), np.full(40, 0.5), decision_info={**tuned, "decision": "auto"}, **out_of_fold)
    assert "are cross-fitted" not in to_text(half)


def test_numbers_agree_with_their_nouns():
    targets = Targets(np.array([[True], [False]]))
    report = report_of(LabelSpace(("a",)), targets, np.array([[0.9], [0.1]]), n_members=1, n_folds=2)
    headline = " ".join(to_text(report).split())
    assert "2 rows, 1 label; " in headline
    assert "1 row without labels; 1 network, 2 folds." in headline


@pytest.mark.parametrize(("n", "n_labels"), [(0, 2), (1, 1), (3, 1)])
def test_next_to_nothing_is_still_a_report(n, n_labels):
    nothing = np.zeros((n, n_labels), dtype=bool)
    report = report_of(LabelSpace(("a", "b")[:n_labels]), Targets(nothing), np.full((n, n_labels), 0.2))
    assert_plain(report)
    assert report["metrics"]["decision"]["map"]["value"] is None
    assert "map" in to_text(report)


def test_decisions_without_thresholds():
    space, targets, scores = made_up_targets()
    report = measure_report(space, targets, scores, scores >= 0.3, scores >= 0.5)
    assert all(row["threshold"] is None for row in report["labels"])
    assert_plain(report)
    assert to_text(report)


def test_what_is_wrong_is_refused():
    space, targets, scores = made_up_targets()
    with pytest.raises(InputError, match="did you mean 'out_of_fold'"):
        ReportContext(scores_from="out_of_folds")
    with pytest.raises(InputError, match="there is no label 'label x'"):
        report_of(space, targets, scores, constant_labels=["label x"])
    with pytest.raises(InputError, match="facts"):
        report_of(space, targets, scores, config={"network": object()})
    with pytest.raises(InputError, match="decisions"):
        measure_report(space, targets, scores, scores, scores >= 0.5)


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0%"), (0.001, "1%"), (0.5, "50%"), (0.996, "99%"), (0.9999, "99%"), (1, "100%")]
)
def test_all_and_none_are_said_only_of_all_and_none(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(
    ("value", "baseline", "is_little"),
    [
        (0.4, 0.45, True),
        (0.47, 0.45, True),
        (0.52, 0.45, False),
        (0.064, 0.019, False),
        (0.02, 0.019, True),
        (1, 1, False),
    ],
)
def test_a_gain_is_little_by_the_gap_and_by_the_baseline(value, baseline, is_little):
    assert gains_little(value, baseline) == is_little
