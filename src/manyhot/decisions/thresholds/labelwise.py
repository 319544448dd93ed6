"""Thresholds that each label finds for itself: F-beta, Hamming loss, costs, a required precision or recall."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np

from manyhot import validation
from manyhot.decisions.thresholds.base import Decision
from manyhot.decisions.thresholds.cuts import Cuts, best_cut, compute_cuts
from manyhot.decisions.thresholds.shrinkage import (
    COST_SHRINK,
    F1_SHRINK,
    best_shared_threshold,
    count_predictions,
    shrink_thresholds,
    shrink_to_shared,
    threshold_candidates,
)
from manyhot.decisions.thresholds.thresholds import ALWAYS, NEVER
from manyhot.errors import InputError
from manyhot.evaluation.metrics import counts
from manyhot.evaluation.metrics.score import Entries


def constant_thresholds(entries: Entries) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thresholds (l,), final for labels that do not vary; which labels vary, bool (l,); known positives, int64 (l,)."""
    support, n_known = entries.values.sum(axis=0, dtype=np.int64), entries.known_per_label()
    varying = (support > 0) & (support < n_known)
    return np.where((support > 0) & ~varying, ALWAYS, NEVER), varying, support


class LabelwiseDecision(Decision):
    """Rate every cut of a label by `quality` and take the best; `shrink` pulls rare labels to a common threshold."""

    # A threshold lies midway between the lowest score answered and the next lower known one; of equally good cuts the
    # one nearest to 0.5 is taken, of two equally near ones the higher. Without a positive it is 1, with only positives
    # 0.

    shrink: float = 0.0

    def quality(self, hits: np.ndarray, n_predicted: np.ndarray, n_positives: int, label: int) -> np.ndarray:
        """How good cuts of one label are, (c,), higher is better, from hits and predictions, int64 (c,) each."""
        raise NotImplementedError

    def find_thresholds(self, entries: Entries) -> np.ndarray:
        """Find every label's threshold, in n log(n) per label."""
        for name, setting in self.settings().items():
            if isinstance(setting, list) and len(setting) != entries.shape[1]:
                raise InputError(
                    f"got {len(setting)} numbers, expected one or {entries.shape[1]}, one per label", argument=name
                )
        thresholds, varying, support = constant_thresholds(entries)
        centre = self.centre(entries.shape[1])
        is_shared = self.shrink > 0 and centre is None and bool(varying.any())
        candidates = threshold_candidates(entries, varying) if is_shared else np.zeros(0)
        total: np.ndarray | float = 0.0
        for column in entries.columns(np.flatnonzero(varying)):
            thresholds[column.label] = self._best_threshold(compute_cuts(column.values, column.scores), column.label)
            if is_shared:
                hits, n_predicted = count_predictions(column.values, column.scores, candidates)
                total = total + self.quality(hits, n_predicted, int(support[column.label]), column.label)
        if is_shared:
            shared = best_shared_threshold(entries, varying, candidates, np.asarray(total))
            return shrink_to_shared(thresholds, entries, shared, self.shrink)
        return thresholds if centre is None else shrink_thresholds(thresholds, entries, centre, self.shrink)

    def centre(self, n_labels: int) -> np.ndarray | None:
        """What thresholds are pulled towards, float64 (l,); None for the best shared one."""
        return None

    def _best_threshold(self, cuts: Cuts, label: int) -> float:
        best = best_cut(self.quality(cuts.hits, cuts.n_predicted, cuts.n_positives, label), cuts.thresholds)
        return float(cuts.thresholds[best])


class FbetaMacro(LabelwiseDecision):
    """The threshold of each label with the highest F-beta on the scores it is fitted on."""

    # Source: van Rijsbergen (1979), ch. 7; Yang (2001), SCut and FBR.1 (`min_fbeta`); Fan, Lin (2007)

    meaning: ClassVar[str] = "the threshold of each label with the highest F-beta (beta = {beta:g})"

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
    """The threshold of each label with the highest F1 on the scores it is fitted on: `FbetaMacro` at beta = 1."""

    # Source: Yang (2001), A study on thresholding strategies, SCut and its variant FBR.1 (`min_f1`)

    meaning: ClassVar[str] = "the threshold of each label with the highest F1, whatever it costs in wrong answers"
    config_fields: ClassVar[Mapping[str, str]] = {"min_f1": "min_f1"}

    def __init__(self, min_f1: float = 0.0, shrink: float = F1_SHRINK) -> None:
        self.min_f1 = validation.number(min_f1=min_f1, low=0.0, high=1.0)
        super().__init__(1.0, self.min_f1, shrink)


class Cost(LabelwiseDecision):
    """The threshold of each label at which wrong answers cost least; each cost is one number or one per label."""

    # Source: Elkan (2001), The foundations of cost-sensitive learning, equation 2, for the case of trusted
    # probabilities

    meaning: ClassVar[str] = "the threshold of each label at which wrong answers cost least"

    def __init__(
        self,
        false_negative_cost: float | Sequence[float] = 1.0,
        false_positive_cost: float | Sequence[float] = 1.0,
        shrink: float = COST_SHRINK,
    ) -> None:
        self.false_negative_cost = _numbers(validation.positive, false_negative_cost=false_negative_cost)
        self.false_positive_cost = _numbers(validation.positive, false_positive_cost=false_positive_cost)
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


class Hamming(Cost):
    """The threshold of each label with the fewest wrong answers: `Cost` at equal costs."""

    meaning: ClassVar[str] = "the threshold of each label with the fewest wrong answers"

    def __init__(self, shrink: float = COST_SHRINK) -> None:
        super().__init__(1.0, 1.0, shrink)


class Precision(LabelwiseDecision):
    """The lowest cut of each label with the required precision on the scores it is fitted on; no guarantee."""

    meaning: ClassVar[str] = "the lowest threshold of each label that reaches the required precision ({min_precision})"

    def __init__(self, min_precision: float | Sequence[float]) -> None:
        self.min_precision = _numbers(partial(validation.number, low=0.0, high=1.0), min_precision=min_precision)

    def quality(self, hits: np.ndarray, n_predicted: np.ndarray, n_positives: int, label: int) -> np.ndarray:
        """Hits where the precision is reached, else -1."""
        return np.where(
            counts.precision(hits, n_predicted, default=0.0) >= _label_value(self.min_precision, label), hits, -1
        )

    def _best_threshold(self, cuts: Cuts, label: int) -> float:
        hits = self.quality(cuts.hits, cuts.n_predicted, cuts.n_positives, label)
        best = best_cut(hits, cuts.thresholds)
        return float(cuts.thresholds[best]) if hits[best] > 0 else NEVER


class Recall(LabelwiseDecision):
    """The highest threshold of each label with the required recall on the scores it is fitted on; no guarantee."""

    meaning: ClassVar[str] = "the highest threshold of each label that reaches the required recall ({min_recall})"

    def __init__(self, min_recall: float | Sequence[float]) -> None:
        self.min_recall = _numbers(partial(validation.number, low=0.0, high=1.0), min_recall=min_recall)

    def quality(self, hits: np.ndarray, n_predicted: np.ndarray, n_positives: int, label: int) -> np.ndarray:
        """Fewer answers are better where the recall is reached."""
        return np.where(counts.recall(hits, n_positives) >= _label_value(self.min_recall, label), -n_predicted, -np.inf)


def _numbers(check: Callable[..., float], **named: Any) -> float | list[float]:
    """A setting that is one checked number, or one per label."""
    ((name, value),) = named.items()
    if isinstance(value, (list, tuple, np.ndarray)):
        return [check(**{name: element}) for element in value]
    return check(**named)


def _label_value(setting: float | list[float], label: int) -> float:
    return setting[label] if isinstance(setting, list) else setting
