"""The service described in OpenAPI 3.1, with schemas and examples made from the models' own columns.

Start reading at `description`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from manyhot.serving.model import ServedModel
from manyhot.serving.row_schema import example_of, row_schema
from manyhot.version import __version__

Json = dict[str, Any]

PROBLEMS = {
    400: "No JSON, no form, or broken.",
    401: "No token, or a wrong one.",
    404: "There is nothing of that name.",
    405: "Another method.",
    408: "The body did not arrive in time.",
    413: "More bytes, parts of a form or pixels than are taken.",
    415: "Another type of body.",
    421: "Another name of the service than it goes by.",
    422: "Something in the rows cannot be used; the answer says where.",
    429: "Too much at once; come back after Retry-After seconds.",
    503: "Not ready, or no answer in time; come back after Retry-After seconds.",
}
COMMON = (401, 421)
ERROR = {"$ref": "#/components/schemas/Error"}
RETRY = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}


def description(models: Sequence[ServedModel], has_token: bool) -> Json:
    """The whole document.

    Args:
        models: The models; the first answers on the plain paths.
        has_token: Whether a bearer token is asked for.
    """
    paths: Json = {
        "/health": _get("health", "Whether the process lives.", {"type": "object"}),
        "/ready": _get("ready", "Whether requests are answered: 503 until all is compiled.", {"type": "object"}, 503),
        "/metrics": {"get": _operation("metrics", "Counters for Prometheus.", _text("text/plain"))},
        "/models": _get("models", "The models by name.", {"type": "object", "required": ["models"]}),
    }
    paths |= _paths(models[0], "", "")
    for served in models:
        paths |= _paths(served, f"/models/{served.name}", f"_{served.name}")
    schemas: Json = {"Error": _error_schema()}
    for served in models:
        schemas[f"Row_{_key(served)}"] = row_schema(served.model.encoder)
        schemas[f"Answer_{_key(served)}"] = _answer_schema(served)
    document: Json = {
        "openapi": "3.1.0",
        "info": {"title": "manyhot", "version": __version__, "description": "Several labels for every row."},
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if has_token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        for path in ("/health", "/ready"):
            paths[path]["get"]["security"] = []
    return document


def _paths(served: ServedModel, prefix: str, suffix: str) -> Json:
    labels = {"type": "object", "required": ["labels"], "properties": {"labels": {"type": "array"}}}
    model = {"type": "object", "required": ["name", "labels", "columns"]}
    return {
        f"{prefix}/predict": {"post": _predict(served, suffix)},
        f"{prefix}/labels": _get(f"labels{suffix}", "The labels and their thresholds.", labels),
        f"{prefix}/report": {"get": _report(suffix)},
        f"{prefix}/model": _get(f"model{suffix}", "What the model is, how good, and what its rows look like.", model),
    }


def _predict(served: ServedModel, suffix: str) -> Json:
    row = {"$ref": f"#/components/schemas/Row_{_key(served)}"}
    most = served.limits.max_rows
    number = {"type": "number", "minimum": 0, "maximum": 1}
    asked: Json = {"why": {"type": "boolean", "description": "Also what spoke for and against each answer."}}
    if served.model.decider.thresholds is not None:
        names = dict.fromkeys(served.labels, number)
        words = "Other thresholds for this request."
        asked["thresholds"] = {
            "type": ["object", "null"],
            "properties": names,
            "additionalProperties": False,
            "description": words,
        }
    if not served.can_explain:
        asked["why"] = {"const": False}
    top = {"type": ["integer", "null"], "minimum": 1, "description": "Tell the most probable labels alone, best first."}
    body = {
        "type": "object",
        "required": ["rows"],
        "additionalProperties": False,
        "properties": {"rows": {"type": "array", "items": row, "minItems": 1, "maxItems": most}, "top": top, **asked},
    }
    example = {"rows": [example_of(served.model.encoder)]}
    content: Json = {"application/json": {"schema": body, "example": example}}
    images = [column["name"] for column in served.columns if column["kind"] == "image"]
    form = {"type": "object", "properties": {name: {"type": "string", "format": "binary"} for name in images}}
    if images:
        content["multipart/form-data"] = {"schema": form}
    else:
        content["text/csv"] = {"schema": {"type": "string"}}
    answer = {"$ref": f"#/components/schemas/Answer_{_key(served)}"}
    answers: Json = {"application/json": {"schema": answer}}
    if not images:
        answers["text/csv"] = {"schema": {"type": "string"}}
    operation = _operation(f"predict{suffix}", "Labels and probabilities of rows.", answers)
    operation["requestBody"] = {"required": True, "content": content}
    operation["responses"] |= _problems(400, 408, 413, 415, 422, 429, 503)
    return operation


def _report(suffix: str) -> Json:
    operation = _operation(f"report{suffix}", "The report as one HTML page.", _text("text/html"))
    operation["responses"] |= _problems(404, 503)
    return operation


def _get(name: str, summary: str, schema: Json, *problems: int) -> Json:
    operation = _operation(name, summary, {"application/json": {"schema": schema}})
    if name == "ready":
        operation["responses"]["503"] = {
            "description": "Not yet, or no more.",
            "headers": RETRY,
            "content": {"application/json": {"schema": schema}},
        }
    return {"get": operation}


def _operation(name: str, summary: str, content: Json) -> Json:
    responses = {"200": {"description": "It worked.", "content": content}, **_problems(*COMMON, 405)}
    return {"operationId": name, "summary": summary, "responses": responses}


def _problems(*statuses: int) -> Json:
    return {
        str(status): {
            "description": PROBLEMS[status],
            "content": {"application/json": {"schema": ERROR}},
            **({"headers": RETRY} if status in (429, 503) else {}),
        }
        for status in statuses
    }


def _text(media: str) -> Json:
    return {media: {"schema": {"type": "string"}}}


def _error_schema() -> Json:
    properties: Json = {
        "status": {"type": "integer"},
        "message": {"type": "string"},
        "row": {"type": "integer", "minimum": 1},
        "column": {"type": "string"},
        "argument": {"type": "string"},
    }
    error = {"type": "object", "required": ["status", "message"], "properties": properties}
    return {"type": "object", "required": ["error"], "properties": {"error": error}}


def _answer_schema(served: ServedModel) -> Json:
    probability = {"type": "number", "minimum": 0, "maximum": 1}
    names = {"enum": list(served.labels)}
    pair = {"type": "object", "properties": {"label": names, "probability": probability}}
    answer = {
        "type": "object",
        "required": ["labels"],
        "properties": {
            "labels": {"type": "array", "items": names},
            "probabilities": {"type": "object", "additionalProperties": probability},
            "top": {"type": "array", "items": pair},
            "why": {"type": "object"},
        },
    }
    return {
        "type": "object",
        "required": ["model", "answers"],
        "properties": {
            "model": {"type": "string"},
            "answers": {"type": "array", "items": answer},
            "notes": {"type": "array", "items": {"type": "string"}},
        },
    }


def _key(served: ServedModel) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else f"_{ord(letter):x}" for letter in served.name)
