"""A model of very many labels, trained and measured on rows held out; nothing has the shape (n, l) but CSR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from manyhot import engine, networks
from manyhot.config.auto import resolve_extreme_sizes
from manyhot.config.extreme import ExtremeConfig
from manyhot.data.deduplication import fingerprints
from manyhot.data.labels import LabelSpace
from manyhot.encoders import Encoder
from manyhot.errors import InputError
from manyhot.evaluation.metrics import TopK, label_propensities
from manyhot.models.extreme.report import build_extreme_report
from manyhot.models.extreme.threshold import best_threshold, counts_at, cross_fitted_counts, hits
from manyhot.models.half_precision import round_top_tables, sample_blocks
from manyhot.models.network_spec import TrunkSpec
from manyhot.models.origin import Origin, current_origin
from manyhot.models.training import show_phase
from manyhot.models.training_data import TrainingInputs

MAX_PREDICTIONS = 50
"""Labels of a row that are looked at when answers are decided by the threshold."""
MAX_HELD_OUT = 10_000
MIN_ROWS = 10
"""Rows that training takes at least; the propensities need three to train on."""


@dataclass
class ExtremeModel:
    """A trained model."""

    labels: LabelSpace
    encoder: Encoder
    network: TrunkSpec
    weights: engine.ExtremeWeights
    propensities: np.ndarray  # float64 (l,), from the training targets
    threshold: float
    config: ExtremeConfig
    report: dict[str, Any] = field(default_factory=dict)  # how good it is, plain JSON values
    origin: Origin | None = None  # when and on what it was trained; None in files of earlier versions
    labels_pixels: ClassVar[bool] = False

    @cached_property
    def scorer(self) -> engine.TopScorer:
        """The weights on a device, put there when first needed."""
        return engine.TopScorer(self.network.factory(), self.weights, self.config.dtype)

    @property
    def max_predictions(self) -> int:
        """Labels of a row that `decisions` looks at."""
        return min(MAX_PREDICTIONS, len(self.labels))

    def top(self, features: Any, k: int) -> TopK:
        """The k best labels of each row."""
        return TopK(*self.scorer.top_k(self.encoder.transform(features), k))

    def decisions(self, features: Any) -> sp.csr_matrix:
        """Labels at the threshold or above among the `max_predictions` best ones, CSR int64 (n, l)."""
        top = self.top(features, self.max_predictions)
        is_selected = top.scores >= self.threshold
        starts = np.concatenate([[0], np.cumsum(is_selected.sum(axis=1))])
        labels = top.labels[is_selected]
        shape = (len(top.labels), len(self.labels))
        matrix = sp.csr_matrix((np.ones(len(labels), np.int64), labels, starts), shape=shape)
        matrix.sort_indices()
        return matrix

    def evaluate(self, features: Any, targets: sp.csr_matrix, notes: Sequence[str] = ()) -> dict[str, Any]:
        """The report on rows whose labels are known, CSR bool (n, l) in the order of `labels`, with notes on them."""
        top = self.top(features, self.max_predictions)
        counts = counts_at(self.threshold, top.scores, hits(targets, top), targets.nnz)
        outcome = (counts, self.threshold, self.max_predictions)
        return build_extreme_report(targets, top, self.propensities, outcome, "new", self.report["training"], notes)


def train_extreme_model(
    inputs: TrainingInputs, config: ExtremeConfig, callback: engine.ProgressCallback | None = None
) -> ExtremeModel:
    """Train, and measure on the rows that were held out; targets of the inputs are CSR bool (n, l)."""
    labels, targets, encoder = inputs.labels, inputs.targets, inputs.encoder()
    if targets.shape[0] < MIN_ROWS:
        raise InputError(f"n_samples={targets.shape[0]} rows, expected {MIN_ROWS} or more", argument="X")
    blocks = encoder.fit(inputs.features).transform(inputs.features)
    train, held_out = split_held_out(fingerprints(blocks), config)
    train_targets = targets[train]
    if not train_targets.nnz:
        raise InputError("no training row has any label, so there is nothing to learn", argument="y")
    resolved = resolve_extreme_sizes(inputs.config, len(train))
    spec = build_trunk_spec(config, encoder)
    factory = spec.factory(networks.MemberInitializer(config.random_state, None, config.dtype))
    train_blocks = {name: block[train] for name, block in blocks.items()}
    weights, curve = engine.train_extreme(
        factory, train_blocks, train_targets, log_odds(train_targets), resolved, callback
    )
    show_phase(callback, "measuring on held-out rows")
    model = ExtremeModel(labels, encoder, spec, weights, label_propensities(train_targets), 1.0, config)
    training = {
        "rows": len(train),
        "labels_seen": int((np.bincount(train_targets.indices, minlength=len(labels)) > 0).sum()),
        "epochs": len(curve),
        "batch_size": int(resolved.batch_size),
        "loss": [float(loss) for loss in curve],
    }
    held_out_blocks = {name: block[held_out] for name, block in blocks.items()}
    sample = sample_blocks(held_out_blocks, np.arange(len(held_out)))
    round_top_tables(model.scorer, spec, weights, sample, model.max_predictions)
    _fit_threshold(model, held_out_blocks, targets[held_out], training)
    model.report["notes"] = list(inputs.notes)
    model.origin = current_origin(targets.shape[0], len(labels), tuple(inputs.notes))
    return model


def _fit_threshold(
    model: ExtremeModel, blocks: dict[str, Any], targets: sp.csr_matrix, training: dict[str, Any]
) -> None:
    """The threshold and the report, from rows that the network never saw."""
    top = TopK(*model.scorer.top_k(blocks, model.max_predictions))
    model.threshold = best_threshold(top.scores, hits(targets, top), targets.nnz)
    outcome = (cross_fitted_counts(targets, top), model.threshold, model.max_predictions)
    model.report = build_extreme_report(targets, top, model.propensities, outcome, "held_out", training)


def build_trunk_spec(config: ExtremeConfig, encoder: Encoder) -> TrunkSpec:
    """The hidden layers that the settings and a fitted encoder make."""
    settings = {
        "hidden_layer_sizes": list(config.hidden_layer_sizes),
        "activation": config.activation,
        "dropout": config.dropout,
        "batch_norm": False,
        "tables": sorted(encoder.sparse),
    }
    return TrunkSpec(settings, encoder.shapes(), config.dtype)


def log_odds(targets: sp.csr_matrix) -> np.ndarray:
    """Log odds of each label, float64 (l,), with half a row of either kind added."""
    n, width = targets.shape
    positives = np.bincount(targets.indices, minlength=width)
    odds: np.ndarray = np.log((positives + 0.5) / (n - positives + 0.5))
    return odds


def split_held_out(row_fingerprints: np.ndarray, config: ExtremeConfig) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows held out, ascending; rows of one fingerprint stay together."""
    _, group = np.unique(row_fingerprints, return_inverse=True)
    n_groups = int(group.max()) + 1
    sizes = np.bincount(group)
    wanted = max(1, min(round(config.holdout_fraction * len(group)), MAX_HELD_OUT))
    order = np.random.default_rng([config.random_state, 0x484F]).permutation(n_groups)
    reached = np.cumsum(sizes[order])
    is_held_out = np.zeros(n_groups, bool)
    is_held_out[order[: int(np.searchsorted(reached, wanted)) + 1]] = True
    train, held_out = np.flatnonzero(~is_held_out[group]), np.flatnonzero(is_held_out[group])
    if len(train) < 3:
        raise InputError("nearly all rows are equal, so none can be held out of training", argument="X")
    return train, held_out
