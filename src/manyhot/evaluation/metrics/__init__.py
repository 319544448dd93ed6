"""Metrics, with one policy for what is unknown, absent, tied or empty; see the README of the folder above."""

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
