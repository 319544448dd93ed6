"""Answers as a table, and as CSV that is harmless to spreadsheets: the same from the command line and the service."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import polars as pl

from manyhot.data.samples import Samples
from manyhot.errors import InputError

WHY = "why"
"""The column of the reasons."""
DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a text for a formula."""


def ids_of(samples: Samples, n_before: int) -> pl.Series:
    """The rows' ids; their numbers in the file, from 1, where they have none."""
    if samples.ids is not None:
        return pl.Series("id", samples.ids.tolist(), dtype=pl.String)
    return pl.Series("id", [str(n) for n in range(n_before + 1, n_before + 1 + samples.n_samples)], dtype=pl.String)


def answer_frame(
    ids: pl.Series, names: Sequence[str], scores: np.ndarray, decisions: np.ndarray, bad: Collection[int] = ()
) -> pl.DataFrame:
    """One row a sample: id, labels (a list) and the probability of each label in a column `p_LABEL`.

    Args:
        ids: n texts.
        names: The names of the l labels.
        scores: float (n, l), NaN in rows that could not be answered.
        decisions: bool (n, l).
        bad: Rows that could not be answered, from 0; labels and probabilities are null there.
    """
    known = np.asarray(names, dtype=object)
    listed = [None if k in bad else known[row].tolist() for k, row in enumerate(decisions)]
    columns = {"id": ids, "labels": pl.Series("labels", listed, dtype=pl.List(pl.String))}
    columns |= {f"p_{name}": pl.Series(f"p_{name}", scores[:, j], nan_to_null=True) for j, name in enumerate(names)}
    return pl.DataFrame(columns)


def as_csv(frame: pl.DataFrame, label_sep: str, with_header: bool) -> str:
    """The answers as CSV; labels stand in one cell."""
    safe = frame.with_columns(
        frame["id"].map_elements(harmless, return_dtype=pl.String),
        frame["labels"].list.join(label_sep).map_elements(harmless, return_dtype=pl.String),
        *(frame[name].map_elements(harmless, return_dtype=pl.String) for name in frame.columns if name == WHY),
    )
    if "scores" in safe.columns:
        safe = safe.with_columns(safe["scores"].cast(pl.List(pl.String)).list.join(label_sep))
    safe.columns = [harmless(name) for name in safe.columns]
    return safe.write_csv(include_header=with_header)


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula: a quote goes before = + - @ TAB and CR."""
    return f"'{text}" if text.startswith(DANGEROUS) else text


def refuse_separator(label_sep: str, names: Sequence[str], argument: str, instead: str) -> None:
    """Raise `InputError` where what separates labels is part of one.

    Args:
        label_sep: The separator.
        names: The labels.
        argument: What the separator is called.
        instead: What to do about it.
    """
    clash = next((name for name in names if label_sep in name), None)
    if clash is not None:
        raise InputError(f"got {label_sep!r}, which is part of the label {clash!r}; {instead}", argument=argument)
