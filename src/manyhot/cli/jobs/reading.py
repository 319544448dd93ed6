"""How a file of rows with labels is read, from the flags that say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manyhot.read import ReadOptions


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
        xml=reading["xml"],
        images=reading.get("images"),
        kinds=reading["kinds"],
        label_order=None if order is None else tuple(name.strip() for name in order.split(",")),
        header=names is None,
        column_names=None if names is None else tuple(names),
        **more,
    )


def kept(reading: Mapping[str, Any]) -> dict[str, Any]:
    """What a trained model keeps of it, to read the next file alike."""
    names = ("labels", "sep", "id_column", "column_names")
    return {name: reading[name] for name in names if reading[name] is not None}
