"""Labels one at a time: those that do not vary, are rare, or are hardly known; and all labels at once."""

from __future__ import annotations

import numpy as np

from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.evaluation.data_checks.findings import Finding, make_finding, quote
from manyhot.evaluation.report.text import pluralize

MOSTLY_UNKNOWN = 0.5
# Pairs of labels in one row that chance must lead to expect before their absence means anything
MIN_EXPECTED_PAIRS = 10.0


def constant_labels(space: LabelSpace, targets: Targets) -> list[Finding]:
    """Labels that are always yes, always no, or never known."""
    support, n_known = targets.support(), targets.n_known()
    findings = []
    for j in targets.constant_labels():
        if n_known[j] == 0:
            state, sentence = "never known", "is unknown in every row"
        else:
            state = "always no" if support[j] == 0 else "always yes"
            sentence = f"is {state[7:]} in {'every row' if n_known[j] == targets.n_samples else 'every known row'}"
        name = space.names[j]
        values = {"state": state, "known": int(n_known[j])}
        brief = f"{quote(name)} ({state})"
        findings.append(
            make_finding(
                "constant", "warning", f"Label {quote(name)} {sentence}.", brief, labels=(name,), values=values
            )
        )
    return findings


def rare_labels(space: LabelSpace, targets: Targets, folds: int) -> list[Finding]:
    """Labels that vary, but with fewer rows on one side (nearly always yes) than there are folds."""
    support, n_known = targets.support(), targets.n_known()
    rarer = np.minimum(support, n_known - support)
    chosen = np.flatnonzero((rarer > 0) & (rarer < folds))
    findings = []
    for j in chosen[np.argsort(rarer[chosen], kind="stable")]:
        name, is_yes = space.names[j], support[j] == rarer[j]
        rows = pluralize(int(rarer[j]), "positive" if is_yes else "negative")
        sentence = f"Label {quote(name)} has {rows}, fewer than the {folds} folds, so some folds will hold none."
        brief = f"{quote(name)} ({int(rarer[j])})" if is_yes else f"{quote(name)} ({rows})"
        values = {"support": int(support[j]), "known": int(n_known[j]), "n_folds": folds}
        findings.append(make_finding("rare", "warning", sentence, brief, labels=(name,), values=values))
    return findings


def unknown_labels(space: LabelSpace, targets: Targets) -> list[Finding]:
    """A warning for each label that is unknown in more than half of the rows, and one note on all others."""
    if targets.known is None or not targets.n_samples:
        return []
    share = 1 - targets.n_known() / targets.n_samples
    findings = []
    for j in np.argsort(-share, kind="stable"):
        if not MOSTLY_UNKNOWN < share[j] < 1:
            continue
        name = space.names[j]
        sentence = f"Label {quote(name)} is unknown in {100 * share[j]:.0f}% of the rows."
        brief = f"{quote(name)} ({100 * share[j]:.0f}%)"
        findings.append(
            make_finding(
                "unknown", "warning", sentence, brief, labels=(name,), values={"unknown_share": float(share[j])}
            )
        )
    partly_unknown = np.flatnonzero((share > 0) & (share <= MOSTLY_UNKNOWN))
    if len(partly_unknown):
        most_unknown = partly_unknown[share[partly_unknown].argmax()]
        highest = f"{100 * share[most_unknown]:.1f}".rstrip("0").rstrip(".")
        sentence = (
            f"{pluralize(len(partly_unknown), 'label')} of {len(space)} {'is' if len(partly_unknown) == 1 else 'are'} "
            "unknown in some rows, "
            f"most of all {quote(space.names[most_unknown])} ({highest}%)."
        )
        values = {"labels": len(partly_unknown), "unknown_share": float(share[most_unknown])}
        names = tuple(space.names[j] for j in partly_unknown)
        findings.append(make_finding("unknown", "note", sentence, sentence.rstrip("."), labels=names, values=values))
    return findings


def one_label_per_row(space: LabelSpace, targets: Targets) -> list[Finding]:
    """Detect multi-class targets: three or more labels, and no row has two although chance would give some two."""
    n_positives = targets.values.sum(axis=1)
    complete = np.ones(targets.n_samples, bool) if targets.known is None else targets.known.all(axis=1)
    n_varying = len(space) - len(targets.constant_labels())
    if n_varying < 3 or not complete.any() or n_positives.max() > 1:
        return []
    share = targets.values[complete].mean(axis=0)
    expected = complete.sum() * (share.sum() ** 2 - (share**2).sum()) / 2
    if expected < MIN_EXPECTED_PAIRS:
        return []
    n_empty = int((n_positives[complete] == 0).sum())
    if n_empty == 0:
        brief = "exactly one label in every row"
        sentence = (
            "Exactly one label in every row: these targets are exclusive (multi-class); here softmax is right "
            "(head='softmax')."
        )
    else:
        brief = "at most one label in every row"
        sentence = (
            f"No row has more than one label ({pluralize(n_empty, 'row')} {'has' if n_empty == 1 else 'have'} none): "
            "these targets look exclusive (multi-class); with a further label for 'none of them', softmax would be "
            "right (head='softmax')."
        )
    return [make_finding("one_label_per_row", "warning", sentence, brief, values={"empty": n_empty})]
