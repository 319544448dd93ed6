"""Small images whose labels are spots at known places, and settings that learn them in seconds."""

import numpy as np

SETTINGS = {"members": 2, "folds": 2, "hidden": (16,), "batch_size": 16, "quiet": True}
SETTINGS |= {"network": "cnn", "image_settings": {"filters": [4, 6], "augment": "none"}}


def spots(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Dark images with a bright spot top left, one bottom right, both or neither."""
    generator = np.random.default_rng(seed)
    Y = generator.random((n, 2)) < 0.5
    X = generator.integers(0, 80, (n, 12, 15), dtype=np.uint8)
    X[:, 1:4, 1:4] += (150 * Y[:, 0, None, None]).astype(np.uint8)
    X[:, 8:11, 11:14] += (150 * Y[:, 1, None, None]).astype(np.uint8)
    return X, Y.astype(int)
