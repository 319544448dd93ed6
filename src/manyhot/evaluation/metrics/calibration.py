"""Whether scores can be read as frequencies, in bins of about equally many entries; equal scores share a bin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from manyhot.data.targets import Targets
from manyhot.evaluation.metrics import counts
from manyhot.evaluation.metrics.score import Column, Entries, Score, blocks, score_entries

BINS = 15
LEVEL = 0.95  # coverage of the intervals of `reliability`


@dataclass(frozen=True, eq=False)
class Reliability:
    """Scores beside frequencies in k bins of about equally many entries, from the lowest score upwards."""

    score: np.ndarray  # float64 (k,), mean score of each bin
    share: np.ndarray  # float64 (k,), share that carry the label
    count: np.ndarray  # int64 (k,), 1 or more
    low: np.ndarray  # float64 (k,), interval of the share
    high: np.ndarray  # float64 (k,)

    def to_rows(self) -> list[dict[str, float]]:
        """One JSON record for each bin."""
        columns = {name: getattr(self, name).tolist() for name in ("score", "share", "count", "low", "high")}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def ece(targets: Targets, scores: np.ndarray, bins: int = BINS) -> Score:
    """Expected calibration error over all known entries, 0 (best) to 1; chance adds to it where bins are small."""
    # Perfect scores get about 0.8 * sqrt(p (1 - p) * bins / n) by chance: compare on the same rows only.
    # Source: Naeini, Cooper, Hauskrecht (AAAI 2015), for the positive outcome; equal mass: Nguyen, O'Connor (EMNLP
    # 2015)
    entries = score_entries(targets, scores)
    return entries.score(_calibration_error(_pooled_bins(entries, bins)), 0.0)


def ece_per_label(targets: Targets, scores: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Expected calibration error of each label in bins of its own, float64 (l,); NaN where nothing is known."""
    columns = score_entries(targets, scores).columns()
    return np.array([_calibration_error(_label_bins(column, bins)) for column in columns])


def reliability(targets: Targets, scores: np.ndarray, bins: int = BINS, label: int | None = None) -> Reliability:
    """Scores beside frequencies of all labels or of one, with intervals that take entries as independent."""
    # Source: The interval is Wilson's (JASA 1927), without continuity correction
    entries = score_entries(targets, scores)
    return _reliability(
        _pooled_bins(entries, bins) if label is None else _label_bins(next(entries.columns([label])), bins)
    )


def calibration_per_label(
    targets: Targets, scores: np.ndarray, bins: int = BINS
) -> tuple[list[Reliability], np.ndarray]:
    """What `reliability` and `ece_per_label` give for each label, binned once."""
    bin_sums = [_label_bins(column, bins) for column in score_entries(targets, scores).columns()]
    return [_reliability(one) for one in bin_sums], np.array([_calibration_error(one) for one in bin_sums])


def _reliability(bin_sums: np.ndarray) -> Reliability:
    count, score_sums, positives = bin_sums
    share = positives / count
    z2 = float(ndtri(0.5 + LEVEL / 2)) ** 2
    center = (positives + z2 / 2) / (count + z2)
    half_width = np.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    return Reliability(
        score_sums / count,
        share,
        count.astype(np.int64),
        np.clip(center - half_width, 0.0, share),
        np.clip(center + half_width, share, 1.0),
    )


def _pooled_bins(entries: Entries, bins: int) -> np.ndarray:
    """What `_bin_sums` gives for all labels together."""
    starts = bin_starts(entries.predictions[entries.known], bins)
    sums = np.zeros((3, len(starts)))
    for part in blocks(*entries.shape):
        known = entries.known[part]
        sums += _bin_sums(entries.predictions[part][known], entries.values[part][known], starts)
    return sums


def _label_bins(column: Column, bins: int) -> np.ndarray:
    """What `_bin_sums` gives for one label."""
    return _bin_sums(column.scores, column.values, bin_starts(column.scores, bins))


def bin_starts(scores: np.ndarray, bins: int) -> np.ndarray:
    """The lowest score of each bin, ascending; a cut that would part equal scores moves to the lowest of them."""
    if not scores.size:
        return scores
    ascending = np.sort(scores)
    return np.unique(ascending[np.arange(bins) * len(ascending) // bins])


def _bin_sums(scores: np.ndarray, values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Entries, sum of scores and positives of each bin, float64 (3, k)."""
    bin_indices = np.searchsorted(starts, scores, side="right") - 1
    n_bins = len(starts)
    score_sums = np.bincount(bin_indices, scores.astype(np.float64), n_bins)
    positives = np.bincount(bin_indices[values], minlength=n_bins)
    return np.stack([np.bincount(bin_indices, minlength=n_bins), score_sums, positives])


def _calibration_error(bin_sums: np.ndarray) -> float:
    count, score_sums, positives = bin_sums
    return float(counts.ratio(np.abs(score_sums - positives).sum(), count.sum()))
