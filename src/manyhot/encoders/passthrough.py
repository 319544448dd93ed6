"""Encoder that changes nothing: numbers go into the network as they are, in rows of any shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot.data.samples import Arrays
from manyhot.encoders.base import BaseEncoder
from manyhot.encoders.feature_sources import FeatureSources, column_sources
from manyhot.encoders.number_columns import frame_numbers
from manyhot.errors import InputError

BLOCK = "features"


class PlainEncoder(BaseEncoder):
    """Take a matrix, a frame of numbers, or named arrays, and change nothing but the type."""

    kind = "plain"
    takes_gaps = False
    takes_arrays = True

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = tuple(names)

    def fit(self, features: Any, weights: np.ndarray | None = None) -> PlainEncoder:
        """Remember the shapes of the rows."""
        self._shapes = _row_shapes(self._blocks(features))
        return self

    def transform(self, features: Any) -> dict[str, np.ndarray | sp.csr_matrix]:
        """Return the blocks, float32 (n, ...) each."""
        blocks = self._blocks(features)
        shapes = _row_shapes(blocks)
        if shapes != self._shapes:
            raise InputError(f"X has rows of shape {shapes}, expected {self._shapes}", argument="X")
        return blocks

    def sources(self, features: Any, blocks: Mapping[str, np.ndarray | sp.csr_matrix]) -> Iterator[FeatureSources]:
        """Yield the sources of each row: the columns by name; raise `InputError` for named arrays."""
        if not self.names:
            raise InputError(
                "this model takes arrays (images, sequences), whose single numbers have no names to give as reasons; "
                "only rows of named columns and texts can be explained",
                argument="X",
            )
        return column_sources(BLOCK, blocks[BLOCK], self.names)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of one row of each block."""
        return dict(self._shapes)

    def to_spec(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Describe the state as JSON values and arrays."""
        blocks = [{"name": name, "shape": list(shape)} for name, shape in self._shapes.items()]
        return {"kind": self.kind, "columns": list(self.names), "blocks": blocks}, {}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> PlainEncoder:
        """Rebuild what `to_spec` described; the caller has checked types and sizes."""
        encoder = cls(spec["columns"])
        encoder._shapes = {block["name"]: tuple(block["shape"]) for block in spec["blocks"]}
        return encoder

    def _blocks(self, features: Any) -> dict[str, np.ndarray | sp.csr_matrix]:
        if isinstance(features, Arrays):
            return {name: _require_finite(block, name) for name, block in features.blocks.items()}
        if isinstance(features, pl.DataFrame):
            features = self._to_numbers(features)
        elif features.shape[1] != len(self.names):
            raise InputError(f"X has {features.shape[1]} features, expected {len(self.names)}", argument="X")
        if sp.issparse(features):
            block = sp.csr_matrix(features, dtype=np.float32)
            _require_finite(block.data, BLOCK)
            return {BLOCK: block}
        return {BLOCK: _require_finite(features, BLOCK, self.names)}

    def _to_numbers(self, frame: pl.DataFrame) -> np.ndarray:
        for name in self.names:
            if name not in frame.columns:
                raise InputError("this column that training had is missing", column=name)
            if not (frame[name].dtype.is_numeric() or frame[name].dtype == pl.Boolean):
                raise InputError(
                    "this column holds text, which a network of your own cannot take as it is; "
                    "preprocessing='standard' makes numbers of it, or leave the column out",
                    column=name,
                )
        return frame_numbers(frame, self.names)


def _row_shapes(blocks: Mapping[str, np.ndarray | sp.csr_matrix]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(block.shape[1:]) for name, block in blocks.items()}


def _require_finite(block: np.ndarray, name: str, columns: Sequence[str] = ()) -> np.ndarray:
    if block.dtype.kind not in "biuf":
        raise InputError(f"{name!r} holds {block.dtype} values, expected numbers", argument="X")
    result = np.ascontiguousarray(block, dtype=np.float32)
    if not np.isfinite(result).all():
        position = np.argwhere(~np.isfinite(result))[0]
        column = str(columns[position[1]]) if columns and len(position) == 2 else None
        raise InputError(
            f"Input X contains {'NaN' if np.isnan(result[tuple(position)]) else 'infinity'}, and nothing fills gaps "
            "for a network of your own; fill them, or say preprocessing='standard'",
            row=int(position[0]) + 1,
            column=column,
        )
    return result
