"""What is promised: thresholds, and the sentences that say what holds, for which rows, and how surely."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any, Literal, Self, get_args

import numpy as np

from manyhot import validation
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.decisions.thresholds.thresholds import NEVER, Thresholds, parse_thresholds
from manyhot.display import ROWS_SHOWN, paragraph, section, short_repr, table
from manyhot.errors import InputError
from manyhot.evaluation.metrics.score import Entries, score_entries

Kind = Literal["miss_rate", "false_discovery_rate"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NAMES_SHOWN = 10


@dataclass(frozen=True, eq=False)
class Guarantee:
    """Thresholds and the promise that comes with them; every field is there so that the statement can be written."""

    kind: Kind  # labels that are missed, or predictions that are wrong
    at_most: float  # the promised highest rate
    confidence: float | None  # over the draw of the calibration rows; None for a miss rate, which is an average
    per_label: bool  # a promise and a threshold for every label by itself
    simultaneous: bool  # the confidence is that of all labels together, not each label's own
    thresholds: np.ndarray  # float64 (l,), read-only
    refused: tuple[int, ...]  # labels without a promise, ascending; never predicted
    n_used: tuple[int, ...]  # calibration rows each promise rests on, one number or one per label
    predictions_per_row: float  # on the calibration rows
    share_predicted: float  # share of the calibration rows with a predicted label

    def __post_init__(self) -> None:
        thresholds = Thresholds(self.thresholds).values
        object.__setattr__(self, "thresholds", thresholds)
        n_labels = len(thresholds)
        validation.one_of(KINDS, kind=self.kind)
        check_fraction(at_most=self.at_most)
        if self.kind == "miss_rate" and self.confidence is not None:
            raise InputError(
                f"got {validation.shorten(self.confidence)}, expected None: this promise is an average",
                argument="confidence",
            )
        if self.kind == "false_discovery_rate":
            check_fraction(confidence=self.confidence)
        validation.boolean(per_label=self.per_label)
        if validation.boolean(simultaneous=self.simultaneous) and (not self.per_label or self.kind == "miss_rate"):
            raise InputError("only promises per label with a confidence hold for all labels", argument="simultaneous")
        for column in self.refused:
            validation.integer(refused=column, low=0, high=n_labels - 1)
        if list(self.refused) != sorted(set(self.refused)) or len(self.refused) == n_labels:
            raise InputError("expected columns in ascending order, and not of every label", argument="refused")
        if (thresholds[list(self.refused)] != NEVER).any():
            raise InputError("a label without a promise has a threshold below 1", argument="thresholds")
        if not self.per_label and (self.refused or (thresholds != thresholds[0]).any()):
            raise InputError("one promise for all labels has one threshold and refuses none", argument="thresholds")
        for count in self.n_used:
            validation.integer(n_used=count, low=0)
        expected = n_labels if self.per_label else 1
        if len(self.n_used) != expected:
            raise InputError(f"got {len(self.n_used)} numbers, expected {expected}", argument="n_used")
        validation.number(predictions_per_row=self.predictions_per_row, low=0.0, high=float(n_labels))
        validation.number(share_predicted=self.share_predicted, low=0.0, high=1.0)

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Decide; labels without a promise are never predicted, not even at a score of exactly 1."""
        decisions = Thresholds(self.thresholds).apply(scores)
        decisions[..., list(self.refused)] = False
        return decisions

    def statement(self, labels: LabelSpace | Sequence[str] | None = None) -> str:
        """Say in a sentence what is guaranteed (`details` says more); without names, labels are numbered from 1."""
        names = labels.names if isinstance(labels, LabelSpace) else labels
        if names is not None and len(names) != len(self.thresholds):
            raise InputError(
                f"{len(names)} labels are named, but there are {len(self.thresholds)} thresholds", argument="labels"
            )
        parts = [self._promise()]
        if self.refused:
            why = "too few rows have them" if self.kind == "miss_rate" else "too few or too many wrong predictions"
            parts.append(f"Not guaranteed, and never predicted: {self._named(names)} ({why}).")
        return " ".join(parts)

    def details(self) -> str:
        """What the guarantee rests on and assumes, and what it does on the calibration rows."""
        rows, label_suffix = self._n_rows(), " per label" if self.per_label else ""
        usage = (
            f"On the calibration rows {self.predictions_per_row:.2f} labels are predicted per row, and "
            f"{100 * self.share_predicted:.0f}% of the rows get a label."
        )
        if self.kind == "miss_rate":
            unit = "rows with the label" if self.per_label else "rows with a label, each counting the same"
            return (
                f"The average is over new {unit}, and over the draw of the calibration rows ({rows} of that "
                f"kind{label_suffix}): with the thresholds of one draw the rate can be higher. It assumes that new "
                f"rows and calibration rows are exchangeable, and that targets become known in the same way. {usage}"
            )
        unit = "" if self.per_label else "The average is over new rows with a predicted label, each counting the same. "
        return (
            f"{unit}The confidence is over the draw of the calibration rows: at least "
            f"{_format_percent(self.confidence)} of all draws give thresholds for which the rate holds; this one rests "
            f"on {rows} rows with a predicted label{label_suffix}. It assumes that new rows and calibration rows are "
            f"drawn independently from the same source, and that their targets become known in the same way. {usage}"
        )

    def __repr__(self) -> str:
        confidence = "" if self.confidence is None else f" with confidence {_format_percent(self.confidence)}"
        scope = "of each label" if self.per_label else "of all labels together"
        rate = f"{self.kind.replace('_', ' ')} {scope} at most {_format_percent(self.at_most)}"
        return short_repr("Guarantee", f"{rate}{confidence}; {self.predictions_per_row:.2f} labels per row")

    def _repr_html_(self) -> str:
        n_shown = ROWS_SHOWN if self.per_label else 1
        refused = set(self.refused)
        rows = [
            (f"label {j + 1}" if self.per_label else "all labels", float(threshold), "no" if j in refused else "yes")
            for j, threshold in enumerate(self.thresholds[:n_shown])
        ]
        n_all = len(self.thresholds) if self.per_label else 1
        headings = ("", "threshold", "guaranteed")
        return section(paragraph("Guarantee:", self.statement()), table(headings, rows, n_all, "labels"))

    def _promise(self) -> str:
        rate, rows = _format_percent(self.at_most), self._n_rows()
        if self.kind == "miss_rate":
            used = "with the label" if self.per_label else "with a label"
        else:
            used = "for which it is predicted" if self.per_label else "with a predicted label"
        condition = f"if new rows resemble the calibration rows ({rows} {used})"
        if self.kind == "miss_rate":
            if self.per_label:
                return f"At most {rate} of the rows with a label are missed on average, for each label, {condition}."
            return f"At most {rate} of a row's labels are missed on average, {condition}."
        confidence = f"with {_format_percent(self.confidence)} confidence"
        if not self.per_label:
            return f"At most {rate} of a row's predicted labels are wrong on average, {confidence}, {condition}."
        scope = "for all labels simultaneously" if self.simultaneous else "for each label separately"
        return f"At most {rate} of the predictions of a label are wrong, {confidence} {scope}, {condition}."

    def _n_rows(self) -> str:
        """The number of calibration rows that the guarantee rests on, or the range over its labels."""
        counts = [count for column, count in enumerate(self.n_used) if column not in set(self.refused)]
        return f"{counts[0]}" if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"

    def _named(self, names: Sequence[str] | None) -> str:
        shown = [f"label {j + 1}" if names is None else repr(names[j]) for j in self.refused[:NAMES_SHOWN]]
        more = len(self.refused) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more else "")

    def to_spec(self) -> dict[str, Any]:
        """Everything `from_spec` needs, as plain JSON values."""
        return {
            **{field.name: getattr(self, field.name) for field in fields(self)},
            "thresholds": self.thresholds.tolist(),
            "refused": list(self.refused),
            "n_used": list(self.n_used),
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """Rebuild a guarantee from what `to_spec` gave."""
        known = [field.name for field in fields(cls)]
        if not isinstance(spec, Mapping) or set(spec) != set(known):
            raise InputError(f"got {validation.shorten(spec)}, expected the fields {', '.join(known)}", argument="spec")
        for name in ("refused", "n_used"):
            if not isinstance(spec[name], list) or not all(_is_plain(value, (int,)) for value in spec[name]):
                raise InputError("expected a list of whole numbers", argument=name)
        for name in ("at_most", "confidence", "predictions_per_row", "share_predicted"):
            if not (_is_plain(spec[name], (int, float)) or (name == "confidence" and spec[name] is None)):
                raise InputError(f"got {validation.shorten(spec[name])}, expected a number", argument=name)
        lists = {"refused": tuple(spec["refused"]), "n_used": tuple(spec["n_used"])}
        return cls(**{**spec, **lists, "thresholds": parse_thresholds(spec["thresholds"]).values})


def min_rows(at_most: float, confidence: float | None = None, parts: int = 1) -> int:
    """The fewest rows (miss rate: with a label; false discoveries: predicted) with which a promise can be made."""
    rate = check_fraction(at_most=at_most)
    if confidence is None:
        return math.ceil(1 / exact_decimal(rate)) - 1
    level = error_level(check_fraction(confidence=confidence)) / validation.integer(parts=parts, low=1)
    n = max(1, math.floor(math.log(level) / math.log1p(-rate)) - 1)
    while (1 - rate) ** n > level:
        n += 1
    return n


def check_fraction(**named: Any) -> float:
    """A number strictly between 0 and 1."""
    (name,) = named
    value = validation.number(low=0.0, high=1.0, **named)
    if value in (0.0, 1.0):
        raise InputError(f"got {value:g}, expected a number between 0 and 1, such as 0.1", argument=name)
    return value


def exact_decimal(value: float) -> Fraction:
    """The decimal number that a person typed: 1/10 for 0.1, which as a float lies a little above."""
    return Fraction(repr(float(value)))


def error_level(confidence: float) -> float:
    """The probability of being wrong that a confidence leaves."""
    return float(1 - exact_decimal(confidence))


def calibration_entries(scores: np.ndarray, targets: Targets) -> Entries:
    """Targets beside scores in float64, one row per sample, which is the unit of every promise."""
    if targets.values.ndim != 2:
        raise InputError(
            f"got shape {targets.values.shape}, expected (n, l): the pixels of one picture do not stand for "
            "themselves, so no promise can be counted in pixels",
            argument="targets",
        )
    entries = score_entries(targets, scores)
    if entries.shape[0] == 0 or entries.shape[1] == 0:
        raise InputError(f"got shape {entries.shape}, expected rows and labels to learn from", argument="targets")
    return replace(entries, predictions=entries.predictions.astype(np.float64))


def make_guarantee(entries: Entries, thresholds: np.ndarray, refused: tuple[int, ...], **promise: Any) -> Guarantee:
    """A promise with its thresholds, and what they do on the calibration rows."""
    decisions = entries.predictions >= thresholds
    decisions[:, list(refused)] = False
    return Guarantee(
        **promise,
        thresholds=thresholds,
        refused=refused,
        predictions_per_row=float(decisions.sum(axis=1).mean()),
        share_predicted=float(decisions.any(axis=1).mean()),
    )


def _is_plain(value: Any, kinds: tuple[type, ...]) -> bool:
    """A number of these very types (True is none) that a float can hold; NaN is none."""
    return type(value) in kinds and -(2**53) < value < 2**53


def _format_percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:g}%"
