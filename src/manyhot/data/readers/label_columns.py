"""Names and globs that a person writes, such as `--labels 'mood_*,"a, b"'` -> columns; columns that resemble labels."""

from __future__ import annotations

import csv
import fnmatch
import re
from collections.abc import Mapping, Sequence

import polars as pl

from manyhot.data.indicators import UNKNOWN_WORDS, is_indicator_text
from manyhot.errors import InputError
from manyhot.validation import did_you_mean, join_names

# What stands before the first sign, a number at the end, or the first capital: `mood_`, `label`, `is`
_FIRST_PART = re.compile(r"^(?:.*?[^A-Za-z0-9](?=[A-Za-z0-9])|[A-Za-z]+(?=\d+$)|[a-z]{2,}(?=[A-Z]))")
_SAME_NAME = "columns that have the name of a label are used as features"
_LABEL_LIKE = "columns of 0 and 1 that look like further labels are used as features"
_LAST_PART = re.compile(r"[^A-Za-z0-9][A-Za-z0-9]+$")
MAX_NEIGHBOURS = 20  # Columns of 0 and 1 beside the labels that are named; more of them are hardly labels


def split_names(text: str) -> list[str]:
    """Names with commas between, blanks around them removed; a name in quotes may hold commas."""
    quote = "'" if '"' not in text and re.search(r"(^|,)\s*'", text) else '"'
    rows = list(csv.reader([text.replace("\n", " ")], quotechar=quote, skipinitialspace=True))
    return [name.strip() for name in (rows[0] if rows else []) if name.strip()]


def is_glob(text: str) -> bool:
    """Whether a text holds a mark of a glob."""
    return any(mark in text for mark in "*?[")


def match_columns(text: str, columns: Sequence[str], argument: str, is_strict: bool = True) -> tuple[str, ...]:
    """The columns that a person named, in that order: names and globs; a name that is a column is no glob."""
    if text in columns:
        return (text,)
    pieces = split_names(text)
    named = [piece for piece in pieces if piece in columns]
    duplicate = next((name for name in named if named.count(name) > 1), None)
    if duplicate is not None:
        noun = "the label" if argument == "labels" else "the column"
        raise InputError(f"{noun} {duplicate!r} is listed more than once", argument=argument)
    matches: list[str] = []
    message = None if pieces else "is an empty list"
    for piece in pieces:
        found = [piece] if piece in columns else _match_glob(piece, columns)
        message = message or (None if found else _no_match_message(piece, columns))
        matches += found
    if message is not None and "," in text and is_glob(text):
        whole = _match_glob(text, columns)  # a glob over names with commas
        matches, message = (whole, None) if whole else (matches, message)
    if message is not None and is_strict:
        raise InputError(message, argument=argument)
    return tuple(dict.fromkeys(matches))


def names_one_column(text: str, column: str) -> bool:
    """Whether a person named exactly this column, and not by a glob."""
    return text == column or split_names(text) == [column]


def dropped_note(columns: Sequence[str]) -> str:
    """What is said of columns that a person leaves out."""
    return f"left out, as `drop` says: {join_names(columns)}"


def label_like_columns(
    frame: pl.DataFrame, labels: Sequence[str], column_types: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Columns of 0 and 1 that resemble the labels without being any: the most common leak."""
    # by the beginning of labels or the end of all of them; where they share nothing, columns directly beside them
    label_set = set(labels)
    groups: dict[str, list[str]] = {}
    for label in label_set:
        groups.setdefault(_first_part(label), []).append(label)
    prefixes = [_common_prefix(group) if len(group) > 1 else first for first, group in groups.items() if first]
    suffixes = {found.group() if (found := _LAST_PART.search(label)) else "" for label in label_set}
    suffix = next(iter(suffixes)) if len(suffixes) == 1 and len(label_set) > 1 else ""
    similar = [
        name
        for name in frame.columns
        if name not in label_set
        and (any(_continues(name, prefix) for prefix in prefixes) or (suffix and name.endswith(suffix)))
        and looks_like_indicator(frame[name])
    ]
    matches = similar if prefixes or suffix else _neighbours(frame, label_set)
    return tuple(name for name in matches if (column_types or {}).get(name) not in ("ignored", "id"))


def _first_part(name: str) -> str:
    match = _FIRST_PART.match(name)
    return match.group() if match else ""


def _common_prefix(names: Sequence[str]) -> str:
    """The longest beginning of all names that ends as `_FIRST_PART` does."""
    first, last = min(names), max(names)
    prefix = first[
        : next((k for k, pair in enumerate(zip(first, last, strict=False)) if len(set(pair)) > 1), len(first))
    ]
    signs = [k for k, character in enumerate(prefix) if not character.isalnum()]
    return prefix[: signs[-1] + 1] if signs else _first_part(names[0])


def _continues(name: str, prefix: str) -> bool:
    """Whether a name begins with a prefix and ends there as the labels do."""
    if not name.startswith(prefix) or name == prefix:
        return False
    return not prefix[-1].isalnum() or _first_part(name) == prefix


def _neighbours(frame: pl.DataFrame, labels: set[str]) -> tuple[str, ...]:
    """The columns of 0 and 1 in an unbroken run with the labels."""
    names = frame.columns
    places = [k for k, name in enumerate(names) if name in labels]
    if len(places) < 2:
        return ()
    found: set[str] = set()
    for start, step in ((min(places), -1), (max(places), 1)):
        k = start + step
        while 0 <= k < len(names) and (names[k] in labels or looks_like_indicator(frame[names[k]])):
            found.add(names[k])
            if len(found) > MAX_NEIGHBOURS:
                return ()
            k += step
    between = [name for name in names[min(places) : max(places)] if name not in labels]
    found.update(name for name in between[: MAX_NEIGHBOURS + 1] if looks_like_indicator(frame[name]))
    return tuple(name for name in names if name in found) if len(found) <= MAX_NEIGHBOURS else ()


def label_like_note(columns: Sequence[str]) -> str:
    """What is said of columns that resemble labels and stay features."""
    them = "it is" if len(columns) == 1 else "they are"
    return (
        f"{_LABEL_LIKE}: {join_names(columns)}; if {them} not "
        "known when predicting, name them among the labels, or leave them out with `drop` (--drop)"
    )


def same_name_note(columns: Sequence[str]) -> str:
    """What is said of features that have the name of a label."""
    return f"{_SAME_NAME}: {join_names(columns)}"


def is_label_note(note: str) -> bool:
    """Whether a note is one of those that the data checks have as findings."""
    return note.startswith((_SAME_NAME, _LABEL_LIKE))


def looks_like_indicator(column: pl.Series) -> bool:
    """Whether a column holds nothing but yes, no and unknown."""
    if column.dtype == pl.Boolean:
        return True
    if not (column.dtype.is_numeric() or column.dtype == pl.String):
        return False
    cells = column.cast(pl.String).drop_nulls()
    cells = cells.filter(~cells.str.strip_chars().str.to_lowercase().is_in(UNKNOWN_WORDS))
    return len(cells) > 0 and bool(is_indicator_text(cells).all())


def _match_glob(piece: str, columns: Sequence[str]) -> list[str]:
    if not is_glob(piece):
        return []
    matches = [name for name in columns if fnmatch.fnmatchcase(name, piece)]
    if not matches and "[" in piece:  # a bracket of a name, not a class of characters
        matches = [name for name in columns if fnmatch.fnmatchcase(name, piece.replace("[", "[[]"))]
    return matches


def _no_match_message(piece: str, columns: Sequence[str]) -> str:
    if is_glob(piece):
        return f"no column matches {piece!r}; the columns are {join_names(columns)}"
    if piece.lower().endswith(".xml"):
        return (
            f"there is no column {piece!r}. A Mulan XML that names the labels is read by itself where the ARFF file's "
            "name begins with its own (emotions.xml beside emotions-train.arff); another one goes in xml= "
            f"(--xml {piece})"
        )
    quoted = next((name for name in columns if "," in name and piece in name), None)
    hint = "" if quoted is None else f"; write a name with a comma in quotes: '\"{quoted}\"'"
    return (
        f"there is no column {piece!r}"
        f"{hint or did_you_mean(piece, columns) or f'; the columns are {join_names(columns)}'}"
    )
