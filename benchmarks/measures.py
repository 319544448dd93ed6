"""The measures of the comparison with peers, each computed as in the peers' files.

As there, ranking loss and LRAP are means over the rows with a label, mean average precision is one over the labels that
occur in the test part, and F1 of an absent label is 0. F1 and Jaccard index of a row without labels are 0 even where
none is predicted; manyhot's own `f1_samples` counts that as right. Precision at k is a mean over all rows.
"""

import numpy as np

from manyhot.data.targets import Targets
from manyhot.evaluation.metrics import compute_metrics

# Name -> what the peers' files call it, and which of two values is the better one
DECISION_MEASURES = {
    "hamming_loss": ("HL", min),
    "subset_accuracy": ("subset", max),
    "f1_samples": ("exF1", max),
    "f1_micro": ("miF1", max),
    "f1_macro": ("maF1", max),
}
RANKING_MEASURES = {"ranking_loss": ("RL", min), "lrap": ("LRAP", max), "map": ("mAP", max)}
MEASURES = {**DECISION_MEASURES, **RANKING_MEASURES}
# Written down beside them, not ranked
RARE = 20  # training rows
EXTRAS = {
    "jaccard_samples": "jaccard",
    "map_rare": "mAP under 20",
    **{f"precision_at_{k}": f"P@{k}" for k in (1, 3, 5)},
}
PEER_NAMES = {**{name: short for name, (short, _) in MEASURES.items()}, **EXTRAS}


def of_decisions(values: np.ndarray, decisions: np.ndarray) -> dict[str, float]:
    """Measures of decisions, bool (n, l), beside what holds, bool (n, l)."""
    ours = {
        "hamming_loss": "hamming_loss",
        "subset_accuracy": "subset_accuracy",
        "f1_micro": "f1_micro",
        "f1_macro": "f1_macro_all",
    }
    found = compute_metrics(Targets(values), None, decisions, names=list(ours.values()))
    hits = (values & decisions).sum(axis=1)
    total = values.sum(axis=1) + decisions.sum(axis=1)
    row = {name: found[own].value for name, own in ours.items()}
    row["f1_samples"] = float(np.mean(2 * hits / np.maximum(total, 1)))
    row["jaccard_samples"] = float(np.mean(hits / np.maximum(total - hits, 1)))
    return row


def of_scores(values: np.ndarray, scores: np.ndarray, support: np.ndarray) -> dict[str, float]:
    """Measures of the order of scores (n, l) on any scale; `support` (l,) counts the training rows of each label."""
    # Places among all scores keep the order exactly, and lie between 0 and 1 as manyhot's metrics want
    levels, places = np.unique(scores, return_inverse=True)
    placed = places.reshape(scores.shape) / max(1, len(levels) - 1)
    targets = Targets(values)
    row = {name: score.value for name, score in compute_metrics(targets, placed, None, names=RANKING_MEASURES).items()}
    share = float(values.any(axis=1).mean())
    for k in (1, 3, 5):
        of_row = compute_metrics(targets, placed, None, k, ["precision_at_k"])["precision_at_k"]
        row[f"precision_at_{k}"] = share * of_row.value
    rare = rare_labels(values, support)
    if len(rare):
        row["map_rare"] = compute_metrics(Targets(values[:, rare]), placed[:, rare], None, names=["map"])["map"].value
    return row


def rare_labels(values: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Labels with 1 to 19 training rows that occur in the test part."""
    return np.flatnonzero((support > 0) & (support < RARE) & values.any(axis=0))
