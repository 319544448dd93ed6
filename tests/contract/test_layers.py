"""The import layers of pyproject.toml hold, and quick things stay quick."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from manyhot import load

ROOT = Path(__file__).parents[2]


PASSED = """
import os, sys, threading
import numpy as np
import manyhot
from manyhot import MultiLabelClassifier, load
from manyhot.cli import main
home, seen = os.path.dirname(manyhot.__file__) + os.sep, {}

def note(frame, event, arg):
    code, name = frame.f_code, frame.f_code.co_filename
    is_function = code.co_flags & 1 and not code.co_name.startswith("<")  # no module or class that is only imported
    if event == "call" and name.startswith(home) and is_function:
        seen.setdefault(name.removeprefix(home))

def traced(work):
    seen.clear()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        work()
    except SystemExit as done:
        assert not done.code
    sys.setprofile(None)
    threading.setprofile(None)
    print("passed", *seen)

X = np.random.default_rng(0).normal(size=(120, 4))
Y = (X[:, :2] > 0.3).astype(int)
lines = ["a,b,c,d,y_p,y_q", *(",".join(map(str, [*x, *y])) for x, y in zip(X, Y))]
with open("rows.csv", "w") as file:
    print(*lines, sep=chr(10), file=file)
small = {"epochs": 2, "n_members": 2, "verbose": 0}
traced(lambda: MultiLabelClassifier(**small).fit(X, Y).save("rows.manyhot"))
flags = ["--epochs", "2", "--n-members", "2", "--quiet"]
traced(lambda: main(["train", "rows.csv", "--labels", "y_*", "-o", "rows.manyhot", *flags]))
classifier = load("rows.manyhot")
traced(lambda: classifier.predict_proba(X))
"""


@pytest.mark.slow
def test_a_value_passes_through_few_packages(tmp_path):
    """Packages in which at least one function is called: fit and save, `manyhot train`, predict_proba."""
    done = subprocess.run([sys.executable, "-c", PASSED], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("passed ")]
    for what, most, files in zip(("fit and save", "train", "predict_proba"), (10, 12, 8), found, strict=True):
        packages = {name.split("/")[0] for name in files if "/" in name}
        print(f"{what}: {len(files)} files in {len(packages)} packages:\n  {' '.join(files)}")
        assert 6 <= len(packages) <= most, (what, packages)


def test_arrows_point_down(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert lint_imports(cache_dir=None) == 0


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["train", "--help"], ["predict", "--help"], ["serve", "--help"]], ids=" ".join
)
def test_help_imports_nothing_heavy(words):
    script = (
        "import sys\n"
        "from manyhot.cli import main\n"
        "try:\n"
        f"    main({words!r})\n"
        "except SystemExit as done:\n"
        "    assert not done.code\n"
        "heavy = {'jax', 'keras', 'sklearn', 'polars', 'pandas', 'numpy', 'scipy', 'PIL', 'starlette', 'uvicorn'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


IN_A_NEW_PROCESS = """
import sys
from manyhot.cli import main
try:
    main({words!r})
except SystemExit as done:
    assert not done.code, done.code
heavy = {{"jax", "keras"}} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["table", "text_tfidf"])
def test_saved_files_are_shown_and_changed_without_jax(kind, tmp_path):
    model = shutil.copy(ROOT / f"tests/contract/frozen/saved/{kind}/model.manyhot", tmp_path)
    label = load(model).labels_[0]
    for words in (
        ["inspect", model],
        ["thresholds", model, "--set", f"{label}=0.25"],
        ["label-errors", model],
        ["report", model, "-o", str(tmp_path / "report.html")],
    ):
        done = subprocess.run(
            [sys.executable, "-c", IN_A_NEW_PROCESS.format(words=list(map(str, words)))], capture_output=True, text=True
        )
        assert done.returncode == 0, (words, done.stderr)
    assert load(model).thresholds_[label] == 0.25


HEAVY = ("jax", "keras", "sklearn", "polars", "numpy", "scipy")


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "no.manyhot", "rows.csv"],
        ["train", "no.csv", "--labels", "y", "-o", "m.manyhot"],
        ["inspect", "no.manyhot"],
        ["train", __file__, "--epochs", "many"],
        ["train", __file__, "--nonsense"],
    ],
    ids=" ".join,
)
def test_a_wrong_name_or_flag_is_answered_at_once(words):
    code = (
        f"import sys; from manyhot.cli import main\ntry: main({words!r})\nexcept SystemExit as done: print(done.code)\n"
    )
    code += f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split("\n")[:2] == ["2", "[]"], (done.stdout, done.stderr)


def test_models_are_shown_without_scikit_learn():
    model = str(ROOT / "tests/contract/frozen/saved/table/model.manyhot")
    code = f"import sys; from manyhot.cli import main\ntry: main(['inspect', {model!r}])\nexcept SystemExit: pass\n"
    code += "assert not {'jax', 'keras', 'sklearn'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0


def test_the_estimator_is_imported_without_jax():
    code = "import sys; from manyhot import MultiLabelClassifier, load; assert not {'jax', 'keras'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_estimator_is_imported_without_readers_and_encoders():
    late = {"rich.progress", "manyhot.data.readers.formats", "manyhot.encoders.tabular", "manyhot.models.training_data"}
    code = f"import sys; from manyhot import MultiLabelClassifier; assert not {late} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
