"""A pretrained transformer as a function of texts: the mean of what it makes of a text's pieces, never trained further.

The transformer is a preset of keras-hub in a folder of the user's own; nothing is downloaded, and no saved model of
ours names the folder that is opened. Start reading at `preset_function`.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from manyhot.backend import jax
from manyhot.errors import InputError

jnp = jax.numpy

BATCHES = (4, 32)
"""Texts in one call of the compiled program; fewer are filled up."""
SHORTEST = 16
"""Texts are padded to this many pieces, or to twice, four times ... as many."""
INSTALL = "pip install 'manyhot[pretrained]' && pip install --no-deps keras-hub"


def preset_function(folder: str | os.PathLike[str], max_tokens: int) -> Callable[[list[str]], np.ndarray]:
    """What turns texts into features by the transformer in a folder.

    Args:
        folder: A preset as `keras_hub.models.BackboneSpec.save_to_preset` and its tokenizer's write it.
        max_tokens: Pieces of a text that are looked at, with those that begin and end it.

    Returns:
        A function: list of k texts -> float32 (k, d), the mean of the last layer over the pieces. A text's features do
        not depend on its neighbours.

    Raises:
        InputError: No such folder, a preset that cannot be read or takes no text, or keras-hub is not installed.
    """
    if not folder or not Path(folder).expanduser().is_dir():
        raise InputError(
            f"got {os.fspath(folder)!r}, expected the folder of a keras-hub preset: "
            "text_settings={'preset': 'FOLDER'} (--text-settings preset=FOLDER)",
            argument="text_settings",
        )
    try:
        hub = importlib.import_module("keras_hub")
    except ImportError as error:
        raise InputError(
            f"text='pretrained' needs keras-hub without TensorFlow ({error}); install it with: {INSTALL}",
            argument="text",
        ) from None
    place = str(Path(folder).expanduser())
    try:
        backbone = hub.models.Backbone.from_preset(place)
        preprocessor = hub.models.TextClassifierPreprocessor.from_preset(place, sequence_length=max_tokens)
    except Exception as error:  # keras-hub raises whatever its parts raise
        raise InputError(
            f"{place} holds no preset of a transformer for texts that keras-hub can read: {error}",
            argument="text_settings",
        ) from None
    weights = [variable.value for variable in (*backbone.trainable_variables, *backbone.non_trainable_variables)]
    run = jax.jit(partial(_means, backbone))
    return partial(_features, preprocessor, run, weights)


def _features(preprocessor: Any, run: Callable, weights: list[Any], texts: list[str]) -> np.ndarray:
    told = preprocessor(texts)
    pieces = {name: np.asarray(array) for name, array in (told[0] if isinstance(told, tuple) else told).items()}
    counts, longest = pieces["padding_mask"].sum(axis=1), pieces["padding_mask"].shape[1]
    lengths = np.array([_length(int(count), longest) for count in counts])
    found: dict[int, np.ndarray] = {}
    for length in np.unique(lengths).tolist():
        alike = np.flatnonzero(lengths == length)
        for first in range(0, len(alike), BATCHES[-1]):
            rows = alike[first : first + BATCHES[-1]]
            size = next(size for size in BATCHES if size >= len(rows))
            padded = np.pad(rows, (0, size - len(rows)), mode="edge")
            means = np.asarray(run(weights, {name: array[padded, :length] for name, array in pieces.items()}))
            found |= dict(zip(rows.tolist(), means, strict=False))
    return np.stack([found[row] for row in range(len(texts))])


def _length(count: int, longest: int) -> int:
    """The padded length of a text, of its own pieces alone."""
    length = SHORTEST
    while length < count:
        length *= 2
    return min(length, longest)


def _means(backbone: Any, weights: list[Any], pieces: dict[str, jax.Array]) -> jax.Array:
    """Texts one by one in one program, so that none meets another's numbers: (k, d)."""
    n_trainable = len(backbone.trainable_variables)

    def one(piece: dict[str, jax.Array]) -> jax.Array:
        inputs = {name: array[None] for name, array in piece.items()}
        made, _ = backbone.stateless_call(weights[:n_trainable], weights[n_trainable:], inputs, training=False)
        vectors = (made["sequence_output"] if isinstance(made, dict) else made)[0].astype("float32")
        is_piece = inputs["padding_mask"][0].astype("float32")
        return (vectors * is_piece[:, None]).sum(axis=0) / jnp.maximum(is_piece.sum(), 1)

    return jax.lax.map(one, pieces)
