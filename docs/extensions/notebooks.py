"""How the pages that are notebooks run: with which files, when anew, and what a reader downloads."""

import gzip
import hashlib
import os
import re
import shutil
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from docutils import nodes
from jupyter_cache import get_cache
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform

ADDRESS = "https://manyhot.readthedocs.io/en/stable/"
MNIST_PAGE = "get-started/digits.md"
MNIST_FILES = {
    "x_train": ("train-images-idx3-ubyte.gz", 16),
    "y_train": ("train-labels-idx1-ubyte.gz", 8),
    "x_test": ("t10k-images-idx3-ubyte.gz", 16),
    "y_test": ("t10k-labels-idx1-ubyte.gz", 8),
}
"""Array of Keras' mnist.npz -> file of the original data set, and the length of its head in bytes."""
LIVE = {"get-started/songs": "songs-report.html"}
"""Page -> file that a hidden cell of it copies into the folder `MANYHOT_SITE_FILES`; the site has it under live/."""
RESULTS = ("jax", "keras", "numpy", "polars", "scikit-learn", "altair", "vl-convert-python")


def cache_folder(build: Path, package: Path) -> Path:
    """The folder of executed notebooks for the code of a package and the versions that decide what they show.

    Notebooks that were executed by other code are removed: they would only take space.
    """
    digest = hashlib.sha256(" ".join([sys.version, *map(version, RESULTS)]).encode())
    for file in sorted(path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        digest.update(file.relative_to(package).as_posix().encode())
        digest.update(file.read_bytes())
    folder = build / digest.hexdigest()[:16]
    if not folder.is_dir():
        shutil.rmtree(build, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def prepare_kernels(files: Path, keras_home: Path) -> None:
    """Set what the cells of a notebook inherit: where `manyhot` is, and where files go and come from."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # the kernel of this Python, not of another one in the home folder
    os.environ["MANYHOT_SITE_FILES"] = str(files)
    os.environ["KERAS_HOME"] = str(keras_home)
    keras_home.mkdir(parents=True, exist_ok=True)
    files.mkdir(parents=True, exist_ok=True)


def write_mnist(data: str | None, keras_home: Path) -> bool:
    """Put MNIST where Keras looks for it, from the folder of data sets; whether it is there."""
    archive = keras_home / "datasets/mnist.npz"
    if archive.is_file() or not data or not (source := Path(data) / "mnist").is_dir():
        return archive.is_file()
    archive.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: _read_idx(source / file, head) for name, (file, head) in MNIST_FILES.items()}
    unfinished = archive.with_suffix(f".{os.getpid()}.npz")
    np.savez_compressed(unfinished, **arrays)
    unfinished.replace(archive)
    return True


def mnist_note() -> str:
    """What the page of digits says where it was not executed: nothing where it was."""
    if (Path(os.environ["KERAS_HOME"]) / "datasets/mnist.npz").is_file():
        return ""
    return "```{note}\nMNIST was not at hand when this copy of the site was built, so no output is shown here.\n```"


def _read_idx(file: Path, head: int) -> np.ndarray:
    values = np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8, offset=head)
    return values if head == 8 else values.reshape(-1, 28, 28)


def to_download(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """The notebook as a reader wants it: without what only the site needs, and with links that lead to the site."""
    notebook.cells = [cell for cell in notebook.cells if "remove-cell" not in cell.metadata.get("tags", [])]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _to_plain_markdown(cell.source, name)
    notebook.metadata.pop("source_map", None)  # the line of each cell, of the cells that were there
    return notebook


def _to_plain_markdown(text: str, name: str) -> str:
    def to_address(found: re.Match) -> str:
        path = os.path.normpath(os.path.join(os.path.dirname(name), found[1])).replace(os.sep, "/")
        return f"]({ADDRESS}{path}.html{found[2] or ''})"

    text = re.sub(r"^.*\{nb-download\}.*\n?", "", text, flags=re.MULTILINE)
    text = re.sub(r'<a href="(?:\.\./)*live/', f'<a href="{ADDRESS}live/', text)
    return re.sub(r"\]\((?!\w+:)([\w./-]+)\.md(#[\w-]+)?\)", to_address, text).strip()


def _write_downloads(app: Sphinx, env: Any) -> None:
    """Rewrite the notebooks that myst-nb left, before they are copied into the site.

    It leaves one whose results were kept from an earlier build without its outputs.
    """
    cache = get_cache(env.mystnb_config.execution_cache_path)
    for name in env.found_docs:
        file = Path(env.mystnb_config.output_folder) / f"{name}.ipynb"
        if file.is_file():
            book = nbformat.read(file, as_version=4)
            with suppress(KeyError):  # not executed, or rewritten already
                book = cache.merge_match_into_notebook(book)[1]
            nbformat.write(to_download(book, name), file)


def _copy_live_files(app: Sphinx, error: Exception | None) -> None:
    if error or app.builder.format != "html":
        return
    for name in (name for page, name in LIVE.items() if page in app.env.found_docs):
        file = Path(os.environ["MANYHOT_SITE_FILES"]) / name
        if not file.is_file():
            raise ExtensionError(f"no notebook wrote {name}, which the site links to; its hidden cell copies it")
        target = Path(app.outdir) / "live" / name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, target)


class MergeStreams(SphinxTransform):
    """Joins what a cell printed in pieces; `nb_merge_streams` would break the line where a piece ends."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        """Join neighbours of the same stream."""
        for cell in self.document.findall(nodes.container):
            if cell.get("nb_element") != "cell_code_output":
                continue
            last = None
            for node in list(cell.children):
                is_stream = isinstance(node, nodes.literal_block) and "output" in node["classes"]
                if is_stream and last is not None and node["classes"] == last["classes"]:
                    text = last.astext() + node.astext()
                    last.rawsource, last.children = text, [nodes.Text(text)]
                    cell.remove(node)
                else:
                    last = node if is_stream else None


def setup(app: Sphinx) -> dict[str, Any]:
    """Write what readers download, and the files that notebooks leave for the site."""
    app.add_transform(MergeStreams)
    app.connect("env-updated", _write_downloads)
    app.connect("build-finished", _copy_live_files)
    return {"parallel_read_safe": True}
