"""How many rows a file has, about, without reading all of it: for the progress of predictions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from manyhot.evaluation.report.text import pluralize

PROBED_BYTES = 1 << 20
LINE_SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".svm", ".libsvm")
MAX_FRACTION = 0.99  # of an estimate that was too low


def estimate_rows(file: Path) -> int | None:
    """The number of rows: exact for Parquet, by the length of the first lines for text; None for all others."""
    suffix = file.suffix.lower()
    if suffix in (".parquet", ".pq") and file.is_file():
        try:
            return int(pl.scan_parquet(file).select(pl.len()).collect().item())
        except (OSError, pl.exceptions.PolarsError):  # whoever reads it says why
            return None
    if suffix not in LINE_SUFFIXES or not file.is_file():
        return None
    with file.open("rb") as content:
        probe = content.read(PROBED_BYTES)
    n_lines = probe.count(b"\n")
    return round(n_lines * file.stat().st_size / len(probe)) if n_lines else None


def row_counter(
    file: Path, show: Callable[[str, float | None], None], work: str = "predicting"
) -> Callable[[int], None]:
    """What to call with the number of rows done so far."""
    n_rows = estimate_rows(file)
    show(work, None)

    def count(n_done: int) -> None:
        fraction = min(n_done / n_rows, MAX_FRACTION) if n_rows else None
        show(f"{work}: {pluralize(n_done, 'row')}", fraction)

    return count
