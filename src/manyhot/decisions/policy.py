"""From raw scores to decisions: calibration, thresholds, rules and guarantee, fitted as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from manyhot.config.training import TrainingConfig
from manyhot.data.deduplication import merge_duplicates
from manyhot.data.hierarchy import Hierarchy, bind_taxonomy
from manyhot.data.labels import LabelSpace
from manyhot.data.splitting.folds import stratified_folds
from manyhot.data.targets import Targets
from manyhot.decisions import calibration as calibration_module
from manyhot.decisions import thresholds as threshold_module
from manyhot.decisions.calibration import Calibration
from manyhot.decisions.guarantees import Guarantee
from manyhot.decisions.rules.rules import BoundRules, Rules
from manyhot.errors import InputError
from manyhot.validation import join_names

# Parts for the report's own maps and thresholds; many parts hedge against a bad threshold, which flatters
REPORT_FOLDS = 2
SPREAD_FOLDS = 5  # parts of the rows that are left out in turn to see how far a threshold moves


@dataclass(frozen=True)
class DecisionPolicy:
    """What turns raw scores into decisions."""

    space: LabelSpace
    calibration: Calibration
    decision: threshold_module.Decision
    rules: Rules = field(default_factory=Rules)
    guarantee: Guarantee | None = None  # used instead of `decision`; knows no rules
    is_manual: bool = False  # thresholds were set by hand
    taxonomy: tuple[tuple[str, str], ...] = ()  # pairs (child, parent) that scores and decisions keep
    # label -> decision that chose its threshold alone; `decision` has these thresholds too
    exceptions: Mapping[str, threshold_module.Decision] = field(default_factory=dict)
    hierarchy: Hierarchy | None = field(init=False, repr=False, compare=False)  # the taxonomy on the columns
    _bound: BoundRules = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hierarchy", bind_taxonomy(self.taxonomy, self.space))
        rules = replace(self.rules, implies=(*self.rules.implies, *self.taxonomy))
        object.__setattr__(self, "_bound", rules.bind(self.space))

    @property
    def thresholds(self) -> np.ndarray | None:
        """The thresholds on calibrated scores, float64 (l,); None where decisions do not come from thresholds."""
        if self.guarantee is not None:
            return self.guarantee.thresholds
        return None if self.decision.thresholds is None else self.decision.thresholds.values

    @property
    def has_given_thresholds(self) -> bool:
        """Whether thresholds were set by hand or come from a guarantee, and not from out-of-fold scores."""
        return self.is_manual or self.guarantee is not None

    @property
    def keeps_thresholds(self) -> bool:
        """Whether decisions are what thresholds alone say, without rules and taxonomy."""
        return self._bound.rules.is_empty

    @property
    def is_one_half(self) -> bool:
        """Whether the decision looked for thresholds and stayed at 0.5, labels with a decision of their own aside."""
        return self._without_exceptions().is_one_half

    def _without_exceptions(self) -> threshold_module.Decision:
        """The decision with 0.5 for the labels that have one of their own."""
        if not self.exceptions or self.decision.thresholds is None:
            return self.decision
        thresholds = self.decision.thresholds.to_dict(self.space) | dict.fromkeys(self.exceptions, 0.5)
        return self.decision.with_thresholds(threshold_module.Thresholds(np.array(list(thresholds.values()))))

    def calibrate(self, raw: np.ndarray) -> np.ndarray:
        """Raw scores -> calibrated ones, in the same shape and type."""
        return _calibrate(self.calibration, raw, self.hierarchy)

    def decide(self, scores: np.ndarray) -> np.ndarray:
        """Calibrated scores (n, l) -> bool (n, l)."""
        if self.guarantee is not None:
            return self.guarantee.apply(scores)
        if self.keeps_thresholds:
            return self.decision.apply(scores)
        return self._bound.apply(self.decision.margins(scores))

    def describe(self) -> dict[str, Any]:
        """How scores become answers, as plain values."""
        return {
            "decision": self.decision.name,
            "meaning": " ".join([self._without_exceptions().describe(), *self._describe_exceptions()]),
            "calibration": dict(Counter(self.calibration.kinds)),
            "guarantee": None if self.guarantee is None else self.guarantee.statement(self.space),
            "rules": self.rules.to_spec(),
            "taxonomy_pairs": len(self.taxonomy),
        }

    def _describe_exceptions(self) -> Iterator[str]:
        """A sentence for the labels of each decision that some labels have for themselves."""
        labels: dict[str, list[str]] = {}
        for label, decision in self.exceptions.items():
            labels.setdefault(decision.describe().removeprefix("Decision: "), []).append(label)
        for sentence, names in labels.items():
            yield f"Except {join_names(names)}: {sentence}"

    def with_decision(self, decision: threshold_module.Decision, is_manual: bool = False) -> DecisionPolicy:
        """The same with another decision; a guarantee does not outlive the thresholds that it was made for."""
        return replace(self, decision=decision, guarantee=None, is_manual=is_manual, exceptions={})

    def with_exceptions(
        self,
        exceptions: Mapping[str, threshold_module.Decision],
        rows: UniqueScores,
        folds: np.ndarray | None = None,
    ) -> DecisionPolicy:
        """The same with thresholds that some labels choose for themselves, fitted to raw scores of these rows.

        Where there is a spread of thresholds, `folds`, int64 (n,), are left out in turn to measure theirs.
        """
        calibrated, repeated = self.calibrate(rows.raw), np.repeat(np.arange(len(rows.raw)), rows.counts)
        thresholds = self.decision.require_fitted(self.decision.thresholds).values.copy()
        spread = None if self.decision.spread is None or folds is None else self.decision.spread.copy()
        for label, unfitted in exceptions.items():
            j = self.space.names.index(label)
            scores, targets = calibrated[:, [j]], rows.targets.select_labels([j])
            fitted = type(unfitted)(**unfitted.settings()).fit(scores[repeated], targets.take(repeated))
            thresholds[j] = fitted.require_fitted(fitted.thresholds).values[0]
            if spread is not None and folds is not None:
                refits = fitted.measure_spread(scores, targets, folds)
                spread[j] = 0.0 if refits is None else refits[0]
        decision = self.decision.with_thresholds(threshold_module.Thresholds(thresholds))
        decision.spread = spread
        return replace(self, decision=decision, guarantee=None, exceptions=dict(exceptions))

    def with_rules(self, rules: Rules) -> DecisionPolicy:
        """The same with other rules; refused while a guarantee is in force, which holds without rules only."""
        if self.guarantee is not None and not rules.is_empty:
            raise InputError("a guarantee is in force, and it holds without rules only; choose thresholds first")
        return replace(self, rules=rules)

    def with_guarantee(self, guarantee: Guarantee) -> DecisionPolicy:
        """The same with the thresholds of a guarantee; refused where rules or a taxonomy would change decisions."""
        if not self.rules.is_empty:
            raise InputError("rules between labels change the answers, so nothing can be promised; remove them first")
        # Scores keep the taxonomy, so decisions do too unless a parent has a higher threshold than a child.
        pairs = [] if self.hierarchy is None else self.hierarchy.pairs
        if any(guarantee.thresholds[parent] > guarantee.thresholds[child] for child, parent in pairs):
            raise InputError(
                "a threshold of its own for each label lets a label be predicted without its parent in the taxonomy; "
                "take one threshold for all labels (per_label=False)",
                argument="per_label",
            )
        return replace(self, guarantee=guarantee)


def _calibrate(calibration: Calibration, raw: np.ndarray, hierarchy: Hierarchy | None) -> np.ndarray:
    """Calibrated scores; maps of single labels may put a parent below a child, which is raised again."""
    scores = calibration.apply(raw)
    return scores if hierarchy is None else hierarchy.raise_ancestors(scores)


def build_rules(config: TrainingConfig) -> Rules:
    """The rules that a config names."""
    return Rules(config.implies, config.exclusive, config.min_labels, config.max_labels)


def decision_params(config: TrainingConfig) -> dict[str, Any]:
    """What the config says about its decision: the arguments of the decision's constructor by name."""
    config_values = {
        name: getattr(config, field)
        for name, field in threshold_module.DECISIONS[config.decision].config_fields.items()
    }
    return {**config_values, **(config.decision_params or {})}


def untrained_policy(config: TrainingConfig, space: LabelSpace) -> DecisionPolicy:
    """A policy that learned nothing: raw scores, and thresholds that need no fitting (0.5 where the config's do)."""
    decision = threshold_module.build(config.decision, decision_params(config), space)
    if is_tuned(config):
        decision = threshold_module.build("fixed")
    return DecisionPolicy(
        space,
        Calibration.none(len(space)),
        decision.fit(*placeholder_row(len(space))),
        build_rules(config),
        taxonomy=config.taxonomy,
    )


def is_tuned(config: TrainingConfig) -> bool:
    """Whether the config's decision learns from scores."""
    return threshold_module.DECISIONS[config.decision].learns_from_scores


class UniqueScores(NamedTuple):
    """Equal rows of scores and targets merged, in an order that does not depend on the order they came in."""

    raw: np.ndarray  # scores (u, l)
    targets: Targets
    counts: np.ndarray  # int64 (u,), how often each counts
    inverse: np.ndarray  # int64 (n,), where each original row is now

    def take(self, rows: np.ndarray) -> UniqueScores:
        """Some of the rows, each in its own place."""
        return UniqueScores(self.raw[rows], self.targets.take(rows), self.counts[rows], np.arange(len(rows)))


def merge_equal_scores(raw: np.ndarray, targets: Targets, weights: np.ndarray) -> UniqueScores:
    """Merge rows with equal scores and targets; raw scores (n, l) of rows that the scoring members never saw."""
    merged = merge_duplicates({"scores": raw}, targets, weights)
    return UniqueScores(raw[merged.rows], targets.take(merged.rows), integer_weights(merged.weights), merged.inverse)


def integer_weights(weights: np.ndarray) -> np.ndarray:
    """How often each row counts: whole weights as they are, others in tenths of their mean."""
    rounded = np.rint(weights)
    if np.array_equal(rounded, weights) and rounded.sum() <= 100 * len(rounded):
        return rounded.astype(np.int64)
    return np.maximum(1, np.rint(10 * weights / weights.mean())).astype(np.int64)


def fit_policy(
    config: TrainingConfig,
    space: LabelSpace,
    rows: UniqueScores,
    has_spread: bool = True,
    calibration: Calibration | None = None,
) -> DecisionPolicy:
    """Calibrate raw scores, then choose thresholds on the calibrated ones; a given calibration is kept."""
    calibration = calibration or _fit_calibration(config, rows)
    scores = _calibrate(calibration, rows.raw, bind_taxonomy(config.taxonomy, space))
    targets = rows.targets
    decision = threshold_module.build(config.decision, decision_params(config), space)
    repeated = np.repeat(np.arange(len(scores)), rows.counts)
    decision = decision.fit(scores[repeated], targets.take(repeated))
    if is_tuned(config) and len(scores) >= 2 * SPREAD_FOLDS and (has_spread or decision.is_confirmed):
        folds = stratified_folds(targets, SPREAD_FOLDS, config.random_state)
        decision.confirm(scores, targets, folds, rows.counts)
        if has_spread:
            decision.spread = decision.measure_spread(scores, targets, folds)
    return DecisionPolicy(space, calibration, decision, build_rules(config), taxonomy=config.taxonomy)


def _fit_calibration(config: TrainingConfig, rows: UniqueScores) -> Calibration:
    is_deployed = config.n_members == 1
    return calibration_module.fit(
        rows.raw, rows.targets, config.calibration, config.random_state, rows.counts, is_deployed
    )


def cross_fitted_decisions(
    config: TrainingConfig, space: LabelSpace, rows: UniqueScores, deployed: DecisionPolicy
) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated scores and decisions of the original rows, by maps and thresholds fitted on the other half.

    Thresholds of the deployed policy that were not fitted to these rows decide as they are.
    """
    is_fixed = deployed.has_given_thresholds or deployed.is_one_half
    scores, decisions = np.empty_like(rows.raw), np.zeros(rows.raw.shape, dtype=bool)
    for train_rows, fold_rows in _cross_fit_splits(config, rows):
        if is_fixed:
            policy = replace(deployed, calibration=_fit_calibration(config, train_rows))
        else:
            policy = fit_policy(config, space, train_rows, False)
        if deployed.exceptions and not deployed.has_given_thresholds:
            policy = policy.with_exceptions(deployed.exceptions, train_rows)
        scores[fold_rows] = policy.calibrate(rows.raw[fold_rows])
        decisions[fold_rows] = policy.decide(scores[fold_rows])
    return scores[rows.inverse], decisions[rows.inverse]


def cross_fitted_scores(config: TrainingConfig, space: LabelSpace, rows: UniqueScores) -> np.ndarray:
    """The scores of `cross_fitted_decisions` alone."""
    scores, hierarchy = np.empty_like(rows.raw), bind_taxonomy(config.taxonomy, space)
    for train_rows, fold_rows in _cross_fit_splits(config, rows):
        scores[fold_rows] = _calibrate(_fit_calibration(config, train_rows), rows.raw[fold_rows], hierarchy)
    return scores[rows.inverse]


def _cross_fit_splits(config: TrainingConfig, rows: UniqueScores) -> Iterator[tuple[UniqueScores, np.ndarray]]:
    """Rows to fit on, and which rows they are for (indices); a single row is for itself."""
    n = len(rows.raw)
    if n < REPORT_FOLDS:
        yield rows, np.arange(n)
        return
    folds = stratified_folds(rows.targets, REPORT_FOLDS, config.random_state)
    for fold in range(REPORT_FOLDS):
        yield rows.take(np.flatnonzero(folds != fold)), np.flatnonzero(folds == fold)


def placeholder_row(n_labels: int) -> tuple[np.ndarray, Targets]:
    """One row of scores and targets, for what learns only the number of labels."""
    return np.zeros((1, n_labels), dtype=np.float32), Targets(np.zeros((1, n_labels), dtype=bool))
