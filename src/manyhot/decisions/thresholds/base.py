"""What every decision can do: fit, apply, margins, and plain JSON there and back.

It must not know any metric. Start reading at `Decision`.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from manyhot import validation
from manyhot.data.targets import Targets
from manyhot.decisions.thresholds.margins import signed_margins
from manyhot.decisions.thresholds.thresholds import Thresholds, parse_thresholds, validate_scores
from manyhot.errors import InputError

_Learned = TypeVar("_Learned")


class Decision(ABC):
    """What turns scores into decisions, and the part that all decisions by thresholds share.

    A new one is a subclass that says its `name`, how to `fit`, and keeps each constructor argument as an attribute of
    the same name; a row in `registry.DECISIONS`; and its name in `config.training.DECISIONS`.

    Attributes:
        learns_from_scores: Whether `fit` looks at scores and targets.
        has_shared_threshold: Whether all labels have one threshold, so that none can be moved alone.
        config_fields: Constructor argument -> field of `TrainingConfig`, for those that are not in `decision_params`.
        thresholds: The thresholds in use; None before fitting, and where decisions do not come from thresholds.
        spread: How much each label's threshold varies over refits on parts of the rows, a standard deviation, float64
            (l,); None where `with_spread` has not measured it.
    """

    name: ClassVar[str]
    learns_from_scores: ClassVar[bool] = True
    has_shared_threshold: ClassVar[bool] = False
    config_fields: ClassVar[Mapping[str, str]] = {}
    thresholds: Thresholds | None = None
    spread: np.ndarray | None = None

    @abstractmethod
    def fit(self, scores: np.ndarray, targets: Targets) -> Self:
        """Learn from the scores and targets of the same rows.

        Args:
            scores: Probabilities (n, l), float in [0, 1], of rows the network has not been trained on.
            targets: Targets (n, l); unknown entries are left out.

        Returns:
            Itself, fitted.

        Raises:
            InputError: A shape or score that is wrong.
        """

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Scores -> decisions.

        Args:
            scores: Probabilities (n, l), or deeper with the label axis last; float in [0, 1].

        Returns:
            bool, in the shape of the scores.

        Raises:
            InputError: Not fitted, another number of labels, or a score that is no probability.
        """
        return self.require_fitted(self.thresholds).apply(scores)

    def margins(self, scores: np.ndarray) -> np.ndarray:
        """How far each score stands from its threshold: logit(score) - logit(threshold).

        Args:
            scores: Probabilities (n, l), or deeper with the label axis last; float in [0, 1].

        Returns:
            Float in the shape and type of the scores, at least 0 exactly where `apply` says yes. Infinite at scores
            and thresholds of 0 and 1, never NaN.

        Raises:
            InputError: As in `apply`.
        """
        decisions, n_labels = self.apply(scores), len(self.require_fitted(self.thresholds))
        rows = validate_scores(scores, n_labels).reshape(-1, n_labels)
        thresholds = self.require_fitted(self.thresholds).values
        return signed_margins(rows, thresholds, decisions.reshape(rows.shape)).reshape(decisions.shape)

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments, as plain JSON values."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def to_spec(self) -> dict[str, Any]:
        """Everything `from_spec` needs, as plain JSON values."""
        spec = {
            "name": self.name,
            **self.settings(),
            "thresholds": self.require_fitted(self.thresholds).values.tolist(),
        }
        return spec if self.spread is None else {**spec, "spread": self.spread.tolist()}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """The same decision again.

        Args:
            spec: What `to_spec` gave.

        Raises:
            InputError: Thresholds or settings that are missing, wrong or not known here.
        """
        settings, values = cls.split_spec(spec, "thresholds")
        decision = cls(**settings).with_thresholds(parse_thresholds(values))
        if spec.get("spread") is not None:
            spread = parse_thresholds(spec["spread"], argument="spread").values
            if len(spread) != len(values):
                raise InputError(f"got {len(spread)} numbers, expected {len(values)}", argument="spread")
            decision.spread = spread
        return decision

    def with_thresholds(self, thresholds: Thresholds) -> Self:
        """The same decision with other thresholds, edited by hand or carried over.

        Args:
            thresholds: One per label.

        Raises:
            InputError: Another number of labels than fitted, or a decision that has no thresholds.
        """
        if self.thresholds is not None and len(thresholds) != len(self.thresholds):
            raise InputError(f"got {len(thresholds)}, expected {len(self.thresholds)}", argument="thresholds")
        decision = type(self)(**self.settings())
        decision.thresholds = thresholds
        return decision

    def require_fitted(self, learned: _Learned | None) -> _Learned:
        """What was learned, refused where nothing was."""
        if learned is None:
            raise InputError(f"the decision {self.name!r} is not fitted yet; call fit(scores, targets) first")
        return learned

    @classmethod
    def split_spec(cls, spec: Mapping[str, Any], learned: str) -> tuple[dict[str, Any], Any]:
        """The constructor's arguments and the learned part of a spec, with unknown and missing names refused.

        Args:
            spec: What `to_spec` gave.
            learned: The name of the part that `fit` learns.
        """
        if not isinstance(spec, Mapping) or spec.get("name") != cls.name:
            raise InputError(f"got {spec!r:.80}, expected what to_spec of {cls.name!r} gives", argument="spec")
        known = [*inspect.signature(cls).parameters, learned]
        for name in spec:
            if name not in ("name", *known) and (name, learned) != ("spread", "thresholds"):
                raise InputError(
                    f"there is no setting {name!r}{validation.did_you_mean(str(name), known)}", argument="spec"
                )
        for name in known:
            if name not in spec:
                raise InputError(f"the decision {cls.name!r} needs {name!r}", argument="spec")
        return {name: spec[name] for name in known if name != learned}, spec[learned]
