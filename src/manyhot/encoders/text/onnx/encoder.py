"""Encoder for one column of text by a pretrained model in ONNX, which a saved file holds if it is told to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from manyhot import validation
from manyhot.config.text import MAX_TOKENS, ONNX, ONNX_POOLS
from manyhot.encoders.text.custom import CachedTextFunction, FunctionEncoder
from manyhot.encoders.text.onnx.folder import TextModelFiles
from manyhot.encoders.text.onnx.function import OnnxTextFunction
from manyhot.encoders.text.onnx.settings import TextModelSettings
from manyhot.errors import InputError

MAX_PROBES, MAX_PROBE = 16, 200  # sentences on which a model is tried, and their characters
_FILES = ("model", "tokenizer")  # arrays of a file that holds the model


class OnnxEncoder(FunctionEncoder):
    """Encode texts by a model in ONNX, scaled as numbers of a table are."""

    kind = ONNX
    what, hand_over = "a model in ONNX", "'FOLDER'"
    shared_arrays = FunctionEncoder.shared_arrays | {*_FILES}
    _spec_keys = FunctionEncoder._spec_keys | {"pool", "max_tokens", "settings"}

    def __init__(
        self, model: str = "", pool: str = ONNX_POOLS[0], max_tokens: int = 0, cache: bool = True, embed: bool = False
    ) -> None:
        super().__init__(Path(model).name, cache)
        self.pool, self.max_tokens, self.embed = pool, max_tokens, embed
        self._files: TextModelFiles | None = None  # out of a saved file

    def own_function(self) -> CachedTextFunction | None:
        """Return the function of the model that the saved file holds; None where it holds none."""
        if self._files is None:
            return None
        return cached_function(OnnxTextFunction(self._files), self.name, self.cache)

    def open_folder(self, path: str) -> CachedTextFunction:
        """Open the model in a folder with the settings of training."""
        return cached_function(OnnxTextFunction.from_folder(path, self.pool, self.max_tokens), self.name, self.cache)

    def to_spec(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Describe the state as `FunctionEncoder.to_spec` does; with `embed` also model and tokenizer, uint8."""
        spec, arrays = super().to_spec()
        spec |= {"pool": self.pool, "max_tokens": self.max_tokens, "settings": None}
        function = None if self.features is None else self.features.function
        files = function.files if isinstance(function, OnnxTextFunction) else self._files
        if not self.embed or files is None:
            return spec, arrays
        return {**spec, "settings": files.settings.to_spec()}, {**arrays, **{k: getattr(files, k) for k in _FILES}}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild what `to_spec` described, but for the model; everything is checked here as if it were hostile."""
        files = {name: arrays[name] for name in _FILES if name in arrays}
        encoder = super().from_spec(spec, {name: array for name, array in arrays.items() if name not in files})
        if len(spec["probe"]) > MAX_PROBES or any(len(sentence) > MAX_PROBE for sentence in spec["probe"]):
            raise InputError(f"expected {MAX_PROBES} sentences of {MAX_PROBE} characters at most", argument="probe")
        encoder.pool = validation.one_of(ONNX_POOLS, pool=spec["pool"])
        encoder.max_tokens = validation.integer(max_tokens=spec["max_tokens"], low=0, high=MAX_TOKENS)
        encoder.embed = spec["settings"] is not None
        if len(files) != (len(_FILES) if encoder.embed else 0):
            raise InputError("a text model is not there as a whole: its file, its tokenizer, its settings")
        for name, array in files.items():
            if array.dtype != np.uint8 or array.ndim != 1:
                raise InputError(f"the {name} of texts has shape {array.shape} and type {array.dtype}")
        if encoder.embed:
            encoder._files = TextModelFiles(**files, settings=TextModelSettings.from_spec(spec["settings"]))
        return encoder


def cached_function(function: OnnxTextFunction, name: str, is_cached: bool) -> CachedTextFunction:
    """Return the function of a model, its features cached by what model, tokenizer and settings are."""
    return CachedTextFunction(function, name, is_cached, function.digest)
