"""Encoder for a table with a kind per column: numbers scaled, booleans as numbers, categories one column a level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from manyhot.check import did_you_mean
from manyhot.encode.scale import Scale, fit_scale
from manyhot.errors import InputError

BLOCK = "features"
MOST_LEVELS = 1000
"""Levels of one categorical column that get a column of their own; the rarer ones share one."""
LEAST_ROWS = 2
"""Rows a level needs for a column of its own."""
USED_KINDS = ("numeric", "boolean", "categorical")


class TableEncoder:
    """Encodes a polars frame by the kinds of its columns; columns of other kinds are left out.

    A level seen only once, and a missing one, falls into a shared column of its variable; a level never seen in
    training falls there too, or becomes all zeros when training had no such row.

    Args:
        kinds: Column name -> kind, in the order in which the columns are encoded.
    """

    kind = "table"

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self.kinds = dict(kinds)
        self.numbers = [name for name, kind in self.kinds.items() if kind in ("numeric", "boolean")]
        self.categories = [name for name, kind in self.kinds.items() if kind == "categorical"]
        if not self.numbers and not self.categories:
            raise InputError(
                f"no column can be used: {len(self.kinds)} columns, none of kind {', '.join(USED_KINDS)}; "
                "say what a column is with kinds={'NAME': 'numeric'} (--kind NAME=numeric)"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in the order of `kinds`."""
        return tuple(self.kinds)

    def fit(self, features: pl.DataFrame, weights: np.ndarray | None = None) -> TableEncoder:
        """Learn centres, scales and levels.

        Args:
            features: The frame; more columns than `kinds` names are allowed.
            weights: float (n,), above 0; None for ones.

        Returns:
            Itself.
        """
        weights = np.ones(len(features)) if weights is None else np.asarray(weights, dtype=float)
        numbers = self._numbers(features)
        self.scale = fit_scale(numbers, weights)
        self.gaps = np.flatnonzero(np.isnan(numbers).any(axis=0))
        self.levels: list[list[str]] = []
        self.has_rest: list[bool] = []
        for name in self.categories:
            cells = _as_text(features[name])
            found, inverse = np.unique(cells, return_inverse=True)
            counts = np.bincount(inverse, weights=weights, minlength=len(found))
            is_level = (counts >= LEAST_ROWS) & (found != "")
            chosen = np.flatnonzero(is_level)
            chosen = chosen[np.argsort(-counts[chosen], kind="stable")][:MOST_LEVELS]
            self.levels.append(sorted(str(level) for level in found[chosen]))
            self.has_rest.append(len(chosen) < len(found))
        return self

    def transform(self, features: pl.DataFrame) -> dict[str, np.ndarray]:
        """One block: float32 (n, width)."""
        missing = [name for name in self.numbers + self.categories if name not in features.columns]
        if missing:
            hints = "".join(did_you_mean(name, features.columns) for name in missing[:1])
            raise InputError(f"columns that training had are missing: {', '.join(missing)}{hints}")
        numbers = self._numbers(features)
        parts = [self.scale.apply(numbers), np.isnan(numbers[:, self.gaps]).astype(np.float32)]
        for name, levels, has_rest in zip(self.categories, self.levels, self.has_rest, strict=True):
            parts.append(_one_hot(_as_text(features[name]), levels, has_rest))
        return {BLOCK: np.concatenate(parts, axis=1)}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one row of each block."""
        n_levels = sum(len(levels) + rest for levels, rest in zip(self.levels, self.has_rest, strict=True))
        return {BLOCK: (len(self.numbers) + len(self.gaps) + n_levels,)}

    def to_spec(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The state as JSON values and arrays."""
        spec = {
            "kind": self.kind,
            "columns": list(self.kinds),
            "kinds": list(self.kinds.values()),
            "categories": [{"levels": levels} for levels in self.levels],
            "has_rest": [int(rest) for rest in self.has_rest],
        }
        return spec, {"center": self.scale.center, "scale": self.scale.scale, "gaps": self.gaps}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> TableEncoder:
        """The encoder that `to_spec` described; the caller has checked types and sizes."""
        encoder = cls(dict(zip(spec["columns"], spec["kinds"], strict=True)))
        encoder.levels = [list(category["levels"]) for category in spec["categories"]]
        encoder.has_rest = [bool(rest) for rest in spec["has_rest"]]
        encoder.scale = Scale(arrays["center"], arrays["scale"])
        encoder.gaps = arrays["gaps"]
        return encoder

    def _numbers(self, features: pl.DataFrame) -> np.ndarray:
        result = np.full((len(features), len(self.numbers)), np.nan)
        for j, name in enumerate(self.numbers):
            if name in features.columns:
                result[:, j] = _as_numbers(features[name])
        return result


def _as_numbers(column: pl.Series) -> np.ndarray:
    try:
        numbers = column.cast(pl.Float64).to_numpy()
    except pl.exceptions.InvalidOperationError:
        cells = column.cast(pl.String)
        wrong = cells.cast(pl.Float64, strict=False).is_null() & cells.is_not_null()
        row = int(wrong.arg_max() or 0)
        raise InputError(f"got {cells[row]!r}, expected a number", row=row + 1, column=column.name) from None
    infinite = np.flatnonzero(np.isinf(numbers))
    if infinite.size:
        raise InputError("got infinity, expected a finite number", row=int(infinite[0]) + 1, column=column.name)
    return numbers


def _as_text(column: pl.Series) -> np.ndarray:
    """Levels as text, missing ones as the empty text; 1 and 1.0 are one level."""
    if column.dtype.is_float():
        whole = column.round(0)
        if bool(((whole == column) | column.is_null() | column.is_nan()).all()):
            column = column.fill_nan(None).cast(pl.Int64)
    return column.cast(pl.String).fill_null("").to_numpy().astype(str)


def _one_hot(cells: np.ndarray, levels: list[str], has_rest: bool) -> np.ndarray:
    result = np.zeros((len(cells), len(levels) + has_rest), dtype=np.float32)
    known = np.asarray(levels, dtype=str)
    place = np.searchsorted(known, cells) if levels else np.zeros(len(cells), dtype=np.int64)
    place = np.minimum(place, max(len(levels) - 1, 0))
    is_known = known[place] == cells if levels else np.zeros(len(cells), dtype=bool)
    result[np.flatnonzero(is_known), place[is_known]] = 1
    if has_rest:
        result[~is_known, -1] = 1
    return result
