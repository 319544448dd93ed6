"""Integrated gradients: what each pixel adds to a logit on the way from an image of one colour."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from manyhot.backend import jax, keras, use_dtype
from manyhot.engine.gradient_attribution import Blocks, make_inputs
from manyhot.engine.max_constraint import Levels, constrain
from manyhot.engine.program_cache import PROGRAMS
from manyhot.engine.scoring import Scorer
from manyhot.errors import InputError
from manyhot.networks.layers import Pixels

jnp = jax.numpy

N_STEPS = 30  # points of the way at which gradients are taken; both its ends come along for their logits
MAX_PIXELS = 2**20  # pixels of a batch


class PixelContributions(NamedTuple):
    """What the pixels of one row add to one logit."""

    logit: float  # the row's logit, mean over the members
    constant: float  # that of the row with plain images in place of its own
    maps: dict[str, np.ndarray]  # float64 (h, w) by block, channels summed; together about logit less constant


def pixel_contributions(
    scorer: Scorer,
    tables: Sequence[np.ndarray],
    blocks: Blocks,
    rows: np.ndarray,
    labels: np.ndarray,
    baseline_colours: Mapping[str, Sequence[float]],
) -> Iterator[PixelContributions]:
    """Yield integrated gradients over a row's images, pair by pair; ways begin at colours of 0 to 255 a channel."""
    # Source: Sundararajan, Taly, Yan (2017), arXiv 1703.01365, equation 3, at the middles of `N_STEPS` equal steps.
    tables_by_name = dict(zip(scorer.networks.tables, tables, strict=True))
    baselines = {name: np.asarray(colour, scorer.dtype) for name, colour in baseline_colours.items()}
    fractions = np.concatenate([[0.0], (np.arange(N_STEPS) + 0.5) / N_STEPS, [1.0]]).astype(scorer.dtype)
    step_weights = np.concatenate([[0.0], np.full(N_STEPS, 1 / N_STEPS), [0.0]]).astype(scorer.dtype)
    pixels = sum(int(np.prod(blocks[name].shape[1:3])) for name in baseline_colours)
    size = len(fractions)
    while size > 2 and size * pixels > MAX_PIXELS:
        size //= 2
    for row, label in zip(rows, labels, strict=True):
        inputs = make_inputs(scorer, tables_by_name, blocks, np.array([row]), 1)
        logits = []
        total = {name: np.zeros(blocks[name].shape[1:], np.float64) for name in baseline_colours}
        for first in range(0, len(fractions), size):
            part = slice(first, first + size)
            part_logits, gradients = _gradients(
                scorer, inputs, baselines, np.int32(label), fractions[part], step_weights[part]
            )
            logits.append(part_logits)
            for name, gradient in gradients.items():
                total[name] += gradient
        ends = np.concatenate(logits)
        maps = {
            name: ((blocks[name][row] - baselines[name]) * image_total).sum(axis=-1)
            for name, image_total in total.items()
        }
        yield PixelContributions(float(ends[-1]), float(ends[0]), maps)


def _gradients(
    scorer: Scorer,
    inputs: dict[str, np.ndarray],
    baselines: dict[str, np.ndarray],
    label: np.int32,
    fractions: np.ndarray,
    step_weights: np.ndarray,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Mean logits float64 (k,) of points of the way, and the weighed sum of their gradients, (h, w, c) by block."""
    # members are called one after another: on a CPU, convolutions in a loop of the program are many times slower
    tables = frozenset(scorer.networks.tables)
    weights = scorer.weights.trainable[len(tables) :], scorer.weights.fixed
    with use_dtype(scorer.dtype), jax.default_matmul_precision("highest"):
        device_args = jax.device_put((inputs, baselines, label, fractions, step_weights), scorer.device)
        members = [jax.device_put(np.int32(member), scorer.device) for member in range(scorer.n_members)]
        args = [(*weights, member, *device_args, scorer.levels) for member in members]
        key = ("saliency", scorer.networks.key, len(fractions), tuple(baselines))
        program = PROGRAMS.get_or_compile(
            key, lambda: _build_path_program(scorer.network, tables, tuple(baselines)), args[0]
        )
        results = [program(*one) for one in args]
    logits = np.mean([np.asarray(one, np.float64) for one, _ in results], axis=0)
    return logits, {
        name: np.mean([np.asarray(one[name][0], np.float64) for _, one in results], axis=0) for name in baselines
    }


def _build_path_program(network: Any, tables: frozenset[str], images: tuple[str, ...]) -> Callable:
    """Build the program of points of a way -> logits (k,) and gradients (1, h, w, c) by block."""
    # entered behind the layers that scale pixels: the network's own inputs are whole numbers, which have no slope
    layers = {name: _find_pixel_layer(network, name) for name in images}
    scaled_names = {name: one.output.name for name, one in layers.items()}
    other_layers_inputs = {name: one for name, one in network.input.items() if name not in layers}
    inner_model = keras.Model(
        {**other_layers_inputs, **{scaled_names[name]: one.output for name, one in layers.items()}}, network.output
    )
    trainable_indices = _variable_indices(inner_model.trainable_variables, network.trainable_variables)
    fixed_indices = _variable_indices(inner_model.non_trainable_variables, network.non_trainable_variables)

    def run(
        trainable: Any,
        fixed: Any,
        member: Any,
        inputs: Any,
        baselines: Any,
        label: Any,
        fractions: Any,
        step_weights: Any,
        levels: Levels,
    ) -> tuple[Any, dict[str, Any]]:
        weights = [trainable[k][member] for k in trainable_indices], [fixed[k][member] for k in fixed_indices]
        path = {
            name: baselines[name] + fractions[:, None, None, None] * (inputs[name] - baselines[name]) for name in images
        }
        other_inputs = {name: block for name, block in inputs.items() if name not in images}
        other_inputs = {name: block[member] if name in tables else block for name, block in other_inputs.items()}
        other_inputs = {name: jnp.repeat(block, len(fractions), axis=0) for name, block in other_inputs.items()}

        def weighted_logits(shift: dict[str, Any]) -> tuple[Any, Any]:
            points = {scaled_names[name]: layers[name].call(path[name] + shift[name]) for name in images}
            logits, _ = inner_model.stateless_call(*weights, {**other_inputs, **points}, training=False)
            selected = constrain(logits, levels)[:, label]
            return (selected * step_weights).sum(), selected

        zero_shift = {name: jnp.zeros_like(inputs[name]) for name in images}
        (_, logits), gradients = jax.value_and_grad(weighted_logits, has_aux=True)(zero_shift)
        return logits, gradients

    return run


def _variable_indices(variables: Sequence[Any], known: Sequence[Any]) -> list[int]:
    """Where some variables stand among known ones."""
    order = {id(variable): k for k, variable in enumerate(known)}
    return [order[id(variable)] for variable in variables]


def _find_pixel_layer(network: Any, name: str) -> Pixels:
    """The layer that an input of images goes into."""
    for layer in network.layers:
        if isinstance(layer, Pixels) and layer.input is network.input[name]:
            return layer
    raise InputError(f"the network takes the images {name!r} in a way of its own, which cannot be followed back")
