"""The rows that a model is most wrong on, and entries whose recorded label looks wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.evaluation.label_errors import LabelErrors
from manyhot.evaluation.metrics.score import blocks

WORST = 24
"""Mistakes of each kind over all labels."""
OF_LABEL = 4
"""Mistakes of each kind of one label."""
SUSPICIOUS = 40
MAX_NAMED = 40
"""Labels of one row that are named."""


def worst_mistakes(targets: Targets, scores: np.ndarray, answers: np.ndarray) -> dict[str, Any]:
    """The worst mistakes, of all labels and of each.

    Args:
        targets: Targets (n, l); what is unknown is no mistake.
        scores: Probabilities (n, l).
        answers: bool (n, l).

    Returns:
        `wrongly` (answered and not there, the highest scores first) and `missed` (there and not answered, the lowest
        first), each a list of `row`, `label` (indices) and `score`; `n_wrongly` and `n_missed`, how many there are;
        `labels`: for each label `wrongly` and `missed`, lists of [row, score].
    """
    values, known = targets.values, targets.known
    n_labels = targets.n_labels
    of_labels = [
        {
            "wrongly": _first(values, known, scores, answers, j, True),
            "missed": _first(values, known, scores, answers, j, False),
        }
        for j in range(n_labels)
    ]
    counts = {"wrongly": 0, "missed": 0}
    worst: dict[str, list[tuple[float, int, int]]] = {"wrongly": [], "missed": []}
    for part in blocks(*values.shape):
        there = values[part]
        looked = True if known is None else known[part]
        for kind, wrong in (("wrongly", answers[part] & ~there & looked), ("missed", ~answers[part] & there)):
            row, label = np.nonzero(wrong)
            counts[kind] += len(row)
            score = scores[part][row, label].astype(np.float64)
            rank = -score if kind == "wrongly" else score
            best = np.argsort(rank, kind="stable")[:WORST]
            entries = zip(rank[best].tolist(), (row[best] + part.start).tolist(), label[best].tolist(), strict=True)
            worst[kind] = sorted([*worst[kind], *entries])[:WORST]
    listed = {
        kind: [{"row": row, "label": label, "score": abs(rank)} for rank, row, label in found]
        for kind, found in worst.items()
    }
    return {**listed, "n_wrongly": counts["wrongly"], "n_missed": counts["missed"], "labels": of_labels}


def _first(
    values: np.ndarray, known: np.ndarray | None, scores: np.ndarray, answers: np.ndarray, j: int, is_wrongly: bool
) -> list[list[float]]:
    looked = True if known is None else known[:, j]
    wrong = answers[:, j] & ~values[:, j] & looked if is_wrongly else ~answers[:, j] & values[:, j]
    rows = np.flatnonzero(wrong)
    score = scores[rows, j].astype(np.float64)
    best = np.argsort(-score if is_wrongly else score, kind="stable")[:OF_LABEL]
    return [[int(rows[k]), float(score[k])] for k in best]


def suspicious(found: LabelErrors) -> list[dict[str, Any]]:
    """The first suspicious entries: `row` and `label` (indices), `recorded`, `score`, `suspicion`, `reason`."""
    reasons = found.reasons(SUSPICIOUS)
    return [
        {
            "row": int(found.row[k]),
            "label": int(found.label[k]),
            "recorded": bool(found.recorded[k]),
            "score": float(found.score[k]),
            "suspicion": float(found.suspicion[k]),
            "reason": reason,
        }
        for k, reason in enumerate(reasons)
    ]


def named_rows(mistakes: dict[str, Any], suspicions: list[dict[str, Any]]) -> list[int]:
    """The rows that are spoken of, the most important first."""
    rows = [entry["row"] for pair in zip(mistakes["wrongly"], mistakes["missed"], strict=False) for entry in pair]
    rows += [entry["row"] for kind in ("wrongly", "missed") for entry in mistakes[kind]]
    rows += [entry["row"] for entry in suspicions]
    for place in range(OF_LABEL):
        for kind in ("wrongly", "missed"):
            rows += [int(label[kind][place][0]) for label in mistakes["labels"] if len(label[kind]) > place]
    return list(dict.fromkeys(rows))


def described_rows(
    rows: list[int], ids: np.ndarray, targets: Targets, answers: np.ndarray, space: LabelSpace
) -> list[dict[str, Any]]:
    """For each row its `row` (index), `id`, `recorded` and `answered` (indices of labels, the first forty each), and
    `unknown`, how many of its labels are."""
    described = []
    for row in rows:
        known = np.ones(len(space), dtype=bool) if targets.known is None else targets.known[row]
        described.append(
            {
                "row": row,
                "id": str(ids[row]),
                "recorded": np.flatnonzero(targets.values[row])[:MAX_NAMED].tolist(),
                "answered": np.flatnonzero(answers[row])[:MAX_NAMED].tolist(),
                "unknown": int((~known).sum()),
            }
        )
    return described
