"""The plots of `manyhot predict --plots` and `manyhot evaluate --plots`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from manyhot import validation
from manyhot.errors import InputError
from manyhot.explanation.explain import Explanation
from manyhot.models.model import Model
from manyhot.models.segmentation import ImageSet
from manyhot.models.segmentation.model import PixelModel
from manyhot.reports import MAX_DRAWN_ROWS
from manyhot.reports.image_sheets import check_folder
from manyhot.reports.prediction_images import check_has_images, plot_pixel_predictions, plot_predictions

FLAG = "--plots"
PLOT_CHUNK_ROWS = 256  # rows per chunk when rows are plotted


@dataclass
class ImageOptions:
    """Plots of the first rows, drawn chunk by chunk."""

    folder: Path
    limit: int  # rows that are drawn at most
    n_drawn: int = 0  # rows that were to be drawn
    n_rows: int = 0  # rows that were seen
    n_files: int = 0  # plots that were written; a row with an unusable image has none

    @property
    def n_remaining(self) -> int:
        """Rows that may still be drawn."""
        return self.limit - self.n_drawn

    def draw(
        self,
        model: Model,
        features: pl.DataFrame,
        scores: np.ndarray,
        ids: Sequence[str],
        reasons: Sequence[Mapping[str, Explanation]] | None,
    ) -> None:
        """Draw the rows of a piece, as long as there are some left to draw."""
        n_to_draw = min(self.n_remaining, len(scores))
        if n_to_draw > 0:
            rows = (features[:n_to_draw], scores[:n_to_draw], ids[:n_to_draw])
            self.n_files += len(plot_predictions(model, *rows, self.folder, self.n_rows + 1, reasons))
        self.n_drawn += n_to_draw
        self.n_rows += len(scores)

    def predict_and_draw(self, model: PixelModel, images: ImageSet, names: Sequence[str]) -> Iterator[np.ndarray]:
        """The predictions of images whose pixels have labels, bool (h, w, l) each; plots those left to draw."""
        n_to_draw = min(self.n_remaining, len(images))
        first, remaining = images[np.arange(n_to_draw)], images[np.arange(n_to_draw, len(images))]
        for predictions, _ in plot_pixel_predictions(model, first, names, self.folder, self.n_rows + 1):
            self.n_files += 1
            yield predictions
        self.n_drawn += n_to_draw
        self.n_rows += len(images)
        yield from map(model.decide, model.iterate_scores(remaining))

    def note(self) -> str:
        """Where the plots are."""
        if self.n_files < self.n_drawn:
            return f"{self.n_files} plots are in {self.folder}; rows with an unusable image have none"
        if self.n_drawn == self.n_rows:
            return f"plots of the {self.n_rows} rows are in {self.folder}"
        first = f"plots of the first {self.n_drawn} of {self.n_rows} rows are in {self.folder}"
        return f"{first}; set --max-plots for more"


def image_options(model: Model, folder: Path | None, limit: int | None) -> ImageOptions | None:
    """The options of `--plots` and `--max-plots`; None for no plots."""
    if folder is None:
        if limit is not None:
            raise InputError("limits the rows that --plots draws; add --plots", argument="--max-plots")
        return None
    check_has_images(model, FLAG)
    n_rows = validation.integer(low=1, **{"--max-plots": MAX_DRAWN_ROWS if limit is None else limit})
    return ImageOptions(check_folder(folder), n_rows)


def check_sheets_folder(model: Model, folder: Path) -> Path:
    """The folder of `evaluate --plots`; raises as `image_options` does, and for labels of pixels."""
    if model.labels_pixels:
        raise InputError(
            "error sheets are for models that label whole images; use predict --plots for labels of pixels",
            argument=FLAG,
        )
    check_has_images(model, FLAG)
    return check_folder(folder)


def refuse_plots(folder: Path | None) -> None:
    """Raise `InputError` if plots are requested of an extreme multi-label model."""
    if folder is not None:
        raise InputError("plots need images, which extreme multi-label models do not support", argument=FLAG)
