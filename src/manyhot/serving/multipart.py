"""`multipart/form-data` out of memory: fields of text and files by name."""

from __future__ import annotations

import re
from typing import NamedTuple

from manyhot.serving.errors import ApiError

_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_NAME = re.compile(r';\s*name="((?:[^"\\\r\n]|\\.)*)"', re.IGNORECASE)
_FILE = re.compile(r";\s*filename\*?=", re.IGNORECASE)
MAX_HEAD_BYTES = 8192


class Part(NamedTuple):
    """One part of a form."""

    name: str
    content: bytes
    is_file: bool


def parse_parts(body: bytes, content_type: str, max_parts: int) -> list[Part]:
    """The parts of a form, in its order."""
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise ApiError(400, "the header has no boundary", argument="Content-Type")
    delimiter = b"\r\n--" + (match[1] or match[2]).encode("utf-8", errors="replace")
    body = b"\r\n" + body
    if body.count(delimiter) > max_parts + 1:
        raise ApiError(413, f"has more than {max_parts} parts", argument="body")
    pieces = body.split(delimiter)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise ApiError(400, "the form is truncated, or its boundary differs from the header's", argument="body")
    return [_parse_part(piece) for piece in pieces[1:-1]]


def _parse_part(piece: bytes) -> Part:
    head, blank, content = piece.partition(b"\r\n\r\n")
    try:
        text = head[:MAX_HEAD_BYTES].decode("utf-8")
    except UnicodeDecodeError:
        raise ApiError(400, "the head of a part is not UTF-8", argument="body") from None
    line = next((header for header in text.split("\r\n") if header.lower().startswith("content-disposition:")), "")
    name = _NAME.search(line)
    if not blank or len(head) > MAX_HEAD_BYTES or name is None:
        raise ApiError(400, 'a part has no head with Content-Disposition: form-data; name="..."', argument="body")
    unescaped = re.sub(r"\\(.)", r"\1", name[1]).replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
    return Part(unescaped, content, _FILE.search(line) is not None)
