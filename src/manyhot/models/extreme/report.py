"""How good the first answers are: measured values -> plain JSON values -> text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import scipy.sparse as sp

from manyhot.display import paragraph, section, short_repr, table
from manyhot.evaluation.metrics import TopK, compute_top_k_metrics
from manyhot.evaluation.report import Report
from manyhot.evaluation.report.measure import to_json_value
from manyhot.evaluation.report.text import bullets
from manyhot.evaluation.report.text import table as text_table
from manyhot.models.extreme.threshold import Counts

KS = (1, 3, 5)  # numbers of answers that are measured, as far as there are labels
SCORES_FROM = {
    "held_out": "Measured on {rows} rows that were held out of training.",
    "new": "Measured on {rows} new rows.",
}


class ExtremeReport(Report):
    """A report to print, to look things up in (`metrics`: "precision_at_1", ... -> value, baseline), and to save."""

    def to_text(self, all_metrics: bool = False) -> str:
        """The report as text for a terminal; it has few metrics, and all are always shown."""
        return extreme_text(self.values)

    def _repr_html_(self) -> str:
        data, decisions = self.values["data"], self.values["decisions"]
        names = [name for name in self.values["metrics"] if not name.startswith("psndcg")]
        rows = [(name.replace("_", " "), *(self.metrics[name][key] for key in ("value", "baseline"))) for name in names]
        outcomes = [(name.replace("_", " "), value) for name, value in decisions.items()]
        return section(
            paragraph(
                f"{int(data['rows'])} rows, {int(data['labels'])} labels.",
                SCORES_FROM[self.values["scores_from"]].format(rows=int(data["rows"])),
            ),
            table(("highest scores", "value", "baseline"), rows),
            table(("at the threshold", "value"), outcomes),
            *(paragraph("", f"• {note}") for note in self.values.get("notes", ())),
        )

    def __repr__(self) -> str:
        data, decisions = self.values["data"], self.values["decisions"]
        figures = [f"{name.replace('_', ' ')} {_number(score['value'])}" for name, score in self.metrics.items()][:1]
        text = "; ".join([f"{int(data['rows'])} rows, {int(data['labels'])} labels", *figures])
        return short_repr(type(self).__name__, f"{text}, micro F1 {_number(decisions['f1_micro'])}")


def build_extreme_report(
    targets: sp.csr_matrix,
    top: TopK,
    propensities: np.ndarray,
    outcome: tuple[Counts, float, int],
    scores_from: str,
    training: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """All that is measured."""
    n, width = targets.shape
    per_row = np.diff(targets.indptr)
    counts, threshold, max_predictions = outcome
    scores = compute_top_k_metrics(targets, top, [k for k in KS if k <= top.labels.shape[1]], propensities)
    return {
        "scores_from": scores_from,
        "data": {
            "rows": n,
            "labels": width,
            "cardinality": float(per_row.mean()) if n else None,
            "rows_without_labels": int((per_row == 0).sum()),
        },
        "metrics": to_json_value({name: asdict(score) for name, score in scores.items()}),
        "decisions": {
            "threshold": threshold,
            "max_predictions": max_predictions,
            "f1_micro": counts.f1,
            "precision_micro": counts.precision,
            "recall_micro": counts.recall,
            "predictions_per_row": counts.n_predicted / n if n else None,
        },
        "training": dict(training),
        "notes": list(notes),
    }


def extreme_text(report: Mapping[str, Any]) -> str:
    """Render a report; lines of at most 100 columns, ending without a newline."""
    data, decisions = report["data"], report["decisions"]
    headline = (
        f"{SCORES_FROM[report['scores_from']].format(rows=int(data['rows']))}\n"
        f"{int(data['labels'])} labels, {_number(data['cardinality'])} a row; "
        f"{int(data['rows_without_labels'])} rows without labels."
    )
    names = [name for name in report["metrics"] if not name.startswith("psndcg")]
    rows = [
        [name, _number(report["metrics"][name]["value"]), _number(report["metrics"][name]["baseline"])]
        for name in names
    ]
    tuned = "tuned for micro F1 on the other half of the rows" if report["scores_from"] == "held_out" else "as trained"
    decision_text = (
        f"Answers at one threshold for all labels ({tuned}), the first {int(decisions['max_predictions'])} of a row at "
        f"most:\nmicro F1 {_number(decisions['f1_micro'])}, precision {_number(decisions['precision_micro'])}, recall "
        f"{_number(decisions['recall_micro'])}; {_number(decisions['predictions_per_row'])} predictions per row."
    )
    notes = report.get("notes", ())
    note_text = ["Notes\n" + bullets(notes)] if notes else []
    legend = "The baseline predicts the most frequent labels for every row. Rows without labels count 0."
    metrics = text_table(["top labels", "value", "baseline"], rows) + "\n" + legend
    return "\n\n".join([headline, metrics, decision_text, *note_text])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
