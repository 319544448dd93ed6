"""The operators that a model may have, each as the shapes, and few known numbers, of what it makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from manyhot.encoders.text.onnx.graph import KNOWN_SIZE, TYPES, Node, Value
from manyhot.encoders.text.onnx.protobuf import file_error

Given = Sequence[Value | None]  # a node's inputs; None for one that is left out
Rule = Callable[[Node, Given], Sequence[Value]]
Compute = Callable[..., Any]

FLOAT, WHOLE, BOOL = np.dtype("f4"), np.dtype("i8"), np.dtype("?")
LARGEST = 2**31  # numbers of one array, far above every budget


def value(shape: Sequence[int], dtype: np.dtype, known: Any = None) -> Value:
    """Return what is known of an array; its numbers are kept where they are few."""
    shape = tuple(int(size) for size in shape)
    if any(size < 0 for size in shape) or len(shape) > 8 or math.prod(shape) > LARGEST:
        raise file_error(f"an operation makes an array of the shape {str(list(shape))[:80]}")
    if known is not None:
        known = None if math.prod(shape) > KNOWN_SIZE else np.asarray(known).astype(dtype, copy=False).reshape(shape)
    return Value(shape, np.dtype(dtype), known)


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that arrays of these shapes have together."""
    rank = max(map(len, shapes), default=0)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    found = []
    for sizes in zip(*padded, strict=True):
        others = {size for size in sizes if size != 1}
        if len(others) > 1:
            raise file_error(f"arrays of the shapes {[list(one) for one in shapes]} meet")
        found.append(others.pop() if others else 1)
    return tuple(found)


def given(inputs: Given, place: int) -> Value:
    """Return an input that must be there."""
    if place >= len(inputs) or (one := inputs[place]) is None:
        raise file_error("an operation lacks an input")
    return one


def whole_numbers(node: Node, inputs: Given, place: int, name: str) -> list[int] | None:
    """Return numbers that are an input in newer operators, an attribute in older ones; None where they are neither."""
    if place < len(inputs) and inputs[place] is not None:
        known = given(inputs, place).known
        if known is None or known.dtype.kind not in "iu":
            raise file_error(f"{node.operator} goes by numbers that are not known beforehand")
        return [int(one) for one in known.ravel()]
    numbers = node.attributes.get(name)
    if numbers is None:
        return None
    if not isinstance(numbers, list) or not all(type(one) is int for one in numbers):
        raise file_error(f"{node.operator} has {name} that are no whole numbers")
    return list(numbers)


def whole(node: Node, name: str, default: int) -> int:
    """Return an attribute that is a whole number."""
    number = node.attributes.get(name, default)
    if type(number) is not int:
        raise file_error(f"{node.operator} has {name} that is no whole number")
    return number


def place_of(axis: int, rank: int) -> int:
    """Return the place of an axis that may be counted from the end."""
    if not -rank <= axis < rank:
        raise file_error(f"an operation names axis {axis} of {rank}")
    return axis % rank


def _known(function: Compute | None, inputs: Sequence[Value]) -> Any:
    arrays = [one.known for one in inputs]
    if function is None or any(array is None for array in arrays):
        return None
    with np.errstate(all="ignore"):
        return function(*arrays)


def _divisor(node: Node, inputs: Given) -> None:
    """Whole numbers are divided by known ones above 0 alone: a machine stops where they are divided by 0."""
    divisor = given(inputs, 1)
    if divisor.dtype.kind in "iu" and (divisor.known is None or not (divisor.known > 0).all()):
        raise file_error(f"{node.operator} divides whole numbers by what may be 0")


def _quotient(numerator: np.ndarray, divisor: np.ndarray) -> np.ndarray:
    if numerator.dtype.kind == "f":
        return numerator / divisor
    return np.sign(numerator) * (np.abs(numerator) // divisor)


def _elementwise(function: Compute | None = None, dtype: np.dtype | None = None, leader: int = 0) -> Rule:
    """Operators that make one number of one number of each input."""

    def rule(node: Node, inputs: Given) -> Sequence[Value]:
        arrays = [one for one in inputs if one is not None]
        if node.operator in ("Div", "Mod"):
            _divisor(node, inputs)
        found = given(arrays, leader).dtype if dtype is None else dtype
        shape = broadcast(*(one.shape for one in arrays))
        return [value(shape, found, _known(function, arrays) if math.prod(shape) <= KNOWN_SIZE else None)]

    return rule


def _same(n_outputs: int = 1) -> Rule:
    """Operators whose outputs look like their first input."""

    def rule(node: Node, inputs: Given) -> Sequence[Value]:
        first = given(inputs, 0)
        return [value(first.shape, first.dtype)] * n_outputs

    return rule


def _identity(node: Node, inputs: Given) -> Sequence[Value]:
    return [given(inputs, 0)]


def _cast(node: Node, inputs: Given) -> Sequence[Value]:
    first, code = given(inputs, 0), TYPES.get(whole(node, "to", 0))
    if code is None:
        raise file_error("Cast makes a type that is not on the list")
    return [value(first.shape, np.dtype(code), _known(lambda array: array.astype(code), [first]))]


def _constant(node: Node, inputs: Given) -> Sequence[Value]:
    attributes = node.attributes
    if isinstance(found := attributes.get("value"), Value):
        return [found]
    for name, dtype in (("value_int", WHOLE), ("value_ints", WHOLE), ("value_float", FLOAT), ("value_floats", FLOAT)):
        if name in attributes:
            numbers = np.asarray(attributes[name], dtype=dtype)
            return [value(numbers.shape, dtype, numbers)]
    raise file_error("a Constant holds no numbers")


def _shape(node: Node, inputs: Given) -> Sequence[Value]:
    shape = given(inputs, 0).shape
    start, end = whole(node, "start", 0), whole(node, "end", len(shape))
    found = np.array(shape[slice(start, end)], dtype=np.int64)
    return [value(found.shape, WHOLE, found)]


def _size(node: Node, inputs: Given) -> Sequence[Value]:
    return [value((), WHOLE, given(inputs, 0).size)]


def _gather(node: Node, inputs: Given) -> Sequence[Value]:
    data, indices = given(inputs, 0), given(inputs, 1)
    axis = place_of(whole(node, "axis", 0), len(data.shape))
    shape = (*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :])
    if data.known is None or indices.known is None or math.prod(shape) > KNOWN_SIZE:
        return [value(shape, data.dtype)]
    try:
        return [value(shape, data.dtype, np.take(data.known, indices.known, axis=axis))]
    except IndexError:
        raise file_error("Gather takes a place that is not there") from None


def _gather_elements(node: Node, inputs: Given) -> Sequence[Value]:
    return [value(given(inputs, 1).shape, given(inputs, 0).dtype)]


def _gather_nd(node: Node, inputs: Given) -> Sequence[Value]:
    data, indices = given(inputs, 0).shape, given(inputs, 1).shape
    n_batch = whole(node, "batch_dims", 0)
    if not indices or not 0 <= n_batch < min(len(data), len(indices)) or indices[-1] + n_batch > len(data):
        raise file_error("GatherND takes places that are not there")
    return [value((*indices[:-1], *data[n_batch + indices[-1] :]), given(inputs, 0).dtype)]


def _concat(node: Node, inputs: Given) -> Sequence[Value]:
    arrays = [given(inputs, place) for place in range(len(inputs))]
    shape = list(given(arrays, 0).shape)
    axis = place_of(whole(node, "axis", 0), len(shape))
    for one in arrays:
        if len(one.shape) != len(shape) or any(
            a != b for k, (a, b) in enumerate(zip(one.shape, shape, strict=True)) if k != axis
        ):
            raise file_error("Concat joins arrays that do not fit each other")
    shape[axis] = sum(one.shape[axis] for one in arrays)
    is_small = math.prod(shape) <= KNOWN_SIZE
    known = _known(lambda *parts: np.concatenate(parts, axis=axis), arrays) if is_small else None
    return [value(shape, arrays[0].dtype, known)]


def _slice(node: Node, inputs: Given) -> Sequence[Value]:
    data = given(inputs, 0)
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
    return [value(shape, data.dtype, _known(lambda array: array[tuple(parts)], [data]))]


def _axes_changed(node: Node, inputs: Given) -> Sequence[Value]:
    """Squeeze and Unsqueeze."""
    data, axes = given(inputs, 0), whole_numbers(node, inputs, 1, "axes")
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


def _reshape(node: Node, inputs: Given) -> Sequence[Value]:
    data, sizes = given(inputs, 0), whole_numbers(node, inputs, 1, "shape")
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


def _flatten(node: Node, inputs: Given) -> Sequence[Value]:
    data = given(inputs, 0)
    axis = whole(node, "axis", 1)
    axis = axis if axis == len(data.shape) else place_of(axis, len(data.shape))
    return [value((math.prod(data.shape[:axis]), math.prod(data.shape[axis:])), data.dtype, data.known)]


def _transpose(node: Node, inputs: Given) -> Sequence[Value]:
    data = given(inputs, 0)
    order = whole_numbers(node, (), 0, "perm") or list(reversed(range(len(data.shape))))
    if sorted(order) != list(range(len(data.shape))):
        raise file_error("Transpose is told an order of other axes")
    shape = [data.shape[axis] for axis in order]
    return [value(shape, data.dtype, _known(lambda array: array.transpose(order), [data]))]


def _expand(node: Node, inputs: Given) -> Sequence[Value]:
    data, sizes = given(inputs, 0), whole_numbers(node, inputs, 1, "shape") or []
    shape = value(broadcast(data.shape, tuple(sizes)), data.dtype).shape
    is_small = math.prod(shape) <= KNOWN_SIZE
    known = _known(lambda array: np.broadcast_to(array, shape), [data]) if is_small else None
    return [value(shape, data.dtype, known)]


def _tile(node: Node, inputs: Given) -> Sequence[Value]:
    data, repeats = given(inputs, 0), whole_numbers(node, inputs, 1, "repeats") or []
    if len(repeats) != len(data.shape):
        raise file_error("Tile repeats other axes than there are")
    return [value([size * times for size, times in zip(data.shape, repeats, strict=True)], data.dtype)]


def _filled(node: Node, inputs: Given) -> Sequence[Value]:
    """ConstantOfShape."""
    shape, fill = whole_numbers(node, inputs, 0, "shape"), node.attributes.get("value")
    if isinstance(fill, Value) and (fill.known is None or fill.size != 1):
        raise file_error("ConstantOfShape fills with more than a number")
    number = fill.known.ravel()[0] if isinstance(fill, Value) and fill.known is not None else np.float32(0)
    made = value(shape or (), number.dtype)
    return [made._replace(known=np.full(made.shape, number)) if made.size <= KNOWN_SIZE else made]


def _range(node: Node, inputs: Given) -> Sequence[Value]:
    numbers = [given(inputs, place) for place in range(3)]
    if any(one.known is None or one.size != 1 for one in numbers):
        raise file_error("Range counts numbers that are not known beforehand")
    start, limit, delta = (one.known.ravel()[0] for one in numbers if one.known is not None)
    count = (float(limit) - float(start)) / float(delta) if delta else math.inf
    if not count <= LARGEST:
        raise file_error("Range has no end")
    n = max(math.ceil(count), 0)
    known = start + np.arange(n) * delta if n <= KNOWN_SIZE else None
    return [value((n,), numbers[0].dtype, known)]


def _split(node: Node, inputs: Given) -> Sequence[Value]:
    data, sizes = given(inputs, 0), whole_numbers(node, inputs, 1, "split")
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


def _reduced(node: Node, inputs: Given) -> Sequence[Value]:
    data, axes = given(inputs, 0), whole_numbers(node, inputs, 1, "axes")
    if not axes:
        axes = [] if whole(node, "noop_with_empty_axes", 0) else list(range(len(data.shape)))
    places, keeps = {place_of(axis, len(data.shape)) for axis in axes}, whole(node, "keepdims", 1)
    shape = [1 if k in places else size for k, size in enumerate(data.shape) if keeps or k not in places]
    function = _REDUCTIONS.get(node.operator)
    known = (
        _known(lambda array: function(array, axis=tuple(places), keepdims=bool(keeps)), [data]) if function else None
    )
    return [value(shape, data.dtype, known)]


_REDUCTIONS: Mapping[str, Compute] = {"ReduceProd": np.prod, "ReduceSum": np.sum, "ReduceMax": np.max}


def matrix_product(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a product of matrices, as NumPy has it."""
    a, b = (1, *first) if len(first) == 1 else first, (*second, 1) if len(second) == 1 else second
    if len(a) < 2 or len(b) < 2 or a[-1] != b[-2]:
        raise file_error(f"matrices of the shapes {list(first)} and {list(second)} are multiplied")
    shape = (*broadcast(a[:-2], b[:-2]), a[-2], b[-1])
    shape = shape[:-1] if len(second) == 1 else shape
    return (
        (*shape[:-2], *shape[-1:]) if len(first) == 1 and len(second) > 1 else shape[1:] if len(first) == 1 else shape
    )


def _product(dtype: np.dtype | None = None) -> Rule:
    def rule(node: Node, inputs: Given) -> Sequence[Value]:
        first, second = given(inputs, 0), given(inputs, 1)
        shapes = [first.shape, second.shape]
        for k, name in enumerate(("transA", "transB")):
            if whole(node, name, 0):
                shapes[k] = (*shapes[k][:-2], *reversed(shapes[k][-2:]))
        if whole(node, "transBatchA", 0) or whole(node, "transBatchB", 0):
            raise file_error(f"{node.operator} moves axes, which is not taken")
        return [value(matrix_product(shapes[0], shapes[1]), first.dtype if dtype is None else dtype)]

    return rule


def _quantized(node: Node, inputs: Given) -> Sequence[Value]:
    first = given(inputs, 0)
    if node.operator == "DynamicQuantizeLinear":
        byte = np.dtype("u1")
        return [value(first.shape, byte), value((), FLOAT), value((), byte)]
    zero = inputs[2] if len(inputs) > 2 else None
    return [value(first.shape, np.dtype("u1") if zero is None else zero.dtype)]


def _dequantized(node: Node, inputs: Given) -> Sequence[Value]:
    return [value(given(inputs, 0).shape, given(inputs, 1).dtype)]


def _attention(node: Node, inputs: Given) -> Sequence[Value]:
    data, weights = given(inputs, 0), given(inputs, 1)
    if len(data.shape) != 3 or len(weights.shape) != 2 or "qkv_hidden_sizes" in node.attributes:
        raise file_error(f"{node.operator} has inputs of other shapes than (n, length, d) and (d, 3 d)")
    if data.shape[2] != weights.shape[0] or weights.shape[1] % 3:
        raise file_error(f"{node.operator} has weights that do not fit")
    return [value((*data.shape[:2], weights.shape[1] // 3), FLOAT)]


def _heads(node: Node, inputs: Given) -> Sequence[Value]:
    """MultiHeadAttention."""
    queries, keys, values = (given(inputs, place) for place in range(3))
    shapes = {len(one.shape) for one in (queries, keys, values)}
    if shapes != {3} or keys.shape[1] != values.shape[1] or queries.shape[2] != keys.shape[2]:
        raise file_error(f"{node.operator} has inputs of other shapes than (n, length, d)")
    return [value((*queries.shape[:2], values.shape[2]), queries.dtype)]


def _embedded(node: Node, inputs: Given) -> Sequence[Value]:
    """EmbedLayerNormalization."""
    ids, words = given(inputs, 0), given(inputs, 2)
    if len(ids.shape) != 2 or len(words.shape) != 2:
        raise file_error(f"{node.operator} has inputs of other shapes than (n, length) and (words, d)")
    rows = value((*ids.shape, words.shape[1]), words.dtype)
    return [rows, value(ids.shape[:1], np.dtype("i4")), rows]


_ONE = _same()
_COMPARED = {
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
    "Not": np.logical_not,
    "IsNaN": np.isnan,
    "IsInf": np.isinf,
}
_COMPUTED = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _quotient,
    "Neg": np.negative,
    "Abs": np.abs,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Sqrt": np.sqrt,
}
# operators that are a function of each number, and take as long as several multiplications
SLOW = ("Pow", "Exp", "Log", "Tanh", "Sigmoid", "Erf", "Softplus", "Elu", "Sin", "Cos", "Gelu", "Swish", "HardSwish")
SLOW += ("Softmax", "LogSoftmax", "LayerNormalization", "Mod", "Mish")
_PLAIN = (
    "Relu",
    "LeakyRelu",
    "Reciprocal",
    "Sign",
    "Round",
    "HardSigmoid",
    "Trilu",
    "CumSum",
    "SimplifiedLayerNormalization",
)
_PLAIN += ("RMSNormalization", "ScatterND", "ScatterElements")
_REDUCED = (
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
MICROSOFT = "com.microsoft."

RULES: dict[str, Rule] = {
    **{name: _elementwise(function, BOOL) for name, function in _COMPARED.items()},
    **{name: _elementwise(function) for name, function in _COMPUTED.items()},
    **dict.fromkeys((*SLOW, *_PLAIN), _ONE),
    **dict.fromkeys(_REDUCED, _reduced),
    "Pow": _elementwise(),
    "Mod": _elementwise(np.mod),
    "Min": _elementwise(lambda *arrays: np.minimum.reduce(np.broadcast_arrays(*arrays))),
    "Max": _elementwise(lambda *arrays: np.maximum.reduce(np.broadcast_arrays(*arrays))),
    "PRelu": _elementwise(),
    "Clip": _ONE,
    "Where": _elementwise(np.where, leader=1),
    "Identity": _identity,
    "Dropout": _same(2),
    "LayerNormalization": _same(3),
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
    "MatMul": _product(),
    "Gemm": _product(),
    "MatMulInteger": _product(np.dtype("i4")),
    "DynamicQuantizeLinear": _quantized,
    "QuantizeLinear": _quantized,
    "DequantizeLinear": _dequantized,
    MICROSOFT + "FusedMatMul": _product(),
    MICROSOFT + "MatMulIntegerToFloat": _product(FLOAT),
    MICROSOFT + "DynamicQuantizeMatMul": _product(FLOAT),
    MICROSOFT + "Attention": _attention,
    MICROSOFT + "QAttention": _attention,
    MICROSOFT + "MultiHeadAttention": _heads,
    MICROSOFT + "EmbedLayerNormalization": _embedded,
    MICROSOFT + "SkipLayerNormalization": _same(4),
    **dict.fromkeys((MICROSOFT + name for name in ("Gelu", "FastGelu", "BiasGelu", "QuickGelu")), _ONE),
}
"""Operator -> rule. What makes as many numbers as its input's values say (NonZero, Compress, TopK) is not among them."""
