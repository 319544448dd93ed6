"""Every block of code on the site runs, one page after another in a folder of its own, with small networks where a
block says nothing of their size. Notebooks run when the site is built (test_site.py); of them only those cells run here
whose files another page needs."""

import contextlib
import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import pytest

from manyhot.config import auto
from manyhot.models.segmentation import training as pixel_training
from tests.contract.test_docs import SIZES, assert_serves, small, typed, without_download
from tests.docs.blocks import SITE, code_blocks, code_cells, files_of, is_notebook, needs_files, notebooks, pages
from tests.fixtures.document_files import make_files, shallow_backbones

PAGES = [page for page in pages() if code_blocks(page.read_text())]


def name(page):
    return str(page.relative_to(SITE))


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """The weights that Keras would download stand in a file; their content is of no matter here."""
    monkeypatch.setenv("MANYHOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("manyhot.networks.pretrained_backbone._download_backbone", without_download)


@pytest.fixture
def small_networks(monkeypatch):
    shallow_backbones(monkeypatch)
    for module, function in SIZES:
        resolve = getattr(auto, function)
        monkeypatch.setattr(module, function, lambda config, *rest, resolve=resolve: resolve(small(config), *rest))
    assert pixel_training in dict(SIZES)


@pytest.fixture(scope="module")
def made_files(tmp_path_factory):
    """Makes the files of a page once, for all that come after it: page -> folder."""
    folders = {}

    def make(page):
        if page not in folders:
            folders[page] = tmp_path_factory.mktemp(Path(page).stem)
            with contextlib.chdir(folders[page]):
                make_page_files(SITE / page)
        return folders[page]

    return make


def run_page(page, notes, made_files=None):
    """Run the blocks of a page whose notes are among these, as one program; shell lines run the command line."""
    text, names = page.read_text(), {"__name__": "__main__"}
    if needs_files(text):
        make_files(Path())
    if before := files_of(text):
        shutil.copytree(made_files(before), ".", dirs_exist_ok=True)
    for number, block in enumerate(code_blocks(text), 1):
        if block.note not in notes:
            continue
        if block.note == "needs" and importlib.util.find_spec(block.detail) is None:
            continue
        if block.language == "sh":
            type_lines(block.code, name(page))
            continue
        code = compile(block.code, f"{name(page)}, block {number}", "exec")
        if block.note == "fails":
            with pytest.raises(Exception, match=re.escape(block.detail)):
                exec(code, names)
        else:
            exec(code, names)


def make_page_files(page):
    """Run what makes the files of a page: all of it, or the cells of a notebook that say so."""
    if not is_notebook(page.read_text()):
        run_page(page, ("",))
        return
    for cell in code_cells(page.read_text()):
        if not cell.makes_files:
            continue
        if cell.language == "sh":
            type_lines(cell.code, name(page))
        else:
            exec(compile(cell.code, name(page), "exec"), {"__name__": "__main__"})


def type_lines(code, where):
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:2] == ["manyhot", "serve"]:
            assert_serves(words[1:])
        elif words:
            assert words[0] == "manyhot", f"{where}: only manyhot is typed in tests: {line}"
            status, errors = typed(words[1:])
            assert status == 0, f"{where}: {line}\n{errors}"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=name)
def test_blocks_run(page, tmp_path, monkeypatch, small_networks, made_files):
    monkeypatch.chdir(tmp_path)
    run_page(page, ("", "needs", "fails"), made_files)


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", PAGES, ids=name)
def test_blocks_run_with_every_default(page, tmp_path, monkeypatch, made_files):
    """Also those that take minutes."""
    monkeypatch.chdir(tmp_path)
    run_page(page, ("", "needs", "fails", "exhaustive"), made_files)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_does_not_run_everywhere_says_so(page):
    """A block that needs what manyhot does not install names it in the text, and one that never runs says so."""
    text = page.read_text()
    for block in code_blocks(text):
        compile(block.code, name(page), "exec") if block.language == "python" else None
        if block.note == "needs":
            assert f"pip install {block.detail}" in text, block.detail
        if block.note == "not run":
            assert block.detail
            assert "not run by a test" in " ".join(text.split())


@pytest.mark.parametrize("page", notebooks(), ids=name)
def test_code_of_notebooks_is_run_by_the_build(page):
    """A plain block would never run, and of several shell lines only the last one's failure would be seen."""
    text = page.read_text()
    assert code_blocks(text) == []
    hidden = sum(part.count("{code-cell}") for part in re.findall(r"^<!-- site\n(.*?)^-->$", text, re.M | re.S))
    assert text.count("{code-cell}") - hidden == len(code_cells(text)) > 0
    for cell in code_cells(text):
        if cell.language == "sh":
            assert len(cell.code.replace("\\\n", " ").splitlines()) == 1, cell.code


def test_cells_are_read():
    text = "<!-- test files -->\n```{code-cell} ipython3\nx\n```\n\n<!-- site\n```{code-cell} ipython3\ny\n```\n-->\n"
    text += "```{code-cell} ipython3\n%%sh\nmanyhot demo\n```\n"
    assert code_cells(text) == [("python", "x", True), ("sh", "manyhot demo", False)]
    assert not is_notebook(text)
    assert is_notebook(f"---\nfile_format: mystnb\n---\n{text}")


def test_notes_are_read():
    text = "<!-- test: needs optuna -->\n```python\nx\n```\n\n```sh\nmanyhot check\n```\n"
    text += "<!-- test: exhaustive -->\n```python\ny\n```"
    found = [(block.language, block.code, block.note, block.detail) for block in code_blocks(text)]
    assert found == [
        ("python", "x", "needs", "optuna"),
        ("sh", "manyhot check", "", ""),
        ("python", "y", "exhaustive", ""),
    ]
    [block] = code_blocks("<!-- test: not run, because it needs a server -->\n```python\nx\n```")
    assert (block.note, block.detail) == ("not run", "because it needs a server")
    with pytest.raises(AssertionError, match="stands above no block"):
        code_blocks("<!-- test: exhaustive -->\nwords")
    with pytest.raises(AssertionError, match="not a note"):
        code_blocks("<!-- test: sometimes -->")
    with pytest.raises(AssertionError, match="not a note"):
        code_blocks("% test: exhaustive")  # which GitHub would show
