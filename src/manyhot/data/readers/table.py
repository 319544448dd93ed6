"""A frame of raw columns -> Samples: labels taken out, ids taken out, every column in the form of its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from manyhot.data.pixel_targets import PixelTargets
from manyhot.data.readers.column_types import inspect_columns, refuse_unknown
from manyhot.data.readers.columns import row_ids, settle
from manyhot.data.readers.image_paths import found_at, ids_of_images, is_path
from manyhot.data.readers.masks import mask_columns, take_masks
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source, placed
from manyhot.data.readers.targets import take_labels
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
        own_labels: The label columns that the file itself names.
        declared: Kinds of feature columns that the file itself declares.
        blank_is_empty: Whether an empty cell in a column of label sets is the empty set.
        first_row: Rows of the file before the first of the frame.
        notes: What the user should know.
        rows: Number of each row in the file, from 1, where some were left out; None for all.
    """

    frame: pl.DataFrame
    own_labels: Sequence[str] | None = None
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


def samples_of(table: Table, source: Source, options: ReadOptions) -> Samples:
    """Labels, ids and features of a table.

    Args:
        table: What the format found.
        source: The file.
        options: How to read it.

    Returns:
        Samples: `features` holds every column but labels, ids and nested ones; ignored columns stay in it under
        their kind "ignored". `kinds` names every column but the labels.

    Raises:
        InputError: What cannot be used, with file, row and column.
    """
    try:
        return _samples_of(table, source, options)
    except InputError as error:
        if error.row is not None and table.rows is not None:
            row = int(table.rows[error.row - 1])
            error = InputError(error.message, row=row, column=error.column, argument=error.argument)
            raise placed(error, source) from None
        raise placed(error, source, first_row=table.first_row) from None


def _samples_of(table: Table, source: Source, options: ReadOptions) -> Samples:
    frame = table.frame
    if not frame.width or not frame.height:
        raise InputError("has column names but no rows" if frame.width else "has no columns")
    masks = mask_columns(frame, options, table.own_labels)
    if masks:
        labelled = take_masks(frame, masks, options, source.path.parent)
    else:
        labelled = take_labels(frame, options, table.own_labels, table.blank_is_empty)
    features = frame.drop(labelled.columns)
    given = {name: kind for name, kind in options.kinds.items() if name not in labelled.columns}
    refuse_unknown(given, features.columns)
    declared = {name: kind for name, kind in table.declared.items() if name in features.columns}
    overrides = {**declared, **given}
    if options.id_column is not None:
        if options.id_column not in features.columns:
            hint = did_you_mean(options.id_column, features.columns)
            raise InputError(f"there is no column {options.id_column!r}{hint}", argument="id_column")
        overrides[options.id_column] = "id"
    inspection = inspect_columns(features, overrides)
    ids, id_notes = _ids(features, inspection.kinds, options)
    columns = [
        settle(features[name], kind)
        for name, kind in inspection.kinds.items()
        if kind != "id" and not (kind == "ignored" and features[name].dtype in _DROPPED)
    ]
    base = source.path.absolute() if source.path.is_dir() else source.path.absolute().parent
    columns = [found_at(column, base, options) if is_path(column, inspection.kinds) else column for column in columns]
    if ids is None:
        ids = ids_of_images(columns, inspection.kinds, options.images or base, table.row_numbers)
    return Samples(
        features=pl.DataFrame(columns) if columns else pl.DataFrame(height=frame.height),
        feature_names=tuple(column.name for column in columns),
        kinds=inspection.kinds,
        targets=labelled.targets if isinstance(labelled.targets, (Targets, PixelTargets)) else None,
        labels=labelled.space,
        ids=ids,
        source=str(source.path),
        notes=(*table.notes, *labelled.notes, *id_notes, *inspection.notes),
        listed=None if isinstance(labelled.targets, (Targets, PixelTargets)) else labelled.targets,
        rows=table.row_numbers,
    )


def without_labels(options: ReadOptions) -> ReadOptions:
    """The options that concern columns alone, for a format that takes its labels from elsewhere."""
    return ReadOptions(kinds=options.kinds, id_column=options.id_column, require_labels=False)


def _ids(
    features: pl.DataFrame, kinds: Mapping[str, ColumnKind], options: ReadOptions
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    named = [name for name, kind in kinds.items() if kind == "id"]
    if not named:
        return None, ()
    chosen = options.id_column or next((name for name in named if name in options.kinds), named[0])
    ids = row_ids(features[chosen])
    notes = [] if options.id_column else [f"the rows are named by column {chosen!r}"]
    others = [name for name in named if name != chosen]
    if others:
        notes.append(f"left out, they only name rows: {', '.join(others)}")
    if len(np.unique(ids)) < len(ids):
        notes.append(f"some ids in column {chosen!r} stand in several rows")
    return ids, tuple(notes)
