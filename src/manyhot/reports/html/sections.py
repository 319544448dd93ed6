"""The sections of a page as HTML, as far as no script is needed for them."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SECTIONS = {
    "data": "The data",
    "training": "The training",
    "scores": "The scores",
    "labels": "The labels",
    "rows": "The rows",
    "making": "How it was made",
}
BRIEFS_SHOWN = 6
BRIEFS_LISTED = 200
HEADLINES = ("f1_macro", "f1_micro", "map", "subset_accuracy")
_SEVERITIES = {"error": "Almost surely wrong", "warning": "Look at it", "note": "Good to know"}


def escape_html(text: object) -> str:
    """A text that means nothing to a browser but itself."""
    return html.escape(str(text), quote=True)


def render_body(page: Mapping[str, Any]) -> str:
    """Everything between the page's first heading and its script."""
    parts = [
        _header(page),
        '<main id="content">',
        _highlights_section(page),
        _data_section(page),
        _section("training", '<div id="training-view"></div>'),
        _scores_section(page),
        _section("labels", '<div id="labels-view"></div>'),
        _section("rows", '<div id="rows-view"></div>'),
        _making_section(page),
        "</main>",
    ]
    return "\n".join(parts)


def format_number(value: float | int | None, digits: int = 3) -> str:
    """A number for a person."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    if 0 < abs(value) < 0.5 * 10**-digits:
        return f"{'<' if value > 0 else '>-'}{10**-digits:.{digits}f}"
    return f"{value:.{digits}f}"


def _header(page: Mapping[str, Any]) -> str:
    data = page["report"]["data"]
    counts = f"{format_number(data['rows'])} rows, {format_number(data['labels'])} labels"
    source = (
        f"measured on <code>{escape_html(page['file'])}</code>" if page["file"] else "measured on what training kept"
    )
    links = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title in SECTIONS.items())
    themes = "".join(
        f'<label><input type="radio" name="theme" id="theme-{name}"{" checked" if name == "auto" else ""}> '
        f"<span>{name}</span></label>"
        for name in ("auto", "light", "dark")
    )
    return f"""<a class="skip" href="#content">Skip to the report</a>
<header class="top">
<p class="kicker">manyhot report</p>
<h1><bdi>{escape_html(page["title"])}</bdi></h1>
<p class="lead">{counts}, {source}.</p>
<div class="strip">
<nav aria-label="Sections"><ul>{links}</ul></nav>
<fieldset class="themes"><legend>Theme</legend>{themes}</fieldset>
</div>
</header>
<noscript><p class="note">Tables of labels and rows, charts and thresholds need this page's own script, which is
switched off.</p></noscript>
<p class="note" id="trouble" role="alert" hidden></p>"""


def _section(name: str, content: str, lead: str = "") -> str:
    lead_html = f'<p class="lead">{lead}</p>' if lead else ""
    head = f'<h2 id="{name}-h">{SECTIONS[name]}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-h">\n{head}\n{lead_html}{content}\n</section>'


def _list_items(sentences: Iterable[str]) -> str:
    return "".join(f"<li>{escape_html(sentence)}</li>" for sentence in sentences)


def _highlights_section(page: Mapping[str, Any]) -> str:
    report = page["report"]
    remarks = [
        *_pixel_remarks(report),
        *report["scores"]["remarks"],
        *(finding["text"] for finding in report["checks"]),
    ]
    figures = {figure["name"]: figure for figure in page["metrics"]}
    headlines = "".join(_headline(figures[name]) for name in HEADLINES)
    return (
        f'<div class="outstanding"><h2>Summary</h2><dl class="facts">{headlines}</dl>'
        f"<ul>{_list_items(remarks)}</ul></div>"
    )


def _pixel_remarks(report: Mapping[str, Any]) -> list[str]:
    """What a row is where every pixel has labels."""
    if "pixels" not in report:
        return []
    pixels = report["pixels"]
    means = f"mean IoU {format_number(pixels['mean_iou'])}, mean Dice {format_number(pixels['mean_dice'])}"
    return [f"A row is a pixel here, one of a sample of {format_number(pixels['sampled'])}. Of all pixels: {means}."]


def _headline(figure: Mapping[str, Any]) -> str:
    estimate = figure["decision"]
    ends = "" if estimate["low"] is None else f"[{format_number(estimate['low'])}, {format_number(estimate['high'])}], "
    return (
        f"<div><dt>{escape_html(figure['title'])}</dt><dd>{format_number(estimate['value'])}<small>{ends}"
        f"baseline {format_number(figure['baseline'])}</small></dd></div>"
    )


def _data_section(page: Mapping[str, Any]) -> str:
    data = page["report"]["data"]
    sets = data["label_sets"]
    out_of = "" if data["rows_total"] == data["rows"] else f" of {format_number(data['rows_total'])} in total"
    facts = [
        ("Rows", format_number(data["rows"]) + out_of),
        ("Labels", format_number(data["labels"])),
        ("Labels of a row, mean", format_number(data["cardinality"], 2)),
        ("Density", _percent(data["density"])),
        ("Different label sets", f"{format_number(sets['distinct'])}, {format_number(sets['once'])} of them once"),
        ("Rows without any label", format_number(data["rows_without_labels"])),
        ("Unknown targets", _percent(data["unknown_share"])),
        ("Rows that carry a label", "{min} to {max}, median {median}".format(**_support_texts(data["support"]))),
    ]
    items = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    return _section(
        "data", f'<dl class="facts">{items}</dl>\n<div id="data-view"></div>\n{_findings_html(page["data"])}'
    )


def _support_texts(support: Mapping[str, Any]) -> dict[str, str]:
    median = support["median"]
    return {
        "min": format_number(support["min"]),
        "max": format_number(support["max"]),
        "median": format_number(int(median)) if median == int(median) else format_number(median, 1),
    }


def _percent(share: float | None) -> str:
    if share is None:
        return "–"
    return "none" if share == 0 else f"{100 * share:.1f} %" if share >= 0.0005 else "below 0.1 %"


def _findings_html(data: Mapping[str, Any]) -> str:
    items = []
    for severity, caption in _SEVERITIES.items():
        by_kind: dict[str, list[Mapping[str, Any]]] = {}
        for finding in data["findings"]:
            if finding["severity"] == severity:
                by_kind.setdefault(finding["kind"], []).append(finding)
        for kind, same_kind in by_kind.items():
            text = _finding_text(same_kind, data["finding_kinds"][kind])
            items.append(f'<li><span class="tag {severity}">{caption}</span> {text}</li>')
    findings = f'<ul class="findings">{"".join(items)}</ul>' if items else "<p>No problems found.</p>"
    limits = "".join(f"<p>Not looked at: {escape_html(limit)}</p>" for limit in data["limits"])
    return f"<h3>Data checks</h3>\n<p>{escape_html(data['checks_scope'])}</p>\n{findings}\n{limits}"


def _finding_text(findings: Sequence[Mapping[str, Any]], kind: Mapping[str, str]) -> str:
    """Findings of one kind: in full, or the first few in brief and the others on demand."""
    if len(findings) == 1:
        return escape_html(findings[0]["message"])
    first = "; ".join(escape_html(finding["brief"]) for finding in findings[:BRIEFS_SHOWN])
    others = findings[BRIEFS_SHOWN:BRIEFS_LISTED]
    text = f"{format_number(len(findings))} {escape_html(kind['heading'])}: {first}. {escape_html(kind['advice'])}"
    if not others:
        return text
    more = f"; and {format_number(len(findings) - BRIEFS_LISTED)} more" if len(findings) > BRIEFS_LISTED else ""
    listed = "; ".join(escape_html(finding["brief"]) for finding in others)
    summary = f"<summary>{format_number(len(findings) - BRIEFS_SHOWN)} more</summary>"
    return f"{text}<details>{summary}<p>{listed}{more}.</p></details>"


def _scores_section(page: Mapping[str, Any]) -> str:
    n_resamples, level = page["intervals"]["n_resamples"], page["intervals"]["level"]
    lead = (
        f"Lines and brackets are {100 * level:.0f} % intervals: rows are drawn with replacement {n_resamples} times "
        "(seed "
        f"{page['intervals']['random_state']}), and each figure is computed again on what was drawn, with the same "
        "network and "
        "the same answers; they tell what other rows of the same kind would change, not what another training would, "
        "and with a handful of rows of a label they are too narrow. The baseline "
        "is what an answer gets that never looks at a row, only at how frequent labels are."
    )
    decision_figures = [figure for figure in page["metrics"] if figure["needs"] == "decisions"]
    score_figures = [figure for figure in page["metrics"] if figure["needs"] == "scores"]
    return _section(
        "scores",
        _figures_table("Answers", decision_figures, ("decision", "fixed"))
        + _figures_table("Probabilities and their order", score_figures, ("decision",)),
        lead,
    )


def _figures_table(title: str, figures: Sequence[Mapping[str, Any]], decision_kinds: tuple[str, ...]) -> str:
    heads = {
        "decision": "As the model decides" if len(decision_kinds) > 1 else "Value",
        "fixed": "With all thresholds at 0.5",
    }
    rows = []
    for figure in figures:
        better = "higher is better" if figure["higher_is_better"] else "lower is better"
        cells = "".join(
            f'<td class="figure" data-head="{heads[name]}">{_value_html(figure[name])}</td>' for name in decision_kinds
        )
        name, figure_title = escape_html(figure["name"]), escape_html(figure["title"])
        cover = f"{format_number(figure['n_labels'])} labels<br>{format_number(figure['n_samples'])} rows"
        rows.append(
            f'<tr id="metric-{name}"><th scope="row"><span class="title">{figure_title}</span> '
            f'<span class="faint">{better}</span><br><span class="words">{escape_html(figure["meaning"])} '
            f"<em>It misleads:</em> {escape_html(figure['misleads'])}</span></th>"
            f'<td class="plot">{_interval_chart(figure, decision_kinds)}</td>{cells}'
            f'<td class="figure" data-head="Baseline">{format_number(figure["baseline"])}</td>'
            f'<td class="figure faint" data-head="Covers">{cover}</td></tr>'
        )
    names = "".join(f'<th scope="col" class="figure">{heads[name]}</th>' for name in decision_kinds)
    return (
        f'<h3>{title}</h3><div class="scroll" tabindex="0" role="region" aria-label="{title}: figures">'
        f'<table class="metrics"><thead><tr><th scope="col">Figure</th><th scope="col"><span class="hidden">Drawn'
        f'</span></th>{names}<th scope="col" class="figure">Baseline</th>'
        f'<th scope="col" class="figure">Covers</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _value_html(estimate: Mapping[str, Any]) -> str:
    if estimate["value"] is None:
        return "–"
    ends = (
        ""
        if estimate["low"] is None
        else f'<br><span class="faint">[{format_number(estimate["low"])}, {format_number(estimate["high"])}]</span>'
    )
    return f"<b>{format_number(estimate['value'])}</b>{ends}"


def _interval_chart(figure: Mapping[str, Any], decision_kinds: tuple[str, ...]) -> str:
    """Values, intervals and the baseline on a line from 0 to 1; nothing for what goes beyond."""
    shown = [figure[name] for name in decision_kinds if figure[name]["value"] is not None]
    ends = [value for estimate in shown for value in estimate.values() if value is not None] + [
        figure["baseline"] or 0.0
    ]
    if not shown or max(ends) > 1:
        return ""
    marks = ['<line class="axis" x1="6" x2="194" y1="15" y2="15"/>']
    if figure["baseline"] is not None:
        x = 6 + 188 * figure["baseline"]
        marks.append(f'<path class="baseline" d="M{x:.1f} 3V27"/>')
    for index, (name, estimate) in enumerate(
        (name, figure[name]) for name in decision_kinds if figure[name]["value"] is not None
    ):
        y = 15 if len(decision_kinds) == 1 else 9 + 12 * index
        if estimate["low"] is not None:
            low, high = 6 + 188 * estimate["low"], 6 + 188 * estimate["high"]
            marks.append(f'<line class="interval {name}" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>')
        marks.append(f'<circle class="point {name}" cx="{6 + 188 * estimate["value"]:.1f}" cy="{y}" r="2.5"/>')
    return f'<svg viewBox="0 0 200 30" width="200" height="30" aria-hidden="true">{"".join(marks)}</svg>'


def _making_section(page: Mapping[str, Any]) -> str:
    report = page["report"]
    policy = report["policy"]
    sentences = [*report["notes"]]
    if policy:
        kinds = ", ".join(f"{kind} ({count})" for kind, count in policy["calibration"].items())
        sentences.append(f"Decision: {policy['guarantee'] or policy['decision']}. Calibration (labels): {kinds}.")
    config = "".join(
        "<tr><th "
        f"scope='row'><code>{escape_html(name)}</code></th><td>{escape_html('–' if value is None else value)}</td></tr>"
        for name, value in report["config"].items()
    )
    table = f'<table class="config"><tbody>{config}</tbody></table>'
    settings = f"<details><summary>Every setting of the training</summary>{table}</details>" if config else ""
    made = f"<p class='faint'>Made by manyhot {escape_html(page['version'])}.</p>"
    return _section("making", f"<ul>{_list_items(sentences)}</ul>{settings}{made}")
