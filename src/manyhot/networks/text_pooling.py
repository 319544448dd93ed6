"""Layers that make one row of the vectors of a text's words; number 0 is padding and counts nowhere."""

from __future__ import annotations

from typing import Any

from manyhot.backend import jax, keras
from manyhot.networks.layers import Dropout

jnp = jax.numpy


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
