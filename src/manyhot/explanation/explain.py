"""Why a model answers as it does: what speaks for and against a label, in the words of the rows.

The engine says what each input adds to a logit, the encoder what a person would call that input; here both meet. Files
and the command line are not known. Start reading at `explained`, then `Explanation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manyhot import engine, validation
from manyhot.encoders.feature_sources import FeatureSources
from manyhot.encoders.text.tokenization import places
from manyhot.errors import InputError
from manyhot.explanation.image_maps import coarse, has_images, mapped, part_sums
from manyhot.models.cross_fitting import Features
from manyhot.models.model import Model
from manyhot.validation import did_you_mean

ROWS = 256
"""Rows that are encoded at once."""
TOP = 10
"""Most reasons for and most against."""
MAX_PLACES = 100
"""Places of one word that are told, the first ones."""


@dataclass(frozen=True)
class Reason:
    """One thing in a row that speaks for or against a label.

    Args:
        what: A column, "column = level", "column = missing", a word of a text, without case, or a part of an image,
            such as "top left".
        column: The column it belongs to.
        contribution: What it adds to the logit; above 0 for the label, below against it.
        places: (start, end) of the word in the row's text, in characters (code points), the first 100; else empty.
    """

    what: str
    column: str
    contribution: float
    places: tuple[tuple[int, int], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; `places` only where there are any."""
        told: dict[str, Any] = {"what": self.what, "column": self.column, "contribution": self.contribution}
        return told | {"places": [list(place) for place in self.places]} if self.places else told


@dataclass(frozen=True)
class Explanation:
    """What speaks for and against one label of one row.

    Args:
        label: The label.
        score: Its calibrated probability, as `predict_proba` gives it.
        is_answered: Whether the model answers it.
        logit: What is explained: the mean over the members of the raw logit, before sigmoid (or softmax) and
            calibration. With softmax only differences between labels count: what speaks for all labels alike changes
            no score.
        constant: That mean for a row whose inputs are all 0: typical numbers (plain zeros with `encode="none"`), no
            known level, no known word. With images: for this row with images of one colour, the mean of training.
        unexplained: Logit less the constant and the contributions of everything in the row, listed here or not. 0 but
            for rounding without hidden layers (`hidden=()`); with them contributions are slopes, and this is how far
            they miss the sum. With images: how far a sum of steps misses the integral.
        for_: The strongest reasons for the label, strongest first.
        against: The strongest reasons against it, strongest first.
        maps: Column of images -> float64 (h, w), what each pixel adds to the logit, in the size that the network gets;
            above 0 for the label, below against it. Empty without images.
    """

    label: str
    score: float
    is_answered: bool
    logit: float
    constant: float
    unexplained: float
    for_: tuple[Reason, ...]
    against: tuple[Reason, ...]
    maps: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, `for_` under "for", maps as sums over a coarse grid; the label is left to the caller."""
        numbers = ("score", "is_answered", "logit", "constant", "unexplained")
        told = {name: getattr(self, name) for name in numbers}
        told |= {"for": [one.to_dict() for one in self.for_], "against": [one.to_dict() for one in self.against]}
        return told | {"maps": coarse(self.maps)} if self.maps else told

    def brief(self) -> str:
        """One line without numbers: "refund: +money +back -hello"."""
        reasons = [f"+{self._named(one)}" for one in self.for_] + [f"-{self._named(one)}" for one in self.against]
        return f"{self.label}: {' '.join(reasons)}".rstrip()

    def __str__(self) -> str:
        sign = "" if self.is_answered else " (not answered)"
        lines = [f"{self.label} {self.score:.2f}{sign}"]
        for name, reasons in (("for", self.for_), ("against", self.against)):
            told = ", ".join(f"{self._named(one)} {one.contribution:+.2f}" for one in reasons)
            lines.append(f"  {name:<8} {told or '-'}")
        return "\n".join(lines)

    def _named(self, reason: Reason) -> str:
        """What the reason is called, with its column where two columns have the same word here."""
        others = {one.column for one in (*self.for_, *self.against) if one.what == reason.what}
        return f"{reason.column}: {reason.what}" if len(others) > 1 else reason.what


def explained(
    model: Model, features: Features, scores: np.ndarray, labels: Sequence[str] | None = None, top: int = TOP
) -> Iterator[dict[str, Explanation]]:
    """What speaks for and against labels, row by row.

    Exact for networks without hidden layers, gradient times input otherwise; see `engine.contributions` and
    docs/decisions/0023-explanations.md. A model that looks at images is explained by its images alone, the rest of the
    row held as it is, with integrated gradients; see `engine.pixel_contributions`. Rows are encoded `ROWS` at a time.

    Args:
        model: The model.
        features: What its encoder takes, n rows.
        scores: Its calibrated scores (n, l) of these rows.
        labels: Names of the labels to explain in every row; None for those answered in the row, or the one with the
            highest score where none is.
        top: Most reasons for and most against, each, 1 or more.

    Returns:
        An iterator over the rows: label -> explanation, in the order of `labels` or of the model's labels.

    Raises:
        InputError: An unknown label, `top` below 1, or a model of arrays whose numbers have no names.
    """
    top = validation.integer(top=top, low=1)
    chosen = None if labels is None else _columns(model, labels)
    answers = model.decider.answers(np.nan_to_num(scores))
    asked = [_asked(own, row, chosen) for own, row in zip(answers, scores, strict=True)]
    return (_seen if has_images(model) else _explained)(model, features, scores, answers, asked, top)


def _columns(model: Model, labels: Sequence[str]) -> np.ndarray:
    if isinstance(labels, str) or not all(isinstance(name, str) for name in labels):
        raise InputError(f"got {validation.shown(labels)}, expected a list of label names", argument="labels")
    for name in labels:
        if name not in model.labels.names:
            raise InputError(f"there is no label {name!r}{did_you_mean(name, model.labels.names)}", argument="labels")
    return np.array([model.labels.index(name) for name in dict.fromkeys(labels)], dtype=np.int64)


def _explained(
    model: Model, features: Features, scores: np.ndarray, answers: np.ndarray, asked: Sequence[np.ndarray], top: int
) -> Iterator[dict[str, Explanation]]:
    constants = _Constants(model)
    for first in range(0, len(scores), ROWS):
        part = slice(first, min(first + ROWS, len(scores)))
        pieces = _contributions(model, features[part], asked[part])
        for row, (columns, found) in enumerate(zip(asked[part], pieces, strict=True), start=first):
            told = {}
            for column, (logit, sources, amounts) in zip(columns.tolist(), found, strict=True):
                name, constant = model.labels.names[column], constants.of(column)
                facts = (float(scores[row, column]), bool(answers[row, column]), logit, constant)
                rest = logit - constant - float(amounts.sum())
                told[name] = Explanation(name, *facts, rest, *_strongest(sources, amounts, top))
            yield told


def _seen(
    model: Model, features: Features, scores: np.ndarray, answers: np.ndarray, asked: Sequence[np.ndarray], top: int
) -> Iterator[dict[str, Explanation]]:
    """The same for a model that looks at images: its reasons are parts of the images."""
    for first in range(0, len(scores), ROWS):
        part = slice(first, min(first + ROWS, len(scores)))
        rows = mapped(model, features[part], asked[part])
        for row, (columns, found) in enumerate(zip(asked[part], rows, strict=True), start=first):
            told = {}
            for column, one in zip(columns.tolist(), found, strict=True):
                name = model.labels.names[column]
                facts = (float(scores[row, column]), bool(answers[row, column]), one.logit, one.constant)
                rest = one.logit - one.constant - sum(float(pixels.sum()) for pixels in one.maps.values())
                told[name] = Explanation(name, *facts, rest, *_strongest_parts(one.maps, top), one.maps)
            yield told


def _asked(answers: np.ndarray, scores: np.ndarray, chosen: np.ndarray | None) -> np.ndarray:
    """The columns of the labels to explain in a row; none in a row without scores."""
    if not np.isfinite(scores).all():
        return np.zeros(0, dtype=np.int64)
    if chosen is not None:
        return chosen
    return np.flatnonzero(answers) if answers.any() else np.array([int(scores.argmax())])


class _Constants:
    """The labels' mean logits of a row of zeros, each computed when it is first asked for."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.known: dict[int, float] = {}

    def of(self, column: int) -> float:
        if column not in self.known:
            n_labels = len(self.model.labels)
            near = np.arange(column, min(column + engine.PAIRS, n_labels))
            found = engine.constants(self.model.scorer(), near)
            self.known |= dict(zip(near.tolist(), found.tolist(), strict=True))
        return self.known[column]


Found = list[tuple[float, FeatureSources, np.ndarray]]
"""For each label asked of a row: its logit, the row's sources, and what each of them contributes, float64 (s,)."""


def _contributions(model: Model, features: Features, asked: Sequence[np.ndarray]) -> Iterator[Found]:
    """What the sources of each row contribute."""
    blocks = model.encoder.transform(features)
    rows = np.repeat(np.arange(len(asked)), [len(columns) for columns in asked])
    labels = np.concatenate(asked)
    tables = [np.asarray(table) for table in model.weights.trainable[: len(model.network.tables())]]
    parts = engine.contributions(model.scorer(), tables, blocks, rows, labels)
    for columns, sources in zip(asked, model.encoder.sources(features, blocks), strict=True):
        found: Found = []
        while len(found) < len(columns):
            part = next(parts)
            amounts = sum(share @ part.blocks[name] for name, share in sources.shares.items())
            found += [(float(logit), sources, amounts[:, k]) for k, logit in enumerate(part.logits)]
        yield found


def _strongest(sources: FeatureSources, amounts: np.ndarray, top: int) -> tuple[tuple[Reason, ...], tuple[Reason, ...]]:
    """The strongest reasons for and against."""
    order = np.argsort(-amounts, kind="stable")
    best = [k for k in order[:top].tolist() if amounts[k] > 0]
    worst = [k for k in order[::-1][:top].tolist() if amounts[k] < 0]
    wanted: dict[str, set[str]] = {}
    for k in (*best, *worst):
        wanted.setdefault(sources.column[k], set()).add(sources.what[k])
    there = {
        column: places(sources.texts[column], words, MAX_PLACES)
        for column, words in wanted.items()
        if column in sources.texts
    }

    def reason(k: int) -> Reason:
        what, column = sources.what[k], sources.column[k]
        return Reason(what, column, float(amounts[k]), tuple(there.get(column, {}).get(what, ())))

    return tuple(map(reason, best)), tuple(map(reason, worst))


def _strongest_parts(maps: Mapping[str, np.ndarray], top: int) -> tuple[tuple[Reason, ...], tuple[Reason, ...]]:
    """The parts of images that speak most for and most against."""
    reasons = [Reason(what, column, value) for column, one in maps.items() for what, value in part_sums(one).items()]
    reasons.sort(key=lambda one: -one.contribution)
    best, worst = reasons[:top], reasons[::-1][:top]
    return tuple(one for one in best if one.contribution > 0), tuple(one for one in worst if one.contribution < 0)
