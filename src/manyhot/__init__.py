"""Multi-label classification with neural networks: honest, fast, one safe file.

`MultiLabelClassifier` trains and predicts, `ManyLabelClassifier` does so with very many labels, `load` opens what they
saved, `cross_validate` says how good it is, `examine` what is odd about the labels. All are imported on first use, so
that `import manyhot` stays quick.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from manyhot.collector import paused
from manyhot.version import __version__

if "keras" not in sys.modules:
    os.environ["KERAS_BACKEND"] = "jax"  # so that a later `import keras`, the user's or ours, runs on JAX

if TYPE_CHECKING:
    from manyhot.crossval import compare_heads, cross_validate
    from manyhot.estimator import MultiLabelClassifier
    from manyhot.loading import load
    from manyhot.many import ManyLabelClassifier
    from manyhot.splitters import MultiLabelKFold, MultiLabelShuffleSplit, RepeatedMultiLabelKFold, split_report

_HOMES = {
    "ManyLabelClassifier": "manyhot.many",
    "MultiLabelClassifier": "manyhot.estimator",
    "MultiLabelKFold": "manyhot.splitters",
    "MultiLabelShuffleSplit": "manyhot.splitters",
    "RepeatedMultiLabelKFold": "manyhot.splitters",
    "compare_heads": "manyhot.crossval",
    "cross_validate": "manyhot.crossval",
    "examine": "manyhot.doctor",
    "load": "manyhot.loading",
    "split_report": "manyhot.splitters",
}

__all__ = [
    "ManyLabelClassifier",
    "MultiLabelClassifier",
    "MultiLabelKFold",
    "MultiLabelShuffleSplit",
    "RepeatedMultiLabelKFold",
    "__version__",
    "compare_heads",
    "cross_validate",
    "examine",
    "load",
    "split_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'manyhot' has no attribute {name!r}")
    with paused():
        return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
