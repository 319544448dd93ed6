"""What all pieces of one file share: the columns in use, their kinds, and the labels, as the first piece shows them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from manyhot.data.readers.column_types import cast_column
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source
from manyhot.data.readers.table import Table, build_samples
from manyhot.data.samples import ColumnKind


@dataclass(frozen=True)
class ChunkSchema:
    """How every piece of a file is read."""

    columns: tuple[str, ...]
    options: ReadOptions

    def select_columns(self, table: Table) -> Table:
        """The table with exactly these columns; one that it lacks is missing in every row."""
        present = set(table.frame.columns)
        frame = table.frame.select(
            pl.col(name) if name in present else pl.lit(None).alias(name) for name in self.columns
        )
        return replace(table, frame=frame)


def infer_schema(table: Table, source: Source, options: ReadOptions) -> ChunkSchema:
    """The columns, kinds and labels of a file by its first piece; 0 and 1 are numeric, as others may hold more."""
    samples = build_samples(table, source, options)
    ids = [name for name, kind in samples.column_types.items() if kind == "id"]
    id_column = options.id_column or next(
        (name for name in ids if name in options.column_types), ids[0] if ids else None
    )
    column_types: dict[str, ColumnKind] = {}
    for name, kind in samples.column_types.items():
        if name == id_column:
            column_types[name] = "id"
        elif name in options.column_types:
            column_types[name] = options.column_types[name]
        elif not options.column_types and kind not in ("ignored", "id"):
            is_number = kind == "boolean" and cast_column(table.frame[name]).dtype == pl.Float64
            column_types[name] = "numeric" if is_number else kind
    columns = tuple(name for name in table.frame.columns if name in column_types or name not in samples.column_types)
    known = options.known_labels or (None if samples.labels is None else samples.labels.names)
    return ChunkSchema(
        columns,
        replace(
            options,
            column_types=column_types,
            id_column=id_column,
            known_labels=known,
            number_formats=samples.number_formats,
        ),
    )
