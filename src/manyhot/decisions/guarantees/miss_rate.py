"""At most so many labels missed: conformal risk control over all labels, split conformal for every label."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from manyhot.data.targets import Targets
from manyhot.decisions.guarantees.guarantee import (
    Guarantee,
    calibration_entries,
    check_fraction,
    exact_decimal,
    make_guarantee,
    min_rows,
)
from manyhot.decisions.thresholds import NEVER
from manyhot.errors import InputError


def control_miss_rate(scores: np.ndarray, targets: Targets, at_most: float, per_label: bool = False) -> Guarantee:
    """The highest thresholds that keep the rate of missed labels at or below a number, on average."""
    # Only rows with a known positive count: the others cannot miss anything. A label with fewer than `min_rows`
    # positives is never answered, and the promise does not cover it.
    # Source: Angelopoulos and others, Conformal risk control (ICLR 2024; arXiv 2208.02814), Theorem 1 with B = 1; per
    # label: Vovk, Gammerman, Shafer (2005), section 4.5
    rate = exact_decimal(check_fraction(at_most=at_most))
    entries = calibration_entries(scores, targets)
    n_labels = entries.shape[1]
    n_required = min_rows(at_most)
    if per_label:
        support = entries.values.sum(axis=0)
        thresholds = np.full(n_labels, NEVER)
        for j in np.flatnonzero(support >= n_required):
            positives = entries.predictions[entries.values[:, j], j]
            thresholds[j] = _highest_threshold(positives, np.ones(len(positives), dtype=np.int64), rate)
        refused = tuple(np.flatnonzero(support < n_required).tolist())
        n_used = tuple(support.tolist())
        if len(refused) == n_labels:
            raise _too_few_error(at_most, n_required, f"the most frequent label has {max(n_used)} known positives")
    else:
        per_row = entries.values.sum(axis=1)
        n_rows = int((per_row > 0).sum())
        if n_rows < n_required:
            raise _too_few_error(at_most, n_required, f"{n_rows} rows have a known label")
        row, _ = np.nonzero(entries.values)
        highest = _highest_threshold(entries.predictions[entries.values], per_row[row], rate)
        thresholds, refused, n_used = np.full(n_labels, highest), (), (n_rows,)
    return make_guarantee(
        entries,
        thresholds,
        refused,
        kind="miss_rate",
        at_most=float(at_most),
        confidence=None,
        per_label=per_label,
        simultaneous=False,
        n_used=n_used,
    )


def _highest_threshold(positives: np.ndarray, row_size: np.ndarray, rate: Fraction) -> float:
    """The highest threshold t at which (losses of the n rows at t) + 1 <= rate (n + 1)."""
    # Losses change only just above a positive, so the threshold is the score of the positive that may no longer be
    # missed. Missing one costs its row 1 / row_size; the sum is an exact fraction.
    order = np.argsort(positives, kind="stable")
    lowest, size = positives[order], row_size[order]
    sizes, n_of_size = np.unique(size, return_counts=True)
    n_rows = int((n_of_size // sizes).sum())
    max_loss = rate * (n_rows + 1) - 1
    allowed, too_many = 0, len(lowest)  # missing all of them costs n_rows, which is more than `most`
    while too_many - allowed > 1:
        middle = (allowed + too_many) // 2
        missed = np.bincount(size[:middle])
        loss = sum((Fraction(int(missed[k]), int(k)) for k in np.flatnonzero(missed)), Fraction(0))
        allowed, too_many = (middle, too_many) if loss <= max_loss else (allowed, middle)
    return float(lowest[allowed])


def _too_few_error(at_most: float, n_required: int, got: str) -> InputError:
    return InputError(
        f"at most {100 * at_most:g}% missed cannot be guaranteed: {got}, expected {n_required} or more; give more "
        "rows, or ask for a higher rate",
        argument="at_most",
    )
