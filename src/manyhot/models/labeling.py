"""Which rows to have labelled next: those whose labels the members disagree about, unlike each other.

`LabelingPool` takes the rows in any number of parts and keeps the best candidates; `LabelingPool.rank` chooses among
them. Why so: docs/decisions/0063-what-to-label-next.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from scipy.special import entr

from manyhot import validation
from manyhot.data.deduplication import fingerprints
from manyhot.data.invalid_images import InvalidImages, describe_invalid, raise_for_invalid
from manyhot.data.labels import LabelSpace
from manyhot.data.samples import Samples
from manyhot.display import ROWS_SHOWN, paragraph, section, short_repr, table
from manyhot.errors import InputError
from manyhot.models.cross_fitting import Features
from manyhot.models.model import Model
from manyhot.models.prediction import IMAGE_ROWS
from manyhot.models.segmentation.model import refuse_pixels

DISAGREEMENT, ENTROPY = "disagreement", "entropy"
CANDIDATES_PER_ROW = 10
"""Candidates for each row that is chosen, so that there is something to choose from."""
MIN_CANDIDATES = 5000
MAX_CANDIDATE_NUMBERS = 2**25  # probabilities of all candidates, 256 MiB
MAX_CHUNK_NUMBERS = 2**21  # probabilities of the rows that are scored at a time, 16 MiB
MIN_PREVALENCE = 0.01
"""Lowest share of the rows that a label is taken to have: labels that are hardly ever there are not to decide alone."""
MAX_BATCHES = 16  # of rows that are scored at a time
LABELS_SHOWN = 3
ONE_MEMBER_NOTE = (
    "the model has one member, which cannot disagree with itself: rows are ranked by the entropy of their "
    "probabilities, which is also high where nobody can tell; two or more members (n_members) tell these apart"
)
PART = 0.9  # of the time that scoring takes, about

Progress = Callable[[str, float | None], None]


@dataclass(frozen=True, eq=False)
class RowsToLabel:
    """The k rows to have labelled next, the most useful first, each with the t labels that are least settled."""

    row: np.ndarray  # int64 (k,), positions in X, from 0
    ids: np.ndarray  # of the rows, text (k,)
    score: np.ndarray  # float64 (k,), sum over labels: what the label would tell, as a share of the label's entropy
    label: np.ndarray  # int64 (k, t), the labels with the highest share in the score, highest first
    share: np.ndarray  # float64 (k, t), what each adds to the score
    probability: np.ndarray  # float64 (k, t), mean of the members, not calibrated
    lowest: np.ndarray  # float64 (k, t), lowest probability of a member
    highest: np.ndarray  # float64 (k, t)
    measure: str  # "disagreement"; "entropy" where there is one member
    n_rows: int  # rows that were ranked
    space: LabelSpace
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.row)

    def __repr__(self) -> str:
        first = f", first row {self.ids[0]}" if len(self) else ""
        return short_repr("RowsToLabel", f"{len(self)} of {self.n_rows} rows, by {self.measure}{first}")

    def _repr_html_(self) -> str:
        reasons = self.reasons(ROWS_SHOWN)
        rows = [(str(self.ids[k]), float(self.score[k]), reason) for k, reason in enumerate(reasons)]
        return section(
            paragraph(f"{len(self)} of {self.n_rows} rows to label next,", f"by {self.measure}."),
            table(("row", self.measure, "least settled labels"), rows, len(self)),
            *(paragraph("", note) for note in self.notes),
        )

    def label_names(self, k: int) -> list[str]:
        """The names of the least settled labels of the k-th row."""
        return [self.space.names[j] for j in self.label[k].tolist()]

    def reasons(self, first: int | None = None) -> list[str]:
        """For each of the first rows, or for all, its least settled labels with what the members say of them."""
        n = len(self) if first is None else min(validation.integer(first=first, low=0), len(self))
        return ["; ".join(self._describe(k, t) for t in range(self.label.shape[1])) for k in range(n)]

    def _describe(self, k: int, t: int) -> str:
        """What the members say of the t-th label of the k-th row."""
        name, low, high = self.space.names[self.label[k, t]], self.lowest[k, t], self.highest[k, t]
        if self.measure == ENTROPY:
            return f"{name} {self.probability[k, t]:.2f}"
        return f"{name} {low:.2f} to {high:.2f}"


class _Candidates(NamedTuple):
    """Rows that may be chosen, r of them."""

    row: np.ndarray  # int64 (r,), rows before, of all parts
    ids: np.ndarray  # text (r,)
    fingerprint: np.ndarray  # uint64 (r,), of the features
    score: np.ndarray  # float64 (r,)
    label: np.ndarray  # int64 (r, t)
    share: np.ndarray  # float64 (r, t)
    probability: np.ndarray  # float64 (r, t)
    lowest: np.ndarray  # float64 (r, t)
    highest: np.ndarray  # float64 (r, t)
    place: np.ndarray  # float64 (r, l), where a row stands among others: the members' mean probabilities, scaled

    def take(self, rows: np.ndarray) -> _Candidates:
        return _Candidates(*(array[rows] for array in self))


class LabelingPool:
    """Unlabelled rows, of which the best candidates are kept.

    Args:
        model: A trained model of rows.
        k: Rows to choose, 1 or more.
        on_bad_image: Whether a row whose image cannot be used is an "error", or left out ("skip").

    Raises:
        InputError: A model that labels pixels, or one that decides on scores of another program.
    """

    def __init__(self, model: Model, k: int, on_bad_image: str = "error") -> None:
        refuse_pixels(model, "rows to label next are chosen by models of rows")
        if not model.makes_scores:
            raise InputError(
                "this model decides on scores of another program, so it has no members that could disagree; rows to "
                "label next are chosen by a MultiLabelClassifier (manyhot train)"
            )
        self.model, self.k, self.on_bad_image = model, validation.integer(k=k, low=1), on_bad_image
        n_labels, batch = len(model.labels), model.runtime.predict_batch_size
        self.chunk_rows = batch * min(MAX_BATCHES, max(1, MAX_CHUNK_NUMBERS // (batch * n_labels)))
        if model.encoder.image_columns:
            self.chunk_rows = IMAGE_ROWS
        wanted = max(MIN_CANDIDATES, CANDIDATES_PER_ROW * self.k)
        self.n_candidates = max(self.k, min(wanted, MAX_CANDIDATE_NUMBERS // n_labels))
        self._prevalence = prevalence(model)
        self.n_rows = self.n_ranked = 0
        self.notes: list[str] = [ONE_MEMBER_NOTE] if model.n_members == 1 else []
        self._kept: _Candidates | None = None

    def add(
        self,
        features: Features,
        ids: Sequence[str] | np.ndarray | None = None,
        samples: Samples | None = None,
        on_rows: Callable[[int], None] | None = None,
    ) -> None:
        """Take further rows.

        Args:
            features: As the model's encoder takes them.
            ids: Names of the rows, text (n,); None for their numbers from 1.
            samples: Where the features come from, for errors about rows.
            on_rows: Called with the number of rows taken so far, of all parts.

        Raises:
            InputError: An image that cannot be used, or not one name for each row.
        """
        n_before, n, encoder = self.n_rows, features.shape[0], self.model.encoder
        names = (np.arange(n_before + 1, n_before + n + 1) if ids is None else np.asarray(ids)).astype(str)
        if len(names) != n:
            raise InputError(f"got {len(names)} names for {n} rows, expected one for each", argument="ids")
        invalid = InvalidImages()
        for start in range(0, n, self.chunk_rows):
            rows = np.arange(start, min(start + self.chunk_rows, n))
            part = features[rows]
            if encoder.image_columns:
                part, faults = encoder.decode_images(part)
                invalid |= {start + row: fault for row, fault in faults.items()}
                if self.on_bad_image == "error":
                    _raise_located(invalid, samples)
                usable = np.setdiff1d(np.arange(len(rows)), list(faults))
                part, rows = part[usable], rows[usable]
            if len(rows):
                self._keep(self._measure(part, n_before + rows, names[rows]))
            self.n_ranked += len(rows)
            self.n_rows = n_before + min(start + self.chunk_rows, n)
            if on_rows is not None:
                on_rows(self.n_rows)
        if invalid:
            self.notes.append(describe_invalid(invalid, "not ranked", samples))

    def rank(self, progress: Progress | None = None) -> RowsToLabel:
        """Choose among all rows that were taken; rows with the features of another one are listed once."""
        t, n_labels = min(LABELS_SHOWN, len(self.model.labels)), len(self.model.labels)
        candidates = self._kept or _no_candidates(t, n_labels)
        n_chosen = min(self.k, len(candidates.row))
        chosen = candidates.take(choose_diverse(candidates.score, candidates.place, n_chosen, progress))
        measure = ENTROPY if self.model.n_members == 1 else DISAGREEMENT
        values = {column.name: getattr(chosen, column.name) for column in fields(RowsToLabel)[:8]}
        return RowsToLabel(
            **values, measure=measure, n_rows=self.n_ranked, space=self.model.labels, notes=tuple(self.notes)
        )

    def _measure(self, features: Features, rows: np.ndarray, ids: np.ndarray) -> _Candidates:
        """What the members say of some rows."""
        blocks, scorer = self.model.encoder.transform(features), self.model.scorer()
        n, n_labels, n_members = len(rows), len(self.model.labels), self.model.n_members
        mean, conditional = np.zeros((n, n_labels)), np.zeros((n, n_labels))
        lowest, highest = np.full((n, n_labels), 1.0), np.zeros((n, n_labels))
        for member in range(n_members):
            # not calibrated: calibration is that of all members together, and its steps would make ties and leaps
            probabilities = scorer.scores(blocks, (member, member + 1)).astype(np.float64)
            mean += probabilities / n_members
            conditional += binary_entropy(probabilities) / n_members
            np.minimum(lowest, probabilities, out=lowest)
            np.maximum(highest, probabilities, out=highest)
        # Mutual information between a label and which member is right (BALD), for each label by itself.
        # Source: Houlsby, Huszár, Ghahramani, Lengyel (2011), equation 2; members for dropout: Gal et al. (2017)
        information = binary_entropy(mean)
        if n_members > 1:
            information = np.maximum(information - conditional, 0.0)
        information /= binary_entropy(self._prevalence)
        t = min(LABELS_SHOWN, n_labels)
        label = np.argsort(-information, axis=1, kind="stable")[:, :t]
        share, probability, low, high = (
            np.take_along_axis(values, label, axis=1) for values in (information, mean, lowest, highest)
        )
        score, place = information.sum(axis=1), mean / np.sqrt(self._prevalence * (1 - self._prevalence))
        return _Candidates(rows, ids, fingerprints(blocks), score, label, share, probability, low, high, place)

    def _keep(self, new: _Candidates) -> None:
        """Keep the candidates with the highest scores, of equal rows the first."""
        joined = new
        if self._kept is not None:
            joined = _Candidates(*map(np.concatenate, zip(self._kept, new, strict=True)))
        _, first = np.unique(joined.fingerprint, return_index=True)  # the first, because rows are in order
        order = first[np.lexsort((joined.row[first], -joined.score[first]))][: self.n_candidates]
        self._kept = joined.take(np.sort(order))


def rank_for_labeling(
    model: Model,
    features: Features,
    k: int,
    ids: Sequence[str] | np.ndarray | None = None,
    on_bad_image: str = "error",
    samples: Samples | None = None,
    progress: Progress | None = None,
) -> RowsToLabel:
    """Rank rows, features as the encoder takes them, by how useful their labels would be; see `LabelingPool`."""
    pool, n = LabelingPool(model, k, on_bad_image), features.shape[0]
    show_rows = None if progress is None else lambda done: progress("scoring rows", PART * done / n)
    pool.add(features, ids, samples, show_rows)
    return pool.rank(progress)


def choose_diverse(score: np.ndarray, place: np.ndarray, k: int, progress: Progress | None = None) -> np.ndarray:
    """Choose rows one by one: the highest score times the squared distance to the nearest one chosen before.

    Args:
        score: float (n,), 0 or more.
        place: float (n, d), where the rows stand.
        k: Rows to choose, at most n.
        progress: Called with a description and the fraction done.

    Returns:
        int64 (k,), rows in the order in which they were chosen; of equal ones the first.

    Source: greedy k-center (Sener, Savarese 2018, algorithm 1) with squared distances, as BADGE draws rows (Ash et al.
    2020), weighted by the score and without chance.
    """
    chosen = np.zeros(k, dtype=np.int64)
    is_free, distance = np.ones(len(score), dtype=bool), np.full(len(score), np.inf)
    for step in range(k):
        if step == 0:
            gain = score
        else:
            # a difference by itself, not a matrix product, whose rounding depends on where a row stands
            np.minimum(distance, np.square(place - place[chosen[step - 1]]).sum(axis=1), out=distance)
            gain = score * distance
        free = np.flatnonzero(is_free)
        best = free[gain[free] == gain[free].max()]
        chosen[step] = best[np.argmax(score[best])]
        is_free[chosen[step]] = False
        if progress is not None:
            progress("choosing rows", PART + (1 - PART) * (step + 1) / k)
    return chosen


def prevalence(model: Model) -> np.ndarray:
    """The share of the training rows that each label has, float64 (l,), 0.01 to 0.99; 0.5 where it is not known."""
    shares = [label.get("prevalence") for label in model.report.get("labels", ())] or [None] * len(model.labels)
    known = np.array([np.nan if share is None else share for share in shares], dtype=float)
    return np.clip(np.where(np.isnan(known), 0.5, known), MIN_PREVALENCE, 1 - MIN_PREVALENCE)


def binary_entropy(probabilities: np.ndarray) -> np.ndarray:
    """Entropy in nats of events with these probabilities; 0 at 0 and 1."""
    return np.asarray(entr(probabilities) + entr(1 - probabilities))


def _raise_located(invalid: InvalidImages, samples: Samples | None) -> None:
    """Raise for the first image that cannot be used, with its row in the file where there is one."""
    try:
        raise_for_invalid(invalid)
    except InputError as error:
        raise (error if samples is None else samples.locate_error(error)) from None


def _no_candidates(t: int, n_labels: int) -> _Candidates:
    """None at all."""
    ids, none, shown = np.array([], dtype=str), np.zeros(0), np.zeros((0, t))
    rows, label, place = np.zeros(0, np.int64), np.zeros((0, t), np.int64), np.zeros((0, n_labels))
    return _Candidates(rows, ids, np.zeros(0, np.uint64), none, label, shown, shown, shown, shown, place)
