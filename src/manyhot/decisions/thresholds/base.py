"""What every decision can do: fit, apply, margins, and plain JSON there and back."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from manyhot.data.targets import Targets
from manyhot.decisions.thresholds.margins import signed_margins
from manyhot.decisions.thresholds.thresholds import Thresholds, parse_thresholds
from manyhot.errors import InputError
from manyhot.evaluation.metrics.score import Entries, check_scores, score_entries

# With more scores than this the refits would take longer than what they tell is worth.
MAX_SPREAD_SCORES = 20_000_000
_Learned = TypeVar("_Learned")


class Decision:
    """What turns scores into decisions; each constructor argument is kept as an attribute of the same name."""

    name: ClassVar[str]  # from the config, given by the registry
    meaning: ClassVar[str]  # what it does, with its settings in braces
    learns_from_scores: ClassVar[bool] = True  # whether `fit` looks at scores and targets
    is_confirmed: ClassVar[bool] = False  # whether `confirm` does anything
    has_shared_threshold: ClassVar[bool] = False  # no threshold can be moved alone
    config_fields: ClassVar[Mapping[str, str]] = {}  # constructor argument -> field of `TrainingConfig`
    thresholds: Thresholds | None = None  # None before fitting, or without thresholds
    spread: np.ndarray | None = None  # float64 (l,), see `measure_spread`

    @property
    def is_one_half(self) -> bool:
        """Whether it looked for thresholds, and stayed at 0.5 for every label."""
        return False

    def fit(self, scores: np.ndarray, targets: Targets) -> Self:
        """Learn from the scores (n, l) and targets of the same rows, which the network has not been trained on."""
        self.thresholds, self.spread = Thresholds(self.find_thresholds(score_entries(targets, scores))), None
        return self

    def find_thresholds(self, entries: Entries) -> np.ndarray:
        """Every label's threshold, float64 (l,)."""
        raise NotImplementedError

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Decide for scores (n, l), or deeper with the label axis last."""
        return self.require_fitted(self.thresholds).apply(scores)

    def margins(self, scores: np.ndarray) -> np.ndarray:
        """logit(score) - logit(threshold), of the type of the scores, 0 or more exactly where `apply` says yes."""
        decisions = self.apply(scores)
        rows = check_scores(scores).reshape(-1, decisions.shape[-1])
        row_decisions = decisions.reshape(rows.shape)
        return signed_margins(rows, self.limits(rows, row_decisions), row_decisions).reshape(decisions.shape)

    def limits(self, scores: np.ndarray, decisions: np.ndarray) -> np.ndarray:
        """What margins are measured from: the threshold of each label (l,), or the lowest yes of each row (n, 1)."""
        return self.require_fitted(self.thresholds).values

    def confirm(self, scores: np.ndarray, targets: Targets, folds: np.ndarray, counts: np.ndarray) -> None:
        """Give up what was learned if it is of no use on rows left out in turn; `counts`: how often each row counts."""

    def measure_spread(self, scores: np.ndarray, targets: Targets, folds: np.ndarray) -> np.ndarray | None:
        """Standard deviation of each threshold over refits without one fold, float64 (l,); None without thresholds."""
        # The refits share most rows, so it is below the deviation between independent samples, yet labels compare.
        if self.thresholds is None or scores.size > MAX_SPREAD_SCORES:
            return None
        refits = []
        for fold in np.unique(folds):
            rows = np.flatnonzero(folds != fold)
            refit = type(self)(**self.settings()).fit(scores[rows], targets.take(rows))
            refits.append(refit.require_fitted(refit.thresholds).values)
        return np.std(refits, axis=0)

    def describe(self) -> str:
        """One sentence on how labels are decided."""
        return f"Decision: {self.name}, {self.meaning.format(**self.settings())}."

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
        """Rebuild a decision from what `to_spec` gave."""
        settings, values = cls.split_spec(spec, "thresholds")
        decision = cls(**settings).with_thresholds(parse_thresholds(values))
        if spec.get("spread") is not None:
            spread = parse_thresholds(spec["spread"], argument="spread").values
            if len(spread) != len(values):
                raise InputError(f"got {len(spread)} numbers, expected {len(values)}", argument="spread")
            decision.spread = spread
        return decision

    def with_thresholds(self, thresholds: Thresholds) -> Self:
        """The same decision with other thresholds, edited by hand or carried over."""
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
        """The constructor's arguments and the learned part of a spec, with unknown and missing names refused."""
        if not isinstance(spec, Mapping) or spec.get("name") != cls.name:
            raise InputError(f"got {spec!r:.80}, expected what to_spec of {cls.name!r} gives", argument="spec")
        known = [*inspect.signature(cls).parameters, learned]
        if set(spec) - ({"spread"} if learned == "thresholds" else set()) != {"name", *known}:
            raise InputError(f"got {spec!r:.80}, expected name, {', '.join(known)}", argument="spec")
        return {name: spec[name] for name in known if name != learned}, spec[learned]
