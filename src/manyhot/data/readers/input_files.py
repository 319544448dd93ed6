"""The files that are read with a file of rows: those beside it, and those that its cells name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from manyhot.data.readers.column_types import IMAGE_NAME
from manyhot.data.readers.formats import detect_format
from manyhot.data.readers.idx import find_label_file
from manyhot.data.readers.image_folder import resolve_path
from manyhot.data.readers.mulan import find_label_xml
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.sampling import IMAGE_CHUNK_ROWS
from manyhot.data.readers.xc import find_names_file


def list_input_files(path: str | Path, options: ReadOptions) -> Iterator[tuple[str, Path]]:
    """The file itself, and what is read with it where it is there: Mulan's XML, labels of idx, names of XC."""
    source, options = resolve_path(path, options)
    yield "the rows", source.path
    name = detect_format(source, options).name
    companions = {
        "arff": [options.xml or find_label_xml(source.path, source.stem)],
        "idx": [find_label_file(source.path)],
        "xc": [find_names_file(source, stem) for stem in ("labels", "features")],
    }
    for file in companions.get(name, [options.xml]):
        if file is not None:
            yield "the names or values of the labels", file


def list_input_images(path: str | Path, options: ReadOptions) -> Iterator[tuple[str, Path]]:
    """The images and masks that the cells of a table name, or that lie in a folder."""
    source, options = resolve_path(path, options)
    chunks = detect_format(source, options).chunks
    folder = source.path.parent
    for table in chunks(source, options, IMAGE_CHUNK_ROWS) if chunks is not None else ():
        for column in table.frame.iter_columns():
            if column.dtype != pl.String:
                continue
            for cell in column.drop_nulls().unique().str.strip_chars().to_list():
                if re.search(IMAGE_NAME, cell):
                    yield "an image that the rows name", folder / cell
