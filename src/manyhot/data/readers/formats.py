"""The table of formats: one row for each, and which of them a file is.

It knows the formats' functions and their suffixes, and decides by name, by suffix, or for `.txt` by the first line.
Start reading at `FORMATS`; to add a format, add a file beside this one and a row here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from manyhot import validation
from manyhot.data.readers.arff import read_arff
from manyhot.data.readers.columnar import chunks_of_arrow, chunks_of_parquet, read_arrow, read_parquet
from manyhot.data.readers.csv import chunks_of_delimited, read_delimited
from manyhot.data.readers.idx import STARTS, read_idx
from manyhot.data.readers.image_folder import (
    FOLDER,
    chunks_of_folder,
    listing_of,
    read_folder,
    refuse_none,
    rows_without,
    with_images,
)
from manyhot.data.readers.jsonl import chunks_of_jsonl, read_jsonl
from manyhot.data.readers.npz import read_npz
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source, what_is
from manyhot.data.readers.svmlight import read_libsvm
from manyhot.data.readers.table import Table, samples_of
from manyhot.data.readers.xc import HEADER, read_xc
from manyhot.data.samples import Samples
from manyhot.errors import InputError

Reader = Callable[[Source, ReadOptions], Samples]
IDX_NAME = re.compile(r"idx\d-ubyte")
Chunker = Callable[[Source, ReadOptions, int], Iterator[Table]]


@dataclass(frozen=True)
class Format:
    """One row of the table of formats.

    Args:
        name: What `ReadOptions.format` calls it.
        suffixes: How the names of such files end, before `.gz` or `.zst`.
        read: The whole file -> Samples.
        chunks: The file a piece at a time; None for formats that are read as a whole.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Reader
    chunks: Chunker | None = None


def _of_table(load: Callable[[Source, ReadOptions], Table]) -> Reader:
    def read(source: Source, options: ReadOptions) -> Samples:
        table = load(source, options)
        if options.images is not None and table.frame.height and table.frame.width:
            listing = listing_of(options.images)
            found = with_images(table, source, options, listing)
            if not found.frame.height:
                raise refuse_none(table, source, options, listing)
            table = replace(found, notes=(*found.notes, *rows_without(found, listing)))
        return samples_of(table, source, options)

    return read


def _in_pieces(chunks: Chunker) -> Chunker:
    """Pieces with the rows alone whose images are in the folder that the options name."""

    def pieces(source: Source, options: ReadOptions, rows: int) -> Iterator[Table]:
        if options.images is None:
            yield from chunks(source, options, rows)
            return
        listing, is_any, table = listing_of(options.images), False, None
        for table in chunks(source, options, rows):
            found = with_images(table, source, options, listing)
            if found.frame.height:
                is_any = True
                yield found
        if table is not None and not is_any:
            raise refuse_none(table, source, options, listing)

    return pieces


FORMATS: tuple[Format, ...] = (
    Format("csv", (".csv",), _of_table(read_delimited), _in_pieces(chunks_of_delimited)),
    Format("tsv", (".tsv", ".tab"), _of_table(read_delimited), _in_pieces(chunks_of_delimited)),
    Format("parquet", (".parquet", ".pq"), _of_table(read_parquet), _in_pieces(chunks_of_parquet)),
    Format("jsonl", (".jsonl", ".ndjson"), _of_table(read_jsonl), _in_pieces(chunks_of_jsonl)),
    Format("arrow", (".arrow", ".feather", ".ipc", ".arrows"), _of_table(read_arrow), _in_pieces(chunks_of_arrow)),
    Format("arff", (".arff",), read_arff),
    Format("libsvm", (".libsvm", ".svm", ".svmlight"), read_libsvm),
    Format("xc", (".xc",), read_xc),
    Format("npz", (".npz",), read_npz),
    Format("idx", (".idx", ".idx3-ubyte", ".idx4-ubyte"), read_idx),
    Format(FOLDER, (), _of_table(read_folder), chunks_of_folder),
)


def format_of(source: Source, options: ReadOptions) -> Format:
    """The format of a file: the one named in the options, that of its suffix, or what its first line shows.

    Raises:
        InputError: A name that is not in the table, or a file whose format cannot be told.
    """
    by_name = {row.name: row for row in FORMATS}
    if source.path.is_dir():
        return by_name[FOLDER]
    if options.format is not None:
        return by_name[validation.one_of(by_name, format=options.format)]
    for row in FORMATS:
        if source.suffix in row.suffixes:
            return row
    guess = _guessed(source) if source.suffix in (".txt", ".dat", "") or IDX_NAME.search(source.path.name) else None
    if guess is not None:
        return by_name[guess]
    known = ", ".join(suffix for row in FORMATS for suffix in row.suffixes)
    suffixes = [suffix for row in FORMATS for suffix in row.suffixes]
    raise InputError(
        f"its format cannot be told from the suffix {source.suffix!r}"
        f"{validation.did_you_mean(source.suffix, suffixes)}; known are {known}; "
        f"or name it with format= (--format), one of {', '.join(by_name)}",
        file=source.path,
    )


def _guessed(source: Source) -> str | None:
    head = source.head()
    if head.startswith(STARTS):
        return "idx"
    if what_is(head) is not None:
        return None
    first = head.decode("utf-8", errors="replace").split("\n", 1)[0].rstrip("\r")
    if HEADER.match(first):
        return "xc"
    if re.match(r"^\S*(\s+\d+:\S+)+\s*$", first) or re.match(r"^\d+:\S+(\s+\d+:\S+)*\s*$", first):
        return "libsvm"
    if first.lower().lstrip().startswith("@relation"):
        return "arff"
    return "tsv" if "\t" in first else None
