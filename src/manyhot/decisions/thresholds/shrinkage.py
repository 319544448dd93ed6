"""One threshold for all labels, and the pull of the rare labels' own thresholds, mostly noise, towards it."""

from __future__ import annotations

import numpy as np

from manyhot.decisions.thresholds.cuts import best_cut, midpoint
from manyhot.decisions.thresholds.margins import logit
from manyhot.evaluation.metrics.score import Entries, blocks

# With more distinct scores of positives than this, evenly spread ones stand for them all.
MAX_CANDIDATES = 1 << 14
# Beyond this logit a threshold is as good as 0 or 1, and would outweigh any number of positives.
MAX_LOGIT = 20.0
# Sums of fractions that differ by less, relative to the largest, are equal but for the order they were added in.
ROUNDING = 1e-12

# How many positives the shared threshold counts for where all labels are tuned together, and where each is for itself.
# Chosen by cross-validation on out-of-fold scores of five data sets, see docs/decisions/0014-thresholds.md.
JOINT_SHRINK, F1_SHRINK, COST_SHRINK = 20.0, 1.0, 50.0


def shrink_thresholds(
    thresholds: np.ndarray, entries: Entries, centre: float | np.ndarray, shrink: float
) -> np.ndarray:
    """Thresholds (l,) pulled towards a centre in logit space: (n_positives * own + shrink * centre) / their sum."""
    if shrink == 0:
        return thresholds
    n_positives, n_known = entries.values.sum(axis=0, dtype=np.int64), entries.known_per_label()
    total = n_positives * _clipped_logit(thresholds) + shrink * _clipped_logit(np.asarray(centre))
    return np.where(n_known > n_positives, _sigmoid(total / (n_positives + shrink)), thresholds)


def shrink_to_shared(thresholds: np.ndarray, entries: Entries, shared: float, shrink: float) -> np.ndarray:
    """Thresholds (l,) pulled towards a shared one, itself pulled towards 0.5."""
    n_positives = int(entries.values.sum(dtype=np.int64))
    centre = _sigmoid(_clipped_logit(np.asarray(shared)) * (n_positives / max(n_positives + shrink, 1.0)))
    return shrink_thresholds(thresholds, entries, float(centre), shrink)


def scale_logits(thresholds: np.ndarray | float, factor: np.ndarray | float) -> np.ndarray:
    """Thresholds whose logits are multiplied by a factor: below 1 they come nearer to 0.5, which itself stays."""
    values = np.asarray(thresholds, dtype=np.float64)
    return np.where(values == 0.5, values, _sigmoid(factor * _clipped_logit(values)))


def _clipped_logit(values: np.ndarray) -> np.ndarray:
    return np.clip(logit(values), -MAX_LOGIT, MAX_LOGIT)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-logits))


def threshold_candidates(entries: Entries, labels: np.ndarray) -> np.ndarray:
    """Scores at which a shared threshold can be best: those of positives and 1, ascending and distinct (c,)."""
    n, width = entries.shape
    positive_scores = [entries.predictions[part][entries.values[part] & labels] for part in blocks(n, width)]
    distinct = np.unique(np.concatenate([*positive_scores, np.ones(1, dtype=entries.predictions.dtype)]))
    if len(distinct) > MAX_CANDIDATES:
        distinct = distinct[np.linspace(0, len(distinct) - 1, MAX_CANDIDATES).round().astype(np.int64)]
    return distinct


def count_predictions(values: np.ndarray, scores: np.ndarray, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hits and predictions of one label at each of the ascending candidates, both int64 (c,)."""
    hits = np.count_nonzero(values) - np.searchsorted(np.sort(scores[values]), candidates, side="left")
    return hits, len(scores) - np.searchsorted(np.sort(scores), candidates, side="left")


def best_shared_threshold(entries: Entries, labels: np.ndarray, candidates: np.ndarray, quality: np.ndarray) -> float:
    """The threshold midway between the best candidate (quality (c,)) and the next lower known score of any label."""
    if quality.dtype.kind == "f":
        quality = quality >= quality.max() - ROUNDING * np.abs(quality).max()
    best = candidates[best_cut(quality, candidates.astype(np.float64))]
    lower = 0.0
    for part in blocks(*entries.shape):
        scores = entries.predictions[part]
        mask = (scores < best) & labels & entries.known[part]
        lower = max(lower, float(scores.max(initial=0.0, where=mask)))
    return float(midpoint(lower, best))
