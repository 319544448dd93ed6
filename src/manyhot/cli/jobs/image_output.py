"""The pictures of `manyhot predict --pictures` and `manyhot evaluate --pictures`."""

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
from manyhot.reports.image_sheets import check_folder
from manyhot.reports.prediction_images import LIMIT, check_has_images, picture_answers, picture_pixels

FLAG = "--pictures"
PIECE = 256
"""Rows of a piece when rows come with pictures."""


@dataclass
class ImageOptions:
    """Pictures of the first rows, drawn piece by piece.

    Args:
        folder: Where to.
        limit: Rows that are drawn.
        n_drawn: Rows that were to be drawn.
        n_rows: Rows that were seen.
        n_files: Pictures that were written; a row whose image cannot be used has none.
    """

    folder: Path
    limit: int
    n_drawn: int = 0
    n_rows: int = 0
    n_files: int = 0

    @property
    def n_left(self) -> int:
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
        n = min(self.n_left, len(scores))
        if n > 0:
            told = (features[:n], scores[:n], ids[:n], self.folder, self.n_rows + 1, reasons)
            self.n_files += len(picture_answers(model, *told))
        self.n_drawn += n
        self.n_rows += len(scores)

    def over(self, model: PixelModel, pictures: ImageSet, names: Sequence[str]) -> Iterator[np.ndarray]:
        """The answers of images whose pixels have labels, bool (h, w, l) each, and pictures of those left to draw."""
        n = min(self.n_left, len(pictures))
        first, rest = pictures.take(np.arange(n)), pictures.take(np.arange(n, len(pictures)))
        for answers, _ in picture_pixels(model, first, names, self.folder, self.n_rows + 1):
            self.n_files += 1
            yield answers
        self.n_drawn += n
        self.n_rows += len(pictures)
        yield from map(model.decided, model.each(rest))

    def note(self) -> str:
        """Where the pictures are."""
        if self.n_files < self.n_drawn:
            return f"{self.n_files} pictures are in {self.folder}; rows whose image cannot be used have none"
        if self.n_drawn == self.n_rows:
            return f"pictures of the {self.n_rows} rows are in {self.folder}"
        first = f"pictures of the first {self.n_drawn} of {self.n_rows} rows are in {self.folder}"
        return f"{first}; --pictures-limit says how many"


def image_options(model: Model, folder: Path | None, limit: int | None) -> ImageOptions | None:
    """What `--pictures` and `--pictures-limit` ask for; None for no pictures.

    Raises:
        InputError: A model that looks at no images, a limit below 1 or without `--pictures`.
        OutputError: A folder that cannot be written to.
    """
    if folder is None:
        if limit is not None:
            raise InputError("says how many rows --pictures draws; add --pictures", argument="--pictures-limit")
        return None
    check_has_images(model, FLAG)
    n = validation.integer(low=1, **{"--pictures-limit": LIMIT if limit is None else limit})
    return ImageOptions(check_folder(folder), n)


def mistakes_folder(model: Model, folder: Path) -> Path:
    """The folder of `evaluate --pictures`; raises as `image_options` does, and for labels of pixels."""
    if isinstance(model, PixelModel):
        raise InputError(
            "sheets of mistakes are for models that give a whole image its labels; predict --pictures shows this one's "
            "answers",
            argument=FLAG,
        )
    check_has_images(model, FLAG)
    return check_folder(folder)


def refuse_pictures(folder: Path | None) -> None:
    """Raises `InputError` where pictures are asked of a model of very many labels."""
    if folder is not None:
        raise InputError("pictures are for images, and a model of very many labels looks at none", argument=FLAG)
