"""Hierarchical precision, recall and F1: label sets are compared together with all their ancestors."""

from __future__ import annotations

import numpy as np

from manyhot.data.hierarchy import Hierarchy
from manyhot.data.targets import Targets
from manyhot.evaluation.metrics import counts
from manyhot.evaluation.metrics.classification import label_counts, label_scores
from manyhot.evaluation.metrics.score import Entries, Score, decision_entries


def hierarchical_metrics(targets: Targets, decisions: np.ndarray, k: int, hierarchy: Hierarchy) -> dict[str, Score]:
    """Hierarchical precision, recall and F1 by name, over all rows together; k is unused."""
    # Source: Kiritchenko, Matwin, Nock, Famili (2006), Learning and evaluation in the presence of class hierarchies;
    # sets without the root. An unknown entry stays unknown, and what is predicted there adds no ancestors.
    entries = add_ancestors(decision_entries(targets, decisions), hierarchy)
    hits, n_predicted = (count.sum() for count in label_counts(entries))
    n_positives, prevalence = entries.values.sum(), entries.prevalence()
    frequent = (prevalence >= 0.5) & entries.known
    recall_baseline = float(counts.recall((frequent & entries.values).sum(), n_positives))
    return {
        "hierarchical_f1": label_scores(entries)["f1_micro"],
        "hierarchical_precision": entries.score(
            float(counts.precision(hits, n_predicted)), float(prevalence.max(initial=0.0))
        ),
        "hierarchical_recall": entries.score(float(counts.recall(hits, n_positives)), recall_baseline),
    }


def add_ancestors(entries: Entries, hierarchy: Hierarchy) -> Entries:
    """Add the ancestors of all that holds and of all that is predicted, and leave the root out, which says nothing."""
    columns = [j for j in range(entries.shape[1]) if j != hierarchy.root]
    values = hierarchy.raise_ancestors(entries.values) & entries.known
    decisions = hierarchy.raise_ancestors(entries.predictions & entries.known) & entries.known
    return Entries(values[:, columns], entries.known[:, columns], decisions[:, columns])
