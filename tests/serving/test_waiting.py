"""The page while the service is starting, busy or unable to start: it says so, and continues by itself."""

import pytest

from tests.serving.conftest import NAMES, Running
from tests.serving.test_page import predicted, visited

pytestmark = pytest.mark.slow


def test_a_service_that_is_starting_is_waited_for(browser, bundles):
    service = Running([bundles["songs"]]).wait()
    service.service.is_ready = False  # as it is while everything is compiled
    try:
        with visited(browser, service) as page:
            page.locator("#notice", has_text="starting: compiling the model").wait_for()
            page.get_by_role("button", name="Fill in an example").click()
            page.get_by_role("button", name="Predict").click()
            page.locator("#status", has_text="Predicting").wait_for()
            assert not page.locator("#chart").is_visible()
            service.service.is_ready = True
            assert set(predicted(page)[0]) == set(NAMES)
            page.locator("#notice").wait_for(state="hidden")
            assert page.locator(".bars details.reasons").count() == len(NAMES)
            service.service.failure, service.service.is_ready = "RuntimeError: no memory", False
            page.reload()
            page.locator("#problem", has_text="cannot start: RuntimeError: no memory").wait_for()
    finally:
        service.stop()


def test_a_busy_service_is_asked_again(browser, running):
    answers = []

    def busy(route):
        answers.append(route.request.url)
        if len(answers) > 1:
            route.continue_()
        else:
            route.fulfill(status=429, json={"error": {"status": 429, "message": "too many requests"}})

    with visited(browser, running) as page:
        page.route("**/predict", busy)
        page.get_by_role("button", name="Fill in an example").click()
        page.get_by_role("button", name="Predict").click()
        assert set(predicted(page)[0]) == set(NAMES)
        assert len(answers) == 2
        page.unroute("**/predict")
        page.said.clear()  # the browser itself tells of the refused request
