"""Encoder for a table with a kind per column: numbers, booleans and categories in a dense block, texts and images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot.config.text import TFIDF
from manyhot.data.number_cells import NumberFormat
from manyhot.encoders.base import BaseEncoder
from manyhot.encoders.categories import Category, cells_as_text, fit_category, insert_pairs, level_size, level_texts
from manyhot.encoders.feature_sources import FeatureSources, ownership_shares
from manyhot.encoders.images.columns import ImageColumns
from manyhot.encoders.number_columns import frame_numbers
from manyhot.encoders.scaling import Scale, fit_scale, row_weights
from manyhot.encoders.text.columns import TEXT_BLOCK, TextColumns
from manyhot.encoders.text.text_input import Texts
from manyhot.encoders.text.word_shares import WordAttribution
from manyhot.errors import InputError
from manyhot.validation import did_you_mean

BLOCK = "features"
NUMBER_TYPES = ("numeric", "boolean")
ENCODED_TYPES = ("numeric", "boolean", "categorical", "text", "image")


class TableEncoder(BaseEncoder):
    """Encode a polars frame by the kinds of its columns; columns of other kinds are left out."""

    # a category of two values is a number, 1 for the rarer one, at its place among the numbers; the second value is
    # whatever is not the only level, such as a missing cell. Others have a column a level; a level seen only once, a
    # missing one, and one never seen share a column, or become zeros where training had no such row.

    kind = "table"

    column_types: dict[str, str]  # column name -> kind, in the order in which the columns are encoded
    # column name -> how its numbers are written, for readers; cells that come here are numbers
    number_formats: dict[str, NumberFormat]
    numeric_columns: list[str]
    categorical_columns: list[str]
    text_columns: list[str]
    image_columns: list[str]

    def __init__(
        self,
        column_types: Mapping[str, str],
        text: str = TFIDF,
        text_params: Mapping[str, Any] | None = None,
        image_params: Mapping[str, Any] | None = None,
        number_formats: Mapping[str, NumberFormat] | None = None,
    ) -> None:
        self.column_types, self.names = dict(column_types), tuple(column_types)
        self.number_formats = {
            name: one for name, one in (number_formats or {}).items() if self.column_types.get(name) in NUMBER_TYPES
        }
        self.numeric_columns = [name for name, kind in self.column_types.items() if kind in NUMBER_TYPES]
        self.categorical_columns = [name for name, kind in self.column_types.items() if kind == "categorical"]
        self.text_columns = [name for name, kind in self.column_types.items() if kind == "text"]
        self.image_columns = [name for name, kind in self.column_types.items() if kind == "image"]
        self.images = ImageColumns(self.image_columns, image_params)
        self.texts = TextColumns(len(self.text_columns), text, text_params)
        if not (self.numeric_columns or self.categorical_columns or self.text_columns or self.image_columns):
            raise InputError(
                f"no column can be used: {len(self.column_types)} columns, none of kind {', '.join(ENCODED_TYPES)}; "
                "say what a column is with column_types={'NAME': 'numeric'} (--column-type NAME=numeric)"
            )

    @property
    def sparse(self) -> frozenset[str]:
        """The blocks that are CSR."""
        return frozenset({TEXT_BLOCK} if self.text_columns and self.texts.block == TEXT_BLOCK else ())

    def fit(self, features: pl.DataFrame, weights: np.ndarray | None = None) -> TableEncoder:
        """Learn centres, scales, levels and terms; weights: float (n,), above 0."""
        weights = row_weights(weights, len(features))
        numbers, levels, texts = self._cells(features)
        self._set_categories([fit_category(cells, weights) for cells in levels])
        self.level_size = level_size(self.categories, float(weights.sum()))
        numbers = insert_pairs(numbers, self.categories, levels, self.number_order)
        self.scale = fit_scale(numbers, weights)
        self.gaps = np.flatnonzero(np.isnan(numbers).any(axis=0))
        self.texts.fit(texts, weights)
        self.images.fit(features, weights)
        return self

    def transform(self, features: pl.DataFrame) -> dict[str, np.ndarray | sp.csr_matrix]:
        """Encode a frame: "features" (n, f); texts in "text", "words" or "features"; images in "image", ..."""
        required = self.numeric_columns + self.categorical_columns + self.text_columns + self.image_columns
        missing = [name for name in required if name not in features.columns]
        if missing:
            hint = did_you_mean(missing[0], features.columns)
            raise InputError(f"columns that training had are missing: {', '.join(missing)}{hint}")
        return self.transform_cells(*self._cells(features), [features[name] for name in self.image_columns])

    def _cells(self, features: pl.DataFrame) -> tuple[np.ndarray, list[np.ndarray], list[pl.Series]]:
        """Bring numbers, levels and texts into the form that `transform_cells` takes."""
        numbers = frame_numbers(features, self.numeric_columns)
        levels = [level_texts(features[name]) for name in self.categorical_columns]
        return numbers, levels, [cells_as_text(features[name]) for name in self.text_columns]

    def transform_cells(
        self,
        numbers: np.ndarray,
        levels: Sequence[np.ndarray],
        texts: Sequence[Texts] = (),
        images: Sequence[pl.Series] = (),
    ) -> dict[str, np.ndarray | sp.csr_matrix]:
        """Encode cells that are in form already, so that a single row needs no frame."""
        # numbers: float64 (n, k), NaN for missing; levels: text (n,) a column, "" for missing; texts: None for missing
        blocks: dict[str, Any] = {}
        if self.numeric_columns or self.categorical_columns:
            blocks[BLOCK] = self._dense(numbers, levels)
        if self.text_columns:
            _append_columns(blocks, self.texts.block, self.texts.transform(texts))
        if self.image_columns:
            pixels = self.images.pixels(images)
            if not self.images.is_frozen:
                return blocks | dict(zip(self.images.blocks, pixels, strict=True))
            _append_columns(blocks, BLOCK, self.images.scaled_features(pixels))
        return blocks

    @property
    def reference(self) -> dict[str, np.ndarray]:
        """Block -> float32 (f,), where explanations start: categories of two values at their mean, the rest 0."""
        if not any(category.is_pair for category in self.categories):
            return {}
        shares = dict(zip(self.categorical_columns, (category.share for category in self.categories), strict=True))
        is_pair = np.array([self.column_types[name] == "categorical" for name in self.scaled_columns])
        low, high = self.scale.apply(np.arange(2.0)[:, None] + np.zeros(len(is_pair)))
        mean = low + (high - low) * np.array([shares.get(name, 0.0) for name in self.scaled_columns], dtype=np.float32)
        row = np.zeros(self.shapes()[BLOCK], dtype=np.float32)
        row[: len(is_pair)] = np.where(is_pair, mean, 0)
        return {BLOCK: row}

    def describe_columns(self) -> list[dict[str, Any]]:
        """Describe the columns in use: name and type, a category's levels, a number's usual value and spread."""
        details: dict[str, dict[str, Any]] = {}
        for name, center, spread in zip(
            self.scaled_columns, self.scale.center.tolist(), self.scale.scale.tolist(), strict=True
        ):
            if self.column_types[name] == "numeric":
                details[name] = {"typical": center, "spread": spread}
                if name in self.number_formats:
                    details[name]["written_as"] = self.number_formats[name].describe()
        for name, category in zip(self.categorical_columns, self.categories, strict=True):
            details[name] = {"levels": category.levels}
        for name, image_encoder in zip(self.image_columns, self.images.encoders, strict=True):
            details[name] = {"shape": list(image_encoder.shape)}
        return [
            {"name": name, "type": column_type, **details.get(name, {})}
            for name, column_type in self.column_types.items()
            if column_type in ENCODED_TYPES
        ]

    def backbone_features(self, blocks: Mapping[str, Any]) -> dict[str, Any]:
        """Replace blocks of pixels by the features of a frozen backbone."""
        features = self.images.scaled_features([blocks[name] for name in self.images.blocks])
        others = {name: block for name, block in blocks.items() if name not in self.images.blocks}
        _append_columns(others, BLOCK, features)
        return others

    def sources(
        self, features: pl.DataFrame, blocks: Mapping[str, np.ndarray | sp.csr_matrix]
    ) -> Iterator[FeatureSources]:
        """Yield the sources of each row: numbers by name, categories with their level, words of n-grams, texts last."""
        if self.image_columns:
            raise InputError("single pixels have no names to give as reasons", argument="X")
        if self.texts.vocabularies:
            raise InputError(
                "words with learned vectors cannot be given as reasons; train with text='tfidf' to have them",
                argument="X",
            )
        return self._sources(features)

    def _sources(self, features: pl.DataFrame) -> Iterator[FeatureSources]:
        numbers, levels, text_columns = self._cells(features)
        missing, text_cells = np.isnan(numbers), [column.to_list() for column in text_columns]
        for row in range(len(features)):
            columns = self.numeric_columns + self.categorical_columns
            names = [
                f"{name} = missing" if is_missing else name
                for name, is_missing in zip(self.numeric_columns, missing[row], strict=True)
            ]
            names += [
                f"{name} = {values[row] or 'missing'}"
                for name, values in zip(self.categorical_columns, levels, strict=True)
            ]
            attributions = self.texts.shares([cells[row] for cells in text_cells])
            texts = {}
            for name, cells, attribution in zip(self.text_columns, text_cells, attributions, strict=True):
                columns += [name] * len(attribution.words)
                names += [word or name for word in attribution.words]
                if cells[row] and all(attribution.words):
                    texts[name] = cells[row]
            yield FeatureSources(names, columns, self._shares(attributions), texts)

    def _shares(self, attributions: Sequence[WordAttribution]) -> dict[str, sp.csr_matrix]:
        """Return the shares of the sources of a row in the inputs of each block."""
        places = {name: k for k, name in enumerate(self.numeric_columns + self.categorical_columns)}
        n_text_sources = sum(len(attribution.words) for attribution in attributions)
        number_owners = np.array([places[name] for name in self.scaled_columns], dtype=np.int64)
        level_owners = [
            place
            for place, category in enumerate(self.categories, start=len(self.numeric_columns))
            for _ in range(category.width)
        ]
        owners = [*number_owners, *number_owners[self.gaps], *level_owners]
        shares = {BLOCK: ownership_shares(owners, len(places) + n_text_sources)} if places else {}
        if attributions:
            word_shares = sp.block_diag([attribution.shares for attribution in attributions])
            text_shares = sp.vstack([sp.csr_matrix((len(places), word_shares.shape[1])), word_shares], format="csr")
            dense = shares.get(self.texts.block)
            shares[self.texts.block] = text_shares if dense is None else sp.hstack([dense, text_shares], format="csr")
        return shares

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of one row of each block."""
        n_levels = sum(category.width for category in self.categories)
        shapes: dict[str, tuple[int, ...]] = {}
        if self.numeric_columns or self.categorical_columns:  # a width of 0 is a block too
            shapes[BLOCK] = (len(self.scaled_columns) + len(self.gaps) + n_levels,)
        for block, width in ((self.texts.block, self.texts.width), (BLOCK, self.images.width)):
            if width:
                shapes[block] = (shapes.get(block, (0,))[0] + width,)
        return shapes | dict(zip(self.images.blocks, (encoder.shape for encoder in self.images.encoders), strict=False))

    def to_spec(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Describe the state as JSON values and arrays; those of texts are "text.<k>.<name>"."""
        spec: dict[str, Any] = {
            "kind": self.kind,
            "columns": list(self.column_types),
            "column_types": list(self.column_types.values()),
            "categories": [category.to_spec() for category in self.categories],
            "has_other": [int(category.has_other) for category in self.categories],
        }
        if self.level_size < 1:
            spec["level_size"] = self.level_size
        if self.number_formats:
            spec["number_formats"] = [{"column": name, **one.to_spec()} for name, one in self.number_formats.items()]
        arrays = {"center": self.scale.center, "scale": self.scale.scale, "gaps": self.gaps}
        if self.text_columns:
            spec["text"], text_arrays = self.texts.to_spec()
            arrays |= {f"text.{name}": array for name, array in text_arrays.items()}
        if self.image_columns:
            spec["images"], image_arrays = self.images.to_spec()
            arrays |= image_arrays
        return spec, arrays

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> TableEncoder:
        """Rebuild what `to_spec` described; the caller has checked types and sizes, but for texts, checked here."""
        column_types = dict(zip(spec["columns"], spec["column_types"], strict=True))
        number_formats = {one["column"]: NumberFormat.from_spec(one) for one in spec.get("number_formats", ())}
        encoder = cls(column_types, number_formats=number_formats)
        texts = {name.removeprefix("text."): array for name, array in arrays.items() if name.startswith("text.")}
        encoder.texts = TextColumns.from_spec(spec.get("text", []), texts, len(encoder.text_columns))
        encoder.images = ImageColumns.from_spec(encoder.image_columns, spec.get("images", []), arrays)
        encoder.level_size = spec.get("level_size", 1.0)
        encoder._set_categories(list(map(Category.from_spec, spec["categories"], spec["has_other"])))
        encoder.scale = Scale(arrays["center"], arrays["scale"])
        encoder.gaps = arrays["gaps"]
        return encoder

    def _set_categories(self, categories: list[Category]) -> None:
        """Set the categories, those of two values among the numbers; `scaled_columns` names all of these."""
        self.categories = categories
        pairs = [name for name, one in zip(self.categorical_columns, categories, strict=True) if one.is_pair]
        numbers, places = [*self.numeric_columns, *pairs], {name: k for k, name in enumerate(self.column_types)}
        self.number_order = np.argsort([places[name] for name in numbers]) if pairs else None
        self.scaled_columns = sorted(numbers, key=places.__getitem__)

    def _dense(self, numbers: np.ndarray, levels: Sequence[np.ndarray]) -> np.ndarray:
        numbers = insert_pairs(numbers, self.categories, levels, self.number_order)
        parts = [self.scale.apply(numbers), np.isnan(numbers[:, self.gaps]).astype(np.float32)]
        for category, cells in zip(self.categories, levels, strict=True):
            if not category.is_pair:
                parts.append(category.one_hot(cells, self.level_size))
        return np.concatenate(parts, axis=1)


def _append_columns(blocks: dict[str, Any], name: str, columns: Any) -> None:
    """Append columns to a dense block, or begin a block with them."""
    blocks[name] = np.concatenate([blocks[name], columns], axis=1) if name in blocks else columns
