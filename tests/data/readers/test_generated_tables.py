"""Five hundred random tables: every column, every unknown cell and every label set is what the generator meant."""

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from manyhot.data.readers import read
from tests.data.readers.generated_columns import Column
from tests.data.readers.generated_tables import GeneratedTable, make_table

N_TABLES = 500
N_BATCHES = 10
MAX_LEFT_OUT = 0.05
"""Share of the readable columns that may be left out, with a note."""


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(N_BATCHES))
def test_tables_are_read_as_they_were_meant(batch, tmp_path):
    wrong: list[str] = []
    outcomes: Counter[str] = Counter()
    for seed in range(batch, N_TABLES, N_BATCHES):
        table = make_table(seed)
        wrong += compare(table, tmp_path, outcomes, seed)
    assert not wrong, "\n".join(wrong)
    assert outcomes["left out"] <= MAX_LEFT_OUT * (outcomes["left out"] + outcomes["read"])


def compare(table: GeneratedTable, folder: Path, outcomes: Counter[str], seed: int) -> list[str]:
    """What was read otherwise than meant."""
    path = folder / table.file_name
    path.write_bytes(table.content)
    place = f"seed {seed} ({', '.join(table.story)}, {table.file_name})"
    try:
        samples = read(path, table.options)
    except Exception as error:  # any, so that one table does not hide the others
        return [f"{place}: {type(error).__name__}: {error}"]
    wrong = []
    notes = "\n".join(samples.notes)
    for column in table.columns:
        kind = samples.column_types.get(column.name)
        is_out = kind in ("ignored", "id") and column.kind not in ("ignored", "id")
        outcomes["left out" if is_out else "read"] += 1
        problem = _compare_column(column, kind, samples.features, notes)
        if problem:
            wrong.append(f"{place}: {column.name} {column.cells[:4]}: {problem}")
    if list(samples.labels.names) != table.label_names:
        wrong.append(f"{place}: labels {samples.labels.names}, expected {table.label_names}")
    else:
        known = np.ones_like(table.known) if samples.targets.known is None else samples.targets.known
        if not np.array_equal(known, table.known):
            row, j = np.argwhere(known != table.known)[0]
            wrong.append(f"{place}: row {row + 1} {table.label_names[j]}: known is {known[row, j]}")
        elif not np.array_equal(samples.targets.values, table.targets):
            row, j = np.argwhere(samples.targets.values != table.targets)[0]
            wrong.append(f"{place}: row {row + 1} {table.label_names[j]}: is {samples.targets.values[row, j]}")
    return wrong


def _compare_column(column: Column, kind: str | None, features: pl.DataFrame, notes: str) -> str:
    if kind in ("ignored", "id"):
        return "" if column.name in notes or column.name.startswith("Unnamed") else f"{kind}, without a note"
    if kind != column.kind:
        return f"read as {kind}, expected {column.kind}"
    found = features[column.name].to_list()
    if found != column.values:
        row = next(i for i, pair in enumerate(zip(found, column.values or [], strict=True)) if pair[0] != pair[1])
        return f"row {row + 1} ({column.cells[row]!r}): {found[row]!r}, expected {(column.values or [])[row]!r}"
    return ""


def test_the_tables_are_a_mix():
    tables = [make_table(seed) for seed in range(N_TABLES)]
    suffixes = Counter(table.file_name.partition(".")[2] for table in tables)
    assert len(suffixes) >= 10
    assert len({table.story[0] for table in tables}) == 12
    kinds = Counter(column.name.split()[0] for table in tables for column in table.columns)
    assert len(kinds) >= 19
    assert min(kinds.values()) >= 10
