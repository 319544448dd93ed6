"""The metrics by name: what each needs, means and hides, and all of them at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from manyhot import validation
from manyhot.data.hierarchy import Hierarchy
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.evaluation.metrics import classification, hierarchical, ranking
from manyhot.evaluation.metrics.score import Score


@dataclass(frozen=True)
class Metric:
    """One metric: how to compute it, and what a report says of it."""

    # (targets, scores or decisions, k) -> by name, where a taxonomy is needed with its hierarchy behind them
    function: Callable[..., dict[str, Score]]
    needs: Literal["scores", "decisions"]
    title: str  # what a report calls it
    meaning: str  # one sentence on what it says
    misleads: str  # one sentence on when it misleads
    higher_is_better: bool = True
    upper_bound: float = 1.0  # its highest possible value
    needs_taxonomy: bool = False  # left out where there is none
    min_labels: int = 1  # with fewer labels it is the same whatever the scores are

    @property
    def better(self) -> str:
        """Which values are better: "higher" or "lower"."""
        return "higher" if self.higher_is_better else "lower"


_of_decisions = partial(Metric, classification.decision_metrics, "decisions")
_of_ancestors = partial(Metric, hierarchical.hierarchical_metrics, "decisions", needs_taxonomy=True)
_of_label_order = partial(Metric, ranking.label_means, "scores")
_of_row_order = partial(Metric, ranking.row_ranking, "scores", min_labels=2)

METRICS: dict[str, Metric] = {
    "f1_macro": _of_decisions(
        "Macro F1",
        "The balance of precision and recall of each label, averaged over labels that occur.",
        "A label with three positives weighs as much as one with thousands, so it is noisy with many rare labels.",
    ),
    "f1_micro": _of_decisions(
        "Micro F1",
        "The balance of precision and recall over all predictions, pooled.",
        "Frequent labels decide it; rare ones can all be wrong unnoticed.",
    ),
    "f1_samples": _of_decisions(
        "Sample F1",
        "The balance of precision and recall of each row's label set, averaged over rows.",
        "Rows without labels count as entirely right or entirely wrong, and dominate where there are many.",
    ),
    # Source: Godbole, Sarawagi (2004), where it is called accuracy
    "jaccard_samples": _of_decisions(
        "Sample Jaccard index",
        "The labels in both prediction and truth over the labels in either, averaged over rows.",
        "Rows without labels count as entirely right or entirely wrong, and dominate where there are many.",
    ),
    "subset_accuracy": _of_decisions(
        "Exact match (subset accuracy)",
        "The share of rows whose whole label set is right.",
        "A row with one wrong label counts as wrong as one with all labels wrong, and where most rows have no label, "
        "predicting nothing does well.",
    ),
    # Source: Schapire, Singer (2000), BoosTexter
    "hamming_loss": _of_decisions(
        "Hamming loss",
        "The share of single yes/no predictions that are wrong.",
        "When labels are rare, predicting nothing already has a small loss.",
        higher_is_better=False,
    ),
    "element_accuracy": _of_decisions(
        "Element-wise accuracy",
        "The share of single yes/no predictions that are right.",
        "When labels are rare, predicting nothing is already right nearly everywhere.",
    ),
    "f1_macro_all": _of_decisions(
        "Macro F1, absent labels as 0",
        "Macro F1 with 0 for every label that does not occur, as other libraries report it.",
        "It falls with the number of labels that happen to be absent, whatever is predicted.",
    ),
    "hierarchical_f1": _of_ancestors(
        "Hierarchical F1",
        "The balance of hierarchical precision and recall.",
        "It is micro F1 where predictions and targets keep the taxonomy, so frequent labels near the top decide it.",
    ),
    "hierarchical_precision": _of_ancestors(
        "Hierarchical precision",
        "The share of the predicted labels and their ancestors that hold, over all predictions, pooled.",
        "A wrong label with right ancestors counts as mostly right, the more the deeper the taxonomy is.",
    ),
    "hierarchical_recall": _of_ancestors(
        "Hierarchical recall",
        "The share of the labels that hold and their ancestors that are predicted, pooled over all rows.",
        "Predicting the ancestors alone already finds much of it.",
    ),
    # Source: the step-wise sum of precisions of scikit-learn, without interpolation; tied samples share one step
    "map": _of_label_order(
        "Mean average precision (mAP)",
        "The average precision of each label over rows, averaged over labels that occur.",
        "It grows with prevalence, so values of different data sets are not comparable.",
    ),
    # Source: Mann, Whitney (1947); Hanley, McNeil (1982); a tie is half
    "roc_auc_macro": _of_label_order(
        "Macro ROC-AUC",
        "The probability that a row with a label scores higher than one without, averaged over labels.",
        "With rare labels it is high although most of the highest-scored rows are wrong.",
    ),
    # Source: Schapire, Singer (2000), BoosTexter; ties as in scikit-learn (the worst place of the tied)
    "lrap": _of_row_order(
        "Label ranking average precision",
        "For each label that is present: the share of present ones among those ranked at least as high.",
        "It compares labels within a row only, so it says nothing about thresholds.",
    ),
    # Source: Tsoumakas, Katakis, Vlahavas (2010), Mining multi-label data; ties and full rows as in scikit-learn
    "ranking_loss": _of_row_order(
        "Ranking loss",
        "How often a label that is absent ranks above one that is present in the same row.",
        "With many labels nearly all pairs are easy, so small numbers hide bad first ranks.",
        higher_is_better=False,
    ),
    # Source: Schapire, Singer (2000), BoosTexter; tied for highest counts as drawing one of them
    "one_error": _of_row_order(
        "One-error",
        "How often the label ranked first is absent.",
        "It looks at one label per row; always naming a very frequent label does well.",
        higher_is_better=False,
    ),
    # Source: Tsoumakas, Katakis, Vlahavas (2010), plus one, as in scikit-learn; ties take the worst place
    "coverage_error": _of_row_order(
        "Coverage error",
        "How many labels of the ranking must be taken to have all that are present.",
        "Its best value is the mean size of the label sets, not 0, and one hard label can dominate a row.",
        higher_is_better=False,
        upper_bound=math.inf,
    ),
    # Source: Bhatia and others, The extreme classification repository; ties are averaged over their orders
    "precision_at_k": _of_row_order(
        "Precision at {k}",
        "The share of a row's k highest-scoring labels that are present.",
        "Rows with fewer than k labels cannot reach 1.",
    ),
    # Source: Järvelin, Kekäläinen (2002), discount 1 / log2(place + 1); ties averaged as in McSherry, Najork (2008)
    "ndcg_at_k": _of_row_order(
        "nDCG at {k}",
        "How high the present labels rank among a row's k highest-scoring labels, as a share of the best possible.",
        "It ignores everything below rank k.",
    ),
}


MIN_CEILING = 0.75  # what a perfect ranking must get, for a `k` to be looked at
MAIN_METRICS = ("f1_macro", "f1_micro", "f1_samples", "subset_accuracy", "hamming_loss", "map")
"""Those that a report shows first."""


def choose_k(targets: Targets) -> int:
    """The ranks that `precision_at_k` and `ndcg_at_k` look at: the most of 5, 3 and 1 that rows have labels for."""
    # A row with one label reaches a precision at 5 of 0.2 at most. Where even a perfect ranking gets less than
    # `MIN_CEILING`, the figure says more of how few labels rows have than of the model.
    per_row = targets.values.reshape(-1, targets.n_labels).sum(axis=1)
    per_row = per_row[per_row > 0]
    for k in (5, 3):
        if targets.n_labels > k and len(per_row) and np.minimum(per_row, k).mean() >= MIN_CEILING * k:
            return k
    return 1


def is_informative(name: str, n_labels: int, k: int = 5) -> bool:
    """Whether a metric depends on the predictions at all: with 4 labels, precision at 5 does not."""
    is_constant = name == "precision_at_k" and n_labels <= k
    is_double = name == "ndcg_at_k" and k == 1  # precision at 1
    return n_labels >= METRICS[name].min_labels and not is_constant and not is_double


def main_metrics(has_taxonomy: bool) -> list[str]:
    """The metrics that a report shows first: `MAIN_METRICS`, and those of a taxonomy where there is one."""
    return [name for name in metric_names(has_taxonomy) if name in MAIN_METRICS or METRICS[name].needs_taxonomy]


def metric_names(has_taxonomy: bool) -> list[str]:
    """The metrics that there are with or without a taxonomy."""
    return [name for name, row in METRICS.items() if has_taxonomy or not row.needs_taxonomy]


def compute_metrics(
    targets: Targets,
    scores: np.ndarray | None,
    decisions: np.ndarray | None,
    k: int = 5,
    names: Iterable[str] | None = None,
    hierarchy: Hierarchy | None = None,
) -> dict[str, Score]:
    """Several metrics at once, sharing the work; much faster than one after the other.

    Args:
        targets: Targets (n, l), or deeper with the label axis last.
        scores: Probabilities in the shape of the targets, float in [0, 1]; None leaves their metrics out.
        decisions: bool in the shape of the targets; None leaves their metrics out.
        k: Places that `precision_at_k` and `ndcg_at_k` look at, 1 or more.
        names: The metrics wanted, of `METRICS`; None for all that scores, decisions and hierarchy allow.
        hierarchy: Which labels imply others, of a taxonomy; None leaves hierarchical metrics out.

    Returns:
        A score by name, in the order of `names`, or of `METRICS`.

    Raises:
        InputError: An unknown name, a name whose input is None, or a shape, score, decision or k that is wrong.
    """
    validation.integer(k=k, low=1)
    is_provided = {"scores": scores is not None, "decisions": decisions is not None}
    if names is None:
        names = [name for name in metric_names(hierarchy is not None) if is_provided[METRICS[name].needs]]
    selected = list(names)
    for name in selected:
        validation.one_of(METRICS, names=name)
        if METRICS[name].needs_taxonomy and hierarchy is None:
            raise InputError(f"{name!r} needs a taxonomy of the labels, and there is none", argument="names")
        if not is_provided[METRICS[name].needs]:
            raise InputError(f"needed for {name!r}, got None", argument=METRICS[name].needs)
    measured: dict[str, Score] = {}
    for name in selected:
        values = scores if METRICS[name].needs == "scores" else decisions
        if name not in measured and values is not None:
            more = (hierarchy,) if METRICS[name].needs_taxonomy else ()
            measured |= METRICS[name].function(targets, values, k, *more)
    return {name: measured[name] for name in selected}
