"""What the targets themselves are like: how many, how frequent, how complete."""

from __future__ import annotations

from typing import Any

import numpy as np

from manyhot.data.deduplication import merge_duplicates
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets

MAX_COMMON = 5


def describe(space: LabelSpace, targets: Targets) -> dict[str, Any]:
    """Describe the targets in numbers; every pixel is a row. Label sets count completely known rows only."""
    n_labels = targets.n_labels
    values = targets.values.reshape(-1, n_labels)
    n = len(values)
    known = None if targets.known is None else targets.known.reshape(-1, n_labels)
    support = targets.support()
    n_known = int(targets.n_known().sum())
    has_no_positive = ~values.any(axis=1)
    if known is not None:
        has_no_positive &= known.any(axis=1)
    complete = values if known is None else values[known.all(axis=1)]
    return {
        "rows": n,
        "labels": n_labels,
        "support": {
            "total": int(support.sum()),
            "min": int(support.min()),
            "median": float(np.median(support)),
            "max": int(support.max()),
        },
        "cardinality": float(support.sum() / n) if n else None,
        "density": float(support.sum() / n_known) if n_known else None,
        "label_sets": _label_sets(space, complete),
        "rows_without_labels": int(has_no_positive.sum()),
        "unknown_share": float(1 - n_known / values.size) if values.size else 0.0,
        "constant_labels": [space.names[j] for j in targets.constant_labels()],
        "absent_labels": [space.names[j] for j in np.flatnonzero(support == 0)],
    }


def _label_sets(space: LabelSpace, values: np.ndarray) -> dict[str, Any]:
    if not len(values):
        return {"rows": 0, "distinct": 0, "once": 0, "most_common": []}
    first, _, weights = merge_duplicates({}, Targets(values), np.ones(len(values)))
    counts = weights.astype(np.int64)
    order = np.lexsort((first, -counts))[:MAX_COMMON]
    return {
        "rows": len(values),
        "distinct": len(counts),
        "once": int((counts == 1).sum()),
        "most_common": [
            {"labels": [space.names[j] for j in np.flatnonzero(values[first[i]])], "rows": int(counts[i])}
            for i in order
        ],
    }
