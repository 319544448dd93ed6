"""Pictures of what a model of images answers: each row's answers, and the worst mistakes of each label.

It fetches images, answers and maps of a trained model and hands them to image_sheets/ as plain values. Start reading at
`picture_answers`, `picture_mistakes` and `picture_pixels`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from manyhot.data.samples import Samples
from manyhot.data.targets import Targets
from manyhot.encoders import TableEncoder
from manyhot.encoders.images.encoder import pictures
from manyhot.errors import InputError
from manyhot.explanation.explain import Explanation
from manyhot.explanation.image_maps import has_images
from manyhot.models.model import Model
from manyhot.models.segmentation import ImageSet
from manyhot.models.segmentation.model import PixelModel
from manyhot.reports import image_sheets
from manyhot.reports.image_sheets.mask_overlay import save_overlay

LIMIT = 100
"""Rows that get a picture, unless more are asked for."""
LONGEST_EDGE = 640
"""Pixels of an image that a picture can show."""
LONGEST_TILE_EDGE = 256


def check_has_images(model: Model, argument: str = "X") -> None:
    """Raises `InputError` for a model that looks at no images."""
    if not has_images(model):
        raise InputError("pictures are for images, and this model looks at none", argument=argument)


def picture_answers(
    model: Model,
    features: pl.DataFrame,
    scores: np.ndarray,
    ids: Sequence[str],
    folder: Path,
    first: int = 1,
    reasons: Sequence[Mapping[str, Explanation]] | None = None,
) -> list[Path]:
    """A picture of each row: its images beside its labels' probabilities.

    Args:
        model: A model that looks at images.
        features: What its encoder takes, n rows.
        scores: Its calibrated scores (n, l).
        ids: What the rows are called.
        folder: Where to.
        first: The first row's number.
        reasons: What `explained` tells of each row, to be drawn over its images; None for no such maps.

    Returns:
        The files, one for each row; a row without scores has none.
    """
    rows = np.flatnonzero(np.isfinite(scores).all(axis=1)).tolist()
    answers = model.decider.answers(np.nan_to_num(scores))
    shown = _shown(model, features, rows, LONGEST_EDGE)
    seen = [] if reasons is None else _seen(model, features[rows])
    paths = []
    for place, (k, *images) in enumerate(zip(rows, *shown, strict=True)):
        maps = {}
        for name, one in ({} if reasons is None else reasons[k]).items():
            maps[model.labels.index(name)] = [(of[place], one.maps[column]) for column, of in seen]
        told = (model.labels.names, scores[k], answers[k], model.decider.thresholds, maps)
        path = folder / image_sheets.file_name(first + k, "" if ids[k] == str(first + k) else ids[k])
        image_sheets.draw_answered(image_sheets.PredictionSheet(str(ids[k]), images, *told)).save(path)
        paths.append(path)
    return paths


def picture_pixels(
    model: PixelModel, pictures: ImageSet, names: Sequence[str], folder: Path, first: int = 1
) -> Iterator[tuple[np.ndarray, Path]]:
    """A picture of each image with the labels of its pixels over it, as their answers are made.

    Args:
        model: A model that gives every pixel its labels.
        pictures: The images.
        names: What they are called.
        folder: Where to.
        first: The first image's number.

    Yields:
        The answers, bool (h, w, l), and the file.
    """
    for k, scores in enumerate(model.each(pictures)):
        answers = model.decided(scores)
        path = folder / image_sheets.file_name(first + k, "" if names[k] == str(first + k) else names[k])
        save_overlay(path, pictures[k], answers, model.labels.names)
        yield answers, path


def picture_mistakes(
    model: Model, features: pl.DataFrame, targets: Targets, scores: np.ndarray, ids: Sequence[str], folder: Path
) -> dict[str, Path]:
    """A sheet for each label with its worst mistakes; labels without any have none.

    Args:
        model: A model that looks at images.
        features: What its encoder takes, n rows.
        targets: Their targets; what is unknown is no mistake.
        scores: Calibrated scores (n, l); a row without scores is no mistake.
        ids: What the rows are called.
        folder: Where to.

    Returns:
        Label -> file.
    """
    answers, thresholds = model.decider.answers(np.nan_to_num(scores)), model.decider.thresholds
    known = np.isfinite(scores) & (True if targets.known is None else np.asarray(targets.known))
    holds = np.asarray(targets.values) > 0
    paths = {}
    for j, name in enumerate(model.labels.names):
        found = image_sheets.worst(scores[:, j], answers[:, j], holds[:, j], known[:, j])
        if not any(found):
            continue
        rows = [k for kind in found for k in kind[: image_sheets.MAX_TILES]]
        images = next(iter(_shown(model, features, rows, LONGEST_TILE_EDGE)))
        tiles = iter(
            [image_sheets.Mistake(str(ids[k]), one, float(scores[k, j])) for k, one in zip(rows, images, strict=True)]
        )
        kinds = [(tuple(islice(tiles, min(len(kind), image_sheets.MAX_TILES))), len(kind)) for kind in found]
        threshold = None if thresholds is None else float(thresholds[j])
        paths[name] = folder / image_sheets.file_name(j + 1, name, n_digits=3)
        facts = (name, threshold, int(known[:, j].sum()))
        image_sheets.draw_mistakes(image_sheets.ErrorSheet(*facts, *kinds[0], *kinds[1])).save(paths[name])
    return paths


def _shown(model: Model, features: pl.DataFrame, rows: Sequence[int] | None, edge: int) -> list[Any]:
    """For each column of images an iterator over its images as people look at them."""
    encoder = model.encoder
    assert isinstance(encoder, TableEncoder)
    return [pictures(features[name], rows=rows, longest_edge=edge) for name in encoder.image_columns]


def _seen(model: Model, features: pl.DataFrame) -> list[tuple[str, np.ndarray]]:
    """Columns of images with what the network gets of them, uint8 (n, h, w, 3)."""
    encoder = model.encoder
    assert isinstance(encoder, TableEncoder)
    found = zip(
        encoder.image_columns, encoder.looks.pixels([features[name] for name in encoder.image_columns]), strict=True
    )
    return [(name, np.broadcast_to(block, (*block.shape[:3], 3))) for name, block in found]


def row_names(X: Any, ids: Sequence[str] | None, n_rows: int) -> list[str]:
    """What the first rows are called: `ids`, else the ids of `Samples`, else their numbers from 1."""
    own = X.ids_or_numbers() if isinstance(X, Samples) else np.arange(1, n_rows + 1)
    names = own.tolist() if ids is None else list(ids)
    if len(names) < n_rows:
        raise InputError(f"{len(names)} ids for {n_rows} rows", argument="ids")
    return [str(name) for name in names[:n_rows]]
