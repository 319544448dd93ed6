"""Names of a package that are imported on first use (PEP 562), because what they need takes long to load."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from manyhot.gc_pause import pause_gc


def lazy_submodules(package: str, names: Sequence[str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package whose modules are written `package.module`."""

    def get_module(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with pause_gc():
            return importlib.import_module(f"{package}.{name}")

    return get_module, lambda: sorted(names)


def lazy_attributes(
    package: str, names: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package: names by module, one of the package or of `manyhot` itself."""
    origins = {
        name: module if module.startswith("manyhot.") else f"{package}.{module}"
        for module, found in names.items()
        for name in found
    }

    def get_attribute(name: str) -> Any:
        if name not in origins:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with pause_gc():
            value = getattr(importlib.import_module(origins[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return get_attribute, lambda: sorted(origins)
