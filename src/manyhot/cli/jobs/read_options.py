"""How a file of rows with labels is read, from the flags that say so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.data.readers import ReadOptions
from manyhot.data.readers.label_columns import split_names
from manyhot.errors import InputError


def build_read_options(read_flags: Mapping[str, Any], **more: Any) -> ReadOptions:
    """The reader's options.

    Args:
        read_flags: The flags by name: `labels`, `sep`, `id_column`, `format`, `column_names`, `label_order` (names with
            commas between), `xml`, `images`, `drop`, `sample_weight`, `column_types`.
        more: Options that no flag gives.
    """
    names, order = read_flags["column_names"], read_flags["label_order"]
    return ReadOptions(
        labels=read_flags["labels"],
        sep=read_flags["sep"],
        id_column=read_flags["id_column"],
        format=read_flags["format"],
        legend=read_flags.get("legend"),
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
    names = ("labels", "sep", "id_column", "column_names", "legend")
    return {name: read_flags[name] for name in names if read_flags.get(name) is not None}


def read_legend(file: Path | None) -> dict[str, Any] | None:
    """A legend out of a JSON file.

    Raises:
        InputError: No such file, or no JSON object.
    """
    if file is None:
        return None
    try:
        legend = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=file) from None
    except ValueError as error:
        raise InputError(f"is not valid JSON: {error}", file=file) from None
    if not isinstance(legend, dict):
        raise InputError('expected {"0": ["sky"], "8": ["car", "vehicle"], "11": null}', file=file)
    return legend
