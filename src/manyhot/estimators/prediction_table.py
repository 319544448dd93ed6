"""Predictions as a table and as spreadsheet-safe CSV, shared by the command line and the service."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import polars as pl

from manyhot.data.samples import Samples
from manyhot.errors import InputError

EXPLANATION = "explanation"  # name of a column
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # of text that spreadsheets run as a formula


def id_series(samples: Samples, n_before: int) -> pl.Series:
    """The rows' ids; without ids, their numbers in the file, from 1."""
    if samples.ids is not None:
        return pl.Series("id", samples.ids.tolist(), dtype=pl.String)
    return pl.Series("id", [str(n) for n in range(n_before + 1, n_before + 1 + samples.n_samples)], dtype=pl.String)


def prediction_frame(
    ids: pl.Series, names: Sequence[str], scores: np.ndarray, decisions: np.ndarray, invalid: Collection[int] = ()
) -> pl.DataFrame:
    """One row per sample: id, labels (a list) and each label's probability `p_LABEL`; nulls in `invalid` rows."""
    label_names = np.asarray(names, dtype=object)
    label_lists = [None if k in invalid else label_names[row].tolist() for k, row in enumerate(decisions)]
    columns = {"id": ids, "labels": pl.Series("labels", label_lists, dtype=pl.List(pl.String))}
    columns |= {f"p_{name}": pl.Series(f"p_{name}", scores[:, j], nan_to_null=True) for j, name in enumerate(names)}
    return pl.DataFrame(columns)


def to_csv(frame: pl.DataFrame, label_sep: str, with_header: bool) -> str:
    """Predictions as CSV; the labels of a row are joined in one cell."""
    texts = [frame["labels"].list.join(label_sep)]
    texts += [frame[name] for name in ("id", EXPLANATION) if name in frame.columns]
    escaped = frame.with_columns(text.map_elements(escape_formula, return_dtype=pl.String) for text in texts)
    if "scores" in escaped.columns:
        escaped = escaped.with_columns(escaped["scores"].cast(pl.List(pl.String)).list.join(label_sep))
    escaped.columns = [escape_formula(name) for name in escaped.columns]
    return escaped.write_csv(include_header=with_header)


def escape_formula(text: str) -> str:
    """Prefix text that starts as a formula does with a quote, so that spreadsheets do not run it."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def check_separator(label_sep: str, names: Sequence[str], argument: str, advice: str) -> None:
    """Raise `InputError` if the label separator is part of a label."""
    conflict = next((name for name in names if label_sep in name), None)
    if conflict is not None:
        raise InputError(f"got {label_sep!r}, which is part of the label {conflict!r}; {advice}", argument=argument)
