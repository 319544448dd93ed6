"""libsvm's text for several labels: `1,3 4:0.5 7:1`; a line may begin without labels. The XC format shares its rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot.data.numbered_names import NumberedNames
from manyhot.data.readers.label_names import name_label_sets
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source
from manyhot.data.readers.sparse import SparseRows, find_twin, sparse_samples
from manyhot.data.readers.targets import try_labels
from manyhot.data.samples import Samples

MAX_COLUMNS = 1 << 26
FREE_COLUMNS = 1 << 22  # Columns that a file may have whatever its size, such as the first rows of a large set
MAX_INDEX = 1 << 53


def read_libsvm(source: Source, options: ReadOptions) -> Samples:
    """A libsvm file; features are named by their numbers (`f4`), and so are labels without `label_names`."""
    lines = pl.Series(source.text("libsvm").decode("utf-8").split("\n"), dtype=pl.String)
    lines = lines.str.replace("#.*", "").str.strip_chars_end()
    rows = parse_rows(lines.filter(lines != ""), source)
    first = 0 if len(rows.indices) and rows.indices.min() == 0 else 1
    width = int(rows.indices.max()) + 1 - first if len(rows.indices) else 0
    max_width = max_columns(source)
    if width > max_width:
        raise source.error(f"has the index {width}, expected at most {max_width} in a file of this size")
    names = NumberedNames("f", width, first)
    labels = [[name.removeprefix("+") for name in row_labels] for row_labels in rows.labels]
    found = sorted({name for row_labels in labels for name in row_labels}, key=_numeric_key)
    sets, found_names, notes = try_labels(name_label_sets, labels, found, options=options)
    if options.label_order is not None and sets is not None:
        unknown = next((name for name in found_names if name not in options.label_order), None)
        if unknown is not None:
            raise source.error(f"the label {unknown!r} is not in label_order", argument="label_order")
        found_names = options.label_order if sets else ()
    label_sets = [row_labels or () for row_labels in sets or ()]
    svm_rows = SparseRows(rows.to_matrix(first, width), names, found_names or (), sets=label_sets, notes=notes)
    return sparse_samples(svm_rows, source, replace(options, label_names=None))


def max_columns(source: Source) -> int:
    """Features or labels that a file may have: a large file many, as each is there to stand in some row."""
    return min(MAX_COLUMNS, max(FREE_COLUMNS, source.path.stat().st_size if source.path.is_file() else 0))


def _numeric_key(name: str) -> tuple[bool, float, str]:
    is_whole = name.lstrip("-").isdecimal()
    return (not is_whole, int(name) if is_whole else 0.0, name)


@dataclass(frozen=True)
class SvmRows:
    """The lines of such a file."""

    labels: list[list[str]]  # of each row
    rows: np.ndarray  # row of each value, int64 (k,)
    indices: np.ndarray  # index of each value as written, int64 (k,)
    values: np.ndarray  # float64 (k,)

    def to_matrix(self, first: int, width: int) -> sp.csr_matrix:
        """The values as CSR (n, width), of which the first column has the index `first`."""
        places = (self.rows, self.indices - first)
        return sp.csr_matrix((self.values, places), shape=(len(self.labels), width))


def parse_rows(lines: pl.Series, source: Source) -> SvmRows:
    """Lines without line ends, one for each row -> labels, which may be missing, and values."""
    first = lines.str.extract(r"^([^:\s]*)(?:\s|$)").fill_null("")
    labels = [[label for label in labels if label] for labels in first.str.split(",").to_list()]
    pairs = lines.str.slice(first.str.len_chars()).str.extract_all(r"\S+")
    rows = np.repeat(np.arange(len(lines)), pairs.list.len().to_numpy())
    pairs = pairs.explode().drop_nulls()
    numbers = pairs.str.splitn(":", 2).struct.unnest().cast(pl.Float64, strict=False)
    indices, values = numbers.get_columns()
    is_pair = (indices >= 0) & (indices == indices.floor()) & (indices <= MAX_INDEX) & values.is_not_null()
    odd = (~is_pair.fill_null(False)).arg_true()
    if len(odd):
        pair = pairs[int(odd[0])]
        message = f"holds {pair[:40]!r}, expected INDEX:VALUE with a whole number from 0 and a number"
        if pair.startswith("qid:"):
            message = "has a qid, which belongs to ranking; remove it"
        raise source.error(message, row=int(rows[odd[0]]) + 1)
    result = SvmRows(labels, rows, indices.cast(pl.Int64).to_numpy(), values.to_numpy())
    twin = find_twin(rows, result.indices)
    if twin is not None:
        raise source.error(f"the index {result.indices[twin]} stands more than once", row=int(rows[twin]) + 1)
    return result
