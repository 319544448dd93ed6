"""Encoder for a plain matrix of numbers, dense or CSR; sparse stays sparse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot.encoders.base import BaseEncoder
from manyhot.encoders.feature_sources import FeatureSources, column_sources
from manyhot.encoders.scaling import Scale, fit_scale, fit_sparse_scale, row_weights
from manyhot.errors import InputError

BLOCK = "features"


class MatrixEncoder(BaseEncoder):
    """Scale numbers robustly; columns that had missing values get a second column that says so."""

    # columns of a CSR matrix share one scale but for those in other units; its rows have a length of about 1 (root mean
    # square) and no second columns; missing is 0 there.

    kind = "matrix"

    def __init__(self, names: Sequence[str]) -> None:
        self.names = self.matrix_names = tuple(names)

    @property
    def sparse(self) -> frozenset[str]:
        """The blocks that are CSR."""
        return frozenset({BLOCK} if self.is_sparse else ())

    def typical_numbers(self) -> list[float]:
        """Return the centre of each column."""
        return self.scale.center.tolist()

    def from_frame(self, frame: pl.DataFrame) -> np.ndarray:
        """Return a frame of the columns, in their order, as a matrix."""
        return frame.to_numpy()

    def fit(self, features: np.ndarray | sp.csr_matrix, weights: np.ndarray | None = None) -> MatrixEncoder:
        """Learn centres and scales of (n, f) numbers, NaN for missing; weights: float (n,), above 0."""
        self._check_width(features)
        weights = row_weights(weights, features.shape[0])
        self.is_sparse = sp.issparse(features)
        self.length = 1.0
        if self.is_sparse:
            self.scale = fit_sparse_scale(features, weights)
            self.length = _typical_length(self.scale.apply_sparse(sp.csr_matrix(features)), weights)
            self.gaps = np.zeros(0, dtype=np.int64)
        else:
            features = np.asarray(features, dtype=float)
            self.scale = fit_scale(features, weights)
            self.gaps = np.flatnonzero(np.isnan(features).any(axis=0))
        return self

    def transform(self, features: np.ndarray | sp.csr_matrix) -> dict[str, np.ndarray | sp.csr_matrix]:
        """Encode as one block, float32: dense (n, f + columns with gaps), or CSR (n, f)."""
        self._check_width(features)
        if self.is_sparse:
            scaled = self.scale.apply_sparse(sp.csr_matrix(features))
            scaled.data /= np.float32(self.length)
            return {BLOCK: scaled}
        dense = np.asarray(sp.csr_matrix(features).toarray() if sp.issparse(features) else features, dtype=float)
        scaled = self.scale.apply(dense)
        if not self.gaps.size:
            return {BLOCK: scaled}
        return {BLOCK: np.concatenate([scaled, np.isnan(dense[:, self.gaps]).astype(np.float32)], axis=1)}

    def sources(self, features: Any, blocks: Mapping[str, np.ndarray | sp.csr_matrix]) -> Iterator[FeatureSources]:
        """Yield the sources of each row: the columns by name."""
        return column_sources(BLOCK, blocks[BLOCK], self.names, self.gaps)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of one row of each block."""
        return {BLOCK: (len(self.names) + len(self.gaps),)}

    def to_spec(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Describe the state as JSON values and arrays."""
        spec = {"kind": self.kind, "names": list(self.names), "is_sparse": bool(self.is_sparse), "length": self.length}
        return spec, {"center": self.scale.center, "scale": self.scale.scale, "gaps": self.gaps}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> MatrixEncoder:
        """Rebuild what `to_spec` described; the caller has checked types and sizes."""
        encoder = cls(spec["names"])
        encoder.is_sparse, encoder.length = spec["is_sparse"], spec["length"]
        encoder.scale = Scale(arrays["center"], arrays["scale"])
        encoder.gaps = arrays["gaps"]
        return encoder

    def _check_width(self, features: Any) -> None:
        if features.shape[1] != len(self.names):
            raise InputError(
                f"X has {features.shape[1]} features, but {len(self.names)} features are expected", argument="X"
            )


def _typical_length(rows: sp.csr_matrix, weights: np.ndarray) -> float:
    """Return the root mean square of the rows' lengths, whatever the order of the rows; 1 when all are empty."""
    squares = np.asarray(rows.multiply(rows).sum(axis=1), dtype=float).ravel()
    total = np.sort(squares * weights).sum() / np.sort(weights).sum()
    return float(np.sqrt(total)) if total > 0 else 1.0
