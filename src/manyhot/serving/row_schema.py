"""What a model's rows look like: columns with their types, a JSON schema of a row, and an example of one."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from manyhot.encoders import Encoder

MAX_NAMED_COLUMNS = 100  # a matrix with more columns than this has its example as a list
ANY_CELL = {"type": ["string", "number", "boolean", "null"]}
EXAMPLE_TEXT = "a few words"

Json = dict[str, Any]


def example_row(encoder: Encoder) -> Any:
    """A row that the model takes: usual numbers, its own levels, a small white image."""
    if encoder.column_types:
        return {column["name"]: _cell(column)[1] for column in encoder.describe_columns()}
    if encoder.names:
        if encoder.is_sparse:
            return {str(name): 1.0 for name in encoder.names[:2]}
        typical = encoder.typical_numbers()
        if len(typical) > MAX_NAMED_COLUMNS:
            return [_short(value) for value in typical]
        return {str(name): _short(value) for name, value in zip(encoder.names, typical, strict=True)}
    blocks = {name: np.zeros(shape).tolist() for name, shape in encoder.shapes().items()}
    return blocks if len(blocks) > 1 else next(iter(blocks.values()))


def row_schema(encoder: Encoder) -> Json:
    """The JSON schema of a row."""
    if encoder.column_types:
        columns = encoder.describe_columns()
        return {
            "type": "object",
            "properties": {column["name"]: _cell(column)[0] for column in columns},
            "required": [column["name"] for column in columns],
        }
    if encoder.names:
        names = [str(name) for name in encoder.names]
        number: Json = {"type": ["number", "null"] if encoder.takes_gaps and not encoder.is_sparse else "number"}
        list_schema = _array_schema((len(names),), number)
        if len(names) <= MAX_NAMED_COLUMNS:
            more = {"additionalProperties": False} if encoder.is_sparse else {"required": names}
            return {"oneOf": [{"type": "object", "properties": dict.fromkeys(names, number), **more}, list_schema]}
        if encoder.is_sparse:
            return {"oneOf": [{"type": "object", "additionalProperties": number}, list_schema]}
        return list_schema
    blocks = {name: _array_schema(shape, {"type": "number"}) for name, shape in encoder.shapes().items()}
    object_schema = {"type": "object", "properties": blocks, "required": list(blocks), "additionalProperties": False}
    return object_schema if len(blocks) > 1 else {"oneOf": [next(iter(blocks.values())), object_schema]}


def _array_schema(shape: tuple[int, ...], schema: Json) -> Json:
    for edge in reversed(shape):
        schema = {"type": "array", "items": schema, "minItems": edge, "maxItems": edge}
    return schema


def _cell(column: Json) -> tuple[Json, Any]:
    """The JSON schema of a column's cells, and an example of one."""
    match column["type"]:
        case "numeric":
            typical, written_as = _short(column["typical"]), column.get("written_as")
            if written_as is None:
                return {"type": ["number", "null"]}, typical
            return {"type": ["number", "string", "null"], "description": f"a text is {written_as}"}, typical
        case "boolean":
            return {"enum": [True, False, 0, 1, None]}, True
        case "categorical":
            levels = column["levels"]
            return {**ANY_CELL, "examples": levels[:5]}, levels[0] if levels else None
        case "text":
            return ANY_CELL, EXAMPLE_TEXT
        case _:
            schema = {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/*"}
            return schema, _white_image()


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _white_image() -> str:
    buffer = io.BytesIO()
    Image.new("L", (1, 1), "white").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
