"""Numbers as people write them: decimal commas, thousands, percentages, currencies, units, and words for "missing".

How one column writes its numbers is inferred once, in training, and stays with the model, so that a cell means the same
in prediction. Start reading at `infer_number_format`, then `parse_numbers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

NUMBER_GAPS = (
    *("", "?", "na", "n/a", "n.a.", "nan", "null", "none", "nil", "-", "--", "–", "—", "<na>", "\\n", "unknown"),
    *("missing", "#n/a", "#n/a n/a", "#na", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!"),
)
"""What stands for a missing number, in small letters."""
_PLAIN_GAPS = ("", "?", "na", "n/a", "nan", "null", "none", "-")
MIN_CELLS = 20
"""Cells from which one that is no number is an exception rather than evidence."""
MAX_STRAY_SHARE = 0.02
"""Share of cells that may be no number in a column of numbers."""
MAX_MISSING_WORDS = 100
MAX_WORD_LENGTH = 200
_PROBED_CELLS = 200
_MANY_UNITS = 6
_MIXED_SHARE = 0.9
_MIN_COMMA_SHARE = 0.3

_CODES = "USD|EUR|GBP|JPY|CNY|CHF|INR|AUD|CAD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|RUB|KRW|MXN|ZAR|TRY|SGD|HKD|NZD"
_CURRENCY = rf"(?:[A-Z]{{0,3}}\p{{Sc}}|{_CODES}|Rs\.?|Fr\.?|kr\.?)"
_UNIT = r"[%‰°\p{Sc}\p{L}µ][\p{L}\p{M}\p{Sc}%°/²³µ.·^]{0,11}[23]?(?: [\p{L}/.]{1,8})?"
_SPACES = "'’ \u00a0\u2009\u202f"


@dataclass(frozen=True)
class NumberFormat:
    """How a column of text writes its numbers.

    Args:
        decimal: What stands before the fraction, "." or ",".
        unit: What stands beside the numbers, such as "%", "$" or "kg"; "" for nothing.
        missing: Cells that are no numbers and count as missing.
    """

    decimal: str = "."
    unit: str = ""
    missing: tuple[str, ...] = ()

    def describe(self) -> str:
        """What a cell is expected to be."""
        beside = f" in {self.unit!r}" if self.unit else ""
        return f"a number{beside}" + (" with a decimal comma" if self.decimal == "," else "")

    def to_spec(self) -> dict[str, Any]:
        """The format as JSON values."""
        return {"decimal": self.decimal, "unit": self.unit, "missing": list(self.missing)}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> NumberFormat:
        """The format that `to_spec` described."""
        return cls(spec["decimal"], spec["unit"], tuple(spec["missing"]))


@dataclass(frozen=True)
class NumberColumn:
    """A column of text read as numbers.

    Args:
        numbers: Float64 (n,), null where no number is.
        format: How they are written.
        n_strays: Cells that are neither numbers nor usual words for missing.
        n_without_unit: Numbers without the unit that the others have.
        gaps: Words for missing that were found, beyond the most usual ones.
        is_ambiguous: Whether its commas could also be those of the other way to write numbers.
    """

    numbers: pl.Series
    format: NumberFormat
    n_strays: int
    n_without_unit: int
    gaps: tuple[str, ...]
    is_ambiguous: bool


def infer_number_format(column: pl.Series, decimal: str | None = None, is_strict: bool = False) -> NumberColumn | None:
    """How a column of text writes numbers, if that is what it holds.

    Args:
        column: Text.
        decimal: What the file as a whole suggests, where the cells leave it open.
        is_strict: Whether every cell must be a number, or a word for a missing one, and have no unit.

    Returns:
        The numbers and their format; None for a column of something else.
    """
    probe = _probe(column)
    if not len(probe) or not any(_split(probe, mark)["number"].is_not_null().mean() >= 0.5 for mark in ".,"):  # type: ignore[operator]
        return None
    cells = _clean(column)
    is_gap = cells.str.to_lowercase().is_in(NUMBER_GAPS).fill_null(True)
    values = cells.filter(~is_gap)
    max_strays = 0 if is_strict or len(values) < MIN_CELLS else max(1, int(MAX_STRAY_SHARE * len(values)))
    found = {mark: _read(values, mark) for mark in ".,"}
    n_read = {mark: one.numbers.is_not_null().sum() for mark, one in found.items()}
    differs = (found["."].numbers != found[","].numbers).fill_null(False)
    is_ambiguous = n_read["."] == n_read[","] and bool(differs.any())
    if is_ambiguous:
        mark = decimal or ("," if _has_long_plain(values) else ".")
    elif n_read["."] >= len(values) - max_strays and values.filter(differs).str.contains(".", literal=True).any():
        mark = "."  # 1.234 stays what it is because of one cell 1,5
    else:
        mark = "." if n_read["."] >= n_read[","] else ","
    best = found[mark]
    is_stray = best.numbers.is_null()
    strays = values.filter(is_stray).unique(maintain_order=True)
    if is_stray.sum() > max_strays or len(strays) > MAX_MISSING_WORDS or (is_strict and best.unit):
        return None
    if mark == "," != decimal and not is_strict and _are_lists(values):
        return None
    numbers = pl.Series(column.name, [None] * len(column), dtype=pl.Float64)
    numbers = numbers.scatter((~is_gap).arg_true(), best.numbers)
    missing = tuple(dict.fromkeys(word[:MAX_WORD_LENGTH] for word in strays))
    return NumberColumn(
        numbers,
        NumberFormat(mark, best.unit, missing),
        int(is_stray.sum()),
        best.n_without_unit,
        unusual_gaps(cells.filter(is_gap)),
        is_ambiguous,
    )


def parse_numbers(column: pl.Series, number_format: NumberFormat) -> tuple[pl.Series, pl.Series]:
    """Cells as numbers by a known format.

    Args:
        column: Text (n,).
        number_format: How the column writes numbers.

    Returns:
        Float64 (n,), null where no number is, and bool (n,), which of these cells should have been numbers.
    """
    cells = _clean(column)
    is_gap = cells.str.to_lowercase().is_in(NUMBER_GAPS) | cells.str.slice(0, MAX_WORD_LENGTH).is_in(
        number_format.missing
    )
    parts = _split(cells, number_format.decimal)
    key = _unit_key(parts["unit"])
    expected = _unit_key(pl.Series([number_format.unit]))[0]
    numbers = parts["number"].set((key != "") & (key != expected), None)
    plain = cells.cast(pl.Float64, strict=False)
    numbers = numbers.zip_with(numbers.is_not_null(), plain).set(is_gap.fill_null(True), None).alias(column.name)
    return numbers, numbers.is_null() & ~is_gap.fill_null(True)


def unusual_gaps(cells: pl.Series) -> tuple[str, ...]:
    """Of cells that stand for missing numbers, some that are less usual than n/a."""
    words = cells.drop_nulls().str.strip_chars().unique(maintain_order=True)
    return tuple(words.filter(~words.str.to_lowercase().is_in(_PLAIN_GAPS)).head(5).to_list())


def mixed_units(column: pl.Series) -> tuple[str, ...]:
    """The units of a column of text whose cells are numbers in a few different ones; else none."""
    cells = _probe(column)
    if not len(cells):
        return ()
    probe = _split(cells, ".")
    if probe["number"].is_not_null().mean() < _MIXED_SHARE:  # type: ignore[operator]
        return ()
    units = probe.filter(pl.col("number").is_not_null() & (pl.col("unit") != ""))["unit"].unique().sort().to_list()
    return tuple(units) if 1 < len(units) <= _MANY_UNITS else ()


@dataclass(frozen=True)
class _Read:
    numbers: pl.Series
    unit: str
    n_without_unit: int


def _read(values: pl.Series, decimal: str) -> _Read:
    """Numbers in the unit that most cells have."""
    parts = _split(values, decimal)
    if not (parts["unit"] != "").any():
        return _Read(parts["number"], "", 0)
    is_number = parts["number"].is_not_null()
    key = _unit_key(parts["unit"])
    counts = key.filter(is_number & (key != "")).value_counts(sort=True)
    if not len(counts):
        return _Read(parts["number"], "", 0)
    top = counts[counts.columns[0]][0]
    numbers = parts["number"].set((key != "") & (key != top), None)
    unit = parts["unit"].filter(is_number & (key == top))[0]
    return _Read(numbers, unit, int((numbers.is_not_null() & (key == "")).sum()))


def _clean(column: pl.Series) -> pl.Series:
    """Cells without blanks around them, minus signs as hyphens, accountants' (5) as -5."""
    cells = column.str.strip_chars().str.replace("−", "-", literal=True)
    return cells.str.replace(r"^\((.*\d.*)\)$", "-$1") if cells.str.starts_with("(").any() else cells


def _probe(column: pl.Series) -> pl.Series:
    """Some cells, cleaned, without gaps; all of them where there are few."""
    cells = column.drop_nulls()
    cells = _clean(cells.gather_every(max(1, len(cells) // _PROBED_CELLS)))
    return cells.filter(~cells.str.to_lowercase().is_in(NUMBER_GAPS))


def _are_lists(values: pl.Series) -> bool:
    """Whether whole numbers with commas between them are rather lists: most have none, or some have several."""
    has_comma = values.str.contains(",", literal=True)
    return bool(has_comma.mean() < _MIN_COMMA_SHARE or values.str.contains(r"^\d+(,\d+){2,}$").any())  # type: ignore[operator]


def _split(cells: pl.Series, decimal: str) -> pl.DataFrame:
    """Number (null where none is) and unit ("" for none) of every cell."""
    numbers = _plain_numbers(cells, decimal)
    is_open = numbers.is_null()
    units = pl.Series([""]).new_from_index(0, len(cells))
    if is_open.any():
        parts = _split_by_pattern(cells.filter(is_open), decimal)
        positions = is_open.arg_true()
        numbers, units = numbers.scatter(positions, parts["number"]), units.scatter(positions, parts["unit"])
    return pl.DataFrame({"number": numbers, "unit": units})


def _plain_numbers(cells: pl.Series, decimal: str) -> pl.Series:
    """Numbers without a unit and without marks between thousands, which need no pattern; null for all other cells."""
    if decimal == ",":
        cells = cells.set(cells.str.contains(".", literal=True), None).str.replace(",", ".", literal=True)
    numbers = cells.cast(pl.Float64, strict=False)
    return numbers.set(~numbers.is_finite(), None)


def _split_by_pattern(cells: pl.Series, decimal: str) -> pl.DataFrame:
    mark, other = (r"\.", ",") if decimal == "." else (",", r"\.")
    grouped = rf"[1-9]\d{{0,2}}(?:{other}\d{{3}})+|[1-9]\d{{0,2}}(?:[{_SPACES}]\d{{3}})+"
    grouped += r"|[1-9]\d?(?:,\d{2})+,\d{3}" if decimal == "." else ""
    number = rf"(?:(?:{grouped}|\d+)(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?"
    pattern = rf"^(?<sign>[-+]?)\s*(?<before>{_CURRENCY})?\s*(?<inner>[-+]?)(?<digits>{number})\s*(?<after>{_UNIT})?$"
    parts = cells.str.extract_groups(pattern).struct.unnest()
    digits = parts["digits"].str.replace_all(rf"[{_SPACES}{'.' if decimal == ',' else ','}]", "")
    if decimal == ",":
        digits = digits.str.replace(",", ".", literal=True)
    numbers = digits.cast(pl.Float64, strict=False)
    is_negative = (parts["sign"] == "-") != (parts["inner"] == "-")
    numbers = numbers.zip_with(~is_negative.fill_null(False), -numbers)
    unit = parts["before"].fill_null("") + parts["after"].fill_null("")
    return pl.DataFrame({"number": numbers, "unit": unit})


def _unit_key(units: pl.Series) -> pl.Series:
    """Units as they are compared: day and days are one."""
    return units.str.replace(r"^(\p{L}{3,})s$", "$1").str.strip_chars_end(".")


def _has_long_plain(values: pl.Series) -> bool:
    """Whether some numbers above 999 have no mark between thousands, so that a comma is none either."""
    return bool(values.str.contains(r"^[-+]?\d{4,}$").any())
