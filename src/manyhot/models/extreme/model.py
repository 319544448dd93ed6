"""The whole job with very many labels: rows held out, a network trained, one threshold, a report.

It knows encoders, labels and the engine, nothing of scikit-learn, files or frames. Nothing here has the shape (n, l)
but CSR. Start reading at `train_extreme_model`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from manyhot import engine
from manyhot.data.deduplication import fingerprints
from manyhot.data.labels import LabelSpace
from manyhot.encoders import Encoder
from manyhot.errors import InputError
from manyhot.evaluation.metrics import Top, label_propensities
from manyhot.models.extreme.config import ExtremeConfig
from manyhot.models.extreme.report import build_extreme_report
from manyhot.models.extreme.threshold import best_threshold, counts_at, hits, honest_counts
from manyhot.models.network_spec import TrunkSpec
from manyhot.networks import Start

MAX_ANSWERS = 50
"""Labels of a row that are looked at when answers are decided by the threshold."""
MAX_HELD_OUT = 10_000
MIN_ROWS = 10
"""Rows that training takes at least; the propensities need three to train on."""


@dataclass
class ExtremeModel:
    """A trained model.

    Args:
        labels: The label names.
        encoder: Fitted encoder.
        network: What the hidden layers look like.
        weights: All weights.
        propensities: float64 (l,), from the training targets.
        threshold: Scores at least as high are answered by `answers`.
        plan: Its settings.
        report: How good it is, plain JSON values.
    """

    labels: LabelSpace
    encoder: Encoder
    network: TrunkSpec
    weights: engine.ExtremeWeights
    propensities: np.ndarray
    threshold: float
    plan: ExtremeConfig
    report: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def scorer(self) -> engine.TopScorer:
        """The weights on a device, put there when first needed."""
        return engine.TopScorer(self.network.networks(), self.weights, self.plan.precision)

    @property
    def most_answers(self) -> int:
        """Labels of a row that `answers` looks at."""
        return min(MAX_ANSWERS, len(self.labels))

    def top(self, features: Any, k: int) -> Top:
        """The k best labels of each row.

        Args:
            features: What the encoder takes, n rows.
            k: From 1 to the number of labels.

        Returns:
            Labels int32 (n, k) and their probabilities.
        """
        return Top(*self.scorer.top(self.encoder.transform(features), k))

    def answers(self, features: Any) -> sp.csr_matrix:
        """Labels at the threshold or above among the `most_answers` best ones, CSR int64 (n, l)."""
        top = self.top(features, self.most_answers)
        is_answered = top.scores >= self.threshold
        starts = np.concatenate([[0], np.cumsum(is_answered.sum(axis=1))])
        labels = top.labels[is_answered]
        shape = (len(top.labels), len(self.labels))
        found = sp.csr_matrix((np.ones(len(labels), np.int64), labels, starts), shape=shape)
        found.sort_indices()
        return found

    def measured(self, features: Any, targets: sp.csr_matrix) -> dict[str, Any]:
        """The report on rows whose labels are known; CSR bool (n, l) in the order of `labels`."""
        top = self.top(features, self.most_answers)
        counts = counts_at(self.threshold, top.scores, hits(targets, top), targets.nnz)
        answers = (counts, self.threshold, self.most_answers)
        return build_extreme_report(targets, top, self.propensities, answers, "new", self.report["training"])


def train_extreme_model(
    features: Any,
    labels: LabelSpace,
    targets: sp.csr_matrix,
    encoder: Encoder,
    plan: ExtremeConfig,
    watch: engine.ProgressCallback | None = None,
) -> ExtremeModel:
    """Train, and measure on the rows that were held out.

    The encoder learns scales and terms from all rows, as it needs no labels; the network never sees those held out,
    nor exact copies of them.

    Args:
        features: What the encoder takes, n rows.
        labels: The label names.
        targets: CSR bool (n, l), from `extreme_targets`.
        encoder: Not yet fitted.
        plan: Settings.
        watch: Called with the progress now and then.

    Raises:
        InputError: Too few rows, or no label among those to train on.
        TrainingError: A loss that is not finite.
    """
    if targets.shape[0] < MIN_ROWS:
        raise InputError(f"n_samples={targets.shape[0]} rows, expected {MIN_ROWS} or more", argument="X")
    blocks = encoder.fit(features).transform(features)
    train, held = held_out_rows(fingerprints(blocks), plan)
    known = targets[train]
    if not known.nnz:
        raise InputError("no row of those trained on carries any label, so there is nothing to learn", argument="y")
    settled = plan.resolved(len(train))
    spec = trunk_of(plan, encoder)
    networks = spec.networks(Start(plan.seed, None, plan.precision))
    chosen = {name: block[train] for name, block in blocks.items()}
    weights, curve = engine.train_extreme(networks, chosen, known, log_odds(known), settled, watch)
    model = ExtremeModel(labels, encoder, spec, weights, label_propensities(known), 1.0, plan)
    facts = {
        "rows": len(train),
        "labels_seen": int((np.bincount(known.indices, minlength=len(labels)) > 0).sum()),
        "epochs": len(curve),
        "batch_size": int(settled.batch_size),
        "loss": [float(loss) for loss in curve],
    }
    _settle(model, {name: block[held] for name, block in blocks.items()}, targets[held], facts)
    return model


def _settle(model: ExtremeModel, blocks: dict[str, Any], targets: sp.csr_matrix, facts: dict[str, Any]) -> None:
    """The threshold and the report, from rows that the network never saw."""
    top = Top(*model.scorer.top(blocks, model.most_answers))
    model.threshold = best_threshold(top.scores, hits(targets, top), targets.nnz)
    answers = (honest_counts(targets, top), model.threshold, model.most_answers)
    model.report = build_extreme_report(targets, top, model.propensities, answers, "held_out", facts)


def trunk_of(plan: ExtremeConfig, encoder: Encoder) -> TrunkSpec:
    """The hidden layers that the settings and a fitted encoder make."""
    settings = {
        "hidden": list(plan.hidden),
        "activation": plan.activation,
        "dropout": plan.dropout,
        "batch_norm": False,
        "tables": sorted(encoder.sparse),
    }
    return TrunkSpec(settings, encoder.shapes(), plan.precision)


def log_odds(targets: sp.csr_matrix) -> np.ndarray:
    """Log odds of each label, float64 (l,), with half a row of either kind added."""
    n, width = targets.shape
    positives = np.bincount(targets.indices, minlength=width)
    odds: np.ndarray = np.log((positives + 0.5) / (n - positives + 0.5))
    return odds


def held_out_rows(numbers: np.ndarray, plan: ExtremeConfig) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows held out, ascending; rows of one fingerprint stay together.

    Args:
        numbers: uint64 (n,), a fingerprint of each row.
        plan: `held_out` and `seed` are looked at.

    Raises:
        InputError: Hardly any two rows differ.
    """
    _, group = np.unique(numbers, return_inverse=True)
    n_groups = int(group.max()) + 1
    sizes = np.bincount(group)
    wanted = max(1, min(round(plan.held_out * len(group)), MAX_HELD_OUT))
    order = np.random.default_rng([plan.seed, 0x484F]).permutation(n_groups)
    reached = np.cumsum(sizes[order])
    is_held = np.zeros(n_groups, bool)
    is_held[order[: int(np.searchsorted(reached, wanted)) + 1]] = True
    train, held = np.flatnonzero(~is_held[group]), np.flatnonzero(is_held[group])
    if len(train) < 3:
        raise InputError("nearly all rows are equal, so none can be held out of training", argument="X")
    return train, held
