"""What ONNX has for each of JAX's operations: on single numbers, on shapes, over axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from manyhot.errors import InputError
from manyhot.export.image_operations import IMAGE_OPERATIONS
from manyhot.export.traced_values import Value

if TYPE_CHECKING:
    from manyhot.export.program import Translator

Operation = Callable[["Translator", Mapping[str, Any], list[Value], Any], Any]

LAST = np.iinfo(np.int64).min  # before the first place, where steps go back

UNARY = {
    "abs": "Abs",
    "ceil": "Ceil",
    "cos": "Cos",
    "erf": "Erf",
    "exp": "Exp",
    "floor": "Floor",
    "log": "Log",
    "logistic": "Sigmoid",
    "neg": "Neg",
    "not": "Not",
    "sign": "Sign",
    "sin": "Sin",
    "sqrt": "Sqrt",
    "tanh": "Tanh",
}
BINARY = {
    "add": "Add",
    "add_any": "Add",
    "and": "And",
    "div": "Div",
    "eq": "Equal",
    "ge": "GreaterOrEqual",
    "gt": "Greater",
    "le": "LessOrEqual",
    "lt": "Less",
    "max": "Max",
    "min": "Min",
    "mul": "Mul",
    "or": "Or",
    "pow": "Pow",
    "sub": "Sub",
    "xor": "Xor",
}
SAME = ("copy", "copy_p", "optimization_barrier", "reduce_precision", "stop_gradient")
REDUCTIONS = {"reduce_max": "ReduceMax", "reduce_min": "ReduceMin", "reduce_prod": "ReduceProd"}
LOGICAL = {"not", "and", "or", "xor"}  # ONNX has them for bool alone under these names


def stored_shape(values: Sequence[Value], rank: int) -> tuple[Any, ...]:
    """The stored shape of what an elementwise operator makes of values."""
    lengths = []
    for axis in range(rank):
        found = [one.stored[axis] for one in values if len(one.stored) == rank and one.stored[axis] != 1]
        lengths.append(found[0] if found else 1)
    return tuple(lengths)


def _elementwise(operator: str) -> Operation:
    def write(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
        if operator.lower() in LOGICAL and values[0].dtype != bool:
            raise InputError(f"the network has the operation {operator.lower()!r} on bits, which no export writes")
        names = [t.name(one) for one in values]
        return t.emit(operator, *names, result=result, stored=stored_shape(values, len(result.shape)))

    return write


def _not_equal(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    equal = _elementwise("Equal")(t, params, values, result)
    return t.emit("Not", equal.name, result=result, stored=equal.stored)


def _formula(steps: Callable[[Translator, str, Any], str]) -> Operation:
    """An operation on single numbers that takes more than one operator."""

    def write(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
        (value,) = values
        name = steps(t, t.name(value), value.dtype)
        return Value(tuple(result.shape), value.stored, np.dtype(result.dtype), name=name)

    return write


def _one(t: Translator, dtype: Any) -> str:
    return t.graph.constant(1, dtype)


def _same(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> list[Value]:
    return values


def _convert(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    (value,) = values
    if value.dtype == result.dtype:
        return value
    name = t.graph.cast(t.name(value), result.dtype)
    return Value(value.shape, value.stored, np.dtype(result.dtype), name=name)


def _power(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    (value,) = values
    if params["y"] == 2:
        return t.emit("Mul", t.name(value), t.name(value), result=result, stored=value.stored)
    exponent = t.graph.constant(params["y"], value.dtype)
    return t.emit("Pow", t.name(value), exponent, result=result, stored=value.stored)


def _select(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    which, *cases = values
    if which.dtype != bool or len(cases) != 2:
        raise InputError("the network chooses among more than two values, which no export writes")
    names = (t.name(which), t.name(cases[1]), t.name(cases[0]))
    return t.emit("Where", *names, result=result, stored=stored_shape(values, len(result.shape)))


def _clamp(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    low, value, high = values
    raised = t.graph.node("Max", t.name(value), t.name(low))
    stored = stored_shape(values, len(result.shape))
    return t.emit("Min", raised, t.name(high), result=result, stored=stored)


def _broadcast(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    value, places = values[0], params["broadcast_dimensions"]
    stored: list[Any] = [1] * len(result.shape)
    for place, length in zip(places, value.stored, strict=True):
        stored[place] = length
    shape = tuple(result.shape)
    if value.array is not None:
        return Value(shape, tuple(stored), value.dtype, value.array.reshape(stored))
    new_axes = [axis for axis in range(len(shape)) if axis not in places]
    name = t.name(value)
    if new_axes:
        name = t.graph.node("Unsqueeze", name, t.graph.constant(new_axes, np.int64))
    return Value(shape, tuple(stored), value.dtype, name=name)


def _reshape(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    (value,) = values
    if params.get("dimensions") is not None:
        raise InputError("the network reshapes in another order of axes, which no export writes")
    target: list[int] = []
    for axis, length in enumerate(result.shape):
        is_kept = value.shape[axis : axis + 1] == (length,)
        target.append(length if isinstance(length, int) else 0 if is_kept else -1)
    if target.count(-1) > 1:
        raise InputError("the network gives two axes lengths that depend on the batch, which no export writes")
    return t.emit("Reshape", t.whole(value), t.graph.constant(target, np.int64), result=result)


def _squeeze(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    (value,) = values
    stored = [length for axis, length in enumerate(value.stored) if axis not in params["dimensions"]]
    axes = t.graph.constant(params["dimensions"], np.int64)
    return t.emit("Squeeze", t.name(value), axes, result=result, stored=stored)


def _transpose(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    (value,) = values
    order = [int(axis) for axis in params["permutation"]]
    stored = [value.stored[axis] for axis in order]
    return t.emit("Transpose", t.name(value), result=result, stored=stored, perm=order)


def _concatenate(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    return t.emit("Concat", *(t.whole(one) for one in values), result=result, axis=params["dimension"])


def _stack(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    axis = t.graph.constant([params["axis"]], np.int64)
    parts = [t.graph.node("Unsqueeze", t.whole(one), axis) for one in values]
    return t.emit("Concat", *parts, result=result, axis=params["axis"])


def _cut(t: Translator, value: Value, cuts: Mapping[int, tuple[int, int, int]]) -> str:
    """Part of each of some axes: axis -> (first, end, step)."""
    if not cuts:
        return t.whole(value)
    starts, ends, steps = (t.graph.constant(column, np.int64) for column in zip(*cuts.values(), strict=True))
    return t.graph.node("Slice", t.whole(value), starts, ends, t.graph.constant(list(cuts), np.int64), steps)


def _slice(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    (value,) = values
    steps = params["strides"] or (1,) * len(value.shape)
    cuts = {}
    for axis, cut in enumerate(zip(params["start_indices"], params["limit_indices"], steps, strict=True)):
        if cut != (0, value.shape[axis], 1):
            if not all(isinstance(one, int) for one in (*cut, value.shape[axis])):
                raise InputError("the network takes some rows of a batch, which no export writes")
            cuts[axis] = cut
    return Value(tuple(result.shape), tuple(result.shape), value.dtype, name=_cut(t, value, cuts))


def _dynamic_slice(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    value, *starts = values
    if any(one.array is None for one in starts):
        raise InputError("the network takes places that depend on the row, which no export writes")
    cuts = {}
    for axis, (start, size) in enumerate(zip(starts, params["slice_sizes"], strict=True)):
        if size != value.shape[axis]:
            first = min(max(int(np.asarray(start.array)), 0), value.shape[axis] - size)
            cuts[axis] = (first, first + size, 1)
    return Value(tuple(result.shape), tuple(result.shape), value.dtype, name=_cut(t, value, cuts))


def _split(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> list[Value]:
    (value,), axis, parts, first = values, params["axis"], [], 0
    for size in map(int, params["sizes"]):
        shape = (*value.shape[:axis], size, *value.shape[axis + 1 :])
        parts.append(Value(shape, shape, value.dtype, name=_cut(t, value, {axis: (first, first + size, 1)})))
        first += size
    return parts


def _reverse(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    name = _cut(t, values[0], {axis: (-1, LAST, -1) for axis in params["dimensions"]})
    return Value(tuple(result.shape), tuple(result.shape), values[0].dtype, name=name)


def _pad(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    value, filler = values
    config = params["padding_config"]
    if any(low < 0 or high < 0 or inner for low, high, inner in config):
        raise InputError("the network pads between numbers, or by less than nothing, which no export writes")
    pads = t.graph.constant([one[0] for one in config] + [one[1] for one in config], np.int64)
    return t.emit("Pad", t.whole(value), pads, t.name(filler), result=result)


def _reduce(operator: str) -> Operation:
    def write(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
        axes = t.graph.constant([int(axis) for axis in params["axes"]], np.int64)
        return t.emit(operator, t.whole(values[0]), axes, result=result, keepdims=0)

    return write


def _reduce_bool(operator: str) -> Operation:
    def write(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
        axes = t.graph.constant([int(axis) for axis in params["axes"]], np.int64)
        numbers = t.graph.node(operator, t.graph.cast(t.whole(values[0]), np.int32), axes, keepdims=0)
        return Value(tuple(result.shape), tuple(result.shape), np.dtype(bool), name=t.graph.cast(numbers, bool))

    return write


def _place(operator: str) -> Operation:
    def write(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
        (axis,) = params["axes"]
        places = t.graph.node(operator, t.whole(values[0]), axis=int(axis), keepdims=0)
        shape = tuple(result.shape)
        return Value(shape, shape, np.dtype(result.dtype), name=t.graph.cast(places, result.dtype))

    return write


def _cumulate(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    axis = t.graph.constant(params["axis"], np.int64)
    return t.emit("CumSum", t.whole(values[0]), axis, result=result, reverse=int(params["reverse"]))


def _product(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    (left_sums, right_sums), (left_batch, right_batch) = params["dimension_numbers"]
    left, right = values
    n_left, n_right = len(left.shape), len(right.shape)
    if not left_batch and tuple(left_sums) == (n_left - 1,) and n_right <= 2:
        matrix = t.whole(right)
        if n_right == 2 and tuple(right_sums) == (1,):
            matrix = t.graph.node("Transpose", matrix, perm=[1, 0])
        return t.emit("MatMul", t.whole(left), matrix, result=result)
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    left_names, right_names = [""] * n_left, [""] * n_right
    for one, other in (*zip(left_batch, right_batch, strict=True), *zip(left_sums, right_sums, strict=True)):
        left_names[one] = right_names[other] = next(letters)
    free_left = [axis for axis in range(n_left) if not left_names[axis]]
    free_right = [axis for axis in range(n_right) if not right_names[axis]]
    for names, axes in ((left_names, free_left), (right_names, free_right)):
        for axis in axes:
            names[axis] = next(letters)
    wanted = [left_names[axis] for axis in (*left_batch, *free_left)] + [right_names[axis] for axis in free_right]
    equation = f"{''.join(left_names)},{''.join(right_names)}->{''.join(wanted)}"
    return t.emit("Einsum", t.whole(left), t.whole(right), result=result, equation=equation)


def _gather(t: Translator, params: Mapping[str, Any], values: list[Value], result: Any) -> Value:
    """Whole lines along one axis, such as the vectors of words; places that are known, along several."""
    table, places = values
    numbers, sizes = params["dimension_numbers"], params["slice_sizes"]
    axes = tuple(int(axis) for axis in numbers.start_index_map)
    is_collapsed, shape = tuple(numbers.collapsed_slice_dims) == axes, tuple(result.shape)
    if places.array is not None and len(places.shape) == 1 and not numbers.operand_batching_dims:
        starts = dict(zip(axes, np.broadcast_to(places.array, places.shape).tolist(), strict=True))
        return _one_place(t, table, starts, params, shape)
    first, last, n_axes = axes[0], axes[-1], len(table.shape)
    offsets = (*range(first), *range(first + len(places.shape) - 1, len(shape)))
    is_usual = is_collapsed and axes == tuple(range(first, last + 1)) and tuple(numbers.offset_dims) == offsets
    is_usual = is_usual and all(sizes[k] == table.shape[k] for k in range(n_axes) if k not in axes)
    if not is_usual or numbers.operand_batching_dims or (len(axes) > 1 and places.array is None):
        raise InputError("the network takes places that depend on the row, which no export writes")
    if len(axes) == 1:
        lines = t.graph.node("Squeeze", t.whole(places), t.graph.constant([-1], np.int64))
        return t.emit("Gather", t.whole(table), lines, result=result, axis=first)
    lengths = table.shape[first : last + 1]
    grid = np.broadcast_to(np.asarray(places.array), places.shape)
    flat = np.ravel_multi_index(tuple(np.moveaxis(grid, -1, 0)), lengths, mode="clip")
    target = [0] * first + [math.prod(lengths), *table.shape[last + 1 :]]
    joined = t.graph.reshape(t.whole(table), target)
    return t.emit("Gather", joined, t.graph.constant(flat, np.int64), result=result, axis=first)


def _one_place(
    t: Translator, table: Value, starts: Mapping[int, int], params: Mapping[str, Any], shape: tuple[Any, ...]
) -> Value:
    """A part of an array that begins at known places."""
    cuts, sizes = {}, params["slice_sizes"]
    for axis, length in enumerate(table.shape):
        if sizes[axis] != length:
            if not isinstance(length, int):
                raise InputError("the network takes some rows of a batch, which no export writes")
            start = min(max(starts.get(axis, 0), 0), length - sizes[axis])
            cuts[axis] = (start, start + sizes[axis], 1)
    name, dropped = _cut(t, table, cuts), list(params["dimension_numbers"].collapsed_slice_dims)
    if dropped:
        name = t.graph.node("Squeeze", name, t.graph.constant(dropped, np.int64))
    return Value(shape, shape, table.dtype, name=name)


OPERATIONS: dict[str, Operation] = {
    **{name: _elementwise(operator) for name, operator in (UNARY | BINARY).items()},
    **dict.fromkeys(SAME, _same),
    **{name: _reduce(operator) for name, operator in REDUCTIONS.items()},
    "ne": _not_equal,
    "erfc": _formula(lambda t, x, dtype: t.graph.node("Sub", _one(t, dtype), t.graph.node("Erf", x))),
    "expm1": _formula(lambda t, x, dtype: t.graph.node("Sub", t.graph.node("Exp", x), _one(t, dtype))),
    "log1p": _formula(lambda t, x, dtype: t.graph.node("Log", t.graph.node("Add", x, _one(t, dtype)))),
    "rsqrt": _formula(lambda t, x, dtype: t.graph.node("Reciprocal", t.graph.node("Sqrt", x))),
    "square": _formula(lambda t, x, dtype: t.graph.node("Mul", x, x)),
    "integer_pow": _power,
    "convert_element_type": _convert,
    "select_n": _select,
    "clamp": _clamp,
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "squeeze": _squeeze,
    "transpose": _transpose,
    "concatenate": _concatenate,
    "stack": _stack,
    "slice": _slice,
    "dynamic_slice": _dynamic_slice,
    "split": _split,
    "rev": _reverse,
    "pad": _pad,
    "reduce_sum": _reduce("ReduceSum"),
    "reduce_or": _reduce_bool("ReduceMax"),
    "reduce_and": _reduce_bool("ReduceMin"),
    "argmax": _place("ArgMax"),
    "argmin": _place("ArgMin"),
    "cumsum": _cumulate,
    "dot_general": _product,
    "gather": _gather,
    **IMAGE_OPERATIONS,
}
"""Name of an operation of JAX -> what writes it; `tests/export/test_operations.py` runs each."""
