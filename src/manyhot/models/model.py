"""A trained model: what it learned, and its scores."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from manyhot import engine
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.data.labels import LabelSpace
from manyhot.decisions.policy import DecisionPolicy
from manyhot.decisions.thresholds import Thresholds
from manyhot.encoders import Encoder
from manyhot.models.cross_fitting import Features
from manyhot.models.evidence import OutOfFoldResults
from manyhot.models.network_spec import NetworkSpec
from manyhot.models.origin import Origin
from manyhot.models.saved_file import SavedFile


@dataclass(frozen=True)
class EarlierDecisions:
    """How a model decided before a change, so that the change can be undone."""

    policy: DecisionPolicy
    config: TrainingConfig
    report: dict[str, Any]


@dataclass
class Model:
    """Everything that predicts."""

    labels: LabelSpace
    encoder: Encoder
    network: NetworkSpec
    weights: engine.Weights
    policy: DecisionPolicy  # raw scores -> calibrated scores -> yes or no
    config: TrainingConfig
    report: dict[str, Any]  # the report as plain JSON values
    evidence: OutOfFoldResults | None = None  # out-of-fold scores and what belongs to them; None when it was left out
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    previous: EarlierDecisions | None = None  # what the last change of the decisions replaced
    origin: Origin | None = None  # when and on what it was trained; None in files of earlier versions
    labels_pixels: ClassVar[bool] = False
    makes_scores: ClassVar[bool] = True  # whether networks of ours score, and not another program

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of a row's scores."""
        return (len(self.labels),)

    def __post_init__(self) -> None:
        self._scorer: engine.Scorer | None = None
        self.saved_file: SavedFile | None = None  # where it was read from, or written to

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_scorer": None, "saved_file": None}

    @property
    def n_members(self) -> int:
        """Number of members."""
        return len(self.weights.trainable[0])

    @property
    def n_weights(self) -> int:
        """Trainable weights of one member."""
        return sum(math.prod(leaf.shape[1:]) for leaf in self.weights.trainable)

    @property
    def branch_shares(self) -> dict[str, float]:
        """How much each branch of the network counts for a new row, "layers" for the hidden ones; {} for one branch."""
        branches = self.network.branches
        if not branches:
            return {}
        return dict(zip(("layers", *branches), self.weights.fixed[-1][0].tolist(), strict=True))

    def settings(self) -> dict[str, Any]:
        """The settings that had an effect, as plain JSON values."""
        return self.config.to_dict()

    def scores(self, features: Features) -> np.ndarray:
        """Calibrated probabilities (n, l)."""
        return self.policy.calibrate(self.uncalibrated_scores(features))

    def thresholds(self) -> dict[str, float]:
        """Label name -> threshold in force; empty where the decision has none."""
        thresholds = self.policy.thresholds
        return {} if thresholds is None else Thresholds(thresholds).to_dict(self.labels)

    def summary(self) -> str:
        """The layers of one member, as Keras shows them."""
        lines: list[str] = []
        network = self.network.factory(1).build(0)
        network.summary(line_length=88, print_fn=lambda text, **_: lines.append(text))
        return "\n".join(lines)

    def decisions(self, scores: Any) -> Any:
        """Calibrated scores (n, l) -> int64 (n, l), 1 where a label is predicted; no label in rows of NaN."""
        is_missing = np.isnan(scores).any(axis=1)
        decisions = self.policy.decide(np.where(is_missing[:, None], 0, scores)) & ~is_missing[:, None]
        return np.asarray(decisions, dtype=np.int64)

    def uncalibrated_scores(self, features: Features) -> np.ndarray:
        """Scores (n, l) as the members give them together, not yet calibrated."""
        return self.scorer().scores(self.encoder.transform(features))

    def scorer(self) -> engine.Scorer:
        """The members on their device; made once."""
        if self._scorer is None:
            factory = self.network.factory(self.n_members)
            self._scorer = engine.Scorer(factory, self.weights, self.config.dtype, self.runtime, self.config.head)
        return self._scorer

    def extend_report(self, values: dict[str, Any], decisions: np.ndarray) -> dict[str, Any]:
        """A report on the evidence, with what another kind of model has to add; own is bool (n, l), the answers."""
        return values

    def clear_measures(self, values: dict[str, Any]) -> dict[str, Any]:
        """A report whose answers cannot be measured again, without what another kind of model says of them."""
        return values

    def use_weights(self, weights: engine.Weights) -> None:
        """Replace what the members have learned."""
        self.weights = weights
        self._scorer = None
