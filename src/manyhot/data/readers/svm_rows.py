"""Lines of `label,label index:value index:value`: what libsvm's multi-label text and the XC format share."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from manyhot.data.readers.source import Source
from manyhot.errors import InputError

_PAIR = re.compile(r"^[+-]?\d+:[^:\s]+$")
_PLAIN = re.compile(rb"[^0-9+\-.eE: \tnaifNAIF]")


@dataclass(frozen=True)
class SvmRows:
    """The lines of such a file.

    Args:
        labels: The labels of each row, as they are written; n lists.
        indptr: Where each row's values begin, int64 (n + 1,).
        indices: Index of each value as written, int64 (k,).
        values: The values, float64 (k,).
    """

    labels: list[list[str]]
    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray


def parse_rows(lines: Sequence[str], source: Source) -> SvmRows:
    """Lines -> labels and values.

    Args:
        lines: One per row, without line ends; the labels may be missing.
        source: For messages.

    Raises:
        InputError: A line that is not of that form, with its row.
    """
    labels: list[list[str]] = []
    rest: list[str] = []
    for line in lines:
        first, _, others = line.partition(" ") if " " in line else line.partition("\t")
        if ":" in first:
            labels.append([])
            rest.append(line)
        else:
            labels.append([part.strip() for part in first.split(",") if part.strip()])
            rest.append(others)
    counts = np.array([part.count(":") for part in rest], dtype=np.int64)
    flat = _numbers(" ".join(rest), int(counts.sum()))
    if flat is None:
        raise _first_wrong(rest, source)
    indices = flat[0::2]
    if np.any(indices != np.floor(indices)) or np.any(indices < 0) or np.any(indices > 2**53):
        raise _first_wrong(rest, source)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    rows = SvmRows(labels, indptr, indices.astype(np.int64), flat[1::2].copy())
    _refuse_twins(rows, source)
    return rows


def _numbers(text: str, n_pairs: int) -> np.ndarray | None:
    if not text.strip():
        return np.zeros(0) if not n_pairs else None
    if not text.isascii() or _PLAIN.search(text.encode()) or re.search(r":[ \t]|[ \t]:|:[^ \t]*:", text):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            flat = np.fromstring(text.replace(":", " "), dtype=np.float64, sep=" ")
        except (DeprecationWarning, ValueError):
            return None
    return flat if len(flat) == 2 * n_pairs else None


def _first_wrong(rest: Sequence[str], source: Source) -> InputError:
    for i, part in enumerate(rest):
        for word in part.split():
            if word.startswith("qid:"):
                return InputError("has a qid, which belongs to ranking; remove it", file=source.path, row=i + 1)
            fits = _PAIR.match(word) and not word.startswith("-")
            if not fits or _numbers(word, 1) is None:
                return InputError(
                    f"holds {word[:40]!r}, expected INDEX:VALUE with a whole number from 0 and a number",
                    file=source.path,
                    row=i + 1,
                )
    return InputError("holds something other than INDEX:VALUE pairs", file=source.path)


def _refuse_twins(rows: SvmRows, source: Source) -> None:
    if not len(rows.indices):
        return
    row_of = np.repeat(np.arange(len(rows.labels)), np.diff(rows.indptr))
    order = np.lexsort((rows.indices, row_of))
    twice = np.flatnonzero((np.diff(rows.indices[order]) == 0) & (np.diff(row_of[order]) == 0))
    if twice.size:
        place = order[twice[0]]
        raise InputError(
            f"the index {rows.indices[place]} stands more than once", file=source.path, row=int(row_of[place]) + 1
        )
