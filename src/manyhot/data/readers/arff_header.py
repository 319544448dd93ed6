"""The header of an ARFF file: its attributes, in order, and where the rows begin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from manyhot.data.readers.csv import refuse_twins
from manyhot.data.readers.source import Source
from manyhot.errors import InputError

AttributeKind = Literal["numeric", "nominal", "string", "date"]

_KINDS: dict[str, AttributeKind] = {
    **dict.fromkeys(("numeric", "real", "integer"), "numeric"),
    "string": "string",
    "date": "date",
}
QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_ATTRIBUTE = re.compile(rf"@attribute\s+({QUOTED}|[^\s{{]+)\s*(.+)$", re.IGNORECASE | re.DOTALL)
_RELATION = re.compile(rf"@relation\s+({QUOTED}|.+)$", re.IGNORECASE | re.DOTALL)
_DATA = re.compile(rb"^[ \t]*@data\b[^\n]*(\n|\Z)", re.IGNORECASE | re.MULTILINE)
_LEVEL = re.compile(rf"\s*({QUOTED}|[^,]*?)\s*(?:,|$)", re.DOTALL)
_MEKA = re.compile(r"-C\s+(-?\d+)")
YES, NO = ("1", "true", "yes"), ("0", "false", "no")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True)
class Attribute:
    """One column of an ARFF file."""

    name: str
    kind: AttributeKind
    levels: tuple[str, ...] = ()  # of a nominal attribute; a sparse row leaves the first one out

    @property
    def is_binary(self) -> bool:
        """Whether its levels are 0 and 1 (or no and yes, false and true), in any order."""
        levels = [level.lower() for level in self.levels]
        has_words = len(levels) in (1, 2) and set(levels) <= {*YES, *NO}
        return has_words and len({level in YES for level in levels}) == len(levels)

    @property
    def is_sparse_zero(self) -> bool:
        """Whether what a sparse row leaves out is the number 0."""
        return self.kind == "numeric" or (self.is_binary and self.levels[0].lower() in NO)


@dataclass(frozen=True)
class Header:
    """What stands before the rows."""

    relation: str
    attributes: tuple[Attribute, ...]
    body_offset: int  # where the rows begin, in bytes

    @property
    def names(self) -> list[str]:
        """The attributes' names, in order."""
        return [attribute.name for attribute in self.attributes]

    def meka_labels(self) -> tuple[str, ...] | None:
        """The labels that `-C n` in the relation's name speaks of: the first n attributes, or the last for n < 0."""
        match = _MEKA.search(self.relation)
        count = int(match.group(1)) if match else 0
        if not count:
            return None
        if abs(count) > len(self.attributes):
            raise InputError(f"-C {count} in the relation's name, but there are only {len(self.attributes)} attributes")
        return tuple(self.names[:count] if count > 0 else self.names[count:])


def parse_header(content: bytes, source: Source) -> Header:
    """The header of an ARFF file."""
    data_match = _DATA.search(content)
    if data_match is None:
        raise source.error("has no line @data, so it is no ARFF file, or it was cut short")
    relation, attributes = "", []
    for number, line in enumerate(content[: data_match.start()].decode("utf-8").split("\n"), start=1):
        line = line.strip()
        if not line or line.startswith("%"):
            continue
        keyword = line.split(None, 1)[0].lower()
        if keyword == "@relation":
            match = _RELATION.match(line)
            relation = unquote(match.group(1).strip()) if match else ""
        elif keyword == "@attribute":
            attributes.append(_attribute(line, number, source))
        else:
            raise source.error(
                f"line {number} is {line[:60]!r}, expected @relation, @attribute, @data or a comment (%)"
            )
    if not attributes:
        raise source.error("has no @attribute, expected one for each column")
    refuse_twins([attribute.name for attribute in attributes], source)
    return Header(relation, tuple(attributes), data_match.end())


def unquote(text: str) -> str:
    """A name or value without its quotes and backslashes."""
    if len(text) < 2 or text[0] != text[-1] or text[0] not in "'\"":
        return text
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m.group(1), m.group(1)), text[1:-1], flags=re.DOTALL)


def _attribute(line: str, number: int, source: Source) -> Attribute:
    match = _ATTRIBUTE.match(line)
    if match is None:
        raise source.error(f"line {number} is {line[:60]!r}, expected @attribute NAME TYPE; quote names with blanks")
    name, declared = unquote(match.group(1)), match.group(2).strip()
    if declared.startswith("{"):
        stop = declared.rfind("}")
        if stop < 0:
            raise source.error(f"line {number}: the levels of {name!r} have no closing brace")
        levels = (match for match in _LEVEL.finditer(declared, 1, stop) if match.start() < stop)
        return Attribute(name, "nominal", tuple(unquote(level.group(1)) for level in levels))
    kind = _KINDS.get(declared.split()[0].lower())
    if kind is None:
        raise source.error(
            f"line {number}: the type of {name!r} is {declared[:40]!r}, expected {', '.join(_KINDS)} or a list of "
            "levels {a,b}"
        )
    return Attribute(name, kind)
