"""A frame of raw columns -> Samples: labels taken out, ids taken out, every column in the form of its kind."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from manyhot.data.pixel_targets import PixelTargets
from manyhot.data.readers.column_types import NESTED, inspect_columns, refuse_unknown
from manyhot.data.readers.columns import coerce_column, read_ids
from manyhot.data.readers.label_columns import (
    dropped_note,
    label_like_columns,
    label_like_note,
    match_columns,
    same_name_note,
)
from manyhot.data.readers.masks import extract_masks, mask_columns
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source, library_errors, locate_error
from manyhot.data.readers.targets import ExtractedTargets, extract_labels
from manyhot.data.samples import ColumnKind, Samples
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.validation import did_you_mean, join_names

_ADDRESS = re.compile(r"(?i)[a-z][a-z0-9+]+://")


@dataclass(frozen=True)
class Table:
    """What a format found in a file, before anything is decided about its columns."""

    frame: pl.DataFrame
    file_labels: Sequence[str] | None = None  # label columns that the file itself names
    declared: Mapping[str, ColumnKind] = field(default_factory=dict)
    blank_is_empty: bool = False  # an empty cell in a column of label sets is the empty set, not unknown
    first_row: int = 0  # rows of the file before the first of the frame
    notes: tuple[str, ...] = ()
    rows: np.ndarray | None = None  # numbers in the file, from 1, where some rows were left out
    decimal: str | None = None  # the mark that the file suggests where its cells leave it open

    @property
    def row_numbers(self) -> np.ndarray | None:
        """Number of each row in the file, from 1; None where they are 1 to n."""
        if self.rows is None and self.first_row:
            return np.arange(self.first_row + 1, self.first_row + 1 + self.frame.height)
        return self.rows


def build_samples(table: Table, source: Source, options: ReadOptions) -> Samples:
    """Labels, ids and features of a table."""
    try:
        with library_errors(source, "a table"):
            return _build_samples(table, source, options)
    except InputError as error:
        raise locate_error(error, source, table.row_numbers) from None


def _build_samples(table: Table, source: Source, options: ReadOptions) -> Samples:
    frame = table.frame
    if not frame.width or not frame.height:
        raise InputError("has column names but no rows" if frame.width else "has no columns")
    dropped = () if options.drop is None else match_columns(options.drop, frame.columns, "drop")
    frame = frame.drop(dropped)
    drop_notes = (dropped_note(dropped),) if dropped else ()
    weights = None
    if options.sample_weight is not None:
        weights, frame = read_weights(frame, options.sample_weight), frame.drop(options.sample_weight)
    mask_names = mask_columns(frame, options, table.file_labels)
    if mask_names:
        extracted = extract_masks(frame, mask_names, options, source.path.parent)
    else:
        extracted = extract_labels(frame, options, table.file_labels, table.blank_is_empty)
    features = frame.drop(extracted.columns)
    user_kinds = {name: kind for name, kind in options.column_types.items() if name not in extracted.columns}
    if options.known_labels is not None:
        user_kinds = _kinds_of_model(user_kinds, features.columns)
    refuse_unknown(user_kinds, features.columns)
    declared = {name: kind for name, kind in table.declared.items() if name in features.columns}
    overrides = {**declared, **user_kinds}
    if options.id_column is not None:
        if options.id_column not in features.columns:
            hint = did_you_mean(options.id_column, features.columns)
            raise InputError(f"there is no column {options.id_column!r}{hint}", argument="id_column")
        overrides[options.id_column] = "id"
    inspection = inspect_columns(features, overrides, options.number_formats, table.decimal)
    label_like, like_notes = _find_label_like(frame, extracted, options, inspection.column_types)
    ids, id_notes = read_ids(features, inspection.column_types, options.id_column, options.column_types)
    columns = [
        coerce_column(
            inspection.numbers.get(name, features[name]),
            kind,
            inspection.number_formats.get(name),
            table.decimal,
        )
        for name, kind in inspection.column_types.items()
        if kind != "id" and not (kind == "ignored" and features[name].dtype in NESTED)
    ]
    base = source.path.absolute() if source.path.is_dir() else source.path.absolute().parent
    is_path = [inspection.column_types[column.name] == "image" and column.dtype == pl.String for column in columns]
    columns = [_resolve_paths(c, base, options) if path else c for c, path in zip(columns, is_path, strict=True)]
    if ids is None and sum(is_path) == 1:
        ids = _ids_of_paths(columns[is_path.index(True)], options.images or base, table.row_numbers)
    return Samples(
        features=pl.DataFrame({one.name: one for one in columns}) if columns else pl.DataFrame(height=frame.height),
        feature_names=tuple(column.name for column in columns),
        column_types=inspection.column_types,
        targets=extracted.targets if isinstance(extracted.targets, (Targets, PixelTargets)) else None,
        labels=extracted.space,
        ids=ids,
        source=str(source.path),
        number_formats=inspection.number_formats,
        notes=(*source.notes, *table.notes, *drop_notes, *extracted.notes, *like_notes, *id_notes, *inspection.notes),
        sparse_targets=None if isinstance(extracted.targets, (Targets, PixelTargets)) else extracted.targets,
        rows=table.row_numbers,
        sample_weight=weights,
        label_like=label_like,
    )


def _resolve_paths(column: pl.Series, base: Path, options: ReadOptions) -> pl.Series:
    """Paths as absolute ones."""
    cells = column.to_list()
    paths = [cell if cell is None or _ADDRESS.match(cell) else os.path.join(base, cell) for cell in cells]
    if options.on_bad_image == "error":
        absent = [k for k, path in enumerate(paths) if path is not None and not os.path.isfile(path)]
        if absent:
            more = f" (nor do {len(absent) - 1} more)" if len(absent) > 1 else ""
            raise InputError(
                f"{cells[absent[0]]!r} does not exist{more}; paths of images start from {str(base)!r}: put them there, "
                "say in which folder they are (--images FOLDER), go on without them (--on-bad-image skip), or leave "
                f"the column out (--column-type {column.name}=ignored)",
                row=absent[0] + 1,
                column=column.name,
            )
    return pl.Series(column.name, paths, dtype=pl.String)


def _ids_of_paths(paths: pl.Series, base: Path, rows: np.ndarray | None) -> np.ndarray:
    """Rows called by the paths of their images, in a folder, or by their number where a path is missing."""
    start = os.path.join(os.path.abspath(base), "")
    numbers = range(1, len(paths) + 1) if rows is None else rows.tolist()
    cells = zip(paths.to_list(), numbers, strict=True)
    return np.asarray([str(n) if path is None else path.removeprefix(start) for path, n in cells], dtype=str)


def read_weights(frame: pl.DataFrame, name: str) -> np.ndarray:
    """The weights of the rows, float64 (n,)."""
    if name not in frame.columns:
        hint = did_you_mean(name, frame.columns) or f"; the columns are {join_names(frame.columns)}"
        raise InputError(f"there is no column {name!r}{hint}", argument="sample_weight")
    column = frame[name]
    numbers = (column.str.strip_chars() if column.dtype == pl.String else column).cast(pl.Float64, strict=False)
    invalid = (~(numbers.is_finite() & (numbers >= 0)).fill_null(False)).arg_true()
    if len(invalid):
        row = int(invalid[0])
        raise InputError(
            f"got {column[row]!r} as the weight of a row, expected a finite number of 0 or more",
            row=row + 1,
            column=name,
        )
    if not numbers.sum():
        raise InputError("the weights of all rows are 0, so no row counts", column=name)
    return numbers.to_numpy()


def _find_label_like(
    frame: pl.DataFrame, extracted: ExtractedTargets, options: ReadOptions, column_types: Mapping[str, ColumnKind]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Before training, the features that resemble chosen label columns, and notes on these and on names of labels."""
    if extracted.space is None or options.known_labels is not None or not options.require_labels:
        return (), ()
    labels = set(extracted.space.names)
    same = [name for name, kind in column_types.items() if name in labels and kind not in ("ignored", "id")]
    notes = (same_name_note(same),) if same else ()
    is_named = options.label_names is not None and len(extracted.columns) > 1
    if options.labels is None or not (is_named or set(extracted.columns) >= labels):
        return (), notes
    typed = [name for name in options.column_types if name in frame.columns]
    similar = label_like_columns(frame.drop(typed), extracted.columns, column_types)
    return similar, (*notes, label_like_note(similar)) if similar else notes


def column_options(options: ReadOptions) -> ReadOptions:
    """The options that concern columns alone, for a format that takes its labels from elsewhere."""
    return ReadOptions(column_types=options.column_types, id_column=options.id_column, require_labels=False)


def _kinds_of_model(column_types: Mapping[str, ColumnKind], columns: Sequence[str]) -> dict[str, ColumnKind]:
    """The kinds of a trained model's columns that are there."""
    present = set(columns)
    missing = [name for name, kind in column_types.items() if name not in present and kind not in ("ignored", "id")]
    if missing:
        noun = "the feature column" if len(missing) == 1 else "the feature columns"
        names = ", ".join(map(repr, missing[:8]))
        hint = did_you_mean(missing[0], columns) or f"; the columns here are {join_names(columns)}"
        raise InputError(f"{noun} of training {names} {'is' if len(missing) == 1 else 'are'} missing{hint}")
    return {name: kind for name, kind in column_types.items() if name in present}
