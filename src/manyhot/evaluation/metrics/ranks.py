"""Where each positive stands among the known entries of its line (a row or a column), ties treated exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RankedPositives:
    """The p positives of some lines, by line and then from the lowest score upwards."""

    line: np.ndarray  # int64 (p,), where each positive is
    above: np.ndarray  # int64 (p,), known entries of the line with a higher score
    reached: np.ndarray  # int64 (p,), known entries with at least this score, itself included
    hits_above: np.ndarray  # int64 (p,), positives among `above`
    hits_reached: np.ndarray  # int64 (p,), positives among `reached`


def rank_positives(values: np.ndarray, known: np.ndarray, scores: np.ndarray) -> RankedPositives:
    """Rank the positives of each line (m, w) by two sorts of plain values and one binary search."""
    width = values.shape[1]
    ascending = np.sort(np.where(known, scores, -np.inf), axis=1)
    n_positives = values.sum(axis=1, dtype=np.int64)
    masked_scores = np.sort(np.where(values, scores, -np.inf), axis=1)
    positive_scores = masked_scores[np.arange(width) >= (width - n_positives)[:, None]]
    line = np.repeat(np.arange(len(values)), n_positives)
    end = np.repeat(np.cumsum(n_positives), n_positives)

    is_new = np.ones(len(positive_scores), dtype=bool)
    is_new[1:] = (line[1:] != line[:-1]) | (positive_scores[1:] != positive_scores[:-1])
    first = np.flatnonzero(is_new)
    size = np.diff(first, append=len(positive_scores))
    below = _search(ascending, line[first], positive_scores[first], np.less)
    through = _count_through(ascending, line[first], positive_scores[first], below)
    return RankedPositives(
        line=line,
        above=np.repeat(width - through, size),
        reached=np.repeat(width - below, size),
        hits_above=end - np.repeat(first + size, size),
        hits_reached=end - np.repeat(first, size),
    )


def _count_through(ascending: np.ndarray, line: np.ndarray, bound: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Entries at or below the bound, which is known to occur; a second search only where it occurs twice."""
    width = ascending.shape[1]
    through = below + 1
    unresolved = np.flatnonzero(through < width)
    unresolved = unresolved[ascending[line[unresolved], through[unresolved]] == bound[unresolved]]
    through[unresolved] = _search(ascending, line[unresolved], bound[unresolved], np.less_equal)
    return through


def _search(ascending: np.ndarray, line: np.ndarray, bound: np.ndarray, compare: np.ufunc) -> np.ndarray:
    """Binary search in many lines at once: the length of the leading part for which `compare(entry, bound)`."""
    width = ascending.shape[1]
    flat = ascending.reshape(-1)
    offset = line * width - 1
    count = np.zeros(len(line), dtype=np.int64)
    step = 1 << (width.bit_length() - 1) if width else 0
    while step:
        candidate = count + step
        is_inside = candidate <= width
        entry = flat[offset + np.minimum(candidate, width)]
        np.copyto(count, candidate, where=is_inside & compare(entry, bound))
        step >>= 1
    return count
