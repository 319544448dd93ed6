"""Metrics of multi-label answers, with one policy for what is unknown, absent, tied or empty.

They compare targets with scores or decisions, and must not know how either came about (no network, no threshold
fitting, no files). Start reading at `compute_metrics` (registry.py), then row_ranking and label_ranking (ranking.py).

The policy, the same in every metric:

- Unknown targets do not exist: the result is that of the known entries alone. Rows and labels with nothing known
  are left out. `Score.n_labels` and `Score.n_samples` say what entered.
- Absent labels, those without a known positive, have no F1 or average precision: `f1_macro` and `map` average over the
  labels that occur. `f1_macro_all` counts them as 0, as scikit-learn, timm, spaCy and torchmetrics do; the suffix
  `_all` says that every label enters. ROC-AUC also needs a known negative.
- Rows without a known positive have no ranking: they are left out of ranking_loss, lrap, coverage_error, one_error,
  precision_at_k and ndcg_at_k (scikit-learn counts them as perfect, or as 0 in nDCG and coverage). In f1_samples and
  jaccard_samples an empty answer to such a row is right and counts 1, any other counts 0.
- Ties never help and do not depend on the order of rows or labels.
- Nothing to score is NaN, never 0, and never an error.
- Beside each value stands its baseline, what an answer that does not look at the features gets on the same targets:
  each label's prevalence as its score; as its decision prevalence >= 0.5, and for F1 and Jaccard, whose thresholds may
  be tuned, the best such limit (see classification.py).

With very many labels, targets are sparse and answers a short list for each row: `compute_top_k_metrics` (at_k.py). It
departs in two points, to be comparable with published numbers: rows without a known positive count 0 unless it is told
to leave them out, and a list has no ties.
"""

from manyhot.evaluation.metrics.at_k import compute_top_k_metrics, label_propensities
from manyhot.evaluation.metrics.bootstrap import Interval, Intervals, intervals
from manyhot.evaluation.metrics.calibration import ece, ece_per_label, reliability
from manyhot.evaluation.metrics.classification import (
    element_accuracy,
    f1_macro,
    f1_macro_all,
    f1_micro,
    f1_samples,
    hamming_loss,
    jaccard_samples,
    subset_accuracy,
)
from manyhot.evaluation.metrics.per_label import compute_label_metrics
from manyhot.evaluation.metrics.probabilistic import brier, log_loss
from manyhot.evaluation.metrics.ranking import (
    coverage_error,
    lrap,
    map,
    ndcg_at_k,
    one_error,
    precision_at_k,
    ranking_loss,
    roc_auc_macro,
)
from manyhot.evaluation.metrics.registry import METRICS, Metric, compute_metrics
from manyhot.evaluation.metrics.score import Score
from manyhot.evaluation.metrics.top_k_labels import TopK, merge_top_k, top_k

__all__ = [
    "METRICS",
    "Interval",
    "Intervals",
    "Metric",
    "Score",
    "TopK",
    "brier",
    "compute_label_metrics",
    "compute_metrics",
    "compute_top_k_metrics",
    "coverage_error",
    "ece",
    "ece_per_label",
    "element_accuracy",
    "f1_macro",
    "f1_macro_all",
    "f1_micro",
    "f1_samples",
    "hamming_loss",
    "intervals",
    "jaccard_samples",
    "label_propensities",
    "log_loss",
    "lrap",
    "map",
    "merge_top_k",
    "ndcg_at_k",
    "one_error",
    "precision_at_k",
    "ranking_loss",
    "reliability",
    "roc_auc_macro",
    "subset_accuracy",
    "top_k",
]
