"""Scores: what the members say, averaged, in batches of one shape."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.special import expit

from manyhot.backend import jax, use_dtype
from manyhot.config.runtime import RuntimeConfig
from manyhot.engine.device_data import device_dtype, pad_rows
from manyhot.engine.devices import select_devices
from manyhot.engine.embedding_bags import Batch, bag_sum, full_batch, max_entries
from manyhot.engine.ensemble import NetworkFactory, build_measured
from manyhot.engine.losses import OUTPUTS
from manyhot.engine.max_constraint import Levels, constrain, raise_parents
from manyhot.engine.program_cache import PROGRAMS
from manyhot.engine.weights import Weights

jnp = jax.numpy

SMALL_BATCH_ROWS = 64  # up to this many rows are scored in a batch of this size
MAX_OUTPUT_PIXELS = 2**19  # pixels of a batch, where pixels are scored
MAX_IMAGE_PIXELS = 2**22  # pixels of the images of a batch, where rows are scored by images: 83 images of 224 x 224
IN_FLIGHT = 3  # batches under way at once, so that copying and computing overlap
MIN_ENTRIES = 256  # non-zeros of the smallest of a service's batches


@dataclass(frozen=True)
class Buckets:
    """The few shapes that a service pads its batches to, so that all are compiled before the first request."""

    rows: tuple[int, ...]  # rows of a batch, ascending; what has more is scored in batches of the last
    min_entries: int = MIN_ENTRIES  # non-zeros of the smallest batch of sparse rows

    def size(self, n_rows: int) -> int:
        """Rows with the padding."""
        return next((size for size in self.rows if size >= n_rows), self.rows[-1])

    def entries(self, count: int) -> int:
        """Non-zeros with the padding, in steps of four times; loops end with the real ones, so it costs little."""
        size = self.min_entries
        while size < count:
            size *= 4
        return size


class Scorer:
    """The members' weights on a device, ready to score rows."""

    def __init__(
        self,
        networks: NetworkFactory,
        weights: Weights,
        dtype_name: str,
        runtime: RuntimeConfig,
        output: str = "sigmoid",
    ) -> None:
        networks = networks.with_layers(runtime.fast_layers)
        self.networks, self.dtype, self.runtime, self.output = networks, dtype_name, runtime, output
        self.n_members = networks.n_members
        # whether a score is the sigmoid of the mean logit, not the mean probability (docs/decisions/0037-means.md)
        self.averages_logits = bool(networks.tables) and output == "sigmoid"
        self.device = select_devices(runtime)[0]
        # what is on the host already needs no other way to the first processor than into the program
        self._is_first = self.device.platform == "cpu" and self.device == jax.local_devices()[0]
        self._programs: dict[Hashable, Any] = {}  # by what can differ for one scorer, which is quickly looked up
        with use_dtype(dtype_name):
            self.network, self.cost = build_measured(networks, dtype_name)
            self.weights = jax.device_put(Weights(list(weights.trainable), list(weights.fixed)), self.device)
            self.levels = jax.device_put(networks.levels, self.device)

    def scores(
        self,
        blocks: Mapping[str, np.ndarray | sp.csr_matrix],
        members: tuple[int, int] | None = None,
        buckets: Buckets | None = None,
    ) -> np.ndarray:
        """Scores float (n, ..., l) in [0, 1] that the members from members[0] to before members[1] give together."""
        return self.to_scores(self.mean_outputs(blocks, members, buckets))

    def to_scores(self, mean_outputs: np.ndarray) -> np.ndarray:
        """What `mean_outputs` gives, or a mean of several of them, as scores."""
        scores = expit(mean_outputs) if self.averages_logits else mean_outputs
        return raise_parents(scores, self.networks.levels)

    def mean_outputs(
        self,
        blocks: Mapping[str, np.ndarray | sp.csr_matrix],
        members: tuple[int, int] | None = None,
        buckets: Buckets | None = None,
    ) -> np.ndarray:
        """What is averaged over the members: their logits or their probabilities; arguments and shape as `scores`."""
        low, high = members or (0, self.n_members)
        n_rows = next(iter(blocks.values())).shape[0]
        size = self.cost.max_rows(self._batch_rows(n_rows) if buckets is None else buckets.size(n_rows))
        with use_dtype(self.dtype):
            dispatch = partial(self._dispatch, low, high, size)
            batches = run_batches(dispatch, blocks, size, self.networks.tables, self.dtype, buckets)
            results = [np.asarray(outputs)[:count] for _, count, outputs in batches]
        if not results:
            return np.zeros((0, *self.network.output_shape[1:]), dtype=self.dtype)
        return np.concatenate(results)

    def write_rows(self, leaf: int, member: int, first: int, rows: np.ndarray) -> None:
        """Replace rows, from `first` on, of a member's trainable array (f, u), in place where the device can."""
        with use_dtype(self.dtype):
            args = (
                self.weights.trainable[leaf],
                *jax.device_put((rows, np.int32(member), np.int32(first)), self.device),
            )
            program = PROGRAMS.get_or_compile("write rows", lambda: _write_rows, args, donate=(0,))
            self.weights.trainable[leaf] = program(*args)

    def replace_fixed(self, leaf: int, values: np.ndarray) -> None:
        """Replace what all members have of an array that does not learn, (m, ...)."""
        with use_dtype(self.dtype):
            self.weights.fixed[leaf] = jax.device_put(values, self.device)

    def _batch_rows(self, n_rows: int) -> int:
        n_pixels = math.prod(self.network.output_shape[1:-1])
        size = SMALL_BATCH_ROWS if n_rows <= SMALL_BATCH_ROWS else self.runtime.predict_batch_size
        n_image_pixels = sum(math.prod(shape[:2]) for shape in self.networks.shapes.values() if len(shape) == 3)
        size = min(size, max(1, MAX_IMAGE_PIXELS // max(n_image_pixels, 1)))
        return size if n_pixels == 1 else min(size, max(1, MAX_OUTPUT_PIXELS // n_pixels))

    def _dispatch(self, low: int, high: int, size: int, batch: dict[str, Any]) -> Any:
        table_entries = tuple(batch_entries(batch, self.networks.tables, self.device.platform).items())
        args: tuple[Any, ...] = (batch, np.int32(low), np.int32(high))
        shapes = tuple(
            len(part.block.columns) if isinstance(part, Batch) else (part.shape, part.dtype.char)
            for part in batch.values()
        )
        key = (size, table_entries, tuple(batch), shapes)
        program = self._programs.get(key)
        if program is None or not self._is_first:
            args = jax.device_put(args, self.device)
        if program is None:
            shared: Hashable = ("score", self.networks.key, self.output, size, table_entries)
            output = (lambda logits: logits) if self.averages_logits else OUTPUTS[self.output]
            build = partial(_build_mean_program, self.network, output, dict(table_entries), size)
            program = self._programs[key] = PROGRAMS.get_or_compile(shared, build, (self.weights, self.levels, *args))
        return program(self.weights, self.levels, *args)


def _write_rows(leaf: jax.Array, rows: jax.Array, member: jax.Array, first: jax.Array) -> jax.Array:
    return jax.lax.dynamic_update_slice(leaf, rows[None], (member, first, 0))


def _build_mean_program(network: Any, output: Callable, table_entries: Mapping[str, int], size: int) -> Callable:
    def run(weights: Weights, levels: Levels, inputs: dict[str, Any], low: jax.Array, high: jax.Array) -> jax.Array:
        def add(member: jax.Array, total: jax.Array) -> jax.Array:
            trainable, fixed = jax.tree.map(lambda leaf: leaf[member], (weights.trainable, weights.fixed))
            logits = call_with_tables(network, trainable, fixed, inputs, table_entries)
            return total + output(constrain(logits, levels))

        dtype = weights.trainable[0].dtype
        total = jax.lax.fori_loop(low, high, add, jnp.zeros((size, *network.output_shape[1:]), dtype))
        return total / (high - low).astype(dtype)

    return run


def call_with_tables(
    network: Any, trainable: list, fixed: list, inputs: Mapping[str, Any], table_entries: Mapping[str, int]
) -> jax.Array:
    """What a network makes of a batch; tables come first among the trainable weights, and give sums of their rows."""
    bags = {
        name: bag_sum(table, inputs[name], limit)
        for table, (name, limit) in zip(trainable, table_entries.items(), strict=False)
    }
    outputs, _ = network.stateless_call(trainable[len(bags) :], fixed, {**inputs, **bags}, training=False)
    return outputs


def batch_entries(batch: Mapping[str, Any], tables: Collection[str], platform: str) -> dict[str, int]:
    """Most non-zeros of each block with a table."""
    return {name: max_entries(batch[name].block, len(batch[name].rows), platform) for name in tables}


def run_batches(
    dispatch: Callable[[dict[str, Any]], Any],
    blocks: Mapping[str, np.ndarray | sp.csr_matrix],
    size: int,
    tables: Collection[str],
    dtype: str,
    buckets: Buckets | None = None,
) -> Iterator[tuple[int, int, Any]]:
    """Yield first row, number of rows and outputs of each batch of named features (n, f), a few under way at once."""
    n_rows = next(iter(blocks.values())).shape[0]
    pending: deque[tuple[int, int, Any]] = deque()
    for first in range(0, n_rows, size):
        count = min(size, n_rows - first)
        pending.append((first, count, dispatch(_make_batch(blocks, first, size, tables, dtype, buckets))))
        if len(pending) > IN_FLIGHT:
            yield pending.popleft()
    yield from pending


def _make_batch(
    blocks: Mapping[str, np.ndarray | sp.csr_matrix],
    first: int,
    size: int,
    tables: Collection[str],
    dtype: str,
    buckets: Buckets | None,
) -> dict[str, Any]:
    """The rows from `first` on as a scoring program takes them, padded to one size."""
    batch: dict[str, Any] = {}
    for name, block in blocks.items():
        rows = block[first : first + size]
        if name in tables:
            csr_rows = sp.csr_matrix(rows)
            batch[name] = full_batch(csr_rows, size, dtype, None if buckets is None else buckets.entries(csr_rows.nnz))
        else:
            dense = rows.toarray() if isinstance(rows, sp.csr_matrix) else rows
            batch[name] = pad_rows(dense, size, device_dtype(dense, dtype))
    return batch
