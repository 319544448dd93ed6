"""Which words of a text stand behind each of its columns: pairs of words and runs of characters divided among words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from manyhot.encoders.text.tokenization import RUNS, WORD

Portions = dict[int, float]  # number of a word -> its portion of one occurrence of a term, 1 in all
# a term, how often it occurs in this way, and the portions of one such occurrence
Occurrences = list[tuple[str, int, Portions]]
Lookup = Callable[[str, Sequence[str]], np.ndarray]  # part, terms -> the column of each, int64; -1 where it has none


class WordAttribution(NamedTuple):
    """The words of one text and their shares of its columns."""

    words: tuple[str, ...]  # the w distinct words in their normal form, in the order in which they first occur
    columns: np.ndarray  # int64 (c,), the columns that the text has, rising: those of its row that are not zero
    shares: sp.csr_matrix  # CSR float64 (w, c), from 0 to 1; each column sums to 1


def attribute_words(text: str, parts: Sequence[str], lookup: Lookup) -> WordAttribution:
    """Divide the columns of a normalized text among its words."""
    # a pair counts half for each word, a run of characters by the characters in each word, occurrences alike
    word_ids: dict[str, int] = {}
    for word in re.findall(WORD, text):
        word_ids.setdefault(word, len(word_ids))
    entries: list[tuple[int, int, float]] = []
    for part in parts:
        occurrences = _PARTS[part](text, word_ids)
        columns = lookup(part, [term for term, _, _ in occurrences]).tolist()
        entries += [
            (number, column, times * portion)
            for (_, times, portions), column in zip(occurrences, columns, strict=True)
            if column >= 0
            for number, portion in portions.items()
        ]
    word_indices, term_columns, weights = np.array(entries, dtype=float).reshape(-1, 3).T
    columns, column_index = np.unique(term_columns.astype(np.int64), return_inverse=True)
    total = np.bincount(column_index, weights=weights, minlength=len(columns))
    shape = (len(word_ids), len(columns))
    shares = sp.csr_matrix((weights / total[column_index], (word_indices.astype(np.int64), column_index)), shape=shape)
    return WordAttribution(tuple(word_ids), columns, shares)


def _word_occurrences(text: str, word_ids: Mapping[str, int]) -> Occurrences:
    """List words and pairs of words."""
    sequence = re.findall(WORD, text)
    occurrences: Occurrences = [(word, times, {word_ids[word]: 1.0}) for word, times in Counter(sequence).items()]
    for (first, second), times in Counter(pairwise(sequence)).items():
        portions = {word_ids[first]: 0.5, word_ids[second]: 0.5} if first != second else {word_ids[first]: 1.0}
        occurrences.append((f"{first} {second}", times, portions))
    return occurrences


def _character_occurrences(text: str, word_ids: Mapping[str, int]) -> Occurrences:
    """List runs of characters within the pieces between blanks, a blank before and after each piece."""
    return [
        (run, times * count, portions)
        for piece, times in Counter(text.split()).items()
        for run, count, portions in _runs(piece, word_ids)
    ]


def _runs(piece: str, word_ids: Mapping[str, int]) -> Iterator[tuple[str, int, Portions]]:
    padded = f" {piece} "
    owners = [-1] * len(padded)
    for match in re.finditer(WORD, piece):
        owners[match.start() + 1 : match.end() + 1] = [word_ids[match.group()]] * (match.end() - match.start())
    for length in range(RUNS[0], RUNS[1] + 1):
        starts = range(len(padded) - length + 1)
        runs = Counter((padded[start : start + length], tuple(owners[start : start + length])) for start in starts)
        yield from ((run, count, _portions(run_owners)) for (run, run_owners), count in runs.items())


def _portions(owners: Sequence[int]) -> Portions:
    counts = Counter(owner for owner in owners if owner >= 0)
    total = sum(counts.values())
    return {owner: count / total for owner, count in counts.items()}


_PARTS: dict[str, Callable[[str, Mapping[str, int]], Occurrences]] = {
    "words": _word_occurrences,
    "characters": _character_occurrences,
}
