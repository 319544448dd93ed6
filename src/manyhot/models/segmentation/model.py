"""A model that gives every pixel its labels; to decide, calibrate and report, a row is a pixel of a sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from manyhot.errors import InputError
from manyhot.evaluation.report.segmentation import clear_counts, pixel_section
from manyhot.models.model import Model
from manyhot.models.segmentation import ConfusionCounts, ImageSet, blend_tiles

BATCH_PIXELS = 2**21
"""Pixels of tiles that are handed to the scorer at a time."""


class PixelModel(Model):
    """A `Model` whose rows are images, `ImageSet`, and whose scores are those of their pixels."""

    labels_pixels = True

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of a tile's scores."""
        return (*self.tile, len(self.labels))

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width of the tiles."""
        shape = next(iter(self.encoder.shapes().values()))
        return shape[0], shape[1]

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return int(next(iter(self.encoder.shapes().values()))[2])

    def iterate_uncalibrated(
        self, images: ImageSet, rows: np.ndarray | None = None, members: Sequence[int] | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Scores of images as the network gives them, one image at a time."""
        (block,) = self.encoder.shapes()
        scorer = self.scorer()
        runs = [(0, self.n_members)] if members is None else [(k, k + 1) for k in members]

        def score(tiles: np.ndarray) -> np.ndarray:
            parts = [scorer.scores({block: tiles}, run) for run in runs]
            return parts[0] if len(parts) == 1 else np.mean(parts, axis=0, dtype=parts[0].dtype)

        overlap = self.config.image_params["overlap"]
        wanted = np.arange(len(images)) if rows is None else rows
        batch = max(1, BATCH_PIXELS // (self.tile[0] * self.tile[1]))
        yield from blend_tiles(images, wanted, self.tile, overlap, score, batch)

    def iterate_scores(self, images: ImageSet) -> Iterator[np.ndarray]:
        """Calibrated scores (h, w, l) of each image in turn."""
        for _, raw in self.iterate_uncalibrated(images):
            yield self.calibrate(raw)

    def calibrate(self, raw: np.ndarray) -> np.ndarray:
        """Raw scores (h, w, l) -> calibrated ones."""
        return self.policy.calibrate(raw.reshape(-1, raw.shape[-1])).reshape(raw.shape)

    def decide(self, scores: np.ndarray) -> np.ndarray:
        """Calibrated scores (h, w, l) -> bool (h, w, l)."""
        return self.policy.decide(scores.reshape(-1, scores.shape[-1])).reshape(scores.shape)

    def scores(self, features: Any) -> Any:
        """Calibrated scores (n, h, w, l), or a list of (h, w, l) where the images have different sizes."""
        return _stack_images(list(self.iterate_scores(features)))

    def uncalibrated_scores(self, features: Any) -> Any:
        """The same as the network gives them."""
        return _stack_images([raw for _, raw in self.iterate_uncalibrated(features)])

    def decisions(self, scores: Any) -> Any:
        """int64 of the same shape, or a list of such, 1 where a label is answered."""
        return _stack_images([self.decide(image_scores).astype(np.int64) for image_scores in scores])

    def extend_report(self, values: dict[str, Any], decisions: np.ndarray) -> dict[str, Any]:
        """A report with what it says of pixels: with other answers counted on the sample, for the images are gone."""
        section = self.report.get("pixels")
        if section is None or self.evidence is None:
            return values
        counts = ConfusionCounts(len(self.labels))
        counts.add_predictions(decisions, self.evidence.targets)
        counted = counts.to_values(self.labels.names)
        return {**values, "pixels": pixel_section(counted, section["images"], len(decisions), "sample", section)}

    def clear_measures(self, values: dict[str, Any]) -> dict[str, Any]:
        """A report whose answers cannot be measured again."""
        return {**values, "pixels": clear_counts(values["pixels"])} if "pixels" in values else values


def refuse_pixels(model: Any, what: str) -> None:
    """Raise where the model gives every pixel its labels."""
    if model is not None and model.labels_pixels:
        raise InputError(f"{what}; this one gives every pixel its labels")


def check_no_skips(on_bad_image: str) -> None:
    """Refuse to go on without images that cannot be used: their masks would be left over."""
    if on_bad_image != "error":
        raise InputError("images whose pixels have labels must all be there", argument="on_bad_image")


def _stack_images(images: list[np.ndarray]) -> Any:
    is_one_size = len({image.shape for image in images}) == 1
    return np.stack(images) if is_one_size else images
