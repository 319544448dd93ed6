"""The text format of the extreme classification repository: `n f l`, then `l1,l2 f:v f:v` a line, counted from 0."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl

from manyhot.data.numbered_names import NumberedNames
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source, locate
from manyhot.data.readers.sparse import SparseRows, sparse_samples
from manyhot.data.readers.svmlight import max_columns, parse_rows
from manyhot.data.samples import Samples
from manyhot.data.targets import check_size, refuse_size
from manyhot.errors import InputError

MIN_REFUSED_TARGETS = 300_000_000  # Rows times labels that a file may have whatever its size
_CELLS_PER_BYTE = 1000
FREE_LABELS = 1 << 20  # that a file may have whatever its size; beyond, as many as it has bytes
HEADER = re.compile(r"^\s*([0-9]{1,18})\s+([0-9]{1,18})\s+([0-9]{1,18})\s*$")


def read_xc(source: Source, options: ReadOptions) -> Samples:
    """A file of the extreme classification repository."""
    lines = source.text("XC").decode("utf-8").removesuffix("\n").split("\n")
    header = HEADER.match(lines[0])
    if header is None:
        raise source.error(f"begins with {lines[0][:60]!r}, expected three whole numbers: rows, features, labels")
    n_rows, n_features, n_labels = (int(count) for count in header.groups())
    body = [line.rstrip("\r") for line in lines[1:]]
    while len(body) > n_rows and not body[-1].strip():
        body.pop()
    if len(body) != n_rows:
        raise source.error(f"has {len(body)} rows, but its first line says {n_rows}")
    _check_counts(n_rows, n_features, n_labels, source, is_dense=not options.sparse_targets)
    rows = parse_rows(pl.Series(body, dtype=pl.String), source)
    if len(rows.indices) and rows.indices.max() >= n_features:
        index = int(np.argmax(rows.indices >= n_features))
        raise source.error(
            f"has the index {rows.indices[index]}, expected 0 to {n_features - 1}", row=int(rows.rows[index]) + 1
        )
    is_named = options.label_names is not None  # numbers get their names later
    names = None if is_named else _read_names(source, "labels", n_labels)
    label_names = names or tuple(str(j) if is_named else f"label_{j}" for j in range(n_labels))
    feature_names = _read_names(source, "features", n_features) or NumberedNames("f", n_features)
    label_indices = _parse_label_indices(rows.labels, n_labels, source)
    sets = [[label_names[j] for j in columns] for columns in label_indices]
    found = SparseRows(rows.to_matrix(0, n_features), feature_names, label_names, sets=sets)
    return sparse_samples(found, source, options)


def _check_counts(n_rows: int, n_features: int, n_labels: int, source: Source, is_dense: bool) -> None:
    """Raise for numbers in the first line that a file of this size cannot mean, or that memory cannot hold."""
    n_bytes, most = source.path.stat().st_size, max_columns(source)
    limits = ((n_features, most, "features"), (n_labels, min(most, max(FREE_LABELS, n_bytes)), "labels"))
    for count, most, noun in limits:
        if count > most:
            raise source.error(
                f"its first line says {count:,} {noun}, expected at most {most:,} in a file of {n_bytes:,} bytes"
            )
    if is_dense and n_rows * n_labels > max(MIN_REFUSED_TARGETS, n_bytes * _CELLS_PER_BYTE):
        refuse_size(n_rows, n_labels)
    if is_dense:
        check_size(n_rows, n_labels)


def _parse_label_indices(labels: list[list[str]], n_labels: int, source: Source) -> list[list[int]]:
    """The labels of each row as whole numbers below n_labels."""
    rows = []
    for i, names in enumerate(labels):
        columns = [int(name) if name.isdecimal() else -1 for name in names]
        invalid = next((name for name, j in zip(names, columns, strict=True) if not 0 <= j < n_labels), None)
        if invalid is not None:
            raise source.error(
                f"has the label {invalid!r}, expected a whole number from 0 to {n_labels - 1}", row=i + 1
            )
        rows.append(columns)
    return rows


def find_names_file(source: Source, stem: str) -> Path | None:
    """The file beside this one that names the columns, packed or not; None where there is none."""
    return next((p for p in (source.path.parent / f"{stem}.txt{c}" for c in ("", ".gz")) if p.is_file()), None)


def _read_names(source: Source, stem: str, count: int) -> tuple[str, ...] | None:
    path = find_names_file(source, stem)
    if path is None:
        return None
    name_source = locate(path)
    names = [line.strip() for line in name_source.text("a list of names").decode("utf-8").splitlines()]
    while names and not names[-1]:
        names.pop()
    if len(names) != count:
        raise InputError(f"has {len(names)} names, but {source.path.name} has {count} {stem}", file=path)
    empty = next((i for i, name in enumerate(names) if not name), None)
    if empty is not None:
        raise InputError("is empty, expected a name", file=path, row=empty + 1)
    if len(set(names)) < len(names):
        duplicates = next(name for name in names if names.count(name) > 1)
        raise InputError(f"the name {duplicates!r} stands more than once", file=path)
    return tuple(names)
