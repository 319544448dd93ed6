"""Label names with brackets or quotes around or half around them: traces of a notation that was not read as one."""

from __future__ import annotations

import re

import numpy as np

from manyhot.data.labels import LabelSpace
from manyhot.evaluation.data_checks.findings import Finding, make_finding, quote

_CLOSING = {"[": "]", "{": "}", "<": ">"}
_EDGE_QUOTE = re.compile(r"""^["“]|["”]$|^'.*'$|^[\[({<]\s*["']|["']\s*[\])}>]$""", re.DOTALL)


def leftover_notation(space: LabelSpace, support: np.ndarray) -> list[Finding]:
    """Find label names that begin or end with quotes or brackets of the list that they were in."""
    findings = []
    for name, n_positives in zip(space.names, support.tolist(), strict=True):
        if is_leftover(name.strip()):
            sentence = f"The label name {quote(name)} ({n_positives} positives) has brackets or quotes of a list in it."
            values = {"positives": int(n_positives)}
            findings.append(make_finding("notation", "warning", sentence, quote(name), labels=(name,), values=values))
    return findings


def is_leftover(name: str) -> bool:
    """Whether a name has quotes at its edges, brackets around it, or a bracket at an edge without its partner."""
    if _EDGE_QUOTE.search(name):
        return True
    if _CLOSING.get(name[:1]) == name[-1:] and len(name) > 1:
        return True
    pairs = {**_CLOSING, "(": ")"}
    is_open = name[:1] in pairs and name.count(name[0]) != name.count(pairs[name[0]])
    opening = {right: left for left, right in pairs.items()}
    return is_open or (name[-1:] in opening and name.count(name[-1]) != name.count(opening[name[-1]]))
