"""The page at `/` in a browser: what a person types, drops and moves, and that the numbers are Python's."""

import csv
import io
import json
import os
import subprocess
from contextlib import contextmanager

import numpy as np
import polars as pl
import pytest

from manyhot import load
from manyhot.cli import main
from manyhot.reports.image_sheets.heatmap import AGAINST, FOR
from tests.fixtures.browser import grave_faults, watched
from tests.serving.conftest import NAMES, Running, photo, songs

pytestmark = pytest.mark.slow


@contextmanager
def visited(browser, service, width=1440, scheme="light"):
    """The page, which must say nothing to the console and ask no other host for anything; `said` is what it says."""
    home = f"http://127.0.0.1:{service.port}/"
    own = (home, f"blob:{home}")
    with watched(browser, lambda url: url.startswith(own), width, scheme, accept_downloads=True) as (page, said):
        page.goto(home)
        page.said = said
        yield page


@pytest.fixture(scope="module")
def page(browser, running):
    with visited(browser, running) as found:
        yield found


@pytest.fixture(autouse=True)
def at_first(request):
    if "page" in request.fixturenames:
        found = request.getfixturevalue("page")
        found.reload()
        found.locator("#fields .field").first.wait_for()


def choose(page, name):
    page.get_by_label("Model", exact=True).select_option(name)
    page.locator("#summary", has_text=f"{name}:").wait_for()


def fill(page, row):
    for name, value in row.items():
        field = page.get_by_label(name, exact=True)
        if name in ("live", "kind", "grade"):
            field.select_option("" if value is None else str(value).lower() if name == "live" else str(value))
        else:
            field.fill("" if value is None else str(value))


def predicted(page):
    """Label -> probability, and the labels that are answered."""
    page.locator("#status", has_text="Predicted").or_(page.locator("#status", has_text="No label")).wait_for()
    names = page.locator(".bars .name").all_text_contents()
    scores = page.locator(".bars .score").evaluate_all("all => all.map((one) => Number(one.title))")
    return dict(zip(names, scores, strict=True)), set(page.locator("#bars .name").all_text_contents())


def frame_of(row):
    schema = {"tempo": pl.Float64, "energy": pl.Float64, "live": pl.Boolean, "kind": pl.String, "grade": pl.String}
    return pl.DataFrame([row], schema={**schema, "words": pl.String})


def of_python(bundle, row):
    classifier, frame = load(bundle), frame_of(row)
    scores = classifier.predict_proba(frame)[0]
    return dict(zip(classifier.labels_, scores.tolist(), strict=True)), set(classifier.predict_labels(frame)[0])


def in_shell(command, folder, **environment):
    """What a copied command prints, run in a folder."""
    done = subprocess.run(
        command, shell=True, cwd=folder, capture_output=True, text=True, env={**os.environ, **environment}, check=True
    )
    return done.stdout


@pytest.mark.parametrize("k", [0, 4, 11])
def test_a_row_typed_into_the_fields_is_answered_as_python_answers_it(page, bundles, k):
    row = songs().drop("song_id", *NAMES).row(k, named=True)
    row["grade"] = str(row["grade"])
    fill(page, row)
    page.get_by_role("button", name="Predict").click()
    scores, predicted_labels = predicted(page)
    expected, labels = of_python(bundles["songs"], row)
    assert scores == pytest.approx(expected, abs=1e-6)
    assert predicted_labels == labels
    reasons = page.locator(".bars details.reasons")
    assert reasons.count() == len(scores)
    assert page.locator(".why li").count() == 0  # reasons come when they are asked for
    if not page.locator("#fold[open]").count():
        page.locator("#others-count").click()
    for k in range(len(scores)):
        reasons.nth(k).locator("summary").click()
        reasons.nth(k).locator("li").first.wait_for()
    label = page.locator(".bars > li").first.get_attribute("data-label")
    (explanation,) = load(bundles["songs"]).explain(frame_of(row), labels=[label])
    strongest = sorted(
        (*explanation[label].for_, *explanation[label].against), key=lambda reason: -abs(reason.contribution)
    )
    assert set(reasons.first.locator(".what").all_text_contents()) == {reason.what for reason in strongest[:10]}


def test_by_keyboard_alone_a_threshold_is_moved_and_the_command_keeps_it(page, bundles, tmp_path, capsys):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "example":
            break
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.id") == "predict"
    page.keyboard.press("Enter")
    scores, predicted_labels = predicted(page)
    label = max(scores, key=scores.get)
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('aria-label')") == f"Threshold of {label}":
            break
    before = load(bundles["songs"]).thresholds_[label]
    is_yes = label in predicted_labels
    key, steps = ("ArrowRight", 1 - before) if is_yes else ("ArrowLeft", before)
    for _ in range(int(100 * steps) + 2):
        page.keyboard.press(key)
    page.locator("#command", has_text=f"{label}={1 if is_yes else 0}").wait_for(state="attached")
    page.wait_for_function(
        "([label, was]) => document.querySelector(`li[data-label='${label}']`).classList.contains('yes') !== was",
        arg=[label, is_yes],
    )
    command = page.locator("#command").text_content()
    assert command.startswith("manyhot thresholds 'songs.manyhot' --set ")
    changed = tmp_path / "changed.manyhot"
    flag = command.split("--set ")[1].strip("'")
    with pytest.raises(SystemExit, match="0"):
        main(["thresholds", str(bundles["songs"]), "--set", flag, "-o", str(changed)])
    capsys.readouterr()
    assert load(changed).thresholds_[label] == (1.0 if is_yes else 0.0)
    page.get_by_role("button", name="Reset thresholds").click()
    page.wait_for_function(
        "([label, was]) => document.querySelector(`li[data-label='${label}']`).classList.contains('yes') === was",
        arg=[label, is_yes],
    )
    assert not page.locator("#keep").is_visible()


def test_a_file_in_and_a_file_of_answers_out(page, bundles, tmp_path):
    frame = songs(2500, seed=3).drop(NAMES)
    frame = frame.with_columns(
        pl.when(pl.int_range(2500) % 7 == 0).then(pl.lit('a "b",\nc')).otherwise("words").alias("words")
    )
    frame.write_csv(tmp_path / "new.csv")
    page.get_by_label("CSV or TSV file, one row per line").set_input_files(tmp_path / "new.csv")
    link = page.get_by_role("link", name="Download new-predictions.csv")
    link.wait_for()
    assert page.locator("#file-status").inner_text().startswith("2500 rows predicted")
    previewed = page.locator("#preview tbody tr").evaluate_all(
        "all => all.map((row) => [...row.cells].map((c) => c.textContent))"
    )
    with page.expect_download() as download:
        link.click()
    found = download.value.path().read_text()
    with pytest.raises(SystemExit, match="0"):
        main(["predict", str(bundles["songs"]), str(tmp_path / "new.csv"), "-o", str(tmp_path / "a.csv"), "--quiet"])
    command = page.locator("#file-curl").text_content()
    here, there = (list(csv.reader(io.StringIO(text))) for text in (found, (tmp_path / "a.csv").read_text()))
    assert [row[:2] for row in here] == [row[:2] for row in there]
    numbers = [np.array([row[2:] for row in rows[1:]], dtype=float) for rows in (here, there)]
    np.testing.assert_allclose(*numbers, atol=1e-6)
    assert [row[:2] for row in previewed] == [[row[0], row[1].replace(";", ", ") or "–"] for row in there[1:6]]
    best = max(zip(map(float, there[1][2:]), NAMES, strict=True))
    assert previewed[0][2].startswith(f"{best[1]} {best[0]:.2f}")
    done = in_shell(command, tmp_path)
    assert [row[:2] for row in csv.reader(io.StringIO(done))] == [row[:2] for row in there]


def test_a_file_that_cannot_be_read_is_said_with_its_place(page, tmp_path):
    songs(30).drop(NAMES).with_columns(tempo=pl.lit("fast")).write_csv(tmp_path / "new.csv")
    page.get_by_label("CSV or TSV file, one row per line").set_input_files(tmp_path / "new.csv")
    page.locator("#problem", has_text="tempo").wait_for()
    assert not page.locator("#download").is_visible()
    page.said.clear()  # the browser itself tells of the refused request


def test_a_number_that_is_none_is_said_beside_its_field(page):
    page.get_by_label("tempo", exact=True).fill("fast")
    page.get_by_role("button", name="Predict").click()
    page.locator("#problem", has_text='tempo: "fast" is not a number').wait_for()
    assert page.evaluate("document.activeElement.getAttribute('aria-invalid')") == "true"


def test_images_one_by_one_and_many(page, bundles, tmp_path):
    choose(page, "photos")
    paths = []
    for k in range(10):
        paths.append(tmp_path / f"photo {k}.png")
        paths[-1].write_bytes(photo(k % 2 == 0, 100 + k))
    classifier = load(bundles["photos"])
    expected = classifier.predict_proba(pl.DataFrame({"photo": [str(path) for path in paths]}))
    page.get_by_label("photo", exact=True).set_input_files(paths[0])
    page.get_by_alt_text("the image in photo").wait_for()
    page.get_by_role("button", name="Predict").click()
    scores, _ = predicted(page)
    np.testing.assert_allclose([scores[name] for name in classifier.labels_], expected[0], atol=1e-6)
    page.locator("#copy").click()
    answer = json.loads(in_shell(page.locator("#curl").text_content(), tmp_path))
    assert answer["predictions"][0]["probabilities"] == pytest.approx(scores, abs=1e-6)
    page.locator(".bars details.reasons summary").first.click()
    page.wait_for_function("() => document.querySelector('canvas').width > 1")
    assert page.locator(".ramp").inner_text().startswith("Evidence on ")
    pixels = "() => [...document.querySelector('canvas').getContext('2d').getImageData(0, 0, 8, 8).data]"
    colours = np.array(page.evaluate(pixels)).reshape(-1, 4)
    strong = colours[colours[:, 3] > 100, :3].astype(int)
    distances = [np.abs(strong - np.array(colour)).max(axis=1) for colour in (FOR, AGAINST)]
    assert len(strong)
    assert np.min(distances, axis=0).max() <= 3
    page.get_by_label("Image files").set_input_files(paths)
    page.get_by_role("link", name="Download images-predictions.csv").wait_for()
    with page.expect_download() as download:
        page.locator("#download").click()
    rows = list(csv.DictReader(download.value.path().open()))
    assert [row["id"] for row in rows] == [path.name for path in paths]
    found = np.array([[float(row[f"p_{name}"]) for name in classifier.labels_] for row in rows])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_rows_without_columns_of_their_own_are_typed_as_json(page, bundles):
    choose(page, "sparse")
    page.get_by_role("button", name="Predict").click()
    scores, _ = predicted(page)
    assert set(scores) == set(load(bundles["sparse"]).labels_)


def test_the_report_is_one_click_away(browser, running):
    with visited(browser, running) as page:
        page.get_by_role("link", name="Report").click()
        page.wait_for_selector("html[data-ready]")
        assert page.locator("table.labels tbody tr").count() == len(NAMES)


def test_a_token_is_asked_for(browser, bundles, tmp_path):
    service = Running([bundles["songs"]], token="open sesame").wait()
    try:
        with visited(browser, service) as page:
            page.get_by_label("Token").wait_for()
            assert not page.locator("#problem").inner_text()  # before anything is typed
            page.get_by_label("Token").fill("wrong")
            page.get_by_role("button", name="Sign in").click()
            page.locator("#problem", has_text="the token is wrong").wait_for()
            page.get_by_label("Token").fill("open sesame")
            page.keyboard.press("Enter")
            page.locator("#fields .field").first.wait_for()
            page.get_by_role("button", name="Fill in an example").click()
            page.get_by_role("button", name="Predict").click()
            scores, _ = predicted(page)
            assert set(scores) == set(NAMES)
            command = page.locator("#curl").text_content()
            assert '"Authorization: Bearer $MANYHOT_TOKEN"' in command
            assert "sesame" not in command
            answer = json.loads(in_shell(command, tmp_path, MANYHOT_TOKEN="open sesame"))
            assert answer["predictions"][0]["probabilities"] == pytest.approx(scores, abs=1e-6)
            with page.expect_download() as download:
                page.get_by_role("link", name="Report").click()
            assert download.value.suggested_filename == "songs-report.html"
            page.said.clear()  # the browser itself tells of what was refused before
    finally:
        service.stop()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 375)])
def test_no_serious_fault_for_people_who_see_or_move_otherwise(browser, running, scheme, width):
    with visited(browser, running, width, scheme) as page:
        page.get_by_role("button", name="Fill in an example").click()
        page.get_by_role("button", name="Predict").click()
        predicted(page)
        page.locator(".bars details.reasons summary").first.click()
        page.locator(".why li").first.wait_for()
        page.get_by_role("button", name="Copy as curl").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert grave_faults(page) == []


def test_labels_are_sorted_and_those_not_predicted_are_folded(page, bundles):
    row = {
        "tempo": 100.0,
        "energy": 0.9,
        "live": True,
        "kind": "rock",
        "grade": "2",
        "words": 'it\'s "slow" rain; über',
    }
    fill(page, row)
    page.get_by_role("button", name="Predict").click()
    scores, labels = predicted(page)
    _, expected = of_python(bundles["songs"], row)
    assert labels == expected
    for where in ("#bars", "#others"):
        shown = [scores[name] for name in page.locator(f"{where} .name").all_text_contents()]
        assert shown == sorted(shown, reverse=True)
    n_others = len(scores) - len(labels)
    assert page.locator("#others-count").inner_text() == f"{n_others} other label{'' if n_others == 1 else 's'}"
    assert page.locator("#others .name").first.is_visible() == (not labels)  # open where nothing was predicted


def test_the_row_is_copied_as_a_command_that_works(page, tmp_path):
    row = {
        "tempo": 100.0,
        "energy": None,
        "live": True,
        "kind": "rock",
        "grade": "2",
        "words": 'it\'s "slow" $HOME; über',
    }
    fill(page, row)
    page.get_by_role("button", name="Predict").click()
    scores, labels = predicted(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy as curl").click()
    page.locator("#copied", has_text="Copied.").wait_for()
    command = page.evaluate("navigator.clipboard.readText()")
    assert command == page.locator("#curl").text_content()
    (prediction,) = json.loads(in_shell(command, tmp_path))["predictions"]
    assert prediction["probabilities"] == pytest.approx(scores, abs=1e-6)
    assert set(prediction["labels"]) == labels


def test_a_label_moves_to_its_place_once_its_slider_is_left(page):
    page.get_by_role("button", name="Fill in an example").click()
    page.get_by_role("button", name="Predict").click()
    _, labels = predicted(page)
    if len(labels) < len(NAMES):
        page.locator("#fold").evaluate("fold => { fold.open = true; }")
    label = next((name for name in NAMES if name not in labels), NAMES[0])
    slider = page.get_by_label(f"Threshold of {label}")
    slider.focus()
    page.keyboard.press("End" if label in labels else "Home")
    page.locator("#command", has_text=f"{label}={1 if label in labels else 0}").wait_for(state="attached")
    page.locator(f"li[data-label={label}].{'yes' if label not in labels else 'x'}").or_(
        page.locator(f"#bars li[data-label={label}]:not(.yes)")
    ).wait_for()
    assert slider.evaluate("one => one === document.activeElement")
    page.keyboard.press("Tab")  # to the reasons of the same label, which stays where it is
    assert page.locator(f"li[data-label={label}]").evaluate("one => one.contains(document.activeElement)")
    page.get_by_role("button", name="Predict").focus()
    where = "others" if label in labels else "bars"
    page.locator(f"#{where} li[data-label={label}]").wait_for(state="attached")
