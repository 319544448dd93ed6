"""The columns, levels and words of a row that its inputs come from, and their shares of these inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp


class FeatureSources(NamedTuple):
    """The s columns, levels and words of one row that its inputs come from."""

    names: Sequence[str]  # what each is called: a column, "column = level", "column = missing", or a word
    column: Sequence[str]  # the column that each belongs to
    # block -> CSR float64 (s, c): what share of each input is whose. c counts all columns of a dense block, the
    # entries of the row, in their order, of a CSR block
    shares: Mapping[str, sp.csr_matrix]
    texts: Mapping[str, str]  # column of text -> the row's text, where words were found


def ownership_shares(owners: Sequence[int] | np.ndarray, n_sources: int) -> sp.csr_matrix:
    """Return shares (n_sources, c) of c inputs that belong to one source each."""
    owners = np.asarray(owners, dtype=np.int64)
    return sp.csr_matrix((np.ones(len(owners)), (owners, np.arange(len(owners)))), shape=(n_sources, len(owners)))


def column_sources(
    name: str, block: np.ndarray | sp.csr_matrix, names: Sequence[str], gaps: Sequence[int] | np.ndarray = ()
) -> Iterator[FeatureSources]:
    """Yield the sources of each row of a block (n, f + g) whose first f columns have names, the others say gaps."""
    if not isinstance(block, np.ndarray):
        for row in range(block.shape[0]):
            present = [names[column] for column in block.indices[block.indptr[row] : block.indptr[row + 1]]]
            yield FeatureSources(present, present, {name: sp.identity(len(present), format="csr")}, {})
        return
    width, shares = len(names), ownership_shares([*range(len(names)), *gaps], len(names))
    for row in block:
        source_names = list(names)
        for gap, is_missing in zip(gaps, row[width:], strict=True):
            source_names[gap] += " = missing" if is_missing else ""
        yield FeatureSources(source_names, names, {name: shares}, {})
