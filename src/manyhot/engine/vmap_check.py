"""Check by shapes alone whether a network of the user's compiles, and whether its members train side by side."""

from __future__ import annotations

import traceback
import warnings
from typing import Any

import numpy as np

from manyhot.backend import jax, keras
from manyhot.engine.train_step import StepConfig
from manyhot.errors import ManyhotWarning, TrainingError
from manyhot.networks import real_rows


def check_vmap(step_config: StepConfig, n_members: int, dtype: str) -> int:
    """Return how many members may train side by side: all, or 1 with a warning that names the layer in the way."""
    if n_members > 1:
        try:
            _trace_step(step_config, dtype, 2)
            return n_members
        except Exception as error:  # a layer of the user's may raise anything
            reason = _describe_error(error)
    try:
        _trace_step(step_config, dtype, 1)
    except Exception as error:  # likewise
        raise TrainingError(
            f"{_describe_error(error)}, so the network cannot be compiled: in `call`, use keras.ops or jax.numpy, "
            "and no Python that depends on the values of the inputs"
        ) from None
    if n_members > 1:
        warnings.warn(
            f"{reason}, so members are trained one after another, which is slower", ManyhotWarning, stacklevel=2
        )
    return 1


def _trace_step(step_config: StepConfig, dtype: str, n_members: int) -> None:
    """Shapes of one gradient step of one member, or of two under vmap."""
    network = step_config.network
    weights = tuple(
        [jax.ShapeDtypeStruct(tuple(v.shape), str(v.dtype)) for v in variables]
        for variables in (network.trainable_variables, network.non_trainable_variables)
    )
    rows = step_config.batch_size
    inputs = {name: jax.ShapeDtypeStruct((rows, *shape), dtype) for name, shape in step_config.shapes.items()}

    def objective(trainable: list, fixed: list, inputs: dict[str, Any]) -> Any:
        with real_rows(np.ones(rows, dtype=bool)):
            logits, *_ = network.stateless_call(trainable, fixed, inputs, training=True, return_losses=True)
        return logits.sum()

    step = jax.grad(objective)
    if n_members > 1:
        step = jax.vmap(step, in_axes=(0, 0, None))
        weights = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((n_members, *leaf.shape), leaf.dtype), weights)
    jax.eval_shape(step, *weights, inputs)


def _describe_error(error: BaseException) -> str:
    """Which layer, and the first thing that it says."""
    errors: list[BaseException] = []
    pending: BaseException | None = error
    while pending is not None and pending not in errors:
        errors.append(pending)
        pending = pending.__cause__ or pending.__context__
    layers = [
        frame.f_locals["self"]
        for nested in errors
        for frame, _ in traceback.walk_tb(nested.__traceback__)
        if frame.f_code.co_name == "call" and isinstance(frame.f_locals.get("self"), keras.layers.Layer)
    ]
    plain_layers = [layer for layer in layers if not isinstance(layer, keras.Model)]
    name = repr(type((plain_layers or layers)[-1]).__name__) if layers else "of the network"
    lines = [line.strip() for line in str(errors[-1]).splitlines() if line.strip()]
    detail = next((line for line in lines if not line.startswith("Exception encountered")), type(error).__name__)
    return f"the layer {name} stands in the way ({detail[:160]})"
