"""Print the lowest declared version of every direct dependency as constraints: python tests/floors.py pyproject.toml

Those of the package and of its extras are pinned; what only documents, tests and development need stays as declared.
"""

import sys
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

TOOLS = ("docs", "test", "dev")


def lowest_versions(project: dict[str, Any]) -> list[str]:
    """`name==version` of every dependency, sorted.

    Raises:
        ValueError: A dependency declares no lowest version, or two different ones.
    """
    extras = project.get("optional-dependencies", {})
    declared = [*project["dependencies"], *(text for name in extras if name not in TOOLS for text in extras[name])]
    found: dict[str, str] = {}
    for requirement in map(Requirement, declared):
        name, lowest = requirement.name, _lowest(requirement.specifier)
        if lowest is None:
            raise ValueError(f"{requirement} declares no lowest version; write {name}>=VERSION")
        if found.setdefault(name, lowest) != lowest:
            raise ValueError(f"{name} has two lowest versions, {found[name]} and {lowest}; declare one")
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def lowest_python(project: dict[str, Any]) -> tuple[int, ...]:
    """The lowest Python as a tuple, such as (3, 11)."""
    return tuple(map(int, str(_lowest(SpecifierSet(project["requires-python"]))).split(".")))


def _lowest(specifiers: SpecifierSet) -> str | None:
    return next((part.version for part in specifiers if part.operator == ">="), None)


if __name__ == "__main__":
    described = tomllib.loads(Path(sys.argv[1]).read_text())["project"]
    if sys.version_info[:2] != (lowest := lowest_python(described)):
        # the lowest version of a compiled dependency has no wheel for a Python that came later
        wanted = ".".join(map(str, lowest))
        sys.exit(f"the lowest versions are tested on the lowest Python: make floors PYTHON=python{wanted}")
    print(*lowest_versions(described), sep="\n")
