"""What all pieces of one file share: the columns in use, their kinds, and the labels, as the first piece shows them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from manyhot.data.readers.column_types import cast_column
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source
from manyhot.data.readers.table import Table, build_samples
from manyhot.data.samples import ColumnKind, Samples


@dataclass(frozen=True)
class ChunkSchema:
    """How every piece of a file is read."""

    columns: tuple[str, ...]
    options: ReadOptions

    def read(self, table: Table, source: Source) -> Samples:
        """The rows of a table that has exactly these columns; one that it lacks is missing in every row."""
        present = set(table.frame.columns)
        frame = table.frame.select(
            pl.col(name) if name in present else pl.lit(None).alias(name) for name in self.columns
        )
        return build_samples(replace(table, frame=frame), source, self.options)


def infer_schema(
    samples: Samples, table: Table, options: ReadOptions, is_model: bool = False, is_whole: bool = False
) -> ChunkSchema:
    """The columns, kinds and labels of a file by its first piece, or by a sample of its rows."""
    # where the options are a model's, all columns without a kind in them are left out; 0 and 1 are numeric, unless
    # these are all rows, as others may hold more
    ids = [name for name, kind in samples.column_types.items() if kind == "id"]
    preferred = [name for name in ids if name in options.column_types]
    id_column = options.id_column or next(iter([*preferred, *ids]), None)
    column_types: dict[str, ColumnKind] = {}
    for name, kind in samples.column_types.items():
        is_given = name in options.column_types
        if name == id_column:
            column_types[name] = "id"
        elif is_given if is_model else kind not in ("ignored", "id"):
            may_hold_more = kind == "boolean" and not is_given and not is_whole
            is_number = may_hold_more and cast_column(table.frame[name]).dtype == pl.Float64
            column_types[name] = "numeric" if is_number else kind
    columns = tuple(name for name in table.frame.columns if name in column_types or name not in samples.column_types)
    return ChunkSchema(
        columns,
        replace(
            options,
            column_types=column_types,
            id_column=id_column,
            known_labels=options.known_labels or (None if samples.labels is None else samples.labels.names),
            number_formats=samples.number_formats,
        ),
    )
