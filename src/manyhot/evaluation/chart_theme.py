"""The look of every chart: the colours and the type of the HTML report, as a Vega-Lite configuration."""

from __future__ import annotations

import re
from typing import Any

# The light colours of the HTML report's page, by the names they have there
TOKENS = {
    "paper": "#fcfbf8",
    "ink": "#1b1d20",
    "faint": "#5c5f66",
    "line": "#dcd8ce",
    "strong": "#8b877c",
    "accent": "#1f5fa8",
}
COLOURS = {**TOKENS, "orange": "#b34a05"}  # the second of two settings needs a colour that the page has no use for
PAPER, INK, FAINT, LINE, STRONG, BLUE, ORANGE = COLOURS.values()
# Texts are placed with the widths of Liberation Sans, which Arial and Helvetica share: another font would run on
FONT = '"Liberation Sans", Arial, Helvetica, system-ui, sans-serif'
TEXT_SIZE, HEADING_SIZE, TITLE_SIZE = 12, 13, 15
LABEL_WIDTH = 240  # pixels of a label's name at most; a longer one is cut with an ellipsis

# How each token is mixed from the text colour around an inline picture, so that it suits light and dark pages alike
_INLINE = {
    "ink": "currentColor",
    "faint": "color-mix(in srgb, currentColor 72%, transparent)",
    "line": "color-mix(in srgb, currentColor 18%, transparent)",
    "strong": "color-mix(in srgb, currentColor 50%, transparent)",
    "accent": "color-mix(in srgb, #2f7fd6 82%, currentColor)",
    "orange": "color-mix(in srgb, #d9660f 82%, currentColor)",
}

CONFIG: dict[str, Any] = {
    "background": PAPER,
    "font": FONT,
    "padding": 16,
    "view": {"stroke": None},
    "axis": {
        "labelAngle": 0,
        "labelFlush": False,
        "labelColor": FAINT,
        "labelFontSize": TEXT_SIZE,
        "labelLimit": LABEL_WIDTH,
        "titleColor": FAINT,
        "titleFontSize": TEXT_SIZE,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "gridColor": LINE,
        "domain": False,
        "ticks": False,
        "labelPadding": 6,
    },
    "legend": {
        "orient": "top",
        "labelColor": INK,
        "labelFontSize": TEXT_SIZE,
        "labelLimit": 420,
        "titleColor": FAINT,
        "titleFontSize": TEXT_SIZE,
        "titleFontWeight": "normal",
        "columns": 1,
        "columnPadding": 24,
        "symbolOpacity": 1,
    },
    "title": {
        "anchor": "start",
        "frame": "group",
        "color": INK,
        "fontSize": HEADING_SIZE,
        "fontWeight": 600,
        "offset": 10,
        "subtitleColor": FAINT,
        "subtitleFontSize": TEXT_SIZE,
        "subtitlePadding": 4,
    },
    "header": {
        "labelAnchor": "start",
        "labelColor": INK,
        "labelFontSize": TEXT_SIZE,
        "labelFontWeight": 600,
        "labelLimit": LABEL_WIDTH,
    },
    "concat": {"spacing": 28},
    "facet": {"spacing": 36},
}


def inline_svg(svg: str, name: str) -> str:
    """Turn an SVG of a chart into HTML that takes its colours from the page; `name` keeps its ids apart from others."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(id="|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(rf'<rect[^>]*fill="{PAPER}"[^>]*(/>|></rect>)', "", svg, count=1)  # the page's own background shows
    for token, colour in COLOURS.items():
        if token in _INLINE:
            svg = svg.replace(f'"{colour}"', f'"var(--manyhot-{token})"')
    svg = svg.replace(
        "<svg", '<svg style="max-width:100%;height:auto;overflow:visible;font-variant-numeric:tabular-nums"', 1
    )
    variables = ";".join(f"--manyhot-{token}:{colour}" for token, colour in _INLINE.items())
    return f'<div style="{variables}">{svg}</div>'
