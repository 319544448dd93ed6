"""How much each branch of a network counts, chosen on out-of-fold scores.

The score of a row is mixed by shares that the other folds' rows chose, so that no row has a say in its own score; new
rows are scored by the shares that all rows choose.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from scipy.special import logit

from manyhot import engine
from manyhot.models.cross_fitting import CrossFit, score_out_of_fold

STEPS = 4
"""Shares are multiples of 1 / STEPS, or all equal."""
TEMPERATURES = 2.0 ** np.linspace(-1, 1, 7)
MAX_ENTRIES = 1_000_000
"""Scores that choose, at most; of more rows evenly spaced ones."""
LOWEST = 1e-6


def score_with_chosen_shares(
    scorer: engine.Scorer, fit: CrossFit, weights: engine.Weights, first: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """What `score_out_of_fold` gives, at chosen shares; leaves those for new rows in the scorer and the weights."""
    n_branches, n_members = 1 + len(fit.network.branches), len(fit.members)
    if n_branches == 1:
        return score_out_of_fold(scorer, fit, first)

    def use_shares(shares: np.ndarray) -> None:
        """Put shares (k,) of all members, or (m, k) of each, in force."""
        leaf = np.array(weights.fixed[-1])
        leaf[first : first + n_members] = shares
        weights.fixed[-1] = leaf
        scorer.replace_fixed(-1, leaf)

    of_branches = []
    for shares in np.eye(n_branches):
        use_shares(shares)
        scores, n_scorers = score_out_of_fold(scorer, fit, first)
        of_branches.append(scores)
    parts = _part_numbers(fit)
    candidates = np.array(list(_candidates(n_branches)))
    is_used = np.flatnonzero(n_scorers > 0)
    step = max(1, len(is_used) * fit.network.n_labels // MAX_ENTRIES)
    used = is_used[::step]
    losses, row_weights = _row_losses(fit, np.stack([scores[used] for scores in of_branches]), used, candidates)
    row_parts = np.full(len(fit.data.weights), -1)
    for member, number in zip(fit.members, parts, strict=True):
        row_parts[member.held_out] = number
    row_parts = row_parts[fit.rows[used]]
    others = [
        candidates[_choose(losses[:, :, row_parts != number], row_weights[row_parts != number])]
        for number in range(max(parts) + 1)
    ]
    use_shares(np.array([others[number] for number in parts]))
    found = score_out_of_fold(scorer, fit, first)
    use_shares(candidates[_choose(losses, row_weights)])
    return found


def _part_numbers(fit: CrossFit) -> list[int]:
    """For each member the number of the fold that it is scored on."""
    numbers: dict[bytes, int] = {}
    return [numbers.setdefault(member.held_out.tobytes(), len(numbers)) for member in fit.members]


def _candidates(n_branches: int) -> Iterator[tuple[float, ...]]:
    """Shares (k,) that add up to 1; equal ones first."""
    equal = (1 / n_branches,) * n_branches
    yield equal
    for counts in itertools.product(range(STEPS + 1), repeat=n_branches):
        shares = tuple(count / STEPS for count in counts)
        if sum(counts) == STEPS and shares != equal:
            yield shares


def _row_losses(
    fit: CrossFit, scores: np.ndarray, used: np.ndarray, candidates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Losses float (c, t, r) of rows by shares and temperatures, and the rows' weights (r,); `scores` is (k, r, l)."""
    rows = fit.rows[used]
    targets = fit.data.targets.take(rows)
    known = targets.known_mask()
    logits = logit(np.clip(scores.astype(np.float64), LOWEST, 1 - LOWEST))
    signs = np.where(targets.values, -1.0, 1.0)
    counts = known.sum(axis=1)
    losses = np.empty((len(candidates), len(TEMPERATURES), len(rows)))
    for i, shares in enumerate(candidates):
        mixed = np.tensordot(shares, logits, axes=1) * signs
        for j, temperature in enumerate(TEMPERATURES):
            entries = np.where(known, np.logaddexp(0, mixed / temperature), 0)
            losses[i, j] = entries.sum(axis=1) / np.maximum(counts, 1)
    return losses, fit.data.weights[rows] * counts


def _choose(losses: np.ndarray, weights: np.ndarray) -> int:
    """The number of the best shares, each at its best temperature; the first unless clearly beaten."""
    total = weights.sum()
    if not total:
        return 0
    shares = weights / total
    means = losses @ shares
    best = losses[np.arange(len(losses)), means.argmin(axis=1)]
    differences = best - best[0]
    gains = -(differences @ shares)
    errors = np.sqrt(((differences + gains[:, None]) ** 2) @ shares**2)
    return int(np.argmax(np.where(gains > errors, gains, 0)))
