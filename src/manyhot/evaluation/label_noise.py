"""How often recorded labels are wrong, estimated from scores of rows that the network was not trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from manyhot.evaluation.metrics.score import Entries, blocks

# Shares of the present and of the absent entries, from the surest scores, that tell how often labels are wrong
SUREST_PRESENT, SUREST_ABSENT = 0.1, 0.5
_MAX_PROBABILITY = 1 - 1e-12
_MAX_LOGIT, _BINS_PER_UNIT = 16.0, 64
MIN_DOUBT = 0.1  # what is left of the doubt about an entry when all of it could be explained by wrong labels
MAX_RATE = 0.45


@dataclass(frozen=True, eq=False)
class LabelView:
    """The k labels that vary, a block of rows at a time."""

    entries: Entries
    columns: np.ndarray  # int64 (k,), the labels that vary

    def __iter__(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
        """Rows, and of these bool values (b, k), bool known (b, k), float64 scores (b, k)."""
        width = 4 * len(self.columns)  # smaller blocks than usual: a dozen float64 arrays are at work on each
        for rows in blocks(len(self.entries.values), width) if width else ():
            values = self.entries.values[rows][:, self.columns]
            known = self.entries.known[rows][:, self.columns]
            yield rows, values, known, self.entries.predictions[rows][:, self.columns].astype(np.float64)


@dataclass(frozen=True)
class NoiseRates:
    """How often a wrong target is recorded, pooled over labels."""

    missing_rate: float  # present ones recorded as absent
    spurious_rate: float  # absent ones recorded as present

    def error_probability(self, values: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """Probability that the record is wrong, strictly between 0 and 1 so that the order of the logits stays."""
        # recorded = spurious + (1 - spurious - missing) * present tells the probability that the label should be there.
        logits = logits.astype(np.float64)
        recorded, unrecorded = expit(logits), expit(-logits)
        scale = 1 - self.spurious_rate - self.missing_rate
        present = np.maximum((recorded - self.spurious_rate) / scale, MIN_DOUBT * recorded)
        absent = np.maximum((unrecorded - self.missing_rate) / scale, MIN_DOUBT * unrecorded)
        right = np.where(values, (1 - self.missing_rate) * present, (1 - self.spurious_rate) * absent)
        wrong = np.where(values, self.spurious_rate * absent, self.missing_rate * present)
        return np.minimum(wrong / (wrong + right), _MAX_PROBABILITY)


def estimate_noise_rates(view: LabelView, expected: np.ndarray) -> NoiseRates:
    """Disagreements among the surest entries: the tenth of the positives, the half of the negatives."""
    n_bins = int(2 * _MAX_LOGIT * _BINS_PER_UNIT)
    counts = np.zeros((2, n_bins), dtype=np.int64)
    for rows, values, known, _ in view:
        bins = np.clip((expected[rows].astype(np.float64) + _MAX_LOGIT) * _BINS_PER_UNIT, 0, n_bins - 1).astype(
            np.int64
        )
        for recorded in (0, 1):
            counts[recorded] += np.bincount(bins[known & (values == recorded)], minlength=n_bins)
    n_absent, n_present = counts.sum(axis=1)
    missing_rate = _disagreement_rate(counts[0, ::-1], counts[1, ::-1], SUREST_PRESENT * n_present)
    spurious_rate = _disagreement_rate(counts[1], counts[0], SUREST_ABSENT * n_absent)
    return NoiseRates(missing_rate, spurious_rate)


def _disagreement_rate(disagreeing: np.ndarray, agreeing: np.ndarray, min_count: float) -> float:
    """Share of others in the leading bins that together hold at least so many entries."""
    n_disagreeing, n_all = np.cumsum(disagreeing), np.cumsum(disagreeing + agreeing)
    last = min(int(np.searchsorted(n_all, min_count)), len(n_all) - 1)
    return float(min((n_disagreeing[last] + 0.5) / (n_all[last] + 1.0), MAX_RATE))
