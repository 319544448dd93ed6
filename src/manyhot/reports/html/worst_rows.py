"""The rows that a model is most wrong on, and entries whose recorded label looks wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from manyhot.data.targets import Targets
from manyhot.evaluation.label_errors import LabelErrors
from manyhot.evaluation.metrics.score import blocks

KINDS = ("false_positives", "false_negatives")  # the highest scores first, the lowest first
N_WORST = 24  # mistakes of each kind over all labels
N_WORST_PER_LABEL = 4  # mistakes of each kind of one label
MAX_LABEL_ERRORS = 40
MAX_NAMED = 40  # labels of one row that are named


def worst_errors(targets: Targets, scores: np.ndarray, decisions: np.ndarray) -> dict[str, Any]:
    """The worst mistakes of all labels and of each, as indices and scores; what is unknown is no mistake."""
    counts = dict.fromkeys(KINDS, 0)
    worst: dict[str, list[tuple[float, int, int]]] = {kind: [] for kind in KINDS}
    for part in blocks(*targets.values.shape):
        for kind in KINDS:
            row, label = np.nonzero(_is_wrong(kind, targets, decisions, part))
            counts[kind] += len(row)
            rank, best = _rank(kind, scores[part][row, label], N_WORST)
            entries = zip(rank.tolist(), (row[best] + part.start).tolist(), label[best].tolist(), strict=True)
            worst[kind] = sorted([*worst[kind], *entries])[:N_WORST]
    return {
        **{
            kind: [{"row": row, "label": label, "score": abs(rank)} for rank, row, label in ranked]
            for kind, ranked in worst.items()
        },
        **{f"n_{kind}": count for kind, count in counts.items()},
        "labels": [
            {kind: _worst_of_label(kind, targets, scores, decisions, j) for kind in KINDS}
            for j in range(targets.n_labels)
        ],
    }


def _worst_of_label(
    kind: str, targets: Targets, scores: np.ndarray, decisions: np.ndarray, j: int
) -> list[list[float]]:
    """Pairs of row and score."""
    rows = np.flatnonzero(_is_wrong(kind, targets, decisions, np.s_[:, j]))
    rank, best = _rank(kind, scores[rows, j], N_WORST_PER_LABEL)
    return [list(pair) for pair in zip(rows[best].tolist(), abs(rank).tolist(), strict=True)]


def _is_wrong(kind: str, targets: Targets, decisions: np.ndarray, part: Any) -> np.ndarray:
    """Where part of the entries has a mistake of this kind."""
    positives, predicted = targets.values[part], decisions[part]
    if kind == "false_negatives":  # only what is known is positive
        return ~predicted & positives
    return predicted & ~positives & (True if targets.known is None else targets.known[part])


def _rank(kind: str, scores: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of the worst n mistakes, the worst lowest, and their places."""
    ranks = scores.astype(np.float64) * (-1 if kind == "false_positives" else 1)
    best = np.argsort(ranks, kind="stable")[:n]
    return ranks[best], best


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
    pairs = zip(*(errors[kind] for kind in KINDS), strict=False)
    rows = [entry["row"] for pair in pairs for entry in pair]
    rows += [entry["row"] for kind in KINDS for entry in errors[kind]]
    rows += [entry["row"] for entry in label_errors]
    for index in range(N_WORST_PER_LABEL):
        for kind in KINDS:
            rows += [int(label[kind][index][0]) for label in errors["labels"] if len(label[kind]) > index]
    return list(dict.fromkeys(rows))


def describe_rows(rows: list[int], ids: np.ndarray, targets: Targets, decisions: np.ndarray) -> list[dict[str, Any]]:
    """Each row's index, id, first recorded and predicted labels (indices), and how many labels are unknown."""
    return [
        {
            "row": row,
            "id": str(ids[row]),
            "recorded": np.flatnonzero(targets.values[row])[:MAX_NAMED].tolist(),
            "predicted": np.flatnonzero(decisions[row])[:MAX_NAMED].tolist(),
            "unknown": 0 if targets.known is None else int((~targets.known[row]).sum()),
        }
        for row in rows
    ]
