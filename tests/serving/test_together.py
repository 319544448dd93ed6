"""Small requests that come together are scored together, and nobody who asks can tell."""

import http.client
import json
import logging
import socket
import time
from contextlib import ExitStack

import numpy as np
import pytest

from manyhot.serving.server import LOCAL
from tests.serving.conftest import Running

ROWS = np.random.default_rng(3).normal(size=(40, 6)).round(3).tolist()


@pytest.fixture(scope="module")
def matrix(bundles):
    service = Running([bundles["matrix"]], hosts=LOCAL).wait()
    service.service.default_model.batches.is_quick = True  # however busy this machine was when it was measured
    yield service
    service.stop()


@pytest.fixture
def logged(monkeypatch):
    """What the service logs, whatever a command did to the log before."""
    found = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: found.append(record.getMessage())
    log = logging.getLogger("manyhot.serve")
    monkeypatch.setattr(log, "handlers", [handler])
    monkeypatch.setattr(log, "disabled", False)
    return found


@pytest.fixture
def batches(matrix, monkeypatch):
    """The rows of the batches that were scored."""
    found = []
    together = matrix.service.default_model.batches.score_together

    def noted(parts):
        found.append(sum(n_rows for _, n_rows in parts))
        return together(parts)

    monkeypatch.setattr(matrix.service.default_model.batches, "score_together", noted)
    return found


def post(row, path="/predict", more="", **document):
    body = json.dumps({"rows": [row], **document}).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n{more}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def answers_on(connection, n):
    """So many answers, in the order in which they came: status, headers, document."""
    found, file = [], connection.makefile("rb")
    for _ in range(n):
        status = int(file.readline().split()[1])
        headers = http.client.parse_headers(file)
        found.append((status, headers, json.loads(file.read(int(headers["content-length"])))))
    return found


def talk(service, *pieces, n=1, pause=0.0):
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        return answers_on(connection, n)


def probabilities(document):
    return [list(one["probabilities"].values()) for one in document["predictions"]]


def expected(service, rows):
    return service.service.default_model.classifier.predict_proba(np.array(rows))


def test_one_row_is_a_batch_of_its_own(matrix, batches):
    ((status, _, document),) = talk(matrix, post(ROWS[0]))
    assert (status, batches) == (200, [1])
    assert np.allclose(probabilities(document), expected(matrix, ROWS[:1]), atol=1e-6)


@pytest.fixture
def connections(matrix):
    """A connection for each of the rows."""
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", matrix.port), timeout=30)) for _ in ROWS]


def each_answer(connections):
    """What comes back on each connection, to one of the rows each: (status, headers, document)."""
    for connection, row in zip(connections, ROWS, strict=False):
        connection.sendall(post(row))
    return [answers_on(connection, 1)[0] for connection in connections]


def are_right(service, found):
    assert [status for status, _, _ in found] == [200] * len(found)
    got = np.concatenate([probabilities(document) for _, _, document in found])
    assert np.allclose(got, expected(service, ROWS[: len(found)]), atol=1e-6)


@pytest.mark.slow
def test_what_came_together_is_scored_together_and_each_gets_its_own(matrix, batches, connections):
    are_right(matrix, each_answer(connections))
    assert sum(batches) == len(ROWS)


def test_one_turn_makes_one_batch(matrix, batches, connections):
    """All bytes lie ready while the loop is held, so that they come in one turn."""
    some = connections[:8]
    each_answer(some)
    matrix.loop.call_soon_threadsafe(time.sleep, 0.3)
    batches.clear()
    time.sleep(0.1)
    are_right(matrix, each_answer(some))
    assert batches == [8]


def test_requests_in_one_packet_are_answered_in_their_order(matrix):
    get = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
    many = json.dumps({"rows": ROWS}).encode()
    large = b"POST /predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    large += f"content-length: {len(many)}\r\n\r\n".encode() + many
    sent = post(ROWS[0]) + get + post(ROWS[1]) + large + post(ROWS[2]) + post(ROWS[3], thresholds=3) + get
    found = talk(matrix, sent, n=7)
    assert [status for status, _, _ in found] == [200, 200, 200, 200, 200, 422, 200]
    assert [sorted(document)[-1] for _, _, document in found] == [
        *["predictions", "state", "predictions", "predictions", "predictions", "error", "state"]
    ]
    for k, rows in ((0, ROWS[:1]), (2, ROWS[1:2]), (3, ROWS), (4, ROWS[2:3])):
        assert np.allclose(probabilities(found[k][2]), expected(matrix, rows), atol=1e-6)


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.2], ids=["at once", "soon", "late"])
def test_a_body_in_pieces_is_read_to_its_end(matrix, pause):
    sent = post(ROWS[0])
    head, body = sent[: sent.index(b"\r\n\r\n") + 4], sent[sent.index(b"\r\n\r\n") + 4 :]
    ((status, _, document),) = talk(matrix, head, body[:20], body[20:], pause=pause)
    assert status == 200
    assert np.allclose(probabilities(document), expected(matrix, ROWS[:1]), atol=1e-6)


def test_more_than_a_few_rows_are_read_in_a_thread(matrix):
    document = matrix.predict({"rows": ROWS[:9]}).document
    assert np.allclose(probabilities(document), expected(matrix, ROWS[:9]), atol=1e-6)
    explained = matrix.predict({"rows": ROWS[:1], "explain": True})
    assert (explained.status, "explain" in explained.document["predictions"][0]) == (200, True)


def test_a_connection_ends_where_that_is_asked(matrix):
    for more, version in (("connection: close\r\n", b"1.1"), ("", b"1.0")):
        with socket.create_connection(("127.0.0.1", matrix.port), timeout=30) as connection:
            connection.sendall(post(ROWS[0], more=more).replace(b"HTTP/1.1", b"HTTP/" + version, 1))
            ((status, headers, _),) = answers_on(connection, 1)
            assert status == 200
            assert headers["connection"] in ("close", None)  # uvicorn of 0.34 says nothing
            assert connection.recv(1) == b""


def test_what_is_wrong_is_told_and_the_connection_lives(matrix):
    sent = [post(row) for row in (["x"] * 6, [1, 2], ROWS[0])]
    sent += [post(ROWS[0]).replace(b"host: 127.0.0.1", b"host: evil.example"), post(ROWS[0], path="/models/no/predict")]
    with socket.create_connection(("127.0.0.1", matrix.port), timeout=30) as connection:
        found = []
        for one in sent:
            connection.sendall(one)
            found += answers_on(connection, 1)
    assert [status for status, _, _ in found] == [422, 422, 200, 421, 404]
    assert all("content-security-policy" in headers for _, headers, _ in found)


def test_a_mistake_of_ours_is_one_requests_own(matrix, monkeypatch, logged):
    served = matrix.service.default_model
    score = served.batches.score

    def failing(blocks):
        if (blocks["numbers"] > 100).any():
            raise RuntimeError("secret")
        return score(blocks)

    monkeypatch.setattr(served.batches, "score", failing)
    found = talk(matrix, post([1000.0] * 6) + post(ROWS[0]), n=2)
    assert [status for status, _, _ in found] == [500, 200]
    assert "secret" not in json.dumps(found[0][2])
    assert [line.startswith("unexpected error: RuntimeError at ") for line in logged] == [True]


def test_who_leaves_before_the_answer_harms_nobody(matrix):
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", matrix.port)) as connection:
            connection.sendall(post(ROWS[0]))
    assert talk(matrix, post(ROWS[0]))[0][0] == 200


def test_requests_rows_and_bytes_are_counted(matrix):
    def counted(name):
        text = matrix.ask("GET", "/metrics").content.decode()
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))

    names = ['manyhot_requests_total{endpoint="predict",status="200"}', "manyhot_rows_total", "manyhot_batch_rows_sum"]
    before = [counted(name) for name in names]
    sent = post(ROWS[0])
    bytes_before = counted("manyhot_request_bytes_total")
    talk(matrix, sent)
    assert [counted(name) for name in names] == [one + 1 for one in before]
    assert counted("manyhot_request_bytes_total") - bytes_before == len(sent) - sent.index(b"\r\n\r\n") - 4
