"""The pretrained backbone out of a saved model."""

from __future__ import annotations

import numpy as np

from manyhot.backend import precision
from manyhot.config.images import BACKBONES
from manyhot.encoders import Encoder, TableEncoder
from manyhot.encoders.images.backbone_features import ImageFeatures
from manyhot.errors import BundleError
from manyhot.networks import build_core
from manyhot.networks.pretrained_backbone import Backbone
from manyhot.persistence.container import DocumentReader


def read_backbone(reader: DocumentReader, encoder: Encoder, is_kept: bool) -> None:
    """Hand the encoder the backbone that its file holds, if it needs one.

    Args:
        reader: The document and the arrays; "encoder/backbone....".
        encoder: The encoder that was read.
        is_kept: Whether what the backbone makes of images is kept on disk.

    Raises:
        BundleError: Weights of another shape than the backbone's.
    """
    if not isinstance(encoder, TableEncoder) or not encoder.looks.is_frozen:
        return
    name, prefix = encoder.looks.backbone, "encoder/backbone."
    held = reader.array_names(prefix)
    if sum(reader.any_array(one).size for one in held) != BACKBONES[name].n_weights:
        raise BundleError(f"the file does not hold the weights of {name}")
    edge = BACKBONES[name].least_edge
    with precision("float32"):
        core = build_core(name, (edge, edge), "float32")
    kinds = {"trainable": core.trainable_variables, "fixed": core.non_trainable_variables}
    trainable, fixed = (
        [
            reader.array(f"{prefix}{kind}.{k}", dtype=str(np.dtype(str(variable.dtype))), shape=tuple(variable.shape))
            for k, variable in enumerate(variables)
        ]
        for kind, variables in kinds.items()
    )
    if len(held) != len(trainable) + len(fixed):
        raise BundleError(f"the file holds more than the weights of {name}")
    encoder.looks.attach(ImageFeatures(Backbone(name, trainable, fixed, core.inner.output_shape[-1]), is_kept))
