"""What is declared is what is there."""

import importlib
import re
import tomllib
from importlib.metadata import requires
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import manyhot
from manyhot.errors import how_to_install
from manyhot.persistence.container import FORMAT
from tests.floors import lowest_python, lowest_versions

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_neither_torch_nor_tensorflow_comes_along():
    banned = re.compile(r"^(torch|tensorflow|nvidia)", re.IGNORECASE)
    pinned = (ROOT / "constraints.txt").read_text().split()
    assert not [name for name in [*PROJECT["dependencies"], *pinned] if banned.match(name)]
    seen, waiting = set(), ["manyhot"]
    while waiting:
        name = waiting.pop()
        for text in requires(name) or []:
            requirement = Requirement(text)
            if (
                requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            ) and requirement.name not in seen:
                seen.add(requirement.name)
                waiting.append(requirement.name)
    assert {"jax", "keras"} <= seen
    assert not [name for name in seen if banned.match(name)]


def test_constraints_pin_every_direct_dependency_within_its_range():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.lower().replace("_", "-").split("==") for line in lines if line)
    extras = PROJECT["optional-dependencies"]
    for text in [*PROJECT["dependencies"], *extras["test"], *extras["dev"]]:
        requirement = Requirement(text)
        if requirement.name != "manyhot":
            assert pinned[requirement.name.lower()] in requirement.specifier, text


def test_floors_pin_every_dependency_at_the_lowest_version_that_it_declares():
    pinned = dict(line.split("==") for line in lowest_versions(PROJECT))
    extras = PROJECT["optional-dependencies"]
    declared = [
        *PROJECT["dependencies"],
        *extras["static"],
        *extras["onnxtext"],
        *extras["pretrained"],
        *extras["serve"],
        *extras["gpu"],
        *extras["excel"],
        *extras["pictures"],
        *extras["ray"],
        *extras["onnx"],
        *extras["tune"],
    ]
    for requirement in map(Requirement, declared):
        assert f">={pinned[requirement.name]}" in map(str, requirement.specifier), requirement
        assert pinned[requirement.name] in requirement.specifier, requirement
    assert set(pinned) == {Requirement(text).name for text in declared}


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (["numpy"], "numpy declares no lowest version"),
        (["numpy>=2.0", "numpy>=2.1"], "two lowest versions, 2.0 and 2.1"),
    ],
)
def test_a_floor_that_is_missing_or_in_doubt_is_refused(declared, expected):
    with pytest.raises(ValueError, match=expected):
        lowest_versions({"dependencies": declared})


def test_classifiers_name_the_pythons_from_the_lowest_on():
    named = [text.rpartition("3.")[2] for text in PROJECT["classifiers"] if text.startswith("Programming Language")]
    lowest = lowest_python(PROJECT)
    assert [(3, int(minor)) for minor in named] == [(3, minor) for minor in range(lowest[1], lowest[1] + len(named))]
    releasing = (ROOT / "docs/releasing.md").read_text()
    assert [minor for minor in named if f"| 3.{minor} |" not in releasing] == []


def test_the_package_says_that_it_has_types():
    assert files("manyhot").joinpath("py.typed").is_file()


LAZY = sorted(str(stub.parent.relative_to(ROOT / "src")).replace("/", ".") for stub in ROOT.glob("src/**/__init__.pyi"))


@pytest.mark.parametrize("package", LAZY)
def test_names_that_come_on_first_use_are_there(package):
    """Their stub is what type checkers and editors see, and what says where they come from."""
    module = importlib.import_module(package)
    assert module.__all__
    assert all(getattr(module, name) is not None for name in module.__all__)


def test_constraints_name_no_host():
    assert not re.search(r"https?:|file:|@|index-url", (ROOT / "constraints.txt").read_text())


def test_folders_with_many_files_say_what_they_are():
    for folder in (path for path in (ROOT / "src/manyhot").rglob("*") if path.is_dir()):
        if len(list(folder.glob("*.py"))) > 3 and folder.name != "jobs":
            assert (folder / "README.md").is_file(), folder


def test_one_file_alone_is_over_400_lines():
    """The estimator, whose parameters stand in it twice; docs/decisions/0039-layout.md."""
    long = [path.name for path in (ROOT / "src").rglob("*.py") if len(path.read_text().splitlines()) > 400]
    assert long == ["multilabel.py"]


def test_the_changelog_knows_the_version():
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "[Unreleased]" in text or manyhot.__version__ in text


def test_the_citation_knows_the_version():
    text = (ROOT / "CITATION.cff").read_text()
    fields = dict(re.findall(r"^([a-z-]+): (\S.*)$", text, flags=re.MULTILINE))
    assert fields["version"] == manyhot.__version__
    assert fields["license"] == PROJECT["license"]
    assert fields["cff-version"] == "1.2.0"
    assert {"message", "title", "abstract"} <= set(fields)
    assert "\nauthors:\n  - " in text


def test_the_table_of_formats_ends_with_the_one_that_is_written():
    told = (ROOT / "docs/releasing.md").read_text().split("## Saved files")[1].split("\n## ")[0]
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", told, flags=re.MULTILINE)] == [*range(1, FORMAT + 1)]


def test_what_is_missing_is_named_in_one_way():
    """A message works as typed in a clone, and where a package index has manyhot; its extra is one of ours."""
    assert how_to_install("serve") == "pip install '.[serve]' in a clone of manyhot, else pip install 'manyhot[serve]'"
    for file in (ROOT / "src").rglob("*.py"):
        text = file.read_text()
        assert file.name == "errors.py" or not re.search(r"pip install '?(\.|manyhot)\[", text), file
        for extra in re.findall(r"how_to_install\([\"'](\w+)[\"']\)", text):
            assert extra in PROJECT["optional-dependencies"], (file, extra)
