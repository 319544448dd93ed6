"""Draw charts of plain JSON values with altair, and save them as SVG, PNG or HTML without a browser or a network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from manyhot.errors import InputError, how_to_install
from manyhot.evaluation.chart_theme import BLUE, CONFIG, FAINT, INK, ORANGE, STRONG, TEXT_SIZE, TITLE_SIZE, inline_svg
from manyhot.evaluation.metrics import METRICS
from manyhot.evaluation.metrics.registry import is_informative
from manyhot.files import atomic_write, check_target, write_all

SUFFIXES = (".svg", ".png", ".html")
MAX_LABELS = 60  # labels drawn one by one; of more the most frequent ones
MAX_ROW_LABELS = 30  # labels of one row drawn one by one
MAX_PAIRS = 20  # pairs of labels drawn where the labels are too many for a matrix
CELL = 18  # pixels of a matrix cell
K = 5  # places of metrics at k


def can_plot() -> bool:
    """Whether the extra `pictures` is installed."""
    return all(map(find_spec, ("altair", "vl_convert")))


def require_pictures() -> None:
    """Raise `InputError` where the extra `pictures` is not installed."""
    if not can_plot():
        raise InputError(f"pictures are an extra; install it with: {how_to_install('pictures')}")


def import_altair() -> Any:
    """Import altair, which is heavy and comes with the extra `pictures`."""
    require_pictures()
    import altair

    return altair


class Chart:
    """A chart that a notebook shows as a picture, without a script and without a network.

    Args:
        altair: The Altair chart, to be changed or combined with others.
        title: What the chart shows, in a few words.
    """

    def __init__(self, altair: Any, title: str) -> None:
        self.altair = altair.configure(**CONFIG)
        self.title = title

    def to_dict(self) -> dict[str, Any]:
        """The chart as a Vega-Lite specification."""
        return self.altair.to_dict()

    def to_svg(self) -> str:
        """The chart as an SVG document."""
        import vl_convert  # heavy, and only for pictures

        return vl_convert.vegalite_to_svg(self.altair.to_json())

    def save(self, path: str | Path) -> None:
        """Write the chart, whole or not at all.

        Args:
            path: File to write (.svg, .png or .html).

        Raises:
            InputError: Another suffix.
            OutputError: A folder that does not exist.
        """
        save_chart(self, path)

    def __repr__(self) -> str:
        return f"<Chart: {self.title}; to write it: .save('chart.svg')>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """HTML in the page's colours, and an SVG with its own background for what shows no HTML."""
        svg = self.to_svg()
        name = hashlib.sha256(svg.encode()).hexdigest()[:8]
        return {"text/plain": repr(self), "text/html": inline_svg(svg, f"chart-{name}"), "image/svg+xml": svg}


def check_plot_path(path: str | Path | None) -> Path | None:
    """Check a path for a chart before the work is done: its suffix, its folder, and that charts can be drawn at all."""
    if path is None:
        return None
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"got {path.name!r}, expected a name that ends in {', '.join(SUFFIXES)}", argument="picture")
    check_target(path)
    require_pictures()
    return path


def save_chart(chart: Chart, path: str | Path | None) -> Chart:
    """Write a chart as .svg, .png or .html, whole or not at all, to None nowhere; gives the chart back."""
    path = check_plot_path(path)
    if path is None:
        return chart
    kind = path.suffix.lower()[1:]
    import vl_convert  # heavy, and only for pictures

    if kind == "svg":
        content = chart.to_svg().encode()
    elif kind == "png":
        content = vl_convert.vegalite_to_png(chart.altair.to_json(), scale=2)
    else:
        content = vl_convert.vegalite_to_html(chart.altair.to_json(), bundle=True).encode()
    with atomic_write(path) as descriptor:
        write_all(descriptor, memoryview(content))
    return chart


def plot_cv_scores(results: Mapping[str, Mapping[str, Any]], at: str = "decision") -> Chart:
    """Draw every metric per fold, its mean, interval and baseline; `results`: name -> `CrossValidation.to_dict()`."""
    alt = import_altair()
    first_result = next(iter(results.values()))
    n_labels = len(first_result["labels"])
    rows = first_result["metrics"][at]
    names = [name for name, row in rows.items() if _is_share(row) and is_informative(name, n_labels)]
    panels = []
    for is_higher_better, heading in ((True, "Higher is better"), (False, "Lower is better")):
        selected = [name for name in names if METRICS[name].higher_is_better is is_higher_better]
        if selected:
            panels.append(_cv_panel(alt, results, at, selected, heading))
    title = f"Cross-validation over {first_result['n_fits']} folds"
    thresholds = "thresholds tuned within each fold" if at == "decision" else "threshold 0.5 for every label"
    notes = [thresholds, "dot: mean; line: 95% interval; ticks: folds; diamond: constant prediction"]
    return Chart(
        alt.vconcat(*panels).resolve_scale(color="shared").properties(title=chart_heading(alt, title, notes)), title
    )


def _is_share(row: Mapping[str, Any]) -> bool:
    """Whether a metric can be drawn from 0 to 1; a count, such as coverage error, has another axis."""
    return row["mean"] is not None and row["mean"] <= 1


def _cv_panel(alt: Any, results: Mapping[str, Mapping[str, Any]], at: str, names: Sequence[str], heading: str) -> Any:
    """Metrics with one direction of better."""
    titles = {name: METRICS[name].title.format(k=K) for name in names}
    fold_scores, means = [], []
    for setting, result in results.items():
        for name in names:
            row = result["metrics"][at].get(name)
            if row is None or not _is_share(row):
                continue
            common = {"metric": titles[name], "setting": setting}
            fold_scores += [{**common, "score": value} for value in row["folds"] if value is not None]
            means.append({**common, **{key: row[key] for key in ("mean", "low", "high", "baseline")}})
    has_settings = len(results) > 1
    y = alt.Y("metric:N", sort=list(titles.values()), title=None, axis=alt.Axis(labelColor=INK))
    offset = {"yOffset": alt.YOffset("setting:N", sort=list(results))} if has_settings else {}
    colours = alt.Scale(domain=list(results), range=[BLUE, ORANGE][: len(results)])
    colour = alt.Color("setting:N", title=None, scale=colours) if has_settings else alt.value(BLUE)
    x = alt.X("score:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=6))
    ticks = alt.Chart(alt.Data(values=fold_scores)).mark_tick(opacity=0.4, size=9, thickness=1.5)
    data = alt.Data(values=means)
    tooltip = ["metric:N", *(alt.Tooltip(f"{key}:Q", format=".3f") for key in ("mean", "low", "high", "baseline"))]
    lines = alt.Chart(data).mark_rule(size=2).encode(x="low:Q", x2="high:Q", y=y, color=colour, **offset)
    points = alt.Chart(data).mark_point(filled=True, size=60, opacity=1)
    baselines = alt.Chart(data).mark_point(shape="diamond", filled=True, opacity=1, size=55, color=STRONG)
    layers = alt.layer(
        baselines.encode(x="baseline:Q", y=y, **offset),
        ticks.encode(x=x, y=y, color=colour, **offset),
        lines,
        points.encode(x="mean:Q", y=y, color=colour, tooltip=tooltip, **offset),
    )
    return layers.properties(
        width=480,
        height=alt.Step(24 if not has_settings else 16 * len(results) + 6, **{"for": "position"}),
        title=heading,
    )


def plot_heads(values: Mapping[str, Any]) -> Chart:
    """Draw one sample's probabilities under each output function; `values` is `Heads.to_dict()`."""
    alt = import_altair()
    sample, heads, labels = values["sample"], values["heads"], values["labels"]
    is_true, last_scores = sample["true"], list(heads.values())[-1]["sample"]
    order = sorted(range(len(labels)), key=lambda j: (not is_true[j], -last_scores[j]))[:MAX_ROW_LABELS]
    sums = {name: f"{name}|probabilities sum to {sum(head['sample']):.2f}" for name, head in heads.items()}
    kinds = ("label of the row", "other label")
    rows = [
        {
            "head": sums[name],
            "label": labels[j],
            "probability": head["sample"][j],
            "kind": kinds[not is_true[j]],
        }
        for name, head in heads.items()
        for j in order
    ]
    legend = alt.Legend(columns=len(kinds))
    colour = alt.Color("kind:N", title=None, legend=legend, scale=alt.Scale(domain=list(kinds), range=[BLUE, STRONG]))
    bars = (
        alt.Chart()
        .mark_bar(height={"band": 0.7})
        .encode(
            x=alt.X(
                "probability:Q", title="predicted probability", scale=alt.Scale(domain=[0, 1]), axis=_unit_axis(alt)
            ),
            y=alt.Y("label:N", sort=[labels[j] for j in order], title=None, axis=alt.Axis(labelColor=INK)),
            color=colour,
            tooltip=["label:N", alt.Tooltip("probability:Q", format=".3f"), "kind:N"],
        )
    )
    middle = alt.Chart().mark_rule(strokeDash=[4, 3], color=FAINT).encode(x=alt.datum(0.5))
    title = f"Predicted probabilities of row {sample['row']} under three output functions"
    notes = ["dashed: threshold 0.5"]
    if len(order) < len(labels):
        notes[0] += f"; {len(order)} of {len(labels)} labels: those of the row, then the most probable"
    header = alt.Header(labelExpr="split(datum.value, '|')", labelLimit=0)
    column = alt.Column("head:N", sort=list(sums.values()), title=None, header=header)
    layers = alt.layer(bars, middle, data=alt.Data(values=rows)).properties(width=230, height=alt.Step(20))
    return Chart(layers.facet(column=column).properties(title=chart_heading(alt, title, notes)), title)


def plot_labels(facts: Mapping[str, Any]) -> Chart:
    """Draw label frequencies, label set sizes and co-occurrence; `facts` is `DataChecks.to_dict()["facts"]`."""
    alt = import_altair()
    top_labels = sorted(facts["per_label"], key=lambda row: -row["support"])[:MAX_LABELS]
    order = [row["label"] for row in top_labels]
    n_labels = len(facts["per_label"])
    heading = "Rows per label" if n_labels == len(order) else f"Rows per label, the {len(order)} most frequent"
    frequencies = _count_bars(alt, top_labels, "label", order, "support").properties(title=heading)
    sizes = _size_bars(alt, facts["label_set_sizes"])
    title = f"{n_labels} label{'s' * (n_labels != 1)} of {facts['rows']} row{'s' * (facts['rows'] != 1)}"
    found = facts["co_occurrence"]
    if found is None or len(found["labels"]) > MAX_LABELS:
        panels = alt.hconcat(frequencies, alt.vconcat(*_pair_bars(alt, facts["top_pairs"]), sizes))
    elif n_labels < 2:
        panels = alt.vconcat(frequencies, sizes)
    else:
        matrix = _co_occurrence(alt, facts, order)
        panels = alt.hconcat(alt.vconcat(frequencies, sizes), matrix).resolve_legend(opacity="independent")
    return Chart(panels.properties(title=chart_heading(alt, title)), title)


def _count_bars(
    alt: Any, rows: Sequence[Mapping[str, Any]], name: str, order: Sequence[str], count: str, width: int = 260
) -> Any:
    """Bars of counts, each with its number behind it."""
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X(f"{count}:Q", title=None, axis=None),
        y=alt.Y(f"{name}:N", sort=list(order), title=None, axis=alt.Axis(labelColor=INK)),
    )
    numbers = base.mark_text(align="left", dx=5, fontSize=TEXT_SIZE, color=FAINT)
    bars = base.mark_bar(color=BLUE, height={"band": 0.7}) + numbers.encode(text=alt.Text(f"{count}:Q", format=","))
    return bars.properties(width=width, height=alt.Step(CELL))


def _size_bars(alt: Any, sizes: Sequence[int]) -> Any:
    rows = [{"size": str(size), "rows": count} for size, count in enumerate(sizes) if count]
    order = [str(row["size"]) for row in rows]
    return _count_bars(alt, rows, "size", order, "rows").properties(title="Rows by number of labels")


def _pair_bars(alt: Any, pairs: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The most frequent pairs of labels, where the labels are too many for a matrix."""
    rows = [{"pair": " + ".join(pair["labels"]), "rows": pair["rows"]} for pair in pairs[:MAX_PAIRS]]
    if not rows:
        return []
    heading = f"Rows with both labels, the {len(rows)} most frequent pairs"
    return [_count_bars(alt, rows, "pair", [row["pair"] for row in rows], "rows").properties(title=heading)]


def _co_occurrence(alt: Any, facts: Mapping[str, Any], order: Sequence[str]) -> Any:
    """A matrix: of the rows with one label, the share that also has another."""
    names, counts = facts["co_occurrence"]["labels"], facts["co_occurrence"]["counts"]
    support = {row["label"]: row["support"] for row in facts["per_label"]}
    cells = [
        {"of": a, "also": b, "share": counts[i][j] / max(support[a], 1), "rows": counts[i][j]}
        for i, a in enumerate(names)
        for j, b in enumerate(names)
        if i != j
    ]
    is_short = max(map(len, names)) <= 2
    angle = {} if is_short else {"labelAngle": -45, "labelAlign": "right", "labelBaseline": "top", "labelLimit": 140}
    x_axis = alt.Axis(labelColor=INK, labelOverlap=False, grid=False, **angle)
    share = alt.Opacity(
        "share:Q",
        title=None,
        scale=alt.Scale(domain=[0, 1], range=[0.04, 1]),
        legend=alt.Legend(format=".0%", values=[0, 0.25, 0.5, 0.75, 1], columns=5, symbolType="square"),
    )
    return (
        alt.Chart(alt.Data(values=cells))
        .mark_rect(color=BLUE)
        .encode(
            x=alt.X("also:N", sort=list(order), title=None, axis=x_axis),
            y=alt.Y(
                "of:N", sort=list(order), title=None, axis=alt.Axis(labelColor=INK, labelOverlap=False, grid=False)
            ),
            opacity=share,
            tooltip=["of:N", "also:N", alt.Tooltip("share:Q", format=".1%"), "rows:Q"],
        )
        .properties(
            width=alt.Step(CELL),
            height=alt.Step(CELL),
            title=alt.TitleParams(
                "Labels that occur together", subtitle="share of the row's label that also has the column's"
            ),
        )
    )


def plot_reliability(panels: Mapping[str, Mapping[str, Any]]) -> Chart:
    """Draw calibration curves; `panels`: title -> "before" and "after" -> `Reliability.to_rows()`."""
    alt = import_altair()
    settings = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    rows = [
        {"panel": panel, "setting": name, **row}
        for panel, bins_by_setting in panels.items()
        for name, bins in bins_by_setting.items()
        for row in bins
    ]
    scale = alt.Scale(domain=[0, 1])
    colours = alt.Scale(domain=settings, range=[BLUE] if len(settings) == 1 else [ORANGE, BLUE])
    legend = None if len(settings) == 1 else alt.Legend(columns=len(settings))
    colour = alt.Color("setting:N", title=None, scale=colours, legend=legend)
    x = alt.X("score:Q", title="predicted probability", scale=scale, axis=_unit_axis(alt))
    y_title = "share of rows with the label"
    share = alt.Y("share:Q", title=y_title, scale=scale, axis=_unit_axis(alt))
    corners = {"x": alt.datum(0), "x2": alt.datum(1), "y": alt.datum(0), "y2": alt.datum(1)}
    diagonal = alt.Chart().mark_rule(strokeDash=[4, 3], color=STRONG).encode(**corners)
    lines = alt.Chart().mark_line(size=1.5, opacity=0.7).encode(x=x, y=share, color=colour)
    bars = (
        alt.Chart()
        .mark_rule(size=2, opacity=0.5)
        .encode(x=x, y=alt.Y("low:Q", scale=scale, title=y_title, axis=_unit_axis(alt)), y2="high:Q", color=colour)
    )
    tooltip = ["setting:N", *(alt.Tooltip(f"{key}:Q", format=".3f") for key in ("score", "share", "low", "high"))]
    points = (
        alt.Chart()
        .mark_point(filled=True, size=45, opacity=1)
        .encode(x=x, y=share, color=colour, tooltip=[*tooltip, "count:Q"])
    )
    title = "Calibration curves"
    notes = ["dots: bins of equal size; lines: 95% intervals; dashed: perfect calibration"]
    panel = alt.Facet("panel:N", sort=list(panels), title=None)
    layers = alt.layer(diagonal, lines, bars, points, data=alt.Data(values=rows)).properties(width=220, height=220)
    return Chart(layers.facet(panel, columns=3).properties(title=chart_heading(alt, title, notes)), title)


def chart_heading(alt: Any, title: str, notes: Sequence[str] = ()) -> Any:
    """The title of a whole chart, with what its marks mean."""
    return alt.TitleParams(title, subtitle=list(notes), frame="bounds", fontSize=TITLE_SIZE)


def _unit_axis(alt: Any) -> Any:
    """Ticks from 0 to 1 that never collide."""
    return alt.Axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1], format=".1f")
