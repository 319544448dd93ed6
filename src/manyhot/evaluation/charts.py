"""Draw charts of plain JSON values with altair, and save them as SVG, PNG or HTML without a browser or a network."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from manyhot.errors import InputError, OutputError
from manyhot.files import atomic_write, write_all

SUFFIXES = (".svg", ".png", ".html")
BLUE, ORANGE, GREY = "#3b6fb6", "#d9822b", "#8a8a8a"
MAX_LABELS = 60  # labels drawn one by one; of more the most frequent ones


def can_plot() -> bool:
    """Whether the extra `pictures` is installed."""
    return all(map(find_spec, ("altair", "vl_convert")))


def require_pictures() -> None:
    """Raise `InputError` where the extra `pictures` is not installed."""
    if not can_plot():
        raise InputError("pictures are an extra; install it with: pip install 'manyhot[pictures]'")


def _altair() -> Any:
    """Import altair, which is heavy and comes with the extra `pictures`."""
    require_pictures()
    import altair

    return altair


def check_plot_path(path: str | Path | None) -> Path | None:
    """Check a path for a chart before the work is done: its suffix, its folder, and that charts can be drawn at all."""
    if path is None:
        return None
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"got {path.name!r}, expected a name that ends in {', '.join(SUFFIXES)}", argument="picture")
    if not path.parent.is_dir():
        raise OutputError(f"{path} could not be written: the folder {path.parent} does not exist; create it first")
    require_pictures()
    return path


def save_chart(chart: Any, path: str | Path | None) -> Any:
    """Write a chart as .svg, .png or .html, whole or not at all, to None nowhere; gives the chart back."""
    path = check_plot_path(path)
    if path is None:
        return chart
    kind = path.suffix.lower()[1:]
    import vl_convert  # heavy, and only for pictures

    document = chart.to_json()
    if kind == "svg":
        content = vl_convert.vegalite_to_svg(document).encode()
    elif kind == "png":
        content = vl_convert.vegalite_to_png(document, scale=2)
    else:
        content = vl_convert.vegalite_to_html(document, bundle=True).encode()
    with atomic_write(path) as descriptor:
        write_all(descriptor, memoryview(content))
    return chart


def plot_cv_scores(results: Mapping[str, Mapping[str, Any]], at: str = "decision") -> Any:
    """Draw every metric per fold, its mean, interval and baseline; `results`: name -> `CrossValidation.to_dict()`."""
    alt = _altair()

    fold_scores, means = [], []
    for name, result in results.items():
        for metric, row in result["metrics"][at].items():
            if row["mean"] is None or row["mean"] > 1:  # a count, such as coverage error, has another axis
                continue
            common = {"metric": metric.replace("_", " "), "setting": name}
            fold_scores += [{**common, "score": value} for value in row["folds"] if value is not None]
            means.append({**common, **{key: row[key] for key in ("mean", "low", "high", "baseline")}})
    order = list(dict.fromkeys(row["metric"] for row in means))
    y = alt.Y("metric:N", sort=order, title=None)
    offset = {"yOffset": alt.YOffset("setting:N")} if len(results) > 1 else {}
    colour = alt.Color("setting:N", title=None) if len(results) > 1 else alt.value(BLUE)
    x = alt.X("score:Q", title="score", scale=alt.Scale(zero=False))
    ticks = (
        alt.Chart(alt.Data(values=fold_scores)).mark_tick(opacity=0.45, size=9).encode(x=x, y=y, color=colour, **offset)
    )
    means_data = alt.Data(values=means)
    bars = alt.Chart(means_data).mark_rule(size=3).encode(x="low:Q", x2="high:Q", y=y, color=colour, **offset)
    points = (
        alt.Chart(means_data)
        .mark_point(filled=True, size=55, opacity=1)
        .encode(x="mean:Q", y=y, color=colour, tooltip=["metric:N", "mean:Q", "low:Q", "high:Q"], **offset)
    )
    diamonds = alt.Chart(means_data).mark_point(shape="diamond", filled=True, opacity=1, size=60, color=GREY)
    baseline = diamonds.encode(x="baseline:Q", y=y, **offset)
    first_result = next(iter(results.values()))
    thresholds_note = "at thresholds tuned inside each fold" if at == "decision" else "at 0.5"
    return alt.layer(ticks, bars, points, baseline).properties(
        width=520,
        height=alt.Step(22 if len(results) == 1 else 9),
        title=alt.TitleParams(
            f"{first_result['n_fits']} folds, {thresholds_note}",
            subtitle="ticks: folds; dot and line: mean and corrected 95 % interval; diamond: prevalence baseline",
            anchor="start",
        ),
    )


def plot_heads(values: Mapping[str, Any]) -> Any:
    """Draw one sample's probabilities under each output function; `values` is `Heads.to_dict()`."""
    alt = _altair()

    true = values["sample"]["true"]
    label_indices = sorted(range(len(true)), key=lambda j: (not true[j], j))[:MAX_LABELS]
    rows = [
        {
            "head": name,
            "label": values["labels"][j],
            "probability": head["sample"][j],
            "carried": "carried" if true[j] else "not carried",
        }
        for name, head in values["heads"].items()
        for j in label_indices
    ]
    data = alt.Data(values=rows)
    colour = alt.Color(
        "carried:N", title="label is", scale=alt.Scale(domain=["carried", "not carried"], range=[BLUE, ORANGE])
    )
    bars = (
        alt.Chart()
        .mark_bar()
        .encode(
            x=alt.X("probability:Q", scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("label:N", sort=[values["labels"][j] for j in label_indices], title=None),
            color=colour,
        )
    )
    midline = alt.Chart().mark_rule(strokeDash=[4, 3], color=GREY).encode(x=alt.datum(0.5))
    sums = ", ".join(f"{sum(head['sample']):.2f}" for head in values["heads"].values())
    title = alt.TitleParams(
        f"Row {values['sample']['row']} carries {sum(true)} labels; its probabilities sum to {sums}", anchor="start"
    )
    column = alt.Column("head:N", sort=list(values["heads"]), title=None)
    return alt.layer(bars, midline, data=data).properties(width=230).facet(column=column).properties(title=title)


def plot_labels(facts: Mapping[str, Any]) -> Any:
    """Draw label frequencies, label set sizes and co-occurrence; `facts` is `DataChecks.to_dict()["facts"]`."""
    alt = _altair()

    top_labels = sorted(facts["per_label"], key=lambda row: -row["support"])[:MAX_LABELS]
    order = [row["label"] for row in top_labels]
    n_more = len(facts["per_label"]) - len(top_labels)
    support_chart = (
        alt.Chart(alt.Data(values=top_labels))
        .mark_bar(color=BLUE)
        .encode(
            x=alt.X("support:Q", title="rows that carry it"),
            y=alt.Y("label:N", sort=order, title=None),
            tooltip=["label:N", "support:Q", "known:Q"],
        )
        .properties(title=f"Labels by frequency{f' (of {n_more} more the rarer are left out)' if n_more else ''}")
    )
    size_counts = [{"size": size, "rows": rows} for size, rows in enumerate(facts["label_set_sizes"])]
    sizes_chart = (
        alt.Chart(alt.Data(values=size_counts))
        .mark_bar(color=BLUE)
        .encode(x=alt.X("size:O", title="labels of a row"), y=alt.Y("rows:Q", title="rows"))
        .properties(title="How many labels a row carries", width=260, height=200)
    )
    frequency_column = alt.vconcat(support_chart, sizes_chart)
    co_occurrence = facts["co_occurrence"]
    if co_occurrence is not None and len(co_occurrence["labels"]) <= MAX_LABELS:
        names, counts = co_occurrence["labels"], co_occurrence["counts"]
        support_of = {row["label"]: row["support"] for row in facts["per_label"]}
        cells = [
            {"of": a, "also": b, "share": counts[i][j] / max(support_of[a], 1), "rows": counts[i][j]}
            for i, a in enumerate(names)
            for j, b in enumerate(names)
            if i != j
        ]
        matrix = (
            alt.Chart(alt.Data(values=cells))
            .mark_rect()
            .encode(
                x=alt.X("also:N", sort=order, title="also carry"),
                y=alt.Y("of:N", sort=order, title="of the rows that carry"),
                color=alt.Color("share:Q", scale=alt.Scale(scheme="blues", domain=[0, 1])),
                tooltip=["of:N", "also:N", "share:Q", "rows:Q"],
            )
            .properties(title="Labels that occur together")
        )
        return alt.hconcat(frequency_column, matrix)
    return frequency_column


def plot_reliability(panels: Mapping[str, Mapping[str, Any]]) -> Any:
    """Draw scores beside frequencies; `panels`: title -> "before" and "after" -> `Reliability.to_rows()`."""
    alt = _altair()

    settings = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    rows = [
        {"panel": panel, "setting": name, **row}
        for panel, bins_by_setting in panels.items()
        for name, bins in bins_by_setting.items()
        for row in bins
    ]
    unit_scale = alt.Scale(domain=[0, 1])
    colours = alt.Scale(domain=settings, range=[BLUE] if len(settings) == 1 else [ORANGE, BLUE])
    colour = alt.Color("setting:N", title=None, scale=colours)
    x = alt.X("score:Q", title="mean score", scale=unit_scale)
    share = alt.Y("share:Q", title="share that carry the label", scale=unit_scale)
    corners = {"x": alt.datum(0), "x2": alt.datum(1), "y": alt.datum(0), "y2": alt.datum(1)}
    diagonal = alt.Chart().mark_rule(strokeDash=[4, 3], color=GREY).encode(**corners)
    lines = alt.Chart().mark_line(size=1.5, opacity=0.6).encode(x=x, y=share, color=colour)
    bars = (
        alt.Chart()
        .mark_rule(size=2, opacity=0.5)
        .encode(x=x, y=alt.Y("low:Q", scale=unit_scale), y2="high:Q", color=colour)
    )
    points = (
        alt.Chart()
        .mark_point(filled=True, size=45, opacity=1)
        .encode(x=x, y=share, color=colour, tooltip=["setting:N", "score:Q", "share:Q", "low:Q", "high:Q", "count:Q"])
    )
    title = alt.TitleParams(
        "Scores beside frequencies",
        subtitle="each dot: equally many entries; line: 95 % interval; dashed: scores that can be read as frequencies",
        anchor="start",
    )
    panel = alt.Facet("panel:N", sort=list(panels), title=None)
    layers = alt.layer(diagonal, lines, bars, points, data=alt.Data(values=rows)).properties(width=230, height=230)
    return layers.facet(panel, columns=3).properties(title=title)
