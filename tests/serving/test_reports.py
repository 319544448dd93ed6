"""The report behind the service: the page that `manyhot report` writes, under headers of its own."""

import re

import pytest

from manyhot import load
from manyhot.reports.model_page import out_of_fold_page, write_page
from tests.serving.conftest import Running


def without_time(page):
    """The page but for the minute in which it was written."""
    return re.sub(rb"\d{4}-\d\d-\d\d[ T]\d\d:\d\d", b"", page)


@pytest.mark.parametrize("name", ["songs", "photos"])
def test_it_is_the_page_that_the_command_writes(running, bundles, tmp_path, name):
    found = running.ask("GET", f"/models/{name}/report")
    assert (found.status, found.headers["content-type"]) == (200, "text/html; charset=utf-8")
    write_page(out_of_fold_page(load(bundles[name]).model_, f"{name}.manyhot"), tmp_path / "report.html")
    assert without_time(found.content) == without_time((tmp_path / "report.html").read_bytes())
    assert found.headers["content-security-policy"] == "frame-ancestors 'none'"  # the page brings the rest along
    assert found.headers["x-content-type-options"] == "nosniff"
    assert b"default-src 'none'" in found.content
    assert running.ask("GET", f"/models/{name}/model").document["has_report"] is True


def test_the_first_model_answers_without_a_name_and_unknown_ones_are_named(running):
    assert running.ask("GET", "/report").content == running.ask("GET", "/models/songs/report").content
    found = running.ask("GET", "/models/sons/report")
    assert (found.status, "songs" in found.error["message"]) == (404, True)
    assert "default-src 'none'" in running.ask("GET", "/").headers["content-security-policy"]


@pytest.mark.slow
def test_a_model_without_out_of_fold_scores_has_none(bundles, tmp_path):
    load(bundles["songs"]).save(tmp_path / "bare.manyhot", evidence=False)
    service = Running([tmp_path / "bare.manyhot"]).wait()
    try:
        found = service.ask("GET", "/report")
        assert (found.status, "out-of-fold" in found.error["message"]) == (404, True)
        assert service.ask("GET", "/model").document["has_report"] is False
    finally:
        service.stop()
