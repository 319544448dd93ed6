"""What a backbone makes of images, computed once for each image and kept.

The backbone is a function that somebody else opens (`Function` says what is asked of it), so that nothing here knows
Keras. Start reading at `ImageFeatures`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Protocol

import numpy as np

from manyhot.encoders.feature_cache import FeatureCache, key_of
from manyhot.files import cache_folder

CALL_IMAGES = 256
"""Images in one call of a function at most; then what it made of them is kept."""
VERSION = 1
"""Told apart in the cache: features of another version are not those of this one."""

Tell = Callable[[float], None]
"""Called with the share that is done."""


class Function(Protocol):
    """A backbone.

    Attributes:
        name: A key of `image_kinds.BACKBONES`.
        width: Numbers that it makes of an image, d.
        trainable: Its weights that can learn.
        fixed: Its other weights.
    """

    name: str
    width: int
    trainable: list[np.ndarray]
    fixed: list[np.ndarray]

    @property
    def digest(self) -> str:
        """Of its weights: other weights, another digest."""
        ...

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """uint8 (n, h, w, 3) -> float32 (n, d)."""
        ...


class ImageFeatures:
    """A backbone whose answers are kept by its name and weights, the size of the images, and their content.

    Args:
        function: The backbone.
        is_kept: Whether answers are kept on disk too, under the user's cache folder.
    """

    def __init__(self, function: Function, is_kept: bool = True) -> None:
        self.function, self.is_kept = function, is_kept
        self._kept: dict[tuple[int, ...], FeatureCache] = {}

    def of(self, images: np.ndarray, tell: Tell | None = None) -> np.ndarray:
        """Features of images.

        Args:
            images: uint8 (n, h, w, 3).
            tell: Called with the progress.

        Returns:
            float32 (n, d).
        """
        kept = self._kept_for(images.shape[1:3])
        keys = [key_of(image) for image in images]
        result = np.empty((len(images), self.function.width), dtype=np.float32)
        places: dict[bytes, list[int]] = {}
        for place, (key, row) in enumerate(zip(keys, kept.find(keys), strict=True)):
            if row is None:
                places.setdefault(key, []).append(place)
            else:
                result[place] = row
        new = list(places)
        for first in range(0, len(new), CALL_IMAGES):
            part = new[first : first + CALL_IMAGES]
            rows = self.function(images[[places[key][0] for key in part]])
            kept.add(part, rows)
            for key, row in zip(part, rows, strict=True):
                result[places[key]] = row
            if tell is not None:
                tell((first + len(part)) / len(new))
        return result

    def _kept_for(self, edges: tuple[int, ...]) -> FeatureCache:
        if edges not in self._kept:
            told = (VERSION, self.function.name, self.function.digest, *edges)
            digest = hashlib.sha256("\n".join(map(str, told)).encode()).hexdigest()
            folder = cache_folder() / "images" / digest[:32] if self.is_kept else None
            self._kept[edges] = FeatureCache(folder, self.function.width)
        return self._kept[edges]
