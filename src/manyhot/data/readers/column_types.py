"""What each column of a table is: a number, a yes/no, a category, free text, an image, an id, or of no use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import polars as pl

from manyhot.data.number_cells import (
    MAX_STRAY_SHARE,
    NUMBER_GAPS,
    TEXT_GAPS,
    NumberFormat,
    are_thousands_or_fractions,
    infer_number_format,
    mixed_units,
    shared_decimal,
    unusual_gaps,
)
from manyhot.data.readers.column_notes import ColumnNotes
from manyhot.data.readers.id_columns import are_codes, are_padded, is_id_name, is_index, names_things
from manyhot.data.samples import COLUMN_TYPES, ColumnKind
from manyhot.errors import InputError
from manyhot.validation import did_you_mean

FEW_LEVELS = 20  # Text with no more levels is categorical, unless its cells are long and mostly different
MAX_LEVELS = 1000
# Mean length of a cell, in bytes of UTF-8, from which mostly different cells are free text: a Chinese character has
# three of them, and says about as much as three letters
LONG_TEXT = 40
MAX_SCANNED_ROWS = 1000  # Rows up to which columns without any digit are told first
MIN_TEXTS = 10  # Cells from which texts that all differ are no levels of a category, however few they are

IMAGE_NAME = r"(?i)\.(png|jpe?g|jfif|bmp|gif|tiff?|webp|p[bgp]m)$"
_IMAGE_STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"P4", b"P5", b"P6", b"RIFF")
_CLOCK = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp]\.?[Mm]\.?)?"
_MONTH = r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[A-Za-z]*\.?"
_DAY = (
    r"\d{4}-\d{2}(-\d{2})?|\d{4}[/.]\d{1,2}[/.]\d{1,2}|\d{1,2}([./-])\d{1,2}[./-](\d{4}|\d{2})|\d{4}-?Q[1-4]|"
    rf"\d{{4}}-W\d{{2}}|\d{{1,2}}\.?[ -]{_MONTH}[ -]\d{{2,4}}|{_MONTH} \d{{1,2}},? \d{{4}}|"
    r"\d{4}年\d{1,2}月\d{1,2}日"
)
_SPAN = r"[+-]?\d+ days?,? [+-]?\d{1,2}:\d{2}:\d{2}([.,]\d+)?|\d+ ?h(ours?)?,? ?\d{1,2} ?m(ins?|inutes?)?"
_DATE = rf"^(({_DAY})(,?[T ]{_CLOCK}( ?(Z|UTC|[+-]\d{{2}}:?\d{{2}}))?)?|{_CLOCK}|{_SPAN})$"
_TRUE, _FALSE = ("true", "yes", "y", "t", "on"), ("false", "no", "n", "f", "off")
_PAIRS = [{yes, no} for yes, no in zip(_TRUE, _FALSE, strict=True)]
_PROBED_CELLS = 50
NESTED = (pl.List, pl.Array, pl.Struct, pl.Object, pl.Binary)


@dataclass(frozen=True)
class Inspection:
    """What inspection found."""

    column_types: dict[str, ColumnKind]  # Column name -> kind, for every column, in the frame's order
    notes: tuple[str, ...]
    number_formats: dict[str, NumberFormat] = field(default_factory=dict)
    numbers: dict[str, pl.Series] = field(default_factory=dict)  # cells already read as Float64 or Boolean


def infer_column_types(frame: pl.DataFrame, overrides: Mapping[str, str] | None = None) -> dict[str, ColumnKind]:
    """The kind of every column."""
    return inspect_columns(frame, overrides or {}).column_types


def inspect_columns(
    frame: pl.DataFrame,
    overrides: Mapping[str, str],
    number_formats: Mapping[str, NumberFormat] | None = None,
    decimal: str | None = None,
) -> Inspection:
    """As `infer_column_types`, with notes on what is left out and why, and how numbers are written."""
    refuse_unknown(overrides, frame.columns)
    column_types: dict[str, ColumnKind] = {}
    formats: dict[str, NumberFormat] = {}
    numbers: dict[str, pl.Series] = {}
    notes = ColumnNotes()
    wordy = _columns_without_digits(frame)

    @cache
    def table_mark() -> str | None:
        """The decimal mark of the columns that leave no doubt about it."""
        columns = (column for column in frame.iter_columns() if column.dtype == pl.String)
        return shared_decimal(column for column in columns if column.name not in wordy)

    for name in frame.columns:
        kind = parse_column_type(overrides[name]) if name in overrides else None
        if number_formats is not None and name in number_formats:
            formats[name] = number_formats[name]
        if kind is not None and (kind not in ("numeric", "boolean") or number_formats is not None):
            column_types[name] = kind
            continue
        raw, column = frame[name], cast_column(frame[name])
        is_plain = raw.dtype == pl.String and column.dtype == pl.Float64
        if is_plain and are_thousands_or_fractions(raw) and "," in (table_mark(), decimal):
            found = infer_number_format(raw, table_mark() or _mark_of_dots(raw, column))
            if found is not None:
                column, formats[name] = found.numbers, found.format
                notes.add_numbers(name, found)
        elif kind is None and is_plain and are_padded(raw):
            column = without_gaps(raw.str.strip_chars())
            notes.guess(name, "digits with leading zeros, so not read as numbers")
        elif raw.dtype == pl.Duration:
            notes.guess(name, "spans of time, read as seconds")
        elif name not in wordy and raw.dtype == pl.String == column.dtype and (kind or not _are_named_ids(raw)):
            found = infer_number_format(column, decimal)
            if found is not None and found.doubtful_mark and table_mark() not in (None, found.format.decimal):
                found = infer_number_format(column, table_mark())
            if found is not None:
                column, formats[name] = found.numbers, found.format
                notes.add_numbers(name, found)
        if raw.dtype == pl.String and name not in formats and column.null_count() > raw.null_count():
            notes.add_gaps(name, unusual_gaps(raw.filter(column.is_null())))
        column_types[name] = kind or _infer_kind(raw, column, notes, name not in wordy)
        if column_types[name] not in ("numeric", "boolean"):
            formats.pop(name, None)
        elif kind is None:
            is_zero_or_one = column_types[name] == "boolean" and column.dtype == pl.Float64
            numbers[name] = column == 1 if is_zero_or_one else column
    return Inspection(column_types, notes.sentences(), formats, numbers)


def _columns_without_digits(frame: pl.DataFrame) -> set[str]:
    """Columns of text without a digit in any cell, asked all at once: they hold no numbers and no dates."""
    # Wide tables have few rows; in tall ones the question would take longer than the answer saves
    if frame.height > MAX_SCANNED_ROWS or pl.String not in frame.dtypes:
        return set()
    has_digits = frame.select(pl.col(pl.String).str.contains(r"\d").any())
    return {name for name, has in zip(has_digits.columns, has_digits.row(0), strict=True) if not has}


def _mark_of_dots(raw: pl.Series, numbers: pl.Series) -> str:
    """The decimal mark of such numbers where no other column tells: dots in all cells are those of fractions."""
    return "." if raw.filter(numbers.is_not_null()).str.contains(".", literal=True).all() else ","


def refuse_unknown(overrides: Mapping[str, str], columns: Sequence[str]) -> None:
    """Raise `InputError` when a kind is given for a column that is not there."""
    present = set(columns) if overrides else ()
    for name in overrides:
        if name not in present:
            raise InputError(
                f"there is no feature column {name!r}{did_you_mean(name, columns)}", argument="column_types"
            )


def parse_column_type(name: str) -> ColumnKind:
    """The kind of that name; `InputError` when there is none."""
    for kind in COLUMN_TYPES:
        if kind == name:
            return kind
    hint = did_you_mean(str(name), COLUMN_TYPES)
    raise InputError(f"got {name!r}, expected one of {', '.join(COLUMN_TYPES)}{hint}", argument="column_types")


def cast_column(column: pl.Series) -> pl.Series:
    """A column in the type its values have: Float64, Boolean or String; dates and nested types as they are."""
    dtype = column.dtype
    if column.null_count() == len(column):
        return pl.Series(column.name, [None] * len(column), dtype=pl.String)
    if dtype.is_numeric():
        numbers = without_nan(column.cast(pl.Float64))
        return numbers if numbers.null_count() < len(numbers) else numbers.cast(pl.String)
    if dtype in (pl.Categorical, pl.Enum):  # a type that says that digits are no numbers
        return without_gaps(column.cast(pl.String).str.strip_chars())
    if dtype == pl.Duration:
        return column.dt.total_microseconds() / 1e6
    if dtype != pl.String:
        return column
    read = _text_to_numbers(column)
    if read is not None:
        return read
    texts = column.str.strip_chars()
    words = _find_yes_words(texts)
    if words is None:
        return without_gaps(texts)
    return texts.is_in(words[0]).set(texts.is_in(words[1]).fill_null(True), None)


def without_gaps(texts: pl.Series) -> pl.Series:
    """Texts with null for those that stand for a missing one."""
    return texts.set(texts.is_in(TEXT_GAPS).fill_null(True), None)


def words_to_boolean(texts: pl.Series) -> pl.Series:
    """Boolean for words of yes and no, null for all others."""
    lower = texts.str.strip_chars().str.to_lowercase()
    is_yes = lower.is_in(_TRUE)
    return is_yes.set((~is_yes & ~lower.is_in(_FALSE)).fill_null(True), None).alias(texts.name)


def _text_to_numbers(column: pl.Series) -> pl.Series | None:
    """Text as numbers, null for gaps; None where a cell is something else, or all are gaps."""
    numbers = column.cast(pl.Float64, strict=False)
    if numbers.null_count() == column.null_count():
        return without_nan(numbers)
    if not _are_numbers(column.gather_every(max(1, len(column) // _PROBED_CELLS))):  # most text is settled here
        return None
    is_odd = numbers.is_null() & column.is_not_null()
    odd = column.filter(is_odd)
    if not _are_numbers(odd):
        return None
    numbers = numbers.scatter(is_odd.arg_true(), odd.str.strip_chars().cast(pl.Float64, strict=False)).fill_nan(None)
    return numbers if numbers.null_count() < len(numbers) or not _are_gaps(column).all() else None


def _are_numbers(cells: pl.Series) -> bool:
    """Whether all cells are numbers or gaps, with or without blanks around them."""
    return bool((cells.str.strip_chars().cast(pl.Float64, strict=False).is_not_null() | _are_gaps(cells)).all())


def _are_gaps(cells: pl.Series) -> pl.Series:
    """Which cells stand for a missing number, or are missing."""
    return cells.str.strip_chars().str.to_lowercase().is_in(NUMBER_GAPS).fill_null(True)


def _find_yes_words(texts: pl.Series) -> tuple[list[str], list[str]] | None:
    """The cells that mean yes, and those that are gaps, each once, where all are yes and no in one of the pairs."""
    head = texts.head(_PROBED_CELLS).drop_nulls()
    if (words_to_boolean(head).is_null() & ~_are_gaps(head)).any():
        return None
    words = {text: text.lower() for text in texts.drop_nulls().unique()}
    gaps = [text for text, word in words.items() if word in NUMBER_GAPS]
    found = {word for word in words.values() if word not in NUMBER_GAPS}
    if not found or not (found <= {"true", "false"} or found in _PAIRS):
        return None
    return [text for text, word in words.items() if word in _TRUE], gaps


def is_finite(numbers: pl.Series) -> bool:
    """Whether a look at the sum of float numbers shows that none is NaN or infinite; False may be wrong."""
    return math.isfinite(numbers.sum() or 0.0)


def without_nan(numbers: pl.Series) -> pl.Series:
    """Float numbers with null for NaN."""
    return numbers if is_finite(numbers) else numbers.fill_nan(None)


def are_image_names(values: pl.Series) -> bool:
    """Whether texts all name an image file; missing ones do not count."""
    return bool(values.str.contains(IMAGE_NAME).all())


def _are_named_ids(raw: pl.Series) -> bool:
    return is_id_name(raw.name) and raw.null_count() == 0 and raw.n_unique() == len(raw)


def _infer_kind(raw: pl.Series, column: pl.Series, notes: ColumnNotes, has_digits: bool) -> ColumnKind:
    """The kind of a typed column; ids are compared raw, where no digit is lost."""
    name = column.name
    if column.dtype in NESTED:
        return "image" if _are_images(column) else notes.leave_out(name, "lists and other nested values")
    values = column.drop_nulls()
    if not len(values):
        return notes.leave_out(name, "empty in every row")
    if has_digits and _are_dates(column):
        return notes.leave_out(
            name,
            "dates and times (said to be numeric with column_types, those like 2024-02-01, 01.02.2024 or 10:05 become "
            "days since 1970, or hours)",
        )
    if is_id_name(name) and len(values) == len(column) == raw.n_unique() and _may_be_ids(values):
        return "id"
    if is_index(column):
        return "id"
    if (
        column.dtype == pl.Float64
        and names_things(name)
        and _may_be_ids(values)
        and (n_levels := values.n_unique()) > 2
    ):
        return _infer_reference_kind(name, n_levels, len(values), notes)
    is_full = len(column) > 1 and len(values) == len(column)
    if is_full and values.head(_PROBED_CELLS).n_unique() == values.n_unique() == 1:
        return notes.leave_out(name, "the same value in every row")
    if column.dtype == pl.Boolean:
        return "boolean"
    if column.dtype == pl.Float64:
        return "boolean" if values.is_in([0.0, 1.0]).all() else "numeric"
    if are_image_names(values):
        return "image"
    n_levels = values.n_unique()
    if n_levels == len(column) and are_codes(values):
        notes.guess(
            name, "taken for names of rows, because all cells differ and are made alike (column_types says else)"
        )
        return "id"
    return _infer_text_kind(raw, values, n_levels, notes, has_digits)


def _infer_reference_kind(name: str, n_levels: int, n_values: int, notes: ColumnNotes) -> ColumnKind:
    """The kind of whole numbers that name something that has several rows, such as a user."""
    if n_levels > min(MAX_LEVELS, n_values / 2):
        return notes.leave_out(name, "numbers in columns that are named like ids, nearly all different")
    notes.guess(name, "numbers in a column that is named like ids, read as categories (column_types says else)")
    return "categorical"


def _infer_text_kind(
    raw: pl.Series, values: pl.Series, n_levels: int, notes: ColumnNotes, has_digits: bool
) -> ColumnKind:
    is_declared = raw.dtype in (pl.Categorical, pl.Enum)
    units = () if is_declared or not has_digits else mixed_units(values)
    if units and not set(units) <= {"st", "nd", "rd", "th"}:
        notes.guess(values.name, f"numbers in several units ({', '.join(units)}), so not read as numbers")
    is_mostly_different = n_levels > len(values) / 2
    if is_mostly_different and values.str.len_bytes().sum() >= LONG_TEXT * len(values):
        return "text"
    if is_declared:
        return "categorical"
    has_repeats = n_levels < len(values) or len(values) < MIN_TEXTS
    if (n_levels <= FEW_LEVELS and has_repeats) or (n_levels <= MAX_LEVELS and not is_mostly_different):
        return "categorical"
    if not values.str.contains(r"\s").any():
        flag = f"--column-type {values.name}=id"
        notes.guess(values.name, f"read as text, although no cell has blanks (if it only names rows: {flag})")
    return "text"


def _are_dates(column: pl.Series) -> bool:
    """Whether cells are dates or times, but for a few."""
    if column.dtype.is_temporal():
        return True
    if column.dtype != pl.String:
        return False
    values = column.drop_nulls()
    if not values.gather_every(max(1, len(values) // 50)).str.contains(_DATE).any():
        return False
    values = values.filter(~values.str.to_lowercase().is_in(NUMBER_GAPS))
    return bool(values.str.contains(_DATE).sum() >= (1 - MAX_STRAY_SHARE) * len(values))


def _are_images(column: pl.Series) -> bool:
    """Whether nested values are pixels, contents of image files, or these beside their paths."""
    dtype = column.dtype
    if isinstance(dtype, pl.Array):
        edges = dtype.shape
        is_picture = len(edges) == 2 or (len(edges) == 3 and edges[2] in (1, 3))
        return is_picture and column.dtype == pl.Array(pl.UInt8, edges)
    if isinstance(dtype, pl.Struct):
        fields = {field.name: field.dtype for field in dtype.fields}
        return fields.get("bytes") == pl.Binary and _are_images(column.struct.field("bytes"))
    if dtype != pl.Binary:
        return False
    values = column.drop_nulls()
    has_magic = [values.bin.starts_with(start) for start in _IMAGE_STARTS]
    return bool(len(values)) and bool(
        pl.DataFrame({str(k): one for k, one in enumerate(has_magic)}).select(pl.any_horizontal(pl.all()))[:, 0].all()
    )


def _may_be_ids(values: pl.Series) -> bool:
    if values.dtype == pl.Float64:
        return bool((values == values.round(0)).all())
    return values.dtype == pl.String
