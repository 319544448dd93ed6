"""The encoder of a saved model: every field and array is checked before anything is built."""

from __future__ import annotations

from typing import Any

import numpy as np

from manyhot.config.images import BACKBONES, FITS, MAX_EDGE
from manyhot.config.scores import SCORE_KINDS
from manyhot.data.number_cells import MAX_MISSING_WORDS, MAX_WORD_LENGTH
from manyhot.data.samples import COLUMN_TYPES
from manyhot.encoders import ENCODERS, Encoder, MatrixEncoder, PlainEncoder, ScoreEncoder
from manyhot.encoders.tabular import NUMBER_TYPES
from manyhot.errors import BundleError
from manyhot.persistence.container import DocumentReader

MAX_UNITS = 10_000_000
MIN_LEVEL_SIZE = 1e-6  # of what the input of a level is; far below what any table of training comes to


def read_encoder(reader: DocumentReader) -> Encoder:
    """Read the encoder that a document describes under "encoder", with the arrays "encoder/..."."""
    kind = reader.text("encoder.kind", choices=list(ENCODERS))
    if kind == MatrixEncoder.kind:
        spec: dict[str, Any] = {
            "names": reader.list_of_text("encoder.names", is_unique=True),
            "is_sparse": reader.boolean("encoder.is_sparse"),
            "length": reader.number("encoder.length", 1e-37, 1e37),
        }
        width = len(spec["names"])
    elif kind == PlainEncoder.kind:
        return PlainEncoder.from_spec(_plain_spec(reader), {})
    elif kind == ScoreEncoder.kind:
        return ScoreEncoder.from_spec(_score_spec(reader), {})
    else:
        spec, width = _table_spec(reader)
    gaps = reader.array("encoder/gaps", dtype=np.int64, shape=(None,), low=0, high=max(width - 1, 0))
    arrays = {"gaps": gaps, **_scale_arrays(reader, "", (width,))}
    if any("backbone" in one for one in spec.get("images", ())):
        arrays |= _scale_arrays(reader, "image.", (len(spec["images"]), None))
        if arrays["image.center"].shape != arrays["image.scale"].shape:
            raise BundleError("centres and scales of images do not fit each other")
    if "text" in spec:
        arrays |= {f"text.{name}": array for name, array in reader.arrays("encoder/text.").items()}
    if len(gaps) > width or (np.diff(gaps) <= 0).any():
        raise BundleError("columns with gaps are not in order")
    return ENCODERS[kind].from_spec(spec, arrays)


def _scale_arrays(reader: DocumentReader, prefix: str, shape: tuple[int | None, ...]) -> dict[str, np.ndarray]:
    lows = {"center": -np.inf, "scale": np.finfo(float).tiny}
    return {
        prefix + name: reader.array(f"encoder/{prefix}{name}", dtype=np.float64, shape=shape, low=low)
        for name, low in lows.items()
    }


def _plain_spec(reader: DocumentReader) -> dict[str, Any]:
    columns = reader.list_of_text("encoder.columns", is_unique=True)
    blocks = [
        {"name": record.text("name"), "shape": record.list_of_integers("shape", 0, MAX_UNITS, max_items=8)}
        for record in reader.records("encoder.blocks", 1000, min_items=1)
    ]
    if columns and (len(blocks) != 1 or blocks[0]["shape"] != [len(columns)]):
        raise BundleError(f"there are {len(columns)} columns, but rows of shape {blocks[0]['shape']}")
    return {"columns": columns, "blocks": blocks}


def _score_spec(reader: DocumentReader) -> dict[str, Any]:
    columns = reader.list_of_text("encoder.columns", is_unique=True, min_items=1)
    n = len(columns)
    order = reader.list_of_integers("encoder.order", 0, n - 1, min_items=n, max_items=n)
    if len(set(order)) < n:
        raise BundleError("two labels have the same column of scores")
    return {"columns": columns, "order": order, "scores": reader.text("encoder.scores", choices=list(SCORE_KINDS))}


def _table_spec(reader: DocumentReader) -> tuple[dict[str, Any], int]:
    names = reader.list_of_text("encoder.columns", is_unique=True)
    column_types = reader.list_of_text("encoder.column_types", min_items=len(names), max_items=len(names))
    for kind in column_types:
        if kind not in COLUMN_TYPES:
            raise BundleError(f"there is no kind of column {kind[:100]!r}")
    n_categories = column_types.count("categorical")
    records = reader.records("encoder.categories", n_categories, min_items=n_categories)
    has_other = reader.list_of_integers("encoder.has_other", 0, 1, min_items=n_categories, max_items=n_categories)
    categories: list[dict[str, Any]] = []
    for record, rest in zip(records, has_other, strict=True):
        levels = record.list_of_text("levels", is_unique=True)
        if levels != sorted(levels):
            raise BundleError("levels of a column are not in order")
        categories.append({"levels": levels})
        if "rarer" in record:
            if len(levels) != 2 and not (len(levels) == 1 and rest):
                raise BundleError(f"a column of {len(levels)} levels is told to have two values")
            categories[-1] |= {"rarer": record.integer("rarer", 0, 1), "share": record.number("share", 0.0, 1.0)}
    spec = {"columns": names, "column_types": column_types, "categories": categories, "has_other": has_other}
    if "encoder.level_size" in reader:
        spec["level_size"] = reader.number("encoder.level_size", MIN_LEVEL_SIZE, 1.0)
    n_texts, n_images = column_types.count("text"), column_types.count("image")
    if n_texts:
        spec["text"] = reader.mappings("encoder.text", n_texts, min_items=n_texts)  # checked by the encoders of texts
    if n_images:
        spec["images"] = [_image_spec(one) for one in reader.records("encoder.images", n_images, min_items=n_images)]
    if "encoder.number_formats" in reader:
        formats = [
            {
                "column": record.text("column", choices=names),
                "decimal": record.text("decimal", choices=(".", ",")),
                "unit": record.text("unit", max_characters=MAX_WORD_LENGTH),
                "missing": record.list_of_text("missing", is_unique=True, max_items=MAX_MISSING_WORDS),
            }
            for record in reader.records("encoder.number_formats", len(names))
        ]
        if len({one["column"] for one in formats}) < len(formats):
            raise BundleError("a column has more than one way to write numbers")
        spec["number_formats"] = formats
    n_numbers = sum(kind in NUMBER_TYPES for kind in column_types)
    return spec, n_numbers + sum("rarer" in category for category in categories)


def _image_spec(record: DocumentReader) -> dict[str, Any]:
    shape = record.list_of_integers("shape", 1, MAX_EDGE, min_items=3, max_items=3)
    numbers = {
        name: record.list_of_numbers(name, low, 1.0, min_items=shape[2], max_items=shape[2])
        for name, low in (("mean", 0.0), ("deviation", 1e-6))
    }
    backbone = {"backbone": record.text("backbone", choices=list(BACKBONES))} if "backbone" in record else {}
    if backbone and shape[2] != 3:
        raise BundleError("a backbone takes images in colour")
    return {"shape": shape, **numbers, "fit": record.text("fit", choices=FITS), **backbone}
