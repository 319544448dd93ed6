"""The table of networks. A new builder is one file, one row here, one entry in tests/contract/test_networks.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from manyhot.backend import keras
from manyhot.networks.backbone import build_backbone
from manyhot.networks.conv import build_cnn, build_convnext, build_resnet
from manyhot.networks.initialization import MemberInitializer
from manyhot.networks.mlp import build_mlp
from manyhot.networks.text import build_embedding_bag
from manyhot.networks.unet import build_unet

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
