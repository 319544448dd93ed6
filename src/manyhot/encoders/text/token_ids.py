"""Encoder for one column of text as token ids, whose embeddings the network learns."""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Mapping
from itertools import islice
from typing import Any

import numpy as np

from manyhot import validation
from manyhot.config.text import EMBEDDINGS, TEXT_KINDS
from manyhot.encoders.scaling import row_weights, weighted_quantiles
from manyhot.encoders.text.base import BaseTextEncoder
from manyhot.encoders.text.packed_texts import pack_texts
from manyhot.encoders.text.text_input import Texts, require_text
from manyhot.encoders.text.tfidf import frequent_terms, normalize_texts, unpack_terms
from manyhot.encoders.text.tokenization import WORD
from manyhot.errors import InputError

# lengths that rows may have, so that few programs are compiled
LENGTHS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
USUAL_SHARE = 0.99  # share of the texts of training that are not cut, where `max_tokens` allows it
_SETTINGS = TEXT_KINDS[EMBEDDINGS].settings
_WORD = re.compile(WORD)


class WordEncoder(BaseTextEncoder):
    """Encode texts as rows of token ids: 0 for padding, an id for each frequent word, hashed ids for others."""

    kind = EMBEDDINGS
    block = "words"

    def __init__(self, max_words: int, buckets: int, max_tokens: int) -> None:
        self.max_words = int(_SETTINGS["max_words"].validate("max_words", max_words))
        self.buckets = int(_SETTINGS["buckets"].validate("buckets", buckets))
        self.max_tokens = int(_SETTINGS["max_tokens"].validate("max_tokens", max_tokens))

    def fit(self, texts: Texts, weights: np.ndarray | None = None) -> WordEncoder:
        """Learn the words and the length of a row; a row of weight k counts like k rows."""
        rows = require_text(normalize_texts(texts), texts)
        weights = row_weights(weights, len(rows))
        counts: dict[str, float] = defaultdict(float)
        lengths = np.zeros(len(rows))
        for row_index in np.argsort(weights, kind="stable").tolist():
            words = _WORD.findall(rows[row_index])
            lengths[row_index] = len(words)
            for word in set(words):
                counts[word] += float(weights[row_index])
        self._words, _ = frequent_terms(counts, np.sort(weights).sum(), self.max_words)
        typical_length = float(weighted_quantiles(lengths, weights, (USUAL_SHARE,))[0])
        min_length = min(max(typical_length, 1), self.max_tokens)
        self._length = next(length for length in LENGTHS if length >= min_length)
        self._word_ids = {word: number for number, word in enumerate(self._words, 1)}
        return self

    def transform(self, texts: Texts) -> np.ndarray:
        """Encode n texts as int32 (n, length), from 0 below `n_token_ids`."""
        rows = normalize_texts(texts)
        result = np.zeros((len(rows), self._length), dtype=np.int32)
        for row_index, row in enumerate(rows):
            words = (match.group() for match in islice(_WORD.finditer(row), self._length))
            token_ids = [self._word_ids.get(word) or self._hash_word(word) for word in words]
            result[row_index, : len(token_ids)] = token_ids
        return result

    @property
    def width(self) -> int:
        """Length of a row."""
        return self._length

    @property
    def n_token_ids(self) -> int:
        """Number of different ids, padding included."""
        return 1 + len(self._words) + self.buckets

    def to_spec(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Describe the state as JSON values and arrays: words as UTF-8 bytes uint8 with their ends int64."""
        spec = {
            "kind": self.kind,
            "max_words": self.max_words,
            "buckets": self.buckets,
            "max_tokens": self.max_tokens,
            "length": self._length,
        }
        ends, encoded = pack_texts(self._words)
        return spec, {"ends": ends, "bytes": encoded}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> WordEncoder:
        """Rebuild what `to_spec` described; JSON values and arrays are checked here as if they were hostile."""
        if set(spec) != {"kind", "max_words", "buckets", "max_tokens", "length"} or set(arrays) != {"ends", "bytes"}:
            raise InputError(f"words are described otherwise than by {validation.shorten(spec)}")
        encoder = cls(spec["max_words"], spec["buckets"], spec["max_tokens"])
        if spec["length"] not in LENGTHS:
            raise InputError(f"got {spec['length']}, expected one of {LENGTHS}", argument="length")
        encoder._length = int(spec["length"])
        encoder._words = unpack_terms(arrays["ends"], arrays["bytes"], "words")
        if len(encoder._words) > encoder.max_words:
            raise InputError(f"there are {len(encoder._words)} words, expected {encoder.max_words} at most")
        encoder._word_ids = {word: number for number, word in enumerate(encoder._words, 1)}
        return encoder

    def _hash_word(self, word: str) -> int:
        return 1 + len(self._words) + zlib.crc32(word.encode()) % self.buckets
