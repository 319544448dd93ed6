"""Columns of text in any form, as lists of texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from manyhot import validation
from manyhot.errors import InputError

Texts = pl.Series | Sequence[str | None] | np.ndarray


def to_text_list(texts: Texts) -> list[str]:
    """Return the texts as a list, missing ones as empty texts."""
    if isinstance(texts, str):
        raise InputError("got one text, expected a list of them; write [text]")
    rows = texts.tolist() if isinstance(texts, np.ndarray) else list(texts)
    for position, row in enumerate(rows):
        if row is not None and not isinstance(row, str):
            raise InputError(
                f"got {validation.shorten(row)}, expected text, or None where it is missing",
                row=position + 1,
                column=_column_name(texts),
            )
    return [row or "" for row in rows]


def require_text(rows: list[str], texts: Texts) -> list[str]:
    """Return the rows; raise `InputError`, which names the column, where all of them are blank."""
    if not any(row.strip() for row in rows):
        raise InputError(
            "there is no text in any row; leave the column out with column_types={'NAME': 'ignored'}",
            column=_column_name(texts),
        )
    return rows


def _column_name(texts: Texts) -> str | None:
    return (texts.name or None) if isinstance(texts, pl.Series) else None
