"""Texts in any form -> a list of texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from manyhot import validation
from manyhot.errors import InputError

Texts = pl.Series | Sequence[str | None] | np.ndarray


def to_text_list(texts: Texts) -> list[str]:
    """The texts; missing ones are empty.

    Raises:
        InputError: Something other than text.
    """
    if isinstance(texts, str):
        raise InputError("got one text, expected a list of them; write [text]")
    rows = texts.tolist() if isinstance(texts, np.ndarray) else list(texts)
    for position, row in enumerate(rows):
        if row is not None and not isinstance(row, str):
            raise InputError(
                f"got {validation.shorten(row)}, expected text, or None where it is missing",
                row=position + 1,
                column=column_name(texts),
            )
    return [row or "" for row in rows]


def training_texts(texts: Texts) -> list[str]:
    """The texts, of which one at least is more than blanks.

    Raises:
        InputError: Something other than text, or no text at all.
    """
    return require_text(to_text_list(texts), texts)


def require_text(rows: list[str], texts: Texts) -> list[str]:
    """The rows, refused where all of them are blank; the error names the column they came from."""
    if not any(row.strip() for row in rows):
        raise InputError(
            "there is no text in any row; leave the column out with column_types={'NAME': 'ignored'}",
            column=column_name(texts),
        )
    return rows


def column_name(texts: Texts) -> str | None:
    """The name of the column."""
    return (texts.name or None) if isinstance(texts, pl.Series) else None
