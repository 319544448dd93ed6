"""The columns of images of one table: an encoder for each, and the pretrained backbone of all of them.

A frozen backbone makes features beside the numbers of the table; otherwise images are blocks of pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from manyhot.config.fields import NONE, default_values
from manyhot.config.images import BACKBONES, ENCODER_SETTINGS, IMAGE_SETTINGS, is_pretrained, is_trainable
from manyhot.data.invalid_images import InvalidImages
from manyhot.encoders.feature_cache import OnProgress
from manyhot.encoders.images.backbone_features import ImageFeatures
from manyhot.encoders.images.encoder import ImageEncoder
from manyhot.encoders.scaling import Scale, fit_scale, row_weights
from manyhot.errors import InputError

IMAGE_BLOCK = "image"


class ImageColumns:
    """Encode columns of images; the settings are `TrainingConfig.image_params`, None for the defaults."""

    def __init__(self, names: Sequence[str], settings: Mapping[str, Any] | None = None) -> None:
        values = {**default_values(IMAGE_SETTINGS), **(settings or {})}
        self.names = list(names)
        self.backbone_name = values["backbone"] if is_pretrained(values) else ""  # of weights from elsewhere
        # images become what the backbone makes of them, not blocks of pixels
        self.is_frozen = bool(self.backbone_name) and not is_trainable(values)
        self.features: ImageFeatures | None = None
        self.scales: list[Scale] = []
        encoder_settings = {name: values[name] for name in ENCODER_SETTINGS}
        if values["backbone"] != NONE:
            spec = BACKBONES[values["backbone"]]
            encoder_settings |= {"channels": "colour", "edge": spec.edge, "min_edge": spec.min_edge}
        self.encoders = [ImageEncoder(**encoder_settings) for _ in names]

    def attach(self, features: ImageFeatures) -> None:
        """Attach the backbone; raise `InputError` where it is not that of training."""
        if features.function.name != self.backbone_name:
            raise InputError(f"got the backbone {features.function.name!r}, expected {self.backbone_name!r}")
        if self.scales and features.function.width != len(self.scales[0].center):
            raise InputError("the backbone makes another number of numbers of an image than it did in training")
        self.features = features

    @property
    def pixel_blocks(self) -> list[str]:
        """Block of each column's pixels."""
        return [f"{IMAGE_BLOCK}_{k}" if k else IMAGE_BLOCK for k in range(len(self.names))]

    @property
    def blocks(self) -> list[str]:
        """Blocks of pixels that the network gets: none with a frozen backbone."""
        return [] if self.is_frozen else self.pixel_blocks

    @property
    def width(self) -> int:
        """Features that a frozen backbone adds to a row."""
        return sum(len(scale.center) for scale in self.scales) if self.is_frozen else 0

    def infer_shape(self, frame: pl.DataFrame) -> ImageColumns:
        """Learn sizes and numbers of channels alone."""
        for name, encoder in zip(self.names, self.encoders, strict=True):
            encoder.infer_shape(frame[name])
        return self

    def decode(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, InvalidImages]:
        """Decode the images of a frame; also return the rows whose images cannot be used."""
        columns, invalid = [], InvalidImages()
        for name, encoder in zip(self.names, self.encoders, strict=True):
            if name in frame.columns:
                images, errors = encoder.decode(frame[name])
                columns.append(pl.Series(name, images))
                invalid = errors | invalid
        return frame.with_columns(columns), dict(sorted(invalid.items()))

    def fit(self, frame: pl.DataFrame, weights: np.ndarray | None = None) -> ImageColumns:
        """Learn sizes, means and deviations, and the scales of the backbone's features."""
        for name, encoder in zip(self.names, self.encoders, strict=True):
            encoder.fit(frame[name])
        if self.backbone_name:
            weights = row_weights(weights, len(frame))
            pixels = self.pixels([frame[name] for name in self.names])
            self.scales = [fit_scale(self.backbone().extract(images), weights) for images in pixels]
        return self

    def pixels(self, columns: Sequence[pl.Series]) -> list[np.ndarray]:
        """Return the images of each column, uint8 (n, h, w, c)."""
        return [encoder.transform(column) for column, encoder in zip(columns, self.encoders, strict=True)]

    def scaled_features(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """Extract the features of each column's images, scaled and side by side, float32 (n, d)."""
        extract = self.backbone().extract
        pairs = zip(self.scales, pixels, strict=True)
        return np.concatenate([scale.apply(extract(images)) for scale, images in pairs], axis=1)

    def extract_features(self, frame: pl.DataFrame, on_progress: OnProgress | None = None) -> None:
        """Extract features of decoded images now, so that they are cached later."""
        if self.backbone_name:
            for name, encoder in zip(self.names, self.encoders, strict=True):
                self.backbone().extract(encoder.transform(frame[name]), on_progress)

    def to_spec(self) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
        """Describe each column as JSON; scales float64 (columns, d) and weights of a frozen backbone as arrays."""
        specs = [one.to_spec() for one in self.encoders]
        if not self.is_frozen:
            return specs, {}
        arrays = {
            "image.center": np.stack([scale.center for scale in self.scales]),
            "image.scale": np.stack([scale.scale for scale in self.scales]),
        }
        function = self.backbone().function
        arrays |= {f"backbone.trainable.{k}": leaf for k, leaf in enumerate(function.trainable)}
        arrays |= {f"backbone.fixed.{k}": leaf for k, leaf in enumerate(function.fixed)}
        return [{**spec, "backbone": self.backbone_name} for spec in specs], arrays

    @classmethod
    def from_spec(
        cls, names: Sequence[str], specs: Sequence[Mapping[str, Any]], arrays: Mapping[str, np.ndarray]
    ) -> ImageColumns:
        """Rebuild what `to_spec` described, but for the backbone; the caller has checked types and ranges."""
        backbone_names = {spec.get("backbone", "") for spec in specs}
        if len(backbone_names) > 1:
            raise InputError("the columns of images have more than one backbone")
        columns = cls(names)
        columns.encoders = [ImageEncoder.from_spec(spec) for spec in specs]
        columns.backbone_name = next(iter(backbone_names), "")
        columns.is_frozen = bool(columns.backbone_name)
        if columns.is_frozen:
            pairs = zip(arrays["image.center"], arrays["image.scale"], strict=True)
            columns.scales = [Scale(center, scale) for center, scale in pairs]
        return columns

    def backbone(self) -> ImageFeatures:
        """Return the backbone; raise `InputError` where it is not attached."""
        if self.features is None:
            raise InputError(f"the backbone {self.backbone_name!r} was not handed over", argument="image_params")
        return self.features
