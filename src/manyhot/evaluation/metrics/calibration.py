"""Whether scores can be read as frequencies: of what is scored 0.3, do three in ten carry the label?

Entries are put into bins of about equally many, and equal scores share a bin; nothing here changes a score. Start
reading at `ece`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from manyhot import validation
from manyhot.data.targets import Targets
from manyhot.evaluation.metrics.score import Entries, Score, blocks, scored

BINS = 15


@dataclass(frozen=True, eq=False)
class Reliability:
    """Scores beside frequencies in k bins of about equally many entries, from the lowest score upwards.

    Args:
        score: float64 (k,), the mean score of each bin.
        share: float64 (k,), the share of its entries that carry the label.
        count: int64 (k,), its entries, 1 or more.
        low: float64 (k,), where the interval of the share begins.
        high: float64 (k,), where it ends.
    """

    score: np.ndarray
    share: np.ndarray
    count: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def error(self) -> float:
        """The mean distance of share and score over entries; NaN without any."""
        return _error(self.count, self.score * self.count, self.share * self.count)

    def to_rows(self) -> list[dict[str, float]]:
        """One JSON record for each bin."""
        columns = {name: getattr(self, name).tolist() for name in ("score", "share", "count", "low", "high")}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def ece(targets: Targets, scores: np.ndarray, bins: int = BINS) -> Score:
    """The expected calibration error over all known entries: how far frequencies are from scores, bin by bin.

    Bins hold about equally many entries; equal scores share a bin, so that the order of rows does not matter. Each
    bin's distance contains its own chance fluctuation, which never cancels: even perfect scores get about
    0.8 * sqrt(p (1 - p) * bins / n), so small sets look worse than they are. Compare on the same rows only.

    Args:
        targets: Targets (n, l).
        scores: Probabilities (n, l), float in [0, 1].
        bins: 1 or more.

    Returns:
        The score, 0 (best) to 1. The baseline, every label's prevalence, is 0: calibration alone says nothing about
        telling rows apart.

    Raises:
        InputError: A shape or score that is wrong, or no bin.

    Source:
        Naeini, Cooper, Hauskrecht (AAAI 2015), for the positive outcome; bins of equal mass after Nguyen, O'Connor
        (EMNLP 2015).
    """
    entries = scored(targets, scores)
    return entries.score(_error(*_pooled(entries, validation.integer(bins=bins, low=1))), 0.0)


def ece_per_label(targets: Targets, scores: np.ndarray, bins: int = BINS) -> np.ndarray:
    """The expected calibration error of each label by itself.

    Args:
        targets: As for `ece`.
        scores: As for `ece`.
        bins: As for `ece`; a label's bins are cut for itself.

    Returns:
        float64 (l,), 0 (best) to 1; NaN where nothing is known. With few entries most of it is chance.

    Raises:
        InputError: As for `ece`.
    """
    entries = scored(targets, scores)
    bins = validation.integer(bins=bins, low=1)
    return np.array([_error(*_of_label(entries, j, bins)) for j in range(entries.shape[1])])


def reliability(
    targets: Targets, scores: np.ndarray, bins: int = BINS, label: int | None = None, level: float = 0.95
) -> Reliability:
    """Scores beside frequencies, for a picture.

    Args:
        targets: As for `ece`.
        scores: As for `ece`.
        bins: As for `ece`; fewer where scores are tied.
        label: The column of one label; None for all known entries.
        level: Coverage of each bin's interval, above 0 and below 1.

    Returns:
        The bins; none without known entries. The intervals take entries as independent; those of one row are not
        quite.

    Raises:
        InputError: As for `ece`; a label that is not there.

    Source:
        The interval is Wilson's (JASA 1927), without continuity correction.
    """
    entries = scored(targets, scores)
    bins = validation.integer(bins=bins, low=1)
    level = validation.number(level=level, low=1e-6, high=1 - 1e-6)
    if label is not None:
        label = validation.integer(label=label, low=0, high=entries.shape[1] - 1)
    count, summed, positives = _pooled(entries, bins) if label is None else _of_label(entries, label, bins)
    share = positives / count
    z2 = float(ndtri(0.5 + level / 2)) ** 2
    middle = (positives + z2 / 2) / (count + z2)
    half = np.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    return Reliability(
        summed / count, share, count, np.clip(middle - half, 0.0, share), np.clip(middle + half, share, 1.0)
    )


def _pooled(entries: Entries, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries, sum of scores and positives of each bin over all labels."""
    starts = starts_of(entries.answers.ravel() if entries.known is None else entries.answers[entries.known], bins)
    sums = [np.zeros(len(starts), dtype=np.int64), np.zeros(len(starts)), np.zeros(len(starts), dtype=np.int64)]
    for part in blocks(*entries.shape):
        known = ... if entries.known is None else entries.known[part]
        for total, more in zip(
            sums, _counted(entries.answers[part][known], entries.values[part][known], starts), strict=True
        ):
            total += more
    return sums[0], sums[1], sums[2]


def _of_label(entries: Entries, j: int, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries, sum of scores and positives of each bin of one label."""
    known = ... if entries.known is None else entries.known[:, j]
    scores = entries.answers[:, j][known]
    return _counted(scores, entries.values[:, j][known], starts_of(scores, bins))


def starts_of(scores: np.ndarray, bins: int) -> np.ndarray:
    """The lowest score of each bin, ascending; a cut that would part equal scores moves to the lowest of them."""
    if not scores.size:
        return scores
    ascending = np.sort(scores)
    return np.unique(ascending[np.arange(bins) * len(ascending) // bins])


def _counted(scores: np.ndarray, values: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    number = np.searchsorted(starts, scores.ravel(), side="right") - 1
    summed = np.bincount(number, scores.ravel().astype(np.float64), len(starts))
    positives = np.bincount(number[values.ravel()], minlength=len(starts))
    return np.bincount(number, minlength=len(starts)), summed, positives


def _error(count: np.ndarray, summed: np.ndarray, positives: np.ndarray) -> float:
    total = int(count.sum())
    return float(np.abs(summed - positives).sum()) / total if total else float("nan")
