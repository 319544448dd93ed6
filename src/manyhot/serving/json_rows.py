"""Rows out of JSON -> what the encoder takes, without a frame on the way where there is none to be made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot.data.samples import Arrays
from manyhot.encoders import MatrixEncoder, PlainEncoder, TableEncoder
from manyhot.encoders.categories import cells_as_text, level_texts
from manyhot.encoders.number_columns import frame_numbers
from manyhot.serving.errors import ApiError
from manyhot.serving.json_cells import (
    ENTRIES,
    NUMBERS,
    cell_error,
    cell_to_text,
    check_columns,
    check_width,
    row_error,
    text_to_number,
    to_boolean,
    to_image_bytes,
    to_numbers,
)
from manyhot.serving.limits import Limits
from manyhot.validation import did_you_mean, shorten

Blocks = dict[str, np.ndarray | sp.csr_matrix]


class BaseRowParser:
    """What rows of every kind have in common."""

    is_quick = True  # whether a row is read in no time
    cells: Callable[[Any], Blocks]  # of what the encoder takes
    to_features: Callable[[Sequence[Any]], Any]

    def __init__(self, used_columns: Sequence[str], limits: Limits) -> None:
        self.used_columns, self.limits = tuple(used_columns), limits

    def unused_columns(self, rows: Sequence[Any]) -> list[str]:
        """Some of the columns in the rows that the model does not use."""
        wide_row = next((row for row in rows if type(row) is dict and len(row) > len(self.used_columns)), {})
        known = set(self.used_columns) if wide_row else ()
        return list(islice((name for name in wide_row if name not in known), 8))

    def parse(self, rows: Sequence[Any]) -> Blocks:
        """The cells of n rows in form, as arrays that can be joined with those of other requests."""
        return self.cells(self.to_features(rows))


class TableRowParser(BaseRowParser):
    """Rows as JSON objects, a cell a column."""

    def __init__(self, encoder: TableEncoder, limits: Limits) -> None:
        groups = (encoder.numeric_columns, encoder.categorical_columns, encoder.text_columns, encoder.image_columns)
        super().__init__([name for group in groups for name in group], limits)
        self.encoder = encoder
        self.is_quick = not encoder.image_columns
        types = [encoder.column_types[name] for name in encoder.numeric_columns]
        self.boolean_indices = [j for j, column_type in enumerate(types) if column_type == "boolean"]
        self.number_formats = {
            j: encoder.number_formats[name]
            for j, name in enumerate(encoder.numeric_columns)
            if name in encoder.number_formats and types[j] == "numeric"
        }

    def parse(self, rows: Sequence[Any]) -> Blocks:
        """The same without a frame on the way."""
        self._check_rows(rows)
        encoder = self.encoder
        levels = [
            np.array([text or "" for text in texts], dtype=str)
            for texts in self._texts(rows, encoder.categorical_columns)
        ]
        texts, images = self._texts(rows, encoder.text_columns), self._images(rows)
        cells = _named_cells(self._numbers(rows), levels, texts)
        # Images are brought to their size here, where what is wrong with one can be told.
        return cells | self._encode(cells, images) if images else cells

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
        return self._encode(parsed, ())

    def _encode(self, cells: Blocks, images: Sequence[pl.Series]) -> Blocks:
        levels = [cells[f"level {k}"] for k in range(len(self.encoder.categorical_columns))]
        texts = [cells[f"text {k}"].tolist() for k in range(len(self.encoder.text_columns))]
        return self.encoder.transform_cells(cells["numbers"], levels, texts, images)

    def to_features(self, rows: Sequence[Any]) -> pl.DataFrame:
        """What the encoder takes: the same rows as a frame, in the form that a reader gives."""
        self._check_rows(rows)
        encoder, numbers = self.encoder, self._numbers(rows)
        columns: list[pl.Series] = []
        for j, name in enumerate(encoder.numeric_columns):
            column = pl.Series(name, numbers[:, j], dtype=pl.Float64).fill_nan(None)
            columns.append(column if encoder.column_types[name] == "numeric" else column == 1)
        text_names = [*encoder.categorical_columns, *encoder.text_columns]
        texts = zip(text_names, self._texts(rows, text_names), strict=True)
        columns += [pl.Series(name, column, dtype=pl.String) for name, column in texts]
        return pl.DataFrame([*columns, *self._images(rows)])

    def _check_rows(self, rows: Sequence[Any]) -> None:
        for i, row in enumerate(rows):
            if type(row) is not dict:
                raise row_error(f"got {shorten(row)}, expected an object with one value per column", i)
            check_width(row, self.used_columns, self.limits, i)
            check_columns(row, self.used_columns, i)

    def _texts(self, rows: Sequence[Any], names: Sequence[str]) -> list[list[str | None]]:
        """For each of some columns its n texts, None for missing."""
        return [[cell_to_text(row[name], name, i, self.limits) for i, row in enumerate(rows)] for name in names]

    def _images(self, rows: Sequence[Any]) -> list[pl.Series]:
        columns = []
        for name in self.encoder.image_columns:
            contents = [to_image_bytes(row[name], name, i, self.limits) for i, row in enumerate(rows)]
            columns.append(pl.Series(name, contents, dtype=pl.Binary))
        return columns

    def _numbers(self, rows: Sequence[dict[str, Any]]) -> np.ndarray:
        cells = (self._number_cells(row, i) for i, row in enumerate(rows))
        return to_numbers(cells, len(rows), self.encoder.numeric_columns)

    def _number_cells(self, row: dict[str, Any], i: int) -> list[Any]:
        names = self.encoder.numeric_columns
        cells = [row[name] for name in names]
        for j in self.boolean_indices:
            cells[j] = to_boolean(cells[j], names[j], i)
        for j, number_format in self.number_formats.items():
            if type(cells[j]) is str:
                cells[j] = text_to_number(cells[j], number_format, names[j], i)
        return cells


def _named_cells(numbers: np.ndarray, levels: Sequence[np.ndarray], texts: Sequence[Sequence[str | None]]) -> Blocks:
    cells: Blocks = {"numbers": numbers} | {f"level {k}": column for k, column in enumerate(levels)}
    return cells | {f"text {k}": np.array(column, dtype=object) for k, column in enumerate(texts)}


class MatrixRowParser(BaseRowParser):
    """Rows of a matrix as JSON lists, or as objects by the columns' names; what a sparse row does not name is 0."""

    def __init__(self, encoder: MatrixEncoder | PlainEncoder, limits: Limits) -> None:
        super().__init__(encoder.names, limits)
        self.encoder = encoder
        self.is_sparse = encoder.is_sparse
        self.allowed = NUMBERS if encoder.takes_gaps else ENTRIES
        self.column_indices = {name: j for j, name in enumerate(self.used_columns)} if self.is_sparse else {}

    def cells(self, features: np.ndarray | sp.csr_matrix) -> Blocks:
        """A matrix as `parse` gives it."""
        return {"numbers": features if sp.issparse(features) else np.asarray(features, dtype=float)}

    def encode(self, parsed: Blocks) -> Blocks:
        """What the network takes, of what `parse` made."""
        return self.encoder.transform(parsed["numbers"])

    def to_features(self, rows: Sequence[Any]) -> np.ndarray | sp.csr_matrix:
        """What the encoder takes: a matrix (n, f)."""
        if self.is_sparse:
            return self._parse_sparse(rows)
        cells = (self._dense_cells(row, i) for i, row in enumerate(rows))
        return to_numbers(cells, len(rows), self.used_columns, self.allowed)

    def _dense_cells(self, row: Any, i: int) -> list[Any]:
        if type(row) is not dict:
            return self._check_list(row, i)
        check_width(row, self.used_columns, self.limits, i)
        check_columns(row, self.used_columns, i)
        return [row[name] for name in self.used_columns]

    def _check_list(self, row: Any, i: int) -> list[Any]:
        if type(row) is not list:
            raise row_error(f"got {shorten(row)}, expected an object or a list of numbers", i)
        if len(row) != len(self.used_columns):
            raise row_error(f"has {len(row)} numbers, expected {len(self.used_columns)}", i)
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
            positions = sorted(entries)
            names = [self.used_columns[j] for j in positions]
            columns += positions
            values += to_numbers([[entries[j] for j in positions]], 1, names, ENTRIES, i)[0].tolist()
            indptr.append(len(columns))
        return sp.csr_matrix(
            (np.asarray(values, dtype=float), columns, indptr), shape=(len(rows), len(self.used_columns))
        )

    def _column_index(self, name: str, i: int) -> int:
        if name not in self.column_indices:
            hint = did_you_mean(name, islice(self.used_columns, 10_000))
            raise cell_error(f"the model has no column {shorten(name)}{hint}", i, name[:200])
        return self.column_indices[name]


class ArrayRowParser(BaseRowParser):
    """Rows of any shape as nested JSON lists; an object of them, by name, for a model with several inputs."""

    def __init__(self, encoder: MatrixEncoder | PlainEncoder, limits: Limits) -> None:
        self.encoder, self.shapes = encoder, encoder.shapes()
        super().__init__(list(self.shapes), limits)

    def cells(self, features: Arrays) -> Blocks:
        """Arrays as `parse` gives them."""
        return dict(features.blocks)

    def encode(self, parsed: Blocks) -> Blocks:
        """What the network takes, of what `parse` made."""
        return self.encoder.transform(Arrays(parsed))

    def to_features(self, rows: Sequence[Any]) -> Arrays:
        """What the encoder takes: named arrays (n, ...)."""
        return Arrays(
            {name: np.stack([self._parse_array(row, name, i) for i, row in enumerate(rows)]) for name in self.shapes}
        )

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
            raise cell_error(f"got {got}, expected finite numbers of shape {shape}", i, name)
        return array


RowParser = TableRowParser | MatrixRowParser | ArrayRowParser


def make_row_parser(encoder: Any, limits: Limits) -> RowParser:
    """How rows of a model's features are taken."""
    if encoder.column_types:
        return TableRowParser(encoder, limits)
    if encoder.names:
        return MatrixRowParser(encoder, limits)
    return ArrayRowParser(encoder, limits)
