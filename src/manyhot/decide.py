"""Scores become decisions: which labels does a sample get?

Fitted on scores the network has not memorised, applied on the host, saved as plain JSON. Nothing here knows about
networks, features or files. Start reading at `F1Macro.fit`; the rule everywhere is: yes where score >= threshold.

Scores may be float32 or float64, thresholds are float64, and comparisons are made in float64, so that a threshold
between two neighbouring float32 scores separates exactly these two.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from manyhot import check
from manyhot.errors import InputError
from manyhot.labels import LabelSpace, Targets
from manyhot.metrics.ranks import RankedPositives, rank_positives
from manyhot.metrics.score import blocks, checked_scores, scored

ALWAYS, NEVER = 0.0, 1.0

_Learned = TypeVar("_Learned")


@dataclass(frozen=True, eq=False)
class Thresholds:
    """One threshold per label; a label is answered where its score is at least its threshold.

    Args:
        values: Numbers in [0, 1], one per label; kept as float64 (l,), read-only.

    Raises:
        InputError: No threshold, or one that is no number in [0, 1].
    """

    values: np.ndarray

    def __post_init__(self) -> None:
        given = np.asarray(self.values)
        if given.ndim != 1 or given.size == 0 or given.dtype.kind not in "iuf":
            raise InputError(
                f"got {given.dtype} values of shape {given.shape}, expected one number per label", argument="thresholds"
            )
        values = given.astype(np.float64)
        wrong = np.flatnonzero(~((values >= 0) & (values <= 1)))
        if wrong.size:
            raise InputError(
                f"threshold {wrong[0]} is {values[wrong[0]]}, expected a number from 0 to 1", argument="thresholds"
            )
        values.setflags(write=False)
        object.__setattr__(self, "values", values)

    def __len__(self) -> int:
        return len(self.values)

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Scores -> decisions.

        Args:
            scores: Probabilities (n, l), or deeper with the label axis last; float in [0, 1].

        Returns:
            bool, in the shape of the scores.

        Raises:
            InputError: Another number of labels, or a score that is no probability.
        """
        array = _fitting(scores, len(self.values))
        return np.greater_equal(array, self.values)  # an array of float64, so float32 scores are widened exactly

    def with_value(self, space: LabelSpace, name: str, value: float) -> Thresholds:
        """These thresholds with one label's changed.

        Args:
            space: The names of the l labels.
            name: The label.
            value: Its new threshold, 0 (always yes) to 1 (yes only at a score of exactly 1).

        Raises:
            InputError: A name that is not in the space, or a value outside [0, 1].
        """
        if len(space) != len(self.values):
            raise InputError(f"{len(space)} labels are named, but there are {len(self)} thresholds", argument="space")
        values = self.values.copy()
        values[space.index(name)] = check.number(value=value, low=0.0, high=1.0)
        return Thresholds(values)

    def to_dict(self, space: LabelSpace) -> dict[str, float]:
        """Label name -> threshold."""
        return dict(zip(space.names, self.values.tolist(), strict=True))


class Decision(ABC):
    """What turns scores into decisions, and the part that all decisions by thresholds share.

    A new one is a subclass that says its `name`, how to `fit`, and its `settings`, and a row in `DECISIONS`.

    Attributes:
        thresholds: The thresholds in use; None before fitting, and where decisions do not come from thresholds.
    """

    name: ClassVar[str]
    thresholds: Thresholds | None = None

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
        return self._fitted(self.thresholds).apply(scores)

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments, as plain JSON values."""
        return {}

    def to_spec(self) -> dict[str, Any]:
        """Everything `from_spec` needs, as plain JSON values."""
        return {"name": self.name, **self.settings(), "thresholds": self._fitted(self.thresholds).values.tolist()}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """The same decision again.

        Args:
            spec: What `to_spec` gave.

        Raises:
            InputError: Thresholds or settings that are missing, wrong or not known here.
        """
        settings, listed = cls._parts(spec, "thresholds")
        return cls(**settings).with_thresholds(_thresholds_of(listed))

    def with_thresholds(self, thresholds: Thresholds) -> Self:
        """The same decision with other thresholds, edited by hand or carried over.

        Args:
            thresholds: One per label.

        Raises:
            InputError: Another number of labels than fitted, or a decision that has no thresholds.
        """
        if self.thresholds is not None and len(thresholds) != len(self.thresholds):
            raise InputError(f"got {len(thresholds)}, expected {len(self.thresholds)}", argument="thresholds")
        other = type(self)(**self.settings())
        other.thresholds = thresholds
        return other

    def _fitted(self, learned: _Learned | None) -> _Learned:
        if learned is None:
            raise InputError(f"the decision {self.name!r} is not fitted yet; call fit(scores, targets) first")
        return learned

    @classmethod
    def _parts(cls, spec: Mapping[str, Any], learned: str) -> tuple[dict[str, Any], Any]:
        """The constructor's arguments and the learned part of a spec, with unknown and missing names refused."""
        if not isinstance(spec, Mapping) or spec.get("name") != cls.name:
            raise InputError(f"got {spec!r:.80}, expected what to_spec of {cls.name!r} gives", argument="spec")
        known = [*inspect.signature(cls).parameters, learned]
        for name in spec:
            if name != "name" and name not in known:
                raise InputError(f"there is no setting {name!r}{check.did_you_mean(str(name), known)}", argument="spec")
        for name in known:
            if name not in spec:
                raise InputError(f"the decision {cls.name!r} needs {name!r}", argument="spec")
        return {name: spec[name] for name in known if name != learned}, spec[learned]


class Half(Decision):
    """Yes where the score is at least 0.5, whatever the data say."""

    name: ClassVar[str] = "half"

    def fit(self, scores: np.ndarray, targets: Targets) -> Self:
        """Take the number of labels; nothing is learned."""
        entries = scored(targets, scores)
        self.thresholds = Thresholds(np.full(entries.shape[1], 0.5))
        return self


class F1Macro(Decision):
    """The threshold of each label that maximises its F1 on the scores it is fitted on.

    Macro F1 is the mean over labels, so each label has its optimum for itself. F1 over the known entries is computed
    exactly for every cut between two distinct scores; the best cut's threshold lies midway between the neighbouring
    scores (0 below the lowest). Of equally good cuts, the one whose threshold is nearest to 0.5 is taken, and of two
    equally near ones the higher.

    Labels whose known targets do not vary say nothing about a cut: without a known positive the threshold is 1
    (answered only by a score of exactly 1), and with nothing but positives it is 0 (always answered).

    A label with few positives may find its best cut absurdly low, when its scores rank badly: answering nearly
    everything has an F1 of 2p / (1 + p) at prevalence p, and a useless ranking has nothing better. `least_f1` guards
    against that; it is off by default, so that the thresholds are the exact optimum.

    Args:
        least_f1: A label whose best F1 stays below this is not trusted: its threshold is its highest known score, so
            that only scores at least as high as any seen are answered. 0 (off) to 1; 0.1 is common.

    Raises:
        InputError: `least_f1` outside [0, 1].

    Source:
        Yang (2001), A study on thresholding strategies, SCut and its variant FBR.1 (`least_f1`); Fan, Lin (2007),
        A study on threshold selection for multi-label classification. The choice among equal cuts is our own.
    """

    name: ClassVar[str] = "f1_macro"

    def __init__(self, least_f1: float = 0.0) -> None:
        self.least_f1 = check.number(least_f1=least_f1, low=0.0, high=1.0)

    def fit(self, scores: np.ndarray, targets: Targets) -> Self:
        """Find every label's threshold, in n log(n) per label."""
        entries = scored(targets, scores)
        n, n_labels = entries.shape
        found = np.full(n_labels, NEVER)
        for part in blocks(n_labels, n):
            values = np.ascontiguousarray(entries.values[:, part].T)
            known = None if entries.known is None else np.ascontiguousarray(entries.known[:, part].T)
            ranked = rank_positives(values, known, np.ascontiguousarray(entries.answers[:, part].T))
            found[part] = _best_cuts(ranked, len(values), self.least_f1)
        support = entries.values.sum(axis=0)
        found[(support > 0) & (support == entries.known_per_label())] = ALWAYS
        self.thresholds = Thresholds(found)
        return self

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments, as plain JSON values."""
        return {"least_f1": self.least_f1}


def _best_cuts(ranked: RankedPositives, n_lines: int, least_f1: float) -> np.ndarray:
    """The threshold of each line (label), float64 (n_lines,); `NEVER` for a line without positives.

    The best cut always lies just below a positive: moving it up to the next positive only drops wrong answers.
    """
    found = np.full(n_lines, NEVER)
    line = ranked.line
    if not line.size:
        return found
    n_positives = np.bincount(line, minlength=n_lines)[line]
    # Two fractions of whole numbers that are equal give the same float, so equally good cuts compare as equal.
    f1 = 2 * ranked.hits_reached / (n_positives + ranked.reached)
    score = ranked.scores.astype(np.float64)
    lower = np.maximum(ranked.next_lower(), 0.0)
    middle = lower + (score - lower) / 2
    middle = np.where(middle > lower, middle, score)  # neighbouring floats have nothing between them
    order = np.lexsort((middle, -np.abs(middle - 0.5), f1, line))
    last = np.flatnonzero(np.append(line[order][1:] != line[order][:-1], True))
    best = order[last]
    highest = ranked.ascending[line[best], -1].astype(np.float64)
    found[line[best]] = np.where(f1[best] < least_f1, highest, middle[best])
    return found


class TopK(Decision):
    """The k highest scores of each row; of equal scores, the labels that come first.

    Args:
        k: Labels per row, 1 or more; where there are fewer labels, all are answered.

    Raises:
        InputError: k is no whole number from 1.
    """

    name: ClassVar[str] = "top_k"

    def __init__(self, k: int) -> None:
        self.k = check.integer(k=k, low=1)
        self.n_labels: int | None = None

    def fit(self, scores: np.ndarray, targets: Targets) -> Self:
        """Take the number of labels; nothing is learned."""
        self.n_labels = scored(targets, scores).shape[1]
        return self

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Scores -> decisions: yes for exactly min(k, l) labels along the label axis."""
        width = self._fitted(self.n_labels)
        array = _fitting(scores, width)
        if self.k >= width:
            return np.ones(array.shape, dtype=bool)
        rows = array.reshape(-1, width)
        decisions = np.zeros(rows.shape, dtype=bool)
        for part in blocks(len(rows), width):
            block = rows[part]
            limit = np.partition(block, width - self.k, axis=1)[:, width - self.k, None]
            sure, tied = block > limit, block == limit
            room = self.k - sure.sum(axis=1, keepdims=True)
            decisions[part] = sure | (tied & (np.cumsum(tied, axis=1) <= room))
        return decisions.reshape(array.shape)

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments, as plain JSON values."""
        return {"k": self.k}

    def to_spec(self) -> dict[str, Any]:
        """Everything `from_spec` needs, as plain JSON values."""
        return {"name": self.name, **self.settings(), "n_labels": self._fitted(self.n_labels)}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """The same decision again."""
        settings, n_labels = cls._parts(spec, "n_labels")
        decision = cls(**settings)
        decision.n_labels = check.integer(n_labels=n_labels, low=1)
        return decision

    def with_thresholds(self, thresholds: Thresholds) -> Self:
        """Refused: the k highest scores are answered whatever they are."""
        raise InputError(
            f"'top_k' answers {self.k} labels per row and has no thresholds; decide with 'f1_macro' or 'half' to edit",
            argument="thresholds",
        )


DECISIONS: dict[str, type[Decision]] = {"f1_macro": F1Macro, "half": Half, "top_k": TopK}


def build(name: str, top_k: int, least_f1: float = 0.0) -> Decision:
    """An unfitted decision by its name in the plan.

    Args:
        name: One of `DECISIONS`.
        top_k: Labels per row, for "top_k"; the others do not look at it.
        least_f1: For "f1_macro", see there; the others do not look at it.

    Raises:
        InputError: Another name (with a suggestion), or a k below 1.
    """
    check.one_of(DECISIONS, decide=name)
    if name == "top_k":
        return TopK(top_k)
    return F1Macro(least_f1) if name == "f1_macro" else DECISIONS[name]()


def from_spec(spec: Mapping[str, Any]) -> Decision:
    """A fitted decision from what its `to_spec` gave.

    Raises:
        InputError: A name that is not known, or settings that are missing or wrong.
    """
    if not isinstance(spec, Mapping):
        raise InputError(f"got {type(spec).__name__}, expected a mapping with a 'name'", argument="spec")
    check.one_of(DECISIONS, name=spec.get("name"))
    return DECISIONS[spec["name"]].from_spec(spec)


def _fitting(scores: np.ndarray, n_labels: int) -> np.ndarray:
    array = checked_scores(scores)
    if array.shape[-1] != n_labels:
        raise InputError(f"got {array.shape[-1]} labels, expected {n_labels}", argument="scores")
    return array


def _thresholds_of(listed: Any) -> Thresholds:
    """Thresholds from JSON; anything but a list of numbers is refused."""
    if not isinstance(listed, (list, tuple)) or not all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) for value in listed
    ):
        raise InputError("expected a list of numbers from 0 to 1", argument="thresholds")
    return Thresholds(np.asarray(listed, dtype=np.float64))
