"""The dict of a page -> one HTML file, whose policy lets nothing run but its own script and loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from manyhot.reports.html.sections import escape_html, render_body

# the files of the page's script, one after another in one scope
SCRIPTS = ("dom", "payload", "charts", "data", "training", "thresholds", "table", "label", "rows", "main")


def render(page: Mapping[str, Any]) -> str:
    """The HTML file of what `measure_page` gave; what is no valid Unicode in names is replaced."""
    style, script = assets()
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_fingerprint(style)}'",
            f"script-src '{_fingerprint(script)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    parts = {name: value for name, value in page.items() if name not in ("counts", "metrics")}
    parts["counts_steps"] = page["counts"]["steps"]
    data = json.dumps(parts, allow_nan=False, separators=(",", ":"))
    text = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape_html(page["title"])}</title>
<style>{style}</style>
</head>
<body>
{render_body(page)}
<script type="text/plain" id="payload">{base64.b64encode(zlib.compress(data.encode(), 9)).decode()}</script>
<script type="text/plain" id="counts">{page["counts"]["packed"]}</script>
<script>{script}</script>
</body>
</html>
"""
    return text.encode("utf-8", "replace").decode()


@cache
def assets() -> tuple[str, str]:
    """The style and the script of every page."""
    folder = files("manyhot.reports.html") / "assets"
    style = (folder / "page.css").read_text(encoding="utf-8")
    parts = [(folder / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    script = '"use strict";\n(() => {\n' + "\n".join(parts) + "\n})();\n"
    return f"\n{style}", f"\n{script}"


def _fingerprint(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
