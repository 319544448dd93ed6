"""The results of a cross-validation: scores per fold and their summary."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from manyhot import display, validation
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.estimators.cross_validation.comparison import LEVEL, REPR_METRICS, Comparison, Difference
from manyhot.estimators.cross_validation.corrected_t_test import corrected_scale, interval, probability_above_zero
from manyhot.estimators.cross_validation.splits import Split
from manyhot.evaluation.charts import Chart, plot_cv_scores, save_chart
from manyhot.evaluation.metrics import METRICS, Score, metric_names
from manyhot.evaluation.metrics.registry import is_informative, main_metrics
from manyhot.evaluation.report.measure import to_json_value
from manyhot.evaluation.report.text import pluralize, table

AT = ("decision", "fixed")

# headings of the metrics for decisions without tuned thresholds
UNTUNED_HEADINGS = {
    "fixed": "At a threshold of {threshold}",
    "top_k": "Predicting the labels with the highest scores",
}
TUNED_HEADING = "At thresholds tuned for {decision} on each fold's training rows"
LABEL_COLUMNS = {"precision": "precision", "recall": "recall", "f1": "F1", "average_precision": "AP", "roc_auc": "AUC"}
WITH_SPREAD = ("f1", "average_precision", "roc_auc")
LABELS_SHOWN, NAME_WIDTH = 20, 24
_SUMMARY = ("mean", "std", "low", "high", "baseline")


class FoldScores(NamedTuple):
    """Scores and decisions on one fold's test rows."""

    scores: np.ndarray  # float (t, l)
    decisions: np.ndarray  # bool (t, l), at the fold's thresholds
    thresholds: np.ndarray | None  # float (l,), or None for decisions without thresholds
    decision: Mapping[str, Score]  # metric -> score at the fold's thresholds
    fixed: Mapping[str, Score]  # metric -> score at 0.5
    labels: Mapping[str, Any]  # columns of `compute_label_metrics`


@dataclass(frozen=True)
class CrossValidation:
    """Scores of a repeated cross-validation: n rows, l labels, j folds, r repeats."""

    labels: tuple[str, ...]
    targets: Targets  # (n, l), of all rows
    splits: Sequence[Split]
    scores: Mapping[str, Mapping[str, np.ndarray]]  # "decision", "fixed" -> metric -> float64 (j,); NaN: not scored
    baselines: Mapping[str, Mapping[str, np.ndarray]]  # likewise, of a prediction that ignores the features
    label_scores: Mapping[str, np.ndarray]  # column of `compute_label_metrics` -> float64 (j, l)
    thresholds: np.ndarray  # float64 (j, l), NaN where decisions have none
    oof_scores: np.ndarray  # float (r, n, l), each row scored by a model not trained on it
    oof_decisions: np.ndarray  # bool (r, n, l), at the thresholds of the same model
    is_tested: np.ndarray  # bool (r, n), whether a row was tested in a repeat
    n_unscored: np.ndarray  # int64 (l,), folds without a known positive of the label
    facts: Mapping[str, Any]  # `config`, `seconds`, `stratify`

    @property
    def n_fits(self) -> int:
        """Number of fits: the folds of all repeats."""
        return len(self.splits)

    @property
    def test_share(self) -> float:
        """Mean ratio of test rows to training rows."""
        return float(np.mean([len(split.test) / len(split.train) for split in self.splits]))

    def values(self, metric: str, at: str = "decision") -> np.ndarray:
        """Score per fold, float64 (j,).

        Args:
            metric: Name of a computed metric, from `metrics.METRICS`.
            at: "decision" or "fixed".
        """
        validation.one_of(AT, at=at)
        return self.scores[at][validation.one_of(self.scores[at], metric=metric)]

    def mean(self, metric: str, at: str = "decision") -> float:
        """Mean over the folds that could be scored."""
        return corrected_scale(self.values(metric, at), self.test_share)[0]

    def std(self, metric: str, at: str = "decision") -> float:
        """Standard deviation over the folds that could be scored."""
        values = self.values(metric, at)
        values = values[np.isfinite(values)]
        return float(values.std(ddof=1)) if len(values) > 1 else math.nan

    def interval(self, metric: str, at: str = "decision", level: float = LEVEL) -> tuple[float, float]:
        """Confidence interval of the mean, corrected for the overlap of training rows between folds.

        It is cut to the range of the metric: none reaches below 0 or above 1.

        Args:
            metric: Name of a computed metric.
            at: "decision" or "fixed".
            level: Confidence level, above 0 and below 1.

        Source:
            Nadeau and Bengio (2003); see `corrected_t_test`.
        """
        level = validation.number(level=level, low=0.0, high=1.0)
        low, high = interval(self.values(metric, at), self.test_share, level)
        return max(low, 0.0), min(high, METRICS[metric].upper_bound)

    def compare(self, other: CrossValidation, at: str = "decision") -> Comparison:
        """Compare with another result on the same folds: which is better, and with what probability.

        Args:
            other: Another cross-validation of the same rows and folds.
            at: "decision" or "fixed".

        Raises:
            InputError: The folds differ.
        """
        if not isinstance(other, CrossValidation):
            raise InputError(
                f"expected the result of another cross-validation, got {validation.shorten(other)}; compare "
                "decisions with a threshold of 0.5 by `values(metric, at='fixed')`",
                argument="other",
            )
        has_same_folds = len(self.splits) == len(other.splits) and all(
            np.array_equal(a.test, b.test) and np.array_equal(a.train, b.train)
            for a, b in zip(self.splits, other.splits, strict=True)
        )
        if not has_same_folds:
            raise InputError(
                "the results come from different folds; use the same rows, n_splits, n_repeats and random_state"
            )
        rows = {}
        informative = [name for name in self.scores[at] if is_informative(name, len(self.labels))]
        for name in [name for name in informative if name in other.scores[at]]:
            differences = self.values(name, at) - other.values(name, at)
            better = differences if METRICS[name].higher_is_better else -differences
            bound = METRICS[name].upper_bound
            low, high = interval(differences, self.test_share, LEVEL)
            ends = max(low, -bound), min(high, bound)
            rows[name] = Difference(_mean(differences), *ends, probability_above_zero(better, self.test_share))
        return Comparison(at, rows, self._shown_metrics(all_metrics=False))

    def to_dict(self) -> dict[str, Any]:
        """All results except the out-of-fold scores, as plain JSON values."""
        metrics = {at: {name: self._summary(name, at) for name in named} for at, named in self.scores.items()}
        columns = {name: [_mean(column) for column in values.T] for name, values in self.label_scores.items()}
        labels = [
            {"label": label, **{name: column[j] for name, column in columns.items()}, "n_unscored": self.n_unscored[j]}
            for j, label in enumerate(self.labels)
        ]
        sizes = [len(split.test) for split in self.splits]
        return to_json_value(
            {
                "rows": self.targets.n_samples,
                "n_fits": self.n_fits,
                "n_repeats": len(self.is_tested),
                "test_rows": [min(sizes), max(sizes)],
                "level": LEVEL,
                "metrics": metrics,
                "labels": labels,
                **self.facts,
            }
        )

    def _summary(self, metric: str, at: str) -> dict[str, Any]:
        low, high = self.interval(metric, at)
        return {
            "mean": self.mean(metric, at),
            "std": self.std(metric, at),
            "low": low,
            "high": high,
            "baseline": _mean(self.baselines[at][metric]),
            "folds": self.scores[at][metric],
        }

    def plot(self, path: str | Path | None = None, at: str = "decision") -> Chart:
        """Plot the scores of every metric over the folds.

        Args:
            path: File to write (.svg, .png or .html); None only returns the chart.
            at: "decision" or "fixed".

        Returns:
            A `Chart`, which a notebook shows as a picture; its Altair chart is `.altair`.

        Raises:
            InputError: Another suffix, or the extra `pictures` is not installed.
            OutputError: A folder that is not there.
        """
        return save_chart(plot_cv_scores({"": self.to_dict()}, at), path)

    def _shown_metrics(self, all_metrics: bool) -> list[str]:
        """The metrics of the tables, without those that say nothing of so few labels."""
        names = [name for name in self.scores["decision"] if is_informative(name, len(self.labels))]
        is_chosen = not set(metric_names(has_taxonomy=False)) <= set(self.scores["decision"])
        return names if all_metrics or is_chosen else [name for name in names if name in main_metrics(True)]

    def __repr__(self) -> str:
        figures, computed = [], list(self.scores["decision"])
        for name in [name for name in REPR_METRICS if name in computed] or computed[:1]:
            low, high = self.interval(name)
            figures.append(f"{name} {self.mean(name):.3f} ({low:.3f} to {high:.3f})")
        size = f"{self.n_fits} fits, {self.targets.n_samples} rows, {len(self.labels)} labels"
        return display.short_repr("CrossValidation", "; ".join([size, *figures]))

    def _repr_html_(self) -> str:
        document, shown = self.to_dict(), self._shown_metrics(all_metrics=False)
        rows = [
            (METRICS[name].title.format(k=5), *(row[key] for key in _SUMMARY), METRICS[name].better)
            for name, row in document["metrics"]["decision"].items()
            if name in shown
        ]
        frequent = sorted(document["labels"], key=lambda row: -(row["support"] or 0))
        labels = [(row["label"], *(row[column] for column in LABEL_COLUMNS)) for row in frequent[:LABELS_SHOWN]]
        level = f"{document['level']:.0%}"
        return display.section(
            display.paragraph(f"{self.n_fits} fits", f"on {self.targets.n_samples} rows, {len(self.labels)} labels"),
            display.table(("metric", "mean", "std", f"{level} from", "to", "baseline", "better"), rows),
            display.table(("label", *LABEL_COLUMNS.values()), labels, len(frequent), "labels, less frequent"),
            "<div>As a picture: <code>.plot()</code>; every metric: <code>.to_text(all_metrics=True)</code></div>",
        )

    def _label_table(self) -> str:
        """Mean (and standard deviation) of each label's scores over the folds, most frequent labels first."""
        order = np.argsort(-self.label_scores["support"].sum(axis=0), kind="stable")
        rows = [_label_row(self, int(j)) for j in order[:LABELS_SHOWN]]
        text = table(["label", "support", *LABEL_COLUMNS.values()], rows)
        more = len(order) - len(rows)
        return f"{text}\n... and {pluralize(more, 'rarer label')}" if more else text

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, all_metrics: bool = False) -> str:
        """The results as text for a terminal.

        Args:
            all_metrics: Whether all metrics are shown, not only the six that most people look at; where metrics were
                chosen, they are shown anyway.
        """
        document = self.to_dict()
        shown = self._shown_metrics(all_metrics)
        low, high = document["test_rows"]
        tested = f"{low}" if low == high else f"{low} to {high}"
        decision = self.facts["config"]["decision"]
        threshold = (self.facts["config"]["decision_params"] or {}).get("threshold", 0.5)
        parts = [
            f"{pluralize(document['n_fits'], 'fit')} ({pluralize(document['n_repeats'], 'repeat')}) on "
            f"{pluralize(document['rows'], 'row')}, {tested} test {'row' if tested == '1' else 'rows'} each; "
            f"{document['seconds']:.1f} s",
            UNTUNED_HEADINGS.get(decision, TUNED_HEADING).format(decision=decision, threshold=threshold)
            + _metric_table(document, "decision", shown),
        ]
        decision_metrics = {name for name in shown if METRICS[name].needs == "decisions"}
        if decision != "fixed" and decision_metrics:
            parts.append(
                UNTUNED_HEADINGS["fixed"].format(threshold=0.5) + _metric_table(document, "fixed", decision_metrics)
            )
        if len(shown) < len(self.scores["decision"]) and not all_metrics:
            parts.append("All metrics: --all; in Python, result.to_text(all_metrics=True).")
        parts.append(self._label_table())
        unscored = int((self.n_unscored > 0).sum())
        if unscored:
            label = self.labels[int(self.n_unscored.argmax())]
            parts.append(
                f"Labels not scored in some folds, for lack of positives: {unscored}; most often "
                f"{label!r} ({int(self.n_unscored.max())} of {self.n_fits} folds)."
            )
        return "\n\n".join(parts)


def _label_row(result: CrossValidation, j: int) -> list[str]:
    name = result.labels[j]
    cells = [f"{_mean(result.label_scores['support'][:, j]) * result.n_fits / len(result.is_tested):.0f}"]
    for column in LABEL_COLUMNS:
        values = result.label_scores[column][:, j]
        values = values[np.isfinite(values)]
        spread = f" ({values.std():.3f})" if values.size and column in WITH_SPREAD else ""
        cells.append(f"{values.mean():.3f}{spread}" if values.size else "-")
    return [name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 1]}\N{HORIZONTAL ELLIPSIS}", *cells]


def _metric_table(document: Mapping[str, Any], at: str, names: Collection[str]) -> str:
    header = ["metric", "better", "mean", "std", f"{document['level']:.0%} interval", "baseline"]
    rows = []
    for name, row in document["metrics"][at].items():
        if name in names:
            interval_text = "" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"
            mean, std, baseline = ("" if row[key] is None else f"{row[key]:.3f}" for key in ("mean", "std", "baseline"))
            rows.append([name, METRICS[name].better, mean, std, interval_text, baseline])
    return "\n" + table(header, rows)


def collect_results(
    labels: LabelSpace, targets: Targets, splits: Sequence[Split], folds: Sequence[FoldScores], facts: Mapping[str, Any]
) -> CrossValidation:
    """Combine the scores of all folds into one result."""
    n_repeats = 1 + max(split.repeat for split in splits)
    n, n_labels = targets.n_samples, targets.n_labels
    oof_scores = np.full((n_repeats, n, n_labels), np.nan, dtype=folds[0].scores.dtype)
    decisions = np.zeros((n_repeats, n, n_labels), dtype=bool)
    is_tested = np.zeros((n_repeats, n), dtype=bool)
    for split, fold in zip(splits, folds, strict=True):
        oof_scores[split.repeat, split.test] = fold.scores
        decisions[split.repeat, split.test] = fold.decisions
        is_tested[split.repeat, split.test] = True
    column_names = [name for name, column in folds[0].labels.items() if name not in ("label", "threshold")]
    columns = {name: np.array([fold.labels[name] for fold in folds], dtype=np.float64) for name in column_names}
    return CrossValidation(
        labels.names,
        targets,
        splits,
        {at: _stack_scores([getattr(fold, at) for fold in folds], "value") for at in AT},
        {at: _stack_scores([getattr(fold, at) for fold in folds], "baseline") for at in AT},
        columns,
        np.array([np.full(n_labels, np.nan) if fold.thresholds is None else fold.thresholds for fold in folds]),
        oof_scores,
        decisions,
        is_tested,
        (columns["support"] == 0).sum(axis=0),
        facts,
    )


def _stack_scores(folds: Sequence[Mapping[str, Score]], field: str) -> dict[str, np.ndarray]:
    return {name: np.array([getattr(fold[name], field) for fold in folds], dtype=float) for name in folds[0]}


def _mean(values: np.ndarray) -> float:
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    return float(finite.mean()) if finite.size else math.nan
