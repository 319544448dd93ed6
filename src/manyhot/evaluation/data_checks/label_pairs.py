"""Pairs of labels that are too regular for chance: equal, opposite, one implying the other, never together."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import partial

import numpy as np

from manyhot.config.label_rules import implications_to_text
from manyhot.data.labels import LabelSpace
from manyhot.evaluation.data_checks.counts import PairCounts, log_hypergeometric
from manyhot.evaluation.data_checks.findings import NAME_WIDTH, Finding, make_finding, quote
from manyhot.evaluation.report.text import printable

SIGNIFICANCE = 1e-3
MIN_SUPPORT = 10  # rows with a label before its always coming with another is told
MIN_EXPECTED_ROWS = 10.0  # rows with both labels that chance must lead to expect before their absence is told


def paired_labels(space: LabelSpace, paired: np.ndarray, pairs: PairCounts, is_multi_class: bool) -> list[Finding]:
    """Find duplicates, implications and exclusions among the labels `paired`, the strongest of each kind first."""
    # A pair is kept when unrelated labels would show the like anywhere among all pairs with less than `SIGNIFICANCE`.
    c = len(paired)
    if c < 2:
        return []
    max_log_probability = np.log(SIGNIFICANCE / (c * (c - 1)))
    names = [space.names[j] for j in paired]
    first, second, rows = pairs.first, pairs.second, pairs.rows
    varies = (first > 0) & (first < rows)
    varies &= varies.T & ~np.eye(c, dtype=bool)
    contained = varies & (pairs.both == first)
    disjoint = varies & (pairs.both == 0)
    identical = contained & contained.T
    opposite = disjoint & (first + second == rows)
    implied = contained & ~identical & (first >= MIN_SUPPORT)
    exclusive = disjoint & ~opposite & (pairs.expected() >= MIN_EXPECTED_ROWS)
    kinds: list[tuple[np.ndarray, bool, Callable[..., Finding]]] = [
        (np.triu(identical), False, partial(_duplicate, "same", "equal", "=")),
        (np.triu(opposite), True, partial(_duplicate, "opposite", "opposites", "= not")),
        (implied, False, _implied),
        (np.triu(exclusive) & (not is_multi_class), True, _exclusive),
    ]
    return [
        describe(names, pairs, i, j)
        for mask, is_disjoint, describe in kinds
        for i, j in _significant_pairs(mask, pairs, is_disjoint, max_log_probability)
    ]


def _significant_pairs(
    mask: np.ndarray, pairs: PairCounts, is_disjoint: bool, max_log_probability: float
) -> list[tuple[int, int]]:
    """The marked pairs that chance does not explain, the least likely first."""
    i, j = np.nonzero(mask)
    n_first, n_second, n_rows = pairs.first[i, j], pairs.second[i, j], pairs.rows[i, j]
    log_probability = log_hypergeometric(n_first, n_rows - n_second if is_disjoint else n_second, n_rows)
    order = np.argsort(log_probability, kind="stable")
    return [(int(i[k]), int(j[k])) for k in order if log_probability[k] < max_log_probability]


def _values(pairs: PairCounts, i: int, j: int) -> dict[str, int]:
    return {"first": int(pairs.first[i, j]), "second": int(pairs.second[i, j]), "known": int(pairs.rows[i, j])}


def _duplicate(case: str, word: str, sign: str, names: list[str], pairs: PairCounts, i: int, j: int) -> Finding:
    a, b = quote(names[i]), quote(names[j])
    values = {"case": case, **_values(pairs, i, j)}
    sentence = f"Labels {a} and {b} are {word} in all {values['known']} rows where both are known."
    labels = (names[i], names[j])
    return make_finding("duplicate", "warning", sentence, f"{a} {sign} {b}", labels=labels, values=values)


def _implied(names: list[str], pairs: PairCounts, i: int, j: int) -> Finding:
    a, b, values = quote(names[i]), quote(names[j]), _values(pairs, i, j)
    share = values["second"] / values["known"]
    sentence = (
        f"Each of the {values['first']} rows with {a} also has {b}, which {100 * share:.0f}% of all rows have: "
        f"{a} implies {b}{_usage(names[i], names[j])}."
    )
    brief = f"{a} implies {b} ({values['first']} rows)"
    return make_finding("implied", "note", sentence, brief, labels=(names[i], names[j]), values=values)


def _usage(child: str, parent: str) -> str:
    """How to hand an implication on, for names that a terminal shows as they are."""
    if any(printable(name, NAME_WIDTH) != name for name in (child, parent)):
        return ""
    return f" (implies=[({child!r}, {parent!r})], or --implies {shlex.quote(implications_to_text([(child, parent)]))})"


def _exclusive(names: list[str], pairs: PairCounts, i: int, j: int) -> Finding:
    a, b, values = quote(names[i]), quote(names[j]), _values(pairs, i, j)
    expected = values["first"] * values["second"] / values["known"]
    sentence = f"Labels {a} and {b} never occur together, where chance alone would give about {expected:.0f} such rows."
    brief = f"{a} and {b} (chance: {expected:.0f})"
    labels = (names[i], names[j])
    return make_finding("exclusive", "note", sentence, brief, labels=labels, values={**values, "expected": expected})
