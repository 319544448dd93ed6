"""The tokenizer.json of a text encoder as if nobody vouched for it: known parts, bounded, tried on odd texts."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from manyhot.errors import InputError, panics_become

MAX_BYTES = 2**27
MAX_STEPS = 128  # normalizers, or pre-tokenizers, in a sequence; Model2Vec replaces 32 signs one by one
MAX_GROWTH = 128  # characters that one character may become
MAX_CONTENT = 32  # characters of what replaces one, and of prefixes and suffixes
MAX_WORD_CHARACTERS = 1000  # that a WordPiece word may have
MAX_ADDED = 100_000
# the only regular expressions, for blanks to be replaced and for texts to be split; they are those of known tokenizers
# (Model2Vec, XLM-R; GPT-2, GPT-4, Qwen), and take time as long as the text
BLANK_PATTERNS = (r"\s+", r" {2,}", r"\s", r"\n", r"\r\n|\r|\n")
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
SPLIT_PATTERNS = (
    *BLANK_PATTERNS,
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    rf"{_WORDS}|\p{{N}}{{1,3}}|{_REST}",
    rf"{_WORDS}|\p{{N}}|{_REST}",
)
BLANKS = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
# characters that one becomes at most: Unicode's own figures, and for the others those of what they are made of
_UNICODE_GROWTH = {"NFC": 3, "NFD": 4, "NFKC": 18, "NFKD": 18, "Nmt": 1, "StripAccents": 1, "Lowercase": 3}
_UNICODE_GROWTH |= {"BertNormalizer": 12, "ByteLevel": 4}  # accents apart and blanks around; a sign for each byte
_NO_GROWTH = ("Strip",)
_PRE_TOKENIZERS: tuple[str, ...] = (
    "BertPreTokenizer",
    "Whitespace",
    "WhitespaceSplit",
    "Punctuation",
    "Digits",
    "UnicodeScripts",
)
_PRE_TOKENIZERS += ("CharDelimiterSplit", "FixedLength")
# texts on which a tokenizer is tried before it is believed
ODD_TEXTS = (
    "",
    " ",
    "\x00\x1f\t\r\n\u2028",
    "a" * 2000,
    "!?.,;:'\"()[]{}<>|\\/@#$%^&*-_=+`~" * 8,
    "The quick brown fox, 1st of 2: Grüße! שלום 你好 привет ไทย ﷺ ŉ ß İ ﬃ",
    "e\u0301\u0323" + "\u0301" * 300,
    "😀👩‍👩‍👧‍👦🏳️‍🌈 \U0010ffff \ufffd\ufeff\u202e\u200b",
)

Growth = Callable[[str], float]  # a character -> how many characters it becomes at most, by the steps that follow


def read_tokenizer(encoded: np.ndarray) -> tuple[str, int]:
    """Check a tokenizer in UTF-8, uint8, and return it without what manyhot does not use, and the unknown token's id.

    Raises:
        InputError: A part that is not on the list, a regular expression of its own, growth, or no unknown token.
    """
    if len(encoded) > MAX_BYTES:
        raise _error(f"it has {len(encoded):,} bytes, at most {MAX_BYTES:,} are allowed")
    try:
        document = json.loads(encoded.tobytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _error(f"it is no JSON text ({str(error)[:100]})") from None
    if not isinstance(document, dict) or not isinstance(document.get("model"), dict):
        raise _error("it describes no model")
    growth: Growth = _unit
    for step in reversed(_pre_tokenizers(document.get("pre_tokenizer"))):
        growth = _pre_tokenizer_growth(step, growth)
    for step in reversed(_steps(document.get("normalizer"), "normalizers")):
        growth = _normalizer_growth(step, growth)
    most = _largest(growth)
    if not most <= MAX_GROWTH:
        raise _error(f"one character may become {most:.3g}, at most {MAX_GROWTH} are allowed")
    _check_added(document.get("added_tokens", []))
    unknown_id = _check_model(document["model"])
    fields = ("version", "added_tokens", "normalizer", "pre_tokenizer", "model")
    document = {"version": "1.0", **{name: document[name] for name in fields if name in document}}
    return json.dumps({**document, "truncation": None, "padding": None, "post_processor": None, "decoder": None}), (
        unknown_id
    )


def open_tokenizer(library: Any, encoded: np.ndarray) -> tuple[Any, int]:
    """Check a tokenizer and build it by the library `tokenizers`; also return the id of unknown tokens, -1 for none."""
    text, unknown_id = read_tokenizer(encoded)
    try:
        with panics_become(InputError):
            tokenizer = library.Tokenizer.from_str(text)
    except Exception as error:  # the library raises Exception itself
        raise _error(str(error)[:200]) from None
    tokenizer.no_padding()
    return tokenizer, unknown_id


def try_tokenizer(tokenizer: Any, n_tokens: int) -> None:
    """Take odd texts apart; raise `InputError` for what fails on them, or numbers pieces from `n_tokens` on."""
    try:
        with panics_become(InputError):
            encodings = tokenizer.encode_batch_fast(list(ODD_TEXTS), add_special_tokens=False)
    except Exception as error:  # the library raises Exception itself
        raise _error(f"it fails on odd texts ({str(error)[:200]})") from None
    if any(token_id >= n_tokens for encoding in encodings for token_id in encoding.ids):
        raise _error("it numbers pieces of words that are not in its vocabulary")


def _error(reason: str) -> InputError:
    return InputError(f"tokenizer.json cannot be read: {reason}", argument="text_params")


def _unit(character: str) -> float:
    return 1.0


# what stands for every character that no step names: a letter of its own
_ANY = "\0"


class _Table:
    """Growth that is the same for all characters but some."""

    def __init__(self, rest: float, some: Mapping[str, float]) -> None:
        self.rest, self.some = rest, dict(some)

    def __call__(self, character: str) -> float:
        return self.some.get(character, self.rest)


def _largest(growth: Growth) -> float:
    return max([growth.rest, *growth.some.values()]) if isinstance(growth, _Table) else growth(_ANY)


def _all_times(factor: float, growth: Growth) -> _Table:
    """Every character becomes so many of any kind."""
    return _Table(factor * _largest(growth), {})


def _some_become(characters: str, each: float, growth: Growth) -> _Table:
    """These characters become what takes so much, each; the others stay."""
    some = growth.some if isinstance(growth, _Table) else {}
    rest = growth(_ANY)
    return _Table(rest, {**some, **{one: max(growth(one), each) for one in characters}})


def _steps(part: Any, name: str) -> list[dict[str, Any]]:
    """The steps of a sequence, one after another, those of inner sequences too."""
    if part is None:
        return []
    found: list[dict[str, Any]] = []
    pending = [(part, 0)]
    while pending:
        step, depth = pending.pop()
        if not isinstance(step, dict) or not isinstance(step.get("type"), str):
            raise _error(f"it has {name} without a type")
        if step["type"] == "Sequence":
            inner = step.get("normalizers" if name == "normalizers" else "pretokenizers")
            if not isinstance(inner, list) or depth > 4 or len(inner) > MAX_STEPS:
                raise _error(f"its {name} are not a list of at most {MAX_STEPS}")
            pending.extend((one, depth + 1) for one in reversed(inner))
        else:
            found.append(step)
        if len(found) > MAX_STEPS or len(pending) > 2 * MAX_STEPS:
            raise _error(f"it has more than {MAX_STEPS} {name}")
    return found


def _pre_tokenizers(part: Any) -> list[dict[str, Any]]:
    return _steps(part, "pre-tokenizers")


def _normalizer_growth(step: Mapping[str, Any], growth: Growth) -> Growth:
    kind = step["type"]
    if kind in _NO_GROWTH:
        return growth
    if kind in _UNICODE_GROWTH:
        return _all_times(_UNICODE_GROWTH[kind], growth)
    if kind == "Precompiled":
        return _all_times(_longest_replacement(step), growth)
    if kind == "Prepend":
        _short(step.get("prepend"), "prepended text")
        return growth
    if kind == "Replace":
        content = _short(step.get("content"), "replacement")
        pattern = _pattern(step, BLANK_PATTERNS)
        each = sum(growth(one) for one in content)
        if "Regex" in step["pattern"]:
            return _some_become(BLANKS, each, growth)
        return _some_become(pattern, math.ceil(each / len(pattern)), growth)
    raise _error(f"it has the normalizer {kind[:50]!r}, which is not on the list")


def _pre_tokenizer_growth(step: Mapping[str, Any], growth: Growth) -> Growth:
    kind = step["type"]
    if kind in _PRE_TOKENIZERS:
        return growth
    if kind == "ByteLevel":
        return _all_times(4, growth)
    if kind == "Metaspace":
        if len(_short(step.get("replacement"), "replacement")) != 1:
            raise _error("it marks blanks by more than a character")
        return growth
    if kind == "Split":
        _pattern(step, SPLIT_PATTERNS)
        return growth
    raise _error(f"it has the pre-tokenizer {kind[:50]!r}, which is not on the list")


def _pattern(step: Mapping[str, Any], patterns: Collection[str]) -> str:
    """The text that is looked for, or one of the regular expressions of the list."""
    pattern = step.get("pattern")
    if isinstance(pattern, dict) and len(pattern) == 1:
        ((kind, text),) = pattern.items()
        if kind == "String" and isinstance(text, str) and 1 <= len(text) <= MAX_CONTENT:
            return text
        if kind == "Regex" and text in patterns:
            return str(text)
    raise _error(f"it looks for {str(pattern)[:80]}, which is no short text and no regular expression of the list")


def _short(text: Any, what: str) -> str:
    if not isinstance(text, str) or len(text) > MAX_CONTENT:
        raise _error(f"it has a {what} that is no text of at most {MAX_CONTENT} characters")
    return text


def _longest_replacement(step: Mapping[str, Any]) -> int:
    """The characters of the longest replacement of a table of SentencePiece: a trie, then texts ended by NUL."""
    try:
        table = base64.b64decode(step["precompiled_charsmap"], validate=True)
        size = int.from_bytes(table[:4], "little")
        texts = table[4 + size :]
        if len(table) < 4 or size % 4 or 4 + size > len(table):
            raise ValueError("its parts do not fit")
        longest = max(len(one.decode("utf-8", "replace")) for one in texts.split(b"\0"))
    except (KeyError, TypeError, ValueError) as error:
        raise _error(f"its table of replacements cannot be read ({str(error)[:80]})") from None
    return max(longest, 1)


def _check_added(added: Any) -> None:
    if not isinstance(added, list) or len(added) > MAX_ADDED:
        raise _error("its added tokens are no list, or too many")
    for one in added:
        content = one.get("content") if isinstance(one, dict) else None
        if not isinstance(content, str) or not 1 <= len(content) <= 1000:
            raise _error("it has an added token without a text")


def _check_model(model: dict[str, Any]) -> int:
    """Check vocabulary and settings, and return the id of unknown tokens, -1 where none is needed."""
    kind, unknown = model.get("type"), model.get("unk_token")
    vocabulary: Any = model.get("vocab")
    if kind == "Unigram":
        return _check_unigram(model)
    if kind not in ("WordLevel", "WordPiece", "BPE"):
        raise _error(f"it has the model {str(kind)[:50]!r}, expected WordLevel, WordPiece, Unigram or BPE")
    is_mapping = isinstance(vocabulary, dict) and vocabulary
    if not is_mapping or not all(type(one) is int and 0 <= one < 2**31 for one in vocabulary.values()):
        raise _error("its vocabulary is no mapping of pieces to their numbers")
    if len(set(vocabulary.values())) < len(vocabulary):
        raise _error("two pieces of its vocabulary have one number")
    for name in ("continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name) is not None:
            _short(model[name], name)
    longest = model.get("max_input_chars_per_word", 100)
    if type(longest) is not int or not 1 <= longest <= MAX_WORD_CHARACTERS:
        raise _error(f"max_input_chars_per_word is {str(longest)[:50]}, expected 1 to {MAX_WORD_CHARACTERS}")
    if model.get("dropout"):
        raise _error("it drops pieces at random")
    if unknown is None and kind == "BPE":  # which then leaves out what it does not know
        return -1
    if not isinstance(unknown, str) or unknown not in vocabulary:
        raise _error("its unknown token is not in its vocabulary")
    return int(vocabulary[unknown])


def _check_unigram(model: dict[str, Any]) -> int:
    vocabulary: Any = model.get("vocab")
    unknown = model.get("unk_id")
    is_list = isinstance(vocabulary, list) and vocabulary
    if not is_list or not all(isinstance(one, list) and len(one) == 2 for one in vocabulary):
        raise _error("its vocabulary is no list of pieces and their scores")
    for piece, score in vocabulary:
        is_number = isinstance(score, (int, float)) and not isinstance(score, bool) and abs(score) < 1e30
        if not isinstance(piece, str) or not is_number:
            raise _error("its vocabulary holds what is no piece with a score")
    if type(unknown) is not int or not 0 <= unknown < len(vocabulary):
        raise _error("its unknown token is not in its vocabulary")
    return unknown
