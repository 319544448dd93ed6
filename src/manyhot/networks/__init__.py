"""Network builders: `(input shapes, n_labels, settings, start) -> keras.Model that returns logits`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from manyhot.lazy_imports import lazy_attributes

if TYPE_CHECKING:
    from manyhot.networks.backbone import (
        HostWeights,
        attach_head,
        build_attribution_model,
        build_attribution_weights,
        build_core,
    )
    from manyhot.networks.builders import BUILDERS
    from manyhot.networks.built_shapes import infer_weight_shapes
    from manyhot.networks.custom.allowlist import check_allowlist
    from manyhot.networks.custom.network import CustomNetwork, from_keras
    from manyhot.networks.fast.layers import choose_layers
    from manyhot.networks.initialization import MemberInitializer
    from manyhot.networks.layers import real_rows
    from manyhot.networks.mlp import build_trunk
    from manyhot.networks.pretrained_backbone import Backbone, open_backbone
    from manyhot.networks.text_transformer import preset_function
    from manyhot.networks.unet import edge_factor
    from manyhot.networks.weight_shapes import WEIGHT_SHAPES, first_units, trunk_weight_shapes

__all__ = [
    "BUILDERS",
    "WEIGHT_SHAPES",
    "Backbone",
    "CustomNetwork",
    "HostWeights",
    "MemberInitializer",
    "attach_head",
    "build_attribution_model",
    "build_attribution_weights",
    "build_core",
    "build_trunk",
    "check_allowlist",
    "choose_layers",
    "edge_factor",
    "first_units",
    "from_keras",
    "infer_weight_shapes",
    "open_backbone",
    "preset_function",
    "real_rows",
    "trunk_weight_shapes",
]

__getattr__, __dir__ = lazy_attributes(
    __name__,
    {
        "backbone": (
            "HostWeights",
            "attach_head",
            "build_attribution_model",
            "build_attribution_weights",
            "build_core",
        ),
        "builders": ("BUILDERS",),
        "built_shapes": ("infer_weight_shapes",),
        "custom.allowlist": ("check_allowlist",),
        "custom.network": ("CustomNetwork", "from_keras"),
        "fast.layers": ("choose_layers",),
        "initialization": ("MemberInitializer",),
        "layers": ("real_rows",),
        "mlp": ("build_trunk",),
        "pretrained_backbone": ("Backbone", "open_backbone"),
        "text_transformer": ("preset_function",),
        "unet": ("edge_factor",),
        "weight_shapes": ("WEIGHT_SHAPES", "first_units", "trunk_weight_shapes"),
    },
)
