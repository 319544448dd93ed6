"""X, y and settings in the forms that training takes, and the encoder that suits them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from manyhot.encode import Encoder, MatrixEncoder, PlainEncoder, TableEncoder
from manyhot.encode.ngrams import MAX_CHARACTERS, MAX_WORDS
from manyhot.encode.table import USED_KINDS
from manyhot.errors import InputError
from manyhot.labels import LabelSpace, Targets
from manyhot.plan import OWN, Plan, Runtime, resolved
from manyhot.samples import Arrays


class Taken(NamedTuple):
    """What a person handed over, ready for training.

    Attributes:
        features: What the encoder takes, n rows.
        kinds: Column name -> kind, when the features are a frame; else None.
        columns: Names of the columns of a matrix.
        labels: The label space.
        targets: Targets (n, l).
        classes: The two values of one binary target, else None.
        plan: Settings that change the result.
        runtime: Settings that do not.
        ids: One id per row as text, or None.
        notes: What the reader had to say.
    """

    features: Any
    kinds: Mapping[str, str] | None
    columns: Sequence[str]
    labels: LabelSpace
    targets: Targets
    classes: np.ndarray | None
    plan: Plan
    runtime: Runtime
    ids: np.ndarray | None
    notes: tuple[str, ...]

    def encoder(self) -> Encoder:
        """A fresh encoder for these features, not yet fitted."""
        is_plain = resolved(self.plan, self.targets.n_samples).encode == "none"
        if isinstance(self.features, Arrays):
            if not is_plain:
                raise InputError("arrays with more than rows and columns need encode='none'", argument="encode")
            return PlainEncoder()
        if self.kinds is None:
            return PlainEncoder(self.columns) if is_plain else MatrixEncoder(self.columns)
        if is_plain:
            return PlainEncoder([name for name, kind in self.kinds.items() if kind in USED_KINDS])
        return TableEncoder(self.kinds)

    def n_table(self) -> int:
        """Numbers in the tables of one member at most; 0 where nothing is sparse."""
        if self.plan.network == OWN:
            return 0
        if self.kinds is not None:
            width = list(self.kinds.values()).count("text") * (MAX_WORDS + MAX_CHARACTERS)
        else:
            width = self.features.shape[1] if sp.issparse(self.features) else 0
        return width * (self.plan.hidden[0] if self.plan.hidden else len(self.labels))
