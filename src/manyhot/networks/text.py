"""The network for texts as numbers of words: word vectors that it learns, pooled, beside the dense features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manyhot import validation
from manyhot.backend import keras
from manyhot.config.text import POOLS
from manyhot.errors import InputError
from manyhot.networks.initialization import MemberInitializer
from manyhot.networks.mlp import hidden_layers, logit_layer
from manyhot.networks.text_pooling import LabelAttention, WordDropout, WordMean

# a word's vector is so much times its weights: a step moves it by that much more, since it is met in few batches
EMBEDDING_SCALE = 10.0


def build_embedding_bag(
    shapes: Mapping[str, tuple[int, ...]], n_labels: int, settings: Mapping[str, Any], initializer: MemberInitializer
) -> keras.Model:
    """Pool word vectors into features for layers as in "mlp"; "attention" adds logits that weigh words by label."""
    # Source: mean, arXiv 1607.01759; attention, arXiv 1802.05695, equations 2 to 4, on word vectors.
    if len(settings["vocabularies"]) != 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise InputError(
            "the network 'embedding_bag' takes one input of numbers of words; say text='embeddings' for columns of "
            "text",
            argument="network",
        )
    pool = validation.one_of(POOLS, pool=settings["pool"])
    ((name, n_numbers),) = settings["vocabularies"].items()
    inputs = {
        input_name: keras.Input(shape, name=input_name, dtype="int32" if input_name == name else initializer.dtype)
        for input_name, shape in shapes.items()
    }
    words = inputs[name]
    if settings["dropout"] > 0:
        words = WordDropout(settings["dropout"], initializer.seed(), dtype="int32")(words)
    vectors = keras.layers.Embedding(
        n_numbers,
        settings["units"],
        embeddings_initializer=initializer.embeddings(EMBEDDING_SCALE),
        dtype=initializer.dtype,
    )(words)
    vectors = keras.layers.Rescaling(EMBEDDING_SCALE, dtype=initializer.dtype)(vectors)
    blocks = [block for other_name, block in inputs.items() if other_name != name] + [
        WordMean(dtype=initializer.dtype)([vectors, words])
    ]
    x = blocks[0] if len(blocks) == 1 else keras.layers.Concatenate(dtype=initializer.dtype)(blocks)
    logits = logit_layer(hidden_layers(x, [], settings, initializer), n_labels, initializer)
    if pool == "attention":
        attention = LabelAttention(
            n_labels, initializer.weights(gain=1.0), initializer.weights(gain=0.25), dtype=initializer.dtype
        )
        logits = keras.layers.Add(dtype=initializer.dtype)([logits, attention([vectors, words])])
    return keras.Model(inputs, logits, name="words")
