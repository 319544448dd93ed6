"""Multi-label classification with neural networks: honest, fast, one safe file.

`MultiLabelClassifier` trains and predicts, `ExtremeMultiLabelClassifier` does so with very many labels, `DecisionLayer`
decides on scores of any other model, `load` opens what they saved, `predict_arrow` predicts batches of Arrow,
`cross_validate` says how good it is, `check_data` checks a data set for label problems. All are imported on first use,
so that `import manyhot` stays quick.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import lazy_loader

from manyhot.gc_pause import pause_gc
from manyhot.version import __version__ as __version__

if "keras" not in sys.modules:
    os.environ["KERAS_BACKEND"] = "jax"  # so that a later `import keras`, the user's or ours, runs on JAX

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    with pause_gc():
        return _load(name)
