"""Rows out of JSON -> what the encoder takes, without a frame on the way where there is none to be made.

Cells mean what they mean in a file: blanks around text are dropped, empty cells and `?` are missing, whole numbers are
their digits where a category is a number. A row says something about every column that the model uses, null where it
is missing. Nothing here knows HTTP or batches. Start reading at `TableRows`; `rows_for` says which kind suits a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot.data.samples import Arrays
from manyhot.encoders import Encoder, MatrixEncoder, PlainEncoder, TableEncoder
from manyhot.encoders.numeric import BLOCK
from manyhot.serving.errors import ApiError
from manyhot.serving.json_cells import (
    ENTRIES,
    NUMBERS,
    check_width,
    fill,
    finite,
    image_of,
    missing,
    no_number,
    no_object,
    text_of,
    yes_no,
)
from manyhot.serving.limits import Limits
from manyhot.validation import did_you_mean, shown

Blocks = dict[str, np.ndarray | sp.csr_matrix]


class Cells(NamedTuple):
    """The cells of n rows of a table in form.

    Attributes:
        numbers: float64 (n, k), NaN for missing.
        levels: Text (n,) for each category, "" for missing.
        texts: n texts for each column of text, None for missing.
        images: n images for each column of images.
    """

    numbers: np.ndarray
    levels: list[np.ndarray]
    texts: list[list[str | None]]
    images: list[pl.Series]


class TableRows:
    """Rows as JSON objects, a cell a column.

    Args:
        encoder: The model's encoder.
        limits: Bounds.
    """

    def __init__(self, encoder: TableEncoder, limits: Limits) -> None:
        self.encoder, self.limits = encoder, limits
        self.booleans = [encoder.numbers.index(name) for name in encoder.numbers if encoder.kinds[name] == "boolean"]
        self.plain = [name for name in encoder.numbers if encoder.kinds[name] == "numeric"]
        self.used = (*encoder.numbers, *encoder.categories, *encoder.text_columns, *encoder.image_columns)
        self.is_quick = not encoder.image_columns

    def checked(self, rows: Sequence[Any]) -> Blocks:
        """The cells of n rows in form, as arrays that can be joined with those of other requests.

        Images are brought to their size here, where what is wrong with one can be told.

        Raises:
            ApiError: Something in a row that cannot be used, with its row and column.
            InputError: An image that cannot be used.
        """
        cells = self._cells(rows)
        if self.encoder.image_columns:
            return self.encoder.transform_cells(*cells)
        found: Blocks = {"numbers": cells.numbers}
        found |= {f"level {k}": levels for k, levels in enumerate(cells.levels)}
        return found | {f"text {k}": np.array(texts, dtype=object) for k, texts in enumerate(cells.texts)}

    def encoded(self, checked: Blocks) -> Blocks:
        """What the network takes, of what `checked` made."""
        if self.encoder.image_columns:
            return checked
        levels = [checked[f"level {k}"] for k in range(len(self.encoder.categories))]
        texts = [checked[f"text {k}"].tolist() for k in range(len(self.encoder.text_columns))]
        return self.encoder.transform_cells(checked["numbers"], levels, texts)

    def blocks(self, rows: Sequence[Any]) -> Blocks:
        """Both at once."""
        return self.encoded(self.checked(rows))

    def features(self, rows: Sequence[Any]) -> pl.DataFrame:
        """What the encoder takes: the same rows as a frame, in the form that a reader gives."""
        cells = self._cells(rows)
        columns: list[pl.Series] = []
        for j, name in enumerate(self.encoder.numbers):
            column = pl.Series(name, cells.numbers[:, j], dtype=pl.Float64).fill_nan(None)
            columns.append(column if name in self.plain else column == 1)
        for name, levels in zip(self.encoder.categories, cells.levels, strict=True):
            columns.append(pl.Series(name, [level or None for level in levels.tolist()], dtype=pl.String))
        for name, texts in zip(self.encoder.text_columns, cells.texts, strict=True):
            columns.append(pl.Series(name, texts, dtype=pl.String))
        return pl.DataFrame([*columns, *cells.images])

    def unused(self, rows: Sequence[Any]) -> list[str]:
        """Some of the columns in the rows that the model does not use."""
        found: dict[str, Any] = next((row for row in rows if len(row) > len(self.used)), {})
        return list(islice((name for name in found if name not in self.used), 8))

    def _cells(self, rows: Sequence[Any]) -> Cells:
        for i, row in enumerate(rows):
            if type(row) is not dict:
                raise no_object(row, i)
            check_width(row, self.used, self.limits, i)
        encoder = self.encoder
        levels = [
            np.array([text_of(cell, name, i) or "" for i, cell in enumerate(self._column(rows, name))], dtype=str)
            for name in encoder.categories
        ]
        texts = [
            [text_of(cell, name, i) for i, cell in enumerate(self._column(rows, name))] for name in encoder.text_columns
        ]
        images = [
            pl.Series(
                name,
                [image_of(cell, name, i, self.limits) for i, cell in enumerate(self._column(rows, name))],
                dtype=pl.Binary,
            )
            for name in encoder.image_columns
        ]
        return Cells(self._numbers(rows), levels, texts, images)

    def _column(self, rows: Sequence[dict[str, Any]], name: str) -> list[Any]:
        try:
            return [row[name] for row in rows]
        except KeyError:
            raise missing(rows, self.used) from None

    def _numbers(self, rows: Sequence[dict[str, Any]]) -> np.ndarray:
        names = self.encoder.numbers
        found = np.empty((len(rows), len(names)))
        for i, row in enumerate(rows):
            try:
                cells = [row[name] for name in names]
            except KeyError:
                raise missing(rows, self.used) from None
            for j in self.booleans:
                cells[j] = yes_no(cells[j], names[j], i)
            if not NUMBERS.issuperset(map(type, cells)):
                raise no_number(cells, names, i)
            fill(found, i, cells, names)
        return finite(found, names)


class MatrixRows:
    """Rows of a matrix as JSON lists, or as objects by the columns' names; what a sparse row does not name is 0.

    Args:
        encoder: The model's encoder, with names.
        limits: Bounds.
    """

    is_quick = True

    def __init__(self, encoder: MatrixEncoder | PlainEncoder, limits: Limits) -> None:
        self.encoder, self.limits = encoder, limits
        self.used = tuple(encoder.names)
        self.is_sparse = isinstance(encoder, MatrixEncoder) and encoder.is_sparse
        self.allowed = ENTRIES if isinstance(encoder, PlainEncoder) else NUMBERS
        self.places = {name: j for j, name in enumerate(self.used)} if self.is_sparse else {}

    def checked(self, rows: Sequence[Any]) -> Blocks:
        """The rows as a matrix, to be joined with others; `ApiError` as for `TableRows`."""
        return {BLOCK: self.features(rows)}

    def encoded(self, checked: Blocks) -> Blocks:
        """What the network takes, of what `checked` made."""
        return self.encoder.transform(checked[BLOCK])

    def blocks(self, rows: Sequence[Any]) -> Blocks:
        """Both at once."""
        return self.encoded(self.checked(rows))

    def features(self, rows: Sequence[Any]) -> np.ndarray | sp.csr_matrix:
        """What the encoder takes: a matrix (n, f)."""
        if self.is_sparse:
            return self._sparse(rows)
        found = np.empty((len(rows), len(self.used)))
        for i, row in enumerate(rows):
            fill(found, i, self._dense(row, i), self.used)
        return finite(found, self.used)

    def unused(self, rows: Sequence[Any]) -> list[str]:
        """Some of the columns in the rows that the model does not use."""
        found = next((row for row in rows if isinstance(row, dict) and len(row) > len(self.used)), {})
        known = set(self.used) if found else ()
        return list(islice((name for name in found if name not in known), 8))

    def _dense(self, row: Any, i: int) -> list[Any]:
        if type(row) is dict:
            check_width(row, self.used, self.limits, i)
            try:
                cells = [row[name] for name in self.used]
            except KeyError:
                raise missing([row], self.used, i) from None
        else:
            cells = self._listed(row, i)
        if not self.allowed.issuperset(map(type, cells)):
            raise no_number(cells, self.used, i, self.allowed)
        return cells

    def _listed(self, row: Any, i: int) -> list[Any]:
        if type(row) is not list:
            raise ApiError(
                422, f"got {shown(row)}, expected an object or a list of numbers", row=i + 1, argument="rows"
            )
        if len(row) != len(self.used):
            raise ApiError(422, f"has {len(row)} numbers, expected {len(self.used)}", row=i + 1, argument="rows")
        return row

    def _sparse(self, rows: Sequence[Any]) -> sp.csr_matrix:
        columns: list[int] = []
        values: list[float] = []
        ends = [0]
        for i, row in enumerate(rows):
            if type(row) is dict:
                check_width(row, self.used, self.limits, i)
                there = {self._place(name, i): cell for name, cell in row.items()}
            else:
                there = {j: cell for j, cell in enumerate(self._listed(row, i)) if cell != 0}
            if not ENTRIES.issuperset(map(type, there.values())):
                raise no_number(list(there.values()), [self.used[j] for j in there], i, ENTRIES)
            places = sorted(there)
            cells = np.empty((1, len(places)))
            named = [self.used[j] for j in places]
            fill(cells, 0, [there[j] for j in places], named, i)
            columns += places
            values += finite(cells, named, i)[0].tolist()
            ends.append(len(columns))
        return sp.csr_matrix((np.asarray(values, dtype=float), columns, ends), shape=(len(rows), len(self.used)))

    def _place(self, name: str, i: int) -> int:
        if name not in self.places:
            hint = did_you_mean(name, islice(self.used, 10_000))
            raise ApiError(422, f"the model has no column {shown(name)}{hint}", row=i + 1, column=name[:200])
        return self.places[name]


class ArrayRows:
    """Rows of any shape as nested JSON lists: one list for a model with one input, else an object by the inputs' names.

    Args:
        encoder: The model's encoder, without names of columns.
        limits: Bounds.
    """

    is_quick = True
    used: tuple[str, ...] = ()

    def __init__(self, encoder: PlainEncoder, limits: Limits) -> None:
        self.encoder, self.limits, self.shapes = encoder, limits, encoder.shapes()

    def checked(self, rows: Sequence[Any]) -> Blocks:
        """The arrays, to be joined with others; `ApiError` as for `TableRows`."""
        return dict(self.features(rows).blocks)

    def encoded(self, checked: Blocks) -> Blocks:
        """What the network takes, of what `checked` made."""
        return self.encoder.transform(Arrays(checked))

    def blocks(self, rows: Sequence[Any]) -> Blocks:
        """Both at once."""
        return self.encoded(self.checked(rows))

    def features(self, rows: Sequence[Any]) -> Arrays:
        """What the encoder takes: named arrays (n, ...)."""
        return Arrays(
            {name: np.stack([self._array(row, name, i) for i, row in enumerate(rows)]) for name in self.shapes}
        )

    def unused(self, rows: Sequence[Any]) -> list[str]:
        """Nothing: other inputs than the model's are refused."""
        return []

    def _array(self, row: Any, name: str, i: int) -> np.ndarray:
        is_named = type(row) is dict
        if is_named and set(row) != set(self.shapes):
            raise ApiError(422, f"has the inputs {sorted(row)[:8]}, expected {sorted(self.shapes)}", row=i + 1)
        if not is_named and len(self.shapes) > 1:
            raise ApiError(422, f"got {shown(row)}, expected an object with {sorted(self.shapes)}", row=i + 1)
        shape = self.shapes[name]
        try:
            found = np.asarray(row[name] if is_named else row)
        except ValueError:
            raise ApiError(422, f"its lists have unequal lengths, expected shape {shape}", row=i + 1) from None
        if found.dtype.kind not in "iuf" or found.shape != shape or not np.isfinite(found).all():
            got = f"shape {found.shape}" if found.dtype.kind in "iuf" else "something other than numbers"
            raise ApiError(422, f"got {got}, expected finite numbers of shape {shape}", row=i + 1, column=name)
        return found


Rows = TableRows | MatrixRows | ArrayRows


def rows_for(encoder: Encoder, limits: Limits) -> Rows:
    """How rows of a model's features are taken."""
    if isinstance(encoder, TableEncoder):
        return TableRows(encoder, limits)
    if isinstance(encoder, MatrixEncoder) or encoder.names:
        return MatrixRows(encoder, limits)
    return ArrayRows(encoder, limits)
