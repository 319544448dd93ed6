"""Convolutions and pooling, whose images ONNX wants with the channels before height and width."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from manyhot.errors import InputError
from manyhot.export.traced_values import Value

if TYPE_CHECKING:
    from manyhot.export.program import Translator


def _convolve(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    image, kernel = values
    numbers, padding = params["dimension_numbers"], params["padding"]
    if params["batch_group_count"] != 1 or any(one < 0 for pair in padding for one in pair):
        raise InputError("the network has a convolution across the batch or over less than the image: no export")
    x = _permuted(t, t.whole(image), numbers.lhs_spec)
    if any(step != 1 for step in params["lhs_dilation"]):
        x = _spread(t, x, [image.shape[axis] for axis in numbers.lhs_spec], params["lhs_dilation"])
    weights = _permuted(t, t.whole(kernel), numbers.rhs_spec)
    convolved = t.graph.node(
        "Conv",
        x,
        weights,
        strides=list(params["window_strides"]),
        dilations=list(params["rhs_dilation"]),
        pads=[low for low, _ in padding] + [high for _, high in padding],
        group=params["feature_group_count"],
    )
    back = np.argsort(numbers.out_spec).tolist()
    shape = tuple(result.shape)
    return Value(shape, shape, np.dtype(result.dtype), name=_permuted(t, convolved, back))


def _permuted(t: Translator, name: str, order: Sequence[int]) -> str:
    return name if list(order) == list(range(len(order))) else t.graph.node("Transpose", name, perm=list(order))


def _spread(t: Translator, x: str, shape: Sequence[Any], steps: Sequence[int]) -> str:
    """Zeros between the numbers of each axis behind the first two, as a transposed convolution has them."""
    _, channels, *edges = shape
    pairs = [length for edge in edges for length in (edge, 1)]
    apart = t.graph.reshape(x, [0, channels, *pairs])
    highs = [0, 0, *(length for step in steps for length in (0, step - 1))]
    padded = t.graph.node("Pad", apart, t.graph.constant([0] * len(highs) + highs, np.int64))
    joined = t.graph.reshape(padded, [0, channels, *(edge * step for edge, step in zip(edges, steps, strict=True))])
    ends = [(edge - 1) * step + 1 for edge, step in zip(edges, steps, strict=True)]
    axes = t.graph.constant(range(2, 2 + len(edges)), np.int64)
    return t.graph.node("Slice", joined, t.graph.constant([0] * len(edges), np.int64), t.graph.constant(ends), axes)


def _pool(
    t: Translator, params: Mapping[str, Any], values: list[Value], result: Any, operator: str, **more: Any
) -> str:
    value = values[0]
    sizes, steps, padding = params["window_dimensions"], params["window_strides"], params["padding"]
    dilation = params["window_dilation"]
    places = [axis for axis in range(len(sizes)) if (sizes[axis], steps[axis], padding[axis]) != (1, 1, (0, 0))]
    others = [axis for axis in range(len(sizes)) if axis not in places]
    while len(others) > 2:  # an axis that the window does not move along is one of windows of one place
        places.insert(0, others.pop())
    if len(others) != 2 or any(step != 1 for step in params["base_dilation"]):
        raise InputError("the network has windows over the batch or with gaps, which no export writes")
    places.sort()
    order = [*others, *places]
    if operator == "MaxPool":
        more["dilations"] = [dilation[axis] for axis in places]
    elif any(step != 1 for step in dilation):
        raise InputError("the network has a mean over windows with gaps, which no export writes")
    pooled = t.graph.node(
        operator,
        _permuted(t, t.whole(value), order),
        kernel_shape=[sizes[axis] for axis in places],
        strides=[steps[axis] for axis in places],
        pads=[padding[axis][0] for axis in places] + [padding[axis][1] for axis in places],
        **more,
    )
    return _permuted(t, pooled, np.argsort(order).tolist())


def _pool_max(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    shape = tuple(result.shape)
    return Value(shape, shape, np.dtype(result.dtype), name=_pool(t, params, values, result, "MaxPool"))


def _pool_sum(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    mean = _pool(t, params, values, result, "AveragePool", count_include_pad=1)
    places = t.graph.constant(math.prod(params["window_dimensions"]), result.dtype)
    return t.emit("Mul", mean, places, result=result)


IMAGE_OPERATIONS = {
    "conv_general_dilated": _convolve,
    "reduce_window_max": _pool_max,
    "reduce_window_sum": _pool_sum,
}
"""Name of an operation of JAX -> what writes it."""
