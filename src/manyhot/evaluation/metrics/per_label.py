"""One line of numbers for every label."""

from __future__ import annotations

from typing import Any

import numpy as np

from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.evaluation.metrics import counts
from manyhot.evaluation.metrics.classification import label_counts
from manyhot.evaluation.metrics.probabilistic import brier_sums
from manyhot.evaluation.metrics.ranking import label_ranking
from manyhot.evaluation.metrics.score import decision_entries, score_entries


def compute_label_metrics(
    space: LabelSpace,
    targets: Targets,
    scores: np.ndarray,
    decisions: np.ndarray,
    thresholds: np.ndarray | None = None,
) -> dict[str, Any]:
    """Columns of length l with the counts and metrics of each label over its known entries; NaN where undefined."""
    by_score, by_decision = score_entries(targets, scores), decision_entries(targets, decisions)
    support, n_known = targets.support(), targets.n_known()
    hits, n_predicted = label_counts(by_decision)
    average_precision, roc_auc = label_ranking(by_score)

    return {
        "label": list(space.names),
        "support": support,
        "n_known": n_known,
        "predicted": n_predicted,
        "prevalence": counts.ratio(support, n_known),
        "threshold": np.full(targets.n_labels, np.nan) if thresholds is None else thresholds,
        "precision": counts.precision(hits, n_predicted),
        "recall": counts.recall(hits, support),
        "f1": np.where(support > 0, counts.f1(hits, n_predicted, support), np.nan),
        "average_precision": average_precision,
        "roc_auc": roc_auc,
        "brier": counts.ratio(brier_sums(by_score), n_known),
    }
