"""What the encoders of one column of text share."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from manyhot.encoders.feature_sources import ownership_shares
from manyhot.encoders.scaling import Scale, fit_scale, row_weights
from manyhot.encoders.text.text_input import Texts, require_text, to_text_list
from manyhot.encoders.text.word_shares import WordAttribution
from manyhot.errors import InputError, how_to_install

MAX_WIDTH = 100_000


def import_extra(name: str, kind: str, extra: str) -> Any:
    """Import a library that a kind of text needs; raise `InputError` with the command that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError(
            f"text={kind!r} needs the library {name.partition('.')[0]}; install it with: {how_to_install(extra)}",
            argument="text",
        ) from None


class BaseTextEncoder:
    """The answers of an encoder for which a text is one thing."""

    kind: str
    block = "features"  # the block that its rows are in
    shared_arrays: frozenset[str] = frozenset()  # names of arrays that are the same for every column

    @property
    def width(self) -> int:
        """Width of a row."""
        raise NotImplementedError

    @property
    def n_words(self) -> int:
        """How many of its first columns stand for one word or a pair of words each."""
        return 0

    @property
    def n_token_ids(self) -> int:
        """Number of different token ids in its rows, padding included."""
        return 1

    def attach(self, function: Any) -> Any:
        """Attach the function that computes features of texts; return it for the next column."""
        raise InputError(f"these texts become numbers by {self.kind!r}, which takes no function", argument="text")

    def own_function(self) -> Any:
        """Return the function that its arrays describe, to be attached; None where they describe none."""
        return None

    def shares(self, text: str | None) -> WordAttribution:
        """Divide the columns that `transform` gives a text among its words; "" for a text as a whole."""
        return WordAttribution(("",), np.arange(self.width), ownership_shares(np.zeros(self.width), 1))


class ScaledTextEncoder(BaseTextEncoder):
    """Encode texts by features that a subclass extracts, scaled as numbers of a table are."""

    scale: Scale

    def _extract(self, texts: list[str]) -> np.ndarray:
        """Return the features of n texts, float32 (n, d)."""
        raise NotImplementedError

    def fit(self, texts: Texts, weights: np.ndarray | None = None) -> Self:
        """Learn the centre and scale of each feature; missing texts are empty."""
        rows = require_text(to_text_list(texts), texts)
        self.scale = fit_scale(self._extract(rows), row_weights(weights, len(rows)))
        return self

    def transform(self, texts: Texts) -> np.ndarray:
        """Encode n texts as float32 (n, d), in (-3, 3)."""
        return self.scale.apply(self._extract(to_text_list(texts)))

    @property
    def width(self) -> int:
        """Width of a row, d."""
        return len(self.scale.center)

    def _restore_scale(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take centres and scales out of a file: finite float64 (d,), scales above 0."""
        center, scale = arrays["center"], arrays["scale"]
        for array in (center, scale):
            if array.dtype != np.float64 or array.ndim != 1 or not np.isfinite(array).all():
                raise InputError("centres and scales of texts are not finite float64 numbers in one row")
        if len(center) != len(scale) or not 1 <= len(center) <= MAX_WIDTH or (scale < np.finfo(float).tiny).any():
            raise InputError("centres and scales of texts do not fit each other")
        self.scale = Scale(center, scale)
