"""What a person does with a page, in a browser: it opens without a network, and its numbers are Python's."""

import json
import math
import subprocess
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from manyhot import load
from manyhot.cli import main
from manyhot.decisions.policy import cross_fitted_scores
from manyhot.evaluation.metrics import compute_label_metrics, compute_metrics
from manyhot.evaluation.report import measure_report
from manyhot.reports.html import measure_page
from manyhot.reports.model_page import out_of_fold_page, write_page
from tests.fixtures.browser import grave_faults, watched
from tests.reports.html.conftest import NAMES
from tests.reports.html.made_up import make_page_inputs

pytestmark = pytest.mark.slow
HARMLESS = ("file:", "data:", "blob:")


@contextmanager
def opened(browser, html, width=1440, scheme="light", **more):
    """The page, which must say nothing to the console and ask no other host for anything."""
    with watched(browser, lambda url: url.startswith(HARMLESS), width, scheme, **more) as (page, _):
        page.goto(html.as_uri())
        page.wait_for_selector("html[data-ready]")
        yield page


@pytest.fixture(scope="module")
def page(browser, made):
    with opened(browser, made.html, accept_downloads=True) as found:
        yield found


@pytest.fixture(autouse=True)
def at_first(request):
    if "page" in request.fixturenames:
        found = request.getfixturevalue("page")
        found.reload()
        found.wait_for_selector("html[data-ready]")


def choose(page, label):
    page.locator(f'tr[data-label="{NAMES.index(label)}"] button').click()


def shown(page, name):
    value = page.locator(f"#out-{name} data").get_attribute("value")
    return float(value) if value else math.nan


def column(page, key, is_number=True):
    cells = page.locator(f"table.labels td.{key} data").evaluate_all("all => all.map((one) => one.value)")
    return [float(cell) if cell else math.nan for cell in cells] if is_number else cells


def honest(made):
    model = made.classifier.model_
    return cross_fitted_scores(model.config, model.labels, model.evidence.unique_scores())


def at(made, threshold):
    """Python's own figures of every label at a threshold."""
    scores, space = honest(made), made.classifier.model_.labels
    return compute_label_metrics(space, made.targets, scores, scores.astype(np.float64) >= threshold)


def assert_same(page, made, label, threshold):
    j, expected = NAMES.index(label), at(made, threshold)
    assert page.locator("#threshold").input_value() == f"{threshold:.3f}".rstrip("0").rstrip(".") or float(
        page.locator("#threshold").input_value()
    ) == pytest.approx(threshold, abs=0.0005)
    for name in ("precision", "recall", "f1"):
        np.testing.assert_array_equal(shown(page, name), expected[name][j], err_msg=f"{name} at {threshold}")
        text = page.locator(f"#out-{name}").inner_text()
        assert text == ("–" if np.isnan(expected[name][j]) else f"{expected[name][j]:.3f}")
    assert shown(page, "predicted") == expected["predicted"][j]


def words_of(command):
    """What a shell hands to `manyhot`."""
    script = "manyhot() { printf '%s\\0' \"$@\"; }\n" + command
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout.decode().split("\0")[:-1]


def test_names_are_shown_as_text_and_nothing_of_them_runs(page):
    names = page.locator("button.choose").all_inner_texts()
    assert sorted(names) == sorted(NAMES)
    assert page.locator("img[onerror], section b > b").count() == 0
    assert page.locator("button.choose bdi").count() == len(NAMES)
    for label in NAMES:
        choose(page, label)
        assert page.locator("#label-name").inner_text() == label


def test_a_slider_moved_by_keyboard_shows_what_python_says_of_that_threshold(page, made):
    for label in (NAMES[0], NAMES[3]):
        choose(page, label)
        slider = page.get_by_label("Threshold", exact=True)
        slider.focus()
        before = float(slider.input_value())
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        moved = float(slider.input_value())
        assert moved == pytest.approx(before + 0.003, abs=1e-9)
        assert_same(page, made, label, moved)
        for key, expected in (("Home", 0.0), ("End", 1.0), ("PageDown", 0.9)):
            page.keyboard.press(key)
            assert float(slider.input_value()) == pytest.approx(expected)
            assert_same(page, made, label, round(expected, 3))


def test_every_threshold_of_the_field_is_exact(page, made):
    choose(page, NAMES[1])
    field = page.get_by_label("Threshold, as a number", exact=True)
    for threshold in (0.111, 0.25, 0.3, 0.5, 0.617):
        field.fill(str(threshold))
        field.press("Enter")
        assert_same(page, made, NAMES[1], threshold)
    page.locator("#reset").click()
    own = made.classifier.thresholds_[NAMES[1]]
    assert float(page.locator("#out-f1 data").get_attribute("value")) == at(made, own)["f1"][1]


def test_one_threshold_for_all_labels(page, made):
    page.locator("#threshold-all-number").fill("0.4")
    page.locator("#threshold-all-number").press("Enter")
    scores = honest(made)
    expected = compute_metrics(made.targets, None, scores.astype(np.float64) >= 0.4)
    assert shown(page, "all-f1") == pytest.approx(expected["f1_micro"].value, rel=1e-12)
    assert shown(page, "all-macro") == pytest.approx(expected["f1_macro"].value, rel=1e-12)
    assert shown(page, "all-predicted") == at(made, 0.4)["predicted"].sum()
    page.wait_for_function("() => document.querySelectorAll('tr.moved').length === 5")
    assert set(column(page, "threshold")) == {0.4}
    page.locator("#reset-all").click()
    page.wait_for_function("() => document.querySelectorAll('tr.moved').length === 0")
    assert page.locator("#command").inner_text() == ""


def grid_figures(made, label):
    """Python's precision, recall and F1 of a label at each threshold of the slider."""
    scores, targets = honest(made)[:, [NAMES.index(label)]].astype(np.float64), made.targets
    known = targets.known_mask()[:, [NAMES.index(label)]]
    values = targets.values[:, [NAMES.index(label)]] & known
    predicted = (scores >= np.arange(1001) / 1000) & known
    hits, n_predicted = (predicted & values).sum(axis=0), predicted.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return hits / n_predicted, hits / values.sum(), 2 * hits / (n_predicted + values.sum())


def test_presets_of_a_label_reach_what_they_name_with_the_best_of_the_rest(page, made):
    label = NAMES[0]
    precision, recall, f1 = grid_figures(made, label)
    choose(page, label)
    page.locator("#preset-f1").click()
    assert shown(page, "f1") == np.nanmax(f1)
    page.locator("#preset-precision-bound").fill("0.8")
    page.locator("#preset-precision").click()
    assert shown(page, "precision") >= 0.8
    assert shown(page, "recall") == recall[precision >= 0.8].max()
    page.locator("#preset-recall-bound").fill("0.95")
    page.locator("#preset-recall").click()
    assert shown(page, "recall") >= 0.95
    assert shown(page, "precision") == np.nanmax(precision[recall >= 0.95])
    assert_same(page, made, label, float(page.locator("#threshold").input_value()))
    page.locator("#reset").click()
    choose(page, "never")
    page.locator("#preset-precision-bound").fill("1.0")
    page.locator("#preset-precision").click()
    reached = np.nan_to_num(grid_figures(made, "never")[0]).max() == 1
    assert ("No threshold reaches" in page.locator("#preset-said").inner_text()) != reached
    page.locator("#preset-recall-bound").fill("2")
    page.locator("#preset-recall").click()
    assert "from 0 to 1" in page.locator("#preset-said").inner_text()


def test_a_preset_for_all_labels_gives_each_its_own_threshold(page, made):
    saved = shown(page, "all-macro")
    page.locator("#preset-all-recall-bound").fill("0.9")
    page.locator("#preset-all-recall").click()
    page.wait_for_function("() => document.querySelectorAll('tr.moved').length === 5")
    assert all(value >= 0.9 for value in column(page, "recall"))
    assert len(set(column(page, "threshold"))) > 1
    assert f"saved {saved:.3f}" in page.locator("#out-all-macro").inner_text()
    page.locator("#reset-all").click()  # a label that the next preset leaves alone keeps what it has
    page.locator("#preset-all-f1").click()
    labels, summary = made.page["labels"], made.page["summary"]
    reached = []
    for j, label in enumerate(NAMES):
        best = np.nanmax(grid_figures(made, label)[2])
        if j in summary["unranked"] or best <= labels["constant_f1"][j]:  # a trap: it predicts nearly every row
            own = made.classifier.thresholds_[label]
            best = at(made, own)["f1"][j]
        reached.append(best)
    assert shown(page, "all-macro") == pytest.approx(np.mean(reached), rel=1e-12)
    assert shown(page, "all-macro") >= saved


def test_the_best_f1_of_a_label_that_is_not_ranked_is_not_taken(browser, tmp_path):
    made = make_page_inputs(("a", "b", "noise", "never"), n=400, share_known=1)
    made.scores[:, 2] = np.random.default_rng(3).random(400) * 0.4
    made.targets.values[:, 2] = np.random.default_rng(4).random(400) < 0.2
    report = measure_report(made.space, made.targets, made.scores, made.decisions, made.scores >= 0.5, made.thresholds)
    made = replace(made, report=report, label_errors=None)
    page_values = measure_page(made)
    assert page_values["summary"]["unranked"] == [2]
    write_page(page_values, tmp_path / "report.html")
    with opened(browser, tmp_path / "report.html") as page:
        page.locator("#preset-all-f1").click()
        page.wait_for_function("() => document.querySelectorAll('tr.moved').length >= 2")
        assert page.locator('tr[data-label="2"] td.threshold data').get_attribute("value") == "0.437"
        assert "no F1 better than predicting the label for every row" in page.locator("#preset-all-said").inner_text()
        page.locator('tr[data-label="2"] button').click()
        page.locator("#preset-f1").click()
        assert page.locator("#threshold").input_value() == "0.437"
        assert "predicting the label for every row" in page.locator("#preset-said").inner_text()
        assert "ranked no better than by chance" in page.locator("#label").inner_text()


def test_the_table_and_the_panel_say_the_same_and_cross_fitted_figures_are_tagged(page, made):
    assert made.page["thresholds"]["is_cross_fitted"]
    for j, label in enumerate(NAMES):
        choose(page, label)
        line = page.locator(f'tr[data-label="{j}"]')
        for name in ("precision", "recall", "f1"):
            value = line.locator(f"td.{name} data").get_attribute("value")
            np.testing.assert_equal(float(value) if value else math.nan, shown(page, name))
        fitted = line.locator("td.fitted_f1 data").get_attribute("value")
        np.testing.assert_equal(float(fitted) if fitted else None, made.page["labels"]["f1"][j])
    assert "cross-fitted" in page.locator("table.labels thead").inner_text()
    assert "tuned on these same rows" in page.locator("#label .basis").inner_text()
    assert (
        f"{made.page['report']['metrics']['decision']['f1_macro']['value']:.3f}"
        in page.locator("#all-labels .basis").inner_text()
    )


def test_words_beside_figures_follow_the_thresholds(page):
    choose(page, NAMES[0])
    page.locator("#preset-precision-bound").fill("0")
    page.locator("#preset-precision").click()
    page.locator("#threshold-number").fill("0.98")
    page.locator("#threshold-number").press("Tab")
    assert "tuned on these same rows" not in page.locator("#label .basis").inner_text()
    assert "Chosen on these rows" in page.locator("#label .basis").inner_text()
    page.locator("#reset").click()
    assert "tuned on these same rows" in page.locator("#label .basis").inner_text()
    assert page.locator("#preset-said").inner_text() == ""
    page.locator("#preset-all-precision-bound").fill("1")
    page.locator("#preset-all-precision").click()
    assert "expect these on new rows" not in page.locator("#all-labels .basis").inner_text()
    page.locator("#reset-all").click()
    assert page.locator("#preset-all-said").inner_text() == ""
    assert "expect these on new rows" in page.locator("#all-labels .basis").inner_text()


NEXT_PICTURE = "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
"""Waits for the table, which follows thresholds of all labels when the screen shows its next picture."""


@pytest.mark.parametrize("bound", ["0", "0.5", "0.9", "1"])
def test_a_precision_of_few_rows_is_told(page, made, bound):
    for label in NAMES:
        choose(page, label)
        page.locator("#preset-precision-bound").fill(bound)
        page.locator("#preset-precision").click()
        said = page.locator("#preset-said").inner_text()
        if "No threshold reaches" not in said:
            assert ("too few to be sure" in said) == (shown(page, "predicted") < 20)
    page.locator("#reset-all").click()
    page.locator("#preset-all-precision-bound").fill(bound)
    page.locator("#preset-all-precision").click()
    page.evaluate(NEXT_PICTURE)
    few = []
    for j in page.locator("tr.moved").evaluate_all("all => all.map((one) => Number(one.dataset.label))"):
        threshold = float(page.locator(f'tr[data-label="{j}"] td.threshold data').get_attribute("value"))
        few.append(at(made, threshold)["predicted"][j] < 20)
    assert ("fewer than 20 rows predicted" in page.locator("#preset-all-said").inner_text()) == any(few)


def test_errors_of_one_label_are_chosen_counted_and_reached_from_its_panel(page, made):
    label = NAMES[1]
    counts = made.page["rows"]["errors"]["label_counts"]
    choose(page, label)
    page.locator(".more-errors").click()
    assert page.locator("#error-label").input_value() == "1"
    for kind in ("false_positives", "false_negatives"):
        page.locator(f"#errors-{kind}").check()
        rows = page.locator("#error-rows > li").evaluate_all("all => all.map((one) => Number(one.dataset.row))")
        kept = [row for row, _ in made.page["rows"]["errors"]["labels"][1][kind]]
        assert set(rows) <= set(kept)
        assert kind.replace("_", " ") in page.locator("#error-count").inner_text()
        assert str(counts[kind][1]) in page.locator("#error-count").inner_text()
    heads = " ".join(page.locator("#label h4").all_inner_texts())
    assert f"4 of {counts['false_positives'][1]}" in heads or counts["false_positives"][1] <= 4
    assert "from 1; the header of the file is not counted" in page.locator("#errors").inner_text()


def test_the_section_that_was_asked_for_is_marked(page):
    for name in ("details", "training", "summary", "data"):
        page.locator(f'nav a[href="#{name}"]').click()
        page.wait_for_function(
            "(id) => document.querySelector(`nav a[href='#${id}']`).hasAttribute('aria-current')", arg=name
        )
        page.wait_for_timeout(200)
        assert page.locator("nav a[aria-current]").evaluate_all("all => all.map((one) => one.hash)") == [f"#{name}"]


def test_charts_tell_their_values_to_a_pointer_and_to_arrow_keys(page, made):
    chart = page.locator("#calibration-view svg")
    chart.focus()
    page.keyboard.press("ArrowRight")
    first = made.page["calibration"]["bins"][0]
    words = page.locator("#calibration-view .readout").inner_text()
    assert f"mean probability {first['score']:.3f}" in words
    assert f"{first['count']} predictions" in words
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 12, box["y"] + box["height"] / 2)
    last = made.page["calibration"]["bins"][-1]
    assert f"mean probability {last['score']:.3f}" in page.locator("#calibration-view .readout").inner_text()
    near = made.page["calibration"]["example"]
    assert f"near {near['score']:.2f}" in page.locator("#calibration-words").inner_text()


def test_a_small_screen_reaches_every_section_theme_and_column(browser, made):
    with opened(browser, made.html, 375) as page:
        for link in page.locator("nav a").all():
            box = link.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 375
        assert page.get_by_label("dark").is_visible()
        assert page.locator("#labels-view .cue").is_visible()
    with opened(browser, made.html, 1440) as page:
        assert not page.locator("#labels-view .cue").is_visible()


def test_counts_of_a_label_stand_two_by_two(page, made):
    choose(page, NAMES[2])
    page.locator("#threshold-number").fill("0.4")
    page.locator("#threshold-number").press("Enter")
    known = made.targets.known_mask()[:, 2]
    values, predicted = made.targets.values[known, 2], honest(made)[known, 2].astype(np.float64) >= 0.4
    counts = {name: shown(page, name) for name in ("hits", "missed", "wrong", "rejected")}
    assert counts == {
        "hits": (values & predicted).sum(),
        "missed": (values & ~predicted).sum(),
        "wrong": (~values & predicted).sum(),
        "rejected": (~values & ~predicted).sum(),
    }


def test_each_label_has_an_address(browser, made):
    for label in NAMES:
        with opened(browser, made.html) as page:
            choose(page, label)
            address = page.url
            assert "#label=" in address
            page.goto("about:blank")
            page.goto(address)
            page.wait_for_selector("html[data-ready]")
            assert page.locator("#label-name").inner_text() == label
    with opened(browser, made.html) as page:
        page.evaluate("location.hash = '#label=no such label'")
        j = made.page["summary"]["weakest"][0]
        page.locator("#dots a", has_text=NAMES[j]).click()
        page.wait_for_function("() => document.activeElement.id === 'label-name'")
        assert page.locator("#label-name").inner_text() == NAMES[j]
        assert page.get_by_role("navigation").is_visible()
        assert page.locator(".strip").bounding_box()["y"] == 0  # it stays at the top
        assert page.locator("#label-name").bounding_box()["y"] > page.locator(".strip").bounding_box()["height"]


@pytest.mark.parametrize("width", [1440, 390])
def test_the_strip_covers_neither_a_target_nor_the_head_of_a_table(browser, made, width):
    with opened(browser, made.html, width) as page:
        j = made.page["summary"]["weakest"][0]
        page.locator("#dots a", has_text=NAMES[j]).click()
        page.wait_for_function("() => document.activeElement.id === 'label-name'")
        below = page.locator(".strip").bounding_box()["height"]
        assert below < page.locator("#label").bounding_box()["y"] < below + 40
        for offset in (10, 40):
            page.evaluate("(k) => scrollBy(0, document.querySelector('.tall').getBoundingClientRect().top + k)", offset)
            page.wait_for_function(
                "() => document.querySelector('.labels th').getBoundingClientRect().top"
                " >= document.querySelector('.strip').getBoundingClientRect().bottom - 1"
            )
        page.evaluate("() => scrollTo(0, 0)")
        page.wait_for_function(
            "() => { const box = (place) => document.querySelector(place).getBoundingClientRect();"
            " return Math.abs(box('.labels th').top - box('.tall').top) < 2; }"
        )


def test_rows_stand_once_and_can_be_filtered(page, made):
    def rows():
        more = page.locator("#error-more")
        if more.is_visible():
            more.click()
        return page.locator("#error-rows > li").evaluate_all("all => all.map((one) => Number(one.dataset.row))")

    lists = {**made.page["rows"]["errors"], "label_errors": made.page["rows"]["label_errors"]}
    expected = {
        kind: {entry["row"] for entry in lists[kind]} for kind in ("false_positives", "false_negatives", "label_errors")
    }
    found = rows()
    assert len(found) == len(set(found))
    assert set(found) == set().union(*expected.values())
    for kind, wanted in expected.items():
        page.locator(f"#errors-{kind}").check()
        assert set(rows()) == wanted
    first = made.page["rows"]["label_errors"][0]
    text = page.locator(f'#error-rows > li[data-row="{first["row"]}"]').inner_text()
    assert f"{min(99, round(100 * first['suspicion']))}% probability that the label is wrong" in text
    assert ("not labelled" in text) != first["recorded"]


def test_suspicious_labels_are_explained_and_all_are_reached(browser, tmp_path):
    for n, is_whole in ((300, True), (1500, False)):
        values = measure_page(make_page_inputs(n=n, share_wrong=0.08, model="m.manyhot"))
        write_page(values, tmp_path / "report.html")
        with opened(browser, tmp_path / "report.html") as page:
            words = page.locator("#suspicious").inner_text()
            assert "of ten labels at 90%, expect nine to be wrong" in words
            assert "manyhot label-errors m.manyhot -o suspicious.csv" in words
            assert ("The page has the 200 most probable" in words) != is_whole
            page.locator("#errors-label_errors").check()
            assert ("the page has those with the worst 200 of" in page.locator("#error-count").inner_text()) != is_whole
            page.locator("#error-more").click()
            rows = {entry["row"] for entry in values["rows"]["label_errors"]}
            assert page.locator("#error-rows > li").count() == len(rows)


def test_a_list_of_a_model_that_says_nothing_is_not_to_be_relied_on(browser, tmp_path):
    values = measure_page(make_page_inputs(n=300, share_wrong=0.08))
    for kind in ("better", "worse"):
        write_page({**values, "summary": {**values["summary"], "kind": kind}}, tmp_path / "report.html")
        with opened(browser, tmp_path / "report.html") as page:
            words = page.locator("#suspicious").inner_text()
            assert ("Do not rely on this list" in words) == (kind == "worse")


def test_rows_without_a_predicted_label_are_listed_and_reached_from_the_summary(browser, tmp_path):
    made = make_page_inputs(n=400, share_known=1)
    decisions = made.scores >= 0.9
    values = measure_page(replace(made, decisions=decisions, deployed_decisions=decisions))
    n_without, kept = values["predictions"]["n_rows_without"], values["rows"]["without_prediction"]
    n_labels = made.targets.values.sum(axis=1)
    assert n_without == (~decisions.any(axis=1)).sum() > len(kept) == 100
    assert not decisions[kept].any()
    assert (np.diff(n_labels[kept]) <= 0).all()
    write_page(values, tmp_path / "report.html")
    with opened(browser, tmp_path / "report.html") as page:
        for _ in range(2):  # also from an address that is already shown
            page.locator('#summary a[href="#without-prediction"]').click()
            page.wait_for_function("() => document.activeElement.id === 'errors-without_prediction'")
            said = page.locator("#error-count").inner_text()
            assert f"the page has 100 of {n_without} rows without a predicted label" in said
            page.locator("#error-more").click()
            rows = page.locator("#error-rows > li").evaluate_all("all => all.map((one) => Number(one.dataset.row))")
            assert rows == kept
            assert "Predicted: no label" in page.locator("#error-rows > li").first.inner_text()
            page.locator("#errors-all").check()
        page.locator("#errors-without_prediction").check()
        page.locator("#error-label").select_option("0")
        rows = page.locator("#error-rows > li").evaluate_all("all => all.map((one) => Number(one.dataset.row))")
        assert rows == [row for row in kept if made.targets.values[row, 0]][: len(rows)]
        assert rows


def test_a_pair_of_confused_labels_leads_to_the_rows_that_it_counts(browser, tmp_path):
    made = make_page_inputs(n=400, share_known=1)
    confused = np.flatnonzero(made.targets.values[:, 0] & ~made.targets.values[:, 1])[:30]
    made.scores[np.ix_(confused, [0, 1])] = [0.1, 0.9]
    decisions = made.scores >= made.thresholds
    values = measure_page(replace(made, decisions=decisions, deployed_decisions=decisions))
    (pair,) = values["rows"]["confusions"]
    assert (pair["missed"], pair["predicted"]) == (0, 1)
    assert pair["rows"] > len(pair["worst"])
    write_page(values, tmp_path / "report.html")
    with opened(browser, tmp_path / "report.html") as page:
        for _ in range(2):  # also from an address that is already shown
            page.locator("#confusions").get_by_label(f"Show the {pair['rows']} rows").click()
            page.wait_for_function("() => document.activeElement.id === 'error-pair'")
            assert "Rows where a was missed and b wrongly predicted." in page.locator("#error-pair").inner_text()
            said = page.locator("#error-count").inner_text()
            assert f"the page has those with the worst {len(pair['worst'])} of {pair['rows']} such rows." in said
            page.locator("#error-more").click()
            rows = page.locator("#error-rows > li").evaluate_all("all => all.map((one) => Number(one.dataset.row))")
            assert rows == pair["worst"]
            assert all(decisions[row, 1] and not made.targets.values[row, 1] for row in rows)
            page.locator("#error-pair button").click()
            assert not page.locator("#error-pair").is_visible()
            assert "errors" in page.locator("#error-count").inner_text()
        address = f"{(tmp_path / 'report.html').as_uri()}#pair=0"
        page.goto("about:blank")
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        assert page.locator("#error-pair").is_visible()
        page.locator("#errors-label_errors").check()
        assert not page.locator("#error-pair").is_visible()


def test_a_print_has_the_label_chosen_or_all_and_nothing_folded(browser, made):
    with opened(browser, made.html) as page:
        page.evaluate("window.print = () => {}")
        n_open = page.locator("details[open]").count()
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details:not([open])").count() == 0
        assert not page.locator("#error-more").is_visible()
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 690, "height": 900})
        assert page.locator("#label").is_visible()
        threshold = float(page.locator("#threshold").input_value())
        assert f"Threshold {threshold:.3f}" in page.locator("#label .printed").inner_text()
        assert "Only the label below is printed" in page.locator("#printed-one").inner_text()
        assert page.locator("#print-all").text_content() in page.locator("#printed-one").inner_text()
        # a head with a button in it is not repeated on every page
        assert page.locator("thead button:visible").count() == 0
        assert (
            page.locator("table.labels thead .printed:visible").count() == page.locator("table.labels thead th").count()
        )
        cut = """() => [...document.querySelectorAll("main *")].filter((node) => {
          const style = getComputedStyle(node);
          return !["visible", "clip"].includes(style.overflowX) && node.scrollWidth > node.clientWidth + 1
            && node.checkVisibility() && !node.matches(".hidden, .name, .turned, th");
        }).map((node) => node.outerHTML.slice(0, 80))"""
        assert page.evaluate(cut) == []
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("details[open]").count() == n_open
        page.emulate_media(media="screen")
        page.locator("#print-all").click()
        page.emulate_media(media="print")
        names = page.locator("#all-panels h3").all_inner_texts()
        assert names == list(NAMES)
        assert page.locator("#all-panels svg.chart").count() >= 2 * len(NAMES)
        assert not page.locator("#label").is_visible()
        assert not page.locator("#printed-one").is_visible()
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("#all-panels > *").count() == 0


def test_printed_pages_have_numbers(browser, made):
    with opened(browser, made.html) as page:
        # rules that a browser does not understand are not among those that it has
        printed = page.evaluate("""() => [...document.styleSheets[0].cssRules]
          .filter((rule) => rule.media?.mediaText === "print").flatMap((rule) => [...rule.cssRules])
          .filter((rule) => rule instanceof CSSPageRule).map((rule) => rule.cssText).join()""")
        assert "@bottom-right" in printed
        assert "counter(page)" in printed


def test_a_head_sorts_and_says_so(page, made):
    head = page.get_by_role("button", name="F1", exact=True)
    head.focus()
    page.keyboard.press("Enter")
    values = column(page, "f1")
    assert values == sorted(values, reverse=True)
    assert page.locator("th[aria-sort]").evaluate_all("all => all.map((one) => one.ariaSort)") == ["descending"]
    page.keyboard.press("Enter")
    assert column(page, "f1") == sorted(values)
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    page.get_by_role("button", name="Precision", exact=True).click()
    values = column(page, "precision")
    assert np.isnan(values[-1])  # what has no value comes last
    page.get_by_role("button", name="Label", exact=True).click()
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    expected = {row["label"]: row["support"] for row in made.page["report"]["labels"]}
    shown_rows = dict(zip(page.locator("button.choose").all_inner_texts(), column(page, "support"), strict=True))
    assert shown_rows == expected


def test_a_filter_leaves_the_labels_that_hold_its_letters(page):
    page.get_by_label("Filter by name").fill("LOUD")
    assert page.locator("button.choose").all_inner_texts() == [NAMES[1]]
    assert page.locator("#shown").inner_text() == "1 of 5 labels"
    page.get_by_label("Filter by name").fill("nothing like it")
    assert page.locator("button.choose").count() == 0


def test_the_command_gives_a_model_the_thresholds_and_figures_of_the_page(page, made, tmp_path, capsys):
    wanted = dict(zip(NAMES, (0.123, 0.2, 0.35, 0.481, 0.9), strict=True))
    for label, threshold in wanted.items():
        choose(page, label)
        page.locator("#threshold-number").fill(str(threshold))
        page.locator("#threshold-number").press("Enter")
    words = words_of(page.locator("#command").inner_text())
    assert words[:2] == ["thresholds", str(made.bundle)]
    changed = tmp_path / "changed.manyhot"
    with pytest.raises(SystemExit, match="0"):
        main([*words, "-o", str(changed), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert load(changed).thresholds_ == wanted
    for j, row in enumerate(document["labels"]):
        line = page.locator(f'tr[data-label="{j}"]')
        for name in ("threshold", "precision", "recall", "f1"):
            value = line.locator(f"td.{name} data").get_attribute("value")
            assert (float(value) if value else None) == row[name], (j, name)
    with page.expect_download() as download:
        page.locator("#download").click()
    assert json.loads(download.value.path().read_text()) == wanted
    page.locator("#copy").click()
    page.locator("text=/^(Copied|Selected)/").wait_for()


def test_a_number_between_two_is_rounded_as_python_rounds_it(browser, tmp_path):
    ties = make_page_inputs(("a", "b"), n=64, share_known=1)
    ties.scores[:, 0], ties.targets.values[:, 0] = 0.1, False
    ties.scores[:16, 0], ties.targets.values[:1, 0] = 0.9, True
    write_page(measure_page(ties), tmp_path / "report.html")
    with opened(browser, tmp_path / "report.html") as page:
        page.locator('tr[data-label="0"] button').click()
        page.locator("#threshold-number").fill("0.8")
        page.locator("#threshold-number").press("Enter")
        assert shown(page, "precision") == 1 / 16
        assert page.locator("#out-precision").inner_text() == f"{1 / 16:.3f}" == "0.062"


@pytest.mark.parametrize("kind", ["top_k", "rules", "cardinality"])
def test_answers_that_are_no_thresholds_have_no_slider(browser, made, tmp_path, kind):
    classifier = load(made.bundle)
    if kind == "rules":
        classifier.set_rules(max_labels=1)
    else:
        classifier.tune_thresholds(kind)
    write_page(out_of_fold_page(classifier.model_), tmp_path / "report.html")
    with opened(browser, tmp_path / "report.html") as page:
        assert page.locator("input[type=range]").count() == 0
        words = {"top_k": "highest scores", "rules": "Rules between labels", "cardinality": "one threshold for all"}
        assert words[kind] in page.locator("#obstacle").inner_text()
        assert page.locator("table.labels tbody tr").count() == len(NAMES)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 375)])
def test_axe_finds_nothing_for_people_who_see_or_move_otherwise(browser, made, scheme, width):
    with opened(browser, made.html, width, scheme) as page:
        page.locator("#threshold").press("ArrowRight")
        page.locator("summary").evaluate_all("all => all.forEach((one) => one.click())")
        beyond = """(width) => [...document.querySelectorAll("body *")].filter((node) => !node.closest(".scroll")
          && node.getBoundingClientRect().right > width + 1).map((node) => node.outerHTML.slice(0, 120))"""
        assert page.evaluate("document.documentElement.scrollWidth") <= width, page.evaluate(beyond, width)
        assert grave_faults(page) == []
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []


def test_the_theme_can_be_switched_and_print_is_light(browser, made):
    with opened(browser, made.html, scheme="light") as page:
        colour = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(colour)
        page.get_by_label("dark").check()
        assert page.evaluate(colour) != light
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
        assert not page.get_by_role("navigation").is_visible()
        page.set_viewport_size({"width": 690, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= 690
