"""What each input of a row adds to a logit: gradient times input, for pairs of a row and a label.

Explained is the mean over the members of the raw logit: before the output function, before any calibration. A batch
holds pairs; rows do not touch each other when nothing is trained, so that one backward pass gives every pair of the
batch its own gradient. Behind a table of weights the gradient is taken at the sum of table rows and then meets only the
rows of the table that the row of features touches: nothing of the table's width is ever laid out. It knows arrays,
nothing of labels' names or words. Start reading at `contributions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from manyhot.backend import jax, precision
from manyhot.engine.program_cache import PROGRAMS
from manyhot.engine.scoring import Scorer

jnp = jax.numpy

PAIRS = 64
"""Pairs of a row and a label in a batch."""
COLUMNS_AT_ONCE = 4096
"""Rows of a table that are gathered at once."""
MAX_NUMBERS = 2**22
"""Contributions handed out at once, unless a single pair has more."""

Blocks = Mapping[str, np.ndarray | sp.csr_matrix]


class Contributions(NamedTuple):
    """What the inputs of one row add to the logits of k labels.

    Attributes:
        pairs: Which of the pairs asked for these are.
        logits: float64 (k,), mean over the members.
        blocks: Block -> float64 (c, k); c counts all columns of a dense block, the entries of the row of a CSR block.
    """

    pairs: slice
    logits: np.ndarray
    blocks: dict[str, np.ndarray]


def contributions(
    scorer: Scorer, tables: Sequence[np.ndarray], blocks: Blocks, rows: np.ndarray, labels: np.ndarray
) -> Iterator[Contributions]:
    """Gradient of the mean logit times input, for each input of a row.

    Without hidden layers a logit is the sum of these and its constant (`constants`). With them they say how the logit
    would move if the input moved a little, stretched to the whole input; they need not sum to anything.

    Args:
        scorer: The members.
        tables: Tables (m, f, u) on the host, in the order of the networks' tables.
        blocks: Named features, (n, f) dense or CSR.
        rows: int (p,), the row of each pair, equal ones next to each other.
        labels: int (p,), the column of the label of each pair.

    Yields:
        Contributions of some pairs of one row, in the order of the pairs.

    Source:
        Shrikumar, Greenside, Shcherbina, Kundaje (2016), arXiv 1605.01713; Ancona, Ceolini, Oztireli, Gross (2018),
        arXiv 1711.06104, section 3.
    """
    by_name = dict(zip(scorer.networks.tables, tables, strict=True))
    for first in range(0, len(rows), PAIRS):
        batch = np.asarray(rows[first : first + PAIRS])
        given = inputs_of(scorer, by_name, blocks, batch, PAIRS)
        logits, gradients = _gradients(scorer, given, labels[first : first + PAIRS])
        for low, high in _same(batch, blocks):
            found = {
                name: _times_input(block, int(batch[low]), gradients[name][..., low:high, :], by_name.get(name))
                for name, block in blocks.items()
            }
            yield Contributions(slice(first + low, first + high), logits[low:high], found)


def constants(scorer: Scorer, labels: np.ndarray) -> np.ndarray:
    """Mean logits float64 (k,) of a row whose inputs are all 0, for the columns `labels`, int (k,).

    An input is 0 for a number that is typical (the median) or missing, a level that is not the row's, a word that is
    not there.
    """
    found = [np.zeros(0)]
    for first in range(0, len(labels), PAIRS):
        part = np.asarray(labels[first : first + PAIRS])
        inputs = {
            name: np.zeros(
                (scorer.n_members, PAIRS, scorer.networks.tables[name][1])
                if name in scorer.networks.tables
                else (PAIRS, *shape),
                scorer.precision,
            )
            for name, shape in scorer.networks.shapes.items()
        }
        found.append(_gradients(scorer, inputs, part)[0])
    return np.concatenate(found)


def inputs_of(
    scorer: Scorer, tables: Mapping[str, np.ndarray], blocks: Blocks, batch: np.ndarray, size: int
) -> dict[str, np.ndarray]:
    """Some rows as inputs of the networks, padded to `size` rows: (b, ...), and (m, b, u) sums of table rows.

    Args:
        scorer: The members.
        tables: Name of a block -> its table (m, f, u).
        blocks: Named features.
        batch: int, which rows; they may be named more than once.
        size: Rows with the padding.
    """
    inputs: dict[str, np.ndarray] = {}
    distinct, place = np.unique(batch, return_inverse=True)
    for name, block in blocks.items():
        part = block[distinct]
        if name in tables:
            sums = np.stack([sp.csr_matrix(part) @ table for table in tables[name]])
            inputs[name] = np.zeros((len(sums), size, sums.shape[2]), scorer.precision)
            inputs[name][:, : len(batch)] = sums[:, place]
        else:
            dense = part.toarray() if sp.issparse(part) else part
            inputs[name] = np.zeros((size, *dense.shape[1:]), np.int32 if dense.dtype.kind == "i" else scorer.precision)
            inputs[name][: len(batch)] = dense[place]
    return inputs


def _gradients(
    scorer: Scorer, inputs: dict[str, np.ndarray], labels: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Mean logits float64 (k,), and gradients: (b, f) the mean over members, (m, b, u) each member's own."""
    asked = np.zeros(PAIRS, np.int32)
    asked[: len(labels)] = labels
    names = frozenset(scorer.networks.tables)
    with precision(scorer.precision), jax.default_matmul_precision("highest"):
        weights = scorer.weights.trainable[len(names) :], scorer.weights.fixed
        given = jax.device_put((inputs, asked), scorer.device)
        key = ("contributions", scorer.networks.key, PAIRS)
        program = PROGRAMS.compiled(key, lambda: _pulled(scorer.network, names), (*weights, *given))
        logits, gradients = program(*weights, *given)
    return np.asarray(logits, np.float64)[: len(labels)], {name: np.asarray(one) for name, one in gradients.items()}


def _pulled(network: Any, tables: frozenset[str]) -> Callable:
    """(trainable, fixed, inputs, labels) -> mean logits (b,) of each pair, and their gradients by input."""

    def run(trainable: Any, fixed: Any, inputs: dict[str, Any], labels: Any) -> tuple[Any, dict[str, Any]]:
        dense = {name: block for name, block in inputs.items() if name not in tables}
        sums = {name: block for name, block in inputs.items() if name in tables}

        def asked(given: dict[str, Any], own: tuple[Any, Any]) -> tuple[Any, Any]:
            logits, _ = network.stateless_call(*own, given, training=False)
            chosen = jnp.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
            return chosen.sum(), chosen

        def add(total: tuple[Any, dict[str, Any]], member: tuple[Any, Any, dict[str, Any]]) -> Any:
            (_, logits), found = jax.value_and_grad(asked, has_aux=True)({**dense, **member[2]}, member[:2])
            own = {name: found[name] for name in sums}
            return jax.tree.map(jnp.add, total, (logits, {name: found[name] for name in dense})), own

        dtype = next(iter(inputs.values())).dtype
        nothing = (jnp.zeros(len(labels), dtype), jax.tree.map(jnp.zeros_like, dense))
        total, own = jax.lax.scan(add, nothing, (trainable, fixed, sums))
        n_members = len(jax.tree.leaves(trainable)[0])
        logits, mean = jax.tree.map(lambda leaf: leaf / n_members, total)
        return logits, {**mean, **own}

    return run


def _times_input(
    block: np.ndarray | sp.csr_matrix, row: int, gradient: np.ndarray, table: np.ndarray | None
) -> np.ndarray:
    """Contributions float64 (c, k) of one row, from gradients (k, f), or (m, k, u) behind a table (m, f, u)."""
    if isinstance(block, np.ndarray):
        return (gradient.astype(np.float64) * block[row]).T
    entries = slice(block.indptr[row], block.indptr[row + 1])
    columns, values = block.indices[entries], block.data[entries].astype(np.float64)[:, None]
    if table is None:
        return gradient[:, columns].T.astype(np.float64) * values
    total = np.zeros((len(columns), gradient.shape[1]))
    for first in range(0, len(columns), COLUMNS_AT_ONCE):
        part = slice(first, first + COLUMNS_AT_ONCE)
        for weights, own in zip(table, gradient.astype(np.float64), strict=True):
            total[part] += weights[columns[part]].astype(np.float64) @ own.T
    return total * values / len(table)


def _same(batch: np.ndarray, blocks: Blocks) -> Iterator[tuple[int, int]]:
    """First and one past the last of the pairs of one row, fewer at once where the row has many entries."""
    starts = np.flatnonzero(np.diff(batch, prepend=-1)).tolist()
    for low, high in zip(starts, [*starts[1:], len(batch)], strict=True):
        row = batch[low]
        size = sum(_size(block, row) for block in blocks.values())
        step = max(1, MAX_NUMBERS // max(size, 1))
        yield from ((first, min(first + step, high)) for first in range(low, high, step))


def _size(block: np.ndarray | sp.csr_matrix, row: int) -> int:
    """How many contributions a row of a block has."""
    return int(block[row].size) if isinstance(block, np.ndarray) else int(block.indptr[row + 1] - block.indptr[row])
