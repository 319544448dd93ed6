"""Pictures of what a model of images answers: each row's answers, and the worst mistakes of each label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from manyhot import validation
from manyhot.data.samples import Samples
from manyhot.data.targets import Targets
from manyhot.encoders.images.encoder import iter_images
from manyhot.errors import InputError
from manyhot.explanation.explain import Explanation, explain_rows
from manyhot.models.model import Model
from manyhot.models.prediction import predict_scores
from manyhot.models.segmentation import ImageSet
from manyhot.models.segmentation.model import PixelModel
from manyhot.reports import image_sheets
from manyhot.reports.image_sheets import check_folder
from manyhot.reports.image_sheets.mask_overlay import save_overlay

LONGEST_EDGE = 640  # pixels of an image that a picture can show
LONGEST_TILE_EDGE = 256


def check_has_images(model: Model, argument: str = "X") -> None:
    """Raise `InputError` for a model without image columns."""
    if not model.encoder.image_columns:
        raise InputError("plots need images, and this model has no image column", argument=argument)


def plot_predictions(
    model: Model,
    features: pl.DataFrame,
    scores: np.ndarray,
    ids: Sequence[str],
    folder: Path,
    first: int = 1,
    reasons: Sequence[Mapping[str, Explanation]] | None = None,
) -> list[Path]:
    """A picture of each row: its images beside its labels' probabilities; a row without scores has none."""
    rows = np.flatnonzero(np.isfinite(scores).all(axis=1)).tolist()
    decisions = model.policy.decide(np.nan_to_num(scores))
    display_images = [iter_images(features[name], rows, LONGEST_EDGE) for name in model.encoder.image_columns]
    input_images = {} if reasons is None else _network_inputs(model, features[rows])
    paths = []
    for position, (k, *images) in enumerate(zip(rows, *display_images, strict=True)):
        maps = {}
        for name, explanation in ({} if reasons is None else reasons[k]).items():
            maps[model.labels.index(name)] = [
                (column_images[position], explanation.maps[column]) for column, column_images in input_images.items()
            ]
        sheet_values = (model.labels.names, scores[k], decisions[k], model.policy.thresholds, maps)
        path = _row_file(folder, first + k, ids[k])
        image_sheets.draw_prediction(image_sheets.PredictionSheet(str(ids[k]), images, *sheet_values)).save(path)
        paths.append(path)
    return paths


def plot_pixel_predictions(
    model: PixelModel, pictures: ImageSet, names: Sequence[str], folder: Path, first: int = 1
) -> Iterator[tuple[np.ndarray, Path]]:
    """Yield the answers, bool (h, w, l), of each image, and the picture of them over it."""
    for k, scores in enumerate(model.iterate_scores(pictures)):
        predictions = model.decide(scores)
        path = _row_file(folder, first + k, names[k])
        save_overlay(path, pictures[k], predictions, model.labels.names)
        yield predictions, path


def plot_errors(
    model: Model, features: pl.DataFrame, targets: Targets, scores: np.ndarray, ids: Sequence[str], folder: Path
) -> dict[str, Path]:
    """A sheet for each label with its worst mistakes; labels without any have none."""
    decisions, thresholds = model.policy.decide(np.nan_to_num(scores)), model.policy.thresholds
    known, images = np.isfinite(scores) & targets.known_mask(), features[model.encoder.image_columns[0]]
    paths = {}
    for j, name in enumerate(model.labels.names):
        kinds: list[Any] = []
        for rows in image_sheets.worst(scores[:, j], decisions[:, j], targets.values[:, j], known[:, j]):
            shown = rows[: image_sheets.MAX_TILES]
            tiles = [
                image_sheets.ErrorTile(str(ids[k]), image, float(scores[k, j]))
                for k, image in zip(shown, iter_images(images, shown, LONGEST_TILE_EDGE), strict=True)
            ]
            kinds += [tiles, len(rows)]
        if any(kinds):
            threshold = None if thresholds is None else float(thresholds[j])
            sheet = image_sheets.ErrorSheet(name, threshold, int(known[:, j].sum()), *kinds)
            paths[name] = folder / image_sheets.file_name(j + 1, name, n_digits=3)
            image_sheets.draw_errors(sheet).save(paths[name])
    return paths


def _row_file(folder: Path, number: int, name: str) -> Path:
    return folder / image_sheets.file_name(number, "" if name == str(number) else name)


def _network_inputs(model: Model, features: pl.DataFrame) -> dict[str, np.ndarray]:
    """Column of images -> what the network gets of them, uint8 (n, h, w, 3)."""
    names = model.encoder.image_columns
    blocks = model.encoder.images.pixels([features[name] for name in names])
    return {name: np.broadcast_to(block, (*block.shape[:3], 3)) for name, block in zip(names, blocks, strict=True)}


def row_names(X: Any, ids: Sequence[str] | None, n_rows: int) -> list[str]:
    """What the first rows are called: `ids`, else the ids of `Samples`, else their numbers from 1."""
    default_names = X.row_ids() if isinstance(X, Samples) else np.arange(1, n_rows + 1)
    names = default_names.tolist() if ids is None else list(ids)
    if len(names) < n_rows:
        raise InputError(f"{len(names)} ids for {n_rows} rows", argument="ids")
    return [str(name) for name in names[:n_rows]]


class RowImages:
    """Pictures of rows as a person hands them over."""

    def __init__(self, model: Any, X: Any, features: Any, ids: Sequence[str] | None, on_bad_image: str) -> None:
        check_has_images(model)
        self.model, self.X, self.features, self.ids, self.on_bad_image = model, X, features, ids, on_bad_image

    def plot_predictions(self, folder: str | Path, explain: bool, limit: int) -> list[Path]:
        """A picture of each of the first rows."""
        n_rows = min(validation.integer(limit=limit, low=1), self.features.shape[0])
        names, explain = row_names(self.X, self.ids, n_rows), validation.boolean(explain=explain)
        if self.model.labels_pixels:
            if explain:
                raise InputError("labels of pixels cannot be explained", argument="explain")
            images = self.features[np.arange(n_rows)]
            return [path for _, path in plot_pixel_predictions(self.model, images, names, check_folder(folder))]
        features = self.features[:n_rows]
        scores = predict_scores(self.model, features, on_bad_image=self.on_bad_image)[0]
        explanations = list(explain_rows(self.model, features, scores)) if explain else None
        return plot_predictions(self.model, features, scores, names, check_folder(folder), reasons=explanations)

    def plot_errors(self, targets: Targets, folder: str | Path) -> dict[str, Path]:
        """A sheet of the worst errors of each label."""
        names = row_names(self.X, self.ids, self.features.shape[0])
        scores = predict_scores(self.model, self.features, on_bad_image=self.on_bad_image)[0]
        return plot_errors(self.model, self.features, targets, scores, names, check_folder(folder))
