"""The maximum constraint: where labels imply others, a parent's logit is at least each of its descendants'.

`levels` are pairs of arrays, children and parents, int32 (e,) each, the lowest parents first; () for no hierarchy.
"""

# Source: Giunchiglia, Lukasiewicz (NeurIPS 2020), Coherent hierarchical multi-label classification networks

from __future__ import annotations

from typing import Any

import numpy as np

from manyhot.backend import jax

jnp = jax.numpy

Levels = tuple[tuple[Any, Any], ...]


def constrain(logits: jax.Array, levels: Levels) -> jax.Array:
    """Raise each label's logit (..., l) to the highest of its descendants': what the scores are made of."""
    for children, parents in levels:
        logits = logits.at[..., parents].max(logits[..., children])
    return logits


def constrain_for_loss(logits: jax.Array, is_yes: jax.Array, levels: Levels) -> jax.Array:
    """The logits (..., l) that a loss sees: a known yes has the highest of its descendants that are known yes too."""
    # The paper's MCLoss, max over B below A of y_B h_B, on logits. With the plain constraint a parent's yes would
    # pull up whichever child scores highest, also one that does not hold. Other entries see the plain constraint.
    if not levels:
        return logits
    lowest = jnp.finfo(logits.dtype).min
    return jnp.where(is_yes, constrain(jnp.where(is_yes, logits, lowest), levels), constrain(logits, levels))


def raise_parents(scores: np.ndarray, levels: Levels) -> np.ndarray:
    """Scores (..., l) on the host whose rounding put a parent a last digit below a child, put right."""
    for children, parents in levels:
        if (scores[..., parents] < scores[..., children]).any():
            scores = np.array(scores)
            np.maximum.at(np.moveaxis(scores, -1, 0), parents, np.moveaxis(scores, -1, 0)[children])
    return scores
