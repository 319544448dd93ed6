"""The pretrained backbone of a saved model."""

from __future__ import annotations

import numpy as np

from manyhot import engine, networks
from manyhot.config.images import BACKBONES
from manyhot.encoders import Encoder
from manyhot.encoders.images.backbone_features import ImageFeatures
from manyhot.errors import BundleError
from manyhot.persistence.container import DocumentReader


def read_backbone(reader: DocumentReader, encoder: Encoder, is_cached: bool) -> None:
    """Attach the backbone ("encoder/backbone....") that the file holds to the encoder, if it needs one."""
    if not encoder.images.is_frozen:
        return
    name, prefix = encoder.images.backbone_name, "encoder/backbone."
    names = reader.array_names(prefix)
    if sum(reader.any_array(key).size for key in names) != BACKBONES[name].n_weights:
        raise BundleError(f"the file does not hold the weights of {name}")
    edge = BACKBONES[name].min_edge
    with engine.use_dtype("float32"):
        core = networks.build_core(name, (edge, edge), "float32")
    kinds = {"trainable": core.trainable_variables, "fixed": core.non_trainable_variables}
    trainable, fixed = (
        [
            reader.array(f"{prefix}{kind}.{k}", dtype=str(np.dtype(str(variable.dtype))), shape=tuple(variable.shape))
            for k, variable in enumerate(variables)
        ]
        for kind, variables in kinds.items()
    )
    if len(names) != len(trainable) + len(fixed):
        raise BundleError(f"the file holds more than the weights of {name}")
    encoder.images.attach(
        ImageFeatures(networks.Backbone(name, trainable, fixed, core.inner.output_shape[-1]), is_cached)
    )
