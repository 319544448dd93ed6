"""One form per kind of column, and ids as text."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping

import numpy as np
import polars as pl

from manyhot.data.number_cells import NUMBER_GAPS, NumberFormat, infer_number_format, parse_numbers
from manyhot.data.readers.column_types import (
    Inspection,
    cast_column,
    inspect_columns,
    is_finite,
    without_gaps,
    words_to_boolean,
)
from manyhot.data.samples import ColumnKind
from manyhot.errors import InputError


def coerce_column(
    column: pl.Series, kind: ColumnKind, number_format: NumberFormat | None = None, decimal: str | None = None
) -> pl.Series:
    """A column in the form of its kind: Float64, Boolean or String; images and ignored columns as they are."""
    if kind == "boolean" and column.dtype == pl.Boolean:
        return column
    if kind in ("numeric", "boolean"):
        numbers = _to_numbers(column, kind, number_format, decimal)
        return numbers if kind == "numeric" else _to_boolean(numbers)
    if kind == "ignored":
        values = cast_column(column)
        return values.dt.to_string() if values.dtype.is_temporal() else values
    if kind == "image" and isinstance(column.dtype, pl.Struct):  # as datasets on hubs have them: bytes and path
        return column.struct.field("bytes").alias(column.name)
    return column if kind == "image" and column.dtype in (pl.Binary, pl.Array) else to_text(column)


def to_text(column: pl.Series) -> pl.Series:
    """Cells as text: whole numbers as their digits, blanks around cells dropped, words for missing as null."""
    if column.dtype.is_float():
        values = column.drop_nulls().drop_nans()
        column = column.fill_nan(None)
        if len(values) and bool((values.round(0) == values).all()) and np.abs(values.to_numpy()).max() < 2**53:
            column = column.cast(pl.Int64)
    elif column.dtype.is_temporal():
        column = column.dt.to_string()
    return without_gaps(column.cast(pl.String).str.strip_chars())


def read_columns(frame: pl.DataFrame, overrides: Mapping[str, str]) -> tuple[pl.DataFrame, Inspection]:
    """A frame whose columns have the types of their values, numbers in text, too; ids stay as they are."""
    inspection = inspect_columns(frame, overrides)
    kinds = inspection.column_types
    columns = []
    for name, kind in kinds.items():
        column = frame[name]
        if kind in ("numeric", "boolean") and is_written(column):
            column = coerce_column(inspection.numbers.get(name, column), kind, inspection.number_formats.get(name))
        elif kind != "id" and overrides.get(name) not in ("text", "categorical") and column.dtype != pl.Categorical:
            column = cast_column(column)
        columns.append(column)
    return frame.with_columns(columns), inspection


def is_written(column: pl.Series) -> bool:
    """Whether numbers of a column are in another form than numbers."""
    return column.dtype == pl.String or column.dtype.is_temporal()


def row_ids(column: pl.Series) -> np.ndarray:
    """The ids of all rows, text (n,)."""
    cells = to_text(column)
    missing = cells.is_null().arg_true()
    if len(missing):
        raise InputError(
            "has no id, expected one in every row; name another id column, or none",
            row=int(missing[0]) + 1,
            column=column.name,
        )
    return np.asarray(cells.to_list(), dtype=str)


def read_ids(
    features: pl.DataFrame, column_types: Mapping[str, ColumnKind], id_column: str | None, preferred: Collection[str]
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The ids of the rows, and what is said of the columns that hold ids."""
    id_columns = [name for name, kind in column_types.items() if kind == "id"]
    if not id_columns:
        return None, ()
    name_column = id_column or next((name for name in id_columns if name in preferred), id_columns[0])
    ids = row_ids(features[name_column])
    notes = [] if id_column else [f"the rows are named by column {name_column!r}"]
    others = [name for name in id_columns if name != name_column]
    if others:
        notes.append(f"left out, they only name rows: {', '.join(others)}")
    if to_text(features[name_column]).n_unique() < len(ids):
        notes.append(f"some ids in column {name_column!r} stand in several rows")
    return ids, tuple(notes)


def _to_numbers(
    column: pl.Series, kind: ColumnKind, number_format: NumberFormat | None, decimal: str | None
) -> pl.Series:
    if column.dtype == pl.String and number_format is not None:
        values = _parse_cells(column, kind, number_format)
    else:
        values = cast_column(column)
    if values.dtype == pl.String and values.null_count() != len(values):
        values = _text_to_numbers(values, kind, decimal)
    if values.dtype.is_temporal():
        values = _to_days(values)
    if values.dtype.is_nested() or values.dtype in (pl.Binary, pl.Object):
        raise InputError(f"holds nested values ({values.dtype}), expected numbers", column=column.name)
    values = values.cast(pl.Float64)
    if is_finite(values):
        return values
    values = values.fill_nan(None)
    _refuse(values, values.is_infinite(), "a finite number; leave the cell empty where there is none")
    return values


def _refuse(values: pl.Series, is_invalid: pl.Series, expected: str) -> None:
    """Raise `InputError` with the first value that is invalid."""
    invalid = is_invalid.fill_null(False).arg_true()
    if len(invalid):
        value = values[int(invalid[0])]
        got = repr(value) if isinstance(value, str) else f"{value:g}"
        raise InputError(f"got {got}, expected {expected}", row=int(invalid[0]) + 1, column=values.name)


def _text_to_numbers(values: pl.Series, kind: ColumnKind, decimal: str | None) -> pl.Series:
    """Text whose way to write numbers was not inferred: words of yes and no, decimal commas, dates."""
    if kind == "boolean":
        truths = words_to_boolean(values)
        if (truths.is_not_null() | values.str.to_lowercase().is_in(NUMBER_GAPS).fill_null(True)).all():
            return truths
    else:
        found = infer_number_format(values, decimal, is_strict=True)
        if found is not None:
            return found.numbers
        days = _dates_to_days(values)
        if days is not None:
            return days
    return _parse_cells(values, kind, NumberFormat())


def _parse_cells(column: pl.Series, kind: ColumnKind, number_format: NumberFormat) -> pl.Series:
    numbers, is_invalid = parse_numbers(column, number_format)
    _refuse(column, is_invalid, number_format.describe() if kind == "numeric" else "0 or 1, or true or false")
    return numbers


_TIME_FORMATS = ("%H:%M", "%H:%M:%S", "%H:%M:%S%.f")
_DATE_FORMATS = [
    day + time
    for day in ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y")
    for time in ("", *(mark + clock for clock in _TIME_FORMATS for mark in " T"))
]


def _dates_to_days(values: pl.Series) -> pl.Series | None:
    """Dates as days since 1970, times as hours; None unless all are written in one way that leaves nothing open."""
    times = (values.str.to_time(form, strict=False) for form in _TIME_FORMATS)
    dates = (values.str.to_datetime(form, strict=False, time_unit="us") for form in _DATE_FORMATS)
    for read in itertools.chain(times, dates):
        if read.null_count() == values.null_count():
            return _to_days(read)
    return None


def _to_days(values: pl.Series) -> pl.Series:
    """Dates as days since 1970-01-01, with fractions for times of day; times alone as hours."""
    if values.dtype == pl.Time:
        return values.to_physical() / 3.6e12
    return values.dt.timestamp("us") / 8.64e10


def _to_boolean(numbers: pl.Series) -> pl.Series:
    is_other = (numbers != 0) & (numbers != 1)
    _refuse(numbers, is_other, "0 or 1, or true or false; say that it is numeric if it is")
    return numbers == 1
