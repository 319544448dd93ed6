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

from manyhot.gc_pause import paused
from manyhot.version import __version__

if "keras" not in sys.modules:
    os.environ["KERAS_BACKEND"] = "jax"  # so that a later `import keras`, the user's or ours, runs on JAX

if TYPE_CHECKING:
    from manyhot.data.splitting.splitters import (
        MultiLabelKFold,
        MultiLabelShuffleSplit,
        RepeatedMultiLabelKFold,
        split_report,
    )
    from manyhot.estimators.cross_validation import compare_heads, cross_validate
    from manyhot.estimators.extreme import ManyLabelClassifier
    from manyhot.estimators.loading import load
    from manyhot.estimators.multilabel import MultiLabelClassifier

_HOMES = {
    "ManyLabelClassifier": "manyhot.estimators.extreme",
    "MultiLabelClassifier": "manyhot.estimators.multilabel",
    "MultiLabelKFold": "manyhot.data.splitting.splitters",
    "MultiLabelShuffleSplit": "manyhot.data.splitting.splitters",
    "RepeatedMultiLabelKFold": "manyhot.data.splitting.splitters",
    "compare_heads": "manyhot.estimators.cross_validation",
    "cross_validate": "manyhot.estimators.cross_validation",
    "examine": "manyhot.evaluation.data_checks",
    "load": "manyhot.estimators.loading",
    "split_report": "manyhot.data.splitting.splitters",
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
