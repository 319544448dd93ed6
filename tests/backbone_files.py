"""Coloured images whose labels a random network can tell apart, files of random weights, and settings for seconds."""

from pathlib import Path

import numpy as np

from manyhot.backend import keras
from manyhot.image_kinds import BACKBONES

NAME = "mobilenetv2"
EDGE = 32
SMALL = {"labels": ["red", "bright"], "members": 2, "folds": 2, "epochs": 40, "hidden": (16,), "quiet": True}
SMALL |= {"batch_size": 16, "dropout": 0.0}


def tints(n: int = 96, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise that is reddish, bright, both or neither, uint8 (n, 32, 32, 3)."""
    generator = np.random.default_rng(seed)
    Y = generator.random((n, 2)) < 0.5
    X = generator.integers(0, 30, (n, EDGE, EDGE, 3))
    X[..., 0] += 150 * Y[:, 0, None, None]
    X += 70 * Y[:, 1, None, None, None]
    return X.astype(np.uint8), Y.astype(int)


class Blank(keras.initializers.Initializer):
    """Zeros from the host, which take no compiling."""

    def __call__(self, shape, dtype=None, **_):
        return np.zeros(tuple(shape), "float32")


def applied(name: str, edge: int = EDGE, **settings) -> keras.Model:
    """What `keras.applications` makes, without weights."""
    kinds = dict.fromkeys(("glorot_uniform", "zeros"), Blank)
    with keras.saving.custom_object_scope(kinds):
        maker = getattr(keras.applications, BACKBONES[name].maker)
        return maker(include_top=False, weights=None, input_shape=(edge, edge, 3), **settings)


def weights_file(path: Path, name: str = NAME, seed: int = 0) -> Path:
    """A file of random weights as Keras saves them, its averages such as a trained network has."""
    model = applied(name)
    generator = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, _, mean, variance = layer.get_weights()
            noise = generator.normal(size=(2, len(mean)))
            layer.set_weights([gamma, 0.1 * noise[0], 0.02 * noise[1], variance])
        elif layer.weights:
            shapes = [weight.shape for weight in layer.weights]
            fans = [np.prod(s[:2]) * (1 if s[3] == 1 else s[2]) for s in shapes]
            layer.set_weights([generator.normal(size=s) * np.sqrt(2 / n) for s, n in zip(shapes, fans, strict=True)])
    model.save_weights(path) if path.name.endswith(".weights.h5") else model.save(path)
    return path
