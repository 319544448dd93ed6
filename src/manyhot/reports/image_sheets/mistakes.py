"""The worst mistakes of one label on one sheet: answered where it does not hold, and missed where it does.

`lay_out` says where everything goes, as numbers; `draw_sheet` puts it on a canvas. Models and files are not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from manyhot.reports.image_sheets.canvas import LINE, SOFT, Canvas, cut, fit_size, text_width

MAX_TILES = 18
"""Tiles of each kind of mistake."""
ACROSS = 6
TILE = 128.0
GAP = 16.0
MARGIN = 16.0
UNDER = 40.0
"""Room for the two lines under a tile."""


@dataclass(frozen=True)
class ErrorTile:
    """One wrong image.

    Args:
        title: Its id.
        image: uint8 (h, w, 3); None where there is none.
        score: The label's probability.
    """

    title: str
    image: np.ndarray | None
    score: float


@dataclass(frozen=True)
class ErrorSheet:
    """What went wrong with one label.

    Args:
        label: Its name.
        threshold: On the probability; None where answers do not come from thresholds.
        n_known: Rows of which it is known whether the label holds.
        false_positives: The worst of the rows that are answered and do not carry it, the highest score first.
        n_false_positives: How many there are.
        false_negatives: The worst of the rows that carry it and are not answered, the lowest score first.
        n_false_negatives: How many there are.
    """

    label: str
    threshold: float | None
    n_known: int
    false_positives: Sequence[ErrorTile]
    n_false_positives: int
    false_negatives: Sequence[ErrorTile]
    n_false_negatives: int


@dataclass(frozen=True)
class Part:
    """One kind of mistake on the sheet.

    Attributes:
        heading: Its words.
        y: Their baseline.
        tiles: (x, y) of each tile.
    """

    heading: str
    y: float
    tiles: tuple[tuple[float, float], ...]


def worst(
    scores: np.ndarray, decisions: np.ndarray, is_positive: np.ndarray, known: np.ndarray
) -> tuple[list[int], list[int]]:
    """All rows answered wrongly, the highest score first, and all that were missed, the lowest score first.

    Args:
        scores: float (n,) of one label.
        decisions: bool (n,).
        is_positive: bool (n,), where known.
        known: bool (n,).
    """
    false_positives, false_negatives = (
        np.flatnonzero(decisions & ~is_positive & known),
        np.flatnonzero(~decisions & is_positive & known),
    )
    by_score = false_positives[np.argsort(-scores[false_positives], kind="stable")]
    return by_score.tolist(), false_negatives[np.argsort(scores[false_negatives], kind="stable")].tolist()


def lay_out(errors: ErrorSheet) -> tuple[float, float, tuple[Part, ...]]:
    """Width and height of the sheet, and its parts."""
    y = MARGIN + 48
    parts = []
    content_width = max(440.0, text_width(_subtitle(errors), 13))
    for caption, tiles, n in (
        ("Answered, but the label does not hold", errors.false_positives, errors.n_false_positives),
        ("Missed: the label holds, but is not answered", errors.false_negatives, errors.n_false_negatives),
    ):
        if not n:
            continue
        y += 26
        heading = f"{caption}: {n}" if n <= len(tiles) else f"{caption}: {n}, here the {len(tiles)} worst"
        places = [
            (MARGIN + (k % ACROSS) * (TILE + GAP), y + 12 + (k // ACROSS) * (TILE + UNDER)) for k in range(len(tiles))
        ]
        parts.append(Part(heading, y, tuple(places)))
        row_width = min(len(tiles), ACROSS) * (TILE + GAP) - GAP
        content_width = max(content_width, row_width, text_width(heading, 13, True))
        y += 12 + -(-len(tiles) // ACROSS) * (TILE + UNDER)
    return 2 * MARGIN + content_width, y + MARGIN, tuple(parts)


def draw_sheet(errors: ErrorSheet) -> Canvas:
    """The sheet of one label."""
    width, height, parts = lay_out(errors)
    sheet = Canvas(width, height)
    sheet.text(MARGIN, MARGIN + 14, cut(errors.label, 16, width - 2 * MARGIN, True), 16, is_bold=True)
    sheet.text(MARGIN, MARGIN + 35, _subtitle(errors), 13, colour=SOFT)
    present = [
        tiles
        for tiles, n in (
            (errors.false_positives, errors.n_false_positives),
            (errors.false_negatives, errors.n_false_negatives),
        )
        if n
    ]
    for part, tiles in zip(parts, present, strict=True):
        sheet.text(MARGIN, part.y, part.heading, 13, is_bold=True)
        for (x, y), tile in zip(part.tiles, tiles, strict=True):
            _draw_tile(sheet, x, y, tile, errors.threshold)
    return sheet


def _subtitle(errors: ErrorSheet) -> str:
    n_wrong = errors.n_false_positives + errors.n_false_negatives
    threshold_text = "" if errors.threshold is None else f"; threshold {errors.threshold:.2f}"
    return f"{n_wrong} of {errors.n_known} rows wrong{threshold_text}"


def _draw_tile(sheet: Canvas, x: float, y: float, tile: ErrorTile, threshold: float | None) -> None:
    if tile.image is None:
        sheet.box(x, y, TILE, TILE, "#f1f1f1", LINE)
        sheet.text(x + TILE / 2, y + TILE / 2 + 4, "no image", 12, colour=SOFT, anchor="middle")
    else:
        width, height = fit_size(tile.image.shape, TILE)
        sheet.image(x + (TILE - width) / 2, y + TILE - height, tile.image, width, height)
    value = f"{tile.score:.2f}"
    sheet.text(x, y + TILE + 15, value, 13, is_bold=True)
    if threshold is not None:
        comparison = f"{'≥' if tile.score >= threshold else '<'} {threshold:.2f}"
        sheet.text(x + text_width(value, 13, True) + 5, y + TILE + 15, comparison, 12, colour=SOFT)
    sheet.text(x, y + TILE + 30, cut(tile.title, 11, TILE, False), 11, colour=SOFT)
