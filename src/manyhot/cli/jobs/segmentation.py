"""`manyhot predict` for models that give every pixel its labels: a folder of masks, and what share each label has."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from manyhot.cli.jobs.console import print_result
from manyhot.cli.jobs.image_output import ImageOptions
from manyhot.cli.jobs.prediction_writer import SUFFIXES
from manyhot.data.readers import ReadOptions, read_chunks
from manyhot.data.samples import Samples
from manyhot.errors import InputError
from manyhot.estimators.prediction_table import escape_formula
from manyhot.evaluation.report.text import pluralize
from manyhot.files import write_file
from manyhot.models.prediction import sample_features
from manyhot.models.segmentation import ImageSet
from manyhot.models.segmentation.model import PixelModel
from manyhot.reports.image_sheets import check_folder, save_png

SHARES_FILE = "predictions.csv"
MASK_VALUE = 255
SUFFIX = r"(?i)\.(png|jpe?g|bmp|gif|tiff?|webp)$"  # of images; folders named after them go without
CHUNK_ROWS = 256  # images in a chunk


def predict(
    model: PixelModel,
    file: Path,
    output: Path | None,
    options: ReadOptions,
    as_json: bool,
    plot_options: ImageOptions | None,
) -> None:
    """Write OUTPUT/IMAGE/LABEL.png (0 and 255) for each image and label, and OUTPUT/predictions.csv."""
    if output is None or output.suffix.lower() in SUFFIXES:
        raise InputError(
            "the model labels pixels; give a folder for the masks, such as -o predictions",
            argument="--output",
        )
    labels = file_names(model.labels.names, set())
    names: list[str] = []
    shares: list[np.ndarray] = []
    used_names: set[str] = {SHARES_FILE.lower()}
    for samples in read_chunks(file, options, CHUNK_ROWS):
        images = sample_features(model, samples)
        chunk_names = image_names(samples, images, len(names))
        predictions = (
            map(model.decide, model.iterate_scores(images))
            if plot_options is None
            else plot_options.predict_and_draw(model, images, chunk_names)
        )
        for folder, masks in zip(file_names(chunk_names, used_names), predictions, strict=True):
            for j, label in enumerate(labels):
                write_mask(output / folder / f"{label}.png", masks[..., j])
            names.append(folder)
            shares.append(masks.mean(axis=(0, 1)))
    frame = pl.DataFrame({"id": [escape_formula(name) for name in names]}).with_columns(
        pl.Series(escape_formula(f"share_{name}"), np.array([share[j] for share in shares]))
        for j, name in enumerate(model.labels.names)
    )
    check_folder(output, "the masks")
    write_file(output / SHARES_FILE, frame.write_csv().encode())
    document = {"output": str(output), "rows": len(names), "labels": list(model.labels.names)}
    message = (
        f"saved predictions of {pluralize(len(names), 'image')} to {output}: a mask IMAGE/LABEL.png for each label "
        f"(255 where it holds), and the share of pixels in {SHARES_FILE}"
    )
    print_result(document, message, as_json)


def mask_files(folder: Path | None, labels: Iterable[str]) -> list[Path]:
    """The files in a folder that are named like the predictions to come."""
    if folder is None:
        return []
    names = file_names(labels, set())
    return [folder / SHARES_FILE, *(path for name in names for path in folder.glob(f"*/{name}.png"))]


def image_names(samples: Samples, images: ImageSet, n_before: int) -> list[str]:
    """What the images are called: their ids, else the names of their files, else their numbers from 1."""
    if samples.ids is not None:
        return [re.sub(SUFFIX, "", str(name)) for name in samples.ids]
    return [Path(cell).stem if isinstance(cell, str) else str(k) for k, cell in enumerate(images.cells, n_before + 1)]


def file_names(names: Iterable[str], used_names: set[str]) -> list[str]:
    """A name of a file for each name, different from each other and from those that are taken, which it adds to."""
    unique_names = []
    for name in names:
        cleaned = re.sub(r"[^\w.\- ]", "_", name).strip(" .") or "_"
        cleaned, number = cleaned[:120], 1
        candidate = cleaned
        while candidate.lower() in used_names:
            number += 1
            candidate = f"{cleaned}-{number}"
        used_names.add(candidate.lower())
        unique_names.append(candidate)
    return unique_names


def write_mask(path: Path, mask: np.ndarray) -> None:
    """A mask (h, w) as a grey PNG of 0 and 255."""
    check_folder(path.parent, "the masks")
    save_png(Image.fromarray(np.where(mask, MASK_VALUE, 0).astype(np.uint8)), path)
