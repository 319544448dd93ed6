"""What is known of the arrays of a model before any number is computed, and what the rules of operators ask of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from manyhot.encoders.text.onnx.graph import KNOWN_SIZE, Node, Value
from manyhot.encoders.text.onnx.protobuf import file_error

Inputs = Sequence[Value | None]  # a node's inputs; None for one that is left out
Rule = Callable[[Node, Inputs], Sequence[Value]]
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


def required_input(inputs: Inputs, place: int) -> Value:
    """Return an input that must be there."""
    if place >= len(inputs) or (one := inputs[place]) is None:
        raise file_error("an operation lacks an input")
    return one


def whole_numbers(node: Node, inputs: Inputs, place: int, name: str) -> list[int] | None:
    """Return numbers that are an input in newer operators, an attribute in older ones; None where they are neither."""
    if place < len(inputs) and inputs[place] is not None:
        known = required_input(inputs, place).known
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


def known_result(function: Compute | None, inputs: Sequence[Value]) -> Any:
    """Return what a function makes of the inputs' numbers; None where some are not known."""
    arrays = [one.known for one in inputs]
    if function is None or any(array is None for array in arrays):
        return None
    with np.errstate(all="ignore"):
        return function(*arrays)
