"""Multi-label classification with neural networks: honest, fast, one safe file.

`MultiLabelClassifier` trains and predicts, `load` opens what it saved. Both are imported on first use, so that
`import manyhot` stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from manyhot.version import __version__

if TYPE_CHECKING:
    from manyhot.estimator import MultiLabelClassifier, load

__all__ = ["MultiLabelClassifier", "__version__", "load"]

_HOMES = {"MultiLabelClassifier": "manyhot.estimator", "load": "manyhot.estimator"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'manyhot' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
