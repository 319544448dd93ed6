"""The file of a page: self-contained, closed, and nothing in a name is ever markup."""

import base64
import hashlib
import json
import re
import zlib
from html.parser import HTMLParser

import pytest

from manyhot.evaluation.report import LabelSets, Report
from manyhot.reports.html import measure_page, render
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
