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
from manyhot.evaluation.metrics.score import Entries, Score, blocks, score_entries

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
        return _calibration_error(self.count, self.score * self.count, self.share * self.count)

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
    entries = score_entries(targets, scores)
    return entries.score(_calibration_error(*_pooled_bins(entries, validation.integer(bins=bins, low=1))), 0.0)


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
    entries = score_entries(targets, scores)
    bins = validation.integer(bins=bins, low=1)
    return np.array([_calibration_error(*_label_bins(entries, j, bins)) for j in range(entries.shape[1])])


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
    entries = score_entries(targets, scores)
    bins = validation.integer(bins=bins, low=1)
    level = validation.number(level=level, low=1e-6, high=1 - 1e-6)
    if label is not None:
        label = validation.integer(label=label, low=0, high=entries.shape[1] - 1)
    count, score_sums, positives = _pooled_bins(entries, bins) if label is None else _label_bins(entries, label, bins)
    share = positives / count
    z2 = float(ndtri(0.5 + level / 2)) ** 2
    center = (positives + z2 / 2) / (count + z2)
    half_width = np.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    return Reliability(
        score_sums / count,
        share,
        count,
        np.clip(center - half_width, 0.0, share),
        np.clip(center + half_width, share, 1.0),
    )


def _pooled_bins(entries: Entries, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries, sum of scores and positives of each bin over all labels."""
    starts = bin_starts(
        entries.predictions.ravel() if entries.known is None else entries.predictions[entries.known], bins
    )
    sums = [np.zeros(len(starts), dtype=np.int64), np.zeros(len(starts)), np.zeros(len(starts), dtype=np.int64)]
    for part in blocks(*entries.shape):
        known = ... if entries.known is None else entries.known[part]
        for total, part_sums in zip(
            sums, _bin_sums(entries.predictions[part][known], entries.values[part][known], starts), strict=True
        ):
            total += part_sums
    return sums[0], sums[1], sums[2]


def _label_bins(entries: Entries, j: int, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries, sum of scores and positives of each bin of one label."""
    known = ... if entries.known is None else entries.known[:, j]
    scores = entries.predictions[:, j][known]
    return _bin_sums(scores, entries.values[:, j][known], bin_starts(scores, bins))


def bin_starts(scores: np.ndarray, bins: int) -> np.ndarray:
    """The lowest score of each bin, ascending; a cut that would part equal scores moves to the lowest of them."""
    if not scores.size:
        return scores
    ascending = np.sort(scores)
    return np.unique(ascending[np.arange(bins) * len(ascending) // bins])


def _bin_sums(scores: np.ndarray, values: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    bin_indices = np.searchsorted(starts, scores.ravel(), side="right") - 1
    score_sums = np.bincount(bin_indices, scores.ravel().astype(np.float64), len(starts))
    positives = np.bincount(bin_indices[values.ravel()], minlength=len(starts))
    return np.bincount(bin_indices, minlength=len(starts)), score_sums, positives


def _calibration_error(counts: np.ndarray, score_sums: np.ndarray, positives: np.ndarray) -> float:
    total = int(counts.sum())
    return float(np.abs(score_sums - positives).sum()) / total if total else float("nan")
