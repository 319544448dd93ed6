"""What is asked, what is refused, and how it is told."""

import json
import re
import time
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from manyhot import load
from manyhot.config.label_rules import LABEL_SEP
from manyhot.encoders import MatrixEncoder
from manyhot.serving.metrics import MAX_SERIES, ModelCounts
from tests.serving.conftest import NAMES, Running, as_base64, photo, rows_of, songs

ROW = rows_of(songs(3, seed=9))[0]
LABELS = set(NAMES)


def changed(**cells):
    return {"rows": [ROW, {**ROW, **cells}]}


def without(name):
    return {"rows": [{key: cell for key, cell in ROW.items() if key != name}]}


REFUSED = {
    "no JSON": (b"{", 400, {"argument": "body"}),
    "not UTF-8": (b'{"rows": "\xff"}', 400, {"argument": "body"}),
    "NaN": (json.dumps(changed(tempo=float("nan"))).encode(), 400, {"argument": "body"}),
    "a key twice": (b'{"rows": [], "rows": []}', 400, {"argument": "body"}),
    "deep": (b'{"rows": ' + b"[" * 5000 + b"]" * 5000 + b"}", 400, {"argument": "body"}),
    "a long number": (b'{"rows": [' + b"9" * 6000 + b"]}", 400, {"argument": "body"}),
    "a list": ([ROW], 422, {"argument": "body"}),
    "null": (b"null", 422, {"argument": "body"}),
    "nothing": (b"", 400, {"argument": "body"}),
    "nothing asked": ({}, 422, {"argument": "rows"}),
    "no rows": ({"rows": []}, 422, {"argument": "rows"}),
    "rows of text": ({"rows": ["a"]}, 422, {"argument": "rows", "row": 1}),
    "an unknown word": ({"rows": [ROW], "treshold": 1}, 422, {"argument": "body"}),
    "a missing column": (without("energy"), 422, {"row": 1, "column": "energy"}),
    "text for a number": (changed(tempo="fast"), 422, {"row": 2, "column": "tempo"}),
    "true for a number": (changed(tempo=True), 422, {"row": 2, "column": "tempo"}),
    "a list for a number": (changed(tempo=[1]), 422, {"row": 2, "column": "tempo"}),
    "beyond a float": (json.dumps(changed(tempo=0)).replace('"tempo": 0', '"tempo": 1e999').encode(), 422,
                       {"row": 2, "column": "tempo"}),
    "a whole number beyond": (changed(tempo=10**400), 422, {"row": 2, "column": "tempo"}),
    "2 for a boolean": (changed(live=2), 422, {"row": 2, "column": "live"}),
    "an object for a category": (changed(kind={}), 422, {"row": 2, "column": "kind"}),
    "an object for a text": (changed(words=["a"]), 422, {"row": 2, "column": "words"}),
    "top of 0": ({"rows": [ROW], "top": 0}, 422, {"argument": "top"}),
    "top of true": ({"rows": [ROW], "top": True}, 422, {"argument": "top"}),
    "explain of 1": ({"rows": [ROW], "explain": 1}, 422, {"argument": "explain"}),
    "explain of no label": ({"rows": [ROW], "explain": ["sad"]}, 422, {"argument": "explain"}),
    "explain of nothing": ({"rows": [ROW], "explain": []}, 422, {"argument": "explain"}),
    "a threshold of 2": ({"rows": [ROW], "thresholds": {"mood_sad": 2}}, 422, {"argument": "thresholds"}),
    "a threshold of no label": ({"rows": [ROW], "thresholds": {"sad": 0.5}}, 422, {"argument": "thresholds"}),
    "thresholds as a list": ({"rows": [ROW], "thresholds": [0.5]}, 422, {"argument": "thresholds"}),
    "many rows with explain": ({"rows": [ROW] * 101, "explain": True}, 422, {"argument": "rows"}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is empty, expected JSON such as"),
        ([ROW], "got a list: it belongs under that name"),
        (b"null", "got null"),
    ],
)
def test_a_body_of_another_form_is_told_what_to_be(running, body, words):
    assert words in running.predict(body).error["message"]


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_named(running, name):
    body, status, places = REFUSED[name]
    answer = running.predict(body)
    assert answer.status == status, answer.content
    assert answer.headers["content-type"] == "application/json"
    error = answer.error
    assert error.pop("status") == status
    assert len(error.pop("message")) > 10
    assert error == places


def test_the_row_is_counted_over_all_pieces(running):
    rows = [ROW] * 700
    answer = running.predict({"rows": [*rows[:600], {**ROW, "tempo": "x"}, *rows]})
    assert (answer.status, answer.error["row"], answer.error["column"]) == (422, 601, "tempo")


def test_a_near_miss_is_answered_with_a_suggestion(running):
    row = {("temp" if name == "tempo" else name): cell for name, cell in ROW.items()}
    assert "the row has 'temp': did you mean 'tempo'?" in running.predict({"rows": [row]}).error["message"]


def test_thresholds_of_one_request_change_no_other(running):
    own = running.predict({"rows": [ROW]}).document
    document = running.predict({"rows": [ROW], "thresholds": dict.fromkeys(LABELS, 0.0)}).document
    assert set(document["predictions"][0]["labels"]) == LABELS
    none = running.predict({"rows": [ROW], "thresholds": dict.fromkeys(LABELS, 1.0)}).document
    assert none["predictions"][0]["labels"] == []
    assert running.predict({"rows": [ROW]}).document == own


def test_top_tells_the_best_first(running):
    all_of_it = running.predict({"rows": [ROW]}).document["predictions"][0]["probabilities"]
    (prediction,) = running.predict({"rows": [ROW], "top": 2}).document["predictions"]
    best = sorted(all_of_it, key=lambda name: -all_of_it[name])[:2]
    assert prediction["top"] == [{"label": name, "probability": all_of_it[name]} for name in best]
    assert "probabilities" not in prediction


def test_why_is_what_python_tells(running, bundles):
    classifier = load(bundles["songs"])
    frame = songs(3, seed=9).drop("song_id", *NAMES)[:1]
    (expected,) = classifier.explain(frame)
    (prediction,) = running.predict({"rows": [ROW], "explain": True}).document["predictions"]
    assert prediction["explain"].keys() == expected.keys()
    for label, one in expected.items():
        assert prediction["explain"][label]["logit"] == pytest.approx(one.logit, abs=1e-5)
        assert {reason["what"] for reason in prediction["explain"][label]["for"]} == {
            reason.what for reason in one.for_
        }


def test_labels_are_explained_by_name_whether_they_are_predicted_or_not(running, bundles):
    frame = songs(3, seed=9).drop("song_id", *NAMES)[:1]
    names = [NAMES[2], NAMES[0]]
    (expected,) = load(bundles["songs"]).explain(frame, labels=names)
    document = {"rows": [ROW], "explain": names, "thresholds": {NAMES[0]: 1}}
    (prediction,) = running.predict(document).document["predictions"]
    assert set(prediction["explain"]) == set(names)
    for label in names:
        assert prediction["explain"][label]["logit"] == pytest.approx(expected[label].logit, abs=1e-5)
    assert prediction["explain"][NAMES[0]]["is_predicted"] is (NAMES[0] in prediction["labels"])


def test_the_state_is_told_before_and_after(bundles):
    service = Running([bundles["matrix"], bundles["songs"]])
    try:
        found = service.ask("GET", "/health").document
        if not service.service.is_ready:
            assert found["state"] == "starting"
            assert re.search("compiling model [12] of 2", found["message"])
        service.wait()
        assert service.ask("GET", "/health").document == {"health": "alive", "state": "ready", "message": "ready"}
        service.service.is_ready, service.service.failure = False, "RuntimeError: no memory"
        answer = service.ask("GET", "/ready")
        assert (answer.status, answer.document["ready"], answer.document["state"]) == (503, False, "failed")
        assert service.ask("GET", "/health").document["message"] == "cannot start: RuntimeError: no memory"
        service.service.models["matrix"].is_warm = False
        refused = service.predict({"rows": [[0] * 6]})
        assert (refused.status, "no memory" in refused.error["message"]) == (503, True)
    finally:
        service.stop()


def test_what_model_and_labels_tell(running):
    document = running.ask("GET", "/model").document
    columns = {column["name"]: column for column in document["columns"]}
    assert {name: column["type"] for name, column in columns.items()} == {
        "tempo": "numeric", "energy": "numeric", "live": "boolean", "kind": "categorical", "grade": "categorical",
        "words": "text",
    }  # fmt: skip
    assert columns["kind"]["levels"] == ["folk", "jazz", "rock"]
    assert 0 <= document["report"]["metrics"]["f1_micro"] <= 1
    assert set(document["thresholds"]) == LABELS
    assert running.predict({"rows": [document["example"]]}).status == 200
    labels = running.ask("GET", "/models/photos/labels").document
    assert labels["labels"] == ["bright"]
    assert running.ask("GET", "/models").document == {
        "models": ["songs", "matrix", "sparse", "photos"],
        "default": "songs",
    }


@pytest.mark.parametrize("name", ["songs", "matrix", "sparse", "photos"])
def test_every_models_example_is_answered(running, name):
    example = running.ask("GET", f"/models/{name}/model").document["example"]
    assert running.predict({"rows": [example]}, name).status == 200


OTHERS = [
    ("GET", "/predict", 405), ("PUT", "/models/songs/predict", 405), ("POST", "/labels", 405), ("GET", "/nothing", 404),
    ("POST", "/models/none/predict", 404), ("GET", "/models/none/labels", 404), ("GET", "/static/none.js", 404),
    ("GET", "/static/../server.py", 404), ("GET", "/labels/", 404), ("GET", "/", 200), ("HEAD", "/health", 200),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "status"), OTHERS)
def test_other_addresses_and_methods(running, method, path, status):
    answer = running.ask(method, path, b"{}" if method in ("POST", "PUT") else None)
    assert answer.status == status
    if status >= 400:
        assert answer.error["status"] == status


@pytest.mark.parametrize("media", ["text/plain", "application/xml", "", "application/x-www-form-urlencoded"])
def test_other_bodies_are_refused(running, media):
    answer = running.ask("POST", "/predict", b"{}", content_type=media)
    assert (answer.status, answer.error["argument"]) == (415, "Content-Type")


FORMS = {
    "no boundary": (b"x", "multipart/form-data", 400),
    "cut short": (b"--b\r\nContent-Disposition: form-data", "multipart/form-data; boundary=b", 400),
    "no name": (b"--b\r\n\r\nx\r\n--b--\r\n", "multipart/form-data; boundary=b", 400),
    "another column": (
        b'--b\r\nContent-Disposition: form-data; name="foto"; filename="a"\r\n\r\nx\r\n--b--\r\n',
        "multipart/form-data; boundary=b",
        422,
    ),
    "no image": (
        b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\nx\r\n--b--\r\n',
        "multipart/form-data; boundary=b",
        422,
    ),
    "no files": (b"--b--\r\n", "multipart/form-data; boundary=b", 422),
}


@pytest.mark.parametrize("name", FORMS)
def test_broken_forms_are_refused(running, name):
    body, content_type, status = FORMS[name]
    answer = running.ask("POST", "/models/photos/predict", body, content_type=content_type)
    assert answer.status == status, answer.content


TABLES = {
    "empty": (b"", 422),
    "only a header": (b"tempo,energy\n", 422),
    "ragged": (songs(2).write_csv().encode() + b"1,2\n", 422),
    "no column": (b"a,b\n1,2\n", 422),
    "no UTF-8": (songs(2).write_csv().encode() + b"\xff\n", 422),
    "a picture": (photo(True, 1), 422),
    "text for a number": (songs(2).write_csv().replace("s1,", "s1,x").encode(), 422),
}


@pytest.mark.parametrize("name", TABLES)
def test_broken_tables_are_refused(running, name):
    body, status = TABLES[name]
    answer = running.ask("POST", "/predict", body, content_type="text/csv")
    assert answer.status == status, answer.content
    assert "received" not in answer.error["message"]


def test_a_table_without_line_breaks_is_what_curl_makes_of_one(running):
    body = songs(3).write_csv().replace("\n", "").encode()
    answer = running.ask("POST", "/predict", body, content_type="text/csv")
    assert answer.status == 422
    assert "--data-binary" in answer.error["message"]


def test_a_table_can_be_asked_for_thresholds_and_reasons(running):
    body = songs(3, seed=4).write_csv().encode()
    answer = running.ask(
        "POST",
        "/predict?thresholds=%7B%22mood_sad%22%3A0%7D&explain=true",
        body,
        content_type="text/csv; charset=utf-8",
    )
    lines = answer.content.decode().splitlines()
    assert lines[0].endswith(",explanation")
    assert all(line.count("mood_sad") == 2 for line in lines[1:])  # as a label, and with its reasons
    assert running.ask("POST", "/predict?top=1", body, content_type="text/csv").status == 422
    assert running.ask("POST", "/predict?explain=maybe", body, content_type="text/csv").status == 400


def test_answers_carry_strict_headers_and_nothing_for_other_origins(running):
    for path in ("/", "/model", "/nothing"):
        answer = running.ask("GET", path, origin="http://evil.example")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "server" not in answer.headers
    assert running.ask("OPTIONS", "/predict", origin="http://evil.example").status == 405


def test_metrics_count(running):
    before = counted(running)
    running.predict({"rows": [ROW] * 3})
    running.predict({"rows": []})
    after = counted(running)
    for key, more in {
        'manyhot_requests_total{endpoint="predict",status="200"}': 1,
        'manyhot_requests_total{endpoint="predict",status="422"}': 1,
        'manyhot_rows_total{model="songs"}': 3,
        'manyhot_request_seconds_bucket{endpoint="predict",le="+Inf"}': 2,
    }.items():
        assert after[key] == before.get(key, 0) + more, key
    assert after["manyhot_ready"] == 1
    assert after["manyhot_held_bytes"] == 0


def test_metrics_tell_what_a_model_is_asked_and_answers(running):
    before = counted(running)
    rows = [ROW, {**ROW, "tempo": None, "kind": "polka"}, {**ROW, "kind": None, "words": "zebra"}, {**ROW, "words": ""}]
    answers = running.predict({"rows": rows}).document["predictions"]
    table = songs(4, seed=9).with_columns(grade=pl.Series([None, 7, 1, 2])).write_csv().encode()
    from_table = pl.read_csv(running.ask("POST", "/predict", table, content_type="text/csv").content)
    after = counted(running)

    def more(name, **labels):
        key = f"{name}{{{','.join(f'{label}={json.dumps(value)}' for label, value in sorted(labels.items()))}}}"
        return after[key] - before.get(key, 0)

    for label in NAMES:
        scores = [row["probabilities"][label] for row in answers] + from_table[f"p_{label}"].to_list()
        n_predicted = sum(label in row["labels"] for row in answers)
        n_predicted += sum(label in (cell or "").split(LABEL_SEP) for cell in from_table["labels"])
        assert more("manyhot_predictions_total", model="songs", label=label) == n_predicted
        assert more("manyhot_scores_count", model="songs", label=label) == 8
        assert more("manyhot_scores_sum", model="songs", label=label) == pytest.approx(sum(scores), abs=1e-4)
        for limit in ("0.1", "0.5", "0.9", "+Inf"):
            n_below = sum(score <= float(limit) for score in scores)
            assert more("manyhot_scores_bucket", model="songs", label=label, le=limit) == n_below
    n_missing = {"tempo": 1 + songs(4, seed=9)["tempo"].null_count(), "energy": 0, "kind": 1, "grade": 1, "words": 1}
    for column, n in n_missing.items():
        assert more("manyhot_missing_values_total", model="songs", column=column) == n, column
    for column, n in {"kind": 1, "grade": 1, "words": 1}.items():
        assert more("manyhot_unknown_values_total", model="songs", column=column) == n, column
    assert not [key for key in after if key.startswith("manyhot_unknown") and "tempo" in key]


def test_labels_and_columns_are_counted_one_by_one_only_where_they_are_few():
    many = [f"c{k}" for k in range(MAX_SERIES + 1)]
    X = np.random.default_rng(0).normal(size=(20, len(many)))
    encoder = MatrixEncoder(many).fit(X)
    counts = ModelCounts(many, encoder)
    counts.add_cells({"numbers": X}, encoder.transform(X))
    counts.add_answers(X, X > 0)
    assert counts.n_rows == 20
    assert [counts.cells.columns, counts.cells.unknown, counts.labels] == [[], {}, ()]


def counted(running):
    lines = running.ask("GET", "/metrics").content.decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def guarded(bundles):
    service = Running([bundles["matrix"]], token=TOKEN, hosts=("127.0.0.1", "my.service")).wait()
    yield service
    service.stop()


def test_a_token_is_asked_for(guarded):
    good = {"authorization": f"Bearer {TOKEN}"}
    for credentials in (
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": ""},
    ):
        for method, path in (("GET", "/model"), ("GET", "/metrics"), ("GET", "/openapi.json"), ("POST", "/predict")):
            answer = guarded.ask(method, path, b"{}" if method == "POST" else None, **credentials)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer"), (path, credentials)
    assert guarded.ask("GET", "/model", **good).status == 200
    assert guarded.ask("POST", "/predict", {"rows": [[0, 0, 0, 0, 0, 0]]}, **good).status == 200
    for path in ("/health", "/ready", "/", "/docs", "/static/docs.js"):
        assert guarded.ask("GET", path).status == 200


def test_other_names_of_the_host_are_refused(guarded):
    assert guarded.ask("GET", "/health", host="evil.example").status == 421
    assert guarded.ask("GET", "/health", host="my.service:8000").status == 200


def test_an_image_too_large_is_refused(bundles):
    service = Running([bundles["photos"]], max_pixels=63).wait()
    try:
        answer = service.predict({"rows": [{"photo": as_base64(photo(True, 1))}]})
        assert (answer.status, answer.error["column"]) == (413, "photo")
    finally:
        service.stop()


def test_a_text_is_bounded_in_json_and_in_tables(running):
    row = rows_of(songs(1))[0]
    for text, status in (("é" * 500_001, 413), ("x" * 1_000_000, 200), ("x" * 1_000_001, 413)):
        answer = running.predict({"rows": [row, {**row, "words": text}]})
        assert answer.status == status
        if status == 413:
            assert (answer.error["row"], answer.error["column"]) == (2, "words")
        table = pl.DataFrame([row, {**row, "words": text}]).write_csv().encode()
        answer = running.ask("POST", "/predict", table, content_type="text/csv")
        assert answer.status == status
        if status == 413:
            assert (answer.error["row"], answer.error["column"]) == (2, "words")


def test_explaining_stops_when_its_time_is_up(running, monkeypatch):
    served, explained = running.service.models["songs"], []

    def slowly(features, options):
        for _ in range(len(features)):
            time.sleep(0.2)
            explained.append(1)
            yield {}

    monkeypatch.setattr(served, "explain", slowly)
    monkeypatch.setattr(running.service, "limits", replace(running.service.limits, response_seconds=0.5))
    assert running.predict({"rows": rows_of(songs(40)), "explain": True}).status == 503
    time.sleep(1.0)
    assert len(explained) < 10  # it went on for no longer than it took to see that


def test_texts_that_spreadsheets_run_are_guarded(running):
    from manyhot.estimators.prediction_table import escape_formula

    for start in ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"):
        assert escape_formula(f"{start}1") == f"'{start}1"
    assert escape_formula("1＝") == "1＝"
