"""Gradient times input: what each input of a row adds to a label's mean logit, for pairs of a row and a label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from manyhot.backend import jax, use_dtype
from manyhot.engine.device_data import pad_rows
from manyhot.engine.max_constraint import Levels, constrain
from manyhot.engine.program_cache import PROGRAMS
from manyhot.engine.scoring import Scorer

jnp = jax.numpy

PAIRS_PER_BATCH = 64  # pairs of a row and a label in a batch
COLUMNS_PER_GATHER = 4096  # rows of a table that are gathered at once
MAX_CONTRIBUTIONS = 2**22  # contributions handed out at once, unless a single pair has more

Blocks = Mapping[str, np.ndarray | sp.csr_matrix]

NO_REFERENCE: Mapping[str, np.ndarray] = {}
ZERO = np.zeros(1, np.float32)


class Contributions(NamedTuple):
    """What the inputs of one row add to the logits of k labels."""

    pairs: slice  # which of the pairs asked for these are
    logits: np.ndarray  # float64 (k,), mean over the members
    blocks: dict[str, np.ndarray]  # float64 (c, k); c counts the columns of a dense block, a CSR row's entries


def contributions(
    scorer: Scorer,
    tables: Sequence[np.ndarray],
    blocks: Blocks,
    rows: np.ndarray,
    labels: np.ndarray,
    reference: Mapping[str, np.ndarray] = NO_REFERENCE,
) -> Iterator[Contributions]:
    """Yield gradient times (input - reference) of the mean logit for each pair; equal `rows` are next to each other."""
    # Source: Shrikumar et al. (2016), arXiv 1605.01713; Ancona et al. (2018), arXiv 1711.06104, section 3.
    tables_by_name = dict(zip(scorer.networks.tables, tables, strict=True))
    for first in range(0, len(rows), PAIRS_PER_BATCH):
        batch = np.asarray(rows[first : first + PAIRS_PER_BATCH])
        inputs = make_inputs(scorer, tables_by_name, blocks, batch, PAIRS_PER_BATCH)
        logits, gradients = _gradients(scorer, inputs, labels[first : first + PAIRS_PER_BATCH])
        for low, high in _group_pairs(batch, blocks):
            block_contributions = {
                name: _multiply_by_input(
                    block,
                    int(batch[low]),
                    gradients[name][..., low:high, :],
                    tables_by_name.get(name),
                    reference.get(name, ZERO),
                )
                for name, block in blocks.items()
            }
            yield Contributions(slice(first + low, first + high), logits[low:high], block_contributions)


def constants(scorer: Scorer, labels: np.ndarray, reference: Mapping[str, np.ndarray] = NO_REFERENCE) -> np.ndarray:
    """Mean logits float64 (k,) of the reference, zeros for blocks that it lacks, for the columns `labels`, int (k,)."""
    logits = [np.zeros(0)]
    for first in range(0, len(labels), PAIRS_PER_BATCH):
        columns = np.asarray(labels[first : first + PAIRS_PER_BATCH])
        inputs = {
            name: np.zeros(
                (scorer.n_members, PAIRS_PER_BATCH, scorer.networks.tables[name][1])
                if name in scorer.networks.tables
                else (PAIRS_PER_BATCH, *shape),
                scorer.dtype,
            )
            for name, shape in scorer.networks.shapes.items()
        }
        for name, row in reference.items():
            inputs[name] += row.astype(scorer.dtype)
        logits.append(_gradients(scorer, inputs, columns)[0])
    return np.concatenate(logits)


def make_inputs(
    scorer: Scorer, tables: Mapping[str, np.ndarray], blocks: Blocks, batch: np.ndarray, size: int
) -> dict[str, np.ndarray]:
    """Lay out rows as network inputs padded to `size`: (b, ...), and (m, b, u) sums of table rows."""
    inputs: dict[str, np.ndarray] = {}
    distinct, positions = np.unique(batch, return_inverse=True)
    for name, block in blocks.items():
        rows = block[distinct]
        if name in tables:
            sums = np.stack([sp.csr_matrix(rows) @ table for table in tables[name]])
            inputs[name] = np.zeros((len(sums), size, sums.shape[2]), scorer.dtype)
            inputs[name][:, : len(batch)] = sums[:, positions]
        else:
            dense = rows.toarray() if sp.issparse(rows) else rows
            inputs[name] = pad_rows(dense[positions], size, np.int32 if dense.dtype.kind == "i" else scorer.dtype)
    return inputs


def _gradients(
    scorer: Scorer, inputs: dict[str, np.ndarray], labels: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Mean logits float64 (k,), and gradients: (b, f) the mean over members, (m, b, u) each member's own."""
    padded_labels = pad_rows(labels, PAIRS_PER_BATCH, np.int32)
    names = frozenset(scorer.networks.tables)
    with use_dtype(scorer.dtype), jax.default_matmul_precision("highest"):
        weights = scorer.weights.trainable[len(names) :], scorer.weights.fixed
        device_args = (*jax.device_put((inputs, padded_labels), scorer.device), scorer.levels)
        key = ("contributions", scorer.networks.key, PAIRS_PER_BATCH)
        program = PROGRAMS.get_or_compile(
            key, lambda: _build_gradient_program(scorer.network, names), (*weights, *device_args)
        )
        logits, gradients = program(*weights, *device_args)
    return np.asarray(logits, np.float64)[: len(labels)], {
        name: np.asarray(gradient) for name, gradient in gradients.items()
    }


def _build_gradient_program(network: Any, tables: frozenset[str]) -> Callable:
    """(trainable, fixed, inputs, labels, levels) -> mean logits (b,) of each pair, and their gradients by input."""

    def run(
        trainable: Any, fixed: Any, inputs: dict[str, Any], labels: Any, levels: Levels
    ) -> tuple[Any, dict[str, Any]]:
        dense = {name: block for name, block in inputs.items() if name not in tables}
        sums = {name: block for name, block in inputs.items() if name in tables}

        def selected_logits(all_inputs: dict[str, Any], weights: tuple[Any, Any]) -> tuple[Any, Any]:
            logits, _ = network.stateless_call(*weights, all_inputs, training=False)
            selected = jnp.take_along_axis(constrain(logits, levels), labels[:, None], axis=1)[:, 0]
            return selected.sum(), selected

        def add(total: tuple[Any, dict[str, Any]], member: tuple[Any, Any, dict[str, Any]]) -> Any:
            (_, logits), gradients = jax.value_and_grad(selected_logits, has_aux=True)(
                {**dense, **member[2]}, member[:2]
            )
            table_gradients = {name: gradients[name] for name in sums}
            return jax.tree.map(jnp.add, total, (logits, {name: gradients[name] for name in dense})), table_gradients

        dtype = next(iter(inputs.values())).dtype
        zeros = (jnp.zeros(len(labels), dtype), jax.tree.map(jnp.zeros_like, dense))
        total, table_gradients = jax.lax.scan(add, zeros, (trainable, fixed, sums))
        n_members = len(jax.tree.leaves(trainable)[0])
        logits, mean = jax.tree.map(lambda leaf: leaf / n_members, total)
        return logits, {**mean, **table_gradients}

    return run


def _multiply_by_input(
    block: np.ndarray | sp.csr_matrix, row: int, gradient: np.ndarray, table: np.ndarray | None, reference: np.ndarray
) -> np.ndarray:
    """Contributions float64 (c, k) of one row, from gradients (k, f), or (m, k, u) behind a table (m, f, u)."""
    if isinstance(block, np.ndarray):
        return (gradient.astype(np.float64) * (block[row].astype(np.float64) - reference)).T
    entries = slice(block.indptr[row], block.indptr[row + 1])
    columns, values = block.indices[entries], block.data[entries].astype(np.float64)[:, None]
    if table is None:
        return gradient[:, columns].T.astype(np.float64) * values
    total = np.zeros((len(columns), gradient.shape[1]))
    for first in range(0, len(columns), COLUMNS_PER_GATHER):
        part = slice(first, first + COLUMNS_PER_GATHER)
        for weights, member_gradient in zip(table, gradient.astype(np.float64), strict=True):
            total[part] += weights[columns[part]].astype(np.float64) @ member_gradient.T
    return total * values / len(table)


def _group_pairs(batch: np.ndarray, blocks: Blocks) -> Iterator[tuple[int, int]]:
    """First and one past the last of the pairs of one row, fewer at once where the row has many entries."""
    starts = np.flatnonzero(np.diff(batch, prepend=-1)).tolist()
    for low, high in zip(starts, [*starts[1:], len(batch)], strict=True):
        row = batch[low]
        size = sum(
            block[row].size if isinstance(block, np.ndarray) else int(block.indptr[row + 1] - block.indptr[row])
            for block in blocks.values()
        )
        step = max(1, MAX_CONTRIBUTIONS // max(size, 1))
        yield from ((first, min(first + step, high)) for first in range(low, high, step))
