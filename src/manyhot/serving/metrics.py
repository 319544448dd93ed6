"""What the service counts, for Prometheus: requests as they end, and what each model is asked and answers."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

import numpy as np
import scipy.sparse as sp
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from manyhot.encoders import Encoder
from manyhot.encoders.text.columns import TEXT_BLOCK, TextEncoder
from manyhot.serving.batching import Blocks

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SCORES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
MAX_SERIES = 1000  # labels, or columns, of a model that are counted one by one; with more, none of them are

Gauge = tuple[str, Callable[[], float]]  # what it is, and what tells its value


class ModelCounts:
    """What one model was asked and what it answered, added up a batch at a time, from any thread."""

    def __init__(self, labels: Sequence[str], encoder: Encoder) -> None:
        self.labels = labels if len(labels) <= MAX_SERIES else ()
        self.cells = CellCounts(encoder)
        self.n_rows = 0
        self.batches = np.zeros(len(ROWS) + 1, dtype=np.int64)  # by their rows
        self.predicted = np.zeros(len(self.labels), dtype=np.int64)
        self.scores = np.zeros((len(self.labels), len(SCORES) + 1), dtype=np.int64)
        self.score_sums = np.zeros(len(self.labels))
        self._lock = threading.Lock()

    def add_answers(self, scores: np.ndarray, decisions: np.ndarray) -> None:
        """Count the scores (n, l) of a batch, and the model's own decisions."""
        with self._lock:
            self.n_rows += len(scores)
            self.batches[np.searchsorted(ROWS, len(scores))] += 1
            if self.labels:
                self.predicted += decisions.sum(axis=0)
                self.score_sums += scores.sum(axis=0)
                places = np.searchsorted(SCORES, scores) + np.arange(len(self.labels)) * self.scores.shape[1]
                self.scores += np.bincount(places.ravel(), minlength=self.scores.size).reshape(self.scores.shape)

    def add_cells(self, cells: Blocks, blocks: Blocks) -> None:
        """Count what is missing or unknown in the cells of a batch, and in what the encoder made of them."""
        with self._lock:
            self.cells.add(cells, blocks)


class CellCounts:
    """Missing cells of each column, and those that say nothing to the model: other levels, texts without its words."""

    def __init__(self, encoder: Encoder) -> None:
        self.numbers: Sequence[str] = ()
        self.levels: dict[str, frozenset[str] | None] = {}  # those that the model knows
        self.texts: Sequence[str] = ()
        if len(encoder.names) <= MAX_SERIES:
            has_gaps = encoder.takes_gaps and not encoder.is_sparse and not encoder.column_types
            self.numbers = encoder.names if has_gaps else encoder.numeric_columns
            self.texts = encoder.text_columns
            for name, category in zip(encoder.categorical_columns, encoder.categories, strict=True):
                # Of a category with one level, any other cell is the second value.
                self.levels[name] = frozenset(("", *category.levels)) if len(category.levels) > 1 else None
        self.columns = [*self.numbers, *self.levels, *self.texts]
        self.missing = np.zeros(len(self.columns), dtype=np.int64)
        self.unknown = {name: 0 for name, known in self.levels.items() if known}
        self._word_edges = _word_edges(encoder.texts.encoders if self.texts else ())
        if self._word_edges:
            self.unknown |= dict.fromkeys(self.texts, 0)

    def add(self, cells: Blocks, blocks: Blocks) -> None:
        """Count the cells of a batch, as a row parser gives them, and what the encoder made of them."""
        n_numbers, n_levels = len(self.numbers), len(self.levels)
        if n_numbers:
            self.missing[:n_numbers] += np.isnan(cells["numbers"]).sum(axis=0)
        for k, (name, known) in enumerate(self.levels.items()):
            levels = cells[f"level {k}"].tolist()
            self.missing[n_numbers + k] += levels.count("")
            if known:
                self.unknown[name] += sum(level not in known for level in levels)
        are_missing = [np.array([cell is None for cell in cells[f"text {k}"].tolist()]) for k in range(len(self.texts))]
        self.missing[n_numbers + n_levels :] += np.array([is_missing.sum() for is_missing in are_missing], dtype=int)
        if self._word_edges:
            have_words = _have_words(blocks[TEXT_BLOCK], self._word_edges)
            for name, is_missing, has_words in zip(self.texts, are_missing, have_words, strict=True):
                self.unknown[name] += int((~is_missing & ~has_words).sum())


def _word_edges(encoders: Sequence[TextEncoder]) -> list[int]:
    """Where the words of each text begin among the inputs, and where they end; nothing where they have no names."""
    edges: list[int] = []
    start = 0
    for encoder in encoders:
        if not encoder.n_words:
            return []
        edges += [start, start + encoder.n_words]
        start += encoder.width
    return edges


def _have_words(rows: sp.csr_matrix, edges: Sequence[int]) -> np.ndarray:
    """Whether each text has a word that the model has learned, bool (k, n)."""
    n_rows = rows.shape[0]
    has_inputs = np.zeros((len(edges), n_rows), dtype=bool)
    places = np.searchsorted(edges, rows.indices, side="right") - 1
    has_inputs[places, np.repeat(np.arange(n_rows), np.diff(rows.indptr))] = True
    return has_inputs[::2]


class Metrics(Collector):
    """The counters of one service, made into families when Prometheus asks."""

    def __init__(self, models: Callable[[], Mapping[str, ModelCounts]], gauges: Mapping[str, Gauge]) -> None:
        self.models, self.gauges = models, gauges
        self.n_bytes = 0
        self.requests: Counter[tuple[str, str]] = Counter()  # by endpoint and status
        self.seconds: dict[str, list[int]] = {}  # of each endpoint, requests by their time
        self.second_sums: dict[str, float] = {}
        self.registry = CollectorRegistry()  # not the process's, which may run several services
        self.registry.register(self)

    def count_request(self, endpoint: str, status: int, n_bytes: int, seconds: float) -> None:
        """Count one request at its end, on the event loop."""
        self.n_bytes += n_bytes
        self.requests[endpoint, str(status)] += 1
        self.second_sums[endpoint] = self.second_sums.get(endpoint, 0.0) + seconds
        counts = self.seconds.setdefault(endpoint, [0] * (len(SECONDS) + 1))
        counts[bisect_left(SECONDS, seconds)] += 1

    def collect(self) -> Iterator[Metric]:
        """All families."""
        requests = CounterMetricFamily(
            "manyhot_requests", "Requests by endpoint and status.", labels=["endpoint", "status"]
        )
        times = HistogramMetricFamily(
            "manyhot_request_seconds",
            "Seconds from a request's head to the end of its response.",
            labels=["endpoint"],
        )
        for key, count in self.requests.items():
            requests.add_metric(key, count)
        for endpoint, counts in self.seconds.items():
            times.add_metric([endpoint], _buckets(SECONDS, counts), self.second_sums[endpoint])
        yield from (requests, times)
        yield CounterMetricFamily("manyhot_request_bytes", "Bytes of bodies received.", value=self.n_bytes)
        for name, (words, value) in self.gauges.items():
            yield GaugeMetricFamily(name, words, value=value())
        yield from _model_families(self.models())


def _model_families(models: Mapping[str, ModelCounts]) -> Iterable[Metric]:
    by_label, by_column = ["model", "label"], ["model", "column"]
    rows = CounterMetricFamily("manyhot_rows", "Rows predicted.", labels=["model"])
    batches = HistogramMetricFamily("manyhot_batch_rows", "Rows scored together.", labels=["model"])
    predicted = CounterMetricFamily("manyhot_predictions", "Rows by predicted label.", labels=by_label)
    scores = HistogramMetricFamily("manyhot_scores", "Probabilities by label.", labels=by_label)
    missing = CounterMetricFamily("manyhot_missing_values", "Missing values by column.", labels=by_column)
    unknown = CounterMetricFamily("manyhot_unknown_values", "Values unknown to the model.", labels=by_column)
    for model, counts in models.items():
        rows.add_metric([model], counts.n_rows)
        batches.add_metric([model], _buckets(ROWS, counts.batches), counts.n_rows)
        for j, label in enumerate(counts.labels):
            predicted.add_metric([model, label], int(counts.predicted[j]))
            scores.add_metric([model, label], _buckets(SCORES, counts.scores[j]), float(counts.score_sums[j]))
        for column, count in zip(counts.cells.columns, counts.cells.missing.tolist(), strict=True):
            missing.add_metric([model, column], count)
        for column, count in counts.cells.unknown.items():
            unknown.add_metric([model, column], count)
    return rows, batches, predicted, scores, missing, unknown


def _buckets(limits: Iterable[float], counts: Iterable[int]) -> list[tuple[str, float]]:
    return list(zip([*map(str, limits), "+Inf"], map(float, accumulate(counts)), strict=True))
