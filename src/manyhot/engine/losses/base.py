"""The contract of a loss, and the form that most of them have."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import NamedTuple

from manyhot.backend import jax


class LossContext(NamedTuple):
    """What a loss is told besides the batch; data to the compiled program, so nothing recompiles when it changes.

    Attributes:
        settings: Scalars by name, exactly those of the loss in `losses.LOSS_SETTINGS`.
        positives: float (l,), weighted count of each label's yes entries among the member's training rows.
        known: float (l,), weighted count of each label's known entries among them.
    """

    settings: dict[str, jax.Array]
    positives: jax.Array
    known: jax.Array


Loss = Callable[[jax.Array, jax.Array, jax.Array, LossContext], jax.Array]
"""(logits, targets, mask, context) -> the loss of every entry.

Args:
    logits: float (b, ..., l).
    targets: Same shape, float in [0, 1]; 0 or 1 for a coupled loss.
    mask: Same shape, bool: the entry is known and its row no padding.
    context: See `LossContext`.

Returns:
    Same shape and dtype as the logits. What stands at masked places is finite and does not matter, nor do the
    logits and targets there, except that a softmax runs over the logits of all labels.
"""


def elementwise(parts: Callable[[jax.Array, LossContext], tuple[jax.Array, jax.Array]]) -> Loss:
    """A loss whose entries have nothing to do with each other: `t yes(z) + (1 - t) no(z)`.

    Written so, a target between 0 and 1 (label smoothing) mixes the two.

    Args:
        parts: (logits, context) -> (loss if the target is yes, loss if it is no), each shaped like the logits.
    """

    @wraps(parts)
    def loss(logits: jax.Array, targets: jax.Array, mask: jax.Array, context: LossContext) -> jax.Array:
        yes, no = parts(logits, context)
        return targets * yes + (1 - targets) * no

    return loss
