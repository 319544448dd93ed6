"""Labels of pixels out of image files: one file for each label, or one file of numbers with a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image, UnidentifiedImageError

from manyhot.data.labels import UNSEEN_ADVICE, LabelSpace
from manyhot.data.pixel_targets import PixelTargets
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.targets import ExtractedTargets, find_columns
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.validation import did_you_mean

SUFFIX = r"(?i)\.(png|bmp|gif|tiff?|webp|jpe?g)$"
LOSSY = ("JPEG",)
NUMBERED = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L", "LA", "PA")  # Pillow's names of images of one number a pixel


def mask_columns(frame: pl.DataFrame, options: ReadOptions, file_labels: Sequence[str] | None) -> tuple[str, ...]:
    """The label columns, if they name files of masks; else nothing."""
    if options.legend is None and options.labels is None and options.known_labels is None:
        return ()
    columns = find_columns(frame, options, file_labels)
    return columns if columns and all(_are_mask_names(frame[name]) for name in columns) else ()


def extract_masks(frame: pl.DataFrame, columns: Sequence[str], options: ReadOptions, folder: Path) -> ExtractedTargets:
    """The targets of all pixels."""
    if not options.require_labels:
        return ExtractedTargets(None, None, tuple(columns))
    if options.label_names is not None:
        raise InputError(
            "names the labels of rows; the numbers in masks get their labels from a legend (--legend)",
            argument="label_names",
        )
    if options.legend is not None and len(columns) > 1:
        raise InputError(
            f"a legend is for one column of masks, but there are {len(columns)}: {', '.join(columns[:5])}",
            argument="legend",
        )
    names = _mask_labels(columns, options)
    meanings = None if options.legend is None else _legend_tables(options.legend, names)
    images, files = [], []
    for row in range(len(frame)):
        paths = [None if frame[name][row] is None else folder / frame[name][row].strip() for name in columns]
        try:
            if meanings is None:
                images.append(_targets_by_label(paths, columns, names))
            else:
                images.append(_targets_by_number(paths[0], meanings))
        except InputError as error:
            raise InputError(error.message, row=row + 1, column=error.column or columns[0]) from None
        files.append(next(str(path) for path in paths if path is not None))
    return ExtractedTargets(PixelTargets(tuple(images), tuple(files)), LabelSpace(names), tuple(columns))


def _are_mask_names(column: pl.Series) -> bool:
    cells = column.drop_nulls()
    return column.dtype == pl.String and len(cells) > 0 and bool(cells.str.strip_chars().str.contains(SUFFIX).all())


def _mask_labels(columns: Sequence[str], options: ReadOptions) -> tuple[str, ...]:
    """The labels: those of the legend or of the columns, in the order of training where there was one."""
    labels = list(columns) if options.legend is None else [n for names in options.legend.values() for n in names or ()]
    labels = list(dict.fromkeys(labels))
    if not labels:
        raise InputError("names no label", argument="legend")
    if options.known_labels is None:
        return tuple(labels)
    unseen = [name for name in labels if name not in options.known_labels]
    if unseen and options.unknown_labels == "error":
        raise InputError(
            f"the label {unseen[0]!r} was not there in training{did_you_mean(unseen[0], options.known_labels)}; "
            f"{UNSEEN_ADVICE}"
        )
    return options.known_labels


def _targets_by_label(paths: Sequence[Path | None], columns: Sequence[str], names: Sequence[str]) -> Targets:
    """One file for each label: 0 is no, anything else yes; where there is no file the label is unknown."""
    masks = {name: _nonzero_mask(path) for name, path in zip(columns, paths, strict=True) if path is not None}
    if not masks:
        raise InputError("names no mask, so that the size of the image's labels is not known")
    shape = next(iter(masks.values())).shape
    for name, path in zip(columns, paths, strict=True):
        if path is not None and masks[name].shape != shape:
            raise InputError(
                f"the mask {str(path)!r} has {masks[name].shape[0]} x {masks[name].shape[1]} pixels, but another of "
                f"this row {shape[0]} x {shape[1]}",
                column=name,
            )
    nothing = np.zeros(shape, dtype=bool)
    values = np.stack([masks.get(name, nothing) for name in names], axis=2)
    known = np.array([name in masks for name in names])
    return Targets(values, None if known.all() else np.broadcast_to(known, values.shape).copy())


def _nonzero_mask(path: Path) -> np.ndarray:
    """Where a mask is not 0, bool (h, w)."""
    pixels, mode = _open_mask(path)
    if pixels.ndim == 3:
        pixels = pixels[..., :1] if mode in ("LA", "PA") else pixels[..., :3]
        return (pixels != 0).any(axis=2)
    return pixels != 0


def _legend_tables(legend: Mapping[str, Any], names: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By number: whether it has a meaning (v,), whether that is known (v,), and its labels (v, l); all bool."""
    size = max(map(int, legend)) + 1
    has_meaning, known = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
    values = np.zeros((size, len(names)), dtype=bool)
    for number, labels in legend.items():
        has_meaning[int(number)], known[int(number)] = True, labels is not None
        values[int(number)] = [name in (labels or ()) for name in names]
    return has_meaning, known, values


def _targets_by_number(path: Path | None, meanings: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Targets:
    """One file of numbers."""
    if path is None:
        raise InputError("names no mask")
    pixels, mode = _open_mask(path)
    if mode not in NUMBERED:
        raise InputError(
            f"the mask {str(path)!r} is an image of colours ({mode}), expected one number a pixel: grey of 8 or 16 "
            "bits, or a palette"
        )
    pixels = pixels[..., 0] if pixels.ndim == 3 else pixels
    has_meaning, known, values = meanings
    present = np.unique(pixels)
    invalid = [int(value) for value in present if not 0 <= value < len(has_meaning) or not has_meaning[value]]
    if invalid:
        raise InputError(
            f"the mask {str(path)!r} holds the value {invalid[0]}, which the legend does not name; give it labels, [] "
            "for none, or null for unknown"
        )
    return Targets(values[pixels], None if known[present].all() else known[pixels][..., None] & np.ones_like(values[0]))


def _open_mask(path: Path) -> tuple[np.ndarray, str]:
    """The numbers of an image as they stand in the file (of a palette its indices), and Pillow's name of its kind."""
    try:
        with Image.open(path) as file:
            if file.format in LOSSY:
                raise InputError(f"the mask {str(path)!r} is a JPEG, which changes numbers; save masks as PNG")
            return np.asarray(file), file.mode
    except FileNotFoundError:
        raise InputError(f"the mask {str(path)!r} is not there") from None
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"the mask {str(path)!r} is no image that can be read ({type(error).__name__})") from None
