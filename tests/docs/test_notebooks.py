"""Notebooks in the site: a cell that raises ends the build, results are kept, downloads lead to the site."""

import gzip
import os
import struct
import subprocess
import sys

import numpy as np
import pytest

from tests.docs.blocks import SITE

pytest.importorskip("myst_nb", reason="pip install 'manyhot[docs]'")
sys.path.insert(0, str(SITE))

import nbformat
from extensions import notebooks

HEAD = "---\nfile_format: mystnb\nkernelspec:\n  name: python3\n---\n"


@pytest.mark.slow
def test_a_cell_that_raises_fails_the_build(tmp_path):
    """The error names the Python of the kernel, which must be that of Sphinx."""
    (tmp_path / "source").mkdir()
    cell = "```{code-cell} ipython3\nimport sys\nraise RuntimeError(f'<{sys.executable}>')\n```\n"
    (tmp_path / "source/index.md").write_text(f"{HEAD}# Broken\n\n{cell}")
    words = ["-m", "sphinx", "-b", "html", "-q", "-c", SITE, "-d", tmp_path / "trees", tmp_path / "source"]
    done = subprocess.run([sys.executable, *words, tmp_path / "html"], capture_output=True, text=True)
    assert done.returncode != 0
    assert f"<{sys.executable}>" in done.stderr


def test_results_are_kept_until_the_code_changes(tmp_path):
    build, package = tmp_path / "build", tmp_path / "package"
    package.mkdir()
    (package / "module.py").write_text("x = 1")
    folder = notebooks.cache_folder(build, package)
    (folder / "result").write_text("kept")
    assert notebooks.cache_folder(build, package) == folder
    assert (folder / "result").is_file()
    (package / "module.py").write_text("x = 2")
    assert notebooks.cache_folder(build, package) != folder
    assert len(list(build.iterdir())) == 1


def test_mnist_is_put_where_keras_looks(tmp_path):
    source = tmp_path / "data/mnist"
    source.mkdir(parents=True)
    pixels = np.arange(2 * 28 * 28, dtype=np.uint8)
    for name, (file, head) in notebooks.MNIST_FILES.items():
        values = pixels if name.startswith("x") else np.array([7, 3], np.uint8)
        start = struct.pack(f">{head // 4}I", *[0] * (head // 4))
        (source / file).write_bytes(gzip.compress(start + values.tobytes()))
    assert not notebooks.write_mnist(None, tmp_path / "keras")
    assert not notebooks.write_mnist(str(tmp_path), tmp_path / "keras")
    assert notebooks.write_mnist(str(tmp_path / "data"), tmp_path / "keras")
    found = np.load(tmp_path / "keras/datasets/mnist.npz")
    assert (found["x_test"].ravel() == pixels).all()
    assert found["x_train"].shape == (2, 28, 28)
    assert found["y_train"].tolist() == [7, 3]
    assert os.listdir(tmp_path / "keras/datasets") == ["mnist.npz"]


def test_downloads_lead_to_the_site_and_have_no_cell_of_its_own():
    text = (
        "# Page\n\nGet it: {nb-download}`here <page.ipynb>`.\n\n[serve](../serve.md), [why](softmax.md#why-not), "
        '[out](https://a.b/c.md), <a href="../live/report.html">live</a>'
    )
    cells = [
        nbformat.v4.new_markdown_cell(text),
        nbformat.v4.new_code_cell("x"),
        nbformat.v4.new_code_cell("site only"),
    ]
    cells[2].metadata["tags"] = ["remove-cell"]
    book = nbformat.v4.new_notebook(cells=cells, metadata={"source_map": [1, 2, 3]})
    once = notebooks.to_download(book, "get-started/page")
    assert [cell.source for cell in once.cells] == [
        "# Page\n\n\n[serve](https://manyhot.readthedocs.io/en/stable/serve.html), "
        "[why](https://manyhot.readthedocs.io/en/stable/get-started/softmax.html#why-not), [out](https://a.b/c.md), "
        '<a href="https://manyhot.readthedocs.io/en/stable/live/report.html">live</a>',
        "x",
    ]
    assert "source_map" not in once.metadata
