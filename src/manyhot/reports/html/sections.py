"""The sections of a page as HTML, as far as no script is needed for them.

Every name and text goes through `escaped`. Start reading at `body`.
"""

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


def escaped(text: object) -> str:
    """A text that means nothing to a browser but itself."""
    return html.escape(str(text), quote=True)


def body(page: Mapping[str, Any]) -> str:
    """Everything between the page's first heading and its script."""
    parts = [
        _header(page),
        '<main id="content">',
        _stands_out(page),
        _data(page),
        _section("training", '<div id="training-view"></div>'),
        _scores(page),
        _section("labels", '<div id="labels-view"></div>'),
        _section("rows", '<div id="rows-view"></div>'),
        _making(page),
        "</main>",
    ]
    return "\n".join(parts)


def number(value: float | int | None, digits: int = 3) -> str:
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
    about = f"{number(data['rows'])} rows, {number(data['labels'])} labels"
    of = f"measured on <code>{escaped(page['file'])}</code>" if page["file"] else "measured on what training kept"
    links = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title in SECTIONS.items())
    themes = "".join(
        f'<label><input type="radio" name="theme" id="theme-{name}"{" checked" if name == "auto" else ""}> '
        f"<span>{name}</span></label>"
        for name in ("auto", "light", "dark")
    )
    return f"""<a class="skip" href="#content">Skip to the report</a>
<header class="top">
<p class="kicker">manyhot report</p>
<h1><bdi>{escaped(page["title"])}</bdi></h1>
<p class="lead">{about}, {of}.</p>
<div class="strip">
<nav aria-label="Sections"><ul>{links}</ul></nav>
<fieldset class="themes"><legend>Theme</legend>{themes}</fieldset>
</div>
</header>
<noscript><p class="note">Tables of labels and rows, charts and thresholds need this page's own script, which is
switched off.</p></noscript>
<p class="note" id="trouble" role="alert" hidden></p>"""


def _section(name: str, content: str, lead: str = "") -> str:
    told = f'<p class="lead">{lead}</p>' if lead else ""
    head = f'<h2 id="{name}-h">{SECTIONS[name]}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-h">\n{head}\n{told}{content}\n</section>'


def _listed(sentences: Iterable[str]) -> str:
    return "".join(f"<li>{escaped(sentence)}</li>" for sentence in sentences)


def _stands_out(page: Mapping[str, Any]) -> str:
    report = page["report"]
    remarks = [*_of_pixels(report), *report["scores"]["remarks"], *(finding["text"] for finding in report["diagnosis"])]
    figures = {figure["name"]: figure for figure in page["measures"]}
    headlines = "".join(_headline(figures[name]) for name in HEADLINES)
    return (
        f'<div class="outstanding"><h2>First of all</h2><dl class="facts">{headlines}</dl>'
        f"<ul>{_listed(remarks)}</ul></div>"
    )


def _of_pixels(report: Mapping[str, Any]) -> list[str]:
    """What a row is where every pixel has labels."""
    if "pixels" not in report:
        return []
    pixels = report["pixels"]
    means = f"mean IoU {number(pixels['mean_iou'])}, mean Dice {number(pixels['mean_dice'])}"
    return [f"A row is a pixel here, one of a sample of {number(pixels['sampled'])}. Of all pixels: {means}."]


def _headline(figure: Mapping[str, Any]) -> str:
    own = figure["own"]
    ends = "" if own["low"] is None else f"[{number(own['low'])}, {number(own['high'])}], "
    return (
        f"<div><dt>{escaped(figure['title'])}</dt><dd>{number(own['value'])}<small>{ends}"
        f"baseline {number(figure['baseline'])}</small></dd></div>"
    )


def _data(page: Mapping[str, Any]) -> str:
    data = page["report"]["data"]
    sets = data["label_sets"]
    given = "" if data["rows_given"] == data["rows"] else f" of {number(data['rows_given'])} given"
    facts = [
        ("Rows", number(data["rows"]) + given),
        ("Labels", number(data["labels"])),
        ("Labels of a row, mean", number(data["cardinality"], 2)),
        ("Density", _percent(data["density"])),
        ("Different label sets", f"{number(sets['distinct'])}, {number(sets['once'])} of them once"),
        ("Rows without any label", number(data["rows_without_labels"])),
        ("Unknown targets", _percent(data["unknown_share"])),
        ("Rows that carry a label", "{least} to {most}, median {median}".format(**_support(data["support"]))),
    ]
    items = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    return _section("data", f'<dl class="facts">{items}</dl>\n<div id="data-view"></div>\n{_findings(page["data"])}')


def _support(support: Mapping[str, Any]) -> dict[str, str]:
    median = support["median"]
    return {
        "least": number(support["least"]),
        "most": number(support["most"]),
        "median": number(int(median)) if median == int(median) else number(median, 1),
    }


def _percent(share: float | None) -> str:
    if share is None:
        return "–"
    return "none" if share == 0 else f"{100 * share:.1f} %" if share >= 0.0005 else "below 0.1 %"


def _findings(data: Mapping[str, Any]) -> str:
    told = []
    for severity, words in _SEVERITIES.items():
        by_kind: dict[str, list[Mapping[str, Any]]] = {}
        for finding in data["findings"]:
            if finding["severity"] == severity:
                by_kind.setdefault(finding["kind"], []).append(finding)
        for kind, alike in by_kind.items():
            told.append(f'<li><span class="tag {severity}">{words}</span> {_finding(alike, data["kinds"][kind])}</li>')
    found = f'<ul class="findings">{"".join(told)}</ul>' if told else "<p>Nothing odd was found.</p>"
    limits = "".join(f"<p>Not looked at: {escaped(limit)}</p>" for limit in data["limits"])
    return f"<h3>What the doctor says of the labels</h3>\n<p>{escaped(data['doctor_saw'])}</p>\n{found}\n{limits}"


def _finding(alike: Sequence[Mapping[str, Any]], kind: Mapping[str, str]) -> str:
    """Findings of one kind: in full, or the first few in brief and the others on demand."""
    if len(alike) == 1:
        return escaped(alike[0]["message"])
    first = "; ".join(escaped(finding["brief"]) for finding in alike[:BRIEFS_SHOWN])
    others = alike[BRIEFS_SHOWN:BRIEFS_LISTED]
    text = f"{number(len(alike))} {escaped(kind['heading'])}: {first}. {escaped(kind['advice'])}"
    if not others:
        return text
    more = f"; and {number(len(alike) - BRIEFS_LISTED)} more" if len(alike) > BRIEFS_LISTED else ""
    listed = "; ".join(escaped(finding["brief"]) for finding in others)
    return f"{text}<details><summary>{number(len(alike) - BRIEFS_SHOWN)} more</summary><p>{listed}{more}.</p></details>"


def _scores(page: Mapping[str, Any]) -> str:
    draws, level = page["intervals"]["draws"], page["intervals"]["level"]
    lead = (
        f"Lines and brackets are {100 * level:.0f} % intervals: rows are drawn with replacement {draws} times (seed "
        f"{page['intervals']['seed']}), and each figure is computed again on what was drawn, with the same network and "
        "the same answers; they tell what other rows of the same kind would change, not what another training would, "
        "and with a handful of rows of a label they are too narrow. The baseline "
        "is what an answer gets that never looks at a row, only at how frequent labels are."
    )
    answers = [figure for figure in page["measures"] if figure["needs"] == "decisions"]
    scores = [figure for figure in page["measures"] if figure["needs"] == "scores"]
    return _section(
        "scores",
        _measures("Answers", answers, ("own", "half")) + _measures("Probabilities and their order", scores, ("own",)),
        lead,
    )


def _measures(title: str, figures: Sequence[Mapping[str, Any]], at: tuple[str, ...]) -> str:
    heads = {"own": "As the model answers" if len(at) > 1 else "Value", "half": "With all thresholds at 0.5"}
    rows = []
    for figure in figures:
        better = "higher is better" if figure["higher_is_better"] else "lower is better"
        cells = "".join(f'<td class="figure" data-head="{heads[name]}">{_value(figure[name])}</td>' for name in at)
        name, called = escaped(figure["name"]), escaped(figure["title"])
        cover = f"{number(figure['n_labels'])} labels<br>{number(figure['n_samples'])} rows"
        rows.append(
            f'<tr id="measure-{name}"><th scope="row"><span class="title">{called}</span> '
            f'<span class="faint">{better}</span><br><span class="words">{escaped(figure["meaning"])} '
            f"<em>It misleads:</em> {escaped(figure['misleads'])}</span></th>"
            f'<td class="plot">{_bar(figure, at)}</td>{cells}'
            f'<td class="figure" data-head="Baseline">{number(figure["baseline"])}</td>'
            f'<td class="figure faint" data-head="Covers">{cover}</td></tr>'
        )
    names = "".join(f'<th scope="col" class="figure">{heads[name]}</th>' for name in at)
    return (
        f'<h3>{title}</h3><div class="scroll" tabindex="0" role="region" aria-label="{title}: figures">'
        f'<table class="measures"><thead><tr><th scope="col">Figure</th><th scope="col"><span class="hidden">Drawn'
        f'</span></th>{names}<th scope="col" class="figure">Baseline</th>'
        f'<th scope="col" class="figure">Covers</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _value(at: Mapping[str, Any]) -> str:
    if at["value"] is None:
        return "–"
    ends = "" if at["low"] is None else f'<br><span class="faint">[{number(at["low"])}, {number(at["high"])}]</span>'
    return f"<b>{number(at['value'])}</b>{ends}"


def _bar(figure: Mapping[str, Any], at: tuple[str, ...]) -> str:
    """Values, intervals and the baseline on a line from 0 to 1; nothing for what goes beyond."""
    shown = [figure[name] for name in at if figure[name]["value"] is not None]
    ends = [value for one in shown for value in one.values() if value is not None] + [figure["baseline"] or 0.0]
    if not shown or max(ends) > 1:
        return ""
    marks = ['<line class="axis" x1="6" x2="194" y1="15" y2="15"/>']
    if figure["baseline"] is not None:
        x = 6 + 188 * figure["baseline"]
        marks.append(f'<path class="baseline" d="M{x:.1f} 3V27"/>')
    for place, (name, one) in enumerate((name, figure[name]) for name in at if figure[name]["value"] is not None):
        y = 15 if len(at) == 1 else 9 + 12 * place
        if one["low"] is not None:
            low, high = 6 + 188 * one["low"], 6 + 188 * one["high"]
            marks.append(f'<line class="interval {name}" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>')
        marks.append(f'<circle class="point {name}" cx="{6 + 188 * one["value"]:.1f}" cy="{y}" r="2.5"/>')
    return f'<svg viewBox="0 0 200 30" width="200" height="30" aria-hidden="true">{"".join(marks)}</svg>'


def _making(page: Mapping[str, Any]) -> str:
    report = page["report"]
    told = report["answering"]
    sentences = [*report["notes"]]
    if told:
        kinds = ", ".join(f"{kind} ({count})" for kind, count in told["calibration"].items())
        sentences.append(f"Decision: {told['guarantee'] or told['decision']}. Calibration (labels): {kinds}.")
    plan = "".join(
        f"<tr><th scope='row'><code>{escaped(name)}</code></th><td>{escaped('–' if value is None else value)}</td></tr>"
        for name, value in report["plan"].items()
    )
    table = f'<table class="plan"><tbody>{plan}</tbody></table>'
    settings = f"<details><summary>Every setting of the training</summary>{table}</details>" if plan else ""
    made = f"<p class='faint'>Made by manyhot {escaped(page['made_with'])}.</p>"
    return _section("making", f"<ul>{_listed(sentences)}</ul>{settings}{made}")
