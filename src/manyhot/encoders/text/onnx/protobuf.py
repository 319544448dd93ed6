"""An ONNX file as messages of listed fields: walked through and counted, nothing copied, before any library sees it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from manyhot.errors import InputError

MAX_FIELDS = 300_000  # of all messages; a transformer of 24 layers has about 100,000, its notes among them
MAX_NAME_BYTES = 1_000
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Field(NamedTuple):
    """What may stand under one number in a message."""

    name: str
    kind: str  # "int", "float", "double", "bytes", "text", or the name of a message
    is_repeated: bool = False


Message = dict[str, Any]
"""Name of a field -> its value, or the list of its values; fields that are not there have no key."""

_NOTE = Field("", "bytes", True)  # told to people, passed over
# Source: onnx.proto of ONNX 1.23. Not in it, so that a file with them is refused: functions, training, sparse tensors,
# graphs in attributes (loops, branches), tensors in other files, sequences, maps, devices
_SCHEMA: dict[str, dict[int, Field]] = {
    "model": {
        1: Field("ir_version", "int"),
        2: _NOTE,
        3: _NOTE,
        4: _NOTE,
        5: Field("model_version", "int"),
        6: _NOTE,
        7: Field("graph", "graph"),
        8: Field("opset_import", "opset", True),
        14: Field("metadata_props", "note", True),
    },
    "opset": {1: Field("domain", "text"), 2: Field("version", "int")},
    "note": {1: _NOTE, 2: _NOTE},
    "graph": {
        1: Field("node", "node", True),
        2: Field("name", "text"),
        5: Field("initializer", "tensor", True),
        10: _NOTE,
        11: Field("input", "value", True),
        12: Field("output", "value", True),
        13: Field("value_info", "value", True),
        16: Field("metadata_props", "note", True),
    },
    "node": {
        1: Field("input", "text", True),
        2: Field("output", "text", True),
        3: Field("name", "text"),
        4: Field("op_type", "text"),
        5: Field("attribute", "attribute", True),
        6: _NOTE,
        7: Field("domain", "text"),
        9: Field("metadata_props", "note", True),
    },
    "attribute": {
        1: Field("name", "text"),
        2: Field("f", "float"),
        3: Field("i", "int"),
        4: Field("s", "bytes"),
        5: Field("t", "tensor"),
        7: Field("floats", "float", True),
        8: Field("ints", "int", True),
        9: Field("strings", "bytes", True),
        13: _NOTE,
        20: Field("type", "int"),
    },
    "tensor": {
        1: Field("dims", "int", True),
        2: Field("data_type", "int"),
        4: Field("float_data", "packed"),
        5: Field("int32_data", "packed"),
        7: Field("int64_data", "packed"),
        8: Field("name", "text"),
        9: Field("raw_data", "bytes"),
        10: Field("double_data", "packed"),
        12: _NOTE,
        14: Field("data_location", "int"),
    },
    "value": {1: Field("name", "text"), 2: Field("type", "type"), 3: _NOTE, 4: Field("metadata_props", "note", True)},
    "type": {1: Field("tensor_type", "tensor_type"), 6: _NOTE},
    "tensor_type": {1: Field("elem_type", "int"), 2: Field("shape", "shape")},
    "shape": {1: Field("dim", "dim", True)},
    "dim": {1: Field("dim_value", "int"), 2: Field("dim_param", "text"), 3: _NOTE},
}
_WIRES = {"int": _VARINT, "float": _FIXED32, "double": _FIXED64}
_LONE: Mapping[int, tuple[str, int]] = {_FIXED32: ("<f", 4), _FIXED64: ("<d", 8)}  # form and bytes of a number


def read_message(encoded: np.ndarray) -> Message:
    """Return a model, uint8, as nested messages; bytes are views of it.

    Raises:
        InputError: A field that is not listed, given twice or of another type, too many of them, or a cut file.
    """
    walk = _Walk(np.ascontiguousarray(encoded).data)
    return walk.message("model", 0, len(encoded))


def count_varints(packed: memoryview) -> int:
    """Count the numbers in packed bytes."""
    return int((np.frombuffer(packed, np.uint8) < 0x80).sum())


def read_varints(packed: memoryview) -> list[int]:
    """Read the numbers in packed bytes, signed of 64 bits."""
    walk, position, numbers = _Walk(packed), 0, []
    while position < len(packed):
        number, position = walk.varint(position, len(packed))
        numbers.append(_signed(number))
    return numbers


def file_error(reason: str) -> InputError:
    """Return the error for a model that cannot be used."""
    return InputError(f"the ONNX model cannot be used: {reason}", argument="text_params")


class _Walk:
    """A walk through one file, which counts the fields it meets."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.n_fields = 0

    def message(self, kind: str, position: int, stop: int) -> Message:
        schema = _SCHEMA[kind]
        found: Message = {}
        while position < stop:
            self.n_fields += 1
            if self.n_fields > MAX_FIELDS:
                raise file_error(f"it has more than {MAX_FIELDS:,} fields")
            key, position = self.varint(position, stop)
            field = schema.get(key >> 3)
            if field is None:
                raise file_error(
                    f"field {key >> 3} of a message {kind!r} is not on the list{_HINTS.get((kind, key >> 3), '')}"
                )
            value, position = self._value(field, key & 7, position, stop)
            if field is _NOTE:
                continue
            if isinstance(value, list):
                found.setdefault(field.name, []).extend(value)
            elif field.is_repeated:
                found.setdefault(field.name, []).append(value)
            elif field.name in found:
                raise file_error(f"a {kind} has its {field.name} twice")
            else:
                found[field.name] = value
        return found

    def _value(self, field: Field, wire: int, position: int, stop: int) -> tuple[Any, int]:
        kind = field.kind
        if wire == _BYTES and (kind not in _WIRES or field.is_repeated):
            length, start = self.varint(position, stop)
            end = start + length
            if end > stop:
                raise file_error("it is cut off: a part is longer than what is left")
            if kind in _WIRES:
                return self._packed(kind, start, end), end
            if kind in _SCHEMA:
                return self.message(kind, start, end), end
            return (self._text(start, end) if kind == "text" else self.data[start:end]), end
        if wire != _WIRES.get(kind):
            raise file_error(f"its {field.name or 'notes'} are written as another type")
        if wire == _VARINT:
            number, position = self.varint(position, stop)
            return _signed(number), position
        form, size = _LONE[wire]
        if position + size > stop:
            raise file_error("it is cut off: a number is longer than what is left")
        return float(struct.unpack_from(form, self.data, position)[0]), position + size

    def _packed(self, kind: str, start: int, end: int) -> list[Any]:
        """Numbers of one kind one after another; each counts as a field."""
        self.n_fields += (end - start) // 4 if kind == "float" else count_varints(self.data[start:end])
        if self.n_fields > MAX_FIELDS:
            raise file_error(f"it has more than {MAX_FIELDS:,} fields")
        if kind == "int":
            return read_varints(self.data[start:end])
        if (end - start) % 4:
            raise file_error("it is cut off: numbers do not fill their bytes")
        return [float(number) for number in np.frombuffer(self.data[start:end], "<f4")]

    def _text(self, start: int, end: int) -> str:
        if end - start > MAX_NAME_BYTES:
            raise file_error(f"a name has more than {MAX_NAME_BYTES:,} bytes")
        try:
            return str(self.data[start:end], "utf-8")
        except UnicodeDecodeError:
            raise file_error("a name is no text in UTF-8") from None

    def varint(self, position: int, stop: int) -> tuple[int, int]:
        result = shift = 0
        while position < stop and shift < 70:
            byte = self.data[position]
            result |= (byte & 0x7F) << shift
            position += 1
            if byte < 0x80:
                return result & 0xFFFF_FFFF_FFFF_FFFF, position
            shift += 7
        raise file_error("it is cut off, or no ONNX file: a number has no end")


_HINTS: Mapping[tuple[str, int], str] = {
    ("tensor", 13): " (its numbers lie in another file; save the model as one file)",
    ("attribute", 6): " (loops and branches are not taken)",
    ("attribute", 11): " (loops and branches are not taken)",
    ("model", 25): " (functions are not taken)",
    ("model", 20): " (training is not taken)",
    ("graph", 15): " (sparse numbers are not taken)",
}


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number
