"""What cleanlab makes of scores and targets, at all its settings that suit several labels per row.

Usage: python cleanlab_label_errors.py IN.npz OUT.npz. IN holds scores (n, l) and targets (n, l); OUT gets, for each
setting, the quality of every entry ("entries/NAME", (n, l)) or of every row ("rows/NAME", (n,)), lower being worse, and
for each filter how many entries it flags ("flagged/NAME").
"""

import sys
import warnings

import numpy as np
from cleanlab.multilabel_classification.filter import find_label_issues, find_multilabel_issues_per_class
from cleanlab.multilabel_classification.rank import get_label_quality_scores, get_label_quality_scores_per_class

METHODS = [
    ("self_confidence", False),
    ("self_confidence", True),
    ("normalized_margin", False),
    ("normalized_margin", True),
    ("confidence_weighted_entropy", False),
]
AGGREGATORS = {
    "average_0.5": {"method": "exponential_moving_average", "alpha": 0.5},
    "average_0.8": {"method": "exponential_moving_average", "alpha": 0.8},
    "average_0.95": {"method": "exponential_moving_average", "alpha": 0.95},
    "softmin_0.05": {"method": "softmin", "temperature": 0.05},
    "softmin_0.1": {"method": "softmin", "temperature": 0.1},
    "softmin_0.3": {"method": "softmin", "temperature": 0.3},
    "min": {"method": np.min},
}
FILTERS = [
    "prune_by_noise_rate",
    "prune_by_class",
    "both",
    "confident_learning",
    "predicted_neq_given",
    "low_normalized_margin",
    "low_self_confidence",
]


def qualities(scores: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
    found = {}
    sets = [np.flatnonzero(row).tolist() for row in targets]
    for method, is_adjusted in METHODS:
        name = method + ("_adjusted" if is_adjusted else "")
        how = {"method": method, "adjust_pred_probs": is_adjusted}
        found[f"entries/{name}"] = np.reshape(get_label_quality_scores_per_class(sets, scores, **how), targets.shape)
        for title, aggregator in AGGREGATORS.items():
            quality = get_label_quality_scores(sets, scores, **how, aggregator_kwargs=aggregator)
            found[f"rows/{name}_{title}"] = quality
    own = np.where(targets, scores, 1 - scores)
    for name in FILTERS:
        try:
            flagged = np.asarray(find_multilabel_issues_per_class(sets, scores, filter_by=name))
            rows = np.asarray(find_label_issues(sets, scores, filter_by=name))
        except ValueError as error:  # a label without a single yes is refused by some filters
            print(f"{name}: {error}", file=sys.stderr)
            continue
        found[f"entries/filter_{name}"] = own + 2 * ~flagged
        found[f"rows/filter_{name}"] = own.min(axis=1) + 2 * ~rows
        found[f"flagged/{name}"] = np.array(flagged.sum())
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with np.load(sys.argv[1]) as given:
        np.savez(sys.argv[2], **qualities(given["scores"].astype(np.float64), given["targets"]))
