"""Which columns name rows or things: by what they are called, or by cells that are all made alike."""

from __future__ import annotations

import re

import polars as pl

from manyhot.data.number_cells import NUMBER_GAPS

LONGEST_ID = 64
MIN_IDS = 20  # Rows from which distinct codes count as ids although the column is not named like one
_MIN_RANDOM = 6  # Characters of random codes at least
_PROBED_CELLS = 50
_DIGIT_SHARE = 0.5  # Share of random codes that have both letters and digits, at least

_ID_NAME = re.compile(r"(^|[_\s.\-])(id|uuid|guid|key|index|idx)$", re.IGNORECASE)
_REFERENCE_NAME = re.compile(r"(^|[_\s.\-])(id|uuid|guid)$", re.IGNORECASE)
_CAMEL_ID = re.compile(r"[a-z]I[dD]$")
_UNNAMED = re.compile(r"^unnamed: ?\d+(\.\d+)?$|^column_1$|^$", re.IGNORECASE)
_WORD_AND_NUMBER = r"^[A-Za-z][A-Za-z_-]*\.?\d+$"
_HEX = r"^(0x)?[0-9A-Fa-f-]{8,}$"


def is_id_name(name: str) -> bool:
    """Whether a column is called like one that names rows."""
    return bool(_ID_NAME.search(name) or _CAMEL_ID.search(name))


def names_things(name: str) -> bool:
    """Whether a column is called like one that names things, in which an index or key may be a measured value."""
    return bool(_REFERENCE_NAME.search(name) or _CAMEL_ID.search(name))


def is_index(column: pl.Series) -> bool:
    """Whether this is a counter of rows without a name, such as pandas writes."""
    if not _UNNAMED.match(column.name) or column.dtype != pl.Float64 or column.null_count() or len(column) < 2:
        return False
    return bool((column.diff().drop_nulls() == 1).all())


def are_padded(column: pl.Series) -> bool:
    """Whether text that holds numbers has digits of one length, four or more, some with a zero before them."""
    for cells in (column.gather_every(max(1, len(column) // _PROBED_CELLS)), column):
        cells = cells.drop_nulls().str.strip_chars()
        cells = cells.filter(cells.str.to_lowercase().is_in(NUMBER_GAPS).not_())
        if cells.str.len_bytes().n_unique() != 1 or not cells.str.contains(r"^\d{4,}$").all():
            return False
    return bool(cells.str.starts_with("0").any()) and cells.n_unique() > 1


def are_codes(values: pl.Series) -> bool:
    """Whether distinct texts are codes: alike but for their numbers, or random letters and digits of one length."""
    lengths = values.str.len_chars()
    longest = int(lengths.max() or 0)  # type: ignore[arg-type]
    if len(values) < MIN_IDS or longest > LONGEST_ID or values.str.contains(r"\s").any():
        return False
    if values.str.contains(_WORD_AND_NUMBER).all() or values.str.replace_all(r"\d+", "0").n_unique() == 1:
        return True
    has_digit = values.str.contains(r"\d")
    if values.str.contains(_HEX).all() and has_digit.sum() > _DIGIT_SHARE * len(values):
        return True
    has_both = has_digit & values.str.contains("[A-Za-z]")
    is_one_length = lengths.n_unique() == 1 and longest >= _MIN_RANDOM
    is_plain = values.str.contains("^[A-Za-z0-9_-]+$").all()
    return bool(is_one_length and is_plain and has_both.sum() > _DIGIT_SHARE * len(values))
