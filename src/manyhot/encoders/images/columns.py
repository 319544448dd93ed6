"""The columns of images of one table, each with an encoder of its own, and the backbone that looks at all of them.

Without a backbone, or with one that learns, images are blocks of pixels for a network. With one that stays as it is
they become numbers beside those of the table, centred and scaled likewise. Start reading at `ImageColumns`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from manyhot.config.fields import default_values
from manyhot.config.images import BACKBONES, ENCODER_SETTINGS, IMAGE_SETTINGS, NONE, is_pretrained, is_trainable
from manyhot.encoders.images.backbone_features import ImageFeatures, OnProgress
from manyhot.encoders.images.encoder import ImageEncoder, InvalidImages, decode_image_columns
from manyhot.encoders.scaling import Scale, fit_scale, row_weights
from manyhot.errors import InputError

IMAGE_BLOCK = "image"


class ImageColumns:
    """Encoders for some columns of images.

    Args:
        names: The columns.
        settings: `TrainingConfig.image_params`; None for the defaults.

    Attributes:
        backbone_name: Name of the backbone that makes numbers of images; empty where the network takes pixels and none
            helps it to begin.
        is_frozen: Whether images become what the backbone makes of them.
        features: The backbone, once it is handed over.
    """

    def __init__(self, names: Sequence[str], settings: Mapping[str, Any] | None = None) -> None:
        values = {**default_values(IMAGE_SETTINGS), **(settings or {})}
        self.names = list(names)
        self.backbone_name = values["backbone"] if is_pretrained(values) else ""
        self.is_frozen = bool(self.backbone_name) and not is_trainable(values)
        self.features: ImageFeatures | None = None
        self.scales: list[Scale] = []
        encoder_settings = {name: values[name] for name in ENCODER_SETTINGS}
        if values["backbone"] != NONE:
            spec = BACKBONES[values["backbone"]]
            encoder_settings |= {"channels": "colour", "edge": spec.edge, "min_edge": spec.min_edge}
        self.encoders = [ImageEncoder(**encoder_settings) for _ in names]

    def attach(self, features: ImageFeatures) -> None:
        """Hand over the backbone.

        Raises:
            InputError: Another one than that of training.
        """
        if features.function.name != self.backbone_name:
            raise InputError(f"got the backbone {features.function.name!r}, expected {self.backbone_name!r}")
        if self.scales and features.function.width != len(self.scales[0].center):
            raise InputError("the backbone makes another number of numbers of an image than it did in training")
        self.features = features

    @property
    def pixel_blocks(self) -> list[str]:
        """What each column's pixels are called, whoever looks at them."""
        return [f"{IMAGE_BLOCK}_{k}" if k else IMAGE_BLOCK for k in range(len(self.names))]

    @property
    def blocks(self) -> list[str]:
        """Names of the blocks of pixels that the network gets."""
        return [] if self.is_frozen else self.pixel_blocks

    @property
    def width(self) -> int:
        """Numbers that images become in a row of the table."""
        return sum(len(scale.center) for scale in self.scales) if self.is_frozen else 0

    def infer_shape(self, frame: pl.DataFrame) -> ImageColumns:
        """Learn only sizes and numbers of channels; see `ImageEncoder.infer_shape`."""
        for name, encoder in zip(self.names, self.encoders, strict=True):
            encoder.infer_shape(frame[name])
        return self

    def decode(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, InvalidImages]:
        """The frame with its images decoded, and the rows whose images cannot be used."""
        pairs = zip(self.names, self.encoders, strict=True)
        return decode_image_columns(frame, {name: one for name, one in pairs if name in frame.columns})

    def fit(self, frame: pl.DataFrame, weights: np.ndarray | None = None) -> ImageColumns:
        """Learn sizes, means and deviations, and the scales of what the backbone makes of the images.

        Args:
            frame: n rows.
            weights: float (n,), above 0; None for ones.

        Returns:
            Itself.
        """
        for name, encoder in zip(self.names, self.encoders, strict=True):
            encoder.fit(frame[name])
        if self.backbone_name:
            weights = row_weights(weights, len(frame))
            pixels = self.pixels([frame[name] for name in self.names])
            self.scales = [fit_scale(self.backbone().extract(images), weights) for images in pixels]
        return self

    def pixels(self, columns: Sequence[pl.Series]) -> list[np.ndarray]:
        """The images of each column, uint8 (n, h, w, c)."""
        return [encoder.transform(column) for column, encoder in zip(columns, self.encoders, strict=True)]

    def transform(self, columns: Sequence[pl.Series]) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
        """Blocks of pixels, and the numbers that images become beside those of the table, float32 (n, width), or None.

        Args:
            columns: n images for each of `names`.

        Raises:
            InputError: An image that cannot be used, with its row.
        """
        if not self.names:
            return {}, None
        pixels = self.pixels(columns)
        return (
            ({}, self.scaled_features(pixels))
            if self.is_frozen
            else (dict(zip(self.blocks, pixels, strict=True)), None)
        )

    def scaled_features(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """What the backbone makes of the images of each column, scaled and side by side, float32 (n, d)."""
        pairs = zip(self.scales, pixels, strict=True)
        return np.concatenate([scale.apply(self.backbone().extract(images)) for scale, images in pairs], axis=1)

    def extract_features(self, frame: pl.DataFrame, on_progress: OnProgress | None = None) -> None:
        """Let the backbone look at decoded images now, so that later it has seen them already."""
        if self.backbone_name:
            for name, encoder in zip(self.names, self.encoders, strict=True):
                self.backbone().extract(encoder.transform(frame[name]), on_progress)

    def to_spec(self) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
        """One JSON object a column; scales float64 (columns, d), and the weights of a backbone that is to be kept."""
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
        """The columns that `to_spec` described; the caller has checked types and ranges. The backbone is handed over
        afterwards.

        Raises:
            InputError: Columns with different backbones.
        """
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
        """The backbone.

        Raises:
            InputError: Nobody handed it over.
        """
        if self.features is None:
            raise InputError(f"the backbone {self.backbone_name!r} was not handed over", argument="image_params")
        return self.features
