"""The text of one cell of label sets: what Python, numpy, JSON, databases and people write there."""

#   ["a", "b"]   JSON              ['a', 'b'], ('a', 'b'), {'a', 'b'}, [np.str_('a')]   Python
#   ['a' 'b']    numpy             {a,b}, {"a b",c}                                     PostgreSQL
#   [a, b]       without quotes    <a><b>                                               tags
#   {"a": 1, "b": 0}               a mapping of labels
# Nothing is ever executed.

from __future__ import annotations

import ast
import csv
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from manyhot.data.indicators import is_indicator_word
from manyhot.errors import InputError

NOT_NOTATION = object()  # What `parse_notation` returns for a text in no such notation
LONGEST_MAPPING = 100_000  # Characters of the longest mapping in Python's notation that is read
CLOSERS = "])}>"  # What a cell in such a notation ends with

_CALL = re.compile(r"(?:(?:np|numpy)\.)?(?:array|set|frozenset)\((.*)\)", re.DOTALL)
_DTYPE = re.compile(r",\s*dtype=[^\[\](){}]*$")
_PAIRS = {"[": "]", "(": ")", "{": "}"}
_TAGS = re.compile(r"(?:<[^<>]+>\s*)+")
_QUOTED = r"""[uU]?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_STARTS_QUOTED = re.compile(r"""\s*(?:(?:np|numpy)\.\w+\()?[uU]?['"]""")
_ITEM = re.compile(
    rf"""\s*(?:(?:np|numpy)\.\w+\(\s*)?({_QUOTED}|[^\s,'"\[\](){{}}]+)\)?(?:\s*,\s*|\s+|$|(?=['"]))""", re.DOTALL
)
_DELIMITED = re.compile(r"[|;,\t]")
_BLANKS = re.compile(r"[\s/&+]+")
_NEGATIONS = {"no", "not", "non", "without"}
_CONSTANTS = {"True": True, "False": False, "None": None, "nan": None}
_NUMBER = re.compile(r"[+-]?\d+(?:\.0*)?")


def parse_notation(text: str, sep: str | None = None) -> Any:
    """The label set (list) or mapping in a text without blanks around it; `NOT_NOTATION` for any other text."""
    if not text or text[-1] not in CLOSERS:
        return NOT_NOTATION
    call = _CALL.fullmatch(text)
    if call is not None:
        text = _DTYPE.sub("", call[1].strip()) or "[]"
    if text[0] == "<":
        return re.findall(r"<([^<>]+)>", text) if _TAGS.fullmatch(text) else NOT_NOTATION
    if _PAIRS.get(text[0]) != text[-1]:
        return NOT_NOTATION
    if text[0] != "(":
        value = _parse_json(text)
        if value is not NOT_NOTATION:
            return value
    inner = text[1:-1].strip()
    if not inner:
        return []
    if _STARTS_QUOTED.match(inner):
        return _parse_mapping(text) if text[0] == "{" and ":" in inner else _parse_items(inner)
    items = _parse_items(inner) if _is_python(inner) else NOT_NOTATION
    if items is not NOT_NOTATION:
        return items
    return NOT_NOTATION if text[0] == "(" or re.search(r"[\[\]{}]", inner) else _split_bare(inner, sep)


def is_certain(text: str) -> bool:
    """Whether a text in a notation can hardly be a name: it is empty in brackets, or has quotes inside them."""
    return text[0] != "<" and (len(text) < 3 or text[1:-1].strip()[:1] in "'\"" or "(" in text[:12])


def looks_delimited(texts: Sequence[str]) -> bool:
    """Whether texts list labels: by brackets, delimiters, or a word that two of them share."""
    # `not spam` beside `spam` is no list, nor are words for yes, no and unknown
    texts = [text for text in texts if not is_indicator_word(text)]
    if any(_DELIMITED.search(text) or parse_notation(text.strip()) is not NOT_NOTATION for text in texts):
        return True
    words = [set(_BLANKS.split(text.strip().lower())) for text in texts]
    shared = {word for word, n in Counter(word for names in words for word in names).items() if n > 1}
    return bool(shared) and max(map(len, words)) > 1 and not any(names & _NEGATIONS for names in words)


def split_delimited(text: str, sep: str) -> list[str]:
    """The names in a delimited text without the blanks around them; quotes around every one of them go, too."""
    names = [name for name in (part.strip() for part in text.split(sep)) if name]
    is_quoted = all(len(name) > 2 and name[0] == name[-1] and name[0] in "'\"" for name in names)
    return [name[1:-1] for name in names] if is_quoted else names


def _parse_json(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return NOT_NOTATION
    return value if isinstance(value, (list, dict)) else NOT_NOTATION


def _is_python(inner: str) -> bool:
    """Whether all words are numbers, True, False, None or nan, or names in quotes that begin later."""
    words = re.split(r"[\s,]+", inner.strip(" ,"))
    return all(_NUMBER.fullmatch(word) or word in (*_CONSTANTS, "...") for word in words) or bool(
        re.match(r"(?:None|nan|\d+)\s*,?\s*['\"]", inner)
    )


def _parse_items(inner: str) -> Any:
    items, place = [], 0
    while place < len(inner):
        match = _ITEM.match(inner, place)
        if match is None:
            return NOT_NOTATION
        items.append(_parse_item(match[1]))
        place = match.end()
    return items


def _parse_item(word: str) -> Any:
    if word == "...":
        raise InputError("the label set was shortened by '...' when it was written, so labels are missing")
    if word[-1] in "'\"":
        try:
            return ast.literal_eval(word)
        except (ValueError, SyntaxError):
            return word.lstrip("uU")[1:-1]
    if word in _CONSTANTS:
        return _CONSTANTS[word]
    return int(float(word)) if _NUMBER.fullmatch(word) else word


def _parse_mapping(text: str) -> Any:
    if len(text) > LONGEST_MAPPING:
        return NOT_NOTATION
    try:
        value = ast.literal_eval(re.sub(r":\s*nan\b", ": None", text))
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return _parse_items(text[1:-1].strip())  # a set of names with colons in them
    return list(value) if isinstance(value, set) else value


def _split_bare(inner: str, sep: str | None) -> list[str]:
    if sep is None or sep not in inner:
        sep = ","
    if sep == "," and '"' in inner:
        cells = next(csv.reader([inner.replace("\n", " ")], skipinitialspace=True, escapechar="\\"))
        return [name for name in (cell.strip() for cell in cells) if name]
    return split_delimited(inner, sep)
