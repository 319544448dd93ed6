"""Label names that are nearly the same, or have traces of a notation that was not read as one around them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from manyhot.data.labels import LabelSpace
from manyhot.evaluation.data_checks.findings import Finding, make_finding, quote

LONG_WORD = 5
LONGER_WORD = 7  # letters from which one in place of another is taken for a slip
MIN_STEM = 3
MAX_NAME_LENGTH = 100  # letters up to which a name is searched for a differing one

_SEPARATORS = re.compile(r"[\s_\-]+")
_CLOSING = {"[": "]", "{": "}", "<": ">"}
_EDGE_QUOTE = re.compile(r"""^["“]|["”]$|^'.*'$|^[\[({<]\s*["']|["']\s*[\])}>]$""", re.DOTALL)
_DIFFERENCES = {
    "joint": "differ only in case, blanks, hyphens or underscores",
    "plural": "differ only in a plural s",
    "letter": "differ in one letter",
}


def similar_names(space: LabelSpace, support: np.ndarray) -> list[Finding]:
    """Find pairs of names that may be one label spelled in two ways, the surest first."""
    # Names that differ only in digits or a word of one letter are a series (`class_1`, `type_a`), not a slip; one
    # letter counts only inside long words, since at their ends real words differ (`typical`, `atypical`).
    words = [_split_words(name) for name in space.names]
    pairs: dict[tuple[int, int], str] = {}
    for key in ("joint", "plural", "letter"):
        groups: dict[str, list[int]] = {}
        for j, parts in enumerate(words):
            for form in _forms(parts, key):
                groups.setdefault(form, []).append(j)
        for group in groups.values():
            for place, i in enumerate(group):
                for j in group[place + 1 :]:
                    if (i, j) not in pairs and _differ_by(words[i], words[j], key):
                        pairs[i, j] = key
    ranked = sorted(pairs.items(), key=lambda item: (list(_DIFFERENCES).index(item[1]), item[0]))
    return [_finding(space, support, i, j, key) for (i, j), key in ranked]


def _finding(space: LabelSpace, support: np.ndarray, i: int, j: int, key: str) -> Finding:
    a, b = space.names[i], space.names[j]
    rows = {"first": int(support[i]), "second": int(support[j])}
    sentence = f"The label names {quote(a)} ({support[i]} positives) and {quote(b)} ({support[j]}) {_DIFFERENCES[key]}."
    brief = f"{quote(a)} and {quote(b)}"
    return make_finding("spelling", "warning", sentence, brief, labels=(a, b), values={"difference": key, **rows})


def plain_name(name: str) -> str:
    """A name without case, blanks, hyphens and underscores, for comparing."""
    return "".join(_split_words(name))


def _split_words(name: str) -> tuple[str, ...]:
    folded = unicodedata.normalize("NFKC", name).casefold()
    return tuple(word for word in _SEPARATORS.split(folded) if word) or (folded,)


def _forms(words: Sequence[str], key: str) -> set[str]:
    """Texts of which two names that differ by `key` share at least one."""
    if key == "joint":
        return {"".join(words)}
    if key == "plural":
        return {"".join(words), *("".join(changed) for changed in _replace_each(words, _singulars))}
    if sum(map(len, words)) > MAX_NAME_LENGTH:
        return set()
    return {" ".join(words), *(" ".join(changed) for changed in _replace_each(words, _deletions))}


def _replace_each(words: Sequence[str], forms: Callable[[str], list[str]]) -> Iterator[list[str]]:
    """The words with one of them in another form."""
    for place, word in enumerate(words):
        for form in forms(word):
            yield [*words[:place], form, *words[place + 1 :]]


def _singulars(word: str) -> list[str]:
    if not word.endswith("s") or word.endswith("ss") or len(word) <= MIN_STEM:
        return []
    return [word[:-1], *([word[:-3] + "y"] if word.endswith("ies") else [])]


def _deletions(word: str) -> list[str]:
    return [word[:k] + word[k + 1 :] for k in range(1, len(word) - 1)] if len(word) >= LONG_WORD else []


def _differ_by(first: Sequence[str], second: Sequence[str], key: str) -> bool:
    if key != "letter":
        return True
    if len(first) != len(second):
        return False
    differing = [(a, b) for a, b in zip(first, second, strict=True) if a != b]
    return len(differing) == 1 and _is_slip(*differing[0])


def _is_slip(a: str, b: str) -> bool:
    """Whether words that share a form differ by one letter: added, dropped, changed or swapped with its neighbour."""
    short, long = sorted((a, b), key=len)
    if len(short) < LONG_WORD or len(long) > len(short) + 1:
        return False
    k = next((k for k, (x, y) in enumerate(zip(short, long, strict=False)) if x != y), len(short))
    if len(short) < len(long):
        return long[k].isalpha() and short[k:] == long[k + 1 :]
    if not (short[k].isalpha() and long[k].isalpha()):
        return False
    is_changed = len(short) >= LONGER_WORD and short[k + 1 :] == long[k + 1 :]
    return is_changed or (short[k : k + 2] == long[k : k + 2][::-1] and short[k + 2 :] == long[k + 2 :])


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
