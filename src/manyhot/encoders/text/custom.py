"""Encoder for one column of text by a function of the user's; a saved file never holds the function."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from manyhot import validation
from manyhot.config.text import CUSTOM_TEXT, PRETRAINED
from manyhot.encoders.feature_cache import FeatureCache, content_key
from manyhot.encoders.text.base import MAX_WIDTH, ScaledTextEncoder
from manyhot.errors import InputError
from manyhot.files import cache_folder

# a list of k texts -> array (k, d) of finite numbers, d the same in every call
TextFunction = Callable[[list[str]], Any]

# sentences by whose features a function is recognised
PROBE = (
    "",
    "The quick brown fox jumps over the lazy dog.",
    "Grüße, ça va? 😀",
    "שלום עולם 你好 привет",
    "1, 2, 3: 4.5%",
)
CALL_TEXTS = 1024  # texts in one call of a function at most
TOLERANCE = 1e-3  # how far, beside the largest number, features of the same sentences may be apart on two machines


class CachedTextFunction:
    """A function of texts whose features are checked, and cached by its name, those of the probe, and the text."""

    def __init__(self, function: TextFunction, name: str = "", is_cached: bool = True, variant: str = "") -> None:
        if not callable(function):
            raise InputError(
                f"got {validation.shorten(function)}, expected the name of a way or a function (texts) -> array (n, d)",
                argument="text",
            )
        self.function = function
        self.name = name or _qualified_name(function)
        self.probe = self._call(list(PROBE))
        cache_key = f"{self.name}\n{variant}\n{self.probe.shape}\n".encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(cache_key + self.probe.tobytes()).hexdigest()
        self._cache = FeatureCache(cache_folder() / "texts" / digest[:32] if is_cached else None, self.width)

    @property
    def width(self) -> int:
        """Features of a text, d."""
        return self.probe.shape[1]

    def extract(self, texts: Sequence[str]) -> np.ndarray:
        """Compute features of n texts, float32 (n, d); distinct texts are computed once."""
        keys = [content_key(text) for text in texts]
        return self._cache.extract(keys, lambda rows: self._call([texts[k] for k in rows]), CALL_TEXTS)

    def _call(self, texts: list[str]) -> np.ndarray:
        width = self.probe.shape[1] if hasattr(self, "probe") else None
        with np.errstate(over="ignore"):
            rows = np.asarray(self.function(list(texts)))
            is_valid = rows.dtype.kind in "biuf" and rows.ndim == 2 and len(rows) == len(texts)
            if not is_valid or not 1 <= rows.shape[1] <= MAX_WIDTH or (width and rows.shape[1] != width):
                raise InputError(
                    f"the function {self.name} gave {rows.dtype} values of shape {rows.shape} for {len(texts)} texts, "
                    f"expected numbers of shape ({len(texts)}, {width or 'd'})",
                    argument="text",
                )
            rows = np.ascontiguousarray(rows, dtype=np.float32)
        if not np.isfinite(rows).all():
            row_index = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise InputError(
                f"the function {self.name} gave NaN or infinity for the text "
                f"{validation.shorten(texts[row_index], 80)}, "
                "expected finite numbers",
                argument="text",
            )
        return rows


class FunctionEncoder(ScaledTextEncoder):
    """Encode texts by a function, scaled as numbers of a table are."""

    kind = CUSTOM_TEXT
    shared_arrays = frozenset({"probe"})
    what, hand_over = "a function", "function"
    _spec_keys = frozenset({"kind", "name", "cache", "probe"})

    def __init__(self, name: str = "", cache: bool = True) -> None:
        self.name, self.cache = name, cache
        self.features: CachedTextFunction | None = None
        self._sentences: Sequence[str] = PROBE
        self._probe: np.ndarray | None = None

    def attach(self, function: TextFunction | CachedTextFunction) -> CachedTextFunction:
        """Attach the function; after `from_spec` it must compute the features of the probe that it had in training."""
        if not isinstance(function, CachedTextFunction):
            function = CachedTextFunction(function, self.name, self.cache)
        if self._probe is None:
            self._probe = function.probe
        else:
            self._check_probe(function.extract(self._sentences), self._probe)
        self.features, self.name = function, function.name
        return function

    def _check_probe(self, probe: np.ndarray, expected: np.ndarray) -> None:
        if probe.shape != expected.shape:
            difference = f"{probe.shape[1]} numbers a text, {expected.shape[1]}"
        else:
            max_difference = float(np.abs(probe - expected).max())
            if max_difference <= TOLERANCE * float(np.abs(expected).max()):
                return
            difference = f"numbers that are up to {max_difference:.2g} away from those"
        raise InputError(
            f"the function gives {difference} of training ({self.name}); hand over the one that the model was "
            "trained with",
            argument="text",
        )

    def to_spec(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Describe the state as JSON values and arrays: center, scale float64 (d,), probe float32 (sentences, d)."""
        assert self._probe is not None
        spec = {"kind": self.kind, "name": self.name, "cache": self.cache, "probe": list(self._sentences)}
        return spec, {"center": self.scale.center, "scale": self.scale.scale, "probe": self._probe}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild what `to_spec` described, but for the function; everything is checked here as if it were hostile."""
        if set(spec) != cls._spec_keys or set(arrays) != {"center", "scale", "probe"}:
            raise InputError(f"texts by a function are described otherwise than by {validation.shorten(sorted(spec))}")
        sentences, name, probe = spec["probe"], spec["name"], arrays["probe"]
        is_list = isinstance(sentences, list) and all(isinstance(sentence, str) for sentence in sentences)
        if not is_list or not sentences:
            raise InputError(f"got {validation.shorten(sentences)}, expected a list of sentences", argument="probe")
        if not isinstance(name, str):
            raise InputError(f"got {validation.shorten(name)}, expected a name", argument="name")
        encoder = cls(cache=validation.boolean(cache=spec["cache"]))
        encoder._restore_scale(arrays)
        if probe.dtype != np.float32 or probe.shape != (len(sentences), encoder.width) or not np.isfinite(probe).all():
            raise InputError("the probe of a function of texts has another shape than its sentences")
        encoder.name, encoder._sentences, encoder._probe = name, tuple(sentences), probe
        return encoder

    def _extract(self, texts: list[str]) -> np.ndarray:
        if self.features is None:
            raise InputError(
                f"texts became numbers by {self.what} ({self.name}), which a file does not hold; hand it over: "
                f"load(path, text={self.hand_over})",
                argument="text",
            )
        return self.features.extract(texts)


class PretrainedEncoder(FunctionEncoder):
    """Encode texts by a pretrained transformer, which the caller opens and attaches."""

    kind = PRETRAINED
    what, hand_over = "a pretrained transformer", "'FOLDER'"
    _spec_keys = FunctionEncoder._spec_keys | {"max_tokens"}

    def __init__(self, preset: str = "", max_tokens: int = 128, cache: bool = True) -> None:
        super().__init__(Path(preset).name, cache)
        self.max_tokens = max_tokens

    def to_spec(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Describe the state as `FunctionEncoder.to_spec` does, with `max_tokens`."""
        spec, arrays = super().to_spec()
        return {**spec, "max_tokens": self.max_tokens}, arrays

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild what `to_spec` described, but for the transformer."""
        encoder = super().from_spec(spec, arrays)
        encoder.max_tokens = validation.integer(max_tokens=spec["max_tokens"], low=4, high=4096)
        return encoder


def _qualified_name(function: Any) -> str:
    owner = function if hasattr(function, "__qualname__") else type(function)
    return f"{owner.__module__}.{owner.__qualname__}"
