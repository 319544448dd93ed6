"""How a file of rows with labels is read, from the flags that say so."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from manyhot.cli.jobs.outputs import Input
from manyhot.data.readers import ReadOptions
from manyhot.data.readers.label_columns import split_names
from manyhot.data.readers.label_names_file import load_label_names
from manyhot.errors import InputError

# more names of numbered labels are not saved with a model, which has its labels already
MAX_SAVED_NAMES = 10_000


def build_read_options(read_flags: Mapping[str, Any], **more: Any) -> ReadOptions:
    """The reader's options: those of flags, whose files `open_flag_files` has read, and more."""
    names, order = read_flags["column_names"], read_flags["label_order"]
    return ReadOptions(
        labels=read_flags["labels"],
        sep=read_flags["sep"],
        id_column=read_flags["id_column"],
        format=read_flags["format"],
        legend=read_flags.get("legend"),
        label_names=read_flags.get("label_names"),
        xml=read_flags["xml"],
        images=read_flags.get("images"),
        column_types=read_flags["column_types"],
        label_order=None if order is None else tuple(split_names(order)),
        drop=read_flags.get("drop"),
        sample_weight=read_flags.get("sample_weight"),
        header=names is None,
        column_names=None if names is None else tuple(names),
        **more,
    )


def saved_options(read_flags: Mapping[str, Any]) -> dict[str, Any]:
    """The options saved with a model, to read the next file alike."""
    names = ["labels", "sep", "id_column", "column_names", "legend"]
    if len(read_flags.get("label_names") or ()) <= MAX_SAVED_NAMES:
        names.append("label_names")
    return {name: read_flags[name] for name in names if read_flags.get(name) is not None}


def open_flag_files(read_flags: Mapping[str, Any]) -> tuple[dict[str, Any], list[Input]]:
    """The flags with what is in the files that they name, and these files."""
    flags, files = dict(read_flags), []
    for name, (description, read_file) in FLAG_FILES.items():
        if flags.get(name) is not None:
            files.append((description, flags[name]))
            flags[name] = read_file(flags[name])
    return flags, files


def read_legend(file: Path) -> dict[str, Any]:
    """A legend out of a JSON file."""
    try:
        legend = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=file) from None
    except ValueError as error:
        raise InputError(f"is not valid JSON: {error}", file=file) from None
    if not isinstance(legend, dict):
        raise InputError('expected {"0": ["sky"], "8": ["car", "vehicle"], "11": null}', file=file)
    return legend


# flag -> what its file holds, in words, and how it is read
FLAG_FILES: dict[str, tuple[str, Callable[[Path], dict[str, Any]]]] = {
    "legend": ("the legend", read_legend),
    "label_names": ("the names of the labels", load_label_names),
}
