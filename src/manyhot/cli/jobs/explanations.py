"""The explanations of `manyhot predict --explain`: a text a row, nested in JSON lines, or lines for a person."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from manyhot import validation
from manyhot.errors import InputError
from manyhot.estimators.prediction_table import EXPLANATION
from manyhot.evaluation.report.text import printable
from manyhot.explanation import MAX_REASONS
from manyhot.explanation.explain import Explanation

READABLE = ".txt"  # stands for predictions on a terminal


@dataclass(frozen=True)
class ReasonOptions:
    """How many reasons are wanted, and in which form."""

    top: int  # reasons for, and reasons against, each label at most
    suffix: str  # of what is written: ".csv", ".parquet", ".jsonl" or `READABLE`

    def column(self, rows: Iterable[dict[str, Explanation]]) -> pl.Series:
        """The reasons of each row as one text: JSON for JSON lines, else as a person reads them."""
        return pl.Series(EXPLANATION, [self._format_row(row) for row in rows], dtype=pl.String)

    def _format_row(self, row: dict[str, Explanation]) -> str:
        if self.suffix == ".jsonl":
            explanations = {label: explanation.to_dict() for label, explanation in row.items()}
            return json.dumps(explanations, ensure_ascii=False, allow_nan=False)
        if self.suffix == READABLE:
            lines = [line for explanation in row.values() for line in str(explanation).splitlines()]
            return "\n".join(f"  {printable(line)}" for line in lines)
        return "; ".join(explanation.brief() for explanation in row.values())


def reason_options(explain: bool, top: int | None, suffix: str, is_terminal: bool) -> ReasonOptions | None:
    """The options of `--explain` and `--top`; None for no explanations."""
    if top is not None and not explain:
        raise InputError("limits the reasons of --explain; add --explain", argument="--top")
    if not explain:
        return None
    return ReasonOptions(
        validation.integer(low=1, **{"--top": MAX_REASONS if top is None else top}), READABLE if is_terminal else suffix
    )


def to_json_lines(frame: pl.DataFrame) -> str:
    """Answers as JSON lines, the reasons as an object in each."""
    if EXPLANATION not in frame.columns:
        return frame.write_ndjson()
    lines = frame.drop(EXPLANATION).write_ndjson().split("\n")
    pairs = zip(lines, frame[EXPLANATION], strict=False)
    return "".join(f'{line[:-1]},"{EXPLANATION}":{reasons}}}\n' for line, reasons in pairs)


def to_readable_text(frame: pl.DataFrame, label_sep: str) -> str:
    """Answers with their reasons for a terminal: a line a row, and under it what spoke for and against each label."""
    lines = []
    for name, labels, reasons in frame.select("id", "labels", EXPLANATION).iter_rows():
        label_text = f"{label_sep} ".join(labels) or "no label"
        lines.append(f"{printable(name)}: {printable(label_text)}\n{reasons}\n")
    return "".join(lines)
