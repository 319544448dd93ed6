"""Tables of weights in half precision: rounded once, when training ends, so that a saved file takes half for them.

Out-of-fold scores, thresholds and the report come afterwards: what is measured is what the file predicts. In memory a
table stays float32; its values are such as float16 has, so it is stored as float16 and read back bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from manyhot import engine
from manyhot.evaluation.metrics import TopK
from manyhot.models.cross_fitting import CrossFit
from manyhot.models.network_spec import NetworkSpec, TrunkSpec

MAX_CHANGE = 1e-3
"""How far a score of the sample may move."""
MIN_WEIGHTS = 2**18
"""Smaller tables, of all members together, stay as they are: they take less than 1 MiB."""
SAMPLE_ROWS = 256
CHUNK_WEIGHTS = 2**22
"""Weights that are converted at a time, so that memory holds no second copy of a table."""


def round_tables(
    scorer: engine.Scorer,
    network: NetworkSpec,
    weights: engine.Weights,
    blocks: Mapping[str, Any],
    members: tuple[int, int] | None = None,
) -> bool:
    """Round some members' tables, on the scorer's device and in the host's arrays, if scores of the rows stay.

    Args:
        scorer: It holds these weights.
        network: What the members look like.
        weights: (m, ...), writable.
        blocks: Named features of rows, on which scores are compared.
        members: First and one past the last member, which make the scores together; None for all.

    Returns:
        Whether tables were rounded; not in float64, where they are small, where a value is beyond float16's range, or
        where a score would move by more than `MAX_CHANGE`.
    """
    low, high = members or (0, scorer.n_members)
    tables = weights.trainable[: network.n_tables]
    if not _are_worth_it([table[low:high] for table in tables], network.dtype):
        return False
    places = [(k, table, member) for k, table in enumerate(tables) for member in range(low, high)]
    before = scorer.scores(blocks, (low, high))
    _write(scorer, places, round_values)
    if not np.abs(scorer.scores(blocks, (low, high)) - before).max(initial=0) <= MAX_CHANGE:
        _write(scorer, places, np.asarray)
        return False
    for _, table, member in places:
        for first, last in _row_chunks(table.shape[1:]):
            table[member, first:last] = table[member, first:last].astype(np.float16)
    return True


def round_fit(scorer: engine.Scorer, fit: CrossFit, weights: engine.Weights, first: int = 0) -> bool:
    """The same for the members of a fit, which begin at `first`, compared on rows of the fit."""
    return round_tables(
        scorer, fit.network, weights, sample_blocks(fit.data.blocks, fit.rows), (first, first + len(fit.members))
    )


def round_top_tables(
    scorer: engine.TopScorer, network: TrunkSpec, weights: engine.ExtremeWeights, blocks: Mapping[str, Any], k: int
) -> bool:
    """The same for the tables of a network over very many labels, compared on the k best labels of each row."""
    tables = weights.trainable[: network.n_tables]
    if not _are_worth_it(tables, network.dtype):
        return False
    before = TopK(*scorer.top_k(blocks, k))
    for number, table in enumerate(tables):
        weights.trainable[number] = round_values(table)
        scorer.replace_table(number, weights.trainable[number])
    if top_change(before, TopK(*scorer.top_k(blocks, k))) <= MAX_CHANGE:
        return True
    for number, table in enumerate(tables):
        weights.trainable[number] = table
        scorer.replace_table(number, table)
    return False


def top_change(before: TopK, after: TopK) -> float:
    """How far a score moved, at least: a label that is no longer among the best has no more than the last of them."""
    is_same = before.labels[:, :, None] == after.labels[:, None, :]
    moved = np.abs(before.scores[:, :, None] - after.scores[:, None, :])[is_same]
    gone = (before.scores - after.scores[:, -1:])[~is_same.any(axis=2)]
    come = (after.scores - before.scores[:, -1:])[~is_same.any(axis=1)]
    return max(float(part.max(initial=0)) for part in (moved, gone, come))


def sample_blocks(blocks: Mapping[str, Any], rows: np.ndarray) -> dict[str, Any]:
    """Up to `SAMPLE_ROWS` of some rows of named features, evenly spaced."""
    places = np.linspace(0, len(rows) - 1, min(SAMPLE_ROWS, len(rows))).astype(np.int64)
    return {name: block[rows[places]] for name, block in blocks.items()}


def round_values(values: np.ndarray) -> np.ndarray:
    """The nearest values that float16 has, as float32; infinity beyond 65504, multiples of 2^-24 below 2^-14."""
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)


def exact_half(array: np.ndarray) -> np.ndarray | None:
    """A float32 array as float16 where that changes no value, else None."""
    flat = np.ascontiguousarray(array).reshape(-1)
    half = np.empty(flat.shape, np.float16)
    for first in range(0, len(flat), CHUNK_WEIGHTS):
        chunk, half_chunk = flat[first : first + CHUNK_WEIGHTS], half[first : first + CHUNK_WEIGHTS]
        with np.errstate(over="ignore"):
            half_chunk[...] = chunk
        if not np.array_equal(half_chunk, chunk):
            return None
    return half.reshape(array.shape)


def _are_worth_it(tables: list[np.ndarray], dtype: str) -> bool:
    """Whether tables are in float32, large, and float16 has a finite value for each weight."""
    highest = np.float32(np.finfo(np.float16).max)
    return (
        dtype == "float32"
        and sum(table.size for table in tables) >= MIN_WEIGHTS
        and all(-highest <= table.min() and table.max() <= highest for table in tables)
    )


def _write(scorer: engine.Scorer, places: list[tuple[int, np.ndarray, int]], convert: Callable) -> None:
    """Put what `convert` makes of the host's tables into the scorer."""
    for k, table, member in places:
        for first, last in _row_chunks(table.shape[1:]):
            scorer.write_rows(k, member, first, convert(table[member, first:last]))


def _row_chunks(shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Rows of a table (f, u) to convert at a time, all chunks of one size: the last begins among rows already done."""
    n_rows, n_units = shape
    size = min(n_rows, max(1, CHUNK_WEIGHTS // n_units))
    for first in range(0, n_rows, size):
        first = min(first, n_rows - size)
        yield first, first + size
