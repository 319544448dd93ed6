"""Network builders: `(input shapes, n_labels, settings, start) -> keras.Model that returns logits`.

A new builder is one file, one row in `BUILDERS`, one entry in tests/contract/test_networks.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from manyhot.backend import keras
from manyhot.networks.mlp import build_mlp, mlp_weight_shapes
from manyhot.networks.start import ROW_MASK, Start

__all__ = ["BUILDERS", "ROW_MASK", "WEIGHT_SHAPES", "Builder", "Start"]

Builder = Callable[[Mapping[str, tuple[int, ...]], int, Mapping[str, Any], Start], keras.Model]

BUILDERS: dict[str, Builder] = {"mlp": build_mlp}

WEIGHT_SHAPES = {"mlp": mlp_weight_shapes}
