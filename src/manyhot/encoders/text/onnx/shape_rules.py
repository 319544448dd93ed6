"""Operators that put numbers elsewhere, or make shapes: what they make, as shapes and few known numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from manyhot.encoders.text.onnx.graph import KNOWN_SIZE, TYPES, Node, Value
from manyhot.encoders.text.onnx.protobuf import file_error
from manyhot.encoders.text.onnx.values import (
    FLOAT,
    LARGEST,
    WHOLE,
    Compute,
    Inputs,
    Rule,
    broadcast,
    known_result,
    place_of,
    required_input,
    value,
    whole,
    whole_numbers,
)


def _identity(node: Node, inputs: Inputs) -> Sequence[Value]:
    return [required_input(inputs, 0)]


def _cast(node: Node, inputs: Inputs) -> Sequence[Value]:
    first, code = required_input(inputs, 0), TYPES.get(whole(node, "to", 0))
    if code is None:
        raise file_error("Cast makes a type that is not on the list")
    return [value(first.shape, np.dtype(code), known_result(lambda array: array.astype(code), [first]))]


def _constant(node: Node, inputs: Inputs) -> Sequence[Value]:
    attributes = node.attributes
    if isinstance(found := attributes.get("value"), Value):
        return [found]
    for name, dtype in (("value_int", WHOLE), ("value_ints", WHOLE), ("value_float", FLOAT), ("value_floats", FLOAT)):
        if name in attributes:
            numbers = np.asarray(attributes[name], dtype=dtype)
            return [value(numbers.shape, dtype, numbers)]
    raise file_error("a Constant holds no numbers")


def _shape(node: Node, inputs: Inputs) -> Sequence[Value]:
    shape = required_input(inputs, 0).shape
    start, end = whole(node, "start", 0), whole(node, "end", len(shape))
    found = np.array(shape[slice(start, end)], dtype=np.int64)
    return [value(found.shape, WHOLE, found)]


def _size(node: Node, inputs: Inputs) -> Sequence[Value]:
    return [value((), WHOLE, required_input(inputs, 0).size)]


def _gather(node: Node, inputs: Inputs) -> Sequence[Value]:
    data, indices = required_input(inputs, 0), required_input(inputs, 1)
    axis = place_of(whole(node, "axis", 0), len(data.shape))
    shape = (*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :])
    if data.known is None or indices.known is None or math.prod(shape) > KNOWN_SIZE:
        return [value(shape, data.dtype)]
    try:
        return [value(shape, data.dtype, np.take(data.known, indices.known, axis=axis))]
    except IndexError:
        raise file_error("Gather takes a place that is not there") from None


def _gather_elements(node: Node, inputs: Inputs) -> Sequence[Value]:
    return [value(required_input(inputs, 1).shape, required_input(inputs, 0).dtype)]


def _gather_nd(node: Node, inputs: Inputs) -> Sequence[Value]:
    data, indices = required_input(inputs, 0).shape, required_input(inputs, 1).shape
    n_batch = whole(node, "batch_dims", 0)
    if not indices or not 0 <= n_batch < min(len(data), len(indices)) or indices[-1] + n_batch > len(data):
        raise file_error("GatherND takes places that are not there")
    return [value((*indices[:-1], *data[n_batch + indices[-1] :]), required_input(inputs, 0).dtype)]


def _concat(node: Node, inputs: Inputs) -> Sequence[Value]:
    arrays = [required_input(inputs, place) for place in range(len(inputs))]
    shape = list(required_input(arrays, 0).shape)
    axis = place_of(whole(node, "axis", 0), len(shape))
    for one in arrays:
        if len(one.shape) != len(shape) or any(
            a != b for k, (a, b) in enumerate(zip(one.shape, shape, strict=True)) if k != axis
        ):
            raise file_error("Concat joins arrays that do not fit each other")
    shape[axis] = sum(one.shape[axis] for one in arrays)
    is_small = math.prod(shape) <= KNOWN_SIZE
    known = known_result(lambda *parts: np.concatenate(parts, axis=axis), arrays) if is_small else None
    return [value(shape, arrays[0].dtype, known)]


def _slice(node: Node, inputs: Inputs) -> Sequence[Value]:
    data = required_input(inputs, 0)
    starts = whole_numbers(node, inputs, 1, "starts") or []
    ends = whole_numbers(node, inputs, 2, "ends") or []
    axes = whole_numbers(node, inputs, 3, "axes")
    steps = whole_numbers(node, inputs, 4, "steps") or [1] * len(starts)
    axes = list(range(len(starts))) if axes is None else axes
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise file_error("Slice is told places that do not fit each other")
    parts = [slice(None)] * len(data.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        parts[place_of(axis, len(data.shape))] = slice(start, end, step)
    shape = [len(range(*part.indices(size))) for part, size in zip(parts, data.shape, strict=True)]
    return [value(shape, data.dtype, known_result(lambda array: array[tuple(parts)], [data]))]


def _axes_changed(node: Node, inputs: Inputs) -> Sequence[Value]:
    """Squeeze and Unsqueeze."""
    data, axes = required_input(inputs, 0), whole_numbers(node, inputs, 1, "axes")
    shape = list(data.shape)
    if node.operator == "Unsqueeze":
        rank = len(shape) + len(axes or [])
        places = sorted(place_of(axis, rank) for axis in axes or [])
        for place in places:
            shape.insert(place, 1)
    else:
        places = [k for k, size in enumerate(shape) if size == 1]
        places = places if axes is None else sorted({place_of(axis, len(shape)) for axis in axes})
        if any(shape[place] != 1 for place in places):
            raise file_error("Squeeze drops an axis that is longer than 1")
        shape = [size for k, size in enumerate(shape) if k not in places]
    return [value(shape, data.dtype, data.known)]


def _reshape(node: Node, inputs: Inputs) -> Sequence[Value]:
    data, sizes = required_input(inputs, 0), whole_numbers(node, inputs, 1, "shape")
    if sizes is None:
        raise file_error("Reshape is told no shape")
    if not whole(node, "allowzero", 0):
        sizes = [data.shape[k] if size == 0 and k < len(data.shape) else size for k, size in enumerate(sizes)]
    if sizes.count(-1) == 1:
        rest = math.prod(size for size in sizes if size != -1)
        sizes = [data.size // rest if size == -1 and rest > 0 else size for size in sizes]
    if any(size < 0 for size in sizes) or math.prod(sizes) != data.size:
        raise file_error(f"Reshape makes {str(sizes)[:80]} of {list(data.shape)}")
    return [value(sizes, data.dtype, data.known)]


def _flatten(node: Node, inputs: Inputs) -> Sequence[Value]:
    data = required_input(inputs, 0)
    axis = whole(node, "axis", 1)
    axis = axis if axis == len(data.shape) else place_of(axis, len(data.shape))
    return [value((math.prod(data.shape[:axis]), math.prod(data.shape[axis:])), data.dtype, data.known)]


def _transpose(node: Node, inputs: Inputs) -> Sequence[Value]:
    data = required_input(inputs, 0)
    order = whole_numbers(node, (), 0, "perm") or list(reversed(range(len(data.shape))))
    if sorted(order) != list(range(len(data.shape))):
        raise file_error("Transpose is told an order of other axes")
    shape = [data.shape[axis] for axis in order]
    return [value(shape, data.dtype, known_result(lambda array: array.transpose(order), [data]))]


def _expand(node: Node, inputs: Inputs) -> Sequence[Value]:
    data, sizes = required_input(inputs, 0), whole_numbers(node, inputs, 1, "shape") or []
    shape = value(broadcast(data.shape, tuple(sizes)), data.dtype).shape
    is_small = math.prod(shape) <= KNOWN_SIZE
    known = known_result(lambda array: np.broadcast_to(array, shape), [data]) if is_small else None
    return [value(shape, data.dtype, known)]


def _tile(node: Node, inputs: Inputs) -> Sequence[Value]:
    data, repeats = required_input(inputs, 0), whole_numbers(node, inputs, 1, "repeats") or []
    if len(repeats) != len(data.shape):
        raise file_error("Tile repeats other axes than there are")
    return [value([size * times for size, times in zip(data.shape, repeats, strict=True)], data.dtype)]


def _filled(node: Node, inputs: Inputs) -> Sequence[Value]:
    """ConstantOfShape."""
    shape, fill = whole_numbers(node, inputs, 0, "shape"), node.attributes.get("value")
    if isinstance(fill, Value) and (fill.known is None or fill.size != 1):
        raise file_error("ConstantOfShape fills with more than a number")
    number = fill.known.ravel()[0] if isinstance(fill, Value) and fill.known is not None else np.float32(0)
    made = value(shape or (), number.dtype)
    return [made._replace(known=np.full(made.shape, number)) if made.size <= KNOWN_SIZE else made]


def _range(node: Node, inputs: Inputs) -> Sequence[Value]:
    numbers = [required_input(inputs, place) for place in range(3)]
    if any(one.known is None or one.size != 1 for one in numbers):
        raise file_error("Range counts numbers that are not known beforehand")
    start, limit, delta = (one.known.ravel()[0] for one in numbers if one.known is not None)
    count = (float(limit) - float(start)) / float(delta) if delta else math.inf
    if not count <= LARGEST:
        raise file_error("Range has no end")
    n = max(math.ceil(count), 0)
    known = start + np.arange(n) * delta if n <= KNOWN_SIZE else None
    return [value((n,), numbers[0].dtype, known)]


def _split(node: Node, inputs: Inputs) -> Sequence[Value]:
    data, sizes = required_input(inputs, 0), whole_numbers(node, inputs, 1, "split")
    axis = place_of(whole(node, "axis", 0), len(data.shape))
    n_parts = len(node.outputs)
    if sizes is None:
        part = -(-data.shape[axis] // max(n_parts, 1))
        sizes = [min(part, max(data.shape[axis] - k * part, 0)) for k in range(n_parts)]
    if len(sizes) != n_parts or sum(sizes) != data.shape[axis]:
        raise file_error("Split makes parts that are not the whole")
    starts, shape = np.cumsum([0, *sizes]).tolist(), data.shape
    found = []
    for start, size in zip(starts, sizes, strict=False):
        known = None if data.known is None else np.take(data.known, range(start, start + size), axis=axis)
        found.append(value((*shape[:axis], size, *shape[axis + 1 :]), data.dtype, known))
    return found


def _reduced(node: Node, inputs: Inputs) -> Sequence[Value]:
    data, axes = required_input(inputs, 0), whole_numbers(node, inputs, 1, "axes")
    if not axes:
        axes = [] if whole(node, "noop_with_empty_axes", 0) else list(range(len(data.shape)))
    places, keeps = {place_of(axis, len(data.shape)) for axis in axes}, whole(node, "keepdims", 1)
    shape = [1 if k in places else size for k, size in enumerate(data.shape) if keeps or k not in places]
    function = _REDUCTIONS.get(node.operator)
    known = (
        known_result(lambda array: function(array, axis=tuple(places), keepdims=bool(keeps)), [data])
        if function
        else None
    )
    return [value(shape, data.dtype, known)]


_REDUCED: tuple[str, ...] = (
    "ReduceMean",
    "ReduceSum",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceL1",
    "ReduceL2",
    "ReduceSumSquare",
)
_REDUCED += ("ReduceLogSumExp",)
_REDUCTIONS: Mapping[str, Compute] = {"ReduceProd": np.prod, "ReduceSum": np.sum, "ReduceMax": np.max}


SHAPE_RULES: dict[str, Rule] = {
    "Identity": _identity,
    "Cast": _cast,
    "Constant": _constant,
    "Shape": _shape,
    "Size": _size,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "Concat": _concat,
    "Slice": _slice,
    "Squeeze": _axes_changed,
    "Unsqueeze": _axes_changed,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Transpose": _transpose,
    "Expand": _expand,
    "Tile": _tile,
    "ConstantOfShape": _filled,
    "Range": _range,
    "Split": _split,
    **dict.fromkeys(_REDUCED, _reduced),
}
