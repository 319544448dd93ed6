"""Who may ask: pages of the service itself, those of allowed sites, and heads that name one host."""

import http.client
import json

import pytest

from tests.serving.conftest import Running, rows_of, songs

ROW = {"rows": rows_of(songs(1))}


@pytest.fixture(scope="module")
def guarded(bundles):
    service = Running([bundles["songs"]], hosts=("127.0.0.1",), origins=("https://example.org",)).wait()
    yield service
    service.stop()


def test_two_hosts_are_refused(guarded):
    connection = http.client.HTTPConnection("127.0.0.1", guarded.port, timeout=60)
    connection.putrequest("GET", "/labels", skip_host=True)
    for host in ("127.0.0.1", "elsewhere.example"):
        connection.putheader("Host", host)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 400
    assert json.loads(answer.read())["error"]["argument"] == "Host"
    connection.close()


def test_pages_of_another_site_may_not_ask(guarded):
    for origin in ("https://elsewhere.example", "null", "http://127.0.0.1:1", "http://127.0.0.1.elsewhere.example"):
        answer = guarded.ask("POST", "/predict", ROW, Origin=origin)
        assert (answer.status, answer.error["argument"]) == (403, "Origin"), origin
        assert "access-control-allow-origin" not in answer.headers
    assert guarded.ask("POST", "/predict", ROW, Origin=f"http://127.0.0.1:{guarded.port}").status == 200
    assert guarded.ask("POST", "/predict", ROW).status == 200


def test_a_page_behind_a_proxy_with_tls_is_its_own(bundles):
    service = Running([bundles["songs"]]).wait()
    try:
        headers = {"Host": "predictions.example.org", "Origin": "https://predictions.example.org"}
        assert service.ask("POST", "/predict", ROW, **headers).status == 200
    finally:
        service.stop()


def test_an_allowed_site_may_ask_and_read(guarded):
    answer = guarded.ask("POST", "/predict", ROW, Origin="https://example.org")
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "https://example.org"
    asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    before = guarded.ask("OPTIONS", "/predict", None, **asked, **{"Access-Control-Request-Headers": "content-type"})
    assert before.status == 200
    assert "POST" in before.headers["access-control-allow-methods"]
