"""What a model's rows look like: columns with their kinds, a JSON schema of a row, and an example of one.

All of it comes from what the encoder learned, so a form can be made of it. Start reading at `columns_of`.
"""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from manyhot.encoders import Encoder, MatrixEncoder, TableEncoder

FEW_NAMES = 100
"""A matrix with more columns than this has its example as a list."""
ANY_CELL = {"type": ["string", "number", "boolean", "null"]}
EXAMPLE_TEXT = "a few words"

Json = dict[str, Any]


def columns_of(encoder: Encoder) -> list[Json]:
    """The columns that are used: name and kind, the known levels of a category, the usual value and spread of a number.

    Args:
        encoder: The model's encoder, fitted.
    """
    if not isinstance(encoder, TableEncoder):
        return [{"name": str(name), "kind": "numeric"} for name in encoder.names]
    found: dict[str, Json] = {}
    for name, middle, spread in zip(
        encoder.numbers, encoder.scale.center.tolist(), encoder.scale.scale.tolist(), strict=True
    ):
        kind = encoder.kinds[name]
        found[name] = {"name": name, "kind": kind} | (
            {"typical": middle, "spread": spread} if kind == "numeric" else {}
        )
    for name, levels in zip(encoder.categories, encoder.levels, strict=True):
        found[name] = {"name": name, "kind": "categorical", "levels": levels}
    for name in encoder.text_columns:
        found[name] = {"name": name, "kind": "text"}
    for name, one in zip(encoder.image_columns, encoder.looks.encoders, strict=True):
        found[name] = {"name": name, "kind": "image", "shape": list(one.shape)}
    return [found[name] for name in encoder.kinds if name in found]


def example_of(encoder: Encoder) -> Any:
    """A row that the model takes: usual numbers, its own levels, a small white image."""
    if isinstance(encoder, TableEncoder):
        return {column["name"]: _example_cell(column) for column in columns_of(encoder)}
    if isinstance(encoder, MatrixEncoder) or encoder.names:
        is_sparse = isinstance(encoder, MatrixEncoder) and encoder.is_sparse
        if is_sparse:
            return {str(name): 1.0 for name in encoder.names[:2]}
        usual = encoder.scale.center.tolist() if isinstance(encoder, MatrixEncoder) else [0.0] * len(encoder.names)
        if len(usual) > FEW_NAMES:
            return [_short(value) for value in usual]
        return {str(name): _short(value) for name, value in zip(encoder.names, usual, strict=True)}
    blocks = {name: np.zeros(shape).tolist() for name, shape in encoder.shapes().items()}
    return blocks if len(blocks) > 1 else next(iter(blocks.values()))


def row_schema(encoder: Encoder) -> Json:
    """The JSON schema of a row."""
    if isinstance(encoder, TableEncoder):
        columns = columns_of(encoder)
        return {
            "type": "object",
            "properties": {column["name"]: _cell_schema(column) for column in columns},
            "required": [column["name"] for column in columns],
        }
    number = {"type": "number"}
    if isinstance(encoder, MatrixEncoder) or encoder.names:
        width = len(encoder.names)
        if isinstance(encoder, MatrixEncoder) and encoder.is_sparse:
            listed = {"type": "array", "items": number, "minItems": width, "maxItems": width}
            if width > FEW_NAMES:
                return {"oneOf": [{"type": "object", "additionalProperties": number}, listed]}
            properties = {str(name): number for name in encoder.names}
            return {"oneOf": [{"type": "object", "properties": properties, "additionalProperties": False}, listed]}
        cell = {"type": ["number", "null"]} if isinstance(encoder, MatrixEncoder) else number
        listed = {"type": "array", "items": cell, "minItems": width, "maxItems": width}
        if width > FEW_NAMES:
            return listed
        names = [str(name) for name in encoder.names]
        return {"oneOf": [{"type": "object", "properties": dict.fromkeys(names, cell), "required": names}, listed]}
    blocks = {name: _array_schema(shape) for name, shape in encoder.shapes().items()}
    named = {"type": "object", "properties": blocks, "required": list(blocks), "additionalProperties": False}
    return named if len(blocks) > 1 else {"oneOf": [next(iter(blocks.values())), named]}


def _array_schema(shape: tuple[int, ...]) -> Json:
    schema: Json = {"type": "number"}
    for edge in reversed(shape):
        schema = {"type": "array", "items": schema, "minItems": edge, "maxItems": edge}
    return schema


def _cell_schema(column: Json) -> Json:
    if column["kind"] == "numeric":
        return {"type": ["number", "null"]}
    if column["kind"] == "boolean":
        return {"enum": [True, False, 0, 1, None]}
    if column["kind"] == "categorical":
        return {**ANY_CELL, "examples": column["levels"][:5]}
    if column["kind"] == "text":
        return ANY_CELL
    return {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/*"}


def _example_cell(column: Json) -> Any:
    if column["kind"] == "numeric":
        return _short(column["typical"])
    if column["kind"] == "boolean":
        return True
    if column["kind"] == "categorical":
        return column["levels"][0] if column["levels"] else None
    return EXAMPLE_TEXT if column["kind"] == "text" else _white_image()


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _white_image() -> str:
    buffer = io.BytesIO()
    Image.new("L", (1, 1), "white").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
