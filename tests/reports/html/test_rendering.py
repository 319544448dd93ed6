"""The file of a page: self-contained, closed, and nothing in a name is ever markup."""

import base64
import hashlib
import json
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from manyhot import DecisionLayer
from manyhot.config.training import TrainingConfig
from manyhot.evaluation.report import LabelSets, Report, ReportContext, measure_report
from manyhot.evaluation.report.text import to_text
from manyhot.models import origin
from manyhot.reports.html import measure_page, render
from manyhot.reports.html.measure import PROVENANCE
from manyhot.reports.html.rendering import assets
from manyhot.reports.html.summary import MAX_DOTS, MIN_SUPPORT, N_STEPS, N_STRONGEST, summarize
from manyhot.reports.model_page import out_of_fold_page
from manyhot.reports.provenance import describe_file
from tests.reports.html.made_up import make_page_inputs

HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "\N{MUSICAL NOTE} & \"' {{ 7 * 7 }}{% raw %}",
    "\ud800 alone",
    "last",
)


class Reader(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self.scripts, self.open = [], [], "", [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]
        self.open = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.open = ""

    def handle_data(self, data):
        if self.open == "script":
            self.scripts[-1] += data
        else:
            self.text += data


@pytest.fixture(scope="module")
def page():
    made = make_page_inputs(HOSTILE, title=HOSTILE[0], model=HOSTILE[1], file=HOSTILE[2])
    return measure_page(made)


@pytest.fixture(scope="module")
def read(page):
    return Reader(render(page))


def test_it_asks_for_nothing_and_runs_only_what_it_brings(page, read):
    text = render(page)
    for tag, name, value in read.attributes:
        assert name not in ("src", "srcset", "style"), (tag, value)
        assert not name.startswith("on"), (tag, value)
        assert name != "href" or value.startswith("#")
    assert not {"link", "iframe", "object", "embed", "base", "img"} & set(read.tags)
    assert not re.search(r"url\(|@import|\beval\(|new Function|innerHTML|insertAdjacentHTML|document\.write", text)
    policy = dict(
        part.split(" ", 1)
        for part in next(v for t, n, v in read.attributes if n == "content" and "default-src" in v).split("; ")
    )
    assert policy["default-src"] == "'none'"
    script = base64.b64encode(hashlib.sha256(read.scripts[-1].encode()).digest()).decode()
    assert policy["script-src"] == f"'sha256-{script}'"
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert policy["style-src"] == f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"


def test_names_are_text_and_data_come_back_whole(page, read):
    assert len(read.scripts) == 3
    assert HOSTILE[0] in read.text
    data = json.loads(zlib.decompress(base64.b64decode(read.scripts[0])))
    assert data["labels"]["label"] == list(HOSTILE)
    assert data["model"] == HOSTILE[1]
    assert {name for name in page if name not in data} == {"counts", "metrics"}


def test_no_text_of_a_page_is_markup(page, read):
    def with_markup(value, key=""):
        if isinstance(value, dict):
            return {name: with_markup(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [with_markup(inner, key) for inner in value]
        is_text = isinstance(value, str) and key not in ("name", "needs", "kind", "severity", "packed", "better")
        return f"{HOSTILE[0]}{value}" if is_text else value

    assert Reader(render(with_markup(page))).tags == read.tags
    assert "{{ 7 * 7 }}{% raw %}" in read.text


def test_the_same_dict_from_json_gives_the_same_file(page):
    assert render(json.loads(json.dumps(page))) == render(page)


def test_figures_stand_in_the_file_without_any_script(page, read):
    for figure in page["metrics"]:
        assert figure["meaning"] in read.text
        assert f"{figure['decision']['value']:.3f}" in read.text or figure["decision"]["value"] < 0.0005
    assert "400 times" in read.text
    assert "the best constant prediction, every label for every row, gets" in " ".join(read.text.split())
    for j in page["summary"]["weakest"]:
        assert page["labels"]["label"][j].encode("utf-8", "replace").decode() in read.text


def test_sections_are_in_the_order_of_a_reader(read):
    sections = [value for tag, name, value in read.attributes if tag == "section" and name == "id"]
    assert sections == ["summary", "labels", "errors", "scores", "data", "training", "details"]
    links = [value for tag, name, value in read.attributes if tag == "a" and name == "href"]
    assert [link.removeprefix("#") for link in links if link[1:] in sections][: len(sections)] == sections


def test_six_metrics_stand_first_and_the_others_are_folded(page):
    text = render(page)
    first, others = text.split('<details id="all-metrics">')
    assert first.count('<tr id="metric-') == 6
    for figure in page["metrics"]:
        assert f'id="all-{figure["name"]}"' in others
        assert f"{figure['meaning']} " not in first.split('id="scores"')[1]


def test_what_is_not_known_of_the_origin_is_said(page, read):
    assert page["provenance"] == dict.fromkeys(PROVENANCE)
    text = " ".join(read.text.split())
    assert "saved by an earlier version of manyhot" in text
    assert "None: the report was written from Python." in text
    assert "written from a model in memory" in text
    assert "Not known" not in text


def test_rows_without_a_label_and_longer_training_are_answered(page):
    without = {"labels_per_row": 1.0, "n_rows_without": 3, "can_require_one": True}
    found = {**page, "predictions": without, "model": "a b.manyhot"}
    config = {name: 4 for name in ("n_members", "n_folds", "epochs", "batch_size", "learning_rate")}
    config |= {"network": "mlp", "hidden_layer_sizes": [8], "optimizer": "adam", "loss": "focal"}

    def text_of(**changes):
        return " ".join(Reader(render({**found, **changes})).text.split())

    assert "manyhot thresholds 'a b.manyhot' --min-labels 1" in text_of()
    for changes in ({"n_rows_without": 0}, {"can_require_one": False}):
        assert "--min-labels" not in text_of(predictions={**without, **changes})
    note = "Trained for 4 epochs, which had a lower log loss."
    text = text_of(config={**config, "early_stopping": False}, training_notes=[note], epoch_note=note)
    assert f"Would longer training help? {note}" in text
    assert text.count(note) == 1
    assert "other numbers of epochs were not tried" in text_of(config={**config, "early_stopping": False})
    assert "stopped where its loss on validation rows was lowest" in text_of(config={**config, "early_stopping": True})


def test_what_is_too_large_has_name_size_and_time_instead_of_a_checksum(page, tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"x" * 11)
    assert describe_file(str(path))["sha256"] == hashlib.sha256(b"x" * 11).hexdigest()
    monkeypatch.setattr(origin, "MAX_HASHED_BYTES", 10)
    described = describe_file(str(path))
    assert (described["bytes"], described["sha256"]) == (11, None)
    shown = render({**page, "provenance": {**page["provenance"], "rows_file": described}})
    text = " ".join(Reader(shown).text.split())
    assert f"{path}, 11 bytes, last changed {described['modified']} too large for a checksum" in text


def test_the_file_and_command_of_training_are_shown(page):
    training = {
        "trained": "2026-01-02 03:04 UTC",
        "n_rows": 150,
        "n_labels": 5,
        "notes": [],
        "versions": {"manyhot": "9.9"},
        "file": {"name": "songs.csv", "n_bytes": 1234, "sha256": "ab" * 32},
        "command": "manyhot train songs.csv --labels 'mood_*'",
    }

    def text_of(**changes):
        provenance = {**page["provenance"], "training": {**training, **changes}}
        return " ".join(Reader(render({**page, "provenance": provenance})).text.split())

    text = text_of()
    for words in ("2026-01-02 03:04 UTC, on 150 rows", "ab" * 32, "songs.csv, 1\N{NARROW NO-BREAK SPACE}234 bytes"):
        assert words.replace("\N{NARROW NO-BREAK SPACE}", " ") in text.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert training["command"] in text
    assert "manyhot 9.9" in text
    large = text_of(file={"name": "songs.csv", "n_bytes": 10**12, "sha256": None})
    assert "too large for a checksum" in large
    assert "rows were handed over in Python" in text_of(file=None)
    assert "trained from Python" in text_of(command=None)


@pytest.mark.parametrize(
    ("low", "high", "kind"), [(0.5, 0.7, "better"), (0.31, 0.35, "barely"), (0.2, 0.7, "unclear"), (0.1, 0.2, "worse")]
)
def test_the_verdict_compares_the_interval_with_a_constant_prediction(page, low, high, kind):
    macro = {"decision": {"value": (low + high) / 2, "low": low, "high": high}, "baseline": 0.3}
    columns = page["labels"]
    found = summarize(page["report"], macro, columns, [], 0, 0.0, 0, None, None)
    assert found["kind"] == kind
    assert found["share_of_gap"] == pytest.approx(((low + high) / 2 - 0.3) / 0.7)
    words = {
        "better": "Better than a constant prediction",
        "barely": "Hardly better",
        "unclear": "Not clearly better",
        "worse": "Worse than a constant prediction",
    }
    assert words[kind] in Reader(render({**page, "summary": found})).text
    assert summarize(page["report"], macro, columns, [], 0, 0.0, 5, None, None)["kind"] == "seen"


def test_a_notebook_shows_a_report_in_brief(page):
    shown = Report(page["report"])._repr_html_()
    read = Reader(shown)
    assert not {"script", "img", "style"} & set(read.tags)
    assert f"{page['report']['metrics']['decision']['f1_micro']['value']:.3f}" in read.text
    assert HOSTILE[0] in read.text


def test_a_notebook_shows_answers_as_a_table():
    answers = LabelSets([{HOSTILE[0], "a"}, set(), *({"b"} for _ in range(30))])
    assert answers == [{HOSTILE[0], "a"}, set(), *({"b"} for _ in range(30))]
    read = Reader(answers._repr_html_())
    assert not {"script", "img"} & set(read.tags)
    assert HOSTILE[0] in read.text
    assert "none" in read.text
    assert "and 12 more rows" in read.text


def made_up_labels(n):
    support = [5 if j % 7 == 3 else 20 + 10 * j for j in range(n)]
    return {
        "label": [f"label {j}" for j in range(n)],
        "support": support,
        "n_known": [10_000] * n,
        "f1": [(37 * j % n) / n for j in range(n)],
        "constant_f1": [0.01] * n,
        "roc_auc": [0.9] * n,
    }


def test_of_many_labels_the_strongest_and_the_weakest_well_known_ones_are_drawn(page):
    labels = made_up_labels(200)
    macro = {"decision": {"value": 0.5, "low": 0.4, "high": 0.6}, "baseline": 0.1}
    found = summarize(page["report"], macro, labels, [], 0, 0.0, 0, "m.manyhot", None)
    dots = found["dots"]
    assert (len(dots["strongest"]), len(dots["weakest"])) == (N_STRONGEST, MAX_DOTS - N_STRONGEST)
    assert dots["n_between"] == 200 - MAX_DOTS
    drawn = dots["strongest"] + dots["weakest"]
    assert all(labels["support"][j] >= MIN_SUPPORT for j in drawn)
    f1 = [labels["f1"][j] for j in drawn]
    assert f1 == sorted(f1, reverse=True)
    well_known = sorted(labels["f1"][j] for j in range(200) if labels["support"][j] >= MIN_SUPPORT)
    assert [labels["f1"][j] for j in found["weakest"]] == well_known[:3]
    assert found["n_few_rows"] == sum(rows < MIN_SUPPORT for rows in labels["support"])


def test_next_steps_are_the_three_that_matter_most(page):
    labels = made_up_labels(6)
    macro = {"decision": {"value": 0.5, "low": 0.4, "high": 0.6}, "baseline": 0.1}

    def kinds(findings=(), n_label_errors=0, n_training_rows=0, file=None):
        counts = (n_label_errors, n_label_errors / 3, n_training_rows)
        found = summarize(page["report"], macro, labels, findings, *counts, "a b.manyhot", file)
        assert len(found["next_steps"]) == N_STEPS
        return [step["kind"] for step in found["next_steps"]], found["next_steps"]

    assert kinds([{"severity": "error"}], 4, 9)[0] == ["new_rows", "data", "label_errors"]
    names, steps = kinds(n_label_errors=4)
    assert names[0] == "label_errors"
    assert steps[0]["command"] == "manyhot label-errors 'a b.manyhot' -o suspicious.csv"
    assert kinds(n_label_errors=4, file="rows.csv")[1][0]["command"] is None
    assert "collect" in kinds()[0]
    labels["roc_auc"][5] = 0.43
    names, steps = kinds([{"severity": "error"}], n_label_errors=4)
    assert names == ["unranked", "data", "label_errors"]
    assert (steps[0]["labels"], steps[0]["n_labels"]) == ([5], 1)
    assert kinds(n_training_rows=9)[0][0] == "new_rows"
    labels["roc_auc"][5] = 0.9
    macro["decision"]["low"] = 0.05
    names, steps = kinds(n_label_errors=4)
    assert names[0] == "improve"
    assert "label_errors" not in names  # scores that say nothing contradict nothing
    macro["decision"] |= {"value": 0.11, "low": 0.105}
    assert kinds(n_label_errors=4)[0][:2] == ["improve", "label_errors"]


def test_a_poor_model_is_not_trusted_for_a_few_rows():
    made = make_page_inputs(n=60, share_known=1)
    scores = np.random.default_rng(1).random(made.scores.shape, dtype=np.float32)
    decisions = scores >= 0.437
    report = measure_report(
        made.space, made.targets, scores, decisions, scores >= 0.5, np.full(4, 0.437), ReportContext()
    )
    page = measure_page(replace(made, scores=scores, decisions=decisions, deployed_decisions=decisions, report=report))
    page["calibration"] |= {"is_within": True, "has_few": True}
    text = " ".join(Reader(render(page)).text.split())
    assert "Make it useful first." in text
    assert "Too few predictions to tell." in text
    assert "too few to call an F1 weak (never" not in text  # a label without rows has no F1
    assert to_text(report).startswith("Not better than a constant prediction: macro F1 is ")
    assert "Not better than a constant prediction: macro F1" not in text  # said by the verdict, once


def test_labels_with_few_rows_are_named_beside_the_weakest(page):
    labels = made_up_labels(6)
    labels["support"][0], labels["f1"][0] = MIN_SUPPORT - 1, 0.01
    macro = {"decision": {"value": 0.5, "low": 0.4, "high": 0.6}, "baseline": 0.1}
    found = summarize(page["report"], macro, labels, [], 0, 0.0, 0, None, None)
    assert 0 in found["few_rows"]
    assert 0 not in found["weakest"]


def test_a_label_that_is_not_ranked_is_said_to_be_one(page):
    j = page["labels"]["label"].index(HOSTILE[2])
    labels = {**page["labels"], "roc_auc": [0.45 if i == j else 0.9 for i in range(5)]}
    macro = next(figure for figure in page["metrics"] if figure["name"] == "f1_macro")
    found = summarize(page["report"], macro, labels, [], 0, 0.0, 0, None, None)
    assert found["unranked"] == [j]
    text = " ".join(Reader(render({**page, "labels": labels, "summary": found})).text.split())
    assert "is ranked no better than by chance" in text
    assert "ROC-AUC 0.45" in text
    assert "annotated, or drop it" in text


@pytest.mark.parametrize("area", [0.45, 0.7])
def test_steps_for_scores_of_another_program_do_not_speak_of_training(page, area):
    labels = {**page["labels"], "f1": [0.4] * 5, "support": [100, 20, 20, 20, 20], "roc_auc": [area] * 5}
    macro = next(figure for figure in page["metrics"] if figure["name"] == "f1_macro")
    steps = []
    for n_label_errors, n_training_rows in ((4, 0), (0, 0), (4, 9)):
        found = summarize(page["report"], macro, labels, [], n_label_errors, 2.0, n_training_rows, "m.manyhot", None)
        shown = render({**page, "labels": labels, "summary": found, "makes_scores": False})
        steps.append(re.search(r'<ol class="steps".*?</ol>', shown, re.DOTALL)[0])
    text = " ".join(Reader("".join(steps)).text.split())
    for words in ("train", "the features", "Collect rows"):
        assert words not in text
    assert "fit the decisions again" in text
    assert "The decisions were fitted to these rows" in text
    if area < 0.5:
        assert "no threshold helps. Improve the program that makes the scores, check how" in text
    else:
        assert "Score more held-out rows." in text
        assert "A better ranking has to come from the program that makes the scores." in text


def test_a_report_on_supplied_scores_has_words_of_its_own():
    generator = np.random.default_rng(0)
    Y = generator.random((120, 3)) < 0.3
    layer = DecisionLayer(labels=["a", "b", "c"]).fit(np.clip(0.4 * Y + 0.6 * generator.random(Y.shape), 0, 1), Y)
    text = " ".join(Reader(render(out_of_fold_page(layer.model_))).text.split())
    assert "Decisions fitted" in text
    assert "Scores in 3 columns" in text
    assert "Trained on" not in text
    assert "train again" not in text


def test_phrases_that_were_replaced_are_gone(page):
    sources = render(page) + "".join(assets())
    for phrase in (
        "First of all", "in one pot", "mean of labels:", "what training kept", "No threshold was moved", "in force",
        "recorded as present", "carries it", "carry it", "How it was made", "Wrong with a chance", "look wrongly",
        "Answered, but", "As the model decides",
    ):  # fmt: skip
        assert phrase not in sources, phrase


def test_settings_say_where_they_are_from():
    default = TrainingConfig().to_dict()
    config = {**default, "epochs": 12, "n_members": 8, "batch_size": 32, "dropout": 0.25}
    for automatic, epochs in (
        (("n_members", "batch_size"), "set (default auto)"),
        (None, "set, or chosen for these data"),
    ):
        made = make_page_inputs(config=config, default_config=default, automatic=automatic)
        found = re.findall(
            r"<code>(\w+)</code></th><td>[^<]*</td>\s*<td class=\"faint\">([^<]*)</td>", render(measure_page(made))
        )
        members = "chosen for these data" if automatic else epochs
        changed = {
            "epochs": epochs,
            "n_members": members,
            "batch_size": members,
            "dropout": f"set (default {default['dropout']})",
        }
        assert dict(found) == dict.fromkeys(config, "default") | changed


def test_nearly_all_of_the_gap_is_not_all_of_it(page):
    for share, words in ((0.9986, "closes 99% of the gap"), (1.0, "closes 100% of the gap")):
        summary = {**page["summary"], "kind": "better", "share_of_gap": share}
        assert words in " ".join(Reader(render({**page, "summary": summary})).text.split())
