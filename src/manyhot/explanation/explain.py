"""Why a model predicts what it does: what counts for and against a label, in the words of the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manyhot import engine, validation
from manyhot.display import ROWS_SHOWN, Markup, paragraph, section, short_repr, table
from manyhot.encoders.feature_sources import FeatureSources
from manyhot.encoders.text.tokenization import find_words
from manyhot.errors import InputError
from manyhot.explanation import MAX_REASONS
from manyhot.explanation.image_maps import attribute_images, coarse_maps, part_sums
from manyhot.explanation.stop_words import is_stop_word
from manyhot.models.cross_fitting import Features
from manyhot.models.model import Model
from manyhot.validation import did_you_mean

BLOCK_ROWS = 256  # rows that are encoded at once
MAX_PLACES = 100  # places of one word that are listed, the first ones


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

    def __repr__(self) -> str:
        return short_repr("Reason", f"{self.what} {self.contribution:+.2f}, in {self.column}")

    def _repr_html_(self) -> str:
        return section(paragraph(self.what, f"{self.contribution:+.3f}, in {self.column}"))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; `places` only where there are any."""
        values: dict[str, Any] = {"what": self.what, "column": self.column, "contribution": self.contribution}
        return values | {"places": [list(place) for place in self.places]} if self.places else values


@dataclass(frozen=True)
class Explanation:
    """What speaks for and against one label of one row.

    Args:
        label: The label.
        score: Its calibrated probability, as `predict_proba` gives it.
        is_predicted: Whether the model predicts it.
        logit: What is explained: the mean over the members of the raw logit, before sigmoid (or softmax) and
            calibration. With softmax only differences between labels count: what speaks for all labels alike changes
            no score. Of a parent in a taxonomy it is the highest logit of the labels below it and its own.
        constant: That mean for a row of typical numbers (plain zeros with `preprocessing="none"`), no known level or
            word, and the mean of each category of two values. With images: for this row with images of one colour, the
            mean of training.
        unexplained: Logit less the constant and the contributions of everything in the row, listed here or not. 0 but
            for rounding without hidden layers (`hidden_layer_sizes=()`); with them, or below a parent in a taxonomy,
            contributions are slopes, and this is how far they miss the sum. With images: how far a sum of steps misses
            the integral.
        for_: The strongest reasons for the label, strongest first; stop words and punctuation of texts are left out.
        against: The strongest reasons against it, strongest first.
        maps: Column of images -> float64 (h, w), what each pixel adds to the logit, in the size that the network gets;
            above 0 for the label, below against it. Empty without images.
    """

    label: str
    score: float
    is_predicted: bool
    logit: float
    constant: float
    unexplained: float
    for_: tuple[Reason, ...]
    against: tuple[Reason, ...]
    maps: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, `for_` under "for", maps as sums over a coarse grid; the label is left to the caller."""
        names = ("score", "is_predicted", "logit", "constant", "unexplained")
        values = {name: getattr(self, name) for name in names}
        values |= {
            "for": [reason.to_dict() for reason in self.for_],
            "against": [reason.to_dict() for reason in self.against],
        }
        return values | {"maps": coarse_maps(self.maps)} if self.maps else values

    def brief(self) -> str:
        """Return one line without numbers: "refund: +money +back -hello"."""
        reasons = [f"+{self._qualified_name(reason)}" for reason in self.for_]
        reasons += [f"-{self._qualified_name(reason)}" for reason in self.against]
        return f"{self.label}: {' '.join(reasons) or 'nothing for or against it'}"

    def __str__(self) -> str:
        suffix = "" if self.is_predicted else " (not predicted)"
        lines = [f"{self.label} {self.score:.2f}{suffix}"]
        for name, reasons in (("for", self.for_), ("against", self.against)):
            listed = ", ".join(f"{self._qualified_name(reason)} {reason.contribution:+.2f}" for reason in reasons)
            lines.append(f"  {name:<8} {listed or '-'}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        suffix = "" if self.is_predicted else ", not predicted"
        return short_repr("Explanation", f"{self.label} {self.score:.2f}{suffix}; {self.brief().partition(': ')[2]}")

    def _repr_html_(self) -> str:
        return section(
            paragraph(self.label, f"{self.score:.3f}{'' if self.is_predicted else ' (not predicted)'}"),
            table(("", "reason", "contribution"), self._rows()),
        )

    def _rows(self) -> list[tuple[Any, ...]]:
        """Side, reason and contribution, those for the label first."""
        sides = (("for", self.for_), ("against", self.against))
        return [(side, self._qualified_name(reason), _bar(reason.contribution)) for side, of in sides for reason in of]

    def _qualified_name(self, reason: Reason) -> str:
        """Name the reason, with its column where two columns have the same word here."""
        columns = {other.column for other in (*self.for_, *self.against) if other.what == reason.what}
        return f"{reason.column}: {reason.what}" if len(columns) > 1 else reason.what


REASONS_SHOWN = 5  # for a label and against it, where a table has many labels


class Explanations(list[dict[str, Explanation]]):
    """Explanations of rows, each label -> `Explanation`: a list that a notebook shows as a table."""

    def __repr__(self) -> str:
        first = next((f"; first: {one.brief()}" for row in self for one in row.values()), "")
        return short_repr("Explanations", f"{len(self)} rows{first}")

    def _repr_html_(self) -> str:
        rows = []
        for number, labels in enumerate(self[:ROWS_SHOWN]):
            for label, explanation in labels.items():
                sides = (
                    ", ".join(f"{reason.what} {reason.contribution:+.2f}" for reason in side[:REASONS_SHOWN])
                    for side in (explanation.for_, explanation.against)
                )
                rows.append((number, label, explanation.score, *sides))
        return section(table(("row", "label", "probability", "for", "against"), rows), _count_more(len(self)))


def _count_more(n_rows: int) -> str:
    return paragraph("", f"… and {n_rows - ROWS_SHOWN} more rows") if n_rows > ROWS_SHOWN else ""


def _bar(amount: float) -> Markup:
    """A contribution as a bar: blue for the label, orange against it, readable on light and dark pages."""
    colour, width = ("#3b82c4" if amount > 0 else "#d9772b"), min(120, max(1, round(40 * abs(amount))))
    style = f"display:inline-block;height:.7em;width:{width}px;background:{colour};margin-right:6px"
    return Markup(f'<span style="{style}"></span>{amount:+.2f}')


def explain_rows(
    model: Model, features: Features, scores: np.ndarray, labels: Sequence[str] | None = None, top: int = MAX_REASONS
) -> Iterator[dict[str, Explanation]]:
    """Explain `labels` (None: those predicted, or the highest score) of n rows, whose calibrated scores are (n, l)."""
    # see docs/decisions/0023-explanations.md; a model that takes images is explained by its images alone
    top = validation.integer(top=top, low=1)
    if not model.makes_scores:
        raise InputError(
            "decisions on scores of another program cannot be explained by what it saw, which is not known here",
            argument="X",
        )
    requested = None if labels is None else _label_columns(model, labels)
    decisions = model.policy.decide(np.nan_to_num(scores))
    label_columns = [
        _columns_to_explain(row_decisions, row, requested) for row_decisions, row in zip(decisions, scores, strict=True)
    ]
    return _explain(model, features, scores, decisions, label_columns, top)


def _label_columns(model: Model, labels: Sequence[str]) -> np.ndarray:
    if isinstance(labels, str) or not all(isinstance(name, str) for name in labels):
        raise InputError(f"got {validation.shorten(labels)}, expected a list of label names", argument="labels")
    for name in labels:
        if name not in model.labels.names:
            raise InputError(f"there is no label {name!r}{did_you_mean(name, model.labels.names)}", argument="labels")
    return np.array([model.labels.index(name) for name in dict.fromkeys(labels)], dtype=np.int64)


def _explain(
    model: Model,
    features: Features,
    scores: np.ndarray,
    decisions: np.ndarray,
    label_columns: Sequence[np.ndarray],
    top: int,
) -> Iterator[dict[str, Explanation]]:
    constants: dict[int, float] = {}
    for first in range(0, len(scores), BLOCK_ROWS):
        part = slice(first, min(first + BLOCK_ROWS, len(scores)))
        if model.encoder.image_columns:
            rows = _image_answers(model, features[part], label_columns[part], top)
        else:
            rows = _input_answers(model, features[part], label_columns[part], top, constants)
        for row, (columns, answers) in enumerate(zip(label_columns[part], rows, strict=True), start=first):
            yield {
                model.labels.names[column]: Explanation(
                    model.labels.names[column], float(scores[row, column]), bool(decisions[row, column]), *answer
                )
                for column, answer in zip(columns.tolist(), answers, strict=True)
            }


def _columns_to_explain(decisions: np.ndarray, scores: np.ndarray, requested: np.ndarray | None) -> np.ndarray:
    """Select the labels to explain in a row; none in a row without scores."""
    if not np.isfinite(scores).all():
        return np.zeros(0, dtype=np.int64)
    if requested is not None:
        return requested
    return np.flatnonzero(decisions) if decisions.any() else np.array([int(scores.argmax())])


def _constant(model: Model, cache: dict[int, float], column: int) -> float:
    """The mean logit of the reference row for a label; those of the labels behind it are computed with it."""
    if column not in cache:
        columns = np.arange(column, min(column + engine.PAIRS_PER_BATCH, len(model.labels)))
        constants = engine.constants(model.scorer(), columns, model.encoder.reference)
        cache.update(zip(columns.tolist(), constants.tolist(), strict=True))
    return cache[column]


Answers = list[tuple[Any, ...]]  # for each label asked of a row, the fields of its explanation from `logit` on


def _input_answers(
    model: Model, features: Features, label_columns: Sequence[np.ndarray], top: int, constants: dict[int, float]
) -> Iterator[Answers]:
    """Explain by the sources of each row's inputs."""
    blocks = model.encoder.transform(features)
    rows = np.repeat(np.arange(len(label_columns)), [len(columns) for columns in label_columns])
    labels = np.concatenate(label_columns)
    tables = [np.asarray(table) for table in model.weights.trainable[: len(model.network.tables())]]
    parts = engine.contributions(model.scorer(), tables, blocks, rows, labels, model.encoder.reference)
    for columns, sources in zip(label_columns, model.encoder.sources(features, blocks), strict=True):
        answers: Answers = []
        while len(answers) < len(columns):
            part = next(parts)
            amounts = sum(share @ part.blocks[name] for name, share in sources.shares.items())
            for k, logit in enumerate(part.logits.tolist()):
                constant = _constant(model, constants, int(columns[len(answers)]))
                unexplained = logit - constant - float(amounts[:, k].sum())
                answers.append((logit, constant, unexplained, *_strongest_reasons(sources, amounts[:, k], top)))
        yield answers


def _image_answers(
    model: Model, features: Features, label_columns: Sequence[np.ndarray], top: int
) -> Iterator[Answers]:
    """Explain by parts of images."""
    for attributions in attribute_images(model, features, label_columns):
        answers: Answers = []
        for logit, constant, maps in attributions:
            unexplained = logit - constant - sum(float(pixels.sum()) for pixels in maps.values())
            answers.append((logit, constant, unexplained, *_strongest_parts(maps, top), maps))
        yield answers


def _strongest_reasons(
    sources: FeatureSources, amounts: np.ndarray, top: int
) -> tuple[tuple[Reason, ...], tuple[Reason, ...]]:
    """Select the strongest reasons for and against."""
    is_reason = [
        column not in sources.texts or not is_stop_word(name)
        for name, column in zip(sources.names, sources.column, strict=True)
    ]
    order = np.argsort(-amounts, kind="stable")
    order = order[np.asarray(is_reason, dtype=bool)[order]]
    positive = [k for k in order[:top].tolist() if amounts[k] > 0]
    negative = [k for k in order[::-1][:top].tolist() if amounts[k] < 0]
    words_by_column: dict[str, set[str]] = {}
    for k in (*positive, *negative):
        words_by_column.setdefault(sources.column[k], set()).add(sources.names[k])
    word_places = {
        column: find_words(sources.texts[column], words, MAX_PLACES)
        for column, words in words_by_column.items()
        if column in sources.texts
    }

    def reason(k: int) -> Reason:
        what, column = sources.names[k], sources.column[k]
        return Reason(what, column, float(amounts[k]), tuple(word_places.get(column, {}).get(what, ())))

    return tuple(map(reason, positive)), tuple(map(reason, negative))


def _strongest_parts(maps: Mapping[str, np.ndarray], top: int) -> tuple[tuple[Reason, ...], tuple[Reason, ...]]:
    """Select the parts of images that speak most for and most against."""
    reasons = [
        Reason(what, column, value) for column, pixels in maps.items() for what, value in part_sums(pixels).items()
    ]
    reasons.sort(key=lambda reason: -reason.contribution)
    return (
        tuple(reason for reason in reasons[:top] if reason.contribution > 0),
        tuple(reason for reason in reasons[::-1][:top] if reason.contribution < 0),
    )
