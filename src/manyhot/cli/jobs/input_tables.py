"""Which files `manyhot predict` means: names, patterns such as 'in/*.parquet', or a folder of tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from manyhot.data.readers.column_types import IMAGE_NAME
from manyhot.data.readers.formats import FORMATS
from manyhot.data.readers.source import split_compression
from manyhot.errors import InputError
from manyhot.validation import is_pattern, matching_paths

SUFFIXES = tuple(suffix for file_format in FORMATS for suffix in file_format.suffixes)


def list_tables(files: Sequence[Path]) -> list[Path] | None:
    """The tables that are named, each once; None for one file, or one folder of images."""
    if len(files) == 1 and not is_pattern(files[0]) and not _is_folder_of_tables(files[0]):
        return None
    tables: dict[Path, None] = {}
    for file in files:
        found = matching_paths(file) if is_pattern(file) else [file]
        for path in found:
            if _is_folder_of_tables(path):
                tables |= dict.fromkeys(_tables_in(path))
            elif path.is_dir() and not is_pattern(file):
                raise InputError("is a folder without tables in it; among several files, name tables", file=path)
            elif path.is_file():
                tables[path] = None
    if not tables:
        raise InputError("only folders match this pattern; end it in a file's name, such as /*.parquet", file=files[0])
    return list(tables)


def _is_folder_of_tables(path: Path) -> bool:
    """Whether this is a folder with tables and without images."""
    if not path.is_dir() or not _tables_in(path):
        return False
    return not any(re.search(IMAGE_NAME, file.name) for file in path.rglob("*"))


def _tables_in(folder: Path) -> list[Path]:
    """The files in a folder whose names end as those of tables; hidden ones and those like _SUCCESS are none."""
    paths = (path for path in folder.iterdir() if path.is_file() and path.name[0] not in "._")
    return sorted(path for path in paths if split_compression(path.name.lower())[0].endswith(SUFFIXES))
