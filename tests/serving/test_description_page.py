"""`/docs`: the description of the service in a browser, with commands that work."""

import json

import pytest

from tests.fixtures.browser import grave_faults
from tests.serving.conftest import NAMES
from tests.serving.test_page import in_shell, visited

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 375)])
def test_the_description_is_a_page(browser, running, tmp_path, scheme, width):
    with visited(browser, running, width, scheme) as page:
        page.get_by_role("link", name="API").click()
        page.locator("#operation-predict pre").wait_for()
        described = running.ask("GET", "/openapi.json").document
        assert page.locator(".operation > summary code").all_inner_texts() == list(described["paths"])
        answer = json.loads(in_shell(page.locator("#operation-predict pre").inner_text(), tmp_path))
        assert set(answer["predictions"][0]["probabilities"]) == set(NAMES)
        page.locator("#operation-health summary").click()
        assert json.loads(in_shell(page.locator("#operation-health pre").inner_text(), tmp_path))["state"] == "ready"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert grave_faults(page) == []
