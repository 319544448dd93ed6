"""Recorded labels that look wrong, found with scores of rows the network was not trained on.

How probable it is that what is recorded for an entry (row, label) is wrong, from scores and targets alone. Start with
`suspicious_labels`, then `_expected` (what should be recorded?) and `_Rates` (how often is something else recorded?).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.special import expit, logit

from manyhot import validation
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.evaluation.metrics.score import Entries, blocks, scored

PSEUDO_ROWS = 30.0
"""Rows in which labels go their own way, added so that a few rows cannot tie two labels together."""
SUREST_PRESENT, SUREST_ABSENT = 0.1, 0.5
"""Shares of the present and of the absent entries, from the surest scores, that tell how often labels are wrong."""
HIGHEST_RATE = 0.45
KEPT_DOUBT = 0.1
"""What is left of the doubt about an entry when all of it could be explained by wrong labels."""
MAX_EXAMPLES = 1 << 19
_LOWEST, _HIGHEST = 1e-5, 1 - 1e-12
_WIDEST, _BINS_PER_UNIT = 16.0, 64


@dataclass(frozen=True, eq=False)
class SuspiciousRows:
    """The k most suspicious rows, worst first.

    Args:
        row: int64 (k,), index of the row.
        ids: Their ids as text (k,).
        suspicion: float64 (k,) in [0, 1], the chance that at least one of the row's labels is recorded wrongly.
        worst: int64 (k,), the label whose entry is the most suspicious.
        n_suspicious: int64 (k,), entries of the row that are more probably wrong than right.
    """

    row: np.ndarray
    ids: np.ndarray
    suspicion: np.ndarray
    worst: np.ndarray
    n_suspicious: np.ndarray

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, eq=False)
class _Rows:
    """All n rows: their ids, the logarithm of the chance that all is right, the worst label, entries above one half."""

    ids: np.ndarray
    all_right: np.ndarray
    worst: np.ndarray
    n_suspicious: np.ndarray


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """The k most suspicious entries, worst first, and how many are wrong in all.

    Args:
        row: int64 (k,), index of the row.
        ids: The rows' ids as text (k,).
        label: int64 (k,), index of the label.
        recorded: bool (k,), what the targets say.
        score: float64 (k,), the network's score.
        expected: float64 (k,), the chance that the label is recorded as present, from the score and from what is
            recorded for the row's other labels.
        suspicion: float64 (k,) in [0, 1], the chance that what is recorded is wrong.
        n_wrong: float64 (l,), wrong entries to be expected of each label, listed or not; 0 where it was left out.
        n_known: Known entries that were asked about and looked at.
        left_out: Indices of the labels without both a known yes and a known no; nothing can be said about them.
        space: The names of the labels.
    """

    row: np.ndarray
    ids: np.ndarray
    label: np.ndarray
    recorded: np.ndarray
    score: np.ndarray
    expected: np.ndarray
    suspicion: np.ndarray
    n_wrong: np.ndarray
    n_known: int
    left_out: np.ndarray
    space: LabelSpace
    _entries: Entries = field(repr=False)
    _rows: _Rows = field(repr=False)

    def __len__(self) -> int:
        return len(self.row)

    def rows(self, limit: int | None = None) -> SuspiciousRows:
        """The most suspicious rows.

        Args:
            limit: How many; None for as many as are expected to hold a wrong entry.

        Returns:
            The rows by the chance that any entry is wrong, the worst first; equals in their original order.
        """
        suspicion = -np.expm1(self._rows.all_right)
        most = round(float(suspicion.sum())) if limit is None else validation.integer(limit=limit, low=0)
        first = np.argsort(self._rows.all_right, kind="stable")[:most]
        first = first[suspicion[first] > 0]
        rows = self._rows
        return SuspiciousRows(first, rows.ids[first], suspicion[first], rows.worst[first], rows.n_suspicious[first])

    def reasons(self, first: int | None = None) -> list[str]:
        """One plain sentence for each listed entry.

        Args:
            first: Only for the first so many entries; None for all.

        Returns:
            The sentences, in the order of the list.
        """
        n = len(self) if first is None else min(validation.integer(first=first, low=0), len(self))
        said = [""] * n
        for label in np.unique(self.label[:n]).tolist():
            at = np.flatnonzero(self.label[:n] == label)
            scores = np.sort(self._entries.answers[self._entries.values[:, label], label])
            for k in at.tolist():
                said[k] = self._reason(k, scores)
        return said

    def _reason(self, k: int, carriers: np.ndarray) -> str:
        """The sentence for entry k, from the sorted scores of all rows that carry its label."""
        score, expected, is_recorded = float(self.score[k]), float(self.expected[k]), bool(self.recorded[k])
        if is_recorded:
            state, side, which = "present", "lower", "other rows"
            n_beyond, n_rows = len(carriers) - int(np.searchsorted(carriers, score, side="right")), len(carriers) - 1
        else:
            state, side, which = "absent", "higher", "rows"
            n_beyond, n_rows = int(np.searchsorted(carriers, score, side="left")), len(carriers)
        view = f"with the row's other labels in view {expected:.2f} is expected"
        if 2 * n_beyond < n_rows or n_rows == 0:
            link = "but" if (expected > 0.5) != is_recorded else "and"
            return f"recorded as {state} with the score {score:.2f}, {link} {view}"
        percent = 100 * n_beyond // n_rows  # rounded down, so that 100 % means all
        compared = f"{side} than that of {percent} % of the {which} that carry the label"
        addition = "" if f"{expected:.2f}" == f"{score:.2f}" else f", and {view}"
        return f"recorded as {state}, but the score {score:.2f} is {compared}{addition}"


def suspicious_labels(
    scores: np.ndarray,
    targets: Targets,
    ids: np.ndarray,
    space: LabelSpace,
    limit: int | None = None,
    label: str | None = None,
) -> LabelErrors:
    """Find entries whose recorded target looks wrong.

    Two steps. What should be recorded: the score, corrected by what is recorded for the row's other labels, as far as
    labels deviate from their scores together; this is fitted so that the row itself has no say. What is wrong: from
    entries of which the corrected scores are surest, how often a yes is recorded as no and a no as yes; with these two
    rates, the chance for each entry that it is recorded wrongly (Bayes). The sum of the chances is how many entries are
    wrong. Where scores tell little, it is too high rather than too low: noise looks like what cannot be predicted.

    Args:
        scores: Probabilities (n, l), float in [0, 1], of rows the network has not been trained on.
        targets: Targets (n, l); unknown entries are never accused.
        ids: One id per row as text (n,).
        space: The names of the l labels.
        limit: How many entries to list; None for as many as are expected to be wrong.
        label: Only entries of this label, ranked as among all; None for all.

    Returns:
        The entries, the most suspicious first; equals by row, then by label.

    Raises:
        InputError: Shapes that do not fit, a score that is no probability, or a name that is not in the space.

    Source:
        Counting disagreements per direction where the model is sure: Northcutt, Jiang & Chuang 2021, Confident
        Learning, JAIR 70; rates from the surest entries: Liu & Tao 2016, IEEE TPAMI 38(3), section 5. We pool the
        labels, take quantiles of the corrected scores instead of class means, and rank by the posterior. A row left
        out of an inverse: Sherman & Morrison 1950.
    """
    entries = _checked(scores, targets, ids, space)
    only = None if label is None else space.index(label)
    most = None if limit is None else validation.integer(limit=limit, low=0)
    constant = targets.constant_labels()
    view = _View(entries, np.setdiff1d(np.arange(len(space)), constant))
    asked = view.columns if only is None else view.columns[view.columns == only]
    expected = _expected(view) if len(view.columns) else np.zeros((entries.shape[0], 0), entries.answers.dtype)
    rates = _rates(view, expected)

    n_wrong, all_right = np.zeros(len(space)), np.zeros(len(expected))
    worst, n_suspicious = np.zeros(len(expected), dtype=np.int64), np.zeros(len(expected), dtype=np.int64)
    chances = np.zeros_like(expected)
    for rows, chance in _chances(view, expected, rates, asked):
        n_wrong[view.columns] += chance.sum(axis=0)
        all_right[rows] = np.log1p(-chance).sum(axis=1)
        worst[rows] = view.columns[chance.argmax(axis=1)]
        n_suspicious[rows] = (chance > 0.5).sum(axis=1)
        chances[rows] = chance
    most = round(float(n_wrong.sum())) if most is None else most
    lowest = _least_of(chances.reshape(-1), most)
    del chances

    found = [np.zeros((4, 0))]
    for rows, chance in _chances(view, expected, rates, asked):
        at = np.nonzero((chance > 0) & (chance.astype(expected.dtype) >= lowest))
        found.append(np.stack([at[0] + rows.start, view.columns[at[1]], chance[at], expected[rows][at]]))
    row, column, chance, expectation = np.concatenate(found, axis=1)
    order = np.lexsort((column, row, -chance))[:most]
    row, column = row[order].astype(np.int64), column[order].astype(np.int64)
    ids = np.asarray(ids)
    return LabelErrors(
        row=row,
        ids=ids[row],
        label=column,
        recorded=entries.values[row, column],
        score=entries.answers[row, column].astype(np.float64),
        expected=expit(expectation[order]),
        suspicion=chance[order],
        n_wrong=n_wrong,
        n_known=int(entries.known_per_label()[asked].sum()),
        left_out=constant,
        space=space,
        _entries=entries,
        _rows=_Rows(ids, all_right, worst, n_suspicious),
    )


@dataclass(frozen=True, eq=False)
class _View:
    """The k labels that vary, a block of rows at a time.

    Args:
        entries: Targets beside scores (n, l).
        columns: int64 (k,), the labels that vary.
    """

    entries: Entries
    columns: np.ndarray

    def __iter__(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
        """Rows, and of these bool values (b, k), bool known (b, k), float64 scores (b, k)."""
        width = 4 * len(self.columns)  # smaller blocks than usual: a dozen float64 arrays are at work on each
        for rows in blocks(len(self.entries.values), width) if width else ():
            values = self.entries.values[rows][:, self.columns]
            known = self.entries.known
            is_known = np.ones_like(values) if known is None else known[rows][:, self.columns]
            yield rows, values, is_known, self.entries.answers[rows][:, self.columns].astype(np.float64)


def _expected(view: _View) -> np.ndarray:
    """Logits of the chance that each entry is recorded as present (n, k), in the floating type of the scores.

    A logistic regression of what is recorded, one for all labels together, on the score's logit, on the lift that the
    row's other labels give it, and on the label's share; learned on evenly spaced rows where there are very many.
    """
    lifts = _lifts(view)
    prior = logit(view.entries.prevalence()[view.columns])
    every = -(-lifts.size // MAX_EXAMPLES)

    def terms(rows: slice, scores: np.ndarray, step: int = 1) -> np.ndarray:
        own = logit(np.clip(scores[::step], _LOWEST, 1 - _LOWEST))
        return np.stack([own, lifts[rows][::step], np.broadcast_to(prior, own.shape), np.ones_like(own)], axis=-1)

    outcomes = np.concatenate([values[::every][known[::every]] for _, values, known, _ in view])
    learned = np.concatenate([terms(rows, scores, every)[known[::every]] for rows, _, known, scores in view])
    coefficients = _logistic(learned, outcomes)
    for rows, _, _, scores in view:
        lifts[rows] = terms(rows, scores) @ coefficients
    return lifts


def _logistic(terms: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
    """Coefficients (t,) of a logistic regression of bool outcomes (b,) on terms (b, t), drawn slightly to 0."""

    def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        linear = terms @ at
        losses = np.logaddexp(0.0, np.where(outcomes, -linear, linear))
        return float(losses.sum() + at @ at / 2), (expit(linear) - outcomes) @ terms + at

    def bend(at: np.ndarray) -> np.ndarray:
        chance = expit(terms @ at)
        return (terms * (chance * (1 - chance))[:, None]).T @ terms + np.eye(len(at))

    start = np.zeros(terms.shape[1])
    return minimize(loss, start, jac=True, hess=bend, method="trust-exact", options={"gtol": 1e-6}).x


def _lifts(view: _View) -> np.ndarray:
    """What the other labels of a row say about each label: the expected deviation from its score (n, k).

    Deviations (target - score) are taken as jointly normal, so that each is expected to be a linear function of the
    row's others, read off the inverse of their scatter. The scatter leaves out the row itself, by a rank-one update of
    the inverse. An unknown entry deviates by 0.
    """
    n_columns = len(view.columns)
    scatter, spread = np.zeros((n_columns, n_columns)), np.zeros(n_columns)
    for _, values, known, scores in view:
        deviations = np.where(known, values - scores, 0.0)
        scatter += deviations.T @ deviations
        spread += (scores * (1 - scores)).sum(axis=0, where=known)
    n_known = view.entries.known_per_label()[view.columns]
    scatter[np.diag_indices(n_columns)] += PSEUDO_ROWS * np.maximum(spread / n_known, _LOWEST)
    inverse = cho_solve(cho_factor(scatter), np.eye(n_columns))
    own = np.diag(inverse)
    lifts = np.zeros((len(view.entries.values), n_columns), dtype=view.entries.answers.dtype)
    for rows, values, known, scores in view:
        deviations = np.where(known, values - scores, 0.0)
        pulled = deviations @ inverse
        kept = 1.0 - (pulled * deviations).sum(axis=1, keepdims=True)
        lifts[rows] = deviations - pulled / (kept * own + pulled**2)
    return lifts


@dataclass(frozen=True)
class _Rates:
    """How often a wrong target is recorded, pooled over labels.

    Args:
        missed: Chance that a label which should be there is recorded as absent.
        added: Chance that a label which should not be there is recorded as present.
    """

    missed: float
    added: float

    def wrong(self, values: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """The chance that what is recorded is wrong, strictly between 0 and 1.

        recorded = added + (1 - added - missed) * present tells the chance that the label should be there. It is kept
        from reaching 0 and 1, so that the order of the logits stays.
        """
        logits = logits.astype(np.float64)
        recorded, unrecorded = expit(logits), expit(-logits)
        scale = 1 - self.added - self.missed
        present = np.maximum((recorded - self.added) / scale, KEPT_DOUBT * recorded)
        absent = np.maximum((unrecorded - self.missed) / scale, KEPT_DOUBT * unrecorded)
        right = np.where(values, (1 - self.missed) * present, (1 - self.added) * absent)
        wrong = np.where(values, self.added * absent, self.missed * present)
        return np.minimum(wrong / (wrong + right), _HIGHEST)


def _rates(view: _View, expected: np.ndarray) -> _Rates:
    """Disagreements among the surest entries: the tenth of the positives, the half of the negatives."""
    n_bins = int(2 * _WIDEST * _BINS_PER_UNIT)
    counts = np.zeros((2, n_bins), dtype=np.int64)
    for rows, values, known, _ in view:
        places = np.clip((expected[rows].astype(np.float64) + _WIDEST) * _BINS_PER_UNIT, 0, n_bins - 1).astype(np.int64)
        for recorded in (0, 1):
            counts[recorded] += np.bincount(places[known & (values == recorded)], minlength=n_bins)
    n_absent, n_present = counts.sum(axis=1)
    missed = _disagreeing(counts[0, ::-1], counts[1, ::-1], SUREST_PRESENT * n_present)
    added = _disagreeing(counts[1], counts[0], SUREST_ABSENT * n_absent)
    return _Rates(missed, added)


def _disagreeing(others: np.ndarray, agreeing: np.ndarray, least: float) -> float:
    """Share of others in the leading bins that together hold at least so many entries."""
    n_others, n_all = np.cumsum(others), np.cumsum(others + agreeing)
    last = min(int(np.searchsorted(n_all, least)), len(n_all) - 1)
    return float(min((n_others[last] + 0.5) / (n_all[last] + 1.0), HIGHEST_RATE))


def _chances(view: _View, expected: np.ndarray, rates: _Rates, asked: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows and the chance of each of their entries to be wrong, float64 (b, k); 0 where unknown or not asked for."""
    is_asked = np.isin(view.columns, asked)
    for rows, values, known, _ in view:
        yield rows, np.where(known & is_asked, rates.wrong(values, expected[rows]), 0.0)


def _least_of(chances: np.ndarray, most: int) -> float:
    """The smallest of the highest `most` chances; the order of the array is lost."""
    most = min(most, chances.size)
    if most == 0:
        return np.inf
    chances.partition(chances.size - most)
    return float(chances[chances.size - most])


def _checked(scores: np.ndarray, targets: Targets, ids: np.ndarray, space: LabelSpace) -> Entries:
    if np.ndim(scores) != 2:
        raise InputError(f"got shape {np.shape(scores)}, expected (n, l): one row per sample", argument="scores")
    entries = scored(targets, scores)
    if len(space) != entries.shape[1]:
        raise InputError(f"{len(space)} labels are named, but the targets have {entries.shape[1]}", argument="space")
    if np.shape(ids) != (entries.shape[0],):
        raise InputError(
            f"got shape {np.shape(ids)}, expected one id for each of {entries.shape[0]} rows", argument="ids"
        )
    return entries
