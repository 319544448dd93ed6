"""The worst mistakes of one label on one sheet: answered where it does not hold, and missed where it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from manyhot.reports.image_sheets.canvas import LINE, SOFT, Canvas, cut, fit_size, text_width

MAX_TILES = 18  # tiles of each kind of mistake
ACROSS = 6
TILE = 128.0
GAP = 16.0
MARGIN = 16.0
UNDER = 40.0  # room for the two lines under a tile


@dataclass(frozen=True)
class ErrorTile:
    """One wrong image."""

    title: str
    image: np.ndarray | None  # uint8 (h, w, 3)
    score: float


@dataclass(frozen=True)
class ErrorSheet:
    """What went wrong with one label."""

    label: str
    threshold: float | None  # None for decisions without thresholds
    n_known: int  # rows where the label is known
    false_positives: Sequence[ErrorTile]  # the worst, highest score first
    n_false_positives: int
    false_negatives: Sequence[ErrorTile]  # the worst, lowest score first
    n_false_negatives: int


@dataclass(frozen=True)
class Part:
    """One kind of mistake on the sheet."""

    heading: str
    y: float  # the heading's baseline
    tiles: tuple[tuple[float, float], ...]  # (x, y) of each tile


def worst(
    scores: np.ndarray, decisions: np.ndarray, is_positive: np.ndarray, known: np.ndarray
) -> tuple[list[int], list[int]]:
    """Rows (n,) of one label answered wrongly, the highest score first, and missed, the lowest score first."""
    wrong = np.flatnonzero(decisions & ~is_positive & known)
    missed = np.flatnonzero(~decisions & is_positive & known)
    wrong, missed = wrong[np.argsort(-scores[wrong], kind="stable")], missed[np.argsort(scores[missed], kind="stable")]
    return wrong.tolist(), missed.tolist()


def lay_out(errors: ErrorSheet) -> tuple[float, float, tuple[Part, ...]]:
    """Width and height of the sheet, and its parts."""
    y = MARGIN + 48
    parts = []
    content_width = max(440.0, text_width(_subtitle(errors), 13))
    for caption, tiles, n in (
        ("False positives: predicted, but the label does not hold", errors.false_positives, errors.n_false_positives),
        ("False negatives: the label holds, but is not predicted", errors.false_negatives, errors.n_false_negatives),
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
    present = [tiles for tiles in (errors.false_positives, errors.false_negatives) if tiles]
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
