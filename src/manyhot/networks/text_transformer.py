"""A pretrained transformer in a folder of the user's as a function of texts, never trained further."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from manyhot.backend import jax
from manyhot.errors import InputError, how_to_install

jnp = jax.numpy

BATCH_SIZES = (4, 32)  # texts in one call of the compiled program; fewer are filled up
MIN_LENGTH = 16  # texts are padded to this many pieces, or to twice, four times ... as many
INSTALL = f"{how_to_install('pretrained')}; then pip install --no-deps keras-hub"


def preset_function(folder: str | os.PathLike[str], max_tokens: int) -> Callable[[list[str]], np.ndarray]:
    """Return texts -> float32 (k, d), the mean of a keras-hub preset's last layer over max_tokens pieces at most."""
    if not folder or not Path(folder).expanduser().is_dir():
        raise InputError(
            f"got {os.fspath(folder)!r}, expected the folder of a keras-hub preset: "
            "text_params={'preset': 'FOLDER'} (--text-params preset=FOLDER)",
            argument="text_params",
        )
    try:
        keras_hub = importlib.import_module("keras_hub")
    except ImportError as error:
        raise InputError(
            f"text='pretrained' needs keras-hub without TensorFlow ({error}); install it with: {INSTALL}",
            argument="text",
        ) from None
    path = str(Path(folder).expanduser())
    try:
        backbone = keras_hub.models.Backbone.from_preset(path)
        preprocessor = keras_hub.models.TextClassifierPreprocessor.from_preset(path, sequence_length=max_tokens)
    except Exception as error:  # keras-hub raises whatever its parts raise
        raise InputError(
            f"{path} holds no preset of a transformer for texts that keras-hub can read: {error}",
            argument="text_params",
        ) from None
    weights = [variable.value for variable in (*backbone.trainable_variables, *backbone.non_trainable_variables)]
    run = jax.jit(partial(_mean_vectors, backbone))
    return partial(_features, preprocessor, run, weights)


def _features(preprocessor: Any, run: Callable, weights: list[Any], texts: list[str]) -> np.ndarray:
    tokens = preprocessor(texts)
    pieces = {name: np.asarray(array) for name, array in (tokens[0] if isinstance(tokens, tuple) else tokens).items()}
    counts, longest = pieces["padding_mask"].sum(axis=1), pieces["padding_mask"].shape[1]
    lengths = np.array([_padded_length(int(count), longest) for count in counts])
    features: dict[int, np.ndarray] = {}
    for length in np.unique(lengths).tolist():
        same_length = np.flatnonzero(lengths == length)
        for first in range(0, len(same_length), BATCH_SIZES[-1]):
            rows = same_length[first : first + BATCH_SIZES[-1]]
            size = next(size for size in BATCH_SIZES if size >= len(rows))
            padded = np.pad(rows, (0, size - len(rows)), mode="edge")
            means = np.asarray(run(weights, {name: array[padded, :length] for name, array in pieces.items()}))
            features |= dict(zip(rows.tolist(), means, strict=False))
    return np.stack([features[row] for row in range(len(texts))])


def _padded_length(count: int, longest: int) -> int:
    """The padded length of a text, of its own pieces alone."""
    length = MIN_LENGTH
    while length < count:
        length *= 2
    return min(length, longest)


def _mean_vectors(backbone: Any, weights: list[Any], pieces: dict[str, jax.Array]) -> jax.Array:
    """Texts one by one in one program, so that none meets another's numbers: (k, d)."""
    n_trainable = len(backbone.trainable_variables)

    def encode_text(piece: dict[str, jax.Array]) -> jax.Array:
        inputs = {name: array[None] for name, array in piece.items()}
        outputs, _ = backbone.stateless_call(weights[:n_trainable], weights[n_trainable:], inputs, training=False)
        vectors = (outputs["sequence_output"] if isinstance(outputs, dict) else outputs)[0].astype("float32")
        is_piece = inputs["padding_mask"][0].astype("float32")
        return (vectors * is_piece[:, None]).sum(axis=0) / jnp.maximum(is_piece.sum(), 1)

    return jax.lax.map(encode_text, pieces)
