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


def rounded(array: np.ndarray) -> np.ndarray:
    """Numbers with few digits, which pack well."""
    mantissa, exponent = np.frexp(array)
    return np.ldexp(np.round(mantissa * 8) / 8, exponent).astype(np.float32)


def repeated_weights_file(path: Path, name: str = NAME) -> Path:
    """A file of weights that repeat themselves, so that a million of them pack into little."""
    network = applied(name)
    drawn = np.random.default_rng(0).normal(size=1009)
    pattern = rounded(np.where(np.abs(drawn) < 0.1, 0.5, drawn))
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in network.layers:
        weights = layer.get_weights()
        if layer in norms:
            layer.momentum = 0.0
            layer.set_weights([weights[0], np.resize(pattern / 8, weights[1].shape), *weights[2:]])
        elif weights:
            fans = [np.prod(one.shape[:2] if one.shape[-1] == 1 else one.shape[:-1]) for one in weights]
            scales = [2 ** np.round(np.log2(2 / fan) / 2) for fan in fans]
            layer.set_weights([np.resize(pattern * by, one.shape) for one, by in zip(weights, scales, strict=True)])
    network(tints(64)[0].astype(np.float32), training=True)  # moving averages become those of tints
    for layer in norms:
        gamma, beta, mean, variance = layer.get_weights()
        layer.set_weights([gamma, beta, rounded(mean), rounded(np.maximum(variance, 1e-2))])
    network.save_weights(path)
    return path
