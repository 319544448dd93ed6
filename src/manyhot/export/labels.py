"""From calibrated scores to labels: thresholds or the k highest, and the rules between labels that fit a graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from manyhot.data.hierarchy import Hierarchy, find_columns
from manyhot.decisions.policy import DecisionPolicy
from manyhot.decisions.thresholds.base import Decision
from manyhot.decisions.thresholds.fixed import TopK
from manyhot.export.encoding import THRESHOLDS
from manyhot.export.graph import Graph
from manyhot.export.scores import Levels, raise_parents

LOWEST = float(np.finfo(np.float32).min)
SMALLEST = float(np.finfo(np.float32).smallest_normal)


def why_not(policy: DecisionPolicy) -> str | None:
    """Why a model's own decision is not written, in words; None where it is."""
    decision, rules = policy.decision, policy.rules
    if policy.guarantee is None and not isinstance(decision, TopK) and not _has_thresholds(decision):
        return f"the decision {decision.name!r} looks at more than thresholds"
    has_implications = bool(rules.implies or policy.taxonomy)
    others = [("exclusive", bool(rules.exclusive)), ("min_labels", bool(rules.min_labels))]
    others.append(("max_labels", rules.max_labels is not None))
    for name, is_there in others:
        if is_there and has_implications:
            return f"the rule {name!r} beside labels that imply others takes a search for each row"
    members = [name for group in rules.exclusive for name in group]
    if len(set(members)) < len(members):
        return "groups in 'exclusive' that share labels take a search for each row"
    return None


def write_labels(graph: Graph, scores: str, policy: DecisionPolicy, rank: int) -> str:
    """`DecisionPolicy.decide`: calibrated scores float32 (n, ..., l) to bool of the same shape."""
    n_labels, limits = len(policy.space), None
    if policy.guarantee is None and isinstance(policy.decision, TopK):
        decided = _first(graph, scores, min(policy.decision.k, n_labels))
    else:
        limits = graph.constant(policy.thresholds, np.float64, name=THRESHOLDS)
        decided = graph.node("GreaterOrEqual", graph.cast(scores, np.float64), limits)
    if policy.guarantee is not None:
        refused = list(policy.guarantee.refused)
        if not refused:
            return decided
        is_promised = np.ones(n_labels, dtype=bool)
        is_promised[refused] = False
        return graph.node("And", decided, graph.constant(is_promised))
    rules = policy.rules
    pairs = find_columns([*rules.implies, *policy.taxonomy], policy.space, "implies")
    if pairs:
        hierarchy = Hierarchy(sorted({(child, parent) for child, parent in pairs}), policy.space.names)
        return _imply(graph, decided, hierarchy.levels, rank, n_labels)
    if rules.exclusive or rules.min_labels or rules.max_labels is not None:
        margins = _margins(graph, scores, limits, decided)
        groups = [sorted(group) for group in find_columns(rules.exclusive, policy.space, "exclusive")]
        return _choose(graph, margins, decided, groups, rules.min_labels, rules.max_labels, rank, n_labels)
    return decided


def _has_thresholds(decision: Decision) -> bool:
    return type(decision).apply is Decision.apply and type(decision).limits is Decision.limits


def _imply(graph: Graph, decided: str, levels: Levels, rank: int, n_labels: int) -> str:
    """What those decided imply, too."""
    numbers = raise_parents(graph, graph.cast(decided, np.int32), levels, rank, n_labels)
    return graph.cast(numbers, bool)


def _first(graph: Graph, values: str, k: int) -> str:
    """The k highest of each row, of equal ones those that come first: bool (n, ..., l)."""
    places = graph.top_k(values, graph.constant([k], np.int64))
    zeros = graph.node("Expand", graph.constant(0, np.int32), graph.node("Shape", values))
    ones = graph.node("Expand", graph.constant(1, np.int32), graph.node("Shape", places))
    return graph.cast(graph.node("ScatterElements", zeros, places, ones, axis=-1), bool)


def _margins(graph: Graph, scores: str, limits: str | None, decided: str) -> str:
    """`Decision.margins`: logit(score) - logit(threshold), float32, 0 or more where decided."""
    if limits is None:  # the lowest score that is decided for, in each row
        decided_scores = graph.node("Where", decided, scores, graph.constant(1, np.float32))
        lowest = graph.node("ReduceMin", decided_scores, graph.constant([-1], np.int64), keepdims=1)
        limits = graph.cast(lowest, np.float64)
    difference = graph.node("Sub", _logit(graph, graph.cast(scores, np.float64)), _logit(graph, limits))
    zero = graph.constant(0, np.float32)
    is_none = graph.node("IsNaN", difference)
    margins = graph.node("Where", is_none, zero, graph.cast(difference, np.float32))
    below = graph.node("Where", graph.node("Less", margins, zero), margins, graph.constant(-SMALLEST, np.float32))
    margins = graph.node("Where", decided, graph.node("Max", margins, zero), below)
    return graph.node("Max", margins, graph.constant(LOWEST, np.float32))  # above what stands for "not possible"


def _logit(graph: Graph, values: str) -> str:
    complement = graph.node("Sub", graph.constant(1, np.float64), values)
    return graph.node("Sub", graph.node("Log", values), graph.node("Log", complement))


def _choose(
    graph: Graph,
    margins: str,
    decided: str,
    groups: Sequence[Sequence[int]],
    min_labels: int,
    max_labels: int | None,
    rank: int,
    n_labels: int,
) -> str:
    """Of each group the highest at most; then at least and at most so many, by their margins."""
    impossible = graph.constant(-np.inf, np.float32)
    possible = _winners(graph, margins, groups, rank, n_labels) if groups else None
    if possible is not None:
        decided = graph.node("And", decided, possible)
        margins = graph.node("Where", possible, margins, impossible)
    if min_labels:
        added = _first(graph, margins, min_labels)
        decided = graph.node("Or", decided, added if possible is None else graph.node("And", added, possible))
    if max_labels is not None and max_labels < n_labels:
        highest = _first(graph, graph.node("Where", decided, margins, impossible), max_labels)
        decided = graph.node("And", decided, highest)
    return decided


def _winners(graph: Graph, margins: str, groups: Sequence[Sequence[int]], rank: int, n_labels: int) -> str:
    """The labels with the highest margin of their group, the first of equal ones, and those in none; bool."""
    widest = max(map(len, groups))
    padded = [[*group, *[group[0]] * (widest - len(group))] for group in groups]
    shape = [0] * (rank - 1)
    of_groups = graph.reshape(graph.gather(margins, np.concatenate(padded)), [*shape, len(groups), widest])
    best = graph.node("ArgMax", of_groups, axis=-1, keepdims=1)
    is_best = graph.node("Equal", best, graph.constant(np.arange(widest), np.int64))
    line = graph.reshape(is_best, [*shape, len(groups) * widest])
    sources, is_free = np.zeros(n_labels, dtype=np.int64), np.ones(n_labels, dtype=bool)
    for k, group in enumerate(groups):
        sources[list(group)], is_free[list(group)] = k * widest + np.arange(len(group)), False
    return graph.node("Or", graph.gather(line, sources), graph.constant(is_free))
