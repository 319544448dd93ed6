"""The report behind the service: the page that `manyhot report` writes, under headers of its own."""

import base64
import re
import zlib

import pytest

from manyhot import load
from manyhot.reports.model_page import out_of_fold_page, write_page
from tests.serving.conftest import Running

TIME = re.compile(rb"\d{4}-\d\d-\d\d[ T]\d\d:\d\d")


def without_time(page):
    """The page but for the minute in which it was written, which its packed data say, too."""
    return TIME.sub(b"", re.sub(rb"[A-Za-z0-9+/]{1000,}={0,2}", _unpacked, page))


def _unpacked(match):
    try:
        return zlib.decompress(base64.b64decode(match[0]))
    except zlib.error:  # an image
        return match[0]


def test_a_minute_later_it_is_the_same_page(bundles, tmp_path):
    page = out_of_fold_page(load(bundles["songs"]).model_, "songs.manyhot")
    pages = []
    for minute in ("2026-11-30 08:59 UTC", "2026-11-30 09:00 UTC"):
        page["provenance"]["created"] = minute
        write_page(page, tmp_path / "report.html")
        pages.append((tmp_path / "report.html").read_bytes())
    assert TIME.sub(b"", pages[0]) != TIME.sub(b"", pages[1])
    assert without_time(pages[0]) == without_time(pages[1])


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
