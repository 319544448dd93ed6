"""A chart of a search: the score of every trial, and which settings mattered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from manyhot.evaluation.chart_theme import BLUE, FAINT, INK, STRONG, TEXT_SIZE
from manyhot.evaluation.charts import CELL, Chart, chart_heading, import_altair
from manyhot.evaluation.metrics import METRICS

SETTINGS_DRAWN = 3
WIDTH = 420


def plot_search(values: Mapping[str, Any]) -> Chart:
    """Draw the trials of `Search.to_dict()`: scores in their order, shares of what mattered, the foremost settings."""
    alt = import_altair()
    measured = [trial for trial in values["trials"] if trial["value"] is not None]
    panels = [_progress_panel(alt, values, measured)]
    if values["importances"]:
        panels.append(_importance_panel(alt, values["importances"]))
    names = [name for name in values["importances"] if any(name in trial["params"] for trial in measured)]
    settings = [_setting_panel(alt, values, measured, name) for name in names[:SETTINGS_DRAWN]]
    if settings:
        panels.append(alt.hconcat(*settings))
    title = f"Search over {len(values['trials'])} trials by {METRICS[values['metric']].title.format(k='k')}"
    direction = "higher" if values["better"] == "higher" else "lower"
    notes = [f"out-of-fold scores, {direction} is better; the best is selected on these rows"]
    return Chart(alt.vconcat(*panels).properties(title=chart_heading(alt, title, notes)), title)


def _progress_panel(alt: Any, values: Mapping[str, Any], measured: Sequence[Mapping[str, Any]]) -> Any:
    """Dots of trials, the best so far as steps, the settings given as a dashed line."""
    best_of, best, rows = max if values["better"] == "higher" else min, None, []
    for trial in measured:
        best = trial["value"] if best is None else best_of(best, trial["value"])
        rows.append({"trial": trial["number"], "score": trial["value"], "best": best})
    if rows:
        rows.append({"trial": values["trials"][-1]["number"], "best": best})
    data = alt.Data(values=rows)
    scale = alt.Scale(zero=False)
    x = alt.X("trial:Q", title="trial", axis=alt.Axis(format="d", tickMinStep=1, grid=False))
    steps = (
        alt.Chart(data)
        .mark_line(interpolate="step-after", color=BLUE, size=1.5)
        .encode(x=x, y=alt.Y("best:Q", scale=scale, title=values["metric"]))
    )
    tooltip = ["trial:Q", alt.Tooltip("score:Q", format=".4f")]
    dots = (
        alt.Chart(data)
        .mark_point(filled=True, size=40, color=BLUE, opacity=0.7)
        .encode(x=x, y=alt.Y("score:Q", scale=scale), tooltip=tooltip)
    )
    own_settings = alt.Chart(alt.Data(values=rows[:1])).mark_rule(strokeDash=[4, 3], color=STRONG).encode(y="score:Q")
    chosen = [row for row in rows[:-1] if row["trial"] == values["best_trial"]]
    ring = alt.Chart(alt.Data(values=chosen)).mark_point(size=160, strokeWidth=2, color=INK).encode(x=x, y="score:Q")
    subtitle = [
        "dots: trials that were trained whole; ring: the one that was chosen",
        "line: the best so far; dashed: the settings given",
    ]
    heading = alt.TitleParams("Scores in the order of the trials", subtitle=subtitle)
    return alt.layer(own_settings, steps, dots, ring).properties(width=WIDTH, height=180, title=heading)


def _importance_panel(alt: Any, shares: Mapping[str, float]) -> Any:
    rows = [{"setting": name, "share": share} for name, share in shares.items()]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("share:Q", title=None, axis=None),
        y=alt.Y("setting:N", sort=list(shares), title=None, axis=alt.Axis(labelColor=INK)),
    )
    numbers = base.mark_text(align="left", dx=5, fontSize=TEXT_SIZE, color=FAINT)
    bars = base.mark_bar(color=BLUE, height={"band": 0.7}) + numbers.encode(text=alt.Text("share:Q", format=".0%"))
    subtitle = "share of the differences between trials; of few trials a rough guess"
    return bars.properties(width=260, height=alt.Step(CELL), title=alt.TitleParams("What mattered", subtitle=subtitle))


def _setting_panel(alt: Any, values: Mapping[str, Any], measured: Sequence[Mapping[str, Any]], name: str) -> Any:
    """Scores by the values of one setting."""
    space = values["space"].get(name)
    rows = [
        {"value": trial["params"][name], "score": trial["value"], "trial": trial["number"]}
        for trial in measured
        if name in trial["params"]
    ]
    if isinstance(space, Mapping):
        kind = "log" if space["log"] else "linear"
        x = alt.X(
            "value:Q",
            title=None,
            scale=alt.Scale(type=kind, zero=False, nice=False),
            axis=alt.Axis(tickCount=3, grid=False),
        )
    else:
        for row in rows:
            row["value"] = _text(row["value"])
        x = alt.X("value:N", title=None, sort=[_text(value) for value in space or ()])
    y = alt.Y("score:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=4))
    tooltip = ["trial:Q", "value:N", alt.Tooltip("score:Q", format=".4f")]
    dots = alt.Chart(alt.Data(values=rows)).mark_point(filled=True, size=40, color=BLUE, opacity=0.7)
    return dots.encode(x=x, y=y, tooltip=tooltip).properties(width=150, height=130, title=name)


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
