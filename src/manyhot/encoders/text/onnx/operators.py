"""The operators that a model may have, each as the shapes, and few known numbers, of what it makes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from manyhot.encoders.text.onnx.graph import KNOWN_SIZE, Node, Value
from manyhot.encoders.text.onnx.protobuf import file_error
from manyhot.encoders.text.onnx.shape_rules import SHAPE_RULES
from manyhot.encoders.text.onnx.values import (
    BOOL,
    FLOAT,
    Compute,
    Inputs,
    Rule,
    broadcast,
    known_result,
    required_input,
    value,
    whole,
)


def _divisor(node: Node, inputs: Inputs) -> None:
    """Whole numbers are divided by known ones above 0 alone: a machine stops where they are divided by 0."""
    divisor = required_input(inputs, 1)
    if divisor.dtype.kind in "iu" and (divisor.known is None or not (divisor.known > 0).all()):
        raise file_error(f"{node.operator} divides whole numbers by what may be 0")


def _quotient(numerator: np.ndarray, divisor: np.ndarray) -> np.ndarray:
    if numerator.dtype.kind == "f":
        return numerator / divisor
    return np.sign(numerator) * (np.abs(numerator) // divisor)


def _elementwise(function: Compute | None = None, dtype: np.dtype | None = None, leader: int = 0) -> Rule:
    """Operators that make one number of one number of each input."""

    def rule(node: Node, inputs: Inputs) -> Sequence[Value]:
        arrays = [one for one in inputs if one is not None]
        if node.operator in ("Div", "Mod"):
            _divisor(node, inputs)
        found = required_input(arrays, leader).dtype if dtype is None else dtype
        shape = broadcast(*(one.shape for one in arrays))
        return [value(shape, found, known_result(function, arrays) if math.prod(shape) <= KNOWN_SIZE else None)]

    return rule


def _same(n_outputs: int = 1) -> Rule:
    """Operators whose outputs look like their first input."""

    def rule(node: Node, inputs: Inputs) -> Sequence[Value]:
        first = required_input(inputs, 0)
        return [value(first.shape, first.dtype)] * n_outputs

    return rule


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
    def rule(node: Node, inputs: Inputs) -> Sequence[Value]:
        first, second = required_input(inputs, 0), required_input(inputs, 1)
        shapes = [first.shape, second.shape]
        for k, name in enumerate(("transA", "transB")):
            if whole(node, name, 0):
                shapes[k] = (*shapes[k][:-2], *reversed(shapes[k][-2:]))
        if whole(node, "transBatchA", 0) or whole(node, "transBatchB", 0):
            raise file_error(f"{node.operator} moves axes, which is not taken")
        return [value(matrix_product(shapes[0], shapes[1]), first.dtype if dtype is None else dtype)]

    return rule


def _quantized(node: Node, inputs: Inputs) -> Sequence[Value]:
    first = required_input(inputs, 0)
    if node.operator == "DynamicQuantizeLinear":
        byte = np.dtype("u1")
        return [value(first.shape, byte), value((), FLOAT), value((), byte)]
    zero = inputs[2] if len(inputs) > 2 else None
    return [value(first.shape, np.dtype("u1") if zero is None else zero.dtype)]


def _dequantized(node: Node, inputs: Inputs) -> Sequence[Value]:
    return [value(required_input(inputs, 0).shape, required_input(inputs, 1).dtype)]


def _attention(node: Node, inputs: Inputs) -> Sequence[Value]:
    data, weights = required_input(inputs, 0), required_input(inputs, 1)
    if len(data.shape) != 3 or len(weights.shape) != 2 or "qkv_hidden_sizes" in node.attributes:
        raise file_error(f"{node.operator} has inputs of other shapes than (n, length, d) and (d, 3 d)")
    if data.shape[2] != weights.shape[0] or weights.shape[1] % 3:
        raise file_error(f"{node.operator} has weights that do not fit")
    return [value((*data.shape[:2], weights.shape[1] // 3), FLOAT)]


def _heads(node: Node, inputs: Inputs) -> Sequence[Value]:
    """MultiHeadAttention."""
    queries, keys, values = (required_input(inputs, place) for place in range(3))
    shapes = {len(one.shape) for one in (queries, keys, values)}
    if shapes != {3} or keys.shape[1] != values.shape[1] or queries.shape[2] != keys.shape[2]:
        raise file_error(f"{node.operator} has inputs of other shapes than (n, length, d)")
    return [value((*queries.shape[:2], values.shape[2]), queries.dtype)]


def _embedded(node: Node, inputs: Inputs) -> Sequence[Value]:
    """EmbedLayerNormalization."""
    ids, words = required_input(inputs, 0), required_input(inputs, 2)
    if len(ids.shape) != 2 or len(words.shape) != 2:
        raise file_error(f"{node.operator} has inputs of other shapes than (n, length) and (words, d)")
    rows = value((*ids.shape, words.shape[1]), words.dtype)
    return [rows, value(ids.shape[:1], np.dtype("i4")), rows]


_ONE = _same()
_COMPARED: dict[str, Compute] = {
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
_COMPUTED: dict[str, Compute] = {
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
SLOW: tuple[str, ...] = (
    "Pow",
    "Exp",
    "Log",
    "Tanh",
    "Sigmoid",
    "Erf",
    "Softplus",
    "Elu",
    "Sin",
    "Cos",
    "Gelu",
    "Swish",
    "HardSwish",
)
SLOW += ("Softmax", "LogSoftmax", "LayerNormalization", "Mod", "Mish")
_PLAIN: tuple[str, ...] = (
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
MICROSOFT = "com.microsoft."

RULES: dict[str, Rule] = {
    **{name: _elementwise(function, BOOL) for name, function in _COMPARED.items()},
    **{name: _elementwise(function) for name, function in _COMPUTED.items()},
    **dict.fromkeys((*SLOW, *_PLAIN), _ONE),
    **SHAPE_RULES,
    "Pow": _elementwise(),
    "Mod": _elementwise(np.mod),
    "Min": _elementwise(lambda *arrays: np.minimum.reduce(np.broadcast_arrays(*arrays))),
    "Max": _elementwise(lambda *arrays: np.maximum.reduce(np.broadcast_arrays(*arrays))),
    "PRelu": _elementwise(),
    "Clip": _ONE,
    "Where": _elementwise(np.where, leader=1),
    "Dropout": _same(2),
    "LayerNormalization": _same(3),
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
"""Operator -> rule. What makes as many numbers as the values of its input say (NonZero, TopK) is not among them."""
