"""A page in a browser that must keep quiet, and what axe-core finds in it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def watched(browser: Any, is_own: Callable[[str], bool], width: int, scheme: str, **more: Any) -> Iterator[tuple]:
    """An empty page, and the list of what it says to the console and of the addresses it asks that are not its own.

    The list must be empty in the end.
    """
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **more)
    page, said = context.new_page(), []
    page.set_default_timeout(10_000)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: None if is_own(request.url) else said.append(request.url))
    yield page, said
    context.close()
    assert said == []


def grave_faults(page: Any) -> list[tuple[str, str]]:
    """Serious and critical findings: the rule, and the first element."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    return [(one["id"], one["nodes"][0]["html"][:200]) for one in grave]
