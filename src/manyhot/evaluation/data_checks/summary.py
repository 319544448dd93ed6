"""The targets in numbers, without judgement: all that a picture of them needs."""

from __future__ import annotations

from typing import Any

import numpy as np

from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.evaluation.data_checks.counts import PairCounts
from manyhot.evaluation.report.label_statistics import describe

MAX_MATRIX_LABELS = 100  # most labels for which the whole matrix of co-occurrences is given
TOP_PAIRS = 100


def describe_targets(space: LabelSpace, targets: Targets, paired: np.ndarray, pairs: PairCounts) -> dict[str, Any]:
    """Describe the targets: what `describe` gives, unknown rows, label set sizes, numbers per label and per pair."""
    facts = describe(space, targets)
    n = targets.n_samples
    sizes = targets.values.sum(axis=1)
    if targets.known is not None:
        sizes = sizes[targets.known.any(axis=1)]
    support, n_known, prevalence = targets.support(), targets.n_known(), targets.prevalence()
    facts["share_without_labels"] = facts["rows_without_labels"] / n if n else None
    facts["rows_unknown"] = n - len(sizes)
    facts["label_set_sizes"] = np.bincount(sizes).tolist()
    facts["per_label"] = [
        {
            "label": name,
            "support": int(support[j]),
            "known": int(n_known[j]),
            "prevalence": float(prevalence[j]) if n_known[j] else None,
            "unknown_share": float(1 - n_known[j] / n) if n else None,
        }
        for j, name in enumerate(space.names)
    ]
    is_small = len(space) <= MAX_MATRIX_LABELS
    facts["co_occurrence"] = {"labels": list(space.names), "counts": pairs.both.tolist()} if is_small else None
    facts["top_pairs"] = _top_pairs(space, paired, pairs)
    return facts


def _top_pairs(space: LabelSpace, paired: np.ndarray, pairs: PairCounts) -> list[dict[str, Any]]:
    first, second = np.nonzero(np.triu(pairs.both, 1))
    counts = pairs.both[first, second]
    expected = pairs.expected()
    order = np.lexsort((second, first, -counts))[:TOP_PAIRS]
    return [
        {
            "labels": [space.names[paired[first[i]]], space.names[paired[second[i]]]],
            "rows": int(counts[i]),
            "expected": float(expected[first[i], second[i]]),
            "above_chance": bool(is_above),
        }
        for i, is_above in zip(order, pairs.above_chance(first[order], second[order]), strict=True)
    ]
