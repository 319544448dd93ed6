"""The table of formats: one row for each, and which of them a file is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from manyhot import validation
from manyhot.data.readers.arff import read_arff
from manyhot.data.readers.columnar import read_arrow, read_arrow_chunks, read_parquet, read_parquet_chunks
from manyhot.data.readers.csv import SEPARATOR_LINE, find_even_delimiter, read_delimited, read_delimited_chunks
from manyhot.data.readers.excel import read_excel
from manyhot.data.readers.fasttext import LABEL_PREFIX, read_fasttext
from manyhot.data.readers.idx import MAGIC, read_idx
from manyhot.data.readers.image_folder import FOLDER, ImageListing, match_images, read_folder, unused_images_note
from manyhot.data.readers.jsonl import read_json, read_jsonl, read_jsonl_chunks
from manyhot.data.readers.npz import read_npz
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source, identify_content, library_errors, locate_error
from manyhot.data.readers.svmlight import read_libsvm
from manyhot.data.readers.table import Table, build_samples
from manyhot.data.readers.xc import HEADER, read_xc
from manyhot.data.samples import Samples
from manyhot.errors import InputError

Reader = Callable[[Source, ReadOptions], Samples]
Loader = Callable[[Source, ReadOptions], Table]
# How the first line of a file without a suffix that tells shows its format
_FIRST_LINES = (
    (HEADER, "xc"),
    (r"\S*(\s+\d+:\S+)+\s*$", "libsvm"),
    (r"\d+:\S+(\s+\d+:\S+)*\s*$", "libsvm"),
    (r"(?i)\s*@relation", "arff"),
    (LABEL_PREFIX, "fasttext"),
    (r".*\t", "tsv"),
)
_TITLES = {
    "parquet": "Parquet",
    "arrow": "Arrow IPC",
    "excel": "an Excel workbook",
    "fasttext": "fastText",
    "libsvm": "libsvm",
}
IDX_NAME = re.compile(r"idx\d-ubyte")
Chunker = Callable[[Source, ReadOptions, int], Iterator[Table]]


@dataclass(frozen=True)
class Format:
    """One row of the table of formats."""

    name: str
    suffixes: tuple[str, ...]
    read: Reader  # The whole file -> Samples
    chunks: Chunker | None = None  # The file a piece at a time; None for formats that are read as a whole


def _other_format(name: str, suffixes: tuple[str, ...], read: Reader) -> Format:
    """A format that is read as a whole; errors that name no file are about the one that is read."""

    def read_located(source: Source, options: ReadOptions) -> Samples:
        try:
            with library_errors(source, _TITLES.get(name, name.upper())):
                return read(source, options)
        except InputError as error:
            raise error if error.file else locate_error(error, source) from None

    return Format(name, suffixes, read_located)


def _table_format(name: str, suffixes: tuple[str, ...], load: Loader, chunks: Chunker | None = None) -> Format:
    """A format of tables, whose images may lie in a folder that the options name."""

    def read(source: Source, options: ReadOptions) -> Samples:
        with library_errors(source, _TITLES.get(name, name.upper())):
            table = load(source, options)
        if options.images is not None and table.frame.height and table.frame.width:
            listing = ImageListing(options.images)
            (table,) = match_images([table], source, options, listing)
            table = replace(table, notes=(*table.notes, *unused_images_note(table, listing)))
        return build_samples(table, source, options)

    def read_chunks(source: Source, options: ReadOptions, rows: int) -> Iterator[Table]:
        tables = _slices(load(source, options), rows) if chunks is None else chunks(source, options, rows)
        if options.images is not None:
            tables = match_images(tables, source, options, ImageListing(options.images))
        with library_errors(source, _TITLES.get(name, name.upper())):
            yield from tables

    return Format(name, suffixes, read, read_chunks)


def _slices(table: Table, rows: int) -> Iterator[Table]:
    """Pieces of a table that was read as a whole."""
    for start in range(0, table.frame.height, rows):
        yield replace(table, frame=table.frame.slice(start, rows), first_row=start)


FORMATS: tuple[Format, ...] = (
    _table_format("csv", (".csv",), read_delimited, read_delimited_chunks),
    _table_format("tsv", (".tsv", ".tab"), read_delimited, read_delimited_chunks),
    _table_format("parquet", (".parquet", ".pq"), read_parquet, read_parquet_chunks),
    _table_format("jsonl", (".jsonl", ".ndjson"), read_jsonl, read_jsonl_chunks),
    _table_format("arrow", (".arrow", ".feather", ".ipc", ".arrows"), read_arrow, read_arrow_chunks),
    _table_format("json", (".json",), read_json),
    _table_format("excel", (".xlsx", ".xlsm"), read_excel),
    _other_format("fasttext", (".ft", ".fasttext"), read_fasttext),
    _other_format("arff", (".arff",), read_arff),
    _other_format("libsvm", (".libsvm", ".svm", ".svmlight"), read_libsvm),
    _other_format("xc", (".xc",), read_xc),
    _other_format("npz", (".npz",), read_npz),
    _other_format("idx", (".idx", ".idx3-ubyte", ".idx4-ubyte"), read_idx),
    _table_format(FOLDER, (), read_folder),
)


def detect_format(source: Source, options: ReadOptions) -> Format:
    """The format of a file: the one named in the options, that of its suffix, or what its first line shows."""
    by_name = {file_format.name: file_format for file_format in FORMATS}
    if source.path.is_dir():
        return by_name[FOLDER]
    if options.format is not None:
        return by_name[validation.one_of(by_name, format=options.format)]
    for file_format in FORMATS:
        if source.suffix in file_format.suffixes:
            return file_format
    guess = (
        _guess_format(source) if source.suffix in (".txt", ".dat", "") or IDX_NAME.search(source.path.name) else None
    )
    if guess is not None:
        return by_name[guess]
    if source.suffix in (".xls", ".xlsb", ".ods"):
        raise source.error(
            f"is a spreadsheet of a kind that is not read ({source.suffix}); save it as .xlsx, or as CSV in UTF-8"
        )
    suffixes = [suffix for file_format in FORMATS for suffix in file_format.suffixes]
    raise source.error(
        f"its format cannot be determined from the suffix {source.suffix!r}"
        f"{validation.did_you_mean(source.suffix, suffixes)}; known are {', '.join(suffixes)}; "
        f"or name it with format= (--format), one of {', '.join(by_name)}"
    )


def _guess_format(source: Source) -> str | None:
    head = source.head()
    if head.startswith(MAGIC):
        return "idx"
    head = source.text_head()
    if identify_content(head) is not None:
        return None
    first_line = head.decode("utf-8", errors="replace").split("\n", 1)[0].rstrip("\r")
    for pattern, name in _FIRST_LINES:
        if re.match(pattern, first_line):
            return name
    if SEPARATOR_LINE.match(head):
        return "csv"
    return "csv" if head.count(b"\n") > 1 and find_even_delimiter(head, is_cut=True) is not None else None
