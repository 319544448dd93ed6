"""Multi-label classification with neural networks: honest, fast, one safe file.

`MultiLabelClassifier` trains and predicts, `ExtremeMultiLabelClassifier` does so with very many labels, `load` opens
what they saved, `cross_validate` says how good it is, `check_data` checks a data set for label problems. All are
imported on first use, so that `import manyhot` stays quick.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from manyhot.lazy_imports import lazy_attributes
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


__getattr__, __dir__ = lazy_attributes(
    __name__,
    {
        "data.readers": ("ReadOptions",),
        "data.splitting.splitters": (
            "MultiLabelKFold",
            "MultiLabelShuffleSplit",
            "RepeatedMultiLabelKFold",
            "split_report",
        ),
        "errors": ("ManyhotWarning",),
        "estimators.cross_validation": ("compare_heads", "cross_validate"),
        "estimators.extreme": ("ExtremeMultiLabelClassifier",),
        "estimators.loading": ("load",),
        "estimators.multilabel": ("MultiLabelClassifier",),
        "evaluation.data_checks": ("check_data",),
    },
)
