"""libsvm's text for several labels: `1,3 4:0.5 7:1`; a line may begin without labels."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source
from manyhot.data.readers.sparse import SparseRows, sparse_samples
from manyhot.data.readers.sparse_targets import LabelSets, check_dense
from manyhot.data.readers.svm_rows import SvmRows, parse_rows
from manyhot.data.readers.targets import Indicators
from manyhot.data.samples import Samples
from manyhot.errors import InputError

_MOST_COLUMNS = 1 << 26


def read_libsvm(source: Source, options: ReadOptions) -> Samples:
    """A libsvm file; labels and features are named by the numbers that stand in it (`3`, `f4`).

    Args:
        source: The file; `#` begins a comment, blank lines are passed over.
        options: `label_order` or `known_labels` fix the labels; otherwise they are those found, numbers by size.

    Returns:
        Samples with a CSR matrix; features run from the first index in use (0 or 1) to the last.

    Raises:
        InputError: A line that is not of that form, with its row.
    """
    lines = [line.split("#", 1)[0].rstrip() for line in source.text("libsvm").decode("utf-8").split("\n")]
    rows = parse_rows([line for line in lines if line], source)
    first = 0 if len(rows.indices) and rows.indices.min() == 0 else 1
    width = int(rows.indices.max()) + 1 - first if len(rows.indices) else 0
    if width > _MOST_COLUMNS:
        raise InputError(f"has the index {width}, expected at most {_MOST_COLUMNS}", file=source.path)
    matrix = sp.csr_matrix((rows.values, rows.indices - first, rows.indptr), shape=(len(rows.labels), width))
    matrix.sort_indices()
    names = [f"f{j + first}" for j in range(width)]
    indicators = _indicators(rows, options, source)
    return sparse_samples(SparseRows(matrix, names, indicators), source, options)


def _indicators(rows: SvmRows, options: ReadOptions, source: Source) -> Indicators | LabelSets | None:
    found = sorted({_plain(name) for names in rows.labels for name in names}, key=_by_size)
    names = found
    if options.label_order is not None:
        beyond = [name for name in found if name not in options.label_order]
        if beyond:
            raise InputError(f"the label {beyond[0]!r} is not in label_order", file=source.path, argument="label_order")
        names = list(options.label_order)
    if not names:
        return None
    if options.sparse_targets:
        return LabelSets([[_plain(name) for name in own] for own in rows.labels], tuple(names))
    check_dense(len(rows.labels), len(names), source)
    place = {name: j for j, name in enumerate(names)}
    values = np.zeros((len(rows.labels), len(names)), dtype=bool)
    for i, own in enumerate(rows.labels):
        for name in own:
            values[i, place[_plain(name)]] = True
    return Indicators(values, np.ones_like(values), tuple(names), is_closed=True)


def _plain(name: str) -> str:
    return name.removeprefix("+")


def _by_size(name: str) -> tuple[bool, float, str]:
    is_whole = name.lstrip("-").isdecimal()
    return (not is_whole, int(name) if is_whole else 0.0, name)
