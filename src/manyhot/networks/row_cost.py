"""What a network takes for a row, found from its program without carrying anything out, and how much it may take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from manyhot.backend import jax, use_dtype
from manyhot.errors import InputError

MAX_VALUE_BYTES = 2**28  # of the largest intermediate value of a row: 64 filters on 1024 x 1024 pixels in float32
MAX_ROW_BYTES = 2**32  # of all intermediate values of a row together
MAX_PRODUCTS = 2**38  # of a row: about thirty times those of EfficientNetV2-S on 384 x 384 pixels
PROBE_ROWS = 61  # a prime: what has a multiple of so many numbers grows with the number of rows


@dataclass(frozen=True)
class RowCost:
    """What scoring a row takes; every array counts, though a compiler may leave some out."""

    value_bytes: int = 0  # the largest array of a row
    row_bytes: int = 0  # all arrays of a row
    products: int = 0  # multiplications of matrix products, convolutions and windows
    weight_bytes: int = 0  # the largest array made from weights alone, whatever the number of rows

    def check(self, n_weight_bytes: int) -> None:
        """Raise `InputError` for more than a row may take, beside what goes by the size of the weights themselves."""
        limits = {
            "a value": (self.value_bytes, MAX_VALUE_BYTES, "bytes"),
            "a row": (self.row_bytes, MAX_ROW_BYTES, "bytes"),
            "a row in all": (self.products, MAX_PRODUCTS, "multiplications"),
            "a copy of weights": (self.weight_bytes, MAX_VALUE_BYTES + 4 * n_weight_bytes, "bytes"),
        }
        for what, (needed, allowed, unit) in limits.items():
            if needed > allowed:
                raise InputError(
                    f"the network takes {needed:.2g} {unit} for {what}, at most {allowed:.2g} are allowed; make its "
                    "inputs or its layers smaller",
                    argument="network",
                )

    def max_rows(self, n_rows: int) -> int:
        """How many of as many rows may be in a batch, 1 or more."""
        n_fitting = min(MAX_VALUE_BYTES // max(self.value_bytes, 1), MAX_PRODUCTS // max(self.products, 1))
        return max(1, min(n_rows, n_fitting))


def measure_row(network: Any, shapes: Mapping[str, tuple[int, ...]], dtype: str) -> RowCost:
    """Measure what a network takes that has named inputs and `stateless_call`, by tracing it; nothing is computed.

    Args:
        network: The network; of its weights only shapes and types matter.
        shapes: Shape of one row of each input.
        dtype: Type of inputs that the network itself does not say.
    """
    declared = getattr(network, "input", None)
    if isinstance(declared, dict):  # one of our own, which says more: a wide sparse input is a sum of table rows here
        kinds = {name: (tuple(tensor.shape[1:]), str(tensor.dtype)) for name, tensor in declared.items()}
    else:
        kinds = {name: (shape, dtype) for name, shape in shapes.items()}
    inputs = {name: jax.ShapeDtypeStruct((PROBE_ROWS, *shape), kind) for name, (shape, kind) in kinds.items()}
    weights = [
        [jax.ShapeDtypeStruct(tuple(one.shape), str(one.dtype)) for one in variables]
        for variables in (network.trainable_variables, network.non_trainable_variables)
    ]

    def call(trainable: Any, fixed: Any, rows: Any) -> Any:
        return network.stateless_call(trainable, fixed, rows, training=False)[0]

    with use_dtype(dtype):
        program = jax.make_jaxpr(call)(*weights, inputs)
    return _program_cost(program.jaxpr)


def _program_cost(program: Any) -> RowCost:
    value_bytes = row_bytes = products = weight_bytes = 0
    for equation, n_times in _equations(program, 1):
        for variable in equation.outvars:
            aval = variable.aval
            size = math.prod(getattr(aval, "shape", ()))
            n_bytes = size * getattr(getattr(aval, "dtype", None), "itemsize", 0)
            if size % PROBE_ROWS:
                weight_bytes = max(weight_bytes, n_bytes)
                continue
            value_bytes = max(value_bytes, n_bytes // PROBE_ROWS)
            row_bytes += n_times * n_bytes // PROBE_ROWS
            products += n_times * size // PROBE_ROWS * _products_per_number(equation)
    return RowCost(value_bytes, row_bytes, products, weight_bytes)


def _equations(program: Any, n_times: int) -> Iterator[tuple[Any, int]]:
    """Every operation of a program, those of inner programs too, and how often it is done."""
    for equation in program.eqns:
        yield equation, n_times
        n_inner = n_times * int(equation.params.get("length", 1)) if equation.primitive.name == "scan" else n_times
        for value in equation.params.values():
            for inner in value if isinstance(value, (list, tuple)) else (value,):
                inner_program = getattr(inner, "jaxpr", inner)
                if hasattr(inner_program, "eqns"):
                    yield from _equations(inner_program, n_inner)


def _products_per_number(equation: Any) -> int:
    """Multiplications, or looks, that each number of a result takes."""
    params, name = equation.params, equation.primitive.name
    if name == "dot_general":
        contracted, _ = params["dimension_numbers"]
        return math.prod(equation.invars[0].aval.shape[axis] for axis in contracted[0])
    if name == "conv_general_dilated":
        kernel = equation.invars[1].aval.shape
        return math.prod(kernel) // max(kernel[params["dimension_numbers"].rhs_spec[0]], 1)
    if name.startswith("reduce_window"):
        return math.prod(params.get("window_dimensions", ()))
    return 1 if name in ("mul", "div", "exp", "tanh", "logistic", "erf", "pow") else 0
