"""Recorded labels that look wrong, found with scores of rows the network was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.special import expit, logit

from manyhot import validation
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.display import ROWS_SHOWN, paragraph, section, short_repr, table
from manyhot.evaluation.label_noise import LabelView, NoiseRates, estimate_noise_rates
from manyhot.evaluation.metrics.score import Entries, score_entries

PSEUDO_ROWS = 30.0  # rows in which labels go their own way, added so that a few rows cannot tie two labels together
MAX_EXAMPLES = 1 << 19
_MIN_PROBABILITY = 1e-5


@dataclass(frozen=True, eq=False)
class SuspiciousRows:
    """The k most suspicious rows, worst first."""

    row: np.ndarray  # int64 (k,)
    ids: np.ndarray  # text (k,)
    suspicion: np.ndarray  # float64 (k,), probability that a label of the row is recorded wrongly
    worst: np.ndarray  # int64 (k,), label of the most suspicious entry
    n_suspicious: np.ndarray  # int64 (k,), entries more probably wrong than right

    def __len__(self) -> int:
        return len(self.row)

    def __repr__(self) -> str:
        first = f", the first with id {self.ids[0]} ({self.suspicion[0]:.0%})" if len(self) else ""
        return short_repr("SuspiciousRows", f"{len(self)} rows that probably have a wrong label{first}")

    def _repr_html_(self) -> str:
        rows = [
            (int(self.row[k]), str(self.ids[k]), float(self.suspicion[k]), int(self.n_suspicious[k]))
            for k in range(min(len(self), ROWS_SHOWN))
        ]
        return section(table(("row", "id", "probability of a wrong label", "labels probably wrong"), rows, len(self)))


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """The k most suspicious entries, worst first, and how many entries are wrong in all."""

    row: np.ndarray  # int64 (k,)
    ids: np.ndarray  # of the rows, text (k,)
    label: np.ndarray  # int64 (k,)
    recorded: np.ndarray  # bool (k,), what the targets say
    score: np.ndarray  # float64 (k,)
    expected: np.ndarray  # float64 (k,), probability of being recorded as present, given the row's other labels
    suspicion: np.ndarray  # float64 (k,), probability that what is recorded is wrong
    n_wrong: np.ndarray  # float64 (l,), expected wrong entries, listed or not
    n_known: int  # known entries looked at
    left_out: np.ndarray  # labels without both a known yes and a known no
    space: LabelSpace
    _entries: Entries = field(repr=False)
    _rows: SuspiciousRows = field(repr=False)  # all of them

    def __len__(self) -> int:
        return len(self.row)

    @property
    def n_expected_wrong(self) -> float:
        """How many of the entries listed are expected to be wrong."""
        return float(self.suspicion.sum())

    def __repr__(self) -> str:
        size = f"{self.n_known} known entries, {len(self.space)} labels"
        return short_repr(
            "LabelErrors", f"{len(self)} entries to check, about {self.n_expected_wrong:.0f} of them wrong; of {size}"
        )

    def _repr_html_(self) -> str:
        rows = [
            (
                int(self.row[k]),
                str(self.ids[k]),
                self.space.names[int(self.label[k])],
                "present" if self.recorded[k] else "absent",
                float(self.score[k]),
                float(self.expected[k]),
                float(self.suspicion[k]),
            )
            for k in range(min(len(self), ROWS_SHOWN))
        ]
        headings = (
            "row",
            "id",
            "label",
            "marked",
            "predicted",
            "given its other labels",
            "probability of being wrong",
        )
        return section(
            paragraph(
                f"{len(self)} entries to check,",
                f"about {self.n_expected_wrong:.0f} of them wrong; of {self.n_known} known ones.",
            ),
            table(headings, rows, len(self), "entries"),
        )

    def rows(self, limit: int | None = None) -> SuspiciousRows:
        """Select the most suspicious rows, worst first; by default as many as are expected to hold a wrong entry."""
        suspicion = self._rows.suspicion
        n_rows = round(float(suspicion.sum())) if limit is None else validation.integer(limit=limit, low=0)
        n_rows = min(n_rows, int((suspicion > 0).sum()))
        return SuspiciousRows(*(getattr(self._rows, column.name)[:n_rows] for column in fields(SuspiciousRows)))

    def reasons(self, first: int | None = None) -> list[str]:
        """One sentence for each of the first listed entries, or for all."""
        n = len(self) if first is None else min(validation.integer(first=first, low=0), len(self))
        sentences = [""] * n
        for label in np.unique(self.label[:n]).tolist():
            positions = np.flatnonzero(self.label[:n] == label)
            scores = self._entries.predictions[self._entries.values[:, label], label]
            for k in positions.tolist():
                sentences[k] = self._reason(k, scores)
        return sentences

    def _reason(self, k: int, positive_scores: np.ndarray) -> str:
        """The sentence for entry k, from the scores of all rows that have its label."""
        score, expected, is_recorded = float(self.score[k]), float(self.expected[k]), bool(self.recorded[k])
        if is_recorded:
            state, comparison, reference = "present", "higher", "other rows"
            n_beyond, n_rows = int((positive_scores > score).sum()), len(positive_scores) - 1
        else:
            state, comparison, reference = "absent", "lower", "rows"
            n_beyond, n_rows = int((positive_scores < score).sum()), len(positive_scores)
        context = "" if f"{expected:.2f}" == f"{score:.2f}" else f" ({expected:.2f} given its other labels)"
        reason = f"marked {state}, predicted {score:.2f}{context}"
        if 2 * n_beyond < n_rows or n_rows == 0:
            return reason
        percent = 100 * n_beyond // n_rows  # rounded down, so that 100 % means all
        return f"{reason}; {percent}% of the {reference} with the label have a {comparison} score"


def find_label_errors(
    scores: np.ndarray,
    targets: Targets,
    ids: np.ndarray,
    space: LabelSpace,
    limit: int | None = None,
    label: str | None = None,
    progress: Callable[[str, float | None], None] | None = None,
) -> LabelErrors:
    """Rank entries (row, label) by the probability that they are recorded wrongly; as many as are expected to be."""

    # First what should be recorded: the score, corrected by the row's other labels. Then how often a yes is recorded as
    # no and a no as yes, from the surest entries. Bayes gives the probability of each entry; their sum is how many are
    # wrong.
    # Source: Northcutt, Jiang, Chuang (2021), Confident learning; rates from the surest entries: Liu, Tao (2016),
    # section 5; a row left out of an inverse: Sherman, Morrison (1950)
    def show(fraction: float) -> None:
        if progress is not None:
            progress("searching label errors", fraction)

    show(0.0)
    entries = score_entries(targets, scores)
    only_label = None if label is None else space.index(label)
    max_entries = None if limit is None else validation.integer(limit=limit, low=0)
    constant = targets.constant_labels()
    label_view = LabelView(entries, np.setdiff1d(np.arange(len(space)), constant))
    requested = label_view.columns if only_label is None else label_view.columns[label_view.columns == only_label]
    expected = (
        _expected_logits(label_view)
        if len(label_view.columns)
        else np.zeros((entries.shape[0], 0), entries.predictions.dtype)
    )
    show(0.5)
    rates = estimate_noise_rates(label_view, expected)

    show(0.7)
    n_wrong, log_all_correct = np.zeros(len(space)), np.zeros(len(expected))
    worst, n_suspicious = np.zeros(len(expected), dtype=np.int64), np.zeros(len(expected), dtype=np.int64)
    all_probabilities = np.zeros_like(expected)
    for rows, probabilities in _error_probabilities(label_view, expected, rates, requested):
        n_wrong[label_view.columns] += probabilities.sum(axis=0)
        log_all_correct[rows] = np.log1p(-probabilities).sum(axis=1)
        worst[rows] = label_view.columns[probabilities.argmax(axis=1)]
        n_suspicious[rows] = (probabilities > 0.5).sum(axis=1)
        all_probabilities[rows] = probabilities
    max_entries = round(float(n_wrong.sum())) if max_entries is None else max_entries
    min_probability = _kth_largest(all_probabilities.reshape(-1), max_entries)
    del all_probabilities

    show(0.85)
    entry_parts = [np.zeros((4, 0))]
    for rows, probabilities in _error_probabilities(label_view, expected, rates, requested):
        positions = np.nonzero((probabilities > 0) & (probabilities.astype(expected.dtype) >= min_probability))
        entry_parts.append(
            np.stack(
                [
                    positions[0] + rows.start,
                    label_view.columns[positions[1]],
                    probabilities[positions],
                    expected[rows][positions],
                ]
            )
        )
    row, column, probabilities, expectation = np.concatenate(entry_parts, axis=1)
    order = np.lexsort((column, row, -probabilities))[:max_entries]
    row, column = row[order].astype(np.int64), column[order].astype(np.int64)
    ids, worst_rows = np.asarray(ids), np.argsort(log_all_correct, kind="stable")
    return LabelErrors(
        row=row,
        ids=ids[row],
        label=column,
        recorded=entries.values[row, column],
        score=entries.predictions[row, column].astype(np.float64),
        expected=expit(expectation[order]),
        suspicion=probabilities[order],
        n_wrong=n_wrong,
        n_known=int(entries.known_per_label()[requested].sum()),
        left_out=constant,
        space=space,
        _entries=entries,
        _rows=SuspiciousRows(
            worst_rows,
            ids[worst_rows],
            -np.expm1(log_all_correct[worst_rows]),
            worst[worst_rows],
            n_suspicious[worst_rows],
        ),
    )


def _expected_logits(view: LabelView) -> np.ndarray:
    """Logits of the probability that each entry is recorded as present (n, k), in the floating type of the scores."""
    # A logistic regression, one for all labels, on the score's logit, the lift by the row's other labels, and the
    # label's share; learned on evenly spaced rows where there are very many.
    lifts = _lifts(view)
    prior = logit(view.entries.prevalence()[view.columns])
    stride = -(-lifts.size // MAX_EXAMPLES)

    def regressors(rows: slice, scores: np.ndarray, step: int = 1) -> np.ndarray:
        score_logits = logit(np.clip(scores[::step], _MIN_PROBABILITY, 1 - _MIN_PROBABILITY))
        return np.stack(
            [score_logits, lifts[rows][::step], np.broadcast_to(prior, score_logits.shape), np.ones_like(score_logits)],
            axis=-1,
        )

    outcomes = np.concatenate([values[::stride][known[::stride]] for _, values, known, _ in view])
    examples = np.concatenate([regressors(rows, scores, stride)[known[::stride]] for rows, _, known, scores in view])
    coefficients = _fit_logistic(examples, outcomes)
    for rows, _, _, scores in view:
        lifts[rows] = regressors(rows, scores) @ coefficients
    return lifts


def _fit_logistic(regressors: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
    """Coefficients (t,) of a logistic regression of bool outcomes (b,) on terms (b, t), drawn slightly to 0."""

    def loss(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        logits = regressors @ coefficients
        losses = np.logaddexp(0.0, np.where(outcomes, -logits, logits))
        return float(losses.sum() + coefficients @ coefficients / 2), (
            expit(logits) - outcomes
        ) @ regressors + coefficients

    def hessian(coefficients: np.ndarray) -> np.ndarray:
        probabilities = expit(regressors @ coefficients)
        return (regressors * (probabilities * (1 - probabilities))[:, None]).T @ regressors + np.eye(len(coefficients))

    start = np.zeros(regressors.shape[1])
    return minimize(loss, start, jac=True, hess=hessian, method="trust-exact", options={"gtol": 1e-6}).x


def _lifts(view: LabelView) -> np.ndarray:
    """Deviation of each label from its score that the other labels of its row make expected (n, k)."""
    # Deviations (target - score) are taken as jointly normal: each is linear in the row's others, read off the inverse
    # of their scatter, without the row itself by a rank-one update. An unknown entry deviates by 0.
    n_columns = len(view.columns)
    scatter, spread = np.zeros((n_columns, n_columns)), np.zeros(n_columns)
    for _, values, known, scores in view:
        deviations = np.where(known, values - scores, 0.0)
        scatter += deviations.T @ deviations
        spread += (scores * (1 - scores)).sum(axis=0, where=known)
    n_known = view.entries.known_per_label()[view.columns]
    scatter[np.diag_indices(n_columns)] += PSEUDO_ROWS * np.maximum(spread / n_known, _MIN_PROBABILITY)
    inverse = cho_solve(cho_factor(scatter), np.eye(n_columns))
    inverse_diagonal = np.diag(inverse)
    lifts = np.zeros((len(view.entries.values), n_columns), dtype=view.entries.predictions.dtype)
    for rows, values, known, scores in view:
        deviations = np.where(known, values - scores, 0.0)
        projected = deviations @ inverse
        residual_share = 1.0 - (projected * deviations).sum(axis=1, keepdims=True)
        lifts[rows] = deviations - projected / (residual_share * inverse_diagonal + projected**2)
    return lifts


def _error_probabilities(
    view: LabelView, expected: np.ndarray, rates: NoiseRates, requested: np.ndarray
) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows and the probability of each entry to be wrong, float64 (b, k); 0 where unknown or not asked for."""
    is_requested = np.isin(view.columns, requested)
    for rows, values, known, _ in view:
        yield rows, np.where(known & is_requested, rates.error_probability(values, expected[rows]), 0.0)


def _kth_largest(values: np.ndarray, k: int) -> float:
    """The smallest of the highest `k` probabilities; the order of the array is lost."""
    k = min(k, values.size)
    if k == 0:
        return np.inf
    values.partition(values.size - k)
    return float(values[values.size - k])
