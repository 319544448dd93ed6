"""A frame of raw columns -> Samples: labels taken out, ids taken out, every column in the form of its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from manyhot.data.pixel_targets import PixelTargets
from manyhot.data.readers.column_types import inspect_columns, refuse_unknown
from manyhot.data.readers.columns import coerce_column, row_ids
from manyhot.data.readers.image_paths import image_row_ids, is_path, resolve_image_paths
from manyhot.data.readers.masks import extract_masks, mask_columns
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source, locate_error
from manyhot.data.readers.targets import extract_labels
from manyhot.data.samples import ColumnKind, Samples
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.validation import did_you_mean

_DROPPED = (pl.List, pl.Array, pl.Struct, pl.Object, pl.Binary)


@dataclass(frozen=True)
class Table:
    """What a format found in a file, before anything is decided about its columns.

    Args:
        frame: All columns.
        file_labels: The label columns that the file itself names.
        declared: Kinds of feature columns that the file itself declares.
        blank_is_empty: Whether an empty cell in a column of label sets is the empty set.
        first_row: Rows of the file before the first of the frame.
        notes: What the user should know.
        rows: Number of each row in the file, from 1, where some were left out; None for all.
    """

    frame: pl.DataFrame
    file_labels: Sequence[str] | None = None
    declared: Mapping[str, ColumnKind] = field(default_factory=dict)
    blank_is_empty: bool = False
    first_row: int = 0
    notes: tuple[str, ...] = ()
    rows: np.ndarray | None = None

    @property
    def row_numbers(self) -> np.ndarray | None:
        """Number of each row in the file, from 1; None where they are 1 to n."""
        if self.rows is None and self.first_row:
            return np.arange(self.first_row + 1, self.first_row + 1 + self.frame.height)
        return self.rows


def build_samples(table: Table, source: Source, options: ReadOptions) -> Samples:
    """Labels, ids and features of a table.

    Args:
        table: What the format found.
        source: The file.
        options: How to read it.

    Returns:
        Samples: `features` holds every column but labels, ids and nested ones; ignored columns stay in it under
        their kind "ignored". `column_types` names every column but the labels.

    Raises:
        InputError: What cannot be used, with file, row and column.
    """
    try:
        return _build_samples(table, source, options)
    except InputError as error:
        if error.row is not None and table.rows is not None:
            row = int(table.rows[error.row - 1])
            error = InputError(error.message, row=row, column=error.column, argument=error.argument)
            raise locate_error(error, source) from None
        raise locate_error(error, source, first_row=table.first_row) from None


def _build_samples(table: Table, source: Source, options: ReadOptions) -> Samples:
    frame = table.frame
    if not frame.width or not frame.height:
        raise InputError("has column names but no rows" if frame.width else "has no columns")
    mask_names = mask_columns(frame, options, table.file_labels)
    if mask_names:
        extracted = extract_masks(frame, mask_names, options, source.path.parent)
    else:
        extracted = extract_labels(frame, options, table.file_labels, table.blank_is_empty)
    features = frame.drop(extracted.columns)
    user_kinds = {name: kind for name, kind in options.column_types.items() if name not in extracted.columns}
    refuse_unknown(user_kinds, features.columns)
    declared = {name: kind for name, kind in table.declared.items() if name in features.columns}
    overrides = {**declared, **user_kinds}
    if options.id_column is not None:
        if options.id_column not in features.columns:
            hint = did_you_mean(options.id_column, features.columns)
            raise InputError(f"there is no column {options.id_column!r}{hint}", argument="id_column")
        overrides[options.id_column] = "id"
    inspection = inspect_columns(features, overrides)
    ids, id_notes = _ids(features, inspection.column_types, options)
    columns = [
        coerce_column(features[name], kind)
        for name, kind in inspection.column_types.items()
        if kind != "id" and not (kind == "ignored" and features[name].dtype in _DROPPED)
    ]
    base = source.path.absolute() if source.path.is_dir() else source.path.absolute().parent
    columns = [
        resolve_image_paths(column, base, options) if is_path(column, inspection.column_types) else column
        for column in columns
    ]
    if ids is None:
        ids = image_row_ids(columns, inspection.column_types, options.images or base, table.row_numbers)
    return Samples(
        features=pl.DataFrame(columns) if columns else pl.DataFrame(height=frame.height),
        feature_names=tuple(column.name for column in columns),
        column_types=inspection.column_types,
        targets=extracted.targets if isinstance(extracted.targets, (Targets, PixelTargets)) else None,
        labels=extracted.space,
        ids=ids,
        source=str(source.path),
        notes=(*source.notes, *table.notes, *extracted.notes, *id_notes, *inspection.notes),
        sparse_targets=None if isinstance(extracted.targets, (Targets, PixelTargets)) else extracted.targets,
        rows=table.row_numbers,
    )


def column_options(options: ReadOptions) -> ReadOptions:
    """The options that concern columns alone, for a format that takes its labels from elsewhere."""
    return ReadOptions(column_types=options.column_types, id_column=options.id_column, require_labels=False)


def _ids(
    features: pl.DataFrame, column_types: Mapping[str, ColumnKind], options: ReadOptions
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    id_columns = [name for name, kind in column_types.items() if kind == "id"]
    if not id_columns:
        return None, ()
    id_column = options.id_column or next((name for name in id_columns if name in options.column_types), id_columns[0])
    ids = row_ids(features[id_column])
    notes = [] if options.id_column else [f"the rows are named by column {id_column!r}"]
    others = [name for name in id_columns if name != id_column]
    if others:
        notes.append(f"left out, they only name rows: {', '.join(others)}")
    if len(np.unique(ids)) < len(ids):
        notes.append(f"some ids in column {id_column!r} stand in several rows")
    return ids, tuple(notes)
