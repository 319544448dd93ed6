"""Texts that are not UTF-8: UTF-16 that begins with its mark, and Windows-1252; both are read with a note."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from manyhot.errors import InputError

BLOCK_BYTES = 1 << 24
UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
CP1252_GAPS = b"\x81\x8d\x8f\x90\x9d"  # The bytes that mean nothing in Windows-1252
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_LONG_RUN = re.compile(rb"[\x80-\xff]{4,}")
# Shares of the bytes beyond ASCII: those that look like UTF-8 in a text that mixes it with something else, at least;
# and in a Western text those that do so by chance, and those that stand in runs of four, at most
_MIXED_MULTIBYTE, _WESTERN_MULTIBYTE, _WESTERN_IN_RUNS = 0.8, 0.5, 0.3


def find_invalid_byte(content: bytes) -> int | None:
    """Where the bytes stop being UTF-8; None for nowhere. The text is never held as a whole."""
    start = 0
    while start < len(content):
        stop = min(start + BLOCK_BYTES, len(content))
        while stop < len(content) and content[stop] & 0xC0 == 0x80 and stop - start > BLOCK_BYTES - 4:
            stop -= 1
        try:
            content[start:stop].decode("utf-8")
        except UnicodeDecodeError as error:
            return start + error.start
        start = stop
    return None


def encoding_error(content: bytes, position: int, path: Path, first_line: int = 1, reason: str = "") -> InputError:
    """What to say of a byte that is no UTF-8."""
    line = content.count(b"\n", 0, position) + first_line
    return InputError(
        f"is not UTF-8: line {line} holds the byte 0x{content[position]:02x}{reason}; save it as UTF-8 "
        "(iconv -f WINDOWS-1252 -t UTF-8 does it for Western files; Excel calls it 'CSV UTF-8')",
        file=path,
    )


def is_utf16(head: bytes) -> bool:
    """Whether a text begins with the mark of UTF-16."""
    return head.startswith(UTF16_MARKS)


def utf16_to_utf8(content: bytes, path: Path) -> bytes:
    """UTF-16 with its mark -> UTF-8."""
    try:
        text = content.decode("utf-16")
        if "\0" not in text:
            return text.encode()
    except UnicodeError:
        pass
    raise InputError("begins as UTF-16 text but is none; save it as UTF-8", file=path)


class TextDecoder:
    """The blocks of one text, in order, as UTF-8."""

    def __init__(self, path: Path, is_utf16: bool = False) -> None:
        self._path, self._line = path, 1
        self._has_utf8 = False
        self._n_high = self._n_multibyte = self._n_in_runs = 0
        self.notes: tuple[str, ...] = ("the file was read as UTF-16",) if is_utf16 else ()
        self._is_western = False

    def decode(self, block: bytes) -> bytes:
        """Whole lines -> the same in UTF-8."""
        decoded = block if block.isascii() else self._decode(block)
        self._line += block.count(b"\n")
        return decoded

    def _decode(self, block: bytes) -> bytes:
        position = find_invalid_byte(block)
        if position is None and not self._is_western:
            self._has_utf8 = True
            return block
        self._count(block)
        if position is None:
            position = next(re.finditer(rb"[\x80-\xff]", block)).start()
        if self._has_utf8 or self._n_multibyte > _MIXED_MULTIBYTE * self._n_high:
            raise encoding_error(block, position, self._path, self._line, ", but other lines are UTF-8")
        if max(self._n_in_runs / _WESTERN_IN_RUNS, self._n_multibyte / _WESTERN_MULTIBYTE) > self._n_high:
            raise encoding_error(block, position, self._path, self._line, ", and it does not look Western")
        try:
            decoded = b"".join(part.decode("cp1252").encode() for part in _parts(block))
        except UnicodeDecodeError:
            reason = ", and it is not Windows-1252 either"
            raise encoding_error(block, position, self._path, self._line, reason) from None
        if not self._is_western:
            line = self._line + block.count(b"\n", 0, position)
            self.notes = (
                f"the file is not UTF-8 (line {line} holds the byte 0x{block[position]:02x}) and was read as "
                "Windows-1252; if letters look wrong, save it as UTF-8",
            )
        self._is_western = True
        return decoded

    def _count(self, block: bytes) -> None:
        for part in _parts(block):
            self._n_high += sum(len(run) for run in re.findall(rb"[\x80-\xff]+", part))
            self._n_multibyte += sum(len(run) for run in _MULTIBYTE.findall(part))
            self._n_in_runs += sum(len(run) for run in _LONG_RUN.findall(part))


def _parts(content: bytes) -> Iterator[bytes]:
    return (content[start : start + BLOCK_BYTES] for start in range(0, len(content), BLOCK_BYTES))
