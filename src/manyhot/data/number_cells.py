"""Numbers as people write them: decimal commas, thousands, percentages, currencies, units, and words for "missing"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

# What stands for a missing number, in small letters
NUMBER_GAPS = (
    *("", "?", "na", "n/a", "n.a.", "nan", "null", "none", "nil", "-", "--", "–", "—", "<na>", "\\n", "unknown"),
    *("missing", "#n/a", "#n/a n/a", "#na", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!"),
)
# What stands for a missing category or text: only what no category is called, as NA and None may be
TEXT_GAPS = ("", "?", "nan", "NaN", "<NA>", "#N/A", "NULL", "null", "\\N", "N/A", "n/a")
_PLAIN_GAPS = ("", "?", "na", "n/a", "nan", "null", "none", "-")
MIN_CELLS = 20  # Cells from which one that is no number is an exception rather than evidence
MAX_STRAY_SHARE = 0.02  # Share of cells that may be no number in a column of numbers
MAX_MISSING_WORDS = 100
MAX_WORD_LENGTH = 200
_PROBED_CELLS = 200
_FEW_CELLS = 50
_MANY_UNITS = 6
_MIXED_SHARE = 0.9
_MAX_MARKED = 0.5
_MIN_COMMA_SHARE = 0.3

_CODES = "USD|EUR|GBP|JPY|CNY|CHF|INR|AUD|CAD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|RUB|KRW|MXN|ZAR|TRY|SGD|HKD|NZD"
_CURRENCY = rf"(?:[A-Z]{{0,3}}\p{{Sc}}|{_CODES}|Rs\.?|Fr\.?|kr\.?)"
_UNIT = r"[%‰°\p{Sc}\p{L}µ][\p{L}\p{M}\p{Sc}%°/²³µ.·^]{0,11}[23]?(?: [\p{L}/.]{1,8})?"
_BOUND, _FOOTNOTE = r"[<>≤≥~≈]=?|[Cc]a\.|[Aa]pprox\.", r"[*†‡]{1,3}"
_SPACES = "'’ \u00a0\u2009\u202f"


@dataclass(frozen=True)
class NumberFormat:
    """How a column of text writes its numbers."""

    decimal: str = "."
    unit: str = ""  # beside the numbers, such as "%", "$" or "kg"
    missing: tuple[str, ...] = ()  # cells that are no numbers and count as missing

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
    """A column of text read as numbers."""

    numbers: pl.Series  # Float64 (n,), null where no number is
    format: NumberFormat
    n_strays: int
    n_without_unit: int
    marked: str
    n_marked: int
    gaps: tuple[str, ...]
    doubtful_mark: str


def infer_number_format(column: pl.Series, decimal: str | None = None, is_strict: bool = False) -> NumberColumn | None:
    """How a column of text writes numbers, if that is what it holds."""
    probe = _probe(column)
    n_probed = {mark: int(_split(probe, mark)["number"].is_not_null().sum()) for mark in ".,"}
    if not len(probe) or max(n_probed.values()) < len(probe) / 2:
        return None
    plain = _read_plain(column, n_probed)
    if plain is not None:
        is_list = plain.format.decimal == "," != decimal and not is_strict and _are_lists(column)
        return None if is_list else plain
    cells = _clean(column)
    is_gap = cells.str.to_lowercase().is_in(NUMBER_GAPS).fill_null(True)
    values = cells.filter(~is_gap)
    max_strays = 0 if is_strict or len(values) < MIN_CELLS else max(1, int(MAX_STRAY_SHARE * len(values)))
    likely = [mark for mark, n_read in n_probed.items() if n_read >= max(n_probed.values()) / 2]
    readings = {mark: _read(values, mark) for mark in likely}
    mark, doubtful_mark = _choose_mark(values, readings, decimal, max_strays)
    best = readings[mark]
    is_stray = best.numbers.is_null()
    strays = values.filter(is_stray).unique(maintain_order=True)
    if is_stray.sum() > max_strays or len(strays) > MAX_MISSING_WORDS or (is_strict and best.unit):
        return None
    marked = values.filter(best.is_marked & ~is_stray)
    if len(marked) > _MAX_MARKED * len(values):  # marks such as < then tell levels of a category apart
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
        marked[0] if len(marked) else "",
        len(marked),
        unusual_gaps(cells.filter(is_gap)),
        doubtful_mark,
    )


def are_thousands_or_fractions(column: pl.Series) -> bool:
    """Whether all dots of plain numbers stand before three digits, as they do in 1.234 for 1234."""
    for cells in (column.gather_every(max(1, len(column) // _FEW_CELLS)), column):
        dotted = cells.filter(cells.str.contains(".", literal=True).fill_null(False))
        if not len(dotted) or not dotted.str.contains(r"^\s*[+-]?[1-9]\d{0,2}\.\d{3}\s*$").all():
            return False
    return True


def shared_decimal(columns: Iterable[pl.Series]) -> str | None:
    """The decimal mark of most columns of text whose numbers leave no doubt about it, or None."""
    votes = {".": 0, ",": 0}
    for column in columns:
        cells = _probe(column)
        n_read = {mark: int(_split(cells, mark)["number"].is_not_null().sum()) for mark in votes}
        if n_read["."] != n_read[","] and max(n_read.values()) >= len(cells) / 2:
            votes[max(n_read, key=lambda mark: n_read[mark])] += 1
    return None if votes["."] == votes[","] else max(votes, key=lambda mark: votes[mark])


def parse_numbers(column: pl.Series, number_format: NumberFormat) -> tuple[pl.Series, pl.Series]:
    """Cells as numbers by a known format."""
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
    if probe["number"].is_not_null().sum() < _MIXED_SHARE * len(probe):
        return ()
    units = probe.filter(pl.col("number").is_not_null() & (pl.col("unit") != ""))["unit"].unique().sort().to_list()
    return tuple(units) if 1 < len(units) <= _MANY_UNITS else ()


@dataclass(frozen=True)
class _Read:
    numbers: pl.Series
    unit: str
    n_without_unit: int
    is_marked: pl.Series


def _read(values: pl.Series, decimal: str) -> _Read:
    """Numbers in the unit that most cells have."""
    parts = _split(values, decimal)
    is_number = parts["number"].is_not_null()
    is_marked = parts["marks"] != ""
    if is_marked.any():
        is_marked &= parts["marks"].filter(is_number).n_unique() > 1
    if not (parts["unit"] != "").any():
        return _Read(parts["number"], "", 0, is_marked)
    key = _unit_key(parts["unit"])
    counts = key.filter(is_number & (key != "")).value_counts(sort=True)
    if not len(counts):
        return _Read(parts["number"], "", 0, is_marked)
    top = counts[counts.columns[0]][0]
    numbers = parts["number"].set((key != "") & (key != top), None)
    unit = parts["unit"].filter(is_number & (key == top))[0]
    return _Read(numbers, unit, int((numbers.is_not_null() & (key == "")).sum()), is_marked)


def _read_plain(column: pl.Series, n_probed: Mapping[str, int]) -> NumberColumn | None:
    """A column whose every cell is a plain number by the mark that the probed cells decide for; None for any other."""
    if n_probed["."] == n_probed[","]:
        return None
    mark = max(n_probed, key=lambda mark: n_probed[mark])
    numbers = _plain_numbers(column, mark)
    if numbers.null_count() > column.null_count():
        return None
    return NumberColumn(numbers, NumberFormat(mark), 0, 0, "", 0, (), "")


def _choose_mark(
    values: pl.Series, readings: Mapping[str, _Read], decimal: str | None, max_strays: int
) -> tuple[str, str]:
    """The decimal mark of a column, and the mark in its cells that leaves it open, "" for none."""
    if len(readings) == 1:
        return next(iter(readings)), ""
    n_read = {mark: one.numbers.is_not_null().sum() for mark, one in readings.items()}
    differs = (readings["."].numbers != readings[","].numbers).fill_null(False)
    if n_read["."] == n_read[","] and differs.any():
        doubtful = _mark_of(values.filter(differs))
        return doubtful if _has_long_plain(values) else decimal or ".", doubtful
    if n_read["."] >= len(values) - max_strays and values.filter(differs).str.contains(".", literal=True).any():
        return ".", ""  # 1.234 stays what it is because of one cell 1,5
    return "." if n_read["."] >= n_read[","] else ",", ""


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
    values = values.drop_nulls()
    is_rare = values.str.contains(",", literal=True).sum() < _MIN_COMMA_SHARE * len(values)
    return bool(is_rare or values.str.contains(r"^\d+(,\d+){2,}$").any())


def _split(cells: pl.Series, decimal: str) -> pl.DataFrame:
    """Number (null where none is), unit and further marks ("" for none) of every cell."""
    numbers = _plain_numbers(cells, decimal)
    is_open = numbers.is_null()
    units, marks = (pl.Series([""]).new_from_index(0, len(cells)) for _ in range(2))
    if is_open.any():
        parts = _split_by_pattern(cells.filter(is_open), decimal)
        positions = is_open.arg_true()
        numbers, units = numbers.scatter(positions, parts["number"]), units.scatter(positions, parts["unit"])
        marks = marks.scatter(positions, parts["marks"])
    return pl.DataFrame({"number": numbers, "unit": units, "marks": marks})


def _plain_numbers(cells: pl.Series, decimal: str) -> pl.Series:
    """Numbers without a unit and without marks between thousands, which need no pattern; null for all other cells."""
    if decimal == ",":
        cells = cells.set(cells.str.contains(".", literal=True), None).str.replace(",", ".", literal=True)
    numbers = cells.cast(pl.Float64, strict=False)
    return numbers.set(~numbers.is_finite(), None)


def _split_by_pattern(cells: pl.Series, decimal: str) -> pl.DataFrame:
    """As `_split`, of cells that are more than plain numbers."""
    mark, other = (r"\.", ",") if decimal == "." else (",", r"\.")
    grouped = rf"[1-9]\d{{0,2}}(?:{other}\d{{3}})+|[1-9]\d{{0,2}}(?:[{_SPACES}]\d{{3}})+"
    grouped += r"|[1-9]\d?(?:,\d{2})+,\d{3}" if decimal == "." else ""
    number = rf"(?:{grouped})(?:{mark}\d*)?|(?:\d+(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?"
    pattern = (
        rf"^(?<bound>{_BOUND})?\s*(?<sign>[-+]?)\s*(?<before>{_CURRENCY})?\s*(?<inner>[-+]?)(?<digits>{number})"
        rf"\s*(?<after>{_UNIT})?\s*(?<footnote>{_FOOTNOTE})?$"
    )
    parts = cells.str.extract_groups(pattern).struct.unnest()
    digits = parts["digits"].str.replace_all(rf"[{_SPACES}{'.' if decimal == ',' else ','}]", "")
    if decimal == ",":
        digits = digits.str.replace(",", ".", literal=True)
    numbers = digits.cast(pl.Float64, strict=False)
    is_negative = (parts["sign"] == "-") != (parts["inner"] == "-")
    numbers = numbers.zip_with(~is_negative.fill_null(False), -numbers)
    unit = parts["before"].fill_null("") + parts["after"].fill_null("")
    marks = parts["bound"].fill_null("") + parts["footnote"].fill_null("")
    return pl.DataFrame({"number": numbers, "unit": unit, "marks": marks})


def _unit_key(units: pl.Series) -> pl.Series:
    """Units as they are compared: day and days are one."""
    return units.str.replace(r"^(\p{L}{3,})s$", "$1").str.strip_chars_end(".")


def _mark_of(cells: pl.Series) -> str:
    """The mark that doubtful cells have."""
    return "," if cells.str.contains(",", literal=True).any() else "."


def _has_long_plain(values: pl.Series) -> bool:
    """Whether some numbers above 999 have no mark between thousands, so that a comma is none either."""
    return bool(values.str.contains(r"^[-+]?\d{4,}$").any())
