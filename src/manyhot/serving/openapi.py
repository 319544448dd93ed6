"""The service described in OpenAPI 3.1, and a model on its card, from the model's own columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from manyhot.evaluation.metrics.registry import METRICS
from manyhot.evaluation.report.measure import to_json_value
from manyhot.serving.model import ServedModel
from manyhot.serving.row_schema import example_row, row_schema
from manyhot.version import __version__

Json = dict[str, Any]

# Metrics of a model's card, where its report has them.
CARD_METRICS = ("f1_micro", "f1_macro", "f1_samples", "hamming_loss", "subset_accuracy", "lrap", "ranking_loss")
ERROR_DESCRIPTIONS = {
    400: "Malformed JSON or form.",
    401: "Missing or wrong token.",
    404: "Not found.",
    405: "Method not allowed.",
    408: "The body did not arrive in time.",
    413: "Too many bytes, form parts or pixels.",
    415: "Unsupported content type.",
    421: "Host name not accepted.",
    422: "Invalid rows or options; the message says where.",
    429: "Too many requests; retry after Retry-After seconds.",
    503: "Not ready, or timed out; retry after Retry-After seconds.",
}
PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
ERROR = {"$ref": "#/components/schemas/Error"}
RETRY = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}


def openapi_document(models: Sequence[ServedModel], has_token: bool) -> Json:
    """The whole document."""
    schema, names = _object(), _object(required=["models"])
    ready = _ready_operation("ready", "Whether the service is ready: 503 until everything is compiled.")
    paths: Json = _paths(models[0], "", "")
    paths |= {
        "/health": {"get": _operation("health", "Whether the process is alive, and its state.", _content(schema))},
        "/ready": {"get": ready},
        "/metrics": {"get": _operation("metrics", "Prometheus metrics.", _content({"type": "string"}, "text/plain"))},
        "/models": {"get": _operation("models", "The models by name.", _content(names))},
    }
    schemas: Json = {"Error": _error_schema()}
    for served in models:
        paths |= _paths(served, f"/models/{served.name}", f"_{served.name}")
        is_ready = _ready_operation(f"ready_{served.name}", "Whether this model is ready: 503 until it is compiled.")
        paths[f"/models/{served.name}/ready"] = {"get": {**is_ready, "tags": [f"Model {served.name}"]}}
        schemas[f"Row_{_schema_key(served)}"] = row_schema(served.model.encoder)
        schemas[f"Prediction_{_schema_key(served)}"] = _prediction_schema(served)
    document: Json = {
        "openapi": "3.1.0",
        "info": {"title": "manyhot", "version": __version__, "description": "Multi-label classification."},
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if has_token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        for path in ("/health", "/ready"):
            paths[path]["get"]["security"] = []
    return document


def _ready_operation(name: str, summary: str) -> Json:
    content = _content(_object())
    operation = _operation(name, summary, content)
    words = "Not ready, or shutting down."
    operation["responses"]["503"] = {"description": words, "headers": RETRY, "content": content}
    return operation


def model_card(served: ServedModel) -> Json:
    """What a model is, in plain JSON values: its metrics, labels, decisions, columns, an example of a row, limits."""
    model, report = served.model, served.model.report
    metrics = report["metrics"]["decision"]
    return to_json_value(
        {
            "name": served.name,
            "labels": list(served.labels),
            "thresholds": served.classifier.thresholds_,
            **model.policy.describe(),
            "report": {
                "metrics": {name: metrics[name]["value"] for name in CARD_METRICS if name in metrics},
                "titles": {name: METRICS[name].title for name in CARD_METRICS if name in metrics},
                "baselines": {name: metrics[name]["baseline"] for name in CARD_METRICS if name in metrics},
                "scores_from": report["scores"]["from"],
                "rows": report["data"]["rows"],
            },
            "columns": served.columns,
            "example": example_row(model.encoder),
            "n_members": model.n_members,
            "network": model.network.name,
            "can_explain": served.can_explain,
            "has_report": model.evidence is not None and not model.evidence.is_stale,
            "limits": {
                "rows": served.limits.max_rows,
                "explained_rows": served.limits.max_explain_rows,
                "bytes": served.limits.max_body_bytes,
                "pixels": served.limits.max_pixels,
            },
            "version": __version__,
        }
    )


def _paths(served: ServedModel, prefix: str, suffix: str) -> Json:
    labels = _object(required=["labels"], properties={"labels": {"type": "array"}})
    model = _object(required=["name", "labels", "columns"])
    report = _content({"type": "string"}, "text/html")
    card_words = "The model: its metrics, labels, columns and an example row."
    operations = {
        "predict": {"post": _predict_operation(served, suffix)},
        "labels": {"get": _operation(f"labels{suffix}", "The labels and their thresholds.", _content(labels))},
        "report": {"get": _operation(f"report{suffix}", "The report as one HTML page.", report, 404, 503)},
        "model": {"get": _operation(f"model{suffix}", card_words, _content(model))},
    }
    tag = f"Model {served.name}" if prefix else "Default model"
    tagged = {name: {m: {"tags": [tag], **one} for m, one in methods.items()} for name, methods in operations.items()}
    return {f"{prefix}/{name}": methods for name, methods in tagged.items()}


def _predict_operation(served: ServedModel, suffix: str) -> Json:
    row = {"$ref": f"#/components/schemas/Row_{_schema_key(served)}"}
    option_schemas: Json = {
        "top": {
            "type": ["integer", "null"],
            "minimum": 1,
            "description": "Return only the most probable labels, best first.",
        },
        "explain": {"const": False},
    }
    if served.can_explain:
        names = {"type": "array", "items": {"enum": list(served.labels)}, "minItems": 1}
        words = "Also explain the predicted labels of each row (true), or these labels (a list)."
        option_schemas["explain"] = {"anyOf": [{"type": "boolean"}, names], "description": words}
    if served.model.policy.thresholds is not None:
        option_schemas["thresholds"] = {
            "type": ["object", "null"],
            "properties": dict.fromkeys(served.labels, PROBABILITY),
            "additionalProperties": False,
            "description": "Thresholds to use in this request.",
        }
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": served.limits.max_rows}
    body = _content(_object(required=["rows"], additionalProperties=False, properties={"rows": rows, **option_schemas}))
    body["application/json"]["example"] = {"rows": [example_row(served.model.encoder)]}
    answer = _content({"$ref": f"#/components/schemas/Prediction_{_schema_key(served)}"})
    images = [column["name"] for column in served.columns if column["type"] == "image"]
    if images:
        files = {name: {"type": "string", "format": "binary"} for name in images}
        body |= _content(_object(properties=files), "multipart/form-data")
    else:
        body |= _content({"type": "string"}, "text/csv")
        answer |= _content({"type": "string"}, "text/csv")
    words = "Predict labels and probabilities of rows."
    operation = _operation(f"predict{suffix}", words, answer, 400, 408, 413, 415, 422, 429, 503)
    return operation | {"requestBody": {"required": True, "content": body}}


def _operation(name: str, summary: str, content: Json, *statuses: int) -> Json:
    """An operation that answers 200 or one of these errors, or of those that any has."""
    responses: Json = {"200": {"description": "Success.", "content": content}}
    for status in (401, 405, 421, *statuses):
        responses[str(status)] = {"description": ERROR_DESCRIPTIONS[status], "content": _content(ERROR)}
        if status in (429, 503):
            responses[str(status)]["headers"] = RETRY
    return {"operationId": name, "summary": summary, "responses": responses}


def _content(schema: Json, media_type: str = "application/json") -> Json:
    return {media_type: {"schema": schema}}


def _error_schema() -> Json:
    properties: Json = {
        "status": {"type": "integer"},
        "message": {"type": "string"},
        "row": {"type": "integer", "minimum": 1},
        "column": {"type": "string"},
        "argument": {"type": "string"},
    }
    error = _object(required=["status", "message"], properties=properties)
    return _object(required=["error"], properties={"error": error})


def _prediction_schema(served: ServedModel) -> Json:
    names = {"enum": list(served.labels)}
    pair = _object(properties={"label": names, "probability": PROBABILITY})
    prediction = {
        "labels": {"type": "array", "items": names},
        "probabilities": _object(additionalProperties=PROBABILITY),
        "top": {"type": "array", "items": pair},
        "explain": _object(),
    }
    answer = {
        "model": {"type": "string"},
        "predictions": {"type": "array", "items": _object(required=["labels"], properties=prediction)},
        "notes": {"type": "array", "items": {"type": "string"}},
    }
    return _object(required=["model", "predictions"], properties=answer)


def _object(**keywords: Any) -> Json:
    return {"type": "object", **keywords}


def _schema_key(served: ServedModel) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else f"_{ord(letter):x}" for letter in served.name)
