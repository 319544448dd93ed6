"""What the documents show runs, and what they name exists."""

import io
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from manyhot.cli import main
from manyhot.config import auto
from manyhot.models.segmentation import training as pixel_training
from manyhot.networks.pretrained_backbone import open_backbone
from tests.fixtures.document_files import make_files, random_weights, shallow_backbones

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
PACKAGES = "|".join(path.parent.name for path in (ROOT / "src/manyhot").glob("*/__init__.py"))
SHELL = {
    name: [
        line
        for block in re.findall(r"```sh\n(.*?)```", (ROOT / name).read_text(), flags=re.DOTALL)
        for line in block.splitlines()
        if line.startswith("manyhot ")
    ]
    for name in (
        "docs/checkpoints.md",  # first, for its model
        "docs/report.md",
        "docs/serve.md",
        "docs/bulk.md",
        "docs/taxonomy.md",
    )
}
SIZES = ((auto, "resolve_sizes"), (pixel_training, "resolve_pixel_sizes"))


IMPORT = "from manyhot import MultiLabelClassifier, cross_validate\n"
READY = f"""
import functools
import numpy as np
{IMPORT}
MultiLabelClassifier = functools.partial(MultiLabelClassifier, n_members=2, epochs=2, verbose=0)
X = np.random.default_rng(0).normal(size=(120, 4))
Y = X[:, :2] > 0.3
"""


@pytest.mark.slow
@pytest.mark.parametrize("document", ["docs/executors.md", "docs/checkpoints.md", "docs/taxonomy.md"])
def test_python_blocks_of_documents_run(document, tmp_path):
    """But for those that need what does not install everywhere, as the document says."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), flags=re.DOTALL)
    runnable = [block for block in blocks if "mpi4py" not in block and "submitit" not in block]
    assert runnable
    for block in runnable:  # each a script, as Dask's workers read theirs again
        (tmp_path / "script.py").write_text(READY + block.replace(IMPORT, ""))
        done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_keras_may_be_imported_after_manyhot():
    code = "import manyhot, keras; assert keras.backend.backend() == 'jax'; manyhot.MultiLabelClassifier"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_shell_lines_run_as_they_are_typed(tmp_path, monkeypatch):
    """One after another in one folder, with little networks where a line says nothing of their size."""
    shallow_backbones(monkeypatch)
    for module, name in SIZES:
        resolve = getattr(auto, name)
        monkeypatch.setattr(module, name, lambda config, *given, resolve=resolve: resolve(small(config), *given))
    type_all(tmp_path, monkeypatch)


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_shell_lines_run_as_they_are_typed_with_every_default(tmp_path, monkeypatch):
    type_all(tmp_path, monkeypatch)


def small(config):
    """The config with few members, epochs and filters, unless it was told how many."""
    members, epochs = (2 if told == "auto" else told for told in (config.n_members, config.epochs))
    images = config.image_params
    if images["backbone"] == "none" and images["filters"] == "auto":
        images = {**images, "filters": [4, 4]}
    return config.changed(n_members=members, epochs=epochs, image_params=images)


def type_all(folder, monkeypatch):
    """Type every line, one document after another.

    The weights that Keras would download stand in a file, because there may be no network; their content is of no
    matter here.
    """
    make_files(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MANYHOT_CACHE", str(folder / "cache"))
    monkeypatch.setattr("manyhot.networks.pretrained_backbone._download_backbone", without_download)
    assert all(SHELL[name] for name in ("docs/checkpoints.md", "docs/report.md", "docs/bulk.md"))
    for line in (line for lines in SHELL.values() for line in lines):
        words = shlex.split(line, comments=True)[1:]
        if words[0] == "serve":
            assert_serves(words)
            continue
        code, told = typed(words)
        assert code == 0, f"{line}\n{told}"


def typed(words):
    """Exit code of a command in this process, and what it says on standard error."""
    told = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(told):
        try:
            main(words)
        except SystemExit as stop:
            return int(stop.code or 0), told.getvalue()
    return 0, told.getvalue()


def without_download(name):
    return open_backbone(name, str(random_weights(Path(f"{name}.weights.h5"), name)))


def assert_serves(words):
    """Start it, ask it, end it: on its port, or on another where that is taken."""
    port = int(words[words.index("--port") + 1])
    with socket.socket() as probe:
        if not probe.connect_ex(("127.0.0.1", port)):
            with socket.create_server(("127.0.0.1", 0)) as free:
                words[words.index("--port") + 1] = str(port := free.getsockname()[1])
    service = subprocess.Popen([sys.executable, "-m", "manyhot", *words], stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(1200):
            assert service.poll() is None, service.stderr.read()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=60) as answer:
                    assert answer.status == 200
                    break
            except OSError:  # not yet
                time.sleep(0.1)
        service.send_signal(signal.SIGTERM)
        assert service.wait(60) == 0, service.stderr.read()
    finally:
        service.kill()
        service.communicate()


def test_every_make_target_in_the_readme_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"make ([a-z]+)\b", (ROOT / "README.md").read_text())) - {"it"}
    assert {"demo", "test", "check"} <= named
    assert named <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_documents_name_exist(document):
    text = document.read_text()
    for name in re.findall(r"\]\(([\w/.-]+)\)", text):
        assert (document.parent / name).exists(), name
    for name in re.findall(rf"`((?:src|tests|benchmarks|docs|{PACKAGES})/[\w/.-]+\.(?:py|md))", text):
        assert (ROOT / name).exists() or (ROOT / "src/manyhot" / name).exists(), name


def test_folders_name_the_files_that_are_in_them():
    for readme in (ROOT / "src/manyhot").rglob("README.md"):
        for name in re.findall(r"`([\w/]+\.py)`", readme.read_text()):
            homes = (readme.parent, readme.parent / "jobs", ROOT / "src/manyhot")
            assert any((home / name).exists() for home in homes), (readme, name)
        text, here = readme.read_text(), {path.name for path in readme.parent.glob("*.py")} - {"__init__.py"}
        assert {name for name in here if f"`{name}`" not in text} == set(), readme


def test_modules_in_the_map_exist():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    table = text.split("## Map")[1].split("##")[0]
    names = [
        name for row in re.findall(r"^\| (.*?) \|", table, flags=re.MULTILINE) for name in re.findall(r"`(.*?)`", row)
    ]
    there = {path.name + ("/" if path.is_dir() else "") for path in (ROOT / "src/manyhot").iterdir()}
    assert set(names) == there - {
        "__init__.py",
        "__init__.pyi",
        "__main__.py",
        "version.py",
        "py.typed",
        "__pycache__/",
    }
