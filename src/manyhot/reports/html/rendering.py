"""The dict of a page -> one HTML file, whose policy lets nothing run but its own script and loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
import zlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from manyhot.evaluation.report.text import percent

if TYPE_CHECKING:
    from jinja2 import Template

# The files of the page's script, one after another in one scope
SCRIPTS = (
    *("dom", "payload", "charts", "data", "training", "thresholds", "threshold_controls", "table"),
    *("label_charts", "label", "rows", "printing", "main"),
)
GENERATOR = '<meta name="generator" content="manyhot '  # what every report has in its head


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
    payload = base64.b64encode(zlib.compress(data.encode(), 9)).decode()
    text = _template().render(
        page=page, generator=GENERATOR, policy=policy, style=style, script=script, payload=payload
    )
    return text.encode("utf-8", "replace").decode()


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # only where a page is made: it is slow to import

    environment = Environment(
        loader=PackageLoader("manyhot.reports.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": format_number,
        "percent": format_percent,
        "whole_percent": percent,
        "along": _along_axis,
        "address": _address,
        "quoted": shlex.quote,
    }
    return environment.get_template("page.html")


def format_number(value: float | int | None, digits: int = 3) -> str:
    """A number for a person."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    if 0 < abs(value) < 0.5 * 10**-digits:
        return f"{'<' if value > 0 else '>-'}{10**-digits:.{digits}f}"
    return f"{value:.{digits}f}"


def format_percent(share: float | None) -> str:
    """A share for a person."""
    if share is None:
        return "–"
    return "none" if share == 0 else f"{100 * share:.1f}%" if share >= 0.0005 else "below 0.1%"


def _along_axis(value: float) -> str:
    """The x of a value on the axis of a chart, which goes from 0 to 1."""
    return f"{6 + 188 * value:.1f}"


def _address(name: str) -> str:
    """A label's name behind `#label=`, as the page's script reads and writes it."""
    return quote(name.encode("utf-8", "replace"), safe="")


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
