"""How far measures move when other rows had been drawn: intervals by resampling rows.

Rows are drawn with replacement, as many as there are, and every measure is computed again on what was drawn, with the
same scores and decisions: a row that was drawn three times counts three times. Nothing is trained or tuned again, so
the intervals say how sure a figure is for rows like these, not how it would vary with another training. Start reading
at `intervals`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from manyhot import validation
from manyhot.data.targets import Targets
from manyhot.evaluation.metrics.calibration import BINS, starts_of
from manyhot.evaluation.metrics.ranking import ROW_MEASURES, row_values
from manyhot.evaluation.metrics.score import Entries, blocks, decided, scored

MAX_DRAWS, MIN_DRAWS = 400, 60
WORK = 2_000_000_000
"""Draws times rows times labels that are aimed at; larger data get fewer draws, down to `MIN_DRAWS`."""
LEVEL = 0.95
UNBOUNDED = ("coverage_error", "log_loss")
"""Measures that may be above 1."""


@dataclass(frozen=True)
class Interval:
    """Where a measure lies in most draws.

    Args:
        low: Its lower end; NaN where nothing could be scored.
        high: Its upper end.
    """

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Intervals:
    """Intervals of everything that a report says.

    Args:
        draws: How often rows were drawn.
        measures: Measure -> interval: those of `MEASURES` that were asked for, with scores also `brier`, `log_loss` and
            `ece`.
        f1: float64 (l, 2), of each label's F1, NaN where it has no positive; None without decisions.
        ece: float64 (l, 2), of each label's expected calibration error; None without scores.
    """

    draws: int
    measures: dict[str, Interval]
    f1: np.ndarray | None
    ece: np.ndarray | None


def n_draws(n_rows: int, n_labels: int) -> int:
    """Draws for so many rows and labels."""
    return int(np.clip(WORK // max(1, n_rows * n_labels), MIN_DRAWS, MAX_DRAWS))


def intervals(
    targets: Targets, scores: np.ndarray | None, decisions: np.ndarray | None, k: int = 5, seed: int = 0
) -> Intervals:
    """Intervals of 95 % for all measures.

    Args:
        targets: Targets (n, l), or deeper with the label axis last.
        scores: Probabilities in the shape of the targets, float in [0, 1]; None leaves their measures out.
        decisions: bool in the shape of the targets; None leaves their measures out.
        k: Places that `precision_at_k` and `ndcg_at_k` look at, 1 or more.
        seed: What the draws come from; the same rows and the same seed give the same intervals.

    Returns:
        The intervals: the percentiles 2.5 and 97.5 of the draws, moved by what the mean of the draws is off the
        measured value, since a row that is drawn twice flatters the order of few positives. With a handful of positives
        they are still too narrow, most for rankings. Calibration errors are means of distances, which
        chance alone makes larger, in the rows as in every draw of them. Theirs reach as far to both sides as the bins
        of 95 % of the draws differ in all from those of the rows, within 0 and 1: the true error differs by less, since
        distances do (the triangle inequality).

    Raises:
        InputError: A shape, score or decision that is wrong.

    Source:
        Efron, Tibshirani (1993), An introduction to the bootstrap: percentile intervals.
    """
    n_rows = targets.values.size // max(1, targets.n_labels)
    times = draw(n_rows, n_draws(n_rows, targets.n_labels), validation.integer(seed=seed, low=0))
    found: dict[str, np.ndarray] = {}
    f1 = ece = None
    bounds: dict[str, Interval] = {}
    if decisions is not None:
        by_decision = answer_statistics(decided(targets, decisions), times)
        f1 = _ends(by_decision.pop("label_f1"))
        found |= by_decision
    if scores is not None:
        entries = scored(targets, scores)
        found |= score_statistics(entries, times, validation.integer(k=k, low=1))
        bounds["ece"] = Interval(*pooled_ece(entries, times).tolist())
        ece = ece_of_labels(entries, times)
    for name, values in found.items():
        bounds[name] = Interval(*_ends(values[:, None], np.inf if name in UNBOUNDED else 1.0)[0].tolist())
    return Intervals(times.shape[1] - 1, bounds, f1, ece)


def draw(n_rows: int, n_draws: int, seed: int) -> np.ndarray:
    """How often each row is drawn, float32 (n, 1 + draws) of whole numbers; the first column has each row once."""
    generator = np.random.default_rng(seed)
    times = np.ones((n_rows, 1 + n_draws), dtype=np.float32)
    for column in range(1, 1 + n_draws):
        times[:, column] = np.bincount(generator.integers(0, n_rows, n_rows), minlength=n_rows)
    return times


def answer_statistics(entries: Entries, times: np.ndarray) -> dict[str, np.ndarray]:
    """The measures of decisions in each draw.

    Args:
        entries: Targets beside decisions (n, l).
        times: float32 (n, draws), how often each row counts; in the first column once.

    Returns:
        Measure -> float64 (draws,), the value on the rows as often as they were drawn, and `label_f1`, (draws, l). A
        label that is lost in a draw keeps the value that it has on all rows, so that means are over the same labels.
    """
    per_row = np.zeros((entries.shape[0], 7))
    for part in blocks(*entries.shape):
        values = entries.values[part]
        answers = entries.answers[part]
        n_known = np.full(len(values), entries.shape[1])
        if entries.known is not None:
            answers, n_known = answers & entries.known[part], entries.known[part].sum(axis=1)
        hits, answered, positives = (answers & values).sum(axis=1), answers.sum(axis=1), values.sum(axis=1)
        counts, total = n_known > 0, answered + positives
        per_row[part] = np.stack(
            [
                hits,
                answered,
                positives,
                n_known,
                (answers == values).all(axis=1) & counts,
                np.where(counts, _ratio(2 * hits, total, 1.0), 0.0),
                np.where(counts, _ratio(hits, total - hits, 1.0), 0.0),
            ],
            axis=1,
        )
    hits, answered, positives, n_known, equal, f1, jaccard = _sums(per_row, times).T
    n_rows = _sums((per_row[:, 3:4] > 0).astype(float), times)[:, 0]
    wrong = _ratio(answered + positives - 2 * hits, n_known)
    found = {
        "subset_accuracy": _ratio(equal, n_rows),
        "element_accuracy": 1.0 - wrong,
        "hamming_loss": wrong,
        "f1_micro": _ratio(2 * hits, answered + positives),
        "f1_samples": _ratio(f1, n_rows),
        "jaccard_samples": _ratio(jaccard, n_rows),
    }
    hits, answered, positives, n_known = _label_sums(entries, times)
    of_labels = _ratio(2 * hits, answered + positives, 0.0)
    of_labels = _kept(np.where(positives > 0, of_labels, np.nan))
    found["f1_macro"] = _mean(of_labels, np.broadcast_to(positives[0] > 0, of_labels.shape))
    found["f1_macro_all"] = _mean(np.nan_to_num(of_labels), np.broadcast_to(n_known[0] > 0, of_labels.shape))
    return found | {"label_f1": of_labels}


def score_statistics(entries: Entries, times: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """The measures of scores in each draw.

    Args:
        entries: Targets beside scores (n, l).
        times: float32 (n, draws), how often each row counts; in the first column once.
        k: Places looked at.

    Returns:
        Measure -> float64 (draws,), the value on the rows as often as they were drawn; lost labels as in
        `answer_statistics`.
    """
    margin = float(np.finfo(entries.answers.dtype).eps)
    per_row = np.zeros((entries.shape[0], 4 + len(ROW_MEASURES)))
    for part in blocks(*entries.shape):
        values, known = entries.values[part], None if entries.known is None else entries.known[part]
        given = entries.answers[part].astype(np.float64)
        clipped = np.clip(given, margin, 1 - margin)
        squares, losses = (given - values) ** 2, -np.log(np.where(values, clipped, 1 - clipped))
        looked = np.ones_like(values) if known is None else known
        columns = [(squares * looked).sum(axis=1), (losses * looked).sum(axis=1), looked.sum(axis=1)]
        per_row[part, :3] = np.stack(columns, axis=1)
        has = values.any(axis=1)
        if has.any():
            ranked = row_values(values, known, entries.answers[part], k)
            here = np.arange(entries.shape[0])[part][has]
            per_row[here, 3:] = np.stack([np.ones(len(here)), *(ranked[name] for name in ROW_MEASURES)], axis=1)
    squares, losses, n_known, n_ranked, *of_rows = _sums(per_row, times).T
    found = {"brier": _ratio(squares, n_known), "log_loss": _ratio(losses, n_known)}
    found |= {name: _ratio(values, n_ranked) for name, values in zip(ROW_MEASURES, of_rows, strict=True)}
    found["map"], found["roc_auc_macro"] = _ranking_of_labels(entries, times)
    return found


def _ratio(top: np.ndarray, bottom: np.ndarray, otherwise: float = np.nan) -> np.ndarray:
    return np.divide(top, bottom, out=np.full(np.shape(bottom), otherwise), where=bottom > 0)


def _mean(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The mean of the chosen ones along the last axis; NaN where none is."""
    return _ratio(np.where(chosen, values, 0.0).sum(axis=-1), chosen.sum(axis=-1).astype(float))


def _kept(drawn: np.ndarray) -> np.ndarray:
    """Values by draw (draws, ...), where what a draw lacks is as in the first, which has all rows."""
    return np.where(np.isnan(drawn), drawn[:1], drawn)


def _sums(per_row: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Numbers of rows (n, c) summed over draws, float64 (draws, c)."""
    total = np.zeros((times.shape[1], per_row.shape[1]))
    for part in blocks(len(times), times.shape[1]):
        total += times[part].T.astype(np.float64) @ per_row[part]
    return total


def _label_sums(entries: Entries, times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Hits, answers, positives and known entries of each label, float64 (draws, l)."""
    shape = (times.shape[1], entries.shape[1])
    hits, answered, positives, known = (np.zeros(shape) for _ in range(4))
    known += times.sum(axis=0, dtype=np.float64)[:, None] if entries.known is None else 0.0
    for part in blocks(*entries.shape):
        weights = times[part].T
        values, answers = entries.values[part], entries.answers[part]
        if entries.known is not None:
            answers = answers & entries.known[part]
            known += weights @ entries.known[part].astype(np.float32)
        hits += weights @ (answers & values).astype(np.float32)
        answered += weights @ answers.astype(np.float32)
        positives += weights @ values.astype(np.float32)
    return hits, answered, positives, known


@dataclass(frozen=True)
class _Label:
    """The known entries of one label.

    Args:
        values: bool (m,), the positives.
        scores: Float (m,).
        rows: int64 (m,), where they stand.
    """

    values: np.ndarray
    scores: np.ndarray
    rows: np.ndarray


def _labels(entries: Entries) -> Iterator[_Label]:
    """The labels, a few copied at a time."""
    for part in blocks(entries.shape[1], entries.shape[0]):
        values, scores = (
            np.ascontiguousarray(entries.values[:, part].T),
            np.ascontiguousarray(entries.answers[:, part].T),
        )
        known = None if entries.known is None else np.ascontiguousarray(entries.known[:, part].T)
        for k in range(len(values)):
            rows = np.arange(len(values[k])) if known is None else np.flatnonzero(known[k])
            yield _Label(values[k, rows], scores[k, rows], rows)


def _ranking_of_labels(entries: Entries, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over labels of average precision and of ROC-AUC, each float64 (draws,)."""
    totals = np.zeros((4, times.shape[1]))
    for label in _labels(entries):
        if label.values.any():
            precision, area = map(_kept, _ranking_of_label(label, times))
            totals += np.stack([np.nan_to_num(precision), ~np.isnan(precision), np.nan_to_num(area), ~np.isnan(area)])
    return _ratio(totals[0], totals[1]), _ratio(totals[2], totals[3])


def _ranking_of_label(label: _Label, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average precision and ROC-AUC of one label that has positives, NaN in draws that lack what they need."""
    order = np.argsort(-label.scores, kind="stable")
    scores, values, rows = label.scores[order], label.values[order], label.rows[order]
    first = np.flatnonzero(np.append(True, scores[1:] != scores[:-1]))
    last = np.append(first[1:], len(scores))
    has = np.add.reduceat(values, first, dtype=np.int64) > 0
    first, last = first[has], last[has]
    edges = np.unique(np.concatenate([[0], first, last, [len(scores)]]))
    counted = np.concatenate([np.zeros((1, times.shape[1])), np.cumsum(_by_part(rows, edges, times), axis=0)])
    hits = _by_part(rows[values], np.concatenate([[0], np.cumsum(values)])[edges], times)
    hits = np.concatenate([np.zeros((1, times.shape[1])), np.cumsum(hits, axis=0)])
    above, through = np.searchsorted(edges, first), np.searchsorted(edges, last)
    own = hits[through] - hits[above]
    n_positives, n_negatives = hits[-1], counted[-1] - hits[-1]
    precision = (own * _ratio(hits[through], counted[through], 0.0)).sum(axis=0)
    wrong = (own * (counted[through] - hits[through] + counted[above] - hits[above])).sum(axis=0) / 2
    pairs = n_positives * n_negatives
    return _ratio(precision, n_positives), np.where(pairs > 0, 1 - _ratio(wrong, pairs, 0.0), np.nan)


def _by_part(rows: np.ndarray, edges: np.ndarray, times: np.ndarray, numbers: np.ndarray | None = None) -> np.ndarray:
    """How often the rows of each part edges[p]:edges[p + 1] were drawn, times a number each; float64 (parts, draws)."""
    weights = np.ones(len(rows), dtype=np.float32) if numbers is None else numbers.astype(np.float32)
    parts = sp.csr_matrix((weights, rows, edges), shape=(len(edges) - 1, len(times)))
    return np.asarray(parts @ times, dtype=np.float64)


def ece_of_labels(entries: Entries, times: np.ndarray) -> np.ndarray:
    """Intervals of the expected calibration error of each label, float64 (l, 2); NaN where nothing is known."""
    ends = np.full((entries.shape[1], 2), np.nan)
    for j, label in enumerate(_labels(entries)):
        if len(label.rows):
            order = np.argsort(label.scores, kind="stable")
            edges = np.append(np.searchsorted(label.scores[order], starts_of(label.scores, BINS)), len(order))
            away = (label.scores.astype(np.float64) - label.values)[order]
            drawn = _by_part(label.rows[order], edges, times, away).T
            n_drawn = times[label.rows].sum(axis=0, dtype=np.float64)
            ends[j] = _around(drawn, n_drawn)
    return ends


def pooled_ece(entries: Entries, times: np.ndarray) -> np.ndarray:
    """The interval of the expected calibration error of all entries, float64 (2,); NaN where nothing is known."""
    starts = starts_of(entries.answers.ravel() if entries.known is None else entries.answers[entries.known], BINS)
    n_bins = len(starts)
    if not n_bins:
        return np.full(2, np.nan)
    per_row = np.zeros((len(times), n_bins + 1))
    for part in blocks(*entries.shape):
        given, values = entries.answers[part], entries.values[part]
        known = np.ones_like(values) if entries.known is None else entries.known[part]
        place = np.arange(len(values))[:, None] * n_bins
        place = place + np.maximum(np.searchsorted(starts, given, side="right") - 1, 0)
        away = np.where(known, given.astype(np.float64) - values, 0.0)
        per_row[part, :-1] = np.bincount(place.ravel(), away.ravel(), len(values) * n_bins).reshape(-1, n_bins)
        per_row[part, -1] = known.sum(axis=1)
    drawn = _sums(per_row, times)
    return _around(drawn[:, :-1], drawn[:, -1])


def _around(drawn: np.ndarray, n_drawn: np.ndarray) -> np.ndarray:
    """Where the sum of absolute distances of the bins may lie.

    Args:
        drawn: float64 (draws, bins), sums of score less value of each draw, all rows first.
        n_drawn: float64 (draws,), entries of each draw.
    """
    distances = _ratio(drawn, np.broadcast_to(n_drawn[:, None], drawn.shape), 0.0)
    noise = np.abs(distances[1:] - distances[0]).sum(axis=1)
    measured, reach = np.abs(distances[0]).sum(), np.quantile(noise, LEVEL)
    return np.clip([measured - reach, measured + reach], 0.0, 1.0)


def _ends(drawn: np.ndarray, top: float = 1.0) -> np.ndarray:
    """Ends of intervals, float64 (c, 2), within 0 and top; NaN where all rows have no value.

    Args:
        drawn: float64 (1 + draws, c), all rows first.
        top: The highest value there is.
    """
    ends = np.full((drawn.shape[1], 2), np.nan)
    for column, values in enumerate(drawn.T):
        others = values[1:][~np.isnan(values[1:])]
        if not np.isnan(values[0]) and len(others):
            ends[column] = np.quantile(others, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) + (values[0] - others.mean())
    return np.clip(ends, 0.0, top)
