"""ARFF, dense and sparse, with labels named by a Mulan XML or by MEKA's `-C`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot.data.indicators import parse_numbers
from manyhot.data.readers.arff_header import NO, YES, Attribute, Header, parse_header
from manyhot.data.readers.arff_rows import SparseEntries, data_section, parse_dense_rows, parse_sparse_rows
from manyhot.data.readers.encodings import CP1252_GAPS, UTF8_MARK, find_invalid_byte
from manyhot.data.readers.label_columns import match_columns, names_one_column
from manyhot.data.readers.mulan import find_label_xml, read_label_names
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source
from manyhot.data.readers.sparse import SparseRows, sparse_samples
from manyhot.data.readers.table import Table, build_samples
from manyhot.data.readers.targets import find_columns
from manyhot.data.samples import ColumnKind, Samples
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.validation import did_you_mean, join_names


def read_arff(source: Source, options: ReadOptions) -> Samples:
    """An ARFF file; labels are those of `labels`, the XML, MEKA's `-C` or `known_labels`, in this order."""
    content = source.content()
    source.refuse_binary(content[:4096], "ARFF")
    if find_invalid_byte(content) is not None:
        encoding = "Windows-1252" if content.translate(None, CP1252_GAPS) == content else "Latin-1"
        content = content.decode(encoding).encode("utf-8")
        source = replace(source, notes=(*source.notes, f"the file is not UTF-8 and was read as {encoding}"))
    content = content.removeprefix(UTF8_MARK)
    header = parse_header(content, source)
    file_labels = _file_labels(header, source, options)
    body = data_section(content, header)
    if not body.strip():
        raise source.error("has attributes but no rows after @data")
    if not body.lstrip().startswith(b"{"):
        return _from_dense(parse_dense_rows(body, header, source), header, file_labels, source, options)
    return _from_sparse(parse_sparse_rows(body, header, source), header, file_labels, source, options)


def _file_labels(header: Header, source: Source, options: ReadOptions) -> tuple[str, ...] | None:
    """The labels that XML or relation name, in the file's order."""
    if options.labels is not None:
        return None
    xml = options.xml or find_label_xml(source.path, source.stem)
    if xml is None:
        labels = header.meka_labels()
        if labels is None and options.require_labels and options.known_labels is None:
            _refuse_other_xml(source)
        return labels
    label_names = read_label_names(xml)
    attribute_names = set(header.names)
    missing = [name for name in label_names if name not in attribute_names]
    if missing and (options.require_labels or len(missing) < len(label_names)):
        raise source.error(
            f"the label {missing[0]!r} of {Path(xml).name} is no attribute of this file"
            f"{did_you_mean(missing[0], header.names)}; give the right XML with xml="
        )
    is_label = set(label_names)
    return tuple(name for name in header.names if name in is_label)


def _refuse_other_xml(source: Source) -> None:
    """Raise where nothing names the labels but an XML of another name may."""
    names = sorted(path.name for path in source.path.parent.iterdir() if path.suffix.lower() == ".xml")
    if names:
        others = join_names([repr(name) for name in names], 5)
        raise source.error(
            f"nothing says which attributes are labels: no XML beside it is called like {source.stem!r}, but there is "
            f"{others}; name the right one with xml= (--xml {names[0]}), or the labels with labels= (--labels)",
            argument="labels",
        )


def _from_dense(
    frame: pl.DataFrame, header: Header, file_labels: tuple[str, ...] | None, source: Source, options: ReadOptions
) -> Samples:
    declared: dict[str, ColumnKind] = {}
    for attribute in header.attributes:
        if attribute.kind == "numeric":
            declared[attribute.name] = "numeric"
        elif attribute.kind == "date":
            declared[attribute.name] = "ignored"
        elif attribute.kind == "nominal":
            declared[attribute.name] = "boolean" if _has_boolean_levels(attribute) else "categorical"
            if attribute.name not in (file_labels or ()):
                _refuse_other_levels(frame[attribute.name], attribute, source)
    table = Table(frame, file_labels=file_labels, declared=declared, blank_is_empty=True)
    return build_samples(table, source, options)


def _has_boolean_levels(attribute: Attribute) -> bool:
    """Levels that a boolean column can hold: 0 and 1, or true and false."""
    levels = {level.lower() for level in attribute.levels}
    return len(levels) == 2 and levels in ({"0", "1"}, {"true", "false"})


def _refuse_other_levels(column: pl.Series, attribute: Attribute, source: Source) -> None:
    cells = column.str.strip_chars()
    invalid = (~cells.is_in([*attribute.levels, "?", ""]).fill_null(True)).arg_true()
    if len(invalid):
        row = int(invalid[0])
        raise source.error(
            f"got {cells[row]!r}, expected one of {', '.join(attribute.levels[:10])}"
            f"{did_you_mean(str(cells[row]), attribute.levels)}",
            row=row + 1,
            column=attribute.name,
        )


def _from_sparse(
    entries: SparseEntries, header: Header, file_labels: tuple[str, ...] | None, source: Source, options: ReadOptions
) -> Samples:
    empty = pl.DataFrame(schema=dict.fromkeys(header.names, pl.String))
    if options.drop is not None:
        empty = empty.drop(match_columns(options.drop, header.names, "drop"))
    labels = find_columns(empty, options, file_labels)
    by_name = {attribute.name: attribute for attribute in header.attributes}
    is_single = len(labels) == 1 and options.labels is not None and names_one_column(options.labels, labels[0])
    is_single_set = is_single and not by_name[labels[0]].is_sparse_zero
    extra = [
        name for name in options.known_labels or () if name in set(header.names) and name not in options.column_types
    ]
    not_features = set(labels) | set(extra)
    features = [j for j, attribute in enumerate(header.attributes) if attribute.name not in not_features]
    if is_single_set or options.id_column or not all(header.attributes[j].is_sparse_zero for j in features):
        frame = _to_dense_text(entries, header)
        return _from_dense(frame, header, file_labels if options.labels is None else None, source, options)
    numbers = _convert_values(entries, header)
    shape = (entries.n_rows, len(header.attributes))
    matrix = sp.csr_matrix((numbers, (entries.rows, entries.columns)), shape=shape)[:, features]
    matrix.eliminate_zeros()
    targets = _label_matrix(entries, numbers, header, labels) if labels else None
    names = [header.names[j] for j in features]
    return sparse_samples(SparseRows(matrix, names, labels, targets), source, options)


def _convert_values(entries: SparseEntries, header: Header) -> np.ndarray:
    """The stored values as numbers: words of a yes/no attribute as 1 and 0, unknown ones as NaN."""
    numbers = entries.texts.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy().copy()
    is_binary = np.array([attribute.is_binary for attribute in header.attributes])[entries.columns]
    is_wrong = is_binary & ~np.isnan(numbers) & (numbers != 0) & (numbers != 1)
    places = np.flatnonzero(np.isnan(numbers))
    words = entries.texts.gather(places).str.to_lowercase()
    is_word = ~words.is_in(["?", "nan", ""]).to_numpy()
    is_valid = is_word & is_binary[places] & words.is_in([*YES, *NO]).to_numpy()
    numbers[places[is_valid]] = words.is_in(YES).to_numpy()[is_valid]
    is_wrong[places] = is_word & ~is_valid
    invalid = np.flatnonzero(is_wrong)
    if invalid.size:
        k = int(invalid[0])
        attribute = header.attributes[entries.columns[k]]
        got = repr(entries.texts[k]) if np.isnan(numbers[k]) else f"{numbers[k]:g}"
        expected = f"one of {', '.join(attribute.levels)}" if attribute.levels else "a number"
        raise InputError(f"got {got}, expected {expected}", row=int(entries.rows[k]) + 1, column=attribute.name)
    return numbers


def _label_matrix(entries: SparseEntries, numbers: np.ndarray, header: Header, labels: Sequence[str]) -> Targets:
    column = {name: j for j, name in enumerate(header.names)}
    chosen = [column[name] for name in labels]
    defaults = [0.0 if header.attributes[j].is_sparse_zero else 1.0 for j in chosen]
    for j in chosen:
        attribute = header.attributes[j]
        if attribute.kind == "nominal" and not attribute.is_binary:
            raise InputError(
                f"has the levels {', '.join(attribute.levels[:10])}, expected 0 and 1 in a label", column=attribute.name
            )
    positions = np.full(len(header.attributes), -1, dtype=np.int64)
    positions[chosen] = np.arange(len(chosen))
    mask = positions[entries.columns] >= 0
    values = np.tile(np.asarray(defaults), (entries.n_rows, 1))
    values[entries.rows[mask], positions[entries.columns[mask]]] = numbers[mask]
    return parse_numbers(values, labels, "NaN, ?")


def _to_dense_text(entries: SparseEntries, header: Header) -> pl.DataFrame:
    """Sparse rows as a table of text, what they leave out filled in: 0, or the first level."""
    order = np.argsort(entries.columns, kind="stable")
    bounds = np.searchsorted(entries.columns[order], np.arange(len(header.attributes) + 1))
    columns = []
    for j, attribute in enumerate(header.attributes):
        default = "?" if attribute.kind in ("string", "date") else attribute.levels[0] if attribute.levels else "0"
        indices = order[bounds[j] : bounds[j + 1]]
        cells = pl.Series(attribute.name, [default], dtype=pl.String).new_from_index(0, entries.n_rows)
        columns.append(cells.scatter(entries.rows[indices], entries.texts.gather(indices)))
    return pl.DataFrame(columns)
