"""The network for texts as numbers of words: word vectors that it learns, pooled, beside the dense features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manyhot import validation
from manyhot.backend import jax, keras
from manyhot.config.text import ATTENTION, POOLS
from manyhot.errors import InputError
from manyhot.networks.initialization import MemberInitializer
from manyhot.networks.layers import Dropout, join
from manyhot.networks.mlp import hidden_layers, logit_layer

jnp = jax.numpy

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
    hidden = hidden_layers(join(blocks, initializer.dtype), [], settings, initializer)
    logits = logit_layer(hidden, n_labels, initializer)
    if pool == ATTENTION:
        attention = LabelAttention(
            n_labels, initializer.weights(gain=1.0), initializer.weights(gain=0.25), dtype=initializer.dtype
        )
        logits = keras.layers.Add(dtype=initializer.dtype)([logits, attention([vectors, words])])
    return keras.Model(inputs, logits, name="words")


class WordDropout(Dropout):
    """Makes whole words padding while training, each with the same chance."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Numbers of words int32 (b, length), some of them 0 while training."""
        if not training or self.n_dropped_of_256 == 0:
            return inputs
        return jnp.where(self.sample_mask(inputs.shape), inputs, 0)


class WordMean(keras.layers.Layer):
    """The sum of the words' vectors over the root of their number, so that its size depends little on the length."""

    def call(self, inputs: Any) -> Any:
        """Vectors (b, length, u) and numbers int32 (b, length) -> (b, u); zeros where there is no word."""
        vectors, words = inputs
        is_word = (words > 0).astype(vectors.dtype)
        total = jnp.einsum("blu,bl->bu", vectors, is_word)
        return total * jax.lax.rsqrt(jnp.maximum(is_word.sum(axis=1), 1))[:, None]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(b, u)."""
        return (input_shape[0][0], input_shape[0][2])


class LabelAttention(keras.layers.Layer):
    """A logit for each label: the mean of the words' answers, weighed by the label's own query; both (u, l)."""

    def __init__(self, n_labels: int, queries: Any, values: Any, **settings: Any) -> None:
        super().__init__(**settings)
        self.n_labels = n_labels
        self.initializers = {"queries": queries, "answers": values}

    def build(self, input_shape: Any) -> None:
        """Two matrices (u, l)."""
        shape = (input_shape[0][-1], self.n_labels)
        self.queries, self.values = (
            self.add_weight(shape=shape, initializer=initializer, name=name)
            for name, initializer in self.initializers.items()
        )

    def call(self, inputs: Any) -> Any:
        """Vectors (b, length, u) and numbers int32 (b, length) -> (b, l); zeros where there is no word."""
        vectors, words = inputs
        is_word = (words > 0)[:, :, None]
        scores = jnp.where(is_word, vectors @ self.queries.value, -jnp.inf)
        max_scores = jax.lax.stop_gradient(jnp.where(is_word.any(axis=1), scores.max(axis=1), 0))
        weights = jnp.exp(scores - max_scores[:, None])
        total = jnp.maximum(weights.sum(axis=1), jnp.finfo(vectors.dtype).tiny)
        return (weights * (vectors @ self.values.value)).sum(axis=1) / total

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(b, l)."""
        return (input_shape[0][0], self.n_labels)
