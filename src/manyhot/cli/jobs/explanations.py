"""The reasons of `manyhot predict --why`: a text a row, nested in JSON lines, or lines for a person.

Start reading at `reason_options`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from manyhot import validation
from manyhot.errors import InputError
from manyhot.estimators.prediction_table import WHY
from manyhot.evaluation.data_checks.text import shown
from manyhot.explanation.explain import TOP, Explanation

READABLE = ".txt"
"""Stands for answers on a terminal."""


@dataclass(frozen=True)
class ReasonOptions:
    """How many reasons are wanted, and in which form.

    Args:
        top: Most reasons for and most against each label.
        suffix: What is written: ".csv", ".parquet", ".jsonl" or `READABLE`.
    """

    top: int
    suffix: str

    def column(self, rows: Iterable[dict[str, Explanation]]) -> pl.Series:
        """The reasons of each row as one text: JSON for JSON lines, else as a person reads them.

        Args:
            rows: What `explained` tells of each row.
        """
        return pl.Series(WHY, [self._written(row) for row in rows], dtype=pl.String)

    def _written(self, row: dict[str, Explanation]) -> str:
        if self.suffix == ".jsonl":
            told = {label: one.to_dict() for label, one in row.items()}
            return json.dumps(told, ensure_ascii=False, allow_nan=False)
        if self.suffix == READABLE:
            lines = [line for one in row.values() for line in str(one).splitlines()]
            return "\n".join(f"  {shown(line, width=len(line))}" for line in lines)
        return "; ".join(one.brief() for one in row.values())


def reason_options(why: bool, top: int | None, suffix: str, is_screen: bool) -> ReasonOptions | None:
    """What `--why` and `--top` ask for; None for no reasons.

    Args:
        why: Whether reasons are wanted.
        top: How many; None for the usual number.
        suffix: What is written.
        is_screen: Whether a person watches and nothing else was asked for.

    Raises:
        InputError: `--top` below 1, or without `--why`.
    """
    if top is not None and not why:
        raise InputError("says how many reasons --why gives; add --why", argument="--top")
    if not why:
        return None
    return ReasonOptions(
        validation.integer(low=1, **{"--top": TOP if top is None else top}), READABLE if is_screen else suffix
    )


def lines_with_reasons(frame: pl.DataFrame) -> str:
    """Answers as JSON lines, the reasons as an object in each."""
    if WHY not in frame.columns:
        return frame.write_ndjson()
    lines = frame.drop(WHY).write_ndjson().split("\n")
    pairs = zip(lines, frame[WHY], strict=False)
    return "".join(f'{line[:-1]},"{WHY}":{reasons}}}\n' for line, reasons in pairs)


def readable(frame: pl.DataFrame, label_sep: str) -> str:
    """Answers with their reasons for a terminal: a line a row, and under it what spoke for and against each label."""
    lines = []
    for name, labels, reasons in frame.select("id", "labels", WHY).iter_rows():
        told = f"{label_sep} ".join(labels) or "no label"
        lines.append(f"{shown(name, width=len(name))}: {shown(told, width=len(told))}\n{reasons}\n")
    return "".join(lines)
