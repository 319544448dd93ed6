"""A network, traced by JAX with a batch of any size, as nodes of a graph: operation by operation.

What JAX traces is what it computes, so that a layer needs no translation of its own. What depends on weights alone is
computed here and now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jax.extend import core

from manyhot.backend import jax
from manyhot.errors import InputError
from manyhot.export.graph import Graph
from manyhot.export.operations import OPERATIONS
from manyhot.export.traced_values import Value, known

CALLS = ("jaxpr", "call_jaxpr", "fun_jaxpr")  # parameters that hold the program of an operation that calls another one
LOOPS = ("while", "scan", "cond")
BATCH_SIZE = "dim_as_value"
SIZE = "b"  # the symbol of the batch


class Translator:
    """Writes traced programs into one graph.

    Args:
        graph: It grows.
        batch_input: An input of the graph, whose first axis has the size of the batch.
    """

    graph: Graph

    def __init__(self, graph: Graph, batch_input: str) -> None:
        self.graph, self._batch_input = graph, batch_input

    def run(self, program: Any, values: Sequence[Value]) -> list[Value]:
        """Write a closed program applied to values; return its results."""
        return self._run(program.jaxpr, [known(one) for one in program.consts], values)

    def _run(self, program: Any, constants: Sequence[Value], values: Sequence[Value]) -> list[Value]:
        found: dict[Any, Value] = dict(zip((*program.constvars, *program.invars), (*constants, *values), strict=True))

        def look_up(variable: Any) -> Value:
            if isinstance(variable, core.Literal):
                result: Any = variable.aval
                return known(np.asarray(variable.val, result.dtype))
            return found[variable]

        for equation in program.eqns:
            results = self._apply(equation, [look_up(one) for one in equation.invars])
            found.update(zip(equation.outvars, results, strict=True))
        return [look_up(one) for one in program.outvars]

    def _apply(self, equation: Any, values: list[Value]) -> list[Value]:
        name, params = equation.primitive.name, equation.params
        if name in LOOPS:
            raise InputError(f"the network has the operation {name!r}, a loop or a choice, which no export writes")
        inner = next((params[key] for key in CALLS if key in params), None)
        if inner is not None:
            constants = [known(one) for one in getattr(inner, "consts", ())]
            return self._run(getattr(inner, "jaxpr", inner), constants, values)
        results = [one.aval for one in equation.outvars]
        is_fixed = all(isinstance(length, int) for result in results for length in result.shape)
        if name == BATCH_SIZE:
            size = self.graph.node("Squeeze", self._batch_size(params["dim"]), self.graph.constant([0], np.int64))
            return [Value((), (), np.dtype(results[0].dtype), name=self.graph.cast(size, results[0].dtype))]
        if is_fixed and all(one.array is not None and one.is_whole for one in values):
            return self._compute(equation, [one.array for one in values])
        if name not in OPERATIONS:
            raise InputError(f"the network has the operation {name!r}, which no export writes")
        written = OPERATIONS[name](self, params, values, results[0])
        return written if isinstance(written, list) else [written]

    def _compute(self, equation: Any, arrays: list[Any]) -> list[Value]:
        """What an operation gives for known values."""
        results = equation.primitive.bind(*arrays, **equation.params)
        return [known(one) for one in (results if equation.primitive.multiple_results else [results])]

    def emit(self, operator: str, *inputs: str, result: Any, stored: Any = None, **attributes: Any) -> Value:
        """A node's result, of the shape and type of a traced one."""
        shape = tuple(result.shape)
        name = self.graph.node(operator, *inputs, **attributes)
        return Value(shape, shape if stored is None else tuple(stored), np.dtype(result.dtype), name=name)

    def name(self, value: Value) -> str:
        """The name of what is stored of a value."""
        return value.name if value.array is None else self.graph.constant(value.array)

    def whole(self, value: Value) -> str:
        """The name of the whole value, repeated where it is stored once."""
        if value.is_whole:
            return self.name(value)
        if all(isinstance(length, int) for length in value.shape):
            if value.array is not None:
                return self.graph.constant(np.broadcast_to(value.array, value.shape))
            return self.graph.node("Expand", self.name(value), self.graph.constant(value.shape, np.int64))
        parts = [
            self.graph.constant([length], np.int64) if isinstance(length, int) else self._batch_size(length)
            for length in value.shape
        ]
        return self.graph.node("Expand", self.name(value), self.graph.node("Concat", *parts, axis=0))

    def _batch_size(self, length: Any) -> str:
        if str(length) != SIZE:
            raise InputError(f"the network makes an axis of length {length} of a batch of {SIZE} rows")
        return self.graph.node("Shape", self._batch_input, start=0, end=1)


def trace(function: Callable[..., Any], leaves: Any, shapes: Mapping[str, tuple[tuple[int, ...], Any]]) -> Any:
    """Trace `function(leaves, inputs)` for a batch of any size.

    Args:
        function: Takes a tree of arrays and named inputs.
        leaves: The arrays, or anything with their shapes and types.
        shapes: Name of an input -> shape of a row and type.

    Raises:
        InputError: A network that needs to know the size of the batch.
    """
    (size,) = jax.export.symbolic_shape(SIZE)
    inputs = {name: jax.ShapeDtypeStruct((size, *shape), dtype) for name, (shape, dtype) in shapes.items()}
    specs = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), leaves)
    try:
        return jax.make_jaxpr(function)(specs, inputs)
    except Exception as error:  # a model of the user's own raises whatever it likes
        reason = str(error).split("\n", 1)[0]
        raise InputError(f"the network cannot be traced for a batch of any size: {reason}") from error
