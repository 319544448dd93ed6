"""The reference of the service, from the OpenAPI document that it serves."""

from pathlib import Path
from typing import Any

from extensions.markdown import escape
from manyhot.serving.limits import Limits
from manyhot.serving.model import load_models
from manyhot.serving.openapi import openapi_document

MODEL = Path(__file__).parents[2] / "tests/contract/frozen/saved/table/model.manyhot"
"""A small model of a table, whose columns the document then describes."""


def to_markdown() -> str:
    """A section for each address: what it takes, what it gives, and with which status."""
    document = openapi_document(load_models([MODEL], [None], Limits(), None), has_token=False)
    names = [path for path in document["paths"] if not path.startswith("/models/")]
    return "\n\n".join(
        _operation(method, path, operation)
        for path in sorted(names)
        for method, operation in document["paths"][path].items()
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [f"## {method.upper()} {path}", escape(operation["summary"])]
    for parameter in operation.get("parameters", []):
        parts.append(f"`{parameter['name']}` ({parameter['in']})\n: {escape(parameter.get('description', ''))}")
    body = operation.get("requestBody", {}).get("content", {})
    if body:
        parts.append("Body: " + ", ".join(f"`{kind}`" for kind in body) + ".")
        schema = body.get("application/json", {}).get("schema", {})
        parts += [_field(name, field, schema) for name, field in schema.get("properties", {}).items()]
    rows = []
    for status, response in sorted(operation["responses"].items()):
        kinds = ", ".join(f"`{kind}`" for kind in response.get("content", {}))
        rows.append(f"| {status} | {escape(response['description'])} | {kinds} |")
    return "\n\n".join([*parts, "| status | meaning | body |\n|---|---|---|\n" + "\n".join(rows)])


def _field(name: str, field: dict[str, Any], schema: dict[str, Any]) -> str:
    required = "required" if name in schema.get("required", []) else "optional"
    fallback = "The rows to predict, one object each." if name == "rows" else ""
    return f"`{name}` ({required})\n: {escape(field.get('description', fallback))}"
