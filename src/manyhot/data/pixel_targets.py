"""What is known about the labels of every pixel of some images, which may have different sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manyhot.data.labels import LabelSpace
from manyhot.data.target_conversion import as_targets
from manyhot.data.targets import Targets
from manyhot.errors import InputError


@dataclass(frozen=True)
class PixelTargets:
    """What is known about the labels of the pixels of some images."""

    images: tuple[Targets, ...]  # For each image its targets (h, w, l), as `Targets` whose rows are rows of pixels
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.images:
            raise InputError("there is no image", argument="y")
        if len({image.n_labels for image in self.images}) > 1 or any(image.values.ndim != 3 for image in self.images):
            raise InputError("the images have unequal numbers of labels", argument="y")

    @property
    def n_samples(self) -> int:
        """Number of images."""
        return len(self.images)

    @property
    def n_labels(self) -> int:
        """Number of labels."""
        return self.images[0].n_labels

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each image."""
        return [(image.values.shape[0], image.values.shape[1]) for image in self.images]

    def take(self, rows: np.ndarray) -> PixelTargets:
        """The targets of the given images (indices or bool mask)."""
        indices = np.arange(self.n_samples)[rows].tolist()
        return PixelTargets(tuple(self.images[k] for k in indices), tuple(self.files[k] for k in indices if self.files))

    def image_targets(self) -> Targets:
        """Which labels an image has anywhere, (n, l); unknown where no pixel of it is known."""
        values = np.stack([image.values.any(axis=(0, 1)) for image in self.images])
        if all(image.known is None for image in self.images):
            return Targets(values)
        everywhere = np.ones(self.n_labels, dtype=bool)
        known = [everywhere if image.known is None else image.known.any(axis=(0, 1)) for image in self.images]
        return Targets(values, np.stack(known))

    def support(self) -> np.ndarray:
        """Positive pixels per label, int64 (l,)."""
        return np.asarray(sum(image.support() for image in self.images))

    def n_known(self) -> np.ndarray:
        """Known pixels per label, int64 (l,)."""
        return np.asarray(sum(image.n_known() for image in self.images))

    def constant_labels(self) -> np.ndarray:
        """Indices of labels whose known pixels are all yes or all no (or that have none)."""
        support = self.support()
        return np.flatnonzero((support == 0) | (support == self.n_known()))

    def reorder_labels(self, order: Sequence[int]) -> PixelTargets:
        """The same with the labels in another order."""
        return PixelTargets(tuple(image.select_labels(order) for image in self.images), self.files)


def is_pixel_targets(y: Any) -> bool:
    """Whether y gives every pixel of some images its labels: an array (n, h, w, l), or one (h, w, l) for each image."""
    if isinstance(y, PixelTargets):
        return True
    if isinstance(y, Targets):
        return y.values.ndim == 4
    if isinstance(y, np.ndarray) and y.dtype.kind != "O":
        return y.ndim == 4
    if isinstance(y, (list, tuple, np.ndarray)):
        return len(y) > 0 and all(isinstance(image, np.ndarray) and image.ndim == 3 for image in y)
    return False


def as_pixel_targets(y: Any, labels: Sequence[str] | None = None) -> tuple[LabelSpace, PixelTargets]:
    """Any form of targets of pixels -> their label space and themselves."""
    if isinstance(y, Targets):
        y = PixelTargets(tuple(Targets(v, None if y.known is None else y.known[k]) for k, v in enumerate(y.values)))
    if not isinstance(y, PixelTargets):
        images = []
        for k, image in enumerate(y):
            try:
                images.append(as_targets(image, labels)[1])
            except InputError as error:
                raise InputError(error.message, row=k + 1, column=error.column, argument="y") from None
        y = PixelTargets(tuple(images))
    names = tuple(labels) if labels is not None else tuple(f"label_{j}" for j in range(y.n_labels))
    if len(names) != y.n_labels:
        raise InputError(f"y has {y.n_labels} labels but {len(names)} are named", argument="labels")
    return LabelSpace(names), y
