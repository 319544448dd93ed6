"""Random columns as people write them, and what their cells mean: numbers, categories, texts, dates, ids and so on.

Start reading at `make_columns`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Generator = np.random.Generator
Made = tuple[str, list[str], list[Any] | None]
NUMBER_GAPS = ("", "?", "NA", "n/a", "N/A", "NaN", "null", "None", "-", "#N/A", "#DIV/0!", "\\N", "unknown", "<NA>")
TEXT_GAPS = ("", "?", "nan", "NULL", "#N/A", "<NA>", "N/A")
LEVELS = (
    ("red", "green", "blue"),
    ("m", "w"),
    ("male", "female"),
    ("niedrig", "mittel", "hoch", "sehr hoch"),
    ("Köln", "Zürich", "São Paulo", "Genève", "Malmö"),
    ("A1", "A2", "B1", "B2", "C1"),
    ("rock", "pop", "jazz", "R&B", "hip-hop", "blues, slow", 'the "new" wave'),
    ("18-25", "26-40", "41-65", "65+"),
    ("+", "++", "+++"),
    ("Ja", "Nein", "weiß nicht"),
    ("absent", "present"),
    ("S", "M", "L", "XL"),
    ("http", "https", "ftp"),
    ("EUR", "USD", "GBP"),
    ("≤5", "6–10", ">10"),
)
WORDS = (
    *("the", "a", "song", "ticket", "refund", "late", "quiet", "water", "photo", "court", "train", "money", "naïve"),
    *("night", "small", "red", "of", "and", "to", "in", "is", "was", "not", "please", "never", "again", "übrig"),
    *("arrives", "opened", "broken", "green", "slowly", "where", "façade"),
)
HAN = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏"
KANA = "あいうえおかきくけこさしすせそたちつてとなにぬねの"


@dataclass(frozen=True)
class Column:
    """One feature column.

    Args:
        name: As in the file.
        kind: What it is: numeric, boolean, categorical, text, id, or ignored (dates, constants).
        cells: Text of each cell as a person writes it.
        values: Float, bool or text of each cell, None for missing; None for columns that are left out.
    """

    name: str
    kind: str
    cells: list[str]
    values: list[Any] | None


def make_columns(generator: Generator, n: int, decimal: str) -> list[Column]:
    """The features of a table of n rows; numbers have one decimal mark."""
    makers = list(COLUMN_MAKERS)
    chosen = [makers[k] for k in generator.integers(len(makers), size=generator.integers(3, 9))]
    columns = []
    for k, make in enumerate(chosen):
        kind, cells, values = make(generator, n, decimal)
        columns.append(Column(f"{make.__name__.strip('_')} {k}", kind, cells, values))
    if generator.random() < 0.3:
        ids = [str(x) for x in generator.permutation(10 * n)[:n] + 1]
        columns.insert(0, Column(str(generator.choice(["id", "song_id", "userId"])), "id", ids, None))
    elif generator.random() < 0.2:
        users = [str(x) for x in [17, 23, 42, *generator.integers(17, 20, n - 3)]]
        columns.append(Column("user_id", "categorical", users, list(users)))
    elif generator.random() < 0.2:
        columns.insert(0, Column("Unnamed: 0", "id", [str(i) for i in range(n)], None))
    return columns


def _with_gaps(generator: Generator, cells: list[str], values: list[Any], words: tuple[str, ...]) -> None:
    """Makes some cells missing, in one or two words; the first two cells stay."""
    if generator.random() < 0.5:
        return
    used = generator.choice(np.array(words, dtype=object), size=int(generator.integers(1, 3)))
    for i in np.flatnonzero(generator.random(len(cells)) < generator.uniform(0.02, 0.4)):
        if i > 1:
            cells[i], values[i] = str(used[generator.integers(len(used))]), None


def _group(digits: str, mark: str) -> str:
    head = len(digits) % 3 or 3
    return mark.join([digits[:head], *(digits[k : k + 3] for k in range(head, len(digits), 3))])


def _written(number: float, digits: int, decimal: str, thousands: str = "") -> str:
    """A number with so many digits after the decimal mark."""
    whole, _, fraction = f"{abs(number):.{digits}f}".partition(".")
    text = _group(whole, thousands) + (decimal + fraction if fraction else "")
    return "-" + text if number < 0 else text


def _numbers(generator: Generator, n: int, digits: int, low: float = -500, high: float = 500) -> list[float]:
    return [float(f"{x:.{digits}f}") + 0.0 for x in generator.uniform(low, high, n)]


def whole_numbers(generator: Generator, n: int, decimal: str) -> Made:
    numbers = _numbers(generator, n, 0, 0, float(generator.choice([9, 200, 40000])))
    values: list[Any] = [2.0, 5.0, *numbers[2:]]
    cells = [f"{x:.0f}" for x in values]
    _with_gaps(generator, cells, values, NUMBER_GAPS)
    return "numeric", cells, values


def fractions(generator: Generator, n: int, decimal: str) -> Made:
    digits = int(generator.integers(1, 5))
    values: list[Any] = [0.5, *_numbers(generator, n - 1, digits)]  # 0,500 leaves no doubt about 123,456
    cells = [_written(x, digits, decimal) for x in values]
    _with_gaps(generator, cells, values, NUMBER_GAPS)
    return "numeric", cells, values


def powers_of_ten(generator: Generator, n: int, decimal: str) -> Made:
    cells = [f"{x:.3e}".replace(".", decimal) for x in 10 ** generator.uniform(-12, 12, n)]
    values: list[Any] = [float(cell.replace(",", ".")) for cell in cells]
    _with_gaps(generator, cells, values, NUMBER_GAPS)
    return "numeric", cells, values


def percentages(generator: Generator, n: int, decimal: str) -> Made:
    digits = int(generator.integers(0, 3))
    values: list[Any] = _numbers(generator, n, digits, 0, 100)
    blank = str(generator.choice(["", " "]))
    cells = [_written(x, digits, decimal) + blank + "%" for x in values]
    _with_gaps(generator, cells, values, NUMBER_GAPS)
    return "numeric", cells, values


def prices(generator: Generator, n: int, decimal: str) -> Made:
    values: list[Any] = _numbers(generator, n, 2, 1, 90000)
    thousands = {".": ",", ",": str(generator.choice([".", "'", "\u00a0", "\u202f"]))}[decimal]
    before = str(generator.choice(["$", "€", "£", "US$", "EUR ", "CHF "]))
    after = str(generator.choice([" €", "€", " EUR", " kr", " Fr."]))
    is_before = bool(generator.integers(2))
    texts = [_written(x, 2, decimal, thousands) for x in values]
    cells = [before + text if is_before else text + after for text in texts]
    _with_gaps(generator, cells, values, NUMBER_GAPS)
    return "numeric", cells, values


def amounts(generator: Generator, n: int, decimal: str) -> Made:
    unit = str(generator.choice(["kg", " kg", "cm", " km/h", "°C", " m²", "GB", " min", " days", "px", " mg/dL", "µm"]))
    digits = int(generator.integers(0, 3))
    values: list[Any] = _numbers(generator, n, digits, -20 if "°" in unit else 0, 150)
    cells = [_written(x, digits, decimal) + unit for x in values]
    _with_gaps(generator, cells, values, NUMBER_GAPS)
    return "numeric", cells, values


def thousands_with_cents(generator: Generator, n: int, decimal: str) -> Made:
    values: list[Any] = _numbers(generator, n, 2, -90000, 90000)
    cells = [_written(x, 2, decimal, "," if decimal == "." else ".") for x in values]
    _with_gaps(generator, cells, values, NUMBER_GAPS)
    return "numeric", cells, values


def accounts(generator: Generator, n: int, decimal: str) -> Made:
    values: list[Any] = _numbers(generator, n, 2, -900, 900)
    cells = [f"({_written(-x, 2, decimal)})" if x < 0 else _written(x, 2, decimal) for x in values]
    _with_gaps(generator, cells, values, NUMBER_GAPS)
    return "numeric", cells, values


def stray_cell(generator: Generator, n: int, decimal: str) -> Made:
    """Numbers, of which one is a word; too few rows are no evidence, so they have none."""
    _, cells, values = fractions(generator, n, decimal)
    assert values is not None
    if n >= 120:
        word = str(generator.choice(["see note", "12 or 13", "broken sensor", "12..5", "k.A."]))
        cells[n // 2], values[n // 2] = word, None
    return "numeric", cells, values


def detection_limits(generator: Generator, n: int, decimal: str) -> Made:
    """As laboratories write numbers: some are only bounds, some have a footnote."""
    values: list[Any] = [0.5, *_numbers(generator, n - 1, 2, 0, 80)]
    marks = np.where(generator.random(n) < 0.1, str(generator.choice(["<", "> ", "≤", "~"])), "")
    cells = [mark + _written(x, 2, decimal) for mark, x in zip(marks, values, strict=True)]
    cells[n // 2] += "*"
    _with_gaps(generator, cells, values, NUMBER_GAPS)
    return "numeric", cells, values


def codes_with_zeros(generator: Generator, n: int, decimal: str) -> Made:
    """Postal codes and the like: digits that are no numbers."""
    codes = ["01067", "04109", "80331", "20095", "09111"]
    values: list[Any] = ["01067", "80331", *(codes[k] for k in generator.integers(5, size=n - 2))]
    cells = [str(x) for x in values]
    _with_gaps(generator, cells, values, ("", "#N/A"))
    return "categorical", cells, values


def two_valued(generator: Generator, n: int, decimal: str) -> Made:
    pairs = [("1", "0"), ("true", "false"), ("TRUE", "FALSE"), ("True", "False"), ("yes", "no"), ("YES", "NO")]
    pairs += [("Y", "N"), ("y", "n"), ("T", "F"), ("t", "f"), ("on", "off"), ("1.0", "0.0")]
    yes, no = pairs[generator.integers(len(pairs))]
    values: list[Any] = [True, False, *(bool(x) for x in generator.random(n - 2) < generator.uniform(0.05, 0.95))]
    cells = [yes if x else no for x in values]
    _with_gaps(generator, cells, values, ("", "?", "NA", "unknown", "null", "N/A", "-"))
    return "boolean", cells, values


def levels(generator: Generator, n: int, decimal: str) -> Made:
    names = LEVELS[generator.integers(len(LEVELS))]
    values: list[Any] = [*names[:2], *(names[k] for k in generator.integers(len(names), size=n - 2))]
    cells = [str(x) for x in values]
    _with_gaps(generator, cells, values, TEXT_GAPS)
    return "categorical", cells, values


def sentences(generator: Generator, n: int, decimal: str) -> Made:
    marks = ["", ".", "!", ", ok", '; "quoted"', "\nsecond line", " | pipe", "\ttab", " (5)", " 50%"]
    values: list[Any] = []
    for i in range(n):
        words = [WORDS[k] for k in generator.integers(len(WORDS), size=int(generator.integers(7, 25)))]
        values.append(f"{' '.join(words)} {i}{marks[generator.integers(len(marks))]}".strip())
    cells = list(values)
    _with_gaps(generator, cells, values, TEXT_GAPS)
    return "text", cells, values


def texts_without_blanks(generator: Generator, n: int, decimal: str) -> Made:
    """Chinese, Japanese, addresses of pages, formulas of molecules: all different, and no ids."""
    style = int(generator.integers(4))
    alphabet = {0: HAN, 1: KANA, 2: "abcdefgh", 3: "CNOcn()=12"}[style]
    values: list[Any] = []
    for i in range(n):
        body = "".join(alphabet[k] for k in generator.integers(len(alphabet), size=int(generator.integers(21, 45))))
        values.append(f"https://example.org/{body[:6]}/{body[6:]}-{i}.html" if style == 2 else body)
    return "text", list(values), values


def dates(generator: Generator, n: int, decimal: str) -> Made:
    forms = ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%H:%M:%S", "%d %b %Y"]
    forms += ["%Y-%m", "%j days %H:%M:%S", "%Hh %Mmin", "%Y-%m-%dT%H:%M:%S.%fZ", "%I:%M %p"]
    form = str(generator.choice(forms))
    days = np.datetime64("2024-01-01T00:00:00") + generator.integers(0, 86400 * 700, n).astype("timedelta64[s]")
    cells: list[str] = [day.strftime(form) for day in days.tolist()]
    _with_gaps(generator, cells, list(cells), ("", "NA"))
    return "ignored", cells, None


def constant(generator: Generator, n: int, decimal: str) -> Made:
    return "ignored", [str(generator.choice(["1", "DE", "2024-01-01", "0.5", "yes"]))] * n, None


COLUMN_MAKERS: tuple[Callable[[Generator, int, str], Made], ...] = (
    *(whole_numbers, fractions, powers_of_ten, percentages, prices, amounts, thousands_with_cents, accounts),
    *(
        stray_cell,
        detection_limits,
        codes_with_zeros,
        two_valued,
        two_valued,
        levels,
        levels,
        sentences,
        texts_without_blanks,
        dates,
        constant,
    ),
)
