"""A trained model as the service holds it: rows in, predictions out, everything compiled before the first one."""

from __future__ import annotations

import copy
import timeit
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from manyhot import engine
from manyhot.data.readers import read_bytes
from manyhot.data.samples import Samples
from manyhot.decisions.policy import DecisionPolicy
from manyhot.errors import InputError
from manyhot.estimators.extreme import ExtremeMultiLabelClassifier
from manyhot.estimators.loading import load
from manyhot.estimators.read_options import model_read_options
from manyhot.explanation.explain import Explanation, explain_rows
from manyhot.models.decision_updates import with_thresholds
from manyhot.models.model import Model
from manyhot.models.prediction import sample_features
from manyhot.serving.batching import Batches, Blocks
from manyhot.serving.errors import ApiError
from manyhot.serving.json_cells import check_text
from manyhot.serving.json_rows import make_row_parser
from manyhot.serving.limits import Limits
from manyhot.serving.metrics import ModelCounts
from manyhot.serving.response import PredictionWriter
from manyhot.serving.row_schema import example_row
from manyhot.validation import did_you_mean, shorten

BUCKETS = (1, 8, 64, 256)  # rows of the batches that are compiled
IMAGE_BUCKETS = (1, 8, 32)  # the same where a row holds images
# Non-zeros of the batches of sparse rows that are compiled before the first request.
WARM_UP_ENTRIES = (256, 1024, 4096, 16384)
QUICK_BATCH = 64  # rows whose time says whether batches are scored on the event loop
N_TIMINGS = 3  # how often that is measured; the shortest counts
NOT_SERVED = "which cannot be served; use `manyhot predict`"
EXPLAINED_TOGETHER = 8  # rows; between two such parts the time of a request is looked at
CSV_ROWS = 4096  # rows of an uploaded table that are read at once


@dataclass(frozen=True)
class PredictOptions:
    """Options of one request."""

    policy: DecisionPolicy
    top: int | None = None  # labels per row, the most probable first; None for all
    explain: bool | list[str] = False  # true for the predicted labels of each row, or the labels by name


class ServedModel:
    """One model that answers, out of its file; `text` is the folder of the transformer that encodes its texts."""

    def __init__(self, name: str, path: Path, limits: Limits, text: str | None) -> None:
        self.stamp = file_stamp(path)  # before it is read: a change meanwhile is seen the next time
        classifier = load(path, text=text)
        if isinstance(classifier, ExtremeMultiLabelClassifier):
            raise InputError(f"is an extreme multi-label model, {NOT_SERVED}", file=path)
        if classifier.model_.labels_pixels:
            raise InputError(f"is a model for labels of pixels, {NOT_SERVED}", file=path)
        self.name, self.path, self.classifier, self.limits, self.text = name, path, classifier, limits, text
        self.is_warm, self.n_active = False, 0  # whether every shape is compiled; requests that are being answered
        self.report: bytes | None = None  # once somebody has asked for it
        self.model: Model = classifier.model_
        self.labels = self.model.labels.names
        self.row_parser = make_row_parser(self.model.encoder, limits)
        self.writer = PredictionWriter(name, self.labels, self.model.config.dtype)
        self.columns = self.model.encoder.describe_columns()
        self.buckets = engine.Buckets(IMAGE_BUCKETS if self.model.encoder.image_scaling else BUCKETS)
        self.can_explain = False
        self.counts = ModelCounts(self.labels, self.model.encoder)
        self.batches = Batches(self.score, self.max_batch_rows)
        self.batch_seconds = 0.0  # of 64 rows

    def has_changed(self) -> bool:
        """Whether its file is another one than it was loaded from."""
        return file_stamp(self.path) != self.stamp

    def reloaded(self) -> ServedModel:
        """The model that is in its file now."""
        return ServedModel(self.name, self.path, self.limits, self.text)

    @property
    def max_batch_rows(self) -> int:
        """Rows of a batch."""
        return self.buckets.rows[-1]

    def score(self, parsed: Blocks) -> tuple[np.ndarray, np.ndarray]:
        """Calibrated probabilities (n, l), and the model's decisions, bool (n, l), of what `row_parser.parse` made."""
        blocks = self.row_parser.encode(dict(parsed))
        self.counts.add_cells(parsed, blocks)
        return self.score_blocks(blocks)

    def score_blocks(self, blocks: Blocks) -> tuple[np.ndarray, np.ndarray]:
        """The same of what the network takes."""
        policy = self.model.policy
        scores = policy.calibrate(self.model.scorer().scores(blocks, buckets=self.buckets))
        decisions = policy.decide(scores)
        self.counts.add_answers(scores, decisions)
        return scores, decisions

    def encode_table(self, features: Any) -> Iterator[Blocks]:
        """What the network takes of a piece of a table, a batch at a time."""
        blocks = self.model.encoder.transform(features)
        self.counts.add_cells(self.row_parser.cells(features), blocks)
        for first in range(0, len(features), self.max_batch_rows):
            yield {name: block[first : first + self.max_batch_rows] for name, block in blocks.items()}

    def warm_up(self) -> None:
        """Compile every shape of a batch, and find out whether predictions can be explained."""
        row = example_row(self.model.encoder)
        parsed = self.row_parser.parse([row])
        blocks = self.row_parser.encode(parsed)
        scorer, is_sparse = self.model.scorer(), bool(self.model.network.tables())
        for size in self.buckets.rows:
            repeated = {name: block[np.zeros(size, dtype=np.int64)] for name, block in blocks.items()}
            for entries in WARM_UP_ENTRIES if is_sparse else WARM_UP_ENTRIES[:1]:
                scorer.scores(repeated, buckets=engine.Buckets((size,), entries))
        timed_batch = {name: block[np.zeros(QUICK_BATCH, dtype=np.int64)] for name, block in parsed.items()}
        self.batch_seconds = min(timeit.repeat(lambda: self.score(timed_batch), repeat=N_TIMINGS, number=1))
        try:
            next(self.explain(self.row_parser.to_features([row]), self.parse_options({})))
            self.can_explain = True
        except InputError:
            self.can_explain = False
        self.counts = ModelCounts(self.labels, self.model.encoder)  # without the rows of this

    def parse_options(self, values: Mapping[str, Any]) -> PredictOptions:
        """Check the options of a request."""
        thresholds, top, explain = values.get("thresholds"), values.get("top"), values.get("explain", False)
        policy = self.model.policy
        if thresholds is not None:
            if type(thresholds) is not dict:
                got = shorten(thresholds)
                raise ApiError(422, f"got {got}, expected an object of label: threshold", argument="thresholds")
            try:
                policy = with_thresholds(policy, thresholds)
            except InputError as error:
                raise ApiError(422, error.message, argument="thresholds") from None
        if top is not None and (type(top) is not int or not top >= 1):
            raise ApiError(422, f"got {shorten(top)}, expected a whole number from 1 upwards", argument="top")
        self._check_explain(explain)
        if explain and not self.can_explain:
            raise ApiError(422, "predictions of this model cannot be explained", argument="explain")
        return PredictOptions(policy, top, explain)

    def _check_explain(self, explain: Any) -> None:
        if type(explain) is not bool and not (type(explain) is list and explain):
            raise ApiError(422, f"got {shorten(explain)}, expected true, false or a list of labels", argument="explain")
        for label in explain if type(explain) is list else []:
            if type(label) is not str or label not in self.labels:
                hint = did_you_mean(label, self.labels) if type(label) is str else ""
                raise ApiError(422, f"there is no label {shorten(label)}{hint}", argument="explain")

    def decide(self, options: PredictOptions, scores: np.ndarray, default_decisions: np.ndarray) -> np.ndarray:
        """Decisions, bool (n, l), under the options of a request; `default_decisions` are the model's."""
        return default_decisions if options.policy is self.model.policy else options.policy.decide(scores)

    def explain(self, features: Any, options: PredictOptions) -> Iterator[dict[str, Explanation]]:
        """What spoke for and against labels of some rows, as the encoder takes them; a row at a time."""
        model = copy.copy(self.model)
        model.policy = options.policy
        labels = options.explain if isinstance(options.explain, list) else None
        scores = self.model.scores(features)
        if isinstance(features, Mapping):  # the inputs of a network of the user's, which are not explained
            yield from explain_rows(model, features, scores, labels)
            return
        for first in range(0, len(scores), EXPLAINED_TOGETHER):
            part = slice(first, first + EXPLAINED_TOGETHER)
            yield from explain_rows(model, features[part], scores[part], labels)

    def read_table(self, content: bytes, format_name: str, options: PredictOptions) -> Iterator[tuple[Samples, Any]]:
        """The rows of an uploaded table, a piece at a time, each with what the encoder takes."""
        encoder = self.model.encoder
        if encoder.image_columns:
            raise ApiError(415, "a table cannot contain images; send JSON with base64, or a form", argument="body")
        self._check_first_line(content)
        read_options = model_read_options(self.classifier, {}, require_labels=False, unknown_labels="ignore")
        n_rows = 0
        max_rows = self.limits.max_explain_rows if options.explain else self.limits.max_rows
        for samples in read_bytes(content, format_name, read_options, CSV_ROWS):
            n_rows += samples.n_samples
            if n_rows > max_rows:
                raise ApiError(422, f"has more than {max_rows} rows", argument="body")
            self._check_texts(samples, n_rows - samples.n_samples)
            yield samples, sample_features(self.classifier.model_, samples)

    def _check_texts(self, samples: Samples, first: int) -> None:
        """Refuse texts that are too long, in a frame whose first row is the one after `first` others."""
        if isinstance(samples.features, pl.DataFrame):
            for column in samples.features.select(pl.col(pl.String)):
                sizes = column.str.len_bytes().fill_null(0).to_numpy()
                for i in np.flatnonzero(sizes > self.limits.max_text_bytes).tolist():
                    check_text(column[i], column.name, first + i, self.limits)

    def _check_first_line(self, content: bytes) -> None:
        first_line = content[: max(content.find(b"\n"), 0) or len(content)]
        n_columns = 1 + max(first_line.count(delimiter) for delimiter in (b",", b";", b"\t", b"|"))
        if n_columns > len(self.columns) + 1 and b"\n" not in content and b"\r" not in content:
            raise ApiError(
                422,
                "is one line, expected a header and a line for each row; curl keeps line breaks with --data-binary, "
                "but not with -d",
                argument="body",
            )
        max_columns = 2 * len(self.columns) + self.limits.max_columns
        if n_columns > max_columns:
            raise ApiError(422, f"has {n_columns} columns, expected at most {max_columns}", argument="body")


def load_models(
    bundles: Sequence[Path], names: Sequence[str | None], limits: Limits, text: str | None
) -> list[ServedModel]:
    """The models of some bundles under names that differ."""
    models: dict[str, ServedModel] = {}
    for path, alias in zip(bundles, names, strict=True):
        name = alias or path.name.removesuffix(path.suffix)
        if not name or "/" in name:
            raise InputError(f"got {name!r}, expected a name without slashes", argument="name")
        if name in models:
            raise InputError(f"two models are called {name!r}; use NAME=FILE to give one another name", file=path)
        models[name] = ServedModel(name, path, limits, text)
    return list(models.values())


def file_stamp(path: Path) -> tuple[int, ...] | None:
    """What changes with a file; None where it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
