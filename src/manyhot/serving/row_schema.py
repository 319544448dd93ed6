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
        return {column["name"]: _example_cell(column) for column in encoder.describe_columns()}
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
            "properties": {column["name"]: _cell_schema(column) for column in columns},
            "required": [column["name"] for column in columns],
        }
    number = {"type": "number"}
    if encoder.names:
        width = len(encoder.names)
        if encoder.is_sparse:
            list_schema = {"type": "array", "items": number, "minItems": width, "maxItems": width}
            if width > MAX_NAMED_COLUMNS:
                return {"oneOf": [{"type": "object", "additionalProperties": number}, list_schema]}
            properties = {str(name): number for name in encoder.names}
            return {"oneOf": [{"type": "object", "properties": properties, "additionalProperties": False}, list_schema]}
        cell = {"type": ["number", "null"]} if encoder.takes_gaps else number
        list_schema = {"type": "array", "items": cell, "minItems": width, "maxItems": width}
        if width > MAX_NAMED_COLUMNS:
            return list_schema
        names = [str(name) for name in encoder.names]
        return {"oneOf": [{"type": "object", "properties": dict.fromkeys(names, cell), "required": names}, list_schema]}
    blocks = {name: _array_schema(shape) for name, shape in encoder.shapes().items()}
    object_schema = {"type": "object", "properties": blocks, "required": list(blocks), "additionalProperties": False}
    return object_schema if len(blocks) > 1 else {"oneOf": [next(iter(blocks.values())), object_schema]}


def _array_schema(shape: tuple[int, ...]) -> Json:
    schema: Json = {"type": "number"}
    for edge in reversed(shape):
        schema = {"type": "array", "items": schema, "minItems": edge, "maxItems": edge}
    return schema


def _cell_schema(column: Json) -> Json:
    if column["type"] == "numeric":
        written_as = column.get("written_as")
        if written_as is not None:
            return {"type": ["number", "string", "null"], "description": f"a text is {written_as}"}
        return {"type": ["number", "null"]}
    if column["type"] == "boolean":
        return {"enum": [True, False, 0, 1, None]}
    if column["type"] == "categorical":
        return {**ANY_CELL, "examples": column["levels"][:5]}
    if column["type"] == "text":
        return ANY_CELL
    return {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/*"}


def _example_cell(column: Json) -> Any:
    if column["type"] == "numeric":
        return _short(column["typical"])
    if column["type"] == "boolean":
        return True
    if column["type"] == "categorical":
        return column["levels"][0] if column["levels"] else None
    return EXAMPLE_TEXT if column["type"] == "text" else _white_image()


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _white_image() -> str:
    buffer = io.BytesIO()
    Image.new("L", (1, 1), "white").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
