"""Comments of a page that say what the site has in their place; who reads the file itself does not see them.

<!-- generated: NAME -->        what the code says of itself
<!-- site ... -->               lines that only the site has: downloads, links to what the build makes
<!-- test ... -->               nothing: a note for tests/docs
"""

import re
from collections.abc import Callable
from typing import Any

from sphinx.application import Sphinx

from extensions import command_line, http_api, metric_table, notebooks

LINE = re.compile(r"^<!-- generated: ([\w-]+) ?(\S*) -->$", re.MULTILINE)
SITE_ONLY = re.compile(r"^<!-- site\n(.*?)^-->$", re.MULTILINE | re.DOTALL)
NOTE = re.compile(r"^<!-- test\b.*-->$", re.MULTILINE)
SOURCES: dict[str, Callable[..., str]] = {
    "command": command_line.page,
    "commands": command_line.index,
    "http": http_api.to_markdown,
    "metric": metric_table.to_markdown,
    "mnist-note": notebooks.mnist_note,
}


def expand(text: str) -> str:
    """The text of a page with every such comment replaced."""
    text = NOTE.sub("", SITE_ONLY.sub(r"\1", text))
    return LINE.sub(lambda found: SOURCES[found[1]](*filter(None, [found[2]])), text)


def _read_source(app: Sphinx, name: str, source: list[str]) -> None:
    source[0] = expand(source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Expand pages as they are read."""
    app.connect("source-read", _read_source)
    return {"parallel_read_safe": True}
