"""Rows out of JSON -> what the encoder takes, without a frame on the way where there is none to be made."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot.data.samples import Arrays
from manyhot.encoders import Encoder, MatrixEncoder, PlainEncoder, TableEncoder
from manyhot.encoders.categories import cells_as_text, level_texts
from manyhot.encoders.number_columns import frame_numbers
from manyhot.serving.errors import ApiError
from manyhot.serving.json_cells import (
    ENTRIES,
    NUMBERS,
    cell_to_text,
    check_finite,
    check_width,
    fill_row,
    missing_column_error,
    not_number_error,
    not_object_error,
    text_to_number,
    to_boolean,
    to_image_bytes,
)
from manyhot.serving.limits import Limits
from manyhot.validation import did_you_mean, shorten

Blocks = dict[str, np.ndarray | sp.csr_matrix]


class Cells(NamedTuple):
    """The cells of n rows of a table in form."""

    numbers: np.ndarray  # float64 (n, k), NaN for missing
    levels: list[np.ndarray]  # text (n,) for each category, "" for missing
    texts: list[list[str | None]]  # n texts for each column of text, None for missing
    images: list[pl.Series]  # n images for each column of images


class TableRowParser:
    """Rows as JSON objects, a cell a column."""

    def __init__(self, encoder: TableEncoder, limits: Limits) -> None:
        self.encoder, self.limits = encoder, limits
        self.boolean_indices = [
            encoder.numeric_columns.index(name)
            for name in encoder.numeric_columns
            if encoder.column_types[name] == "boolean"
        ]
        self.number_formats = {
            j: encoder.number_formats[name]
            for j, name in enumerate(encoder.numeric_columns)
            if name in encoder.number_formats and encoder.column_types[name] == "numeric"
        }
        self.numeric_columns = [name for name in encoder.numeric_columns if encoder.column_types[name] == "numeric"]
        self.used_columns = (
            *encoder.numeric_columns,
            *encoder.categorical_columns,
            *encoder.text_columns,
            *encoder.image_columns,
        )
        self.is_quick = not encoder.image_columns

    def parse(self, rows: Sequence[Any]) -> Blocks:
        """The cells of n rows in form, as arrays that can be joined with those of other requests."""
        cells = self._parse_cells(rows)
        # Images are brought to their size here, where what is wrong with one can be told.
        encoded = self.encoder.transform_cells(*cells) if self.encoder.image_columns else {}
        return encoded | _named_cells(cells.numbers, cells.levels, cells.texts)

    def cells(self, features: pl.DataFrame) -> Blocks:
        """The same of a frame, but for its images."""
        encoder = self.encoder
        levels = [level_texts(features[name]) for name in encoder.categorical_columns]
        texts = [cells_as_text(features[name]).to_list() for name in encoder.text_columns]
        return _named_cells(frame_numbers(features, encoder.numeric_columns), levels, texts)

    def encode(self, parsed: Blocks) -> Blocks:
        """What the network takes, of what `parse` made."""
        if self.encoder.image_columns:
            return {name: parsed[name] for name in self.encoder.shapes()}
        levels = [parsed[f"level {k}"] for k in range(len(self.encoder.categorical_columns))]
        texts = [parsed[f"text {k}"].tolist() for k in range(len(self.encoder.text_columns))]
        return self.encoder.transform_cells(parsed["numbers"], levels, texts)

    def parse_and_encode(self, rows: Sequence[Any]) -> Blocks:
        """Both at once."""
        return self.encode(self.parse(rows))

    def to_features(self, rows: Sequence[Any]) -> pl.DataFrame:
        """What the encoder takes: the same rows as a frame, in the form that a reader gives."""
        cells = self._parse_cells(rows)
        columns: list[pl.Series] = []
        for j, name in enumerate(self.encoder.numeric_columns):
            column = pl.Series(name, cells.numbers[:, j], dtype=pl.Float64).fill_nan(None)
            columns.append(column if name in self.numeric_columns else column == 1)
        for name, levels in zip(self.encoder.categorical_columns, cells.levels, strict=True):
            columns.append(pl.Series(name, [level or None for level in levels.tolist()], dtype=pl.String))
        for name, texts in zip(self.encoder.text_columns, cells.texts, strict=True):
            columns.append(pl.Series(name, texts, dtype=pl.String))
        return pl.DataFrame([*columns, *cells.images])

    def unused_columns(self, rows: Sequence[Any]) -> list[str]:
        """Some of the columns in the rows that the model does not use."""
        wide_row: dict[str, Any] = next((row for row in rows if len(row) > len(self.used_columns)), {})
        return list(islice((name for name in wide_row if name not in self.used_columns), 8))

    def _parse_cells(self, rows: Sequence[Any]) -> Cells:
        for i, row in enumerate(rows):
            if type(row) is not dict:
                raise not_object_error(row, i)
            check_width(row, self.used_columns, self.limits, i)
        encoder = self.encoder
        levels = [
            np.array([cell_to_text(cell, name, i) or "" for i, cell in enumerate(self._column(rows, name))], dtype=str)
            for name in encoder.categorical_columns
        ]
        texts = [
            [cell_to_text(cell, name, i) for i, cell in enumerate(self._column(rows, name))]
            for name in encoder.text_columns
        ]
        images = [
            pl.Series(
                name,
                [to_image_bytes(cell, name, i, self.limits) for i, cell in enumerate(self._column(rows, name))],
                dtype=pl.Binary,
            )
            for name in encoder.image_columns
        ]
        return Cells(self._parse_numbers(rows), levels, texts, images)

    def _column(self, rows: Sequence[dict[str, Any]], name: str) -> list[Any]:
        try:
            return [row[name] for row in rows]
        except KeyError:
            raise missing_column_error(rows, self.used_columns) from None

    def _parse_numbers(self, rows: Sequence[dict[str, Any]]) -> np.ndarray:
        names = self.encoder.numeric_columns
        matrix = np.empty((len(rows), len(names)))
        for i, row in enumerate(rows):
            try:
                cells = [row[name] for name in names]
            except KeyError:
                raise missing_column_error(rows, self.used_columns) from None
            for j in self.boolean_indices:
                cells[j] = to_boolean(cells[j], names[j], i)
            for j, number_format in self.number_formats.items():
                if type(cells[j]) is str:
                    cells[j] = text_to_number(cells[j], number_format, names[j], i)
            if not NUMBERS.issuperset(map(type, cells)):
                raise not_number_error(cells, names, i)
            fill_row(matrix, i, cells, names)
        return check_finite(matrix, names)


def _named_cells(numbers: np.ndarray, levels: Sequence[np.ndarray], texts: Sequence[Sequence[str | None]]) -> Blocks:
    cells: Blocks = {"numbers": numbers} | {f"level {k}": column for k, column in enumerate(levels)}
    return cells | {f"text {k}": np.array(column, dtype=object) for k, column in enumerate(texts)}


class MatrixRowParser:
    """Rows of a matrix as JSON lists, or as objects by the columns' names; what a sparse row does not name is 0."""

    is_quick = True

    def __init__(self, encoder: MatrixEncoder | PlainEncoder, limits: Limits) -> None:
        self.encoder, self.limits = encoder, limits
        self.used_columns = tuple(encoder.names)
        self.is_sparse = encoder.is_sparse
        self.allowed = NUMBERS if encoder.takes_gaps else ENTRIES
        self.column_indices = {name: j for j, name in enumerate(self.used_columns)} if self.is_sparse else {}

    def parse(self, rows: Sequence[Any]) -> Blocks:
        """The rows as a matrix, to be joined with others; `ApiError` as for `TableRowParser`."""
        return self.cells(self.to_features(rows))

    def cells(self, features: np.ndarray | sp.csr_matrix) -> Blocks:
        """A matrix as `parse` gives it."""
        return {"numbers": features}

    def encode(self, parsed: Blocks) -> Blocks:
        """What the network takes, of what `parse` made."""
        return self.encoder.transform(parsed["numbers"])

    def parse_and_encode(self, rows: Sequence[Any]) -> Blocks:
        """Both at once."""
        return self.encode(self.parse(rows))

    def to_features(self, rows: Sequence[Any]) -> np.ndarray | sp.csr_matrix:
        """What the encoder takes: a matrix (n, f)."""
        if self.is_sparse:
            return self._parse_sparse(rows)
        matrix = np.empty((len(rows), len(self.used_columns)))
        for i, row in enumerate(rows):
            fill_row(matrix, i, self._parse_dense_row(row, i), self.used_columns)
        return check_finite(matrix, self.used_columns)

    def unused_columns(self, rows: Sequence[Any]) -> list[str]:
        """Some of the columns in the rows that the model does not use."""
        wide_row = next((row for row in rows if isinstance(row, dict) and len(row) > len(self.used_columns)), {})
        known = set(self.used_columns) if wide_row else ()
        return list(islice((name for name in wide_row if name not in known), 8))

    def _parse_dense_row(self, row: Any, i: int) -> list[Any]:
        if type(row) is dict:
            check_width(row, self.used_columns, self.limits, i)
            try:
                cells = [row[name] for name in self.used_columns]
            except KeyError:
                raise missing_column_error([row], self.used_columns, i) from None
        else:
            cells = self._check_list(row, i)
        if not self.allowed.issuperset(map(type, cells)):
            raise not_number_error(cells, self.used_columns, i, self.allowed)
        return cells

    def _check_list(self, row: Any, i: int) -> list[Any]:
        if type(row) is not list:
            raise ApiError(
                422, f"got {shorten(row)}, expected an object or a list of numbers", row=i + 1, argument="rows"
            )
        if len(row) != len(self.used_columns):
            raise ApiError(
                422, f"has {len(row)} numbers, expected {len(self.used_columns)}", row=i + 1, argument="rows"
            )
        return row

    def _parse_sparse(self, rows: Sequence[Any]) -> sp.csr_matrix:
        columns: list[int] = []
        values: list[float] = []
        indptr = [0]
        for i, row in enumerate(rows):
            if type(row) is dict:
                check_width(row, self.used_columns, self.limits, i)
                entries = {self._column_index(name, i): cell for name, cell in row.items()}
            else:
                entries = {j: cell for j, cell in enumerate(self._check_list(row, i)) if cell != 0}
            if not ENTRIES.issuperset(map(type, entries.values())):
                raise not_number_error(list(entries.values()), [self.used_columns[j] for j in entries], i, ENTRIES)
            positions = sorted(entries)
            cells = np.empty((1, len(positions)))
            names = [self.used_columns[j] for j in positions]
            fill_row(cells, 0, [entries[j] for j in positions], names, i)
            columns += positions
            values += check_finite(cells, names, i)[0].tolist()
            indptr.append(len(columns))
        return sp.csr_matrix(
            (np.asarray(values, dtype=float), columns, indptr), shape=(len(rows), len(self.used_columns))
        )

    def _column_index(self, name: str, i: int) -> int:
        if name not in self.column_indices:
            hint = did_you_mean(name, islice(self.used_columns, 10_000))
            raise ApiError(422, f"the model has no column {shorten(name)}{hint}", row=i + 1, column=name[:200])
        return self.column_indices[name]


class ArrayRowParser:
    """Rows of any shape as nested JSON lists; an object of them, by name, for a model with several inputs."""

    is_quick = True
    used_columns: tuple[str, ...] = ()

    def __init__(self, encoder: MatrixEncoder | PlainEncoder, limits: Limits) -> None:
        self.encoder, self.limits, self.shapes = encoder, limits, encoder.shapes()

    def parse(self, rows: Sequence[Any]) -> Blocks:
        """The arrays, to be joined with others; `ApiError` as for `TableRowParser`."""
        return self.cells(self.to_features(rows))

    def cells(self, features: Arrays) -> Blocks:
        """Arrays as `parse` gives them."""
        return dict(features.blocks)

    def encode(self, parsed: Blocks) -> Blocks:
        """What the network takes, of what `parse` made."""
        return self.encoder.transform(Arrays(parsed))

    def parse_and_encode(self, rows: Sequence[Any]) -> Blocks:
        """Both at once."""
        return self.encode(self.parse(rows))

    def to_features(self, rows: Sequence[Any]) -> Arrays:
        """What the encoder takes: named arrays (n, ...)."""
        return Arrays(
            {name: np.stack([self._parse_array(row, name, i) for i, row in enumerate(rows)]) for name in self.shapes}
        )

    def unused_columns(self, rows: Sequence[Any]) -> list[str]:
        """Nothing: other inputs than the model's are refused."""
        return []

    def _parse_array(self, row: Any, name: str, i: int) -> np.ndarray:
        is_named = type(row) is dict
        if is_named and set(row) != set(self.shapes):
            raise ApiError(422, f"has the inputs {sorted(row)[:8]}, expected {sorted(self.shapes)}", row=i + 1)
        if not is_named and len(self.shapes) > 1:
            raise ApiError(422, f"got {shorten(row)}, expected an object with {sorted(self.shapes)}", row=i + 1)
        shape = self.shapes[name]
        try:
            array = np.asarray(row[name] if is_named else row)
        except ValueError:
            raise ApiError(422, f"its lists have unequal lengths, expected shape {shape}", row=i + 1) from None
        if array.dtype.kind not in "iuf" or array.shape != shape or not np.isfinite(array).all():
            got = f"shape {array.shape}" if array.dtype.kind in "iuf" else "something other than numbers"
            raise ApiError(422, f"got {got}, expected finite numbers of shape {shape}", row=i + 1, column=name)
        return array


RowParser = TableRowParser | MatrixRowParser | ArrayRowParser


def make_row_parser(encoder: Encoder, limits: Limits) -> RowParser:
    """How rows of a model's features are taken."""
    if isinstance(encoder, TableEncoder):
        return TableRowParser(encoder, limits)
    if encoder.names:
        return MatrixRowParser(encoder, limits)
    return ArrayRowParser(encoder, limits)
