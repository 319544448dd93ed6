"""The normal form of a text, and where its words begin and end."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

RUNS = (3, 4)  # lengths of runs of characters, the shortest and the longest
# accents and vowel signs that no composed letter stands for; without them words of many scripts fall to pieces
_MARKS = "".join(chr(code) for code in range(0x300, 0x2000) if unicodedata.category(chr(code)).startswith("M"))
# Thai, Lao, Burmese, Khmer, kana and Han: written without blanks, so that each of their characters is a word
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
)
# what a word is, as a regular expression; every character that is no blank belongs to one word
WORD = rf"[{_UNSPACED}][{_MARKS}]*|[^\W{_UNSPACED}](?:[^\W{_UNSPACED}]|[{_MARKS}])*|[^\w\s]"
# characters without a width: joiners, directions of writing, forms of emoji
_ZERO_WIDTH = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
# control characters, and halves of characters that no encoding can write
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

_CLUSTER = re.compile(rf"(?s:.)(?:[{_MARKS}]|{_ZERO_WIDTH.pattern})*")  # a character and what belongs to it


def normalize_text(text: str) -> str:
    """Return a text in lower case and NFKC, without zero-width characters, with blanks for control characters."""
    plain = _CONTROL.sub(" ", _ZERO_WIDTH.sub("", text))
    return unicodedata.normalize("NFKC", plain).lower()


def find_words(text: str, words: Collection[str], max_matches: int) -> dict[str, list[tuple[int, int]]]:
    """Find the first `max_matches` places (start, end) of each normalized word in a text as written, in code points."""
    # where normalizing changes the number of letters, a place is the whole piece between blanks
    spans: dict[str, list[tuple[int, int]]] = {word: [] for word in words}
    cached_words: dict[str, list[tuple[str, int, int]]] = {}
    for piece in re.finditer(r"\S+", text):
        piece_text, start = piece.group(), piece.start()
        if piece_text not in cached_words:
            cached_words[piece_text] = [one for one in _split_words(piece_text) if one[0] in spans]
        for word, first, last in cached_words[piece_text]:
            if len(spans[word]) < max_matches:
                spans[word].append((start + first, start + last))
    return spans


def _split_words(piece: str) -> list[tuple[str, int, int]]:
    """List the words of a piece without blanks, each with its place there."""
    normalized = normalize_text(piece)
    matches = [(match.group(), match.start(), match.end()) for match in re.finditer(WORD, normalized)]
    starts: list[int] = []
    for cluster in _CLUSTER.finditer(piece):
        letters = len(normalize_text(cluster.group()))
        starts += [cluster.start()] * letters
    if len(starts) != len(normalized):
        return [(word, 0, len(piece)) for word, _, _ in matches]
    starts.append(len(piece))
    return [(word, starts[first], _end_offset(starts, last)) for word, first, last in matches]


def _end_offset(starts: list[int], last: int) -> int:
    """Return where the character after `last - 1` begins; several that came of one written character end together."""
    while last < len(starts) - 1 and starts[last] == starts[last - 1]:
        last += 1
    return starts[last]
