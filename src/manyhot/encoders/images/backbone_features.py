"""Features that a pretrained backbone extracts from images, computed once for each image and cached."""

from __future__ import annotations

import hashlib
from typing import Protocol

import numpy as np

from manyhot.encoders.feature_cache import FeatureCache, OnProgress, content_key
from manyhot.files import cache_folder

CALL_IMAGES = 256  # images in one call of a function at most; then what it made of them is kept
VERSION = 1  # told apart in the cache: features of another version are not those of this one


class BackboneFunction(Protocol):
    """What is asked of a backbone, so that nothing here knows Keras."""

    name: str  # a key of `config.images.BACKBONES`
    width: int  # numbers that it makes of an image, d
    trainable: list[np.ndarray]  # its weights that can learn
    fixed: list[np.ndarray]  # its other weights

    @property
    def digest(self) -> str:
        """Digest of the weights."""
        ...

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Extract features of uint8 (n, h, w, 3) images, float32 (n, d)."""
        ...


class ImageFeatures:
    """A backbone whose features are cached by its name and weights, the size of the images, and their content."""

    def __init__(self, function: BackboneFunction, is_cached: bool = True) -> None:
        self.function, self.is_cached = function, is_cached
        self._caches: dict[tuple[int, ...], FeatureCache] = {}

    def extract(self, images: np.ndarray, on_progress: OnProgress | None = None) -> np.ndarray:
        """Extract features of uint8 (n, h, w, 3) images, float32 (n, d)."""
        edges = images.shape[1:3]
        if edges not in self._caches:
            cache_key = (VERSION, self.function.name, self.function.digest, *edges)
            digest = hashlib.sha256("\n".join(map(str, cache_key)).encode()).hexdigest()
            folder = cache_folder() / "images" / digest[:32] if self.is_cached else None
            self._caches[edges] = FeatureCache(folder, self.function.width)
        keys = [content_key(image) for image in images]
        return self._caches[edges].extract(keys, lambda rows: self.function(images[rows]), CALL_IMAGES, on_progress)
