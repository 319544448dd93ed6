"""The rows that a model is most wrong on, and entries whose recorded label looks wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.evaluation.label_errors import LabelErrors
from manyhot.evaluation.metrics.score import blocks

N_WORST = 24  # mistakes of each kind over all labels
N_WORST_PER_LABEL = 4  # mistakes of each kind of one label
MAX_LABEL_ERRORS = 40
MAX_NAMED = 40  # labels of one row that are named


def worst_errors(targets: Targets, scores: np.ndarray, decisions: np.ndarray) -> dict[str, Any]:
    """The worst mistakes of all labels and of each, as indices and scores; what is unknown is no mistake."""
    values, known = targets.values, targets.known
    n_labels = targets.n_labels
    of_labels = [
        {
            "false_positives": _worst_of_label(values, known, scores, decisions, j, True),
            "false_negatives": _worst_of_label(values, known, scores, decisions, j, False),
        }
        for j in range(n_labels)
    ]
    counts = {"false_positives": 0, "false_negatives": 0}
    worst: dict[str, list[tuple[float, int, int]]] = {"false_positives": [], "false_negatives": []}
    for part in blocks(*values.shape):
        positives = values[part]
        known_mask = True if known is None else known[part]
        for kind, wrong in (
            ("false_positives", decisions[part] & ~positives & known_mask),
            ("false_negatives", ~decisions[part] & positives),
        ):
            row, label = np.nonzero(wrong)
            counts[kind] += len(row)
            score = scores[part][row, label].astype(np.float64)
            rank = -score if kind == "false_positives" else score
            best = np.argsort(rank, kind="stable")[:N_WORST]
            entries = zip(rank[best].tolist(), (row[best] + part.start).tolist(), label[best].tolist(), strict=True)
            worst[kind] = sorted([*worst[kind], *entries])[:N_WORST]
    errors = {
        kind: [{"row": row, "label": label, "score": abs(rank)} for rank, row, label in ranked]
        for kind, ranked in worst.items()
    }
    return {
        **errors,
        "n_false_positives": counts["false_positives"],
        "n_false_negatives": counts["false_negatives"],
        "labels": of_labels,
    }


def _worst_of_label(
    values: np.ndarray,
    known: np.ndarray | None,
    scores: np.ndarray,
    decisions: np.ndarray,
    j: int,
    is_false_positive: bool,
) -> list[list[float]]:
    known_mask = True if known is None else known[:, j]
    wrong = decisions[:, j] & ~values[:, j] & known_mask if is_false_positive else ~decisions[:, j] & values[:, j]
    rows = np.flatnonzero(wrong)
    score = scores[rows, j].astype(np.float64)
    best = np.argsort(-score if is_false_positive else score, kind="stable")[:N_WORST_PER_LABEL]
    return [[int(rows[k]), float(score[k])] for k in best]


def describe_label_errors(label_errors: LabelErrors) -> list[dict[str, Any]]:
    """The most likely label errors: `row` and `label` (indices), `recorded`, `score`, `suspicion`, `reason`."""
    reasons = label_errors.reasons(MAX_LABEL_ERRORS)
    return [
        {
            "row": int(label_errors.row[k]),
            "label": int(label_errors.label[k]),
            "recorded": bool(label_errors.recorded[k]),
            "score": float(label_errors.score[k]),
            "suspicion": float(label_errors.suspicion[k]),
            "reason": reason,
        }
        for k, reason in enumerate(reasons)
    ]


def named_rows(errors: dict[str, Any], label_errors: list[dict[str, Any]]) -> list[int]:
    """The rows that are spoken of, the most important first."""
    rows = [
        entry["row"]
        for pair in zip(errors["false_positives"], errors["false_negatives"], strict=False)
        for entry in pair
    ]
    rows += [entry["row"] for kind in ("false_positives", "false_negatives") for entry in errors[kind]]
    rows += [entry["row"] for entry in label_errors]
    for index in range(N_WORST_PER_LABEL):
        for kind in ("false_positives", "false_negatives"):
            rows += [int(label[kind][index][0]) for label in errors["labels"] if len(label[kind]) > index]
    return list(dict.fromkeys(rows))


def describe_rows(
    rows: list[int], ids: np.ndarray, targets: Targets, decisions: np.ndarray, space: LabelSpace
) -> list[dict[str, Any]]:
    """Each row's index, id, first recorded and predicted labels (indices), and how many labels are unknown."""
    described = []
    for row in rows:
        known = np.ones(len(space), dtype=bool) if targets.known is None else targets.known[row]
        described.append(
            {
                "row": row,
                "id": str(ids[row]),
                "recorded": np.flatnonzero(targets.values[row])[:MAX_NAMED].tolist(),
                "predicted": np.flatnonzero(decisions[row])[:MAX_NAMED].tolist(),
                "unknown": int((~known).sum()),
            }
        )
    return described
