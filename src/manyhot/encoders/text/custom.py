"""Encoder for one column of text by a function of the user's; a saved file never holds the function."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from manyhot import validation
from manyhot.config.text import CUSTOM_TEXT, PRETRAINED
from manyhot.encoders.feature_cache import FeatureCache, content_key
from manyhot.encoders.scaling import Scale, fit_scale, row_weights
from manyhot.encoders.text.text_input import Texts, to_text_list, training_texts
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
MAX_WIDTH = 100_000
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
        distinct = list(dict.fromkeys(texts))
        features = dict(zip(distinct, self._cache.find([content_key(text) for text in distinct]), strict=True))
        missing = [text for text, row in features.items() if row is None]
        for start in range(0, len(missing), CALL_TEXTS):
            batch = missing[start : start + CALL_TEXTS]
            rows = self._call(batch)
            self._cache.add([content_key(text) for text in batch], rows)
            features |= dict(zip(batch, rows, strict=True))
        result = np.empty((len(texts), self.width), dtype=np.float32)
        for row_index, text in enumerate(texts):
            result[row_index] = features[text]
        return result

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


Restored = TypeVar("Restored", bound="FunctionEncoder")


class FunctionEncoder:
    """Encode texts by a function, scaled as numbers of a table are."""

    kind = CUSTOM_TEXT
    block = "features"
    shared_arrays = frozenset({"probe"})
    what, hand_over = "a function", "function"

    def __init__(self, name: str = "", cache: bool = True) -> None:
        self.name, self.cache = name, cache
        self.features: CachedTextFunction | None = None
        self._sentences: Sequence[str] = PROBE
        self._probe: np.ndarray | None = None

    def attach(self, function: TextFunction | CachedTextFunction) -> None:
        """Attach the function; after `from_spec` it must compute the features of the probe that it had in training."""
        features = (
            function
            if isinstance(function, CachedTextFunction)
            else CachedTextFunction(function, self.name, self.cache)
        )
        if self._probe is not None:
            probe_features = features.extract(self._sentences)
            if probe_features.shape != self._probe.shape:
                difference = f"{probe_features.shape[1]} numbers a text, {self._probe.shape[1]}"
            else:
                max_difference = float(np.abs(probe_features - self._probe).max())
                difference = f"numbers that are up to {max_difference:.2g} away from those"
                if max_difference <= TOLERANCE * float(np.abs(self._probe).max()):
                    difference = ""
            if difference:
                raise InputError(
                    f"the function gives {difference} of training ({self.name}); hand over the one that the model was "
                    "trained with",
                    argument="text",
                )
        self.features, self.name = features, features.name
        if self._probe is None:
            self._probe = features.probe

    def fit(self, texts: Texts, weights: np.ndarray | None = None) -> FunctionEncoder:
        """Learn the centre and scale of each feature; missing texts are empty."""
        rows = self._extract(training_texts(texts))
        self.scale = fit_scale(rows, row_weights(weights, len(rows)))
        return self

    def transform(self, texts: Texts) -> np.ndarray:
        """Encode n texts as float32 (n, d), in (-3, 3)."""
        return self.scale.apply(self._extract(to_text_list(texts)))

    @property
    def width(self) -> int:
        """Width of a row, d."""
        return len(self.scale.center)

    def to_spec(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Describe the state as JSON values and arrays: center, scale float64 (d,), probe float32 (sentences, d)."""
        assert self._probe is not None
        spec = {"kind": self.kind, "name": self.name, "cache": self.cache, "probe": list(self._sentences)}
        return spec, {"center": self.scale.center, "scale": self.scale.scale, "probe": self._probe}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> FunctionEncoder:
        """Rebuild what `to_spec` described, but for the function; everything is checked here as if it were hostile."""
        spec_keys = {"kind", "name", "cache", "probe"}
        return cls(str(spec.get("name")), validation.boolean(cache=spec.get("cache")))._restore(spec, arrays, spec_keys)

    def _restore(
        self: Restored, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray], spec_keys: set[str]
    ) -> Restored:
        if set(spec) != spec_keys or set(arrays) != {"center", "scale", "probe"}:
            raise InputError(f"texts by a function are described otherwise than by {validation.shorten(sorted(spec))}")
        sentences = spec["probe"]
        if (
            not isinstance(sentences, list)
            or not sentences
            or not all(isinstance(sentence, str) for sentence in sentences)
        ):
            raise InputError(f"got {validation.shorten(sentences)}, expected a list of sentences", argument="probe")
        if not isinstance(spec["name"], str):
            raise InputError(f"got {validation.shorten(spec['name'])}, expected a name", argument="name")
        self.scale = validate_scale(arrays["center"], arrays["scale"])
        probe = arrays["probe"]
        if probe.dtype != np.float32 or probe.shape != (len(sentences), self.width) or not np.isfinite(probe).all():
            raise InputError("the probe of a function of texts has another shape than its sentences")
        self._sentences, self._probe = tuple(sentences), probe
        return self

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

    def __init__(self, preset: str = "", max_tokens: int = 128, cache: bool = True) -> None:
        super().__init__(Path(preset).name, cache)
        self.max_tokens = max_tokens

    def to_spec(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Describe the state as `FunctionEncoder.to_spec` does, with `max_tokens`."""
        spec, arrays = super().to_spec()
        return {**spec, "max_tokens": self.max_tokens}, arrays

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> PretrainedEncoder:
        """Rebuild what `to_spec` described, but for the transformer."""
        encoder = cls(cache=validation.boolean(cache=spec.get("cache")))
        encoder.name = str(spec.get("name"))
        encoder.max_tokens = validation.integer(max_tokens=spec.get("max_tokens"), low=4, high=4096)
        return encoder._restore(spec, arrays, {"kind", "name", "cache", "probe", "max_tokens"})


def validate_scale(center: np.ndarray, scale: np.ndarray) -> Scale:
    """Check centres and scales out of a file: finite float64 (d,), scales above 0."""
    for array in (center, scale):
        if array.dtype != np.float64 or array.ndim != 1 or not np.isfinite(array).all():
            raise InputError("centres and scales of texts are not finite float64 numbers in one row")
    if len(center) != len(scale) or not 1 <= len(center) <= MAX_WIDTH or (scale < np.finfo(float).tiny).any():
        raise InputError("centres and scales of texts do not fit each other")
    return Scale(center, scale)


def _qualified_name(function: Any) -> str:
    owner = function if hasattr(function, "__qualname__") else type(function)
    return f"{owner.__module__}.{owner.__qualname__}"
