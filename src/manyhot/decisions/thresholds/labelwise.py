"""Thresholds that each label finds for itself: F-beta, Hamming loss, costs, a wanted precision or recall.

Every cut of a label is rated exactly, so each threshold is the optimum on the scores it is fitted on, unless it is
pulled towards a shared one. Nothing here looks at two labels of one row together. Start reading at `LabelwiseDecision`.

Rules that hold for all: the threshold of a cut lies midway between the lowest score it answers and the next lower known
one; of equally good cuts the one whose threshold is nearest to 0.5 is taken, and of two equally near ones the higher.
Labels whose known targets do not vary say nothing about a cut: without a known positive the threshold is 1 (answered
only by a score of exactly 1), and with nothing but positives it is 0 (always answered).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from manyhot import validation
from manyhot.data.targets import Targets
from manyhot.decisions.thresholds.base import Decision
from manyhot.decisions.thresholds.cuts import Cuts, best_cut, compute_cuts, iterate_columns
from manyhot.decisions.thresholds.shrinkage import (
    COST_SHRINK,
    F1_SHRINK,
    best_shared_threshold,
    count_predictions,
    shrink_thresholds,
    shrink_to_half,
    threshold_candidates,
)
from manyhot.decisions.thresholds.thresholds import ALWAYS, NEVER, Thresholds
from manyhot.errors import InputError
from manyhot.evaluation.metrics import counts
from manyhot.evaluation.metrics.score import Entries, score_entries


def constant_thresholds(entries: Entries) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thresholds of the labels that do not vary, with room for the others.

    Returns:
        Thresholds, float64 (l,), `ALWAYS` where all known entries are positive and else `NEVER`; bool (l,), the
        labels that vary; int64 (l,), the known positives of each.
    """
    support, n_known = entries.values.sum(axis=0, dtype=np.int64), entries.known_per_label()
    varying = (support > 0) & (support < n_known)
    return np.where((support > 0) & ~varying, ALWAYS, NEVER), varying, support


class LabelwiseDecision(Decision):
    """The part that the decisions of this file share: rate every cut of a label, take the best.

    A subclass rates cuts in `quality`. With a `shrink` above 0, the thresholds of labels with few positives are pulled
    towards the `centre`, by default the shared threshold of the highest total quality (see `shrinkage.py`).
    """

    shrink: float = 0.0

    @abstractmethod
    def quality(self, hits: np.ndarray, n_predicted: np.ndarray, n_positives: int, label: int) -> np.ndarray:
        """How good cuts of one label are, higher is better.

        Args:
            hits: Positives answered, int64 (c,).
            n_predicted: Known entries answered, int64 (c,).
            n_positives: Known positives.
            label: Its place.

        Returns:
            (c,), whole numbers or float64.
        """

    def fit(self, scores: np.ndarray, targets: Targets) -> Self:
        """Find every label's threshold, in n log(n) per label."""
        entries = score_entries(targets, scores)
        self.check_labels(entries.shape[1])
        thresholds, varying, support = constant_thresholds(entries)
        centre: float | np.ndarray | None = self.centre(entries.shape[1])
        is_shared = self.shrink > 0 and centre is None and bool(varying.any())
        candidates = threshold_candidates(entries, varying) if is_shared else np.zeros(0)
        total: np.ndarray | float = 0.0
        for column in iterate_columns(entries, np.flatnonzero(varying)):
            thresholds[column.label] = self._best_threshold(compute_cuts(column.values, column.scores), column.label)
            if is_shared:
                hits, n_predicted = count_predictions(column.values, column.scores, candidates)
                total = total + self.quality(hits, n_predicted, int(support[column.label]), column.label)
        if is_shared:
            shared = best_shared_threshold(entries, varying, candidates, np.asarray(total))
            centre = shrink_to_half(shared, int(support.sum()), self.shrink)
        if centre is not None:
            thresholds = shrink_thresholds(thresholds, support, entries.known_per_label(), centre, self.shrink)
        self.thresholds, self.spread = Thresholds(thresholds), None
        return self

    def centre(self, n_labels: int) -> np.ndarray | None:
        """What thresholds are pulled towards, float64 (l,); None for the best shared one."""
        return None

    def check_labels(self, n_labels: int) -> None:
        """Refuse settings that are for another number of labels."""

    def _best_threshold(self, cuts: Cuts, label: int) -> float:
        best = best_cut(self.quality(cuts.hits, cuts.n_predicted, cuts.n_positives, label), cuts.thresholds)
        return float(cuts.thresholds[best])


class FbetaMacro(LabelwiseDecision):
    """The threshold of each label that maximises its F-beta on the scores it is fitted on.

    Macro F-beta is the mean over labels, so each label has its optimum for itself, computed exactly for every cut.
    The thresholds for macro Jaccard, F1 / (2 - F1) of each label, are those of F1.

    A label with few positives may find its best cut absurdly low, when its scores rank badly: answering nearly
    everything has an F1 of 2p / (1 + p) at prevalence p, and a useless ranking has nothing better. `min_fbeta` and
    `shrink` guard against that; with both at 0 the thresholds are the exact optimum.

    Args:
        beta: Recall counts beta times as much as precision; above 0.
        min_fbeta: A label whose best F-beta stays below this is not trusted: its threshold is its highest known
            score, so that only scores at least as high as any seen are answered. 0 (off) to 1.
        shrink: How many positives the best shared threshold counts for in each label's own, from 0 (off).

    Raises:
        InputError: An argument outside its range.

    Source:
        van Rijsbergen (1979), Information retrieval, ch. 7 (F-beta); Yang (2001), A study on thresholding strategies,
        SCut and its variant FBR.1 (`min_fbeta`); Fan, Lin (2007), A study on threshold selection for multi-label
        classification. The choice among equal cuts and the shrinkage are our own.
    """

    name: ClassVar[str] = "fbeta_macro"

    def __init__(self, beta: float = 1.0, min_fbeta: float = 0.0, shrink: float = F1_SHRINK) -> None:
        self.beta = validation.positive(beta=beta)
        self.min_fbeta = validation.number(min_fbeta=min_fbeta, low=0.0, high=1.0)
        self.shrink = validation.number(shrink=shrink, low=0.0)

    def quality(self, hits: np.ndarray, n_predicted: np.ndarray, n_positives: int, label: int) -> np.ndarray:
        """F-beta of each cut. Fractions of whole numbers that are equal give the same float for beta = 1."""
        return counts.f_beta(hits, n_predicted, n_positives, self.beta)

    def _best_threshold(self, cuts: Cuts, label: int) -> float:
        fbeta = self.quality(cuts.hits, cuts.n_predicted, cuts.n_positives, label)
        best = best_cut(fbeta, cuts.thresholds)
        return cuts.highest if fbeta[best] < self.min_fbeta else float(cuts.thresholds[best])


class F1Macro(FbetaMacro):
    """The threshold of each label that maximises its F1 on the scores it is fitted on: `FbetaMacro` at beta = 1.

    Args:
        min_f1: As `min_fbeta` there; 0.1 is common.
        shrink: How many positives the best shared threshold counts for in each label's own, from 0 (off).

    Raises:
        InputError: An argument outside its range.

    Source:
        Yang (2001), A study on thresholding strategies, SCut and its variant FBR.1 (`min_f1`).
    """

    name: ClassVar[str] = "f1_macro"
    config_fields: ClassVar[Mapping[str, str]] = {"min_f1": "min_f1"}

    def __init__(self, min_f1: float = 0.0, shrink: float = F1_SHRINK) -> None:
        self.min_f1 = validation.number(min_f1=min_f1, low=0.0, high=1.0)
        super().__init__(1.0, self.min_f1, shrink)


class Cost(LabelwiseDecision):
    """The threshold of each label at which wrong answers cost least: misses and false alarms at prices of their own.

    Where scores are probabilities that can be trusted, this comes close to false_positive_cost / (false_negative_cost +
    false_positive_cost); where they are not, it corrects them.

    Args:
        false_negative_cost: What a positive costs that is not answered: a number above 0, or one per label.
        false_positive_cost: What a negative costs that is answered: a number above 0, or one per label.
        shrink: How many positives the threshold for trusted probabilities counts for in each label's own, from 0 (off:
            the exact optimum).

    Raises:
        InputError: An argument outside its range; in `fit`, costs for another number of labels.

    Source:
        Elkan (2001), The foundations of cost-sensitive learning, equation 2, for the case of trusted probabilities.
    """

    name: ClassVar[str] = "cost"

    def __init__(
        self,
        false_negative_cost: float | Sequence[float] = 1.0,
        false_positive_cost: float | Sequence[float] = 1.0,
        shrink: float = COST_SHRINK,
    ) -> None:
        self.false_negative_cost = _parse_costs("false_negative_cost", false_negative_cost)
        self.false_positive_cost = _parse_costs("false_positive_cost", false_positive_cost)
        self.shrink = validation.number(shrink=shrink, low=0.0)

    def quality(self, hits: np.ndarray, n_predicted: np.ndarray, n_positives: int, label: int) -> np.ndarray:
        """The cost of each cut, negative."""
        misses, false_alarms = n_positives - hits, n_predicted - hits
        return -(
            _label_value(self.false_negative_cost, label) * misses
            + _label_value(self.false_positive_cost, label) * false_alarms
        )

    def centre(self, n_labels: int) -> np.ndarray:
        """The best thresholds where scores are probabilities that can be trusted."""
        miss, false_alarm = np.asarray(self.false_negative_cost), np.asarray(self.false_positive_cost)
        return np.broadcast_to(false_alarm / (miss + false_alarm), (n_labels,))

    def check_labels(self, n_labels: int) -> None:
        """Refuse costs for another number of labels."""
        _check_n_values("false_negative_cost", self.false_negative_cost, n_labels)
        _check_n_values("false_positive_cost", self.false_positive_cost, n_labels)


class Hamming(Cost):
    """The threshold of each label with the fewest wrong answers on the scores it is fitted on: `Cost` at equal costs.

    Args:
        shrink: How many positives 0.5 counts for in each label's own threshold, from 0 (off).

    Raises:
        InputError: `shrink` below 0.
    """

    name: ClassVar[str] = "hamming"

    def __init__(self, shrink: float = COST_SHRINK) -> None:
        super().__init__(1.0, 1.0, shrink)


class Precision(LabelwiseDecision):
    """The lowest cut of each label at which the wanted share of its yes answers was right.

    This describes the scores it is fitted on and is no guarantee for others: of many cuts, the one that just reaches
    the share is taken, and luck helps in reaching it. Expect less on new rows, most of all for labels with few
    positives. Only cuts just below a positive count, because going lower than that answers nothing right in addition.
    A label that reaches the share at no cut is never answered (threshold 1).

    Args:
        min_precision: The wanted precision, 0 to 1, or one per label.

    Raises:
        InputError: A precision outside [0, 1]; in `fit`, for another number of labels.
    """

    name: ClassVar[str] = "precision"

    def __init__(self, min_precision: float | Sequence[float]) -> None:
        self.min_precision = _parse_fractions("min_precision", min_precision)

    def quality(self, hits: np.ndarray, n_predicted: np.ndarray, n_positives: int, label: int) -> np.ndarray:
        """Hits where the precision is reached, else -1."""
        return np.where(
            counts.precision(hits, n_predicted, default=0.0) >= _label_value(self.min_precision, label), hits, -1
        )

    def check_labels(self, n_labels: int) -> None:
        """Refuse precisions for another number of labels."""
        _check_n_values("min_precision", self.min_precision, n_labels)

    def _best_threshold(self, cuts: Cuts, label: int) -> float:
        hits = self.quality(cuts.hits, cuts.n_predicted, cuts.n_positives, label)
        best = best_cut(hits, cuts.thresholds)
        return float(cuts.thresholds[best]) if hits[best] > 0 else NEVER


class Recall(LabelwiseDecision):
    """The highest threshold of each label at which the wanted share of its positives is answered.

    This describes the scores it is fitted on and is no guarantee for others.

    Args:
        min_recall: The wanted recall, 0 to 1, or one per label.

    Raises:
        InputError: A recall outside [0, 1]; in `fit`, for another number of labels.
    """

    name: ClassVar[str] = "recall"

    def __init__(self, min_recall: float | Sequence[float]) -> None:
        self.min_recall = _parse_fractions("min_recall", min_recall)

    def quality(self, hits: np.ndarray, n_predicted: np.ndarray, n_positives: int, label: int) -> np.ndarray:
        """Fewer answers are better where the recall is reached."""
        return np.where(counts.recall(hits, n_positives) >= _label_value(self.min_recall, label), -n_predicted, -np.inf)

    def check_labels(self, n_labels: int) -> None:
        """Refuse recalls for another number of labels."""
        _check_n_values("min_recall", self.min_recall, n_labels)


def _parse_costs(name: str, value: Any) -> float | list[float]:
    if isinstance(value, (list, tuple, np.ndarray)):
        return [validation.positive(**{name: element}) for element in value]
    return validation.positive(**{name: value})


def _parse_fractions(name: str, value: Any) -> float | list[float]:
    if isinstance(value, (list, tuple, np.ndarray)):
        return [validation.number(low=0.0, high=1.0, **{name: element}) for element in value]
    return validation.number(low=0.0, high=1.0, **{name: value})


def _label_value(setting: float | list[float], label: int) -> float:
    return setting[label] if isinstance(setting, list) else setting


def _check_n_values(name: str, setting: float | list[float], n_labels: int) -> None:
    if isinstance(setting, list) and len(setting) != n_labels:
        raise InputError(f"got {len(setting)} numbers, expected one or {n_labels}, one per label", argument=name)
