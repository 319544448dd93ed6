"""Network builders: `(input shapes, n_labels, settings, start) -> keras.Model that returns logits`.

A new builder is one file, one row in `BUILDERS`, one entry in tests/contract/test_networks.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from manyhot.backend import keras
from manyhot.networks.backbone import (
    HostWeights,
    attach_head,
    build_attribution_model,
    build_backbone,
    build_core,
    build_features,
    seen_weights,
)
from manyhot.networks.conv import build_cnn, build_convnext, build_resnet
from manyhot.networks.custom.allowlist import audit
from manyhot.networks.custom.network import CustomNetwork, from_keras
from manyhot.networks.fast.layers import choose_layers
from manyhot.networks.initialization import Start
from manyhot.networks.layers import real_rows
from manyhot.networks.mlp import build_mlp, build_trunk, first_units, mlp_weight_shapes, trunk_weight_shapes
from manyhot.networks.text import build_words, words_weight_shapes
from manyhot.networks.unet import build_unet, edge_factor
from manyhot.networks.weight_shapes import built_shapes

__all__ = [
    "BUILDERS",
    "WEIGHT_SHAPES",
    "Builder",
    "CustomNetwork",
    "HostWeights",
    "Start",
    "attach_head",
    "audit",
    "build_attribution_model",
    "build_core",
    "build_features",
    "build_trunk",
    "built_shapes",
    "choose_layers",
    "edge_factor",
    "first_units",
    "from_keras",
    "real_rows",
    "seen_weights",
    "trunk_weight_shapes",
]

Builder = Callable[[Mapping[str, tuple[int, ...]], int, Mapping[str, Any], Start], keras.Model]

BUILDERS: dict[str, Builder] = {
    "mlp": build_mlp,
    "words": build_words,
    "cnn": build_cnn,
    "resnet": build_resnet,
    "convnext": build_convnext,
    "backbone": build_backbone,
    "unet": build_unet,
}

WEIGHT_SHAPES = {"mlp": mlp_weight_shapes, "words": words_weight_shapes}
"""Name of a builder -> the shapes of its weights without building anything; those of the others by `built_shapes`."""
