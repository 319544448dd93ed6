"""The rows that a model is most wrong on, and entries whose recorded label looks wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from manyhot.data.targets import Targets
from manyhot.evaluation.label_errors import LabelErrors
from manyhot.reports.image_sheets.mistakes import worst

KINDS = ("false_positives", "false_negatives")  # the highest scores first, the lowest first
N_WORST = 24  # mistakes of each kind over all labels
N_WORST_PER_LABEL = 4  # mistakes of each kind of one label, or more where there are few labels
MAX_PER_LABEL = 24
N_WORST_OF_LABELS = 400  # mistakes of each kind that all labels share
MAX_LABEL_ERRORS = 200  # suspicious labels that are kept
N_FIRST_LABEL_ERRORS = 40  # those that come before the worst rows of single labels
MAX_UNLABELLED = 100  # rows without a predicted label that are kept
MAX_NAMED = 40  # labels of one row and kind that are named
SCORE_DIGITS = 6  # significant ones


def worst_errors(targets: Targets, scores: np.ndarray, decisions: np.ndarray) -> dict[str, Any]:
    """The worst mistakes of all labels and of each, as indices and scores; what is unknown is no mistake."""
    counts = dict.fromkeys(KINDS, 0)
    ranked: dict[str, list[tuple[float, int, int]]] = {kind: [] for kind in KINDS}
    labels: list[dict[str, list[list[float]]]] = []
    label_counts: dict[str, list[int]] = {kind: [] for kind in KINDS}
    known, n_shown = targets.known_mask(), n_worst_per_label(targets.n_labels)
    for j in range(targets.n_labels):
        rows_by_kind = worst(scores[:, j], decisions[:, j], targets.values[:, j], known[:, j])
        labels.append({})
        for kind, sign, rows in zip(KINDS, (-1, 1), rows_by_kind, strict=True):
            counts[kind] += len(rows)
            label_counts[kind].append(len(rows))
            pairs = [(row, float(scores[row, j])) for row in rows[:N_WORST]]
            ranked[kind] += [(sign * score, row, j) for row, score in pairs]
            labels[-1][kind] = [[row, score] for row, score in pairs[:n_shown]]
    errors = {
        kind: [{"row": row, "label": label, "score": abs(rank)} for rank, row, label in sorted(ranked[kind])[:N_WORST]]
        for kind in KINDS
    }
    totals = {f"n_{kind}": count for kind, count in counts.items()}
    return {**errors, **totals, "labels": labels, "label_counts": label_counts}


def n_worst_per_label(n_labels: int) -> int:
    """Mistakes of each kind that are kept of one label."""
    return min(MAX_PER_LABEL, max(N_WORST_PER_LABEL, N_WORST_OF_LABELS // max(1, n_labels)))


def describe_label_errors(label_errors: LabelErrors) -> list[dict[str, Any]]:
    """The most likely label errors, with indices of row and label, scores, and how likely they are wrong."""
    return [
        {
            "row": int(label_errors.row[k]),
            "label": int(label_errors.label[k]),
            "recorded": bool(label_errors.recorded[k]),
            "score": float(label_errors.score[k]),
            "expected": float(label_errors.expected[k]),
            "suspicion": float(label_errors.suspicion[k]),
        }
        for k in range(min(len(label_errors), MAX_LABEL_ERRORS))
    ]


def rows_without_prediction(targets: Targets, decisions: np.ndarray) -> list[int]:
    """The first rows without a predicted label, those that have most labels first."""
    rows = np.flatnonzero(~decisions.any(axis=1))
    order = np.argsort(-targets.values[rows].sum(axis=1), kind="stable")
    return rows[order][:MAX_UNLABELLED].tolist()


def named_rows(
    errors: dict[str, Any],
    label_errors: list[dict[str, Any]],
    confusions: list[dict[str, Any]],
    without_prediction: list[int],
) -> list[int]:
    """The rows that are spoken of, the most important first."""
    pairs = zip(*(errors[kind] for kind in KINDS), strict=False)
    rows = [entry["row"] for pair in pairs for entry in pair]
    rows += [entry["row"] for kind in KINDS for entry in errors[kind]]
    rows += [entry["row"] for entry in label_errors[:N_FIRST_LABEL_ERRORS]]
    rows += [row for pair in confusions for row in pair["worst"]]
    for index in range(n_worst_per_label(len(errors["labels"]))):
        for kind in KINDS:
            rows += [int(label[kind][index][0]) for label in errors["labels"] if len(label[kind]) > index]
    rows += [entry["row"] for entry in label_errors[N_FIRST_LABEL_ERRORS:]]
    rows += without_prediction
    return list(dict.fromkeys(rows))


def describe_rows(
    rows: list[int], ids: np.ndarray, targets: Targets, scores: np.ndarray, decisions: np.ndarray
) -> list[dict[str, Any]]:
    """Each row's index and id, and its first labels of each kind (indices, errors with their scores, worst first)."""
    described = []
    for row in rows:
        values, predicted = targets.values[row], decisions[row]
        known = np.ones_like(values) if targets.known is None else targets.known[row]
        false_positives, false_negatives = predicted & ~values & known, ~predicted & values & known
        described.append(
            {
                "row": row,
                "id": str(ids[row]),
                "correct": np.flatnonzero(predicted & values & known)[:MAX_NAMED].tolist(),
                "false_positives": _with_scores(false_positives, scores[row], -1),
                "false_negatives": _with_scores(false_negatives, scores[row], 1),
                "unknown": int((~known).sum()),
                "predicted_unknown": np.flatnonzero(predicted & ~known)[:MAX_NAMED].tolist(),
            }
        )
    return described


def _with_scores(is_wrong: np.ndarray, scores: np.ndarray, sign: int) -> list[list[float]]:
    labels = np.flatnonzero(is_wrong)
    labels = labels[np.argsort(sign * scores[labels], kind="stable")][:MAX_NAMED]
    return [[int(label), float(f"{scores[label]:.{SCORE_DIGITS}g}")] for label in labels]
