"""Tests of whether counts and rankings are more than chance gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import hypergeom

SIGNIFICANCE = 0.05  # chance that any of the things that are tested together is taken for more than chance
MIN_RANK_ERRORS = 2.0  # standard errors of pure chance that a ROC-AUC must be above 0.5


def more_than_chance(
    both: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    rows: np.ndarray | int,
    n_tests: int,
    significance: float = SIGNIFICANCE,
) -> np.ndarray:
    """Whether two properties of rows are found together more often than if they had nothing to do with each other.

    Args:
        both: Rows with both properties, integers of any shape.
        first: Rows with the first one, alike.
        second: Rows with the second one, alike.
        rows: All rows, alike or one number.
        n_tests: Pairs of properties that were looked at, also those that are not handed in, 1 or more.
        significance: Chance that any of these pairs is found although none is related, 0 to 1.

    Returns:
        bool in the shape of `both`.

    Source: Fisher's exact test, one-sided, with Bonferroni's correction.
    """
    probability = hypergeom.sf(np.asarray(both) - 1, rows, first, second)
    return np.asarray(probability < significance / max(1, n_tests))


def ranks_above_chance(roc_auc: np.ndarray, n_positives: np.ndarray, n_known: np.ndarray) -> np.ndarray:
    """Whether positives score higher than negatives by more than `MIN_RANK_ERRORS` standard errors of pure chance.

    Args:
        roc_auc: float (l,), ROC-AUC of each label; NaN where it is undefined.
        n_positives: integers (l,), known rows with the label.
        n_known: integers (l,), known rows.

    Returns:
        bool (l,); False where ROC-AUC is undefined.

    Source: Mann, Whitney (1947), On a test of whether one of two random variables is stochastically larger.
    """
    positives, known = np.asarray(n_positives, dtype=float), np.asarray(n_known, dtype=float)
    surplus = (np.asarray(roc_auc, dtype=float) - 0.5) * positives * (known - positives)
    return np.asarray(is_rank_surplus(surplus, positives, known))


def is_rank_surplus(surplus: Any, n_positives: Any, n_known: Any) -> Any:
    """Whether the rank sum of the positives exceeds that of pure chance by clearly enough; numbers or arrays."""
    return surplus > MIN_RANK_ERRORS * np.sqrt(n_positives * (n_known - n_positives) * (n_known + 1) / 12)
