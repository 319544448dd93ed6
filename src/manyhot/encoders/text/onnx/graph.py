"""The graph of an ONNX model: its nodes in order, its constants, and what they must be before a library sees them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from manyhot.encoders.text.onnx.protobuf import Message, count_varints, file_error, read_message, read_varints

MAX_BYTES = 2**31 - 1  # more is no message of protobuf
MAX_NODES = 5_000  # a transformer of 24 layers has about 2,000, in whole numbers 3,500
MAX_CONSTANTS = 5_000
MAX_RANK = 8
MAX_PACKED_BYTES = 2**26  # of numbers that take up to eight times as much once they are read
KNOWN_SIZE = 1_024  # numbers of an array whose values are followed, at most: shapes, axes, scales
OPSETS = range(9, 27)
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
DOMAINS = ("", "com.microsoft")
# number of a type in onnx.proto -> dtype
TYPES = {1: "f4", 2: "u1", 3: "i1", 4: "u2", 5: "i2", 6: "i4", 7: "i8", 9: "?", 10: "f2", 11: "f8", 12: "u4", 13: "u8"}
_PACKED_VARINTS = {"int32_data": ("?", "i1", "u1", "i2", "u2", "i4", "f2"), "int64_data": ("i8",)}
_PACKED_FLOATS = {"float_data": "<f4", "double_data": "<f8"}


class Value(NamedTuple):
    """What is known of an array: its shape and type, and its numbers where they are few."""

    shape: tuple[int, ...]
    dtype: np.dtype
    known: np.ndarray | None = None

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def n_bytes(self) -> int:
        """Bytes of its numbers."""
        return self.size * self.dtype.itemsize


class Node(NamedTuple):
    """One operation; a name of "" stands for an input or output that is left out."""

    operator: str  # "com.microsoft.Gelu" outside of ONNX's own domain
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]  # tensors as `Value`


class Port(NamedTuple):
    """An input or output of the model."""

    name: str
    rank: int  # -1 where the file does not say
    dtype: str


@dataclass(frozen=True)
class Graph:
    """A model as it stands in its file."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, Value]
    inputs: tuple[Port, ...]  # those of a text, and no others
    outputs: tuple[Port, ...]
    opset: int

    @property
    def n_weights(self) -> int:
        """Numbers in the file."""
        inner = (one for node in self.nodes for one in node.attributes.values() if isinstance(one, Value))
        return sum(value.size for value in (*self.constants.values(), *inner))


def read_graph(encoded: np.ndarray) -> Graph:
    """Read a model, uint8, without making anything of the size that it claims.

    Raises:
        InputError: A file that is no such model, or has parts that are not on the list.
    """
    if len(encoded) > MAX_BYTES:
        raise file_error(f"it has {len(encoded):,} bytes, at most {MAX_BYTES:,} are allowed")
    model = read_message(encoded)
    graph = model.get("graph")
    if graph is None:
        raise file_error("it has no graph")
    nodes, constants = graph.get("node", []), graph.get("initializer", [])
    if not 1 <= len(nodes) <= MAX_NODES or len(constants) > MAX_CONSTANTS:
        raise file_error(
            f"it has {len(nodes):,} nodes and {len(constants):,} arrays, at most {MAX_NODES:,} and "
            f"{MAX_CONSTANTS:,} are allowed"
        )
    named = {one.get("name", ""): _tensor(one) for one in constants}
    if len(named) < len(constants) or "" in named:
        raise file_error("two of its arrays have one name, or one has none")
    inputs = tuple(port for port in map(_port, graph.get("input", [])) if port.name not in named)
    _check_inputs(inputs, graph.get("input", []))
    return Graph(
        tuple(_node(one) for one in nodes),
        named,
        inputs,
        tuple(map(_port, graph.get("output", []))),
        _opset(model.get("opset_import", [])),
    )


def _opset(imports: Sequence[Message]) -> int:
    versions = [one.get("version", 0) for one in imports if one.get("domain", "") in ("", "ai.onnx")]
    if len(versions) != 1 or versions[0] not in OPSETS:
        raise file_error(f"it is written for operators {versions}, expected one of {OPSETS[0]} to {OPSETS[-1]}")
    return int(versions[0])


def _check_inputs(inputs: Sequence[Port], messages: Sequence[Message]) -> None:
    names = [port.name for port in inputs]
    if "input_ids" not in names or not set(names) <= set(INPUTS) or len(set(names)) < len(names):
        raise file_error(f"its inputs are {names[:10]}, expected input_ids and at most {', '.join(INPUTS[1:])}")
    for port in inputs:
        if port.dtype not in ("i8", "i4") or port.rank != 2:
            raise file_error(f"its input {port.name} is no matrix of whole numbers of 32 or 64 bits")
    for message in messages:
        dims = message.get("type", {}).get("tensor_type", {}).get("shape", {}).get("dim", [])
        if message.get("name") in names and any("dim_value" in dim for dim in dims):
            raise file_error("its inputs have fixed sizes; export it with axes for any number of texts and any length")


def _port(message: Message) -> Port:
    tensor = message.get("type", {}).get("tensor_type", {})
    rank = len(tensor["shape"].get("dim", [])) if "shape" in tensor else -1
    return Port(message.get("name", ""), rank, TYPES.get(tensor.get("elem_type", 0), ""))


def _node(message: Message) -> Node:
    domain = message.get("domain", "")
    domain = "" if domain == "ai.onnx" else domain
    if domain not in DOMAINS:
        raise file_error(f"operators of {domain[:80]!r} are not on the list")
    operator = message.get("op_type", "")
    attributes: dict[str, Any] = {}
    for one in message.get("attribute", []):
        name, values = one.get("name", ""), [one[key] for key in ("f", "i", "s", "t", "floats", "ints") if key in one]
        if name in attributes or len(values) > 1 or "strings" in one:
            raise file_error(f"the attribute {name[:80]!r} of {operator[:80]!r} is not one value")
        value = values[0] if values else _EMPTY.get(one.get("type", 0), [])
        attributes[name] = _tensor(value) if isinstance(value, dict) else value
    prefix = f"{domain}." if domain else ""
    return Node(prefix + operator, tuple(message.get("input", [])), tuple(message.get("output", [])), attributes)


_EMPTY: Mapping[int, Any] = {1: 0.0, 2: 0, 3: memoryview(b"")}  # values that a writer may leave out, by their type


def _tensor(message: Message) -> Value:
    """An array of the file: as many bytes as its shape says."""
    if message.get("data_location", 0) != 0:
        raise file_error("numbers of an array lie in another file; save the model as one file")
    shape = tuple(message.get("dims", []))
    code = TYPES.get(message.get("data_type", 0))
    if code is None:
        raise file_error(f"an array has the type {message.get('data_type')}, which is not on the list")
    if len(shape) > MAX_RANK or not all(0 <= size <= MAX_BYTES for size in shape) or math.prod(shape) > MAX_BYTES:
        raise file_error(f"an array claims the shape {str(list(shape))[:80]}")
    value = Value(shape, np.dtype(code))
    found = [name for name in ("raw_data", *_PACKED_FLOATS, *_PACKED_VARINTS) if message.get(name)]
    if len(found) > 1:
        raise file_error("an array has its numbers twice")
    if not found:
        if value.size:
            raise file_error("an array has a shape, but no numbers")
        return value._replace(known=np.zeros(shape, code))
    (name,) = found
    data = message[name]
    if name in _PACKED_VARINTS:
        is_fitting = code in _PACKED_VARINTS[name] and len(data) <= MAX_PACKED_BYTES
        n_numbers = count_varints(data) if is_fitting else -1
    else:
        dtype = _PACKED_FLOATS.get(name, code)
        is_fitting = name == "raw_data" or np.dtype(dtype) == value.dtype
        n_numbers = len(data) // value.dtype.itemsize if is_fitting and len(data) % value.dtype.itemsize == 0 else -1
    if n_numbers != value.size:
        raise file_error(f"an array of the shape {list(shape)} has other numbers than it says")
    if value.size > KNOWN_SIZE:
        return value
    if name in _PACKED_VARINTS:
        numbers = np.array(read_varints(data), dtype=np.int64)
        numbers = numbers.astype(np.uint16).view(np.float16) if code == "f2" else numbers.astype(code)
    else:
        numbers = np.frombuffer(data, np.dtype(code).newbyteorder("<")).astype(code)
    return value._replace(known=numbers.reshape(shape))
