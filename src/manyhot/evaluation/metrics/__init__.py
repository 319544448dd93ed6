"""Metrics, with one policy for what is unknown, absent, tied or empty; see the README of the folder above."""

from manyhot.evaluation.metrics.at_k import TopK, compute_top_k_metrics, label_propensities
from manyhot.evaluation.metrics.bootstrap import Intervals, intervals
from manyhot.evaluation.metrics.calibration import calibration_per_label, ece, ece_per_label, reliability
from manyhot.evaluation.metrics.per_label import compute_label_metrics
from manyhot.evaluation.metrics.probabilistic import brier, log_loss
from manyhot.evaluation.metrics.registry import METRICS, compute_metrics, metric_names
from manyhot.evaluation.metrics.score import Score

__all__ = [
    "METRICS",
    "Intervals",
    "Score",
    "TopK",
    "brier",
    "calibration_per_label",
    "compute_label_metrics",
    "compute_metrics",
    "compute_top_k_metrics",
    "ece",
    "ece_per_label",
    "intervals",
    "label_propensities",
    "log_loss",
    "metric_names",
    "reliability",
]
