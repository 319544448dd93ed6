"""How a file of rows with labels is read, from the flags that say so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from manyhot.cli.jobs.outputs import Input, refuse_overwriting, training_inputs
from manyhot.data.readers import ReadOptions
from manyhot.data.readers.input_files import list_input_images
from manyhot.data.readers.label_columns import split_names
from manyhot.data.readers.label_names_file import load_label_names
from manyhot.errors import InputError


def prepare_reading(
    file: Path,
    read_flags: Mapping[str, Any],
    outputs: Mapping[str, Path | None],
    settings: Iterable[Mapping[str, Any]] = ({},),
    **more: Any,
) -> tuple[dict[str, Any], ReadOptions]:
    """The flags with what is in the files that they name, and the reader's options; refuse to write over any input."""
    flags, flag_files = open_flag_files(read_flags)
    options = build_read_options(flags, **more)
    inputs = chain.from_iterable(training_inputs(file, options, one, flag_files) for one in settings)
    refuse_overwriting(outputs, inputs, list_input_images(file, options))
    return flags, options


def build_read_options(read_flags: Mapping[str, Any], **more: Any) -> ReadOptions:
    """The reader's options: those of flags, whose files `open_flag_files` has read, and more."""
    names, order = read_flags["column_names"], read_flags["label_order"]
    converted = {
        "label_order": None if order is None else tuple(split_names(order)),
        "header": names is None,
        "column_names": None if names is None else tuple(names),
    }
    return ReadOptions(**{**read_flags, **converted, **more})


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
