"""One row answered: its images beside bars of its labels' probabilities, and maps of what spoke for the answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from manyhot.reports.image_sheets.canvas import BLUE, DENSITY, GREY, INK, LINE, SOFT, Canvas, cut, fit_size, text_width
from manyhot.reports.image_sheets.heatmap import overlay_heatmap, ramp, shared_strength, smooth

MAX_LABELS = 40  # labels drawn one by one; of more the likeliest ones, answered ones first of all
# up to so many labels stay in the model's order, so that pictures can be compared; more are ordered by probability
MAX_IN_ORDER = 15
MAX_MAPS = 12
MARGIN = 16.0
IMAGE_BOX = 320.0
MAP_BOX = 176.0
BAR_WIDTH = 240.0
NAME_WIDTH = 260.0
VALUE_WIDTH = 44.0
TICK_WIDTH = 17.0
GAP = 6.0
SCALE_WIDTH = 90.0
NOT_ANSWERED = " (not predicted)"
WIDEST_SUMS = "for +888.88, against \u2212888.88"  # what stands under a map has room for so much
# up to so many labels: units of a row, units of its letters
STEPS = ((12, 24.0, 13.0), (24, 20.0, 13.0), (MAX_LABELS, 17.0, 12.0))


@dataclass(frozen=True)
class PredictionSheet:
    """What is known of one row.

    Args:
        title: Its id.
        images: uint8 (h, w, 3), one for each column of images; None where there is none.
        labels: Names of all l labels.
        scores: Probabilities (l,).
        predictions: bool (l,).
        thresholds: float (l,), on the probabilities; None where answers do not come from thresholds.
        maps: Label's index -> (image as the network gets it, uint8 (h, w, 3); what each pixel adds (h, w)), one for
            each column of images.
    """

    title: str
    images: Sequence[np.ndarray | None]
    labels: Sequence[str]
    scores: np.ndarray
    predictions: np.ndarray
    thresholds: np.ndarray | None = None
    maps: Mapping[int, Sequence[tuple[np.ndarray, np.ndarray]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Bar:
    """Where one label's bar goes."""

    label: int
    name: str  # cut
    y: float  # the middle of its row
    x0: float
    x1: float
    threshold: float | None  # x of its mark
    is_predicted: bool


@dataclass(frozen=True)
class Layout:
    """Where everything goes, in units."""

    width: float
    height: float
    title: str  # cut
    images: tuple[tuple[float, float, float, float], ...]  # x, y, width, height
    bars: tuple[Bar, ...]
    row: float  # height of a label's row
    letters: float  # size of its letters
    axis_y: float  # where the axis under the bars lies
    more: str  # a line on the labels left out, or nothing
    maps: tuple[tuple[int, int, float, float, float, float], ...]  # label, image column, x, y, width, height
    maps_y: float  # where the maps' heading stands
    more_maps: int  # how many answered labels have no room for their map


def shown_labels(scores: np.ndarray, decisions: np.ndarray) -> tuple[list[int], str]:
    """Which labels are drawn, in their order, and a line on the others."""
    n = len(scores)
    if n <= MAX_IN_ORDER:
        return list(range(n)), ""
    ranked = np.lexsort((np.arange(n), -scores, ~decisions))
    selected, remaining = ranked[:MAX_LABELS], ranked[MAX_LABELS:]
    order = selected[np.lexsort((selected, -scores[selected]))].tolist()
    if not len(remaining):
        return order, ""
    bound = math.floor(float(scores[remaining].max()) * 100 + 1) / 100
    n_predicted = int(decisions[remaining].sum())
    predicted_text = f", {n_predicted} of them predicted" if n_predicted else ""
    return order, f"and {len(remaining)} more{f' below {bound:.2f}' if bound <= 1 else ''}{predicted_text}"


def lay_out(row: PredictionSheet) -> Layout:
    """Where everything goes."""
    order, more = shown_labels(np.asarray(row.scores), np.asarray(row.predictions))
    height, letters = next((height, letters) for max_labels, height, letters in STEPS if len(order) <= max_labels)
    top = MARGIN + 32
    max_edge = IMAGE_BOX if len(row.images) == 1 else IMAGE_BOX * 0.6
    images, y = [], top
    for image in row.images:
        width, image_height = fit_size((1, 1) if image is None else image.shape, max_edge)
        images.append((MARGIN, y, width, image_height))
        y += image_height + 10
    names_x = MARGIN + max(width for _, _, width, _ in images) + 28
    widest = max(text_width(row.labels[j], letters, bool(row.predictions[j])) for j in order)
    names_width = min(max(widest, 40.0), NAME_WIDTH)
    x0 = names_x + names_width + TICK_WIDTH + GAP
    bars = []
    for k, j in enumerate(order):
        is_predicted = bool(row.predictions[j])
        threshold_x = None if row.thresholds is None else x0 + BAR_WIDTH * min(max(float(row.thresholds[j]), 0.0), 1.0)
        name = cut(row.labels[j], letters, names_width, is_predicted)
        end = x0 + BAR_WIDTH * float(row.scores[j])
        bars.append(Bar(j, name, top + height * (k + 0.5), x0, end, threshold_x, is_predicted))
    axis_y = top + height * len(order) + 2
    mapped_labels = [j for j in order if j in row.maps][:MAX_MAPS]
    more_maps = len(row.maps) - len(mapped_labels)
    width = x0 + max(BAR_WIDTH + VALUE_WIDTH, text_width(more, 12)) + MARGIN
    if mapped_labels:
        width = max(width, _scale_places(more_maps)[-1] + MARGIN)
    bottom = max(y - 10, axis_y + 40 + (16 if more else 0))
    maps_y = bottom + 34
    maps = _lay_out_maps(row, mapped_labels, width, maps_y + 34)
    if maps:
        bottom = max(y + image_height + 22 for _, _, _, y, _, image_height in maps)
    title = cut(row.title, 15, width - 2 * MARGIN, True)
    size = (width, bottom + MARGIN)
    return Layout(*size, title, tuple(images), tuple(bars), height, letters, axis_y, more, maps, maps_y, more_maps)


def _lay_out_maps(
    row: PredictionSheet, labels: Sequence[int], width: float, y: float
) -> tuple[tuple[int, int, float, float, float, float], ...]:
    pairs = [(j, k) for j in labels for k in range(len(row.maps[j]))]
    sizes = [fit_size(row.maps[j][k][0].shape, MAP_BOX) for j, k in pairs]
    step = max([_caption_width(), *(map_width for map_width, _ in sizes)]) + 14
    n_across = max(1, int((width - 2 * MARGIN + 14) // step))
    places = []
    for first in range(0, len(pairs), n_across):
        line = list(zip(pairs, sizes, strict=True))[first : first + n_across]
        for k, ((label, column), (map_width, map_height)) in enumerate(line):
            places.append((label, column, MARGIN + k * step, y, map_width, map_height))
        y += max(map_height for _, (_, map_height) in line) + 48
    return tuple(places)


def _caption_width() -> float:
    """Room for the words over and under a map, however narrow it is."""
    return max(MAP_BOX * 0.8, text_width(WIDEST_SUMS, 11))


def _maps_heading(more_maps: int) -> str:
    return f"What spoke for and against{f' (and {more_maps} more)' if more_maps else ''}"


def _scale_places(more_maps: int) -> tuple[float, float, float, float]:
    """Where, beside the heading of the maps, "against", the colours and "for" begin, and where all ends."""
    against = MARGIN + text_width(_maps_heading(more_maps), 13, True) + 22
    colours = against + text_width("against", 12) + 8
    end = colours + SCALE_WIDTH + 9
    return against, colours, end, end + text_width("for", 12)


def draw_sheet(row: PredictionSheet) -> Canvas:
    """The sheet of one row."""
    layout = lay_out(row)
    sheet = Canvas(layout.width, layout.height)
    sheet.text(MARGIN, MARGIN + 14, layout.title, 15, is_bold=True)
    for (x, y, width, height), image in zip(layout.images, row.images, strict=True):
        if image is None:
            sheet.box(x, y, width, height, "#f1f1f1", LINE)
            sheet.text(x + width / 2, y + height / 2 + 4, "no image", 13, colour=SOFT, anchor="middle")
        else:
            sheet.image(x, y, image, width, height)
    _draw_bars(sheet, layout, row)
    if layout.maps:
        _draw_maps(sheet, layout, row)
    return sheet


def _draw_bars(sheet: Canvas, layout: Layout, row: PredictionSheet) -> None:
    x0 = layout.bars[0].x0
    top = layout.bars[0].y - layout.row / 2
    for share in (0.0, 0.5, 1.0):
        sheet.line(x0 + BAR_WIDTH * share, top, x0 + BAR_WIDTH * share, layout.axis_y + 3, LINE)
        sheet.text(x0 + BAR_WIDTH * share, layout.axis_y + 15, f"{share:g}", 11, colour=SOFT, anchor="middle")
    thickness = layout.row * 0.62
    for bar in layout.bars:
        base = bar.y + layout.letters * 0.35
        sheet.box(bar.x0, bar.y - thickness / 2, bar.x1 - bar.x0, thickness, BLUE if bar.is_predicted else GREY)
        end = bar.x0 - TICK_WIDTH - GAP
        sheet.text(end, base, bar.name, layout.letters, bar.is_predicted, INK if bar.is_predicted else SOFT, "end")
        if bar.is_predicted:
            sheet.tick(end + GAP, base, layout.letters * 0.85, BLUE)
        if bar.threshold is not None:
            _draw_threshold(sheet, bar.threshold, bar.y, layout.row)
        value = f"{float(row.scores[bar.label]):.2f}"
        colour = INK if bar.is_predicted else SOFT
        sheet.text(x0 + BAR_WIDTH + VALUE_WIDTH, base, value, layout.letters, bar.is_predicted, colour, "end")
    legend_y = layout.axis_y + 32
    if layout.more:
        sheet.text(x0, legend_y, layout.more, 12, colour=SOFT)
        legend_y += 17
    sheet.tick(x0, legend_y, 10, BLUE)
    sheet.text(x0 + 15, legend_y, "predicted", 12, is_bold=True)
    if row.thresholds is not None:
        x = x0 + 15 + text_width("predicted", 12, True) + 22
        _draw_threshold(sheet, x, legend_y - 4, 17)
        sheet.text(x + 8, legend_y, "threshold", 12, colour=SOFT)


def _draw_threshold(sheet: Canvas, x: float, y: float, row: float) -> None:
    """A threshold: a dark line with a light edge, to be seen on a bar and beside it."""
    sheet.line(x, y - row * 0.42, x, y + row * 0.42, "#ffffff", 4)
    sheet.line(x, y - row * 0.42, x, y + row * 0.42, INK, 1.8)


def _draw_maps(sheet: Canvas, layout: Layout, row: PredictionSheet) -> None:
    smoothed = {(j, k): smooth(row.maps[j][k][1]) for j, k, *_ in layout.maps}
    strength = shared_strength(smoothed.values())
    against, colours, end, _ = _scale_places(layout.more_maps)
    sheet.text(MARGIN, layout.maps_y, _maps_heading(layout.more_maps), 13, is_bold=True)
    sheet.text(against, layout.maps_y, "against", 12, colour=SOFT)
    sheet.image(colours, layout.maps_y - 10, ramp(180, 22), SCALE_WIDTH, 11)
    sheet.text(end, layout.maps_y, "for", 12, colour=SOFT)
    for j, k, x, y, width, height in layout.maps:
        heat, max_width = smoothed[j, k], max(width, _caption_width())
        if row.predictions[j]:
            sheet.text(x, y - 7, cut(row.labels[j], 12, max_width, True), 12, is_bold=True)
        else:
            name = cut(row.labels[j], 12, max_width - text_width(NOT_ANSWERED, 12))
            sheet.text(x, y - 7, name + NOT_ANSWERED, 12, colour=SOFT)
        sheet.image(x, y, overlay_heatmap(row.maps[j][k][0], heat, strength, round(DENSITY * MAP_BOX)), width, height)
        sums = f"for {_signed(heat[heat > 0].sum())}, against {_signed(heat[heat < 0].sum())}"
        sheet.text(x, y + height + 15, sums, 11, colour=SOFT)


def _signed(value: float) -> str:
    """A number with its sign, without decimals where it is large."""
    return f"{value:+.{2 if abs(value) < 999.995 else 0}f}".replace("-", "\u2212")
