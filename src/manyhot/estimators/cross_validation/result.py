"""What a cross-validation comes back with: scores per fold, what they say together, and two settings side by side.

It holds numbers only and renders them; nothing is trained here. Start reading at `CrossValidation`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from manyhot import validation
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.estimators.cross_validation.corrected_t_test import corrected_scale, interval, share_above_zero
from manyhot.estimators.cross_validation.splits import Split
from manyhot.evaluation.charts import save, spread
from manyhot.evaluation.metrics import MEASURES, Score
from manyhot.evaluation.report.measure import plain
from manyhot.evaluation.report.text import table

AT = ("own", "half")
LEVEL = 0.95
SURE = 0.95
"""From this probability on the comparison names a better side."""


OWN_HEADING = {
    "half": "At 0.5",
    "top_k": "With the labels of the highest scores answered",
}
"""What stands above the measures, for decisions that learn nothing."""
TUNED_HEADING = "At the thresholds for {} that each fold tuned inside its training rows"
LABEL_COLUMNS = {"precision": "precision", "recall": "recall", "f1": "F1", "average_precision": "AP", "roc_auc": "AUC"}
WITH_SPREAD = ("f1", "average_precision", "roc_auc")
LABELS_SHOWN, NAME_WIDTH = 20, 24


class FoldScores(NamedTuple):
    """One fold's test rows.

    Attributes:
        scores: float (t, l).
        decisions: bool (t, l), at the fold's own thresholds.
        thresholds: float (l,), or None for decisions without thresholds.
        own: Measure -> score at the fold's own thresholds.
        half: Measure -> score at 0.5.
        labels: Columns of length l by name, as `metrics.measure_labels` gives them.
    """

    scores: np.ndarray
    decisions: np.ndarray
    thresholds: np.ndarray | None
    own: Mapping[str, Score]
    half: Mapping[str, Score]
    labels: Mapping[str, Any]


@dataclass(frozen=True)
class CrossValidation:
    """Scores of a repeated cross-validation.

    Args:
        labels: Names of the l labels.
        targets: Targets (n, l) of all rows.
        splits: One per fold of all repeats, j of them.
        scores: "own" (thresholds tuned inside each fold) and "half" (0.5) -> measure -> float64 (j,), NaN where a fold
            could not be scored.
        baselines: Likewise, what an answer gets that never looks at the features.
        label_scores: Column of `metrics.measure_labels` -> float64 (j, l).
        thresholds: float64 (j, l), NaN where decisions have none.
        oof_scores: float32 or float64 (r, n, l), each row's score in each repeat by a model that never saw it.
        oof_decisions: bool (r, n, l), at the thresholds of the same model.
        is_tested: bool (r, n), whether a row was tested in a repeat.
        n_unscored: int64 (l,), folds without a known positive of a label, which could not score it.
        facts: TrainingConfig, seconds and how rows were split, as plain JSON values.
    """

    labels: tuple[str, ...]
    targets: Targets
    splits: Sequence[Split]
    scores: Mapping[str, Mapping[str, np.ndarray]]
    baselines: Mapping[str, Mapping[str, np.ndarray]]
    label_scores: Mapping[str, np.ndarray]
    thresholds: np.ndarray
    oof_scores: np.ndarray
    oof_decisions: np.ndarray
    is_tested: np.ndarray
    n_unscored: np.ndarray
    facts: Mapping[str, Any]

    @property
    def n_fits(self) -> int:
        """Folds of all repeats."""
        return len(self.splits)

    @property
    def test_share(self) -> float:
        """Test rows over training rows, on average."""
        return float(np.mean([len(split.test) / len(split.train) for split in self.splits]))

    def values(self, measure: str, at: str = "own") -> np.ndarray:
        """Score per fold, float64 (j,).

        Args:
            measure: A measured name of `metrics.MEASURES`.
            at: "own" or "half".
        """
        validation.one_of(AT, at=at)
        return self.scores[at][validation.one_of(self.scores[at], measure=measure)]

    def mean(self, measure: str, at: str = "own") -> float:
        """Mean over the folds that could be scored."""
        return corrected_scale(self.values(measure, at), self.test_share)[0]

    def std(self, measure: str, at: str = "own") -> float:
        """Standard deviation over the folds that could be scored."""
        values = self.values(measure, at)
        values = values[np.isfinite(values)]
        return float(values.std(ddof=1)) if len(values) > 1 else math.nan

    def interval(self, measure: str, at: str = "own", level: float = LEVEL) -> tuple[float, float]:
        """Interval of the mean, corrected for training rows that folds share.

        Args:
            measure: A measured name.
            at: "own" or "half".
            level: Share of the distribution inside, above 0 and below 1.

        Source:
            Nadeau and Bengio (2003); see `crossval.statistics`.
        """
        return interval(self.values(measure, at), self.test_share, validation.number(level=level, low=0.0, high=1.0))

    def compare(self, other: CrossValidation, at: str = "own") -> Comparison:
        """Which of two settings is better on the same folds, and how sure that is.

        Args:
            other: Another cross-validation of the same rows and folds.
            at: "own" or "half".

        Raises:
            InputError: Other folds.
        """
        same = len(self.splits) == len(other.splits) and all(
            np.array_equal(a.test, b.test) and np.array_equal(a.train, b.train)
            for a, b in zip(self.splits, other.splits, strict=True)
        )
        if not same:
            raise InputError("the other result comes from other folds; take the same rows, folds and seed")
        rows = {}
        for name in self.scores[at]:
            if name not in other.scores[at]:
                continue
            differences = self.values(name, at) - other.values(name, at)
            better = differences if MEASURES[name].higher_is_better else -differences
            finite = differences[np.isfinite(differences)]
            rows[name] = Difference(
                float(finite.mean()) if finite.size else math.nan,
                *interval(differences, self.test_share, LEVEL),
                share_above_zero(better, self.test_share),
            )
        return Comparison(at, rows)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the out-of-fold scores, as plain JSON values."""
        measures = {
            at: {
                name: {
                    "mean": self.mean(name, at),
                    "std": self.std(name, at),
                    "low": self.interval(name, at)[0],
                    "high": self.interval(name, at)[1],
                    "baseline": _mean(self.baselines[at][name]),
                    "folds": values,
                }
                for name, values in named.items()
            }
            for at, named in self.scores.items()
        }
        columns = {name: [_mean(column) for column in values.T] for name, values in self.label_scores.items()}
        labels = [
            {"label": label, **{name: column[j] for name, column in columns.items()}, "unscored": self.n_unscored[j]}
            for j, label in enumerate(self.labels)
        ]
        sizes = [len(split.test) for split in self.splits]
        return plain(
            {
                "rows": self.targets.n_samples,
                "fits": self.n_fits,
                "repeats": len(self.is_tested),
                "test_rows": [min(sizes), max(sizes)],
                "level": LEVEL,
                "measures": measures,
                "labels": labels,
                **self.facts,
            }
        )

    def plot(self, path: str | Path | None = None, at: str = "own") -> Any:
        """The spread of every measure over the folds, as a picture.

        Args:
            path: Where to: .svg, .png or .html; None only makes the chart.
            at: "own" or "half".

        Returns:
            An altair chart.
        """
        chart = spread({"": self.to_dict()}, at)
        return save(chart, path) if path is not None else chart

    def _labels_text(self) -> str:
        """Mean (and deviation) of each label over the folds, the most frequent labels first."""
        order = np.argsort(-self.label_scores["support"].sum(axis=0), kind="stable")
        rows = [_row_of_label(self, int(j)) for j in order[:LABELS_SHOWN]]
        text = table(["label", "support", *LABEL_COLUMNS.values()], rows)
        more = len(order) - len(rows)
        return f"{text}\n... and {more} rarer labels" if more else text

    def __str__(self) -> str:
        document = self.to_dict()
        low, high = document["test_rows"]
        tested = f"{low}" if low == high else f"{low} to {high}"
        decision = self.facts["plan"]["decide"]
        repeats = f"{document['repeats']} repeat{'s' * (document['repeats'] > 1)}"
        parts = [
            f"{document['fits']} fits ({repeats}) on {document['rows']} rows, {tested} tested in each; "
            f"{document['seconds']:.1f} s",
            OWN_HEADING.get(decision, TUNED_HEADING.format(decision)) + _rows(document, "own"),
        ]
        at_half = {name for name in self.scores["half"] if MEASURES[name].needs == "decisions"}
        if decision != "half" and at_half:
            parts.append("At 0.5" + _rows(document, "half", at_half))
        parts.append(self._labels_text())
        unscored = int((self.n_unscored > 0).sum())
        if unscored:
            most = self.labels[int(self.n_unscored.argmax())]
            parts.append(
                f"{unscored} labels lack a positive in some fold, which could not score them; most often {most!r}, in "
                f"{int(self.n_unscored.max())} of {self.n_fits} folds."
            )
        return "\n\n".join(parts)


def _row_of_label(result: CrossValidation, j: int) -> list[str]:
    name = result.labels[j]
    cells = [f"{_mean(result.label_scores['support'][:, j]) * result.n_fits / len(result.is_tested):.0f}"]
    for column in LABEL_COLUMNS:
        values = result.label_scores[column][:, j]
        values = values[np.isfinite(values)]
        spread = f" ({values.std():.3f})" if values.size and column in WITH_SPREAD else ""
        cells.append(f"{values.mean():.3f}{spread}" if values.size else "-")
    return [name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 1]}\N{HORIZONTAL ELLIPSIS}", *cells]


def _rows(document: Mapping[str, Any], at: str, only: set[str] | None = None) -> str:
    header = ["measure", "better", "mean", "std", f"{document['level']:.0%} interval", "baseline"]
    lines = []
    for name, row in document["measures"][at].items():
        if only is not None and name not in only:
            continue
        spread = "" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"
        direction = "higher" if MEASURES[name].higher_is_better else "lower"
        lines.append([name, direction, _shown(row["mean"]), _shown(row["std"]), spread, _shown(row["baseline"])])
    return "\n" + table(header, lines)


class Difference(NamedTuple):
    """One measure of two settings on the same folds.

    Attributes:
        value: Mean difference, this minus the other.
        low: Lower end of its corrected interval.
        high: Upper end.
        is_better: Probability that this one is better.
    """

    value: float
    low: float
    high: float
    is_better: float


@dataclass(frozen=True)
class Comparison:
    """Two settings on the same folds.

    Args:
        at: "own" or "half".
        measures: Measure -> difference.

    Source:
        Corani and Benavoli (2015), the correlated t-test; see `crossval.statistics`.
    """

    at: str
    measures: Mapping[str, Difference]

    def verdict(self, measure: str) -> str:
        """ "this", "other" or "unsure", by a probability of 95 % or more."""
        probability = self.measures[validation.one_of(self.measures, measure=measure)].is_better
        return "this" if probability >= SURE else "other" if probability <= 1 - SURE else "unsure"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        rows = {name: {**row._asdict(), "verdict": self.verdict(name)} for name, row in self.measures.items()}
        return plain({"at": self.at, "level": LEVEL, "measures": rows})

    def __str__(self) -> str:
        words = {"this": "this is better", "other": "the other is better", "unsure": "cannot be told"}
        lines = []
        for name, row in self.measures.items():
            spread_text = f"{row.low:+.4f} to {row.high:+.4f}"
            lines.append([name, f"{row.value:+.4f}", spread_text, f"{row.is_better:.0%}", words[self.verdict(name)]])
        return table(["measure", "difference", f"{LEVEL:.0%} interval", "this is better", "so"], lines)


def gathered(
    labels: LabelSpace, targets: Targets, splits: Sequence[Split], folds: Sequence[FoldScores], facts: Mapping[str, Any]
) -> CrossValidation:
    """The folds' scores put together."""
    n_repeats = 1 + max(split.repeat for split in splits)
    n, n_labels = targets.n_samples, targets.n_labels
    oof = np.full((n_repeats, n, n_labels), np.nan, dtype=folds[0].scores.dtype)
    decisions = np.zeros((n_repeats, n, n_labels), dtype=bool)
    is_tested = np.zeros((n_repeats, n), dtype=bool)
    for split, fold in zip(splits, folds, strict=True):
        oof[split.repeat, split.test] = fold.scores
        decisions[split.repeat, split.test] = fold.decisions
        is_tested[split.repeat, split.test] = True
    kept = [name for name, column in folds[0].labels.items() if name not in ("label", "threshold")]
    columns = {name: np.array([fold.labels[name] for fold in folds], dtype=np.float64) for name in kept}
    nothing = np.full(n_labels, np.nan)
    return CrossValidation(
        labels.names,
        targets,
        splits,
        {at: _by_measure([getattr(fold, at) for fold in folds], "value") for at in AT},
        {at: _by_measure([getattr(fold, at) for fold in folds], "baseline") for at in AT},
        columns,
        np.array([nothing if fold.thresholds is None else fold.thresholds for fold in folds]),
        oof,
        decisions,
        is_tested,
        (columns["support"] == 0).sum(axis=0),
        facts,
    )


def _by_measure(folds: Sequence[Mapping[str, Score]], field: str) -> dict[str, np.ndarray]:
    def number(score: Score) -> float:
        value = getattr(score, field)
        return math.nan if value is None else float(value)

    return {name: np.array([number(fold[name]) for fold in folds]) for name in folds[0]}


def _mean(values: np.ndarray) -> float:
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    return float(finite.mean()) if finite.size else math.nan


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
