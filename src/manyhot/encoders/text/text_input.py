"""Texts in any form -> a list of texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from manyhot import validation
from manyhot.errors import InputError

Texts = pl.Series | Sequence[str | None] | np.ndarray


def rows_of(texts: Texts) -> list[str]:
    """The texts; missing ones are empty.

    Raises:
        InputError: Something other than text.
    """
    if isinstance(texts, str):
        raise InputError("got one text, expected a list of them; write [text]")
    rows = texts.tolist() if isinstance(texts, np.ndarray) else list(texts)
    for place, row in enumerate(rows):
        if row is not None and not isinstance(row, str):
            raise InputError(
                f"got {validation.shown(row)}, expected text, or None where it is missing",
                row=place + 1,
                column=name_of(texts),
            )
    return [row or "" for row in rows]


def rows_to_learn(texts: Texts) -> list[str]:
    """The texts, of which one at least is more than blanks.

    Raises:
        InputError: Something other than text, or no text at all.
    """
    return with_text(rows_of(texts), texts)


def with_text(rows: list[str], texts: Texts) -> list[str]:
    """The rows, refused where all of them are blank; the error names the column they came from."""
    if not any(row.strip() for row in rows):
        raise InputError(
            "there is no text in any row; leave the column out with kinds={'NAME': 'ignored'}", column=name_of(texts)
        )
    return rows


def name_of(texts: Texts) -> str | None:
    """The name of the column."""
    return (texts.name or None) if isinstance(texts, pl.Series) else None
