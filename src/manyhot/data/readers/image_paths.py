"""Columns of paths of images: where the files are, and what the rows are called by them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from manyhot.data.readers.options import ReadOptions
from manyhot.errors import InputError

_ADDRESS = re.compile(r"(?i)[a-z][a-z0-9+]+://")


def is_path(column: pl.Series, column_types: Mapping[str, str]) -> bool:
    """Whether a column holds paths of images."""
    return column_types[column.name] == "image" and column.dtype == pl.String


def resolve_image_paths(column: pl.Series, base: Path, options: ReadOptions) -> pl.Series:
    """Paths as absolute ones."""
    cells = column.to_list()
    paths = [cell if cell is None or _ADDRESS.match(cell) else os.path.join(base, cell) for cell in cells]
    if options.on_bad_image == "error":
        absent = [k for k, path in enumerate(paths) if path is not None and not os.path.isfile(path)]
        if absent:
            more = f" (nor do {len(absent) - 1} more)" if len(absent) > 1 else ""
            raise InputError(
                f"{cells[absent[0]]!r} does not exist{more}; paths of images start from {str(base)!r}: put them there, "
                "say in which folder they are (--images FOLDER), go on without them (--on-bad-image skip), or leave "
                f"the column out (--column-type {column.name}=ignored)",
                row=absent[0] + 1,
                column=column.name,
            )
    return pl.Series(column.name, paths, dtype=pl.String)


def image_row_ids(
    columns: Sequence[pl.Series], column_types: Mapping[str, str], base: Path, rows: np.ndarray | None
) -> np.ndarray | None:
    """Rows called by the paths of their images, where one column has these; by their number where a path is missing."""
    path_columns = [column for column in columns if is_path(column, column_types)]
    if len(path_columns) != 1:
        return None
    start = os.path.join(os.path.abspath(base), "")
    numbers = range(1, len(path_columns[0]) + 1) if rows is None else rows.tolist()
    cells = zip(path_columns[0].to_list(), numbers, strict=True)
    return np.asarray([str(n) if path is None else path.removeprefix(start) for path, n in cells], dtype=str)
