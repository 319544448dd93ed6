"""Scores: the mean of the members' probabilities, in batches of one shape."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Hashable, Mapping
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp

from manyhot.backend import jax, precision
from manyhot.engine.data import number_type
from manyhot.engine.ensemble import Networks, Weights
from manyhot.engine.members import chosen_devices
from manyhot.engine.programs import PROGRAMS
from manyhot.engine.tables import Batch, bag, most_entries, whole
from manyhot.losses import OUTPUTS
from manyhot.plan import Runtime

jnp = jax.numpy

FEW_ROWS = 64
"""Up to this many rows are scored in a batch of this size."""
BATCH_PIXELS = 2**19
"""Pixels of a batch, where pixels are scored."""
SEEN_PIXELS = 2**22
"""Pixels of the images of a batch, where rows are scored by images: 83 images of 224 x 224."""
IN_FLIGHT = 3
"""Batches under way at once, so that copying and computing overlap."""


class Scorer:
    """The members' weights on a device, ready to score rows.

    Args:
        networks: How the networks are made; member 0 gives the structure.
        weights: The members' weights.
        precision_name: "float32" or "float64".
        runtime: Settings that change only speed.
        output: Name of the output function, of `losses.OUTPUTS`.
    """

    def __init__(
        self, networks: Networks, weights: Weights, precision_name: str, runtime: Runtime, output: str = "sigmoid"
    ) -> None:
        networks = networks.with_layers(runtime.fast_layers)
        self.networks, self.precision, self.runtime, self.output = networks, precision_name, runtime, output
        self.n_members = networks.n_members
        self.device = chosen_devices(runtime)[0]
        with precision(precision_name):
            self.network = networks.build(0)
            self.weights = jax.device_put(Weights(list(weights.trainable), list(weights.fixed)), self.device)

    def scores(
        self, blocks: Mapping[str, np.ndarray | sp.csr_matrix], members: tuple[int, int] | None = None
    ) -> np.ndarray:
        """Mean probabilities of the members in [members[0], members[1]), all of them by default.

        Args:
            blocks: Named features (n, f), dense or CSR.
            members: First and one past the last member.

        Returns:
            float (n, ..., l) of the plan's precision, in [0, 1].
        """
        low, high = members or (0, self.n_members)
        n_rows = next(iter(blocks.values())).shape[0]
        size = self._batch_rows(n_rows)
        with precision(self.precision):
            results: list[np.ndarray] = []
            pending: deque[tuple[Any, int]] = deque()
            for first in range(0, n_rows, size):
                count = min(size, n_rows - first)
                batch = batch_of(blocks, (first, count), size, self.networks.tables, self.precision)
                pending.append((self._start(batch, low, high, size), count))
                if len(pending) > IN_FLIGHT:
                    results.append(_finish(*pending.popleft()))
            results.extend(_finish(*one) for one in pending)
        if not results:
            return np.zeros((0, *self.network.output_shape[1:]), dtype=self.precision)
        return np.concatenate(results)

    def _batch_rows(self, n_rows: int) -> int:
        n_pixels = math.prod(self.network.output_shape[1:-1])
        size = FEW_ROWS if n_rows <= FEW_ROWS else self.runtime.predict_rows
        n_seen = sum(math.prod(shape[:2]) for shape in self.networks.shapes.values() if len(shape) == 3)
        size = min(size, max(1, SEEN_PIXELS // max(n_seen, 1)))
        return size if n_pixels == 1 else min(size, max(1, BATCH_PIXELS // n_pixels))

    def _start(self, batch: dict[str, Any], low: int, high: int, size: int) -> Any:
        gathered = {name: self._gathered(batch[name], size) for name in self.networks.tables}
        args = jax.device_put((batch, np.int32(low), np.int32(high)), self.device)
        key: Hashable = ("score", self.networks.key, self.output, size, tuple(gathered.items()))
        build = partial(_mean_scores, self.network, OUTPUTS[self.output], gathered, size)
        return PROGRAMS.compiled(key, build, (self.weights, *args))(self.weights, *args)

    def _gathered(self, batch: Batch, size: int) -> int:
        return 0 if self.device.platform == "cpu" else most_entries(batch.block, size)


def _mean_scores(network: Any, output: Callable, gathered: Mapping[str, int], size: int) -> Callable:
    def run(weights: Weights, inputs: dict[str, Any], low: jax.Array, high: jax.Array) -> jax.Array:
        def add(member: jax.Array, total: jax.Array) -> jax.Array:
            trainable, fixed = jax.tree.map(lambda leaf: leaf[member], (weights.trainable, weights.fixed))
            bags = {name: bag(trainable[k], inputs[name], most) for k, (name, most) in enumerate(gathered.items())}
            logits, _ = network.stateless_call(trainable[len(gathered) :], fixed, {**inputs, **bags}, training=False)
            return total + output(logits)

        dtype = weights.trainable[0].dtype
        total = jax.lax.fori_loop(low, high, add, jnp.zeros((size, *network.output_shape[1:]), dtype))
        return total / (high - low).astype(dtype)

    return run


def batch_of(
    blocks: Mapping[str, np.ndarray | sp.csr_matrix],
    rows: tuple[int, int],
    size: int,
    tables: Collection[str],
    dtype: str,
) -> dict[str, Any]:
    """Some rows as a scoring program takes them, padded to one size.

    Args:
        blocks: Named features (n, f), dense or CSR.
        rows: The first, and how many.
        size: Rows with the padding.
        tables: Names of the blocks that have a table.
        dtype: "float32" or "float64".
    """
    first, count = rows
    return {
        name: whole(sp.csr_matrix(block[first : first + count]), size, dtype)
        if name in tables
        else _batch(block, first, count, size, dtype)
        for name, block in blocks.items()
    }


def _batch(block: np.ndarray | sp.csr_matrix, first: int, count: int, size: int, dtype: str) -> np.ndarray:
    part = block[first : first + count]
    rows: np.ndarray = part.toarray() if isinstance(part, sp.csr_matrix) else part
    kind = number_type(rows, dtype)
    if count == size:
        return np.ascontiguousarray(rows, dtype=kind)
    padded = np.zeros((size, *rows.shape[1:]), dtype=kind)
    padded[:count] = rows
    return padded


def _finish(scores: Any, count: int) -> np.ndarray:
    return np.asarray(scores)[:count]
