"""What each column of a table is: a number, a yes/no, a category, free text, an image, an id, or of no use.

Inspection sees one column at a time and knows nothing of labels, files or encoders. `coerce_column` gives every kind
one form, so that the same rows from different formats become the same frame. Start reading at `inspect_columns`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from manyhot.data.samples import COLUMN_TYPES, ColumnKind
from manyhot.errors import InputError
from manyhot.validation import did_you_mean

FEW_LEVELS = 20
"""Text with no more levels is categorical, unless its cells are long and mostly different."""
MAX_LEVELS = 1000
LONG_TEXT = 40
"""Mean characters per cell from which mostly different cells are free text."""
LONGEST_ID = 64
MIN_IDS = 20
"""Rows from which distinct short words count as ids although the column is not named like one."""

_ID_NAME = re.compile(r"(^|[_\s.\-])(id|uuid|guid|key|index|idx)$", re.IGNORECASE)
_CAMEL_ID = re.compile(r"[a-z]I[dD]$")
IMAGE_NAME = r"(?i)\.(png|jpe?g|jfif|bmp|gif|tiff?|webp|p[bgp]m)$"
_IMAGE_STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"P4", b"P5", b"P6", b"RIFF")
_DATE = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$"
_GAPS = ["", "?"]
_NUMBER_GAPS = ["", "?", "na", "n/a", "nan", "null", "none", "-"]
_NESTED = (pl.List, pl.Array, pl.Struct, pl.Object, pl.Binary)


@dataclass(frozen=True)
class Inspection:
    """What inspection found.

    Args:
        column_types: Column name -> kind, for every column, in the frame's order.
        notes: Sentences for the user about columns that are left out.
    """

    column_types: dict[str, ColumnKind]
    notes: tuple[str, ...]


def infer_column_types(frame: pl.DataFrame, overrides: Mapping[str, str] | None = None) -> dict[str, ColumnKind]:
    """The kind of every column.

    Args:
        frame: Rows without their labels.
        overrides: Column name -> kind, which is then not inspected.

    Returns:
        Column name -> kind, in the frame's order.

    Raises:
        InputError: An override for a column that is not there, or a kind that does not exist.
    """
    return inspect_columns(frame, overrides or {}).column_types


def inspect_columns(frame: pl.DataFrame, overrides: Mapping[str, str]) -> Inspection:
    """As `infer_column_types`, with notes on what is left out and why."""
    refuse_unknown(overrides, frame.columns)
    column_types: dict[str, ColumnKind] = {}
    reasons: dict[str, list[str]] = {}
    for name in frame.columns:
        if name in overrides:
            column_types[name] = parse_column_type(overrides[name])
            continue
        column_types[name], reason = _infer_kind(frame[name], cast_column(frame[name]))
        if reason:
            reasons.setdefault(reason, []).append(name)
    notes = tuple(f"left out, {reason}: {_join_names(names)}" for reason, names in reasons.items())
    return Inspection(column_types, notes)


def refuse_unknown(overrides: Mapping[str, str], columns: Sequence[str]) -> None:
    """Raise `InputError` when a kind is given for a column that is not there."""
    present = set(columns)
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
    """A column in the type its values have: Float64, Boolean or String; dates and nested types as they are.

    Text whose every cell is a number (or missing: empty, ?, NA, nan, null) becomes Float64, text of true and false
    Boolean; empty cells and `?` are missing. NaN is missing. A column without any value is String.
    """
    dtype = column.dtype
    if column.null_count() == len(column):
        return pl.Series(column.name, [None] * len(column), dtype=pl.String)
    if dtype.is_numeric():
        numbers = without_nan(column.cast(pl.Float64))
        return numbers if numbers.null_count() < len(numbers) else numbers.cast(pl.String)
    if dtype in (pl.Categorical, pl.Enum):
        column, dtype = column.cast(pl.String), pl.String()
    if dtype != pl.String:
        return column
    numbers = column.cast(pl.Float64, strict=False)
    if numbers.null_count() == column.null_count():
        return without_nan(numbers)  # as below, where every cell is a plain number
    texts = column.str.strip_chars()
    lower = texts.str.to_lowercase()
    candidates = texts.set(lower.is_in(_NUMBER_GAPS).fill_null(True), None)
    numbers = candidates.cast(pl.Float64, strict=False)
    if numbers.null_count() == candidates.null_count() and candidates.null_count() < len(column):
        return numbers.fill_nan(None)
    texts = texts.set(texts.is_in(_GAPS).fill_null(True), None)
    lower = lower.set(texts.is_null(), None)
    if lower.drop_nulls().is_in(["true", "false"]).all() and texts.null_count() < len(texts):
        return lower == "true"
    return texts


def is_finite(numbers: pl.Series) -> bool:
    """Whether a look at the sum of float numbers shows that none is NaN or infinite; False may be wrong."""
    return math.isfinite(numbers.sum() or 0.0)


def without_nan(numbers: pl.Series) -> pl.Series:
    """Float numbers with null for NaN."""
    return numbers if is_finite(numbers) else numbers.fill_nan(None)


def are_image_names(values: pl.Series) -> bool:
    """Whether texts all name an image file; missing ones do not count."""
    return bool(values.str.contains(IMAGE_NAME).all())


def _infer_kind(raw: pl.Series, column: pl.Series) -> tuple[ColumnKind, str | None]:
    """The kind of a typed column, and why it is left out, if it is; ids are compared raw, where no digit is lost."""
    if column.dtype in _NESTED:
        return ("image", None) if _are_images(column) else ("ignored", "lists and other nested values")
    values = column.drop_nulls()
    if not len(values):
        return "ignored", "empty in every row"
    if column.dtype.is_temporal() or (column.dtype == pl.String and values.str.contains(_DATE).all()):
        return "ignored", "dates and times (say what they are with kinds to use them)"
    n_levels = values.n_unique()
    is_distinct = n_levels == len(column)
    if _is_id_name(column.name) and len(values) == len(column) == raw.n_unique() and _may_be_ids(values):
        return "id", None
    if n_levels == 1 and len(column) > 1 and len(values) == len(column):
        return "ignored", "the same value in every row"
    if column.dtype == pl.Boolean:
        return "boolean", None
    if column.dtype == pl.Float64:
        return ("boolean" if values.is_in([0.0, 1.0]).all() else "numeric"), None
    if are_image_names(values):
        return "image", None
    return _infer_text_kind(values, n_levels, is_distinct), None


def _infer_text_kind(values: pl.Series, n_levels: int, is_distinct: bool) -> ColumnKind:
    lengths = values.str.len_chars().to_numpy()
    has_blanks = bool(values.str.contains(r"\s").any())
    if is_distinct and len(values) >= MIN_IDS and not has_blanks and lengths.max() <= LONGEST_ID:
        return "id"
    is_mostly_different = n_levels > len(values) / 2
    if is_mostly_different and lengths.mean() >= LONG_TEXT:
        return "text"
    if n_levels <= FEW_LEVELS or (n_levels <= MAX_LEVELS and not is_mostly_different):
        return "categorical"
    return "text"


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


def _is_id_name(name: str) -> bool:
    return bool(_ID_NAME.search(name) or _CAMEL_ID.search(name))


def _may_be_ids(values: pl.Series) -> bool:
    if values.dtype == pl.Float64:
        return bool((values == values.round(0)).all())
    return values.dtype == pl.String


def _join_names(names: Sequence[str], max_shown: int = 8) -> str:
    more = f" and {len(names) - max_shown} more" if len(names) > max_shown else ""
    return ", ".join(names[:max_shown]) + more
