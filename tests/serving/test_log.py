"""The service's log: what a line says, as text and as JSON, and what it never says."""

import json
import logging
import re

import pytest

from manyhot.errors import InputError
from manyhot.serving.log import LOG_FORMATS, LOGGER_NAME, RequestRecord, log_formatter
from tests.serving.conftest import rows_of, songs, until

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
REQUEST = RequestRecord("POST", "/models/{name}/predict", "songs", 200, 0.00341234, 120, 64)


def line_of(log_format, message, *values, level=logging.INFO, exc_info=None):
    record = logging.LogRecord(LOGGER_NAME, level, __file__, 1, message, values, exc_info)
    return log_formatter(log_format).format(record)


def test_a_request_as_text():
    expected = rf"{TIME} POST /models/\{{name\}}/predict songs 200 3\.4 ms \(120 bytes in, 64 out\)"
    assert re.fullmatch(expected, line_of("text", REQUEST))
    nowhere = RequestRecord("GET", None, None, 404, 0.001, 0, 10)
    assert re.fullmatch(rf"{TIME} GET - - 404 1\.0 ms \(0 bytes in, 10 out\)", line_of("text", nowhere))


def test_a_request_as_json():
    document = json.loads(line_of("json", REQUEST))
    assert re.fullmatch(TIME, document.pop("time"))
    assert document == {
        "level": "info",
        "method": "POST",
        "route": "/models/{name}/predict",
        "model": "songs",
        "status": 200,
        "duration_seconds": 0.003412,
        "bytes_received": 120,
        "bytes_sent": 64,
    }


def test_other_events():
    values = ("listening on %s, models: %s", "http://[::1]:8000", "üb\ner")
    assert re.fullmatch(rf"{TIME} listening on .*", line_of("text", *values), re.DOTALL)
    assert re.match(rf"{TIME} WARNING anyone", line_of("text", "anyone", level=logging.WARNING))
    document = json.loads(line_of("json", *values, level=logging.WARNING))
    assert (document["level"], document["message"]) == ("warning", "listening on http://[::1]:8000, models: üb\ner")


@pytest.mark.parametrize("log_format", LOG_FORMATS)
def test_a_traceback_is_kept(log_format):
    try:
        raise ValueError("broken")
    except ValueError as error:
        text = line_of(log_format, "cannot start", exc_info=(type(error), error, error.__traceback__))
    assert "ValueError: broken" in text
    if log_format == "json":
        assert "ValueError: broken" in json.loads(text)["traceback"]
        assert "\n" not in text


def test_an_unknown_format_is_refused():
    with pytest.raises(InputError, match="log_format"):
        log_formatter("xml")


@pytest.fixture
def requests(monkeypatch):
    """The records of requests as they are logged."""
    found = []
    handler = logging.Handler(logging.INFO)
    handler.emit = lambda record: found.append(record.msg)
    log = logging.getLogger(LOGGER_NAME)
    monkeypatch.setattr(log, "handlers", [handler])
    monkeypatch.setattr(log, "disabled", False)
    level = log.level
    log.setLevel(logging.INFO)
    yield found
    log.setLevel(level)


def test_each_request_is_logged_with_its_route_and_model(running, requests):
    row = rows_of(songs(1))[0]
    calls = {
        ("POST", "/predict"): ("/predict", "songs", 200),
        ("POST", "/models/songs/predict"): ("/models/{name}/predict", "songs", 200),
        ("GET", "/models/photos/labels"): ("/models/{name}/labels", "photos", 200),
        ("GET", "/models/secret/labels"): ("/models/{name}/labels", None, 404),
        ("GET", "/secret"): (None, None, 404),
        ("PUT", "/predict"): ("/predict", None, 405),
        ("GET", "/health"): ("/health", None, 200),
        ("GET", "/static/page.js"): ("/static/{name}", None, 200),
    }
    for (method, path), (route, model, status) in calls.items():
        requests.clear()
        answer = running.ask(method, path, {"rows": [row]} if method == "POST" else None)
        until(lambda: requests)
        (record,) = requests
        assert (record.method, record.route, record.model, record.status) == (method, route, model, status)
        assert answer.status == status
        assert record.bytes_sent == len(answer.content)
        assert 0 < record.duration_seconds < 60
        assert "secret" not in str(record)
