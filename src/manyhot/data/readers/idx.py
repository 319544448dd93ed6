"""Idx: images as one array of bytes, and the number of each one's only label in a second file beside it (MNIST)."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path

import numpy as np
import polars as pl

from manyhot.data.readers.image_folder import IMAGE_COLUMN
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source, identify_content, locate
from manyhot.data.readers.table import Table, build_samples, column_options
from manyhot.data.readers.targets import reorder_targets
from manyhot.data.samples import Samples
from manyhot.data.targets import Targets
from manyhot.errors import InputError

_MAX_AXES = 4
MAGIC = (b"\0\0\x08\x03", b"\0\0\x08\x04")  # How a file of images begins: bytes, three or four axes


def read_idx(source: Source, options: ReadOptions) -> Samples:
    """A file of images and the file of labels beside it, whose name has labels and idx1 in place of images and idx3."""
    images = _array(source)
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        content = "labels; name the file of the images" if images.ndim == 1 else f"an array of shape {images.shape}"
        raise source.error(f"holds {content}, expected images (n, h, w)")
    frame = pl.DataFrame([pl.Series(IMAGE_COLUMN, images)])
    plain = build_samples(Table(frame, declared={IMAGE_COLUMN: "image"}), source, column_options(options))
    label_file = find_label_file(source.path)
    if label_file is None:
        if options.require_labels:
            expected_name = re.sub("images", "labels", re.sub(r"idx[34]", "idx1", source.path.name))
            raise source.error(f"has no file of labels beside it, expected {expected_name!r}")
        return plain
    try:
        targets, names = _read_labels(locate(label_file), len(images))
        return plain.with_targets(*reorder_targets(targets, names, options, is_closed=True))
    except InputError:
        if options.require_labels:
            raise
        return plain


def find_label_file(path: Path) -> Path | None:
    """The file of the labels of a file of images, packed or not; None where there is none."""
    name = re.sub("images", "labels", re.sub(r"idx[34]", "idx1", path.name))
    plain = name.removesuffix(".gz")
    candidates = [path.with_name(candidate) for candidate in (name, plain, plain + ".gz") if candidate != path.name]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _array(source: Source) -> np.ndarray:
    content = source.content()
    if content[:3] != b"\0\0\x08" or len(content) < 4 + 4 * content[3] or not content[3]:
        raise source.error(f"is not idx but {identify_content(content[:4096]) or 'plain text'}; rename it")
    shape = struct.unpack(f">{content[3]}I", content[4 : 4 + 4 * content[3]])
    start, n_bytes = 4 + 4 * content[3], math.prod(shape)
    if len(content) - start != n_bytes:
        raise source.error(f"is cut short or damaged: it says {shape}, {n_bytes} bytes, and has {len(content) - start}")
    if not n_bytes or len(shape) > _MAX_AXES:
        raise source.error(f"holds an array of shape {shape}, expected images (n, h, w)")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _read_labels(source: Source, n_rows: int) -> tuple[Targets, tuple[str, ...]]:
    numbers = _array(source)
    if numbers.shape != (n_rows,):
        raise source.error(f"holds an array of shape {numbers.shape}, expected {n_rows} labels")
    names = np.unique(numbers)
    return Targets(numbers[:, None] == names), tuple(str(name) for name in names)
