"""A model of which only the decisions are ours: its scores come from another program.

It is a `Model` with one member whose network is the identity, so that everything behind the scores is what it is for
networks (docs/decisions/0059-anybodys-scores.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from manyhot import engine
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.scores import SCORE_SETTINGS
from manyhot.config.training import TrainingConfig
from manyhot.data.deduplication import fingerprints
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.decisions.policy import DecisionPolicy, untrained_policy
from manyhot.encoders.scores import BLOCK, ScoreEncoder
from manyhot.errors import InputError
from manyhot.models.evidence import TrainingRows
from manyhot.models.model import Model
from manyhot.models.network_spec import NetworkSpec
from manyhot.models.training import ScoredRows, decide_and_report, used_rows
from manyhot.models.training_data import TrainingInputs

IDENTITY = "identity"
"""Name of the network that gives back what it gets."""
NO_LAYERS = "has no layers: it decides on scores that come from another program"
MIN_PERFECT_ROWS = 20  # fewer rows are separated without a mistake by many a good model
PERFECT_NOTE = (
    "The scores separate the rows with a label from those without perfectly, for every label: scores of held-out rows "
    "hardly ever do, but those of the rows that a model was trained on often do. If these are such, all figures are "
    "far too good and thresholds, calibration and guarantees are wrong: score rows that the model was not trained on "
    "(cross_val_predict of scikit-learn does so)."
)
HARD_NOTE = (
    "The scores are all 0 or 1, so they are decisions already, and no threshold between can change any. Hand in "
    "probabilities (predict_proba) instead."
)


class IdentityScorer:
    """A scorer that gives back the scores it gets."""

    def scores(self, blocks: Mapping[str, Any], members: Any = None, buckets: Any = None) -> np.ndarray:
        """The block of scores, float (n, l) in [0, 1]; the other arguments are those of `engine.Scorer.scores`."""
        return np.asarray(blocks[BLOCK])


class ScoreModel(Model):
    """Decides on scores that come from elsewhere."""

    encoder: ScoreEncoder

    makes_scores: ClassVar[bool] = False

    @property
    def n_members(self) -> int:
        """One, which is not ours."""
        return 1

    def scorer(self) -> Any:
        """What gives scores back."""
        return IdentityScorer()

    def summary(self) -> str:
        """There are no layers."""
        raise InputError(NO_LAYERS)

    def settings(self) -> dict[str, Any]:
        """The settings that have an effect."""
        values = self.config.to_dict()
        return {name: values[name] for name in SCORE_SETTINGS}


def score_network(encoder: ScoreEncoder, n_labels: int, dtype: str) -> NetworkSpec:
    """The network of a model of scores."""
    return NetworkSpec(IDENTITY, {}, encoder.shapes(), n_labels, dtype)


def make_score_model(
    space: LabelSpace,
    encoder: ScoreEncoder,
    policy: DecisionPolicy,
    config: TrainingConfig,
    runtime: RuntimeConfig | None = None,
) -> ScoreModel:
    """A model of scores that has seen no rows yet."""
    network = score_network(encoder, len(space), config.dtype)
    return ScoreModel(
        space, encoder, network, engine.Weights([], []), policy, config, {}, None, runtime or RuntimeConfig()
    )


def fit_scores(
    inputs: TrainingInputs, encoder: ScoreEncoder, sample_weight: np.ndarray | None = None
) -> tuple[ScoreModel, list[str]]:
    """Calibrate scores (n, l) and choose thresholds; also return what is suspicious of them."""
    features, rows = used_rows(inputs, sample_weight)
    blocks = encoder.transform(features)
    policy = untrained_policy(inputs.config, inputs.labels)
    model = make_score_model(inputs.labels, encoder, policy, inputs.config, inputs.runtime)
    n, place = len(rows.ids), np.arange(len(rows.ids))
    held_out = np.ones((n, 1), dtype=bool)
    training_rows = TrainingRows(rows.targets, rows.ids, rows.weights, fingerprints(blocks), held_out)
    scored = ScoredRows(blocks[BLOCK], rows.targets, rows.weights, place, training_rows, 1.0)
    suspicions = score_notes(blocks[BLOCK], rows.targets)
    decide_and_report(model, None, scored, rows, n, rows.n_rows, suspicions)
    return model, suspicions


def score_notes(scores: np.ndarray, targets: Targets) -> list[str]:
    """What is suspicious of scores (n, l)."""
    if np.isin(scores, (0, 1)).all():
        return [HARD_NOTE]
    return [PERFECT_NOTE] if len(scores) >= MIN_PERFECT_ROWS and are_perfect(scores, targets) else []


def are_perfect(scores: np.ndarray, targets: Targets) -> bool:
    """Whether every known positive of every label that varies scores higher than every known negative."""
    known, values = targets.known_mask(), targets.values
    positive, negative = known & values, known & ~values
    varies = positive.any(axis=0) & negative.any(axis=0)
    lowest = np.where(positive, scores, np.inf).min(axis=0)
    highest = np.where(negative, scores, -np.inf).max(axis=0)
    return bool((lowest > highest)[varies].all())
