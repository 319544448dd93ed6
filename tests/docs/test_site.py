"""The site builds without a warning, shows what it says it shows, and needs no network to be read."""

import json
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from manyhot.estimators.base import DOCUMENTATION
from manyhot.evaluation.metrics import METRICS
from tests.contract.test_names import COMMANDS, old_names
from tests.docs.blocks import SITE, code_cells, notebooks, pages
from tests.fixtures.browser import watched

sys.path.insert(0, str(SITE))

pytestmark = pytest.mark.timeout(1800)  # the first test that asks for the site waits for its notebooks


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the built site."""
    pytest.importorskip("sphinx", reason="pip install 'manyhot[docs]'")
    folder = tmp_path_factory.mktemp("site")
    words = ["-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", "-d", folder / "trees", SITE, folder / "html"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.mark.slow
def test_builds_without_a_warning(built):
    for page in pages():
        assert (built / page.relative_to(SITE).with_suffix(".html")).is_file(), page


PICTURES = {
    "get-started/songs": 1,
    "get-started/softmax-or-sigmoid": 2,
    "get-started/cross-validation": 1,
    "gallery": 7,
}
"""Notebook -> pictures that it shows at least; the page of digits has four where MNIST is at hand."""


def has_mnist():
    return os.path.isdir(os.path.join(os.environ.get("MANYHOT_DATA", ""), "mnist"))


def test_get_started_pages_are_notebooks_to_download():
    first_pages = {page.name for page in (SITE / "get-started").glob("*.md")} - {"install.md"}
    assert {page.name for page in notebooks()} == first_pages | {"gallery.md"}
    for page in notebooks():
        assert f" <{page.stem}.ipynb>`" in page.read_text(), page


@pytest.mark.slow
@pytest.mark.parametrize("page", notebooks(), ids=lambda page: page.stem)
def test_notebooks_show_what_their_cells_gave(built, page):
    """In the page and in the notebook to download, every cell was run and none raised."""
    name = str(page.relative_to(SITE))[:-3]
    html = (built / f"{name}.html").read_text()
    [download] = re.findall(rf'href="([^"]*_downloads/[0-9a-f]+/{page.stem}\.ipynb)"', html)
    book = json.loads((built / name).parent.joinpath(download).resolve().read_text())
    cells = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert len(cells) == len(code_cells(page.read_text()))
    if page.name == "digits.md" and not has_mnist() and not outputs:
        assert "MNIST was not at hand" in html
        return
    assert "MNIST was not at hand" not in html
    assert all(cell["execution_count"] for cell in cells)
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert not any(output.get("name") == "stderr" for output in outputs)
    assert "Traceback (most recent call last)" not in html
    assert 'class="output traceback' not in html
    assert html.count('class="cell_output') >= len([cell for cell in cells if cell["outputs"]]) > 0
    text = unescape(re.sub("<[^>]+>", "", html))
    for cell in cells:  # a stream comes in pieces, which the page joins
        printed = "".join("".join(output["text"]) for output in cell["outputs"] if output["output_type"] == "stream")
        assert printed.strip() in text, cell["source"]
    shown = len(re.findall(r"<svg style=|<img [^>]*_images/", html))
    assert shown >= (4 if page.name == "digits.md" else PICTURES.get(name, 0))


@pytest.mark.slow
def test_the_live_report_is_a_whole_page_that_the_site_links_to(built):
    report = built / "live/songs-report.html"
    assert "mood_sad" in report.read_text()
    for name in ("index", "report", "gallery", "get-started/songs"):
        page = built / f"{name}.html"
        [address] = set(re.findall(r'href="([^"]*songs-report\.html)"', page.read_text()))
        assert (page.parent / address).resolve() == report, name


@pytest.mark.slow
@pytest.mark.parametrize("width", [375, 1440])
def test_no_page_is_wider_than_its_window(browser, built, width):
    """Wide outputs, tables and pictures scroll or shrink by themselves."""
    with watched(browser, lambda url: url.startswith(("file:", "data:")), width, "dark") as (window, _):
        for page in (built / page.relative_to(SITE).with_suffix(".html") for page in notebooks()):
            window.goto(page.as_uri())
            assert window.evaluate("document.documentElement.scrollWidth") <= width, page


@pytest.mark.slow
def test_pages_load_nothing_from_elsewhere(built):
    for page in built.rglob("*.html"):
        loaded = re.findall(r"""<(?:script|img|link)\b[^>]*?(?:src|href)=["'](https?:[^"']+)""", page.read_text())
        assert not loaded, page


@pytest.mark.slow
def test_every_setting_is_described(built):
    from manyhot import ExtremeMultiLabelClassifier, MultiLabelClassifier

    page = (built / "reference/api/classifiers.html").read_text()
    for classifier in (MultiLabelClassifier, ExtremeMultiLabelClassifier):
        for name in classifier().get_params():
            assert f"<strong>{name}</strong>" in page, name


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(built):
    import manyhot

    text = "".join(page.read_text() for page in (built / "reference/api").glob("*.html"))
    for name in manyhot.__all__:
        path = "manyhot.errors" if name == "ManyhotWarning" else "manyhot"
        assert f'id="{path}.{name}"' in text or name == "__version__", name


@pytest.mark.slow
def test_estimators_link_to_their_documentation(built):
    for name in ("MultiLabelClassifier", "ExtremeMultiLabelClassifier"):
        file = built / DOCUMENTATION.format(estimator_name=name).partition("/stable/")[2]
        target, anchor = re.search(r'href="([^"#]+)#([^"]+)"', file.read_text()).groups()
        assert f'id="{anchor}"' in (built / target).read_text()


def test_every_metric_has_its_formula():
    sections = (SITE / "reference/metrics.md").read_text().split("\n### ")[1:]
    assert sorted(section.split()[0] for section in sections) == sorted(METRICS)
    for section in sections:
        name = section.split()[0]
        assert f"<!-- generated: metric {name} -->\n" in section
        assert "$$" in section, name


def test_every_command_and_flag_is_in_the_reference(capsys):
    from extensions.generated_pages import expand

    from manyhot.cli import main

    index = expand((SITE / "reference/command-line.md").read_text())
    for command in COMMANDS:
        assert f"[{command}](commands/{command}.md)" in index
        text = expand((SITE / f"reference/commands/{command}.md").read_text())
        assert text.startswith(f"# {command}\n")
        with pytest.raises(SystemExit):
            main([command, "--help"])
        for flag in set(re.findall(r"(?<![\w-])--[a-z][\w-]+", capsys.readouterr().out)) - {"--help"}:
            assert flag in text, (command, flag)


@pytest.mark.slow
def test_every_page_of_a_command_is_in_the_navigation_under_its_old_address(built):
    page = (built / "reference/command-line.html").read_text()
    for command in COMMANDS:
        assert f'<span id="{command}"></span>' in page  # command-line.html#train, where all commands stood before
        assert f'<li class="toctree-l2"><a class="reference internal" href="commands/{command}.html">' in page
    assert sorted(file.stem for file in (SITE / "reference/commands").iterdir()) == sorted(COMMANDS)


def test_every_address_of_the_service_is_in_the_reference():
    pytest.importorskip("starlette")
    from extensions.http_api import to_markdown

    text = to_markdown()
    for address in ("POST /predict", "GET /model", "GET /report", "GET /ready", "GET /metrics"):
        assert f"## {address}" in text
    assert "| 422 |" in text


def test_generated_text_is_shown_as_it_is():
    from extensions.generated_pages import expand
    from extensions.markdown import escape

    assert escape("columns 'mood_*,sad*' of `a_*b`") == r"columns 'mood\_\*,sad\*' of `a_*b`"
    assert expand("a\n<!-- generated: metric map -->\nb").count("Misleads") == 1
    assert expand("a\n<!-- site\nb\n\nc\n-->\n<!-- test files -->\nd") == "a\nb\n\nc\n\n\nd"


@pytest.mark.parametrize("page", notebooks(), ids=lambda page: page.stem)
def test_who_reads_a_notebook_on_github_sees_nothing_of_the_site(page):
    seen = re.sub(r"<!--.*?-->", "", page.read_text(), flags=re.DOTALL)
    for word in ("nb-download", ":tags:", "../live/", "\n% ", "MANYHOT_SITE_FILES"):
        assert word not in seen, word


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(SITE)))
def test_pages_have_no_old_name(page):
    assert old_names(page.read_text()) == {}


def test_every_page_is_listed_once():
    from extensions.generated_pages import expand

    indices = [SITE / "index.md", SITE / "reference/api/index.md", SITE / "reference/command-line.md"]
    index = "".join(expand(page.read_text()) for page in indices)
    for page in pages()[1:]:
        name = str(page.relative_to(SITE))[:-3]
        if name.startswith(("reference/api/", "reference/commands/")) and page.stem != "index":
            name = name.removeprefix("reference/").removeprefix("api/")
        assert len(re.findall(rf"^{re.escape(name)}$", index, flags=re.MULTILINE)) == 1, name


def test_pages_stand_in_known_folders():
    folders = {path.name for path in Path(SITE).iterdir() if path.is_dir()}
    assert folders <= {
        "get-started",
        "how-to",
        "explanation",
        "reference",
        "decisions",
        "extensions",
        "templates",
        "static",
    }


def test_every_decision_is_in_the_index_once():
    index = (SITE / "decisions/README.md").read_text()
    for note in sorted((SITE / "decisions").glob("0*.md")):
        assert index.count(f"[{note.name[:4]}]({note.name})") == 1, note.name
