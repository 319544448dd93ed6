"""Encoder for scores of labels that another program made: a column for each label, put into the order of the labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp
from scipy.special import expit

from manyhot.config.scores import LOGITS, PROBABILITIES
from manyhot.encoders.base import BaseEncoder
from manyhot.encoders.feature_sources import FeatureSources, column_sources
from manyhot.encoders.number_columns import frame_numbers
from manyhot.errors import InputError

BLOCK = "scores"
ROUNDING = 1e-6  # how far outside [0, 1] a probability in float32 may come to lie
TYPICAL = {PROBABILITIES: 0.5, LOGITS: 0.0}


class ScoreEncoder(BaseEncoder):
    """Check scores, one column for each label, and give them in [0, 1] in the order of the labels."""

    kind = "scores"
    takes_gaps = False

    def __init__(self, names: Sequence[str], order: Sequence[int], scores: str = PROBABILITIES) -> None:
        self.names = self.matrix_names = tuple(names)
        self.order = tuple(order)  # for each label the place of its column
        self.scores = scores  # what they are, one of `SCORE_KINDS`

    @property
    def reading_types(self) -> Mapping[str, str]:
        """Columns of scores are numbers, and no labels, although they may be called like the labels."""
        return dict.fromkeys(self.names, "numeric")

    def fit(self, features: Any, weights: np.ndarray | None = None) -> ScoreEncoder:
        """Learn nothing: what is known comes with the names."""
        return self

    def transform(self, features: Any) -> dict[str, np.ndarray | sp.csr_matrix]:
        """Return one block, float32 (n, l) in [0, 1]; raise `InputError` with the place of what cannot be a score."""
        if features.shape[1] != len(self.names):
            raise InputError(
                f"X has {features.shape[1]} features, but {len(self.names)} features are expected: one column of "
                "scores for each label",
                argument="X",
            )
        dense = features.toarray() if sp.issparse(features) else features
        numbers = np.asarray(dense, dtype=np.float64)[:, list(self.order)]
        self._refuse(~np.isfinite(numbers), numbers, "expected a score; leave out rows without one, or score them")
        if self.scores == LOGITS:
            return {BLOCK: expit(numbers).astype(np.float32)}
        self._refuse(
            (numbers < -ROUNDING) | (numbers > 1 + ROUNDING),
            numbers,
            "expected a score from 0 to 1; if these are logits, say scores='logits' (--scores logits), which applies a "
            "sigmoid; bring percentages and distances into [0, 1] first",
        )
        return {BLOCK: np.clip(numbers, 0, 1).astype(np.float32)}

    def sources(self, features: Any, blocks: Mapping[str, np.ndarray | sp.csr_matrix]) -> Iterator[FeatureSources]:
        """Yield the sources of each row: the columns by name."""
        return column_sources(BLOCK, blocks[BLOCK], [self.names[place] for place in self.order])

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of one row of each block."""
        return {BLOCK: (len(self.names),)}

    def typical_numbers(self) -> list[float]:
        """Return a score of which nothing follows, for each column."""
        return [TYPICAL[self.scores]] * len(self.names)

    def from_frame(self, frame: pl.DataFrame) -> np.ndarray:
        """Return the columns of scores in a frame with any others, in their order, as a matrix."""
        for name in self.names:
            if name not in frame.columns:
                raise InputError("this column of scores is missing", column=name)
        return frame_numbers(frame, self.names)

    def to_spec(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Describe the state as JSON values and arrays."""
        spec = {"kind": self.kind, "columns": list(self.names), "order": list(self.order), "scores": self.scores}
        return spec, {}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> ScoreEncoder:
        """Rebuild what `to_spec` described; the caller has checked types and sizes."""
        return cls(spec["columns"], spec["order"], spec["scores"])

    def _refuse(self, is_wrong: np.ndarray, numbers: np.ndarray, expected: str) -> None:
        """Raise at the first wrong number, in the order of the rows."""
        if is_wrong.any():
            row, label = np.argwhere(is_wrong)[0].tolist()
            number = numbers[row, label]
            got = "NaN" if np.isnan(number) else "infinity" if np.isinf(number) else f"{number:g}"
            raise InputError(f"Input X contains {got}, {expected}", row=row + 1, column=self.names[self.order[label]])


def score_columns(columns: Sequence[str], labels: Sequence[str]) -> tuple[list[str], str]:
    """The column of each label's scores, and how they were found ("" where they are called like the labels).

    They are called like the labels, perhaps all with the same text before or behind, such as p_sad; else there are as
    many columns as labels, and they stand in the same order.
    """
    for before, behind in _affixes(columns, labels):
        names = [f"{before}{label}{behind}" for label in labels]
        if set(names) <= set(columns):
            return names, "" if names == list(labels) else f"scores of a label are in the column {before}LABEL{behind}"
    if len(columns) == len(labels):
        pairs = ", ".join(f"{column} for {label}" for column, label in list(zip(columns, labels, strict=True))[:4])
        more = ", ..." if len(labels) > 4 else ""
        return list(
            columns
        ), f"columns of scores are not called like the labels, and taken in their order: {pairs}{more}"
    raise InputError(
        f"there are {len(columns)} columns beside the labels ({_listed(columns)}) and {len(labels)} labels "
        f"({_listed(labels)}), expected one column of scores for each label; name the columns like the labels, all "
        "with the same text before or behind (p_sad) if need be, or leave the other columns out",
        argument="X",
    )


def _affixes(columns: Sequence[str], labels: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What may stand before and behind the names of labels, none first."""
    yield "", ""
    longest = max(labels, key=len)
    for column in columns:
        before, found, behind = column.rpartition(longest)
        if found:
            yield before, behind


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
