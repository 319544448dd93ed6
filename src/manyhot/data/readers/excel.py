"""Excel workbooks (`.xlsx`): the first sheet as a table, by calamine, once its size has been measured."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

import polars as pl

from manyhot.data.readers.csv import column_names
from manyhot.data.readers.memory import unpacked_limit
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import ZIP, Source, identify_content
from manyhot.data.readers.table import Table
from manyhot.data.readers.unpacking import ZIP_ERRORS, ratio_limit
from manyhot.errors import InputError, how_to_install

_ADVICE = "save the sheet as CSV in UTF-8 (Excel: 'CSV UTF-8'), or the workbook as .xlsx"
_REFERENCE = re.compile(rb"""\br\s*=\s*["']([A-Za-z]{0,3})(\d+)""")
_STRING = re.compile(rb"<(?:\w+:)?si[ >].*?</(?:\w+:)?si>", re.DOTALL)
_CELL_BYTES = 64
_FREE_BYTES = 1 << 29  # What a workbook may take whatever its size
_BLOCK = 1 << 20


def read_excel(source: Source, options: ReadOptions) -> Table:
    """The first sheet of a workbook; its first row that is not empty names the columns."""
    head = source.head()
    if identify_content(head) != ZIP:
        raise source.error(f"is no Excel workbook (.xlsx) but {identify_content(head) or 'plain text'}; {_ADVICE}")
    content = source.content()
    _refuse_bombs(content, source)
    try:
        import fastexcel
    except ImportError:
        raise source.error(f"Excel workbooks need fastexcel: {how_to_install('excel')}; or {_ADVICE}") from None
    try:
        workbook = fastexcel.read_excel(content)
        names = list(workbook.sheet_names)
        if not names:
            raise source.error(f"is an Excel workbook without sheets; {_ADVICE}")
        frame = _frame(workbook, options, source, names[0])
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError) as error:
        reason = str(error).split("\n", 1)[0][:200]
        raise source.error(f"cannot be read as an Excel workbook ({reason}); {_ADVICE}") from None
    others = ", ".join(repr(name) for name in names[1:])
    notes = (f"read from the first sheet, {names[0]!r}; not read: {others}",) if others else ()
    return Table(frame, blank_is_empty=True, notes=notes)


def _frame(workbook: Any, options: ReadOptions, source: Source, sheet: str) -> pl.DataFrame:
    top = workbook.load_sheet(0, header_row=None, n_rows=1, dtypes="string").to_polars()
    cells = [(cell or "").strip() for cell in top.row(0)] if top.height else []
    if not any(cells):
        raise source.error(f"has no cells in its first sheet, {sheet!r}")
    frame = workbook.load_sheet(
        0, header_row=None, skip_rows=int(options.header), schema_sample_rows=None, whitespace_as_null=True
    ).to_polars()
    frame.columns = names = column_names(cells, frame.width, source, options)
    frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    if not frame.height:
        raise source.error(f"has column names but no rows in its first sheet, {sheet!r}")
    is_blank = [
        options.header and not cell and frame[name].null_count() == frame.height
        for cell, name in zip(cells, names, strict=True)
    ]
    return frame.select(name for name, blank in zip(names, is_blank, strict=True) if not blank)


def _refuse_bombs(content: bytes, source: Source) -> None:
    """Raise for a workbook that would unpack, or spread out, to more than the memory there is."""
    limit = min(unpacked_limit(), max(_FREE_BYTES, ratio_limit(len(content))))
    n_bytes, n_cells, longest = 0, 0, 0
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if not any(entry.filename.lower() == "xl/workbook.xml" for entry in entries):
                raise source.error(f"is no Excel workbook but another zip archive; {_ADVICE}")
            for entry in entries:
                is_sheet = entry.filename.lower().startswith("xl/worksheets/")
                size, width, height, n_references = _measure(archive, entry, limit - n_bytes, is_sheet)
                n_bytes += size
                n_cells = max(n_cells, width * height, n_references)
                if entry.filename.lower().endswith("sharedstrings.xml") and size <= limit:
                    longest = max((len(text) for text in _STRING.findall(archive.read(entry))), default=0)
                if n_bytes > limit or n_cells * _CELL_BYTES > limit:
                    what = f"{n_cells} cells" if n_cells * _CELL_BYTES > limit else f"more than {limit / 2**30:.1f} GiB"
                    raise source.error(f"unpacks to {what}, and {limit / 2**30:.1f} GiB can be held; {_ADVICE}")
    except InputError:
        raise
    except (*ZIP_ERRORS, OSError) as error:
        raise source.error(f"is a damaged Excel workbook ({error}); {_ADVICE}") from None
    if n_cells * longest > 16 * limit:
        raise source.error(f"spreads out to more than can be held; {_ADVICE}")


def _measure(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int, is_sheet: bool) -> tuple[int, int, int, int]:
    """Bytes of an entry as it really unpacks, up to a limit; of a sheet also columns, rows and references to cells."""
    if entry.file_size > limit:
        return entry.file_size, 0, 0, 0
    size, columns, last_row, n_references, tail = 0, {b"A"}, 1, 0, b""
    with archive.open(entry) as file:
        while block := file.read(_BLOCK):
            size += len(block)
            if is_sheet:
                found = _REFERENCE.findall(tail + block)
                n_references += len(found)
                columns |= {letters.upper() for letters, _ in found if letters}
                last_row = max(last_row, max((int(digits[:9]) for _, digits in found), default=1))
                tail = block[-32:]
    width = max(_column_number(letters) for letters in columns)
    return size, width, last_row, n_references


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - 64
    return number
