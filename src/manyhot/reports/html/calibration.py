"""Whether probabilities can be trusted, of all labels together, in words and as points of a curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

EXAMPLE = 0.8  # the probability that the sentence speaks of, or the one nearest to it
MIN_IN_BIN = 20  # predictions in a bin below which nearly any share is within its interval
MIN_WITHIN = 0.8  # share of bins that hold their probability where probabilities are taken at their word; 0.95 is ideal


def describe_calibration(bins: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """The bins of a report, the one nearest to `EXAMPLE`, and how many have their probability in their interval."""
    example = min(bins, key=lambda one: abs(one["score"] - EXAMPLE)) if bins else None
    n_within = sum(one["low"] <= one["score"] <= one["high"] for one in bins)
    return {
        "bins": [dict(one) for one in bins],
        "example": example,
        "n_within": n_within,
        "is_within": n_within >= MIN_WITHIN * len(bins),
        "has_few": any(one["count"] < MIN_IN_BIN for one in bins),
    }
