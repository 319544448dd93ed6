"""A trained model as the service holds it: rows in, scores and answers out, everything compiled before the first one.

It knows the classifier, JSON rows and CSV bytes, and nothing of HTTP. Start reading at `ServedModel.scored`.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from manyhot.data.readers import read_received
from manyhot.data.samples import Samples
from manyhot.decisions.policy import DecisionPolicy
from manyhot.encoders import TableEncoder
from manyhot.engine import Buckets
from manyhot.errors import InputError
from manyhot.estimators.extreme import ManyLabelClassifier
from manyhot.estimators.loading import load
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.estimators.read_options import options_for
from manyhot.explanation.explain import Explanation, explained
from manyhot.models.decision_updates import with_thresholds
from manyhot.models.model import Model
from manyhot.models.prediction import sample_features
from manyhot.models.segmentation.model import PixelModel
from manyhot.serving.batching import Batches, Blocks
from manyhot.serving.errors import ApiError, to_http_error
from manyhot.serving.json_rows import rows_for
from manyhot.serving.limits import Limits
from manyhot.serving.response import AnswerWriter
from manyhot.serving.row_schema import columns_of, example_of
from manyhot.validation import shown

BUCKETS = (1, 8, 64, 256)
"""Rows of the batches that are compiled."""
IMAGE_BUCKETS = (1, 8, 32)
"""The same where a row holds images."""
WARM_ENTRIES = (256, 1024, 4096, 16384)
"""Non-zeros of the batches of sparse rows that are compiled before the first request."""
QUICK_BATCH = 64
"""Rows whose time says whether batches are scored on the event loop."""
TIMED = 3
"""How often that is measured; the shortest counts."""
CSV_ROWS = 4096
"""Rows of an uploaded table that are read at once."""


@dataclass(frozen=True)
class PredictOptions:
    """What is asked beside the rows.

    Args:
        decider: How scores become answers.
        top: The most probable labels of a row that are told, with their probabilities; None for all.
        why: Whether reasons are told.
    """

    decider: DecisionPolicy
    top: int | None = None
    why: bool = False


class ServedModel:
    """One model that answers.

    Args:
        name: What it is called in the service.
        path: Its bundle.
        classifier: What `load` made of it.
        limits: Bounds of requests.

    Raises:
        InputError: A model of very many labels, or one of labels of pixels.

    Attributes:
        is_quick: Whether a batch is computed in about the time that it takes to wake a thread.
    """

    def __init__(
        self, name: str, path: Path, classifier: MultiLabelClassifier | ManyLabelClassifier, limits: Limits
    ) -> None:
        if isinstance(classifier, ManyLabelClassifier) or isinstance(classifier.model_, PixelModel):
            kind = "very many labels" if isinstance(classifier, ManyLabelClassifier) else "labels of pixels"
            raise InputError(f"holds a model of {kind}, which is not served; `manyhot predict` answers", file=path)
        self.name, self.path, self.classifier, self.limits = name, path, classifier, limits
        self.model: Model = classifier.model_
        self.labels = self.model.labels.names
        self.rows = rows_for(self.model.encoder, limits)
        self.writer = AnswerWriter(name, self.labels, self.model.plan.precision)
        self.columns = columns_of(self.model.encoder)
        self.buckets = Buckets(IMAGE_BUCKETS if self.model.encoder.images else BUCKETS)
        self.can_explain = self.is_quick = False
        self.batches: Batches | None = None
        self.warmed_seconds = self.batch_seconds = 0.0

    @property
    def most_rows(self) -> int:
        """Rows of a batch."""
        return self.buckets.rows[-1]

    def score(self, checked: Blocks) -> tuple[np.ndarray, np.ndarray]:
        """Calibrated probabilities (n, l), and the model's own answers, bool (n, l), of what `rows.checked` made."""
        return self.score_blocks(self.rows.encoded(dict(checked)))

    def score_blocks(self, blocks: Blocks) -> tuple[np.ndarray, np.ndarray]:
        """The same of what the network takes."""
        decider = self.model.decider
        scores = decider.scores(self.model.scorer().scores(blocks, buckets=self.buckets))
        return scores, decider.answers(scores)

    def warm(self) -> None:
        """Compile every shape of a batch, and try whether reasons can be given."""
        began = time.perf_counter()
        row = example_of(self.model.encoder)
        checked = self.rows.checked([row])
        blocks = self.rows.encoded(checked)
        scorer, is_sparse = self.model.scorer(), bool(self.model.network.tables())
        for size in self.buckets.rows:
            repeated = {name: block[np.zeros(size, dtype=np.int64)] for name, block in blocks.items()}
            for entries in WARM_ENTRIES if is_sparse else WARM_ENTRIES[:1]:
                scorer.scores(repeated, buckets=Buckets((size,), entries))
        many = {name: block[np.zeros(QUICK_BATCH, dtype=np.int64)] for name, block in checked.items()}
        self.batch_seconds = min(self._seconds(many) for _ in range(TIMED))
        try:
            self.explain([row], self.asked({}))
            self.can_explain = True
        except InputError:
            self.can_explain = False
        self.warmed_seconds = time.perf_counter() - began

    def _seconds(self, checked: Blocks) -> float:
        began = time.perf_counter()
        self.score(checked)
        return time.perf_counter() - began

    def asked(self, told: Mapping[str, Any]) -> PredictOptions:
        """What a request asks beside the rows, checked.

        Args:
            told: `thresholds`, `top` and `why`, those that are told.

        Raises:
            ApiError: A value that cannot be used.
        """
        thresholds, top, why = told.get("thresholds"), told.get("top"), told.get("why", False)
        decider = self.model.decider
        if thresholds is not None:
            if type(thresholds) is not dict:
                raise ApiError(
                    422, f"got {shown(thresholds)}, expected an object of label: threshold", argument="thresholds"
                )
            try:
                decider = with_thresholds(decider, thresholds)
            except InputError as error:
                raise ApiError(422, error.message, argument="thresholds") from None
        if top is not None and (type(top) is not int or not top >= 1):
            raise ApiError(422, f"got {shown(top)}, expected a whole number from 1 upwards", argument="top")
        if type(why) is not bool:
            raise ApiError(422, f"got {shown(why)}, expected true or false", argument="why")
        if why and self.batches is not None and not self.can_explain:
            raise ApiError(422, "this model gives no reasons", argument="why")
        return PredictOptions(decider, top, why)

    def answers(self, asked: PredictOptions, scores: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Answers, bool (n, l), as they are asked for; `own` are the model's."""
        return own if asked.decider is self.model.decider else asked.decider.answers(scores)

    def explain(self, rows: Sequence[Any], asked: PredictOptions) -> list[dict[str, Explanation]]:
        """What spoke for and against the labels of some rows.

        Raises:
            InputError: A model whose inputs have no names.
        """
        return self.explained(self.rows.features(rows), asked)

    def explained(self, features: Any, asked: PredictOptions) -> list[dict[str, Explanation]]:
        """The same of what the encoder takes."""
        model = copy.copy(self.model)
        model.decider = asked.decider
        return list(explained(model, features, self.model.scores(features)))

    def table(self, content: bytes, format_name: str, asked: PredictOptions) -> Iterator[tuple[Samples, Any]]:
        """The rows of an uploaded table, a piece at a time, each with what the encoder takes.

        Raises:
            ApiError: What cannot be used, with its row and column.
        """
        encoder = self.model.encoder
        if isinstance(encoder, TableEncoder) and encoder.image_columns:
            raise ApiError(415, "a table carries no images; send JSON with base64, or a form", argument="body")
        self._check_first_line(content)
        options = options_for(self.classifier, {}, require_labels=False, unknown_labels="ignore")
        n_rows = 0
        try:
            for samples in read_received(content, format_name, options, CSV_ROWS):
                n_rows += samples.n_samples
                most = self.limits.max_why_rows if asked.why else self.limits.max_rows
                if n_rows > most:
                    raise ApiError(422, f"has more than {most} rows", argument="body")
                yield samples, sample_features(self.classifier.model_, samples)
        except InputError as error:
            raise to_http_error(error) from None

    def _check_first_line(self, content: bytes) -> None:
        first = content[: max(content.find(b"\n"), 0) or len(content)]
        n_columns = 1 + max(first.count(mark) for mark in (b",", b";", b"\t", b"|"))
        most = 2 * len(self.columns) + self.limits.max_columns
        if n_columns > most:
            raise ApiError(422, f"has {n_columns} columns, at most {most} are taken", argument="body")


def opened(bundles: Sequence[Path], names: Sequence[str | None], limits: Limits, text: str | None) -> list[ServedModel]:
    """The models of some bundles under names that differ.

    Args:
        bundles: The files.
        names: A name for each, or None for that of the file without its suffix.
        limits: Bounds of requests.
        text: Folder of the pretrained transformer that makes numbers of texts, if a model needs one.

    Raises:
        BundleError: A file that is no bundle.
        InputError: Two models of one name, or one that is not served.
    """
    found: dict[str, ServedModel] = {}
    for path, given in zip(bundles, names, strict=True):
        name = given or path.name.removesuffix(path.suffix)
        if not name or "/" in name:
            raise InputError(f"got {name!r}, expected a name without slashes", argument="name")
        if name in found:
            raise InputError(f"two models are called {name!r}; say NAME=FILE to tell them apart", file=path)
        found[name] = ServedModel(name, path, load(path, text=text), limits)
    return list(found.values())
