"""Multi-label classification with neural networks: honest, fast, one safe file.

`MultiLabelClassifier` trains and predicts, `ExtremeMultiLabelClassifier` does so with very many labels, `load` opens
what they saved, `cross_validate` says how good it is, `check_data` checks a data set for label problems. All are
imported on first use, so that `import manyhot` stays quick.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from manyhot.gc_pause import pause_gc
from manyhot.version import __version__

if "keras" not in sys.modules:
    os.environ["KERAS_BACKEND"] = "jax"  # so that a later `import keras`, the user's or ours, runs on JAX

if TYPE_CHECKING:
    from manyhot.data.readers import ReadOptions
    from manyhot.data.splitting.splitters import (
        MultiLabelKFold,
        MultiLabelShuffleSplit,
        RepeatedMultiLabelKFold,
        split_report,
    )
    from manyhot.errors import ManyhotWarning
    from manyhot.estimators.cross_validation import compare_heads, cross_validate
    from manyhot.estimators.extreme import ExtremeMultiLabelClassifier
    from manyhot.estimators.loading import load
    from manyhot.estimators.multilabel import MultiLabelClassifier
    from manyhot.evaluation.data_checks import check_data

_LAZY_IMPORTS = {
    "ExtremeMultiLabelClassifier": "manyhot.estimators.extreme",
    "ManyhotWarning": "manyhot.errors",
    "MultiLabelClassifier": "manyhot.estimators.multilabel",
    "MultiLabelKFold": "manyhot.data.splitting.splitters",
    "MultiLabelShuffleSplit": "manyhot.data.splitting.splitters",
    "ReadOptions": "manyhot.data.readers",
    "RepeatedMultiLabelKFold": "manyhot.data.splitting.splitters",
    "check_data": "manyhot.evaluation.data_checks",
    "compare_heads": "manyhot.estimators.cross_validation",
    "cross_validate": "manyhot.estimators.cross_validation",
    "load": "manyhot.estimators.loading",
    "split_report": "manyhot.data.splitting.splitters",
}

__all__ = [
    "ExtremeMultiLabelClassifier",
    "ManyhotWarning",
    "MultiLabelClassifier",
    "MultiLabelKFold",
    "MultiLabelShuffleSplit",
    "ReadOptions",
    "RepeatedMultiLabelKFold",
    "__version__",
    "check_data",
    "compare_heads",
    "cross_validate",
    "load",
    "split_report",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY_IMPORTS:
        raise AttributeError(f"module 'manyhot' has no attribute {name!r}")
    with pause_gc():
        return getattr(importlib.import_module(_LAZY_IMPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
