"""The labels of the highest scores of each row, over very many labels: batches of rows, chunks of labels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp

from manyhot.backend import jax, use_dtype
from manyhot.engine.ensemble import NetworkFactory
from manyhot.engine.extreme.chunked_head import Head, pad_head, top_k
from manyhot.engine.extreme.trainer import choose_chunk
from manyhot.engine.program_cache import PROGRAMS
from manyhot.engine.scoring import SMALL_BATCH_ROWS, batch_entries, call_with_tables, run_batches
from manyhot.engine.weights import ExtremeWeights

ROWS = 1024  # rows scored at once; a chunk of their logits is 8 MiB


class TopScorer:
    """A trained network over very many labels on a device, ready to score rows."""

    def __init__(self, networks: NetworkFactory, weights: ExtremeWeights, dtype_name: str) -> None:
        self.networks, self.dtype = networks, dtype_name
        self.n_labels = len(weights.bias)
        self.device = jax.local_devices()[0]
        with use_dtype(dtype_name):
            self.trunk = networks.build(0)
            head = Head(*jax.device_put((weights.kernel, weights.bias), self.device))
            head = pad_head(head, choose_chunk(self.n_labels)) if self.n_labels % choose_chunk(self.n_labels) else head
            self.weights = (*jax.device_put((list(weights.trainable), list(weights.fixed)), self.device), head)

    def top_k(self, blocks: Mapping[str, np.ndarray | sp.csr_matrix], k: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the k best labels of each row, int32 (n, k), best first, ties by label, and their probabilities."""
        n_rows = next(iter(blocks.values())).shape[0]
        size = SMALL_BATCH_ROWS if n_rows <= SMALL_BATCH_ROWS else ROWS
        labels = np.zeros((n_rows, k), np.int32)
        scores = np.zeros((n_rows, k), self.dtype)
        with use_dtype(self.dtype):
            batches = run_batches(partial(self._dispatch, k), blocks, size, self.networks.tables, self.dtype)
            for first, count, outputs in batches:
                labels[first : first + count], scores[first : first + count] = (np.asarray(a)[:count] for a in outputs)
        return labels, scores

    def replace_table(self, number: int, table: np.ndarray) -> None:
        """Replace one of the trunk's tables by another of its shape."""
        with use_dtype(self.dtype):
            self.weights[0][number] = jax.device_put(table, self.device)

    def _dispatch(self, k: int, batch: dict[str, Any]) -> Any:
        table_entries = batch_entries(batch, self.networks.tables, self.device.platform)
        batch = jax.device_put(batch, self.device)
        key: Hashable = ("top", self.networks.key, k, self.n_labels, tuple(table_entries.items()))
        build = partial(_build_top_k_program, self.trunk, table_entries, self.n_labels, k)
        return PROGRAMS.get_or_compile(key, build, (self.weights, batch))(self.weights, batch)


def _build_top_k_program(trunk: Any, table_entries: Mapping[str, int], n_labels: int, k: int) -> Callable:
    def run(weights: tuple[list, list, Head], inputs: dict[str, Any]) -> tuple[jax.Array, jax.Array]:
        trainable, fixed, head = weights
        hidden = call_with_tables(trunk, trainable, fixed, inputs, table_entries)
        logits, labels = top_k(hidden, head, k, n_labels, choose_chunk(n_labels))
        return labels, jax.nn.sigmoid(logits)

    return run
