"""ARFF, dense and sparse, with labels named by a Mulan XML or by MEKA's `-C`.

Sparse rows of numbers become a CSR matrix, everything else a table whose kinds are those that the header declares. It
knows nothing of models. Start reading at `read_arff`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot.data.readers.arff_header import Attribute, Header, parse_header
from manyhot.data.readers.arff_rows import Entries, body_of, dense_cells, sparse_entries
from manyhot.data.readers.mulan import label_names_of, xml_beside
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source, placed
from manyhot.data.readers.sparse import SparseRows, sparse_samples
from manyhot.data.readers.table import Table, samples_of
from manyhot.data.readers.targets import Indicators, find_columns, indicators_from_matrix
from manyhot.data.samples import ColumnKind, Samples
from manyhot.errors import InputError
from manyhot.validation import did_you_mean

_YES = ("1", "true", "yes")


def read_arff(source: Source, options: ReadOptions) -> Samples:
    """An ARFF file.

    Labels are, in this order of preference: `options.labels`, the XML in `options.xml`, the Mulan XML beside the
    file, MEKA's `-C` in the relation's name, the names in `options.known_labels`. They keep the file's order.

    Args:
        source: The file; Latin-1 is accepted where it is no UTF-8.
        options: How to read it.

    Returns:
        Samples with a CSR matrix when the rows are sparse and all features numeric or {0,1}; otherwise with a frame.

    Raises:
        InputError: What is wrong, with its line or its row and column.
    """
    content = source.content()
    source.refuse_binary(content[:4096], "ARFF")
    notes: tuple[str, ...] = ()
    try:
        source.refuse_other_encodings(content)
    except InputError:
        content = content.decode("latin-1").encode("utf-8")
        notes = ("the file is not UTF-8 and was read as Latin-1",)
    content = content.removeprefix(b"\xef\xbb\xbf")
    header = parse_header(content, source)
    own = _own_labels(header, source, options)
    body = body_of(content, header)
    if not body.strip():
        raise InputError("has attributes but no rows after @data", file=source.path)
    if not body.lstrip().startswith(b"{"):
        return _from_dense(dense_cells(body, header, source), header, own, notes, source, options)
    entries = sparse_entries(body, header, source)
    try:
        return _from_sparse(entries, header, own, notes, source, options)
    except InputError as error:
        raise error if error.file else placed(error, source) from None


def _own_labels(header: Header, source: Source, options: ReadOptions) -> tuple[str, ...] | None:
    """The labels that XML or relation name, in the file's order."""
    if options.labels is not None:
        return None
    xml = options.xml or xml_beside(source.path, source.stem)
    if xml is None:
        try:
            return header.meka_labels()
        except InputError as error:
            raise placed(error, source) from None
    wanted = label_names_of(xml)
    there = set(header.names)
    missing = [name for name in wanted if name not in there]
    if missing and (options.require_labels or len(missing) < len(wanted)):
        raise InputError(
            f"the label {missing[0]!r} of {Path(xml).name} is no attribute of this file"
            f"{did_you_mean(missing[0], header.names)}; give the right XML with xml=",
            file=source.path,
        )
    is_label = set(wanted)
    return tuple(name for name in header.names if name in is_label)


def _from_dense(
    frame: pl.DataFrame,
    header: Header,
    own: tuple[str, ...] | None,
    notes: tuple[str, ...],
    source: Source,
    options: ReadOptions,
) -> Samples:
    labels = set(own or ())
    for attribute in header.attributes:
        if attribute.kind == "nominal" and attribute.name not in labels:
            _refuse_other_levels(frame[attribute.name], attribute, source)
    return samples_of(_table(frame, header, own, notes), source, options)


def _table(frame: pl.DataFrame, header: Header, own: Sequence[str] | None, notes: tuple[str, ...]) -> Table:
    declared: dict[str, ColumnKind] = {}
    for attribute in header.attributes:
        if attribute.kind == "numeric":
            declared[attribute.name] = "numeric"
        elif attribute.kind == "nominal":
            declared[attribute.name] = "boolean" if _is_01(attribute) else "categorical"
        elif attribute.kind == "date":
            declared[attribute.name] = "ignored"
    return Table(frame, own_labels=own, declared=declared, blank_is_empty=True, notes=notes)


def _is_01(attribute: Attribute) -> bool:
    """Levels that a boolean column can hold: 0 and 1, or true and false."""
    words = {level.lower() for level in attribute.levels}
    return len(words) == 2 and words in ({"0", "1"}, {"true", "false"})


def _refuse_other_levels(column: pl.Series, attribute: Attribute, source: Source) -> None:
    cells = column.str.strip_chars()
    wrong = (~cells.is_in([*attribute.levels, "?", ""]).fill_null(True)).arg_true()
    if len(wrong):
        row = int(wrong[0])
        raise InputError(
            f"got {cells[row]!r}, expected one of {', '.join(attribute.levels[:10])}"
            f"{did_you_mean(str(cells[row]), attribute.levels)}",
            file=source.path,
            row=row + 1,
            column=attribute.name,
        )


def _from_sparse(
    entries: Entries,
    header: Header,
    own: tuple[str, ...] | None,
    notes: tuple[str, ...],
    source: Source,
    options: ReadOptions,
) -> Samples:
    empty = pl.DataFrame(schema=dict.fromkeys(header.names, pl.String))
    labels = find_columns(empty, options, own)
    by_name = {attribute.name: attribute for attribute in header.attributes}
    is_single_set = labels == (options.labels,) and not by_name[labels[0]].is_sparse_zero
    extra = [name for name in options.known_labels or () if name in set(header.names) and name not in options.kinds]
    not_features = set(labels) | set(extra)
    features = [j for j, attribute in enumerate(header.attributes) if attribute.name not in not_features]
    if is_single_set or options.id_column or not all(header.attributes[j].is_sparse_zero for j in features):
        frame = _spread(entries, header)
        return _from_dense(frame, header, own if options.labels is None else None, notes, source, options)
    numbers = _as_numbers(entries, header)
    place = np.full(len(header.attributes), -1, dtype=np.int64)
    place[features] = np.arange(len(features))
    kept = (place[entries.columns] >= 0) & (numbers != 0)
    matrix = sp.csr_matrix(
        (numbers[kept], (entries.rows[kept], place[entries.columns[kept]])), shape=(entries.n_rows, len(features))
    )
    indicators = _label_matrix(entries, numbers, header, labels) if labels else None
    names = [header.names[j] for j in features]
    return sparse_samples(SparseRows(matrix, names, indicators, notes=notes), source, options)


def _as_numbers(entries: Entries, header: Header) -> np.ndarray:
    """The stored values as numbers: words of a yes/no attribute as 1 and 0, unknown ones as NaN.

    Raises:
        InputError: A value that its attribute cannot have, with row and column.
    """
    numbers = entries.numbers.copy()
    is_binary = np.array([attribute.is_binary for attribute in header.attributes])[entries.columns]
    is_wrong = is_binary & ~np.isnan(numbers) & (numbers != 0) & (numbers != 1)
    if entries.words is not None:
        words = np.array([str(word).lower() for word in entries.words], dtype=str)
        is_word = np.isnan(numbers) & ~np.isin(words, ["?", "nan", ""])
        fits = is_word & is_binary & np.isin(words, [*_YES, "false", "no"])
        numbers[fits] = np.isin(words[fits], _YES)
        is_wrong |= is_word & ~fits
    wrong = np.flatnonzero(is_wrong)
    if wrong.size:
        k = int(wrong[0])
        attribute = header.attributes[entries.columns[k]]
        got = f"{numbers[k]:g}" if entries.words is None else repr(entries.words[k])
        expected = f"one of {', '.join(attribute.levels)}" if attribute.levels else "a number"
        raise InputError(f"got {got}, expected {expected}", row=int(entries.rows[k]) + 1, column=attribute.name)
    return numbers


def _label_matrix(entries: Entries, numbers: np.ndarray, header: Header, labels: Sequence[str]) -> Indicators:
    column = {name: j for j, name in enumerate(header.names)}
    chosen = [column[name] for name in labels]
    left_out = [0.0 if header.attributes[j].is_sparse_zero else 1.0 for j in chosen]
    for j in chosen:
        attribute = header.attributes[j]
        if attribute.kind == "nominal" and not attribute.is_binary:
            raise InputError(
                f"has the levels {', '.join(attribute.levels[:10])}, expected 0 and 1 in a label", column=attribute.name
            )
    place = np.full(len(header.attributes), -1, dtype=np.int64)
    place[chosen] = np.arange(len(chosen))
    kept = place[entries.columns] >= 0
    values = np.tile(np.asarray(left_out), (entries.n_rows, 1))
    values[entries.rows[kept], place[entries.columns[kept]]] = numbers[kept]
    return indicators_from_matrix(values, labels)


def _spread(entries: Entries, header: Header) -> pl.DataFrame:
    """Sparse rows as a table of text, what they leave out filled in: 0, or the first level."""
    words = entries.words
    if words is None:
        words = np.array([_digits(value) for value in entries.numbers.tolist()], dtype=object)
    order = np.argsort(entries.columns, kind="stable")
    bounds = np.searchsorted(entries.columns[order], np.arange(len(header.attributes) + 1))
    columns = []
    for j, attribute in enumerate(header.attributes):
        cells = np.full(entries.n_rows, attribute.levels[0] if attribute.levels else "0", dtype=object)
        if attribute.kind in ("string", "date"):
            cells[:] = "?"
        own = order[bounds[j] : bounds[j + 1]]
        cells[entries.rows[own]] = words[own]
        columns.append(pl.Series(attribute.name, cells.tolist(), dtype=pl.String))
    return pl.DataFrame(columns)


def _digits(value: float) -> str:
    if np.isnan(value):
        return "?"
    return repr(int(value)) if value == int(value) else repr(value)
