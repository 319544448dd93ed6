"""`manyhot predict` for models that give every pixel its labels: a folder of masks, and what share each label has."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from manyhot.cli.jobs.image_output import ImageOptions
from manyhot.data.readers import read_chunks
from manyhot.data.samples import Samples
from manyhot.errors import InputError, OutputError
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.estimators.prediction_table import harmless
from manyhot.estimators.read_options import options_for
from manyhot.files import put, replacing
from manyhot.models.prediction import sample_features
from manyhot.models.segmentation import ImageSet
from manyhot.models.segmentation.model import PixelModel

ANSWERS = "answers.csv"
YES = 255
SUFFIX = r"(?i)\.(png|jpe?g|bmp|gif|tiff?|webp)$"
"""How names of images end, which folders named after them do without."""
ROWS = 256
"""Images of a piece."""


def predict(
    classifier: MultiLabelClassifier,
    file: Path,
    output: Path | None,
    told: Mapping[str, Any],
    as_json: bool,
    drawn: ImageOptions | None = None,
) -> None:
    """Write OUTPUT/IMAGE/LABEL.png (0 and 255) for each image and label, and OUTPUT/answers.csv; draw the first images
    with their answers over them, where that is asked for.

    Raises:
        InputError: No folder to write to.
        OutputError: It cannot be written to.
    """
    if output is None or output.suffix.lower() in (".csv", ".jsonl", ".parquet"):
        raise InputError(
            "the model gives every pixel its labels; say a folder for the masks, such as -o answers",
            argument="--output",
        )
    model = classifier.model_
    assert isinstance(model, PixelModel)
    options = options_for(classifier, told, require_labels=False, unknown_labels="ignore")
    labels = file_names(model.labels.names, set())
    names: list[str] = []
    shares: list[np.ndarray] = []
    taken: set[str] = {ANSWERS.lower()}
    for samples in read_chunks(file, options, ROWS):
        pictures = sample_features(classifier.model_, samples)
        here = names_of(samples, pictures, len(names))
        answered = map(model.decided, model.each(pictures)) if drawn is None else drawn.over(model, pictures, here)
        for folder, answers in zip(file_names(here, taken), answered, strict=True):
            for j, label in enumerate(labels):
                write_mask(output / folder / f"{label}.png", answers[..., j])
            names.append(folder)
            shares.append(answers.mean(axis=(0, 1)))
    frame = pl.DataFrame({"id": [harmless(name) for name in names]}).with_columns(
        pl.Series(harmless(f"share_{name}"), np.array([share[j] for share in shares]))
        for j, name in enumerate(model.labels.names)
    )
    _write(output / ANSWERS, frame.write_csv().encode())
    document = {"output": str(output), "rows": len(names), "labels": list(model.labels.names)}
    told_words = (
        f"{len(names)} images answered in {output}: a mask IMAGE/LABEL.png for each label (255 where it holds), and "
        f"the share of pixels in {ANSWERS}"
    )
    print(json.dumps(document) if as_json else told_words)


def files_in(folder: Path | None, labels: Iterable[str]) -> list[Path]:
    """The files in a folder that are called as the answers to come may be."""
    if folder is None:
        return []
    names = file_names(labels, set())
    return [folder / ANSWERS, *(path for name in names for path in folder.glob(f"*/{name}.png"))]


def names_of(samples: Samples, pictures: ImageSet, n_before: int) -> list[str]:
    """What the images are called: their ids, else the names of their files, else their numbers from 1."""
    if samples.ids is not None:
        return [re.sub(SUFFIX, "", str(name)) for name in samples.ids]
    return [Path(cell).stem if isinstance(cell, str) else str(k) for k, cell in enumerate(pictures.cells, n_before + 1)]


def file_names(names: Iterable[str], taken: set[str]) -> list[str]:
    """A name of a file for each name, different from each other and from those that are taken, which it adds to."""
    found = []
    for name in names:
        plain = re.sub(r"[^\w.\- ]", "_", name).strip(" .") or "_"
        plain, number = plain[:120], 1
        chosen = plain
        while chosen.lower() in taken:
            number += 1
            chosen = f"{plain}-{number}"
        taken.add(chosen.lower())
        found.append(chosen)
    return found


def write_mask(path: Path, mask: np.ndarray) -> None:
    """A mask (h, w) as a grey PNG of 0 and 255."""
    file = io.BytesIO()
    Image.fromarray(np.where(mask, YES, 0).astype(np.uint8)).save(file, format="PNG", optimize=False)
    _write(path, file.getvalue())


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent} could not be made: {error.strerror}") from None
    with replacing(path) as descriptor:
        put(descriptor, memoryview(content))
