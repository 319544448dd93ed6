"""Describe a model: what it is, its metrics, labels, thresholds and columns."""

from __future__ import annotations

from typing import Any

from manyhot.evaluation.report.measure import to_json_value
from manyhot.serving.model import ServedModel
from manyhot.serving.row_schema import example_row
from manyhot.version import __version__

# Metrics of the card, where the report has them.
CARD_METRICS = ("f1_micro", "f1_macro", "f1_samples", "hamming_loss", "subset_accuracy", "lrap", "ranking_loss")


def model_card(served: ServedModel) -> dict[str, Any]:
    """A model in plain JSON values."""
    model, report = served.model, served.model.report
    metrics = report["metrics"]["decision"]
    return to_json_value(
        {
            "name": served.name,
            "labels": list(served.labels),
            "thresholds": served.classifier.thresholds_,
            **describe_decisions(served),
            "report": {
                "metrics": {name: metrics[name]["value"] for name in CARD_METRICS if name in metrics},
                "baselines": {name: metrics[name]["baseline"] for name in CARD_METRICS if name in metrics},
                "scores_from": report["scores"]["from"],
                "rows": report["data"]["rows"],
            },
            "columns": served.columns,
            "example": example_row(model.encoder),
            "n_members": model.n_members,
            "network": model.network.name,
            "can_explain": served.can_explain,
            "has_report": model.evidence is not None and not model.evidence.is_stale,
            "limits": {
                "rows": served.limits.max_rows,
                "explained_rows": served.limits.max_explain_rows,
                "bytes": served.limits.max_body_bytes,
                "pixels": served.limits.max_pixels,
            },
            "version": __version__,
        }
    )


def describe_decisions(served: ServedModel) -> dict[str, Any]:
    """How scores become label sets: decision, calibration, guarantee, rules."""
    return served.model.policy.describe()
