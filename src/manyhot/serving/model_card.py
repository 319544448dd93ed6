"""What the service tells of a model: what it is, how good, its labels, thresholds and columns."""

from __future__ import annotations

from typing import Any

from manyhot.evaluation.report.measure import plain
from manyhot.serving.model import ServedModel
from manyhot.serving.row_schema import example_of
from manyhot.version import __version__

MEASURES = ("f1_micro", "f1_macro", "f1_samples", "hamming_loss", "subset_accuracy", "lrap", "ranking_loss")
"""Measures that are told, where the report has them."""


def model_card(served: ServedModel) -> dict[str, Any]:
    """A model in plain JSON values.

    Args:
        served: The model.

    Returns:
        `name`, `labels`, `thresholds` (label -> threshold, empty where answers have none), `decision`, `calibration`,
        `guarantee`, `rules`, `report` (measure -> value, and where the scores came from), `columns` (name, kind and
        what a form needs), `example` (a row), `members`, `network`, `limits`, `gives_reasons`, `has_report`, `version`.
    """
    model, report = served.model, served.model.report
    measured = report["measures"]["own"]
    return plain(
        {
            "name": served.name,
            "labels": list(served.labels),
            "thresholds": served.classifier.thresholds_,
            **report_answering(served),
            "report": {
                "measures": {name: measured[name]["value"] for name in MEASURES if name in measured},
                "baselines": {name: measured[name]["baseline"] for name in MEASURES if name in measured},
                "scores_from": report["scores"]["from"],
                "rows": report["data"]["rows"],
            },
            "columns": served.columns,
            "example": example_of(model.encoder),
            "members": model.n_members,
            "network": model.network.name,
            "gives_reasons": served.can_explain,
            "has_report": model.evidence is not None and not model.evidence.is_stale,
            "limits": {
                "rows": served.limits.max_rows,
                "rows_with_why": served.limits.max_why_rows,
                "bytes": served.limits.max_body_bytes,
                "pixels": served.limits.max_pixels,
            },
            "version": __version__,
        }
    )


def report_answering(served: ServedModel) -> dict[str, Any]:
    """How scores become answers: decision, calibration, guarantee, rules."""
    return served.model.decider.described()
