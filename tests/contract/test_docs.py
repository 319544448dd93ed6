"""What the documents show runs, and what they name exists."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
PYTHON = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
SHELL = [
    line.split("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]


def test_python_blocks_run_one_after_another(tmp_path):
    assert len(PYTHON) >= 3
    done = subprocess.run([sys.executable, "-c", "\n".join(PYTHON)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in ("songs.manyhot", "spread.svg"):
        assert (tmp_path / name).is_file()


def test_keras_may_be_imported_after_manyhot():
    code = "import manyhot, keras; assert keras.backend.backend() == 'jax'; manyhot.MultiLabelClassifier"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", SHELL)
def test_shell_lines_name_commands_and_flags_that_exist(line):
    words = shlex.split(line)
    assert words[0] == "manyhot"
    done = subprocess.run([sys.executable, "-m", "manyhot", words[1], "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    for flag in (word for word in words if word.startswith("-")):
        assert re.search(rf"(^|[\s,/]){re.escape(flag)}\b", done.stdout), flag


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
    for name in re.findall(r"`((?:src|tests|benchmarks|docs|engine|read|metrics|encode)/[\w/.-]+\.(?:py|md))", text):
        assert (ROOT / name).exists() or (ROOT / "src/manyhot" / name).exists(), name


def test_modules_in_the_map_exist():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    table = text.split("## Map")[1].split("##")[0]
    names = [
        name for row in re.findall(r"^\| (.*?) \|", table, flags=re.MULTILINE) for name in re.findall(r"`(.*?)`", row)
    ]
    there = {path.name + ("/" if path.is_dir() else "") for path in (ROOT / "src/manyhot").iterdir()}
    assert set(names) == there - {"__init__.py", "__main__.py", "version.py", "__pycache__/"}
