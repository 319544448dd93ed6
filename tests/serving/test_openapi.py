"""The service keeps to its own description: no 5xx, nothing slow, nothing it does not say of itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from tests.serving.conftest import Running
from tests.serving.test_requests import REFUSED

LEFT_OUT = "positive_data_acceptance"  # a schema has no words for what a CSV file must be


@pytest.mark.slow
def test_every_answer_is_as_described(running):
    document = running.ask("GET", "/openapi.json").document
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method == "get":
                answer = running.ask("GET", path)
                assert str(answer.status) in operation["responses"], path
            else:
                example = operation["requestBody"]["content"]["application/json"]["example"]
                assert running.ask("POST", path, example).status == 200, path
    assert set(document["paths"]) >= {"/predict", "/models/photos/predict", "/models/songs/labels", "/metrics"}
    names = {operation["operationId"] for operations in document["paths"].values() for operation in operations.values()}
    assert len(names) == len(document["paths"])


def test_rows_of_the_description_are_taken(running):
    """Everything that the schema of a row allows is answered, and what it forbids is refused."""
    schema = running.ask("GET", "/openapi.json").document["components"]["schemas"]["Row_songs"]
    assert set(schema["required"]) == set(schema["properties"])
    example = running.ask("GET", "/model").document["example"]
    for name, cell in schema["properties"].items():
        column_types = cell.get("type", [])
        for kind, value in {"number": 1.5, "string": "text", "boolean": True, "null": None, "array": []}.items():
            allowed = kind in column_types if column_types else value in cell["enum"]
            answer = running.predict({"rows": [{**example, name: value}]})
            assert answer.status == (200 if allowed else 422), (name, value)


UNSAID = ("beyond a float", "a whole number beyond", "many rows with explain")
"""What is refused although no schema can say so."""


@pytest.mark.parametrize("name", [name for name in REFUSED if REFUSED[name][1] == 422 and name not in UNSAID])
def test_what_is_refused_is_against_the_description(running, name):
    content = REFUSED[name][0]
    described = running.ask("GET", "/openapi.json").document
    body = described["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    schema = {**body["schema"], "components": described["components"]}
    assert is_valid(body["example"], schema)
    assert not is_valid(json.loads(content) if isinstance(content, bytes) else content, schema)


def is_valid(value, schema) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(value)


@pytest.mark.slow
def test_fuzzed_from_its_own_description(bundles, tmp_path):
    """500 examples an endpoint take minutes: `make fuzz` does that; here are fewer."""
    service = Running([bundles["songs"], bundles["matrix"]]).wait()
    try:
        fuzz(service.port, int(os.environ.get("MANYHOT_FUZZ_EXAMPLES", "25")), tmp_path)
    finally:
        service.stop()


def fuzz(port: int, examples: int, folder: Path) -> None:
    words = [sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{port}/openapi.json"]
    words += [
        "--checks",
        "all",
        "--exclude-checks",
        LEFT_OUT,
        "--max-examples",
        str(examples),
        "--max-response-time",
        "2",
        "--seed",
        "1",
    ]
    words += ["--phases", "examples,coverage,fuzzing", "--no-color", "--generation-database", "none"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_the_description_is_plain_json(running):
    content = running.ask("GET", "/openapi.json").content
    assert json.loads(content, parse_constant=pytest.fail)
