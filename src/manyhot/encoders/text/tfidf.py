"""Encoder for one column of text: words, pairs of words and runs of characters, weighed by rarity."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp

from manyhot import validation
from manyhot.config.fields import default_values
from manyhot.config.text import TEXT_KINDS, TFIDF
from manyhot.encoders.scaling import row_weights
from manyhot.encoders.text.base import BaseTextEncoder
from manyhot.encoders.text.packed_texts import pack_texts, unpack_texts
from manyhot.encoders.text.text_input import Texts, require_text, to_text_list
from manyhot.encoders.text.tokenization import RUNS, WORD, normalize_text
from manyhot.encoders.text.word_shares import WordAttribution, attribute_words
from manyhot.errors import InputError

_SETTINGS = TEXT_KINDS[TFIDF].settings
_DEFAULTS = default_values(_SETTINGS)
MIN_ROWS = 2  # rows a term needs for a column of its own
FEW_ROWS = 50  # below this many rows a term seen in one of them has a column too
PROBE_ROWS = 100  # rows in which a term is looked at before all rows are, to see whether each has it equally often
MAX_CACHED_WORDS = 100_000

_ANALYSIS: dict[str, dict[str, Any]] = {
    "words": {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": WORD},
    "characters": {"analyzer": "char_wb", "ngram_range": RUNS},
}


class NgramEncoder(BaseTextEncoder):
    """Encode texts as TF-IDF of words, pairs of words, and runs of 3 or 4 characters within words; or hashed."""

    # Source: (1 + log tf) (1 + log((1 + n) / (1 + df))), as in Manning, Raghavan, Schuetze, Introduction to Information
    # Retrieval (2008), section 6.4, with counts smoothed as scikit-learn does. A term that every row has equally often
    # has weight 0. Words and characters have a length of 1 each in a row: long texts weigh no more than short ones.

    kind = TFIDF
    block = "text"

    def __init__(
        self,
        max_words: int = _DEFAULTS["max_words"],
        max_characters: int = _DEFAULTS["max_characters"],
        hashed: bool = _DEFAULTS["hashed"],
    ) -> None:
        self.sizes = {
            "words": int(_SETTINGS["max_words"].validate("max_words", max_words)),
            "characters": int(_SETTINGS["max_characters"].validate("max_characters", max_characters)),
        }
        self.hashed = bool(_SETTINGS["hashed"].validate("hashed", hashed))
        self._parts = [part for part, size in self.sizes.items() if size]
        if not self._parts:
            raise InputError("max_words and max_characters are both 0, expected one of them above 0")

    def fit(self, texts: Texts, weights: np.ndarray | None = None) -> NgramEncoder:
        """Learn the terms and how rare each is; a row of weight k counts like k rows."""
        rows = require_text(normalize_texts(texts), texts)
        weights = row_weights(weights, len(rows))
        n = np.sort(weights).sum()
        self._idf: dict[str, np.ndarray] = {}
        self._terms: dict[str, list[str]] = {}
        order = np.argsort(weights, kind="stable")
        for part in self._parts:
            if self.hashed:
                counts = _counts(part, self._vectorizer(part), rows)
                ordered = counts[order].tocoo()
                n_rows = np.bincount(ordered.col, weights=weights[order][ordered.row], minlength=self.sizes[part])
                constant = _constant_columns(counts)
            else:
                self._terms[part], n_rows = frequent_terms(_row_counts(part, rows, weights), n, self.sizes[part])
                constant = self._constant_terms(part, rows, np.flatnonzero(n_rows >= n * (1 - 1e-9)))
            self._idf[part] = (1 + np.log((1 + n) / (1 + n_rows))).astype(np.float32)
            self._idf[part][constant] = 0
        self._vectorizers = {part: self._vectorizer(part) for part in self._parts}
        return self

    def transform(self, texts: Texts) -> sp.csr_matrix:
        """Encode n texts as CSR float32 (n, v), from 0 to 1: words, then characters."""
        rows = normalize_texts(texts)
        if not rows:
            return sp.csr_matrix((0, self.width), dtype=np.float32)
        parts = []
        for part in self._parts:
            counts = _counts(part, self._vectorizers[part], rows)
            row_indices = np.repeat(np.arange(len(rows)), np.diff(counts.indptr))
            counts.data = (1 + np.log(counts.data)) * self._idf[part][counts.indices]
            norms = np.sqrt(np.bincount(row_indices, weights=np.square(counts.data), minlength=len(rows)))
            counts.data /= np.where(norms > 0, norms, 1)[row_indices]
            counts.eliminate_zeros()
            parts.append(counts.astype(np.float32))
        return sp.hstack(parts, format="csr", dtype=np.float32)

    def shares(self, text: str | None) -> WordAttribution:
        """Divide the columns that `transform` gives a text among its words."""
        return attribute_words(normalize_texts([text])[0], self._parts, self._term_columns)

    @property
    def n_words(self) -> int:
        """How many of its first columns stand for one word or a pair of words each."""
        return len(self._terms.get("words", ()))

    @property
    def width(self) -> int:
        """Width of a row, v."""
        return sum(len(idf) for idf in self._idf.values())

    def to_spec(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Describe the state as JSON values and arrays: per part idf float32, terms as UTF-8 uint8, ends int64."""
        spec = {
            "kind": self.kind,
            "max_words": self.sizes["words"],
            "max_characters": self.sizes["characters"],
            "hashed": self.hashed,
        }
        arrays = {f"{part}.idf": self._idf[part] for part in self._parts}
        for part, terms in self._terms.items():
            arrays[f"{part}.ends"], arrays[f"{part}.bytes"] = pack_texts(terms)
        return spec, arrays

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> NgramEncoder:
        """Rebuild what `to_spec` described; JSON values and arrays are checked here as if they were hostile."""
        spec_keys = {"kind", "max_words", "max_characters", "hashed"}
        if not isinstance(spec, Mapping) or set(spec) != spec_keys:
            raise InputError(f"an encoder of text is described by {sorted(spec_keys)}, got {validation.shorten(spec)}")
        validation.one_of([cls.kind], kind=spec["kind"])
        encoder = cls(spec["max_words"], spec["max_characters"], spec["hashed"])
        fields = ("idf",) if encoder.hashed else ("idf", "ends", "bytes")
        array_names = {f"{part}.{field}" for part in encoder._parts for field in fields}
        if set(arrays) != array_names:
            raise InputError(f"got the arrays {validation.shorten(sorted(arrays))}, expected {sorted(array_names)}")
        encoder._terms = {}
        encoder._idf = {part: _validate_idf(arrays[f"{part}.idf"], part) for part in encoder._parts}
        for part, idf in encoder._idf.items():
            size = encoder.sizes[part]
            if len(idf) > size or (encoder.hashed and len(idf) != size):
                raise InputError(f"there are {len(idf)} weights of {part}, expected {size}")
            if not encoder.hashed:
                terms = unpack_terms(arrays[f"{part}.ends"], arrays[f"{part}.bytes"], part)
                if len(terms) != len(idf):
                    raise InputError(f"there are {len(terms)} {part} and {len(idf)} weights for them")
                encoder._terms[part] = terms
        if not encoder.width:
            raise InputError("an encoder of text without a single term")
        encoder._vectorizers = {part: encoder._vectorizer(part) for part in encoder._parts}
        return encoder

    def _constant_terms(self, part: str, rows: Sequence[str], columns: np.ndarray) -> np.ndarray:
        """Select the terms at `columns` that every row has equally often; the first rows rule out most."""
        for row_subset in (rows[:PROBE_ROWS], rows):
            if len(columns):
                vectorizer = _term_counter(part, [self._terms[part][column] for column in columns])
                columns = columns[_constant_columns(_counts(part, vectorizer, row_subset))]
        return columns

    def _term_columns(self, part: str, terms: Sequence[str]) -> np.ndarray:
        """Return the column of each term, int64; -1 where it has none, or one of weight 0."""
        if self.hashed and terms:
            from sklearn.feature_extraction import FeatureHasher  # slow to load, and for texts alone

            hasher = FeatureHasher(self.sizes[part], input_type="string", alternate_sign=False)
            columns = hasher.transform([term] for term in terms).indices.astype(np.int64)
        else:
            vocabulary = self._vectorizers[part].vocabulary if terms else {}
            columns = np.array([vocabulary.get(term, -1) for term in terms], dtype=np.int64)
        has_weight = columns >= 0
        has_weight[has_weight] = self._idf[part][columns[has_weight]] > 0
        start = len(self._idf["words"]) if part == "characters" and "words" in self._idf else 0
        return np.where(has_weight, start + columns, -1)

    def _vectorizer(self, part: str) -> Any:
        if self.hashed:
            from sklearn.feature_extraction.text import HashingVectorizer  # slow to load, and for texts alone

            settings = {"n_features": self.sizes[part], "alternate_sign": False, "norm": None}
            return HashingVectorizer(lowercase=False, **settings, **_ANALYSIS[part])
        return _term_counter(part, self._terms[part])


def normalize_texts(texts: Texts) -> list[str]:
    """Normalize texts; missing ones are empty."""
    return [normalize_text(row) if row else "" for row in to_text_list(texts)]


def _row_counts(part: str, rows: Sequence[str], weights: np.ndarray) -> dict[str, float]:
    """Sum the weights of the rows that have each term, the same whatever the order of the rows."""
    analyze = _term_analyzer(part)
    total: dict[str, float] = {}
    order = np.argsort(weights, kind="stable")
    for indices in np.split(order, np.flatnonzero(np.diff(weights[order])) + 1):
        count: Counter[str] = Counter()
        for row_index in indices.tolist():
            count.update(analyze(rows[row_index]))
        for term, n in count.items():
            total[term] = total.get(term, 0.0) + float(weights[indices[0]]) * n
    return total


def _term_analyzer(part: str) -> Callable[[str], set[str]]:
    """Return a function from a text to its distinct terms; characters are taken word by word, and cached."""
    from sklearn.feature_extraction.text import CountVectorizer  # slow to load, and for texts alone

    analyze = CountVectorizer(lowercase=False, **_ANALYSIS[part]).build_analyzer()
    if part == "words":
        return lambda row: set(analyze(row))
    pieces = lru_cache(MAX_CACHED_WORDS)(lambda word: frozenset(analyze(word)))
    return lambda row: set().union(*map(pieces, set(row.split())))


def _counts(part: str, vectorizer: Any, rows: Sequence[str]) -> sp.csr_matrix:
    """Count terms in rows, CSR float64; characters as (words of a row) times (characters of a word)."""
    if part == "words":
        return sp.csr_matrix(vectorizer.transform(rows), dtype=np.float64)
    vocabulary = {"": 0}
    word_columns, row_ends = array("q"), array("q", [0])
    for row in rows:
        word_columns.extend(vocabulary.setdefault(word, len(vocabulary)) for word in row.split())
        row_ends.append(len(word_columns))
    row_words = sp.csr_matrix(
        (np.ones(len(word_columns)), np.asarray(word_columns), np.asarray(row_ends)), shape=(len(rows), len(vocabulary))
    )
    counts = sp.csr_matrix(row_words @ vectorizer.transform(list(vocabulary)), dtype=np.float64)
    counts.sort_indices()
    return counts


def frequent_terms(counts: Mapping[str, float], n_rows: float, max_terms: int) -> tuple[list[str], np.ndarray]:
    """Select the terms in most rows, sorted, and their counts float64; ties go to the first by code point."""
    min_count = MIN_ROWS if n_rows >= FEW_ROWS else 0
    candidates = [term for term, count in counts.items() if count >= min_count] or list(counts)
    terms = sorted(sorted(candidates, key=lambda term: (-counts[term], term))[:max_terms])
    return terms, np.array([counts[term] for term in terms], dtype=float)


def _term_counter(part: str, terms: Sequence[str]) -> Any:
    """Build a vectorizer that counts these terms alone, each in the column of its place."""
    from sklearn.feature_extraction.text import CountVectorizer  # slow to load, and for texts alone

    vocabulary = {term: k for k, term in enumerate(terms)}
    return CountVectorizer(lowercase=False, vocabulary=vocabulary, **_ANALYSIS[part])


def _constant_columns(counts: sp.csr_matrix) -> np.ndarray:
    """Find the columns that have the same count in every row, and not 0, int64."""
    maxima, minima = (bound(axis=0).toarray().ravel() for bound in (counts.max, counts.min))
    return np.flatnonzero((maxima == minima) & (maxima > 0))


def _validate_idf(idf: np.ndarray, part: str) -> np.ndarray:
    if idf.dtype != np.float32 or idf.ndim != 1 or not np.isfinite(idf).all() or (idf < 0).any():
        raise InputError(f"the weights of {part} are not finite float32 numbers from 0 in one row")
    return idf


def unpack_terms(ends: np.ndarray, encoded: np.ndarray, part: str) -> list[str]:
    """Decode terms; none is empty, and they rise, so that none is there twice."""
    terms = unpack_texts(ends, encoded, f"the terms of {part}")
    if any(first >= second for first, second in pairwise(terms)):
        raise InputError(f"the terms of {part} are not in order, each once")
    return terms
