"""Whatever manyhot warns of can be filtered apart from the warnings of other libraries."""

import ast
import builtins
import importlib
import subprocess
import sys
from functools import reduce
from pathlib import Path

import pytest

import manyhot
from manyhot import errors

SOURCES = Path(manyhot.__file__).parent


def warning_calls(text):
    """Every call of `warnings.warn` or `warnings.warn_explicit` in a source; other ways to them are refused."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            assert not [name for name in node.names if name.name == "warnings" and name.asname], ast.unparse(node)
        if isinstance(node, ast.ImportFrom):
            assert node.module != "warnings", f"{ast.unparse(node)}: write `import warnings`"
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("warnings.warn", "warnings.warn_explicit"):
            yield node


def category(call, module):
    """The class that a call gives; without one Python takes UserWarning."""
    given = [word.value for word in call.keywords if word.arg == "category"] or call.args[1:2]
    if not given:
        return UserWarning
    first, *rest = ast.unparse(given[0]).split(".")
    return reduce(getattr, rest, vars(module).get(first) or getattr(builtins, first))


def is_ours(kind):
    """A deprecation alone is a plain FutureWarning, which Python shows to everybody."""
    return issubclass(kind, errors.ManyhotWarning) or kind is FutureWarning


def test_every_warning_is_one_of_manyhot():
    n_found = 0
    for path in sorted(SOURCES.rglob("*.py")):
        for call in warning_calls(path.read_text()):
            module = importlib.import_module(".".join(path.relative_to(SOURCES.parent).with_suffix("").parts))
            assert is_ours(category(call, module)), f"{path}, line {call.lineno}: {ast.unparse(call)}"
            n_found += 1
    assert n_found >= 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("warnings.warn('odd')", False),
        ("warnings.warn('odd', stacklevel=2)", False),
        ("warnings.warn('odd', UserWarning, stacklevel=2)", False),
        ("warnings.warn('odd', category=DeprecationWarning)", False),
        ("warnings.warn('odd', category=FutureWarning)", True),
        ("warnings.warn('odd', errors.ManyhotWarning)", True),
    ],
)
def test_another_category_would_be_found(line, expected):
    (call,) = warning_calls(line)
    assert is_ours(category(call, sys.modules[__name__])) is expected


def test_the_category_comes_without_jax():
    code = "import sys; from manyhot import ManyhotWarning; assert not {'jax', 'keras', 'sklearn'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert manyhot.ManyhotWarning is errors.ManyhotWarning
    assert issubclass(manyhot.ManyhotWarning, UserWarning)
