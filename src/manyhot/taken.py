"""X, y and settings in the forms that training takes, and the encoder that suits them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from manyhot.encode import Encoder, MatrixEncoder, PlainEncoder, TableEncoder
from manyhot.encode.function import Features, TextFunction
from manyhot.encode.table import USED_KINDS
from manyhot.errors import InputError
from manyhot.labels import LabelSpace, Targets
from manyhot.plan import OWN, Plan, Runtime, resolved
from manyhot.samples import Arrays
from manyhot.text_kinds import OWN_TEXT, PRETRAINED, table_numbers, text_settings


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
        function: What makes numbers of texts, where the plan says "own".
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
    function: Features | None = None

    def encoder(self) -> Encoder:
        """A fresh encoder for these features, not yet fitted."""
        is_plain = resolved(self.plan, self.targets.n_samples).encode == "none"
        if isinstance(self.features, Arrays):
            if not is_plain:
                raise InputError(
                    "arrays with more than rows and columns need encode='none', or to be images", argument="encode"
                )
            return PlainEncoder()
        if self.kinds is None:
            return PlainEncoder(self.columns) if is_plain else MatrixEncoder(self.columns)
        if is_plain:
            return PlainEncoder([name for name, kind in self.kinds.items() if kind in USED_KINDS])
        encoder = TableEncoder(self.kinds, self.plan.text, self.plan.text_settings, self.plan.image_settings)
        if self.function is not None:
            encoder.texts.attach(self.function)
        return encoder

    def n_table(self) -> int:
        """Numbers in the tables of one member at most; 0 where nothing is sparse."""
        if self.plan.network == OWN:
            return 0
        first_units = self.plan.hidden[0] if self.plan.hidden else len(self.labels)
        if self.kinds is not None:
            n_texts = list(self.kinds.values()).count("text")
            return n_texts * table_numbers(self.plan.text, self.plan.text_settings, first_units)
        return self.features.shape[1] * first_units if sp.issparse(self.features) else 0


def text_function(
    plan: Plan, function: Any, kinds: Mapping[str, str] | None, open_preset: Callable[[str, int], TextFunction]
) -> Features | None:
    """The function that makes numbers of texts, checked and kept; None where the plan takes none or no text is there.

    Args:
        plan: The plan.
        function: What was handed over as `text`.
        kinds: Column name -> kind, when the features are a frame.
        open_preset: (folder, most pieces of a text) -> the function of a pretrained transformer.

    Raises:
        InputError: No function where the plan says "own", one that does not give finite numbers (k, d), or a
            transformer that cannot be opened.
    """
    if plan.text not in (OWN_TEXT, PRETRAINED) or "text" not in (kinds or {}).values():
        return None
    told = text_settings(plan.text, plan.text_settings)
    if plan.text == PRETRAINED:
        name = Path(told["preset"]).name
        return Features(open_preset(told["preset"], told["max_tokens"]), name, told["cache"], f"{told['max_tokens']}")
    if isinstance(function, str):
        raise InputError(
            "'own' stands for a function of yours; hand it over in Python: MultiLabelClassifier(text=function)",
            argument="text",
        )
    return Features(function, told["name"], told["cache"])
