"""The contract of a loss, and the form that most of them have."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import NamedTuple

from manyhot.backend import jax


class LossContext(NamedTuple):
    """What a loss is told besides the batch; data to the compiled program, so nothing recompiles when it changes."""

    settings: dict[str, jax.Array]  # scalars by name, exactly those of the loss in `losses.LOSS_SETTINGS`
    positives: jax.Array  # float (l,), weighted count of each label's yes entries among the member's training rows
    known: jax.Array  # float (l,), weighted count of each label's known entries among them


# (logits, targets in [0, 1], mask, context) -> the loss of every entry, all (b, ..., l). The mask is True where an
# entry is known and its row no padding; what stands elsewhere is finite and unused, but a softmax sees all logits.
Loss = Callable[[jax.Array, jax.Array, jax.Array, LossContext], jax.Array]


def elementwise(parts: Callable[[jax.Array, LossContext], tuple[jax.Array, jax.Array]]) -> Loss:
    """Make t yes(z) + (1 - t) no(z), a loss whose entries are independent, of (logits, context) -> (yes, no)."""

    @wraps(parts)
    def loss(logits: jax.Array, targets: jax.Array, mask: jax.Array, context: LossContext) -> jax.Array:
        yes, no = parts(logits, context)
        return targets * yes + (1 - targets) * no

    return loss
