"""Encoder for a table with a kind per column: numbers, booleans and categories in a dense block, texts as their kind.

Numbers are scaled, booleans are numbers, a category has one column a level; what a text becomes is `texts.py`'s. What a
column is was settled before; nothing here sees a label. Start reading at `TableEncoder`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot.config.text import NGRAMS
from manyhot.encoders.feature_sources import FeatureSources, grouped
from manyhot.encoders.images.columns import ImageColumns
from manyhot.encoders.images.encoder import InvalidImages
from manyhot.encoders.scaling import Scale, fit_scale, row_weights
from manyhot.encoders.text.columns import TEXT_BLOCK, TextColumns
from manyhot.encoders.text.text_input import Texts
from manyhot.encoders.text.word_shares import WordAttribution
from manyhot.errors import InputError
from manyhot.validation import did_you_mean

BLOCK = "features"
MAX_LEVELS = 1000
"""Levels of one categorical column that get a column of their own; the rarer ones share one."""
MIN_ROWS = 2
"""Rows a level needs for a column of its own."""
USED_KINDS = ("numeric", "boolean", "categorical", "text", "image")


class TableEncoder:
    """Encodes a polars frame by the kinds of its columns; columns of other kinds are left out.

    A level seen only once, and a missing one, falls into a shared column of its variable; a level never seen in
    training falls there too, or becomes all zeros when training had no such row.

    Args:
        kinds: Column name -> kind, in the order in which the columns are encoded.
        text: How texts become numbers, a key of `text_kinds.TEXT_KINDS`.
        text_settings: Settings of that by name, for every text column; None for its defaults.
        image_settings: Settings of images by name, for every column of images; None for their defaults.

    Raises:
        InputError: No column that can be used, or a setting that does not exist or is out of its range.
    """

    kind = "table"

    def __init__(
        self,
        kinds: Mapping[str, str],
        text: str = NGRAMS,
        text_settings: Mapping[str, Any] | None = None,
        image_settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.kinds = dict(kinds)
        self.numbers = [name for name, kind in self.kinds.items() if kind in ("numeric", "boolean")]
        self.categories = [name for name, kind in self.kinds.items() if kind == "categorical"]
        self.text_columns = [name for name, kind in self.kinds.items() if kind == "text"]
        self.image_columns = [name for name, kind in self.kinds.items() if kind == "image"]
        self.looks = ImageColumns(self.image_columns, image_settings)
        self.texts = TextColumns(len(self.text_columns), text, text_settings)
        if not (self.numbers or self.categories or self.text_columns or self.image_columns):
            raise InputError(
                f"no column can be used: {len(self.kinds)} columns, none of kind {', '.join(USED_KINDS)}; "
                "say what a column is with kinds={'NAME': 'numeric'} (--kind NAME=numeric)"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in the order of `kinds`."""
        return tuple(self.kinds)

    @property
    def sparse(self) -> frozenset[str]:
        """The blocks that are CSR."""
        return frozenset({TEXT_BLOCK} if self.text_columns and self.texts.block == TEXT_BLOCK else ())

    @property
    def vocabularies(self) -> dict[str, int]:
        """Name of a block of numbers of words -> how many different numbers there are, 0 among them."""
        return self.texts.vocabularies if self.text_columns else {}

    @property
    def images(self) -> dict[str, dict[str, list[float]]]:
        """Name of a block of images -> mean and deviation of each channel, where 1 is white."""
        found = zip(self.looks.blocks, self.looks.encoders, strict=False)
        return {name: {"mean": one.mean, "deviation": one.deviation} for name, one in found}

    def opened(self, features: pl.DataFrame) -> tuple[pl.DataFrame, InvalidImages]:
        """The frame with its images decoded, for `transform`, and the rows whose images cannot be used."""
        return self.looks.opened(features)

    def fit(self, features: pl.DataFrame, weights: np.ndarray | None = None) -> TableEncoder:
        """Learn centres, scales, levels and terms.

        Args:
            features: The frame; more columns than `kinds` names are allowed.
            weights: float (n,), above 0; None for ones.

        Returns:
            Itself.

        Raises:
            InputError: A cell that is no number in a column of numbers, or a text column without any text.
        """
        weights = row_weights(weights, len(features))
        numbers = self._numbers(features)
        self.scale = fit_scale(numbers, weights)
        self.gaps = np.flatnonzero(np.isnan(numbers).any(axis=0))
        self.levels: list[list[str]] = []
        self.has_rest: list[bool] = []
        for name in self.categories:
            cells = _as_text(features[name])
            found, inverse = np.unique(cells, return_inverse=True)
            counts = np.bincount(inverse, weights=weights, minlength=len(found))
            is_level = (counts >= MIN_ROWS) & (found != "")
            chosen = np.flatnonzero(is_level)
            chosen = chosen[np.argsort(-counts[chosen], kind="stable")][:MAX_LEVELS]
            self.levels.append(sorted(str(level) for level in found[chosen]))
            self.has_rest.append(len(chosen) < len(found))
        self.texts.fit([_cells(features[name]) for name in self.text_columns], weights)
        self.looks.fit(features, weights)
        return self

    def transform(self, features: pl.DataFrame) -> dict[str, np.ndarray | sp.csr_matrix]:
        """Blocks: "features", float32 (n, f), where there are other columns than texts, and that of the texts.

        The block of the texts is "text", CSR float32 (n, v), or "words", int32 (n, length), or, where they become a few
        numbers, "features" again. Images are uint8 (n, h, w, c), in "image", "image_1" and so on, or what a backbone
        makes of them, in "features".

        Raises:
            InputError: A column that is missing, or a cell that is no number in a column of numbers.
        """
        needed = self.numbers + self.categories + self.text_columns + self.image_columns
        missing = [name for name in needed if name not in features.columns]
        if missing:
            hints = "".join(did_you_mean(name, features.columns) for name in missing[:1])
            raise InputError(f"columns that training had are missing: {', '.join(missing)}{hints}")
        texts = [_cells(features[name]) for name in self.text_columns]
        levels = [_as_text(features[name]) for name in self.categories]
        images = [features[name] for name in self.image_columns]
        return self.transform_cells(self._numbers(features), levels, texts, images)

    def transform_cells(
        self,
        numbers: np.ndarray,
        levels: Sequence[np.ndarray],
        texts: Sequence[Texts] = (),
        images: Sequence[pl.Series] = (),
    ) -> dict[str, np.ndarray | sp.csr_matrix]:
        """As `transform`, of cells that are in form already, so that a single row needs no frame.

        Args:
            numbers: float64 (n, k), finite or NaN for missing, in the order of `numbers`; true is 1.
            levels: Text (n,) for each of `categories`, "" for missing.
            texts: n texts for each of `text_columns`, None for missing.
            images: n images for each of `image_columns`.

        Raises:
            InputError: An image that cannot be used.
        """
        blocks: dict[str, Any] = {}
        if self.numbers or self.categories:
            blocks[BLOCK] = self._dense(numbers, levels)
        if self.text_columns:
            rows = self.texts.transform(texts)
            beside = blocks.get(self.texts.block)
            blocks[self.texts.block] = rows if beside is None else np.concatenate([beside, rows], axis=1)
        pixels, seen = self.looks.transform(images)
        return blocks | pixels if seen is None else _beside(blocks, seen)

    def looked_at(self, blocks: Mapping[str, Any]) -> dict[str, Any]:
        """Blocks with pixels -> the blocks that a backbone that stays as it is would have made."""
        pixels = [blocks[name] for name in self.looks.blocks]
        return _beside(
            {name: one for name, one in blocks.items() if name not in self.looks.blocks}, self.looks.numbers(pixels)
        )

    def sources(
        self, features: pl.DataFrame, blocks: Mapping[str, np.ndarray | sp.csr_matrix]
    ) -> Iterator[FeatureSources]:
        """What the inputs of each row come from: numbers by name, categories with their level, words of n-grams, other
        texts as a whole.

        Args:
            features: The frame, n rows.
            blocks: What `transform` made of them.

        Returns:
            The sources of each row in turn; texts after all other columns.

        Raises:
            InputError: Texts whose words have vectors that the network learns, which have no gradient to follow.
        """
        if self.image_columns:
            raise InputError("single pixels have no names to give as reasons", argument="X")
        if self.texts.vocabularies:
            raise InputError(
                "words with learned vectors cannot be given as reasons; train with text='ngrams' to have them",
                argument="X",
            )
        return self._sources(features)

    def _sources(self, features: pl.DataFrame) -> Iterator[FeatureSources]:
        names = self.numbers + self.categories
        missing = np.isnan(self._numbers(features)) if self.numbers else np.zeros((len(features), 0), dtype=bool)
        levels = [_as_text(features[name]) for name in self.categories]
        cells = [_cells(features[name]).to_list() for name in self.text_columns]
        for row in range(len(features)):
            what = [f"{name} = missing" if gap else name for name, gap in zip(self.numbers, missing[row], strict=True)]
            what += [f"{name} = {of[row] or 'missing'}" for name, of in zip(self.categories, levels, strict=True)]
            found = self.texts.shares([column[row] for column in cells])
            owners = [name for name, one in zip(self.text_columns, found, strict=True) for _ in one.words]
            what += [word or name for name, one in zip(self.text_columns, found, strict=True) for word in one.words]
            texts = {
                name: column[row]
                for name, column, one in zip(self.text_columns, cells, found, strict=True)
                if column[row] and all(one.words)
            }
            yield FeatureSources(what, [*names, *owners], self._shares(found), texts)

    def _shares(self, found: Sequence[WordAttribution]) -> dict[str, sp.csr_matrix]:
        """Which source each input of a row belongs to, in the blocks that `transform` makes."""
        n_own, n_texts = len(self.numbers) + len(self.categories), sum(len(one.words) for one in found)
        levels = [len(levels) + rest for levels, rest in zip(self.levels, self.has_rest, strict=True)]
        of_levels = np.repeat(np.arange(len(levels)) + len(self.numbers), levels)
        owners = np.concatenate([np.arange(len(self.numbers)), self.gaps, of_levels])
        shares = {BLOCK: grouped(owners, n_own + n_texts)} if n_own else {}
        if found:
            above = sp.csr_matrix((n_own, sum(one.shares.shape[1] for one in found)))
            below = sp.vstack([above, sp.block_diag([one.shares for one in found])], format="csr")
            beside = shares.get(self.texts.block)
            shares[self.texts.block] = below if beside is None else sp.hstack([beside, below], format="csr")
        return shares

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one row of each block."""
        n_levels = sum(len(levels) + rest for levels, rest in zip(self.levels, self.has_rest, strict=True))
        shapes: dict[str, tuple[int, ...]] = {}
        if self.numbers or self.categories:
            shapes[BLOCK] = (len(self.numbers) + len(self.gaps) + n_levels,)
        if self.text_columns:
            beside = shapes.get(self.texts.block, (0,))[0]
            shapes[self.texts.block] = (beside + self.texts.width,)
        if self.looks.width:
            shapes[BLOCK] = (shapes.get(BLOCK, (0,))[0] + self.looks.width,)
        return shapes | dict(zip(self.looks.blocks, (one.shape for one in self.looks.encoders), strict=False))

    def to_spec(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The state as JSON values and arrays; "text" is there where text columns are, their arrays are "text.<k>."."""
        spec: dict[str, Any] = {
            "kind": self.kind,
            "columns": list(self.kinds),
            "kinds": list(self.kinds.values()),
            "categories": [{"levels": levels} for levels in self.levels],
            "has_rest": [int(rest) for rest in self.has_rest],
        }
        arrays = {"center": self.scale.center, "scale": self.scale.scale, "gaps": self.gaps}
        if self.text_columns:
            spec["text"], text_arrays = self.texts.to_spec()
            arrays |= {f"text.{name}": array for name, array in text_arrays.items()}
        if self.image_columns:
            spec["images"], image_arrays = self.looks.to_spec()
            arrays |= image_arrays
        return spec, arrays

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> TableEncoder:
        """The encoder that `to_spec` described.

        Args:
            spec: JSON values; the caller has checked types and sizes, but for "text", which is checked here. Text
                columns without it, as written before texts were encoded, are left out.
            arrays: The arrays; the caller has checked them, but for those of texts ("text."), which are checked here.

        Raises:
            InputError: Texts that `to_spec` would not have written.
        """
        kinds = dict(zip(spec["columns"], spec["kinds"], strict=True))
        if "text" not in spec:
            kinds = {name: "ignored" if kind == "text" else kind for name, kind in kinds.items()}
        if "images" not in spec:
            kinds = {name: "ignored" if kind == "image" else kind for name, kind in kinds.items()}
        encoder = cls(kinds)
        texts = {name.removeprefix("text."): array for name, array in arrays.items() if name.startswith("text.")}
        encoder.texts = TextColumns.from_spec(spec.get("text", []), texts, len(encoder.text_columns))
        encoder.looks = ImageColumns.from_spec(encoder.image_columns, spec.get("images", []), arrays)
        encoder.levels = [list(category["levels"]) for category in spec["categories"]]
        encoder.has_rest = [bool(rest) for rest in spec["has_rest"]]
        encoder.scale = Scale(arrays["center"], arrays["scale"])
        encoder.gaps = arrays["gaps"]
        return encoder

    def _dense(self, numbers: np.ndarray, levels: Sequence[np.ndarray]) -> np.ndarray:
        parts = [self.scale.apply(numbers), np.isnan(numbers[:, self.gaps]).astype(np.float32)]
        for cells, known, has_rest in zip(levels, self.levels, self.has_rest, strict=True):
            parts.append(_one_hot(cells, known, has_rest))
        return np.concatenate(parts, axis=1)

    def _numbers(self, features: pl.DataFrame) -> np.ndarray:
        if not self.numbers:  # a frame of no columns has no rows either
            return np.zeros((len(features), 0))
        schema = features.schema
        if all(name in schema and (schema[name].is_numeric() or schema[name] == pl.Boolean) for name in self.numbers):
            # all at once where nothing is text: for a few rows, the columns one by one would take most of the time
            matrix = features.select(pl.col(self.numbers).cast(pl.Float64)).to_numpy()
            if not np.isinf(matrix).any():
                return matrix
        result = np.full((len(features), len(self.numbers)), np.nan)
        for j, name in enumerate(self.numbers):
            if name in features.columns:
                result[:, j] = _as_numbers(features[name])
        return result


def _beside(blocks: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
    """Blocks with further numbers at the end of the dense one."""
    dense = blocks.get(BLOCK)
    return {**blocks, BLOCK: rows if dense is None else np.concatenate([dense, rows], axis=1)}


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


def _cells(column: pl.Series) -> pl.Series:
    """Cells as text; 1 and 1.0 are one text."""
    if column.dtype.is_float():
        whole = column.round(0)
        if bool(((whole == column) | column.is_null() | column.is_nan()).all()):
            column = column.fill_nan(None).cast(pl.Int64)
    return column.cast(pl.String)


def _as_text(column: pl.Series) -> np.ndarray:
    """Levels as text, missing ones as the empty text."""
    return _cells(column).fill_null("").to_numpy().astype(str)


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
