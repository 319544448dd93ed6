"""The columns of text of one table: an encoder for each, all of one kind, their rows side by side in one block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot import validation
from manyhot.config.fields import default_values
from manyhot.config.text import TEXT_KINDS, TFIDF
from manyhot.encoders.text.custom import CachedTextFunction, FunctionEncoder, PretrainedEncoder, TextFunction
from manyhot.encoders.text.onnx.encoder import OnnxEncoder
from manyhot.encoders.text.static_embeddings import StaticEncoder
from manyhot.encoders.text.text_input import Texts
from manyhot.encoders.text.tfidf import NgramEncoder
from manyhot.encoders.text.token_ids import WordEncoder
from manyhot.encoders.text.word_shares import WordAttribution
from manyhot.errors import InputError

TEXT_BLOCK = "text"

TextEncoder = NgramEncoder | WordEncoder | StaticEncoder | OnnxEncoder | FunctionEncoder | PretrainedEncoder

# name of the kind -> class for one column: a `BaseTextEncoder` with `fit`, `transform`, `to_spec`, `from_spec`
TEXT_ENCODERS: dict[str, type[TextEncoder]] = {one.kind: one for one in get_args(TextEncoder)}


class TextColumns:
    """Encode columns of text by a kind; the settings are `TrainingConfig.text_params`, None for the defaults."""

    def __init__(self, n_columns: int, kind: str = TFIDF, settings: Mapping[str, Any] | None = None) -> None:
        values = default_values(TEXT_KINDS[kind].settings)
        values |= {name: value for name, value in (settings or {}).items() if name in values}
        self.kind = kind
        self.encoders: list[TextEncoder] = [TEXT_ENCODERS[kind](**values) for _ in range(n_columns)]

    def attach(self, function: TextFunction | CachedTextFunction) -> None:
        """Attach the function that computes features of texts."""
        for encoder in self.encoders:
            function = encoder.attach(function)

    @property
    def block(self) -> str:
        """The block that the columns' rows are in."""
        return TEXT_ENCODERS[self.kind].block

    @property
    def width(self) -> int:
        """Width of a row of all columns."""
        return sum(encoder.width for encoder in self.encoders)

    @property
    def vocabularies(self) -> dict[str, int]:
        """Block of token ids -> number of different ids, padding (0) included."""
        n_token_ids = self._n_token_ids(len(self.encoders))
        return {self.block: n_token_ids} if n_token_ids > 1 else {}

    def fit(self, columns: Sequence[pl.Series], weights: np.ndarray) -> TextColumns:
        """Fit the encoder of each column; weights: float (n,), above 0."""
        for encoder, column in zip(self.encoders, columns, strict=True):
            encoder.fit(column, weights)
        return self

    def transform(self, columns: Sequence[Texts]) -> Any:
        """Encode all columns side by side, (n, width): CSR float32 in the block "text", dense float32, or int32 ids."""
        # token ids of each column lie behind those of the columns before it; 0 stays 0
        rows = [encoder.transform(column) for encoder, column in zip(self.encoders, columns, strict=True)]
        if self.vocabularies:
            for k in range(1, len(rows)):
                rows[k][rows[k] > 0] += self._n_token_ids(k) - 1
        if self.block != TEXT_BLOCK:
            return np.concatenate(rows, axis=1)
        return sp.hstack(rows, format="csr", dtype=np.float32)

    def shares(self, cells: Sequence[str | None]) -> list[WordAttribution]:
        """Return the words of each text of one row and their shares of its inputs; "" for a text encoded as a whole."""
        return [encoder.shares(text) for encoder, text in zip(self.encoders, cells, strict=True)]

    def _n_token_ids(self, n_columns: int) -> int:
        """Count the token ids of the first columns, padding included."""
        return 1 + sum(encoder.n_token_ids - 1 for encoder in self.encoders[:n_columns])

    def to_spec(self) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
        """Describe each column as JSON, with arrays "<k>.<name>"; shared ones are stored for the first column alone."""
        encoder_states = [encoder.to_spec() for encoder in self.encoders]
        arrays = {
            f"{k}.{name}": array
            for k, (_, encoder_arrays) in enumerate(encoder_states)
            for name, array in encoder_arrays.items()
            if k == 0 or name not in self.encoders[k].shared_arrays
        }
        return [spec for spec, _ in encoder_states], arrays

    @classmethod
    def from_spec(cls, specs: Any, arrays: Mapping[str, np.ndarray], n_columns: int) -> TextColumns:
        """Rebuild what `to_spec` described; JSON values and arrays are checked here as if they were hostile."""
        if not isinstance(specs, list) or len(specs) != n_columns:
            raise InputError(f"{n_columns} columns of text are described by a list of as many objects")
        kinds = [spec.get("kind") if isinstance(spec, Mapping) else None for spec in specs]
        if any(kind != kinds[0] for kind in kinds):
            raise InputError("the columns of text are of more than one kind")
        columns = cls(0)
        if not specs:
            return columns
        columns.kind = validation.one_of(TEXT_ENCODERS, text=kinds[0])
        encoder_class = TEXT_ENCODERS[columns.kind]
        shared_arrays = {name: arrays[f"0.{name}"] for name in encoder_class.shared_arrays if f"0.{name}" in arrays}
        used_names: set[str] = set()
        for k, spec in enumerate(specs):
            prefix = f"{k}."
            column_arrays = {
                name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)
            }
            columns.encoders.append(encoder_class.from_spec(spec, shared_arrays | column_arrays))
            used_names |= {prefix + name for name in column_arrays}
        if used_names != set(arrays):
            raise InputError(f"there are arrays of more than {n_columns} columns of text")
        if (function := columns.encoders[0].own_function()) is not None:
            columns.attach(function)
        return columns
