"""libsvm's text for several labels: `1,3 4:0.5 7:1`; a line may begin without labels. The XC format shares its rows."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from manyhot.data.readers.label_names import name_label_sets
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source, locate_error
from manyhot.data.readers.sparse import SparseRows, sparse_samples
from manyhot.data.readers.sparse_targets import LabelSets, check_dense
from manyhot.data.readers.targets import Indicators
from manyhot.data.samples import Samples
from manyhot.errors import InputError

_MAX_COLUMNS = 1 << 26


def read_libsvm(source: Source, options: ReadOptions) -> Samples:
    """A libsvm file; features are named by their numbers (`f4`), and so are labels without `label_names`."""
    lines = [line.split("#", 1)[0].rstrip() for line in source.text("libsvm").decode("utf-8").split("\n")]
    rows = parse_rows([line for line in lines if line], source)
    first = 0 if len(rows.indices) and rows.indices.min() == 0 else 1
    width = int(rows.indices.max()) + 1 - first if len(rows.indices) else 0
    if width > _MAX_COLUMNS:
        raise InputError(f"has the index {width}, expected at most {_MAX_COLUMNS}", file=source.path)
    matrix = sp.csr_matrix((rows.values, rows.indices - first, rows.indptr), shape=(len(rows.labels), width))
    matrix.sort_indices()
    names = [f"f{j + first}" for j in range(width)]
    labels = [[name.removeprefix("+") for name in row_labels] for row_labels in rows.labels]
    found = sorted({name for row_labels in labels for name in row_labels}, key=_numeric_key)
    try:
        sets, found_names, notes = name_label_sets(labels, found, options)
    except InputError as error:
        if options.require_labels:
            raise locate_error(error, source) from None
        sets, found_names, notes = [], (), (f"the labels in this file were not used: {error}",)
    indicators = _indicators([list(row_labels or ()) for row_labels in sets], found_names, options, source)
    options = replace(options, label_names=None)
    return sparse_samples(SparseRows(matrix, names, indicators, notes=notes), source, options)


def _indicators(
    labels: list[list[str]], found: Sequence[str], options: ReadOptions, source: Source
) -> Indicators | LabelSets | None:
    """The labels of the rows, in the order that was asked for."""
    names = tuple(found)
    if options.label_order is not None:
        unknown = [name for name in found if name not in options.label_order]
        if unknown:
            raise InputError(
                f"the label {unknown[0]!r} is not in label_order", file=source.path, argument="label_order"
            )
        names = options.label_order
    if not names or not labels:
        return None
    if options.sparse_targets:
        return LabelSets(labels, names)
    check_dense(len(labels), len(names), source)
    column_of = {name: j for j, name in enumerate(names)}
    values = np.zeros((len(labels), len(names)), dtype=bool)
    for i, row_labels in enumerate(labels):
        for name in row_labels:
            values[i, column_of[name]] = True
    return Indicators(values, np.ones_like(values), names, is_closed=True)


def _numeric_key(name: str) -> tuple[bool, float, str]:
    is_whole = name.lstrip("-").isdecimal()
    return (not is_whole, int(name) if is_whole else 0.0, name)


_PAIR = re.compile(r"^[+-]?\d+:[^:\s]+$")

_NON_NUMERIC = re.compile(rb"[^0-9+\-.eE: \tnaifNAIF]")


@dataclass(frozen=True)
class SvmRows:
    """The lines of such a file."""

    labels: list[list[str]]
    indptr: np.ndarray  # Where each row's values begin, int64 (n + 1,)
    indices: np.ndarray  # Index of each value as written, int64 (k,)
    values: np.ndarray  # The values, float64 (k,)


def parse_rows(lines: Sequence[str], source: Source) -> SvmRows:
    """Lines -> labels and values."""
    labels: list[list[str]] = []
    pair_texts: list[str] = []
    for line in lines:
        first, _, pairs = line.partition(" ") if " " in line else line.partition("\t")
        if ":" in first:
            labels.append([])
            pair_texts.append(line)
        else:
            labels.append([part.strip() for part in first.split(",") if part.strip()])
            pair_texts.append(pairs)
    counts = np.array([part.count(":") for part in pair_texts], dtype=np.int64)
    flat = _parse_numbers(" ".join(pair_texts), int(counts.sum()))
    if flat is None:
        raise _first_error(pair_texts, source)
    indices = flat[0::2]
    if np.any(indices != np.floor(indices)) or np.any(indices < 0) or np.any(indices > 2**53):
        raise _first_error(pair_texts, source)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    rows = SvmRows(labels, indptr, indices.astype(np.int64), flat[1::2].copy())
    _refuse_twins(rows, source)
    return rows


def _parse_numbers(text: str, n_pairs: int) -> np.ndarray | None:
    if not text.strip():
        return np.zeros(0) if not n_pairs else None
    if not text.isascii() or _NON_NUMERIC.search(text.encode()) or re.search(r":[ \t]|[ \t]:|:[^ \t]*:", text):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            flat = np.fromstring(text.replace(":", " "), dtype=np.float64, sep=" ")
        except (DeprecationWarning, ValueError):
            return None
    return flat if len(flat) == 2 * n_pairs else None


def _first_error(pair_texts: Sequence[str], source: Source) -> InputError:
    for i, part in enumerate(pair_texts):
        for pair in part.split():
            if pair.startswith("qid:"):
                return InputError("has a qid, which belongs to ranking; remove it", file=source.path, row=i + 1)
            is_pair = _PAIR.match(pair) and not pair.startswith("-")
            if not is_pair or _parse_numbers(pair, 1) is None:
                return InputError(
                    f"holds {pair[:40]!r}, expected INDEX:VALUE with a whole number from 0 and a number",
                    file=source.path,
                    row=i + 1,
                )
    return InputError("holds something other than INDEX:VALUE pairs", file=source.path)


def _refuse_twins(rows: SvmRows, source: Source) -> None:
    if not len(rows.indices):
        return
    row_of = np.repeat(np.arange(len(rows.labels)), np.diff(rows.indptr))
    order = np.lexsort((rows.indices, row_of))
    duplicates = np.flatnonzero((np.diff(rows.indices[order]) == 0) & (np.diff(row_of[order]) == 0))
    if duplicates.size:
        index = order[duplicates[0]]
        raise InputError(
            f"the index {rows.indices[index]} stands more than once", file=source.path, row=int(row_of[index]) + 1
        )
