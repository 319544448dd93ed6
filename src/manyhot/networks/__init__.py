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
    build_attribution_weights,
    build_backbone,
    build_core,
    build_features,
)
from manyhot.networks.conv import build_cnn, build_convnext, build_resnet
from manyhot.networks.custom.allowlist import check_allowlist
from manyhot.networks.custom.network import CustomNetwork, from_keras
from manyhot.networks.fast.layers import choose_layers
from manyhot.networks.initialization import MemberInitializer
from manyhot.networks.layers import real_rows
from manyhot.networks.mlp import build_mlp, build_trunk, first_units, mlp_weight_shapes, trunk_weight_shapes
from manyhot.networks.text import build_embedding_bag, embedding_bag_weight_shapes
from manyhot.networks.unet import build_unet, edge_factor
from manyhot.networks.weight_shapes import infer_weight_shapes

__all__ = [
    "BUILDERS",
    "WEIGHT_SHAPES",
    "Builder",
    "CustomNetwork",
    "HostWeights",
    "MemberInitializer",
    "attach_head",
    "build_attribution_model",
    "build_attribution_weights",
    "build_core",
    "build_features",
    "build_trunk",
    "check_allowlist",
    "choose_layers",
    "edge_factor",
    "first_units",
    "from_keras",
    "infer_weight_shapes",
    "real_rows",
    "trunk_weight_shapes",
]

Builder = Callable[[Mapping[str, tuple[int, ...]], int, Mapping[str, Any], MemberInitializer], keras.Model]

BUILDERS: dict[str, Builder] = {
    "mlp": build_mlp,
    "embedding_bag": build_embedding_bag,
    "cnn": build_cnn,
    "resnet": build_resnet,
    "convnext": build_convnext,
    "backbone": build_backbone,
    "unet": build_unet,
}

WEIGHT_SHAPES = {"mlp": mlp_weight_shapes, "embedding_bag": embedding_bag_weight_shapes}
"""Name of a builder -> the shapes of its weights without building anything; those of the others by
`infer_weight_shapes`."""
