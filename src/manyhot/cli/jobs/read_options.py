"""How a file of rows with labels is read, from the flags that say so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.data.readers import ReadOptions
from manyhot.errors import InputError


def options_of(reading: Mapping[str, Any], **more: Any) -> ReadOptions:
    """The reader's options.

    Args:
        reading: The flags by name: `labels`, `sep`, `id_column`, `format`, `column_names`, `label_order` (names with
            commas between), `xml`, `images`, `kinds`.
        more: Options that no flag gives.
    """
    names, order = reading["column_names"], reading["label_order"]
    return ReadOptions(
        labels=reading["labels"],
        sep=reading["sep"],
        id_column=reading["id_column"],
        format=reading["format"],
        legend=reading.get("legend"),
        xml=reading["xml"],
        images=reading.get("images"),
        kinds=reading["kinds"],
        label_order=None if order is None else tuple(name.strip() for name in order.split(",")),
        header=names is None,
        column_names=None if names is None else tuple(names),
        **more,
    )


def saved_options(reading: Mapping[str, Any]) -> dict[str, Any]:
    """What a trained model keeps of it, to read the next file alike."""
    names = ("labels", "sep", "id_column", "column_names", "legend")
    return {name: reading[name] for name in names if reading.get(name) is not None}


def legend_of(file: Path | None) -> dict[str, Any] | None:
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
        raise InputError(f"is no JSON: {error}", file=file) from None
    if not isinstance(legend, dict):
        raise InputError('expected {"0": ["sky"], "8": ["car", "vehicle"], "11": null}', file=file)
    return legend
