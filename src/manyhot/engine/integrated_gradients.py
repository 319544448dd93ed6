"""What each pixel of a row's images adds to a logit: integrated gradients on the way from an image of one colour.

Explained is the mean over the members of the raw logit, as in `attribution.py`, and the rest of the row stays what it
is. A batch holds points of the way of one pair of row and label, so that a single pair pads nothing. It knows arrays,
nothing of labels' names, of files or of how a map is drawn. Start reading at `pixel_contributions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from manyhot.backend import jax, keras, precision
from manyhot.engine.gradient_attribution import Blocks, inputs_of
from manyhot.engine.program_cache import PROGRAMS
from manyhot.engine.scoring import Scorer
from manyhot.errors import InputError
from manyhot.networks.layers import Pixels

jnp = jax.numpy

STEPS = 30
"""Points of the way at which gradients are taken; both its ends come along for their logits."""
MAX_PIXELS = 2**20
"""Pixels of a batch."""


class PixelContributions(NamedTuple):
    """What the pixels of one row add to one logit.

    Attributes:
        logit: The row's logit, mean over the members.
        constant: That of the row with plain images in place of its own.
        maps: Block -> float64 (h, w), channels summed; all of them sum to logit less constant, but for the steps.
    """

    logit: float
    constant: float
    maps: dict[str, np.ndarray]


def pixel_contributions(
    scorer: Scorer,
    tables: Sequence[np.ndarray],
    blocks: Blocks,
    rows: np.ndarray,
    labels: np.ndarray,
    plain: Mapping[str, Sequence[float]],
) -> Iterator[PixelContributions]:
    """Integrated gradients of the mean logit over the images of a row, pair by pair.

    Args:
        scorer: The members.
        tables: Tables (m, f, u) on the host, in the order of the networks' tables.
        blocks: Named features; images uint8 (n, h, w, c).
        rows: int (p,), the row of each pair.
        labels: int (p,), the column of the label of each pair.
        plain: Name of each block of images -> the colour that its ways begin at, a number a channel from 0 to 255.

    Raises:
        InputError: A network that takes images in a way of its own.

    Source:
        Sundararajan, Taly, Yan (2017), arXiv 1703.01365, equation 3, at the middles of `STEPS` equal steps.
    """
    by_name = dict(zip(scorer.networks.tables, tables, strict=True))
    starts = {name: np.asarray(colour, scorer.precision) for name, colour in plain.items()}
    at = np.concatenate([[0.0], (np.arange(STEPS) + 0.5) / STEPS, [1.0]]).astype(scorer.precision)
    share = np.concatenate([[0.0], np.full(STEPS, 1 / STEPS), [0.0]]).astype(scorer.precision)
    pixels = sum(int(np.prod(blocks[name].shape[1:3])) for name in plain)
    size = len(at)
    while size > 2 and size * pixels > MAX_PIXELS:
        size //= 2
    for row, label in zip(rows, labels, strict=True):
        given = inputs_of(scorer, by_name, blocks, np.array([row]), 1)
        logits = []
        total = {name: np.zeros(blocks[name].shape[1:], np.float64) for name in plain}
        for first in range(0, len(at), size):
            part = slice(first, first + size)
            own, found = _gradients(scorer, given, starts, np.int32(label), at[part], share[part])
            logits.append(own)
            for name, gradient in found.items():
                total[name] += gradient
        ends = np.concatenate(logits)
        maps = {name: ((blocks[name][row] - starts[name]) * one).sum(axis=-1) for name, one in total.items()}
        yield PixelContributions(float(ends[-1]), float(ends[0]), maps)


def _gradients(
    scorer: Scorer,
    inputs: dict[str, np.ndarray],
    starts: dict[str, np.ndarray],
    label: np.int32,
    at: np.ndarray,
    share: np.ndarray,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Mean logits float64 (k,) of points of the way, and the weighed sum of their gradients, (h, w, c) by block.

    Members are called one after another: on a CPU, convolutions in a loop of the program are many times slower.
    """
    tables = frozenset(scorer.networks.tables)
    weights = scorer.weights.trainable[len(tables) :], scorer.weights.fixed
    with precision(scorer.precision), jax.default_matmul_precision("highest"):
        given = jax.device_put((inputs, starts, label, at, share), scorer.device)
        members = [jax.device_put(np.int32(member), scorer.device) for member in range(scorer.n_members)]
        args = [(*weights, member, *given) for member in members]
        key = ("saliency", scorer.networks.key, len(at), tuple(starts))
        program = PROGRAMS.compiled(key, lambda: _followed(scorer.network, tables, tuple(starts)), args[0])
        found = [program(*one) for one in args]
    logits = np.mean([np.asarray(one, np.float64) for one, _ in found], axis=0)
    return logits, {
        name: np.mean([np.asarray(one[name][0], np.float64) for _, one in found], axis=0) for name in starts
    }


def _followed(network: Any, tables: frozenset[str], images: tuple[str, ...]) -> Callable:
    """(trainable, fixed, member, inputs, starts, label, at, share) -> logits (k,), gradients (1, h, w, c) by block.

    The network is entered behind the layers that scale pixels: its own inputs are whole numbers, which have no slope.
    """
    layers = {name: _scaling(network, name) for name in images}
    inside = {name: one.output.name for name, one in layers.items()}
    beside = {name: one for name, one in network.input.items() if name not in layers}
    entered = keras.Model({**beside, **{inside[name]: one.output for name, one in layers.items()}}, network.output)
    places = _places(entered.trainable_variables, network.trainable_variables)
    fixed_places = _places(entered.non_trainable_variables, network.non_trainable_variables)

    def run(
        trainable: Any, fixed: Any, member: Any, inputs: Any, starts: Any, label: Any, at: Any, share: Any
    ) -> tuple[Any, dict[str, Any]]:
        own = [trainable[k][member] for k in places], [fixed[k][member] for k in fixed_places]
        way = {name: starts[name] + at[:, None, None, None] * (inputs[name] - starts[name]) for name in images}
        rest = {name: block for name, block in inputs.items() if name not in images}
        rest = {name: block[member] if name in tables else block for name, block in rest.items()}
        rest = {name: jnp.repeat(block, len(at), axis=0) for name, block in rest.items()}

        def asked(shift: dict[str, Any]) -> tuple[Any, Any]:
            points = {inside[name]: layers[name].call(way[name] + shift[name]) for name in images}
            logits, _ = entered.stateless_call(*own, {**rest, **points}, training=False)
            return (logits[:, label] * share).sum(), logits[:, label]

        nowhere = {name: jnp.zeros_like(inputs[name]) for name in images}
        (_, logits), found = jax.value_and_grad(asked, has_aux=True)(nowhere)
        return logits, found

    return run


def _places(variables: Sequence[Any], known: Sequence[Any]) -> list[int]:
    """Where some variables stand among known ones."""
    order = {id(variable): k for k, variable in enumerate(known)}
    return [order[id(variable)] for variable in variables]


def _scaling(network: Any, name: str) -> Pixels:
    """The layer that an input of images goes into."""
    for layer in network.layers:
        if isinstance(layer, Pixels) and layer.input is network.input[name]:
            return layer
    raise InputError(f"the network takes the images {name!r} in a way of its own, which cannot be followed back")
