"""Images in a folder, the file that names their labels, and the rows of a table that have an image there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from manyhot.data.readers.column_types import IMAGE_NAME, are_image_names
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source, locate
from manyhot.data.readers.table import Table
from manyhot.data.readers.targets import find_columns
from manyhot.errors import InputError

FOLDER = "folder"
IMAGE_COLUMN = "image"  # What the column of a folder's images is called, unless a model calls it otherwise
_LABEL_FILE = re.compile(r"(?i)\.(csv|tsv|tab|jsonl|ndjson|parquet|pq|txt)(\.gz|\.zst)?$")
_TABLE_KINDS = ("numeric", "boolean", "categorical", "text")
_MAX_NAMES_SHOWN = 3


def resolve_path(path: str | Path, options: ReadOptions) -> tuple[Source, ReadOptions]:
    """A path -> a file that is there and how to read it; a folder of images -> the file that names their labels."""
    path = Path(path)
    if not path.is_dir():
        return locate(path), options
    if not ImageListing(path).paths:
        raise InputError(
            "is a folder without images in it, expected a file or a folder of images; name one file in it", file=path
        )
    column_types = list(options.column_types.values())
    if not options.require_labels and "image" in column_types and not set(column_types) & set(_TABLE_KINDS):
        return Source(path, path.name, "", ""), replace(options, format=None)
    return locate(_label_file(path)), replace(options, images=path)


def read_folder(source: Source, options: ReadOptions) -> Table:
    """All images in a folder and the folders in it, by name; no labels."""
    name = next((name for name, kind in options.column_types.items() if kind == "image"), IMAGE_COLUMN)
    paths = [os.path.join(os.path.abspath(source.path), path) for path in ImageListing(source.path).paths]
    return Table(pl.DataFrame([pl.Series(name, paths, dtype=pl.String)]), declared={name: "image"})


@dataclass(frozen=True)
class ImageListing:
    """The images in a folder and in the folders in it."""

    folder: Path

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise InputError("no such folder", file=self.folder, argument="images")

    @cached_property
    def paths(self) -> list[str]:
        """Their paths in the folder, in order."""
        is_image = re.compile(IMAGE_NAME).search
        paths = []
        for directory, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            relative = os.path.relpath(directory, self.folder)
            prefix = "" if relative == "." else relative.replace(os.sep, "/") + "/"
            paths += [prefix + name for name in names if is_image(name) and not name.startswith(".")]
        return sorted(paths)

    @cached_property
    def _by_name(self) -> dict[str, list[int]]:
        """Path, path without suffix, name, and name without suffix -> numbers of the images called so."""
        by_name: dict[str, list[int]] = {}
        for k, path in enumerate(self.paths):
            stem, name = path.rpartition(".")[0], path.rpartition("/")[2]
            for key in {path, stem, name, stem.rpartition("/")[2]}:
                by_name.setdefault(key, []).append(k)
        return by_name

    def find(self, name: str | None) -> str | None:
        """The path of the image of that name; None where there is none."""
        key = (name or "").strip().replace("\\", "/").removeprefix("./")
        matches = self._by_name.get(key, [])
        exact = [k for k in matches if self.paths[k] == key]
        if len(exact or matches) > 1:
            candidates = " and ".join(repr(self.paths[k]) for k in matches[:2])
            raise InputError(
                f"{name!r} may be {candidates} in {str(self.folder)!r}; name one folder alone, or write the path"
            )
        return self.paths[(exact or matches)[0]] if matches else None


def match_images(
    tables: Iterable[Table], source: Source, options: ReadOptions, listing: ImageListing
) -> Iterator[Table]:
    """The tables with their rows that have an image in a folder; `InputError` where no row of any has one."""
    is_any, table = False, None
    for table in tables:
        matched = _match_table(table, source, options, listing)
        if matched.frame.height:
            is_any = True
            yield matched
    if table is not None and not is_any:
        raise _no_match_error(table, source, options, listing)


def _match_table(table: Table, source: Source, options: ReadOptions, listing: ImageListing) -> Table:
    """The rows of a table whose images are in a folder, with the paths of these in place of their names."""
    frame = table.frame
    name = _find_name_column(table, options)
    if name is None:
        raise source.error("has no column of text that could name images")
    cells, folder = frame[name].cast(pl.String).to_list(), os.path.abspath(listing.folder)
    paths: list[str | None] = []
    for k, cell in enumerate(cells):
        try:
            path = listing.find(cell)
        except InputError as error:
            row = table.first_row + k + 1
            raise source.error(error.message, row=row, column=name) from None
        paths.append(None if path is None else os.path.join(folder, path))
    frame = frame.with_columns(pl.Series(name, paths, dtype=pl.String))
    table = replace(table, frame=frame, declared={**table.declared, name: "image"})
    has_image = frame[name].is_not_null()
    if has_image.all():
        return table
    absent = [repr(cell) for cell, path in zip(cells, paths, strict=True) if path is None]
    examples = ", ".join([*absent[:_MAX_NAMES_SHOWN], *(["..."] if len(absent) > _MAX_NAMES_SHOWN else [])])
    description = "1 row is" if len(absent) == 1 else f"{len(absent)} rows are"
    return replace(
        table,
        frame=frame.filter(has_image),
        rows=np.flatnonzero(has_image.to_numpy()) + table.first_row + 1,
        notes=(*table.notes, f"{description} left out, without an image in {str(listing.folder)!r}: {examples}"),
    )


def _no_match_error(table: Table, source: Source, options: ReadOptions, listing: ImageListing) -> InputError:
    """What to say when no row of a table has an image in the folder."""
    name = _find_name_column(table, options)
    first = table.frame[name].drop_nulls()[:1].to_list() if name is not None else []
    summary = (
        f"it has {len(listing.paths)} images, such as {listing.paths[0]!r}" if listing.paths else "it has no images"
    )
    return source.error(
        f"no row has an image in {str(listing.folder)!r}: {summary}, and column {name!r} begins with {first}; say "
        "which "
        "column names the images with column_types={'NAME': 'image'} (--column-type NAME=image)",
        argument="images",
    )


def unused_images_note(table: Table, listing: ImageListing) -> tuple[str, ...]:
    """A note on images that no row of a table names."""
    name = next((name for name, kind in table.declared.items() if kind == "image"), None)
    n_used = 0 if name is None else table.frame[name].n_unique()
    n_left = len(listing.paths) - n_used
    if not n_left:
        return ()
    subject = "1 image has no row and is" if n_left == 1 else f"{n_left} images have no row and are"
    return (f"in {str(listing.folder)!r} {subject} not used",)


def _find_name_column(table: Table, options: ReadOptions) -> str | None:
    """The column that names images: the one given, else the first of text, one of names with suffixes before others."""
    frame = table.frame
    declared = next(
        (name for name, kind in options.column_types.items() if kind == "image" and name in frame.columns), None
    )
    if declared is not None:
        return declared
    labels = find_columns(frame, replace(options, require_labels=False), table.file_labels)
    texts = [
        c.name for c in frame if c.dtype == pl.String and c.name not in labels and c.name not in options.column_types
    ]
    cells = {name: frame[name].drop_nulls() for name in texts}
    with_suffix = [name for name in texts if len(cells[name]) and are_image_names(cells[name])]
    return next(iter(with_suffix or texts), None)


def _label_file(folder: Path) -> Path:
    """The one file in a folder, or else beside it, that may name labels."""
    for directory in (folder, folder.absolute().parent):
        candidates = sorted(path for path in directory.iterdir() if path.is_file() and _may_name_labels(path))
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            names = ", ".join(repr(path.name) for path in candidates[:8])
            raise InputError(
                f"several files may name the labels: {names}; name one, and this folder with images= (--images)",
                file=folder,
            )
    raise InputError(
        "is a folder of images without a file of labels in it or beside it; name that file, and this folder with "
        "images= (--images)",
        file=folder,
    )


def _may_name_labels(path: Path) -> bool:
    if path.name.startswith(".") or not _LABEL_FILE.search(path.name):
        return False
    if not path.name.lower().endswith(".txt"):
        return True
    with path.open("rb") as file:
        return b"\t" in file.readline(1 << 16)
