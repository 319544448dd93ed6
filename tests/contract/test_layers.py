"""The import layers of pyproject.toml hold, and quick things stay quick."""

import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]


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
