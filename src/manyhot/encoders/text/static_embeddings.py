"""Encoder for one column of text by static embeddings (files of Model2Vec): the mean of fixed vectors of its tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from manyhot import validation
from manyhot.config.text import STATIC
from manyhot.encoders.text.base import ScaledTextEncoder, import_extra
from manyhot.encoders.text.text_input import Texts
from manyhot.encoders.text.tokenizer_file import open_tokenizer, try_tokenizer
from manyhot.errors import InputError, panics_become

DEFAULT_MAX_TOKENS = 512  # pieces of a text that are looked at where the config says nothing, as in Model2Vec
MAX_TOKENS = 10_000_000
CALL_TEXTS = 1024
FILES = ("model.safetensors", "tokenizer.json", "config.json")
# name -> axes and kind of numbers
_ARRAYS = {"vectors": (2, "f"), "tokenizer": (1, "u"), "weights": (1, "f"), "mapping": (1, "i")}


class StaticEncoder(ScaledTextEncoder):
    """Encode texts as the mean of their tokens' vectors, scaled as numbers of a table are."""

    # Source: Tulkens, van Dongen (2024), Model2Vec 0.10, `StaticModel.encode`, but sums in float64, a text at a time
    # a saved model holds vectors and tokenizer, so that it predicts where the folder is not

    kind = STATIC
    shared_arrays = frozenset(_ARRAYS)

    def __init__(self, model: str = "") -> None:
        self.model = model

    def fit(self, texts: Texts, weights: np.ndarray | None = None) -> Self:
        """Read the files, and learn the centre and scale of each feature."""
        self._arrays, self._normalize, self._max_tokens = _read_model(self.model)
        self._build_tokenizer()
        return super().fit(texts, weights)

    def to_spec(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Describe the state as JSON values and arrays: center, scale, and what was read (the tokenizer in UTF-8)."""
        settings = {"model": self.model, "normalize": self._normalize, "max_tokens": self._max_tokens}
        return {"kind": self.kind, **settings}, {"center": self.scale.center, "scale": self.scale.scale, **self._arrays}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild what `to_spec` described; JSON values and arrays are checked here as if they were hostile."""
        if set(spec) != {"kind", "model", "normalize", "max_tokens"} or not isinstance(spec["model"], str):
            raise InputError(f"static embeddings are described otherwise than by {validation.shorten(spec)}")
        if not {"center", "scale", "vectors", "tokenizer"} <= set(arrays) <= {"center", "scale", *_ARRAYS}:
            raise InputError(f"static embeddings have other arrays than {validation.shorten(sorted(arrays))}")
        encoder = cls(spec["model"])
        encoder._normalize = validation.boolean(normalize=spec["normalize"])
        encoder._max_tokens = validation.integer(max_tokens=spec["max_tokens"], low=1, high=MAX_TOKENS)
        encoder._restore_scale(arrays)
        encoder._arrays = {name: arrays[name] for name in _ARRAYS if name in arrays}
        encoder._build_tokenizer()
        if encoder._arrays["vectors"].shape[1] != encoder.width:
            raise InputError("the vectors of words have another width than their scales")
        return encoder

    def __reduce__(self) -> tuple[Any, ...]:  # a copy builds its tokenizer anew
        is_fitted = hasattr(self, "scale")
        return (StaticEncoder.from_spec, self.to_spec()) if is_fitted else (StaticEncoder, (self.model,))

    def _build_tokenizer(self) -> None:
        """Check what was read, and build the tokenizer."""
        for name, array in self._arrays.items():
            axes, letter = _ARRAYS[name]
            is_bytes = name == "tokenizer" and array.dtype != np.uint8
            if array.ndim != axes or array.dtype.kind != letter or is_bytes or not len(array):
                raise InputError(f"the {name} of static embeddings have shape {array.shape} and type {array.dtype}")
            if letter == "f" and not np.isfinite(array).all():
                raise InputError(f"the {name} of static embeddings hold NaN or infinity")
        self._tokenizer, self._unknown_id = open_tokenizer(_import_extra("tokenizers"), self._arrays["tokenizer"])
        self._tokenizer.enable_truncation(self._max_tokens)
        pieces = self._tokenizer.get_vocab(with_added_tokens=True)
        n_tokens = max(pieces.values(), default=-1) + 1
        self._max_characters = self._max_tokens * max(int(np.median([len(one) for one in pieces] or [1])), 1)
        mapping, n_vectors = self._arrays.get("mapping"), len(self._arrays["vectors"])
        sizes = {name: len(array) for name, array in self._arrays.items() if name in ("weights", "mapping")}
        if mapping is None:
            sizes["vectors"] = n_vectors
        elif mapping.min() < 0 or mapping.max() >= n_vectors:
            raise InputError(f"the mapping of static embeddings points beyond {n_vectors} vectors")
        for name, size in sizes.items():
            if size < n_tokens:
                raise InputError(f"there are {size} {name} for the {n_tokens} pieces of words of the tokenizer")
        try_tokenizer(self._tokenizer, n_tokens)

    def _extract(self, texts: list[str]) -> np.ndarray:
        result = np.zeros((len(texts), self._arrays["vectors"].shape[1]), dtype=np.float32)
        for start in range(0, len(texts), CALL_TEXTS):
            batch = [text[: self._max_characters] for text in texts[start : start + CALL_TEXTS]]
            batch = [text.encode("utf-8", "replace").decode() for text in batch]
            with panics_become(InputError):
                encodings = self._tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            for row_index, encoding in enumerate(encodings, start):
                token_ids = np.asarray(encoding.ids, dtype=np.int64)
                result[row_index] = self._mean(token_ids[token_ids != self._unknown_id])
        return result

    def _mean(self, token_ids: np.ndarray) -> np.ndarray:
        vectors, mapping, weights = (self._arrays.get(name) for name in ("vectors", "mapping", "weights"))
        assert vectors is not None
        if not len(token_ids):
            return np.zeros(vectors.shape[1])
        token_vectors = vectors[token_ids if mapping is None else mapping[token_ids]].astype(np.float64)
        if weights is not None:
            token_vectors *= weights[token_ids].astype(np.float64)[:, None]
        mean: np.ndarray = token_vectors.mean(axis=0)
        return mean / (np.sqrt(np.square(mean).sum()) + 1e-32) if self._normalize else mean


def _read_model(model: str) -> tuple[dict[str, np.ndarray], bool, int]:
    """Read the arrays, whether means are normalized, and the most tokens of a text."""
    if not model:
        raise InputError(
            "text='static' needs a folder of Model2Vec files, or a name on the Hugging Face hub such as "
            "'minishlab/potion-base-8M': text_params={'model': ...} (--text-params model=...)",
            argument="text_params",
        )
    files = _model_files(model)
    safetensors = _import_extra("safetensors.numpy")
    try:
        tensors = safetensors.load_file(files["model.safetensors"])
        config = json.loads(files["config.json"].read_text(encoding="utf-8"))
        tokenizer = np.frombuffer(files["tokenizer.json"].read_bytes(), dtype=np.uint8)
    except Exception as error:  # the library's own errors are no subclass of anything else
        raise InputError(f"{model} holds files that cannot be read: {error}", argument="text_params") from None
    if "embeddings" not in tensors or not isinstance(config, dict):
        raise InputError(
            f"{model} holds {validation.shorten(sorted(tensors))}, expected an array 'embeddings' as Model2Vec saves "
            "it",
            argument="text_params",
        )
    vectors = tensors["embeddings"]
    arrays = {"vectors": vectors.astype(np.float32) if vectors.dtype.kind != "f" else vectors, "tokenizer": tokenizer}
    arrays |= {name: tensors[name] for name in ("weights", "mapping") if name in tensors}
    max_tokens = config.get("max_length", DEFAULT_MAX_TOKENS)
    max_tokens = MAX_TOKENS if max_tokens is None else validation.integer(max_length=max_tokens, low=1, high=MAX_TOKENS)
    return arrays, bool(config.get("normalize", False)), max_tokens


def _model_files(model: str) -> dict[str, Path]:
    folder = Path(model).expanduser()
    if folder.is_dir():
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise InputError(f"the folder {model} has no {', '.join(missing)}", argument="text_params")
        return {name: folder / name for name in FILES}
    if model.count("/") != 1 or model.startswith((".", "~", "/")):
        raise InputError(
            f"there is no folder {model}, and a name on the hub looks like owner/name", argument="text_params"
        )
    hub = _import_extra("huggingface_hub")
    try:
        return {name: Path(hub.hf_hub_download(model, name)) for name in FILES}
    except Exception as error:  # no network, no such name, no rights: the library says which
        raise InputError(
            f"{model} is no folder here and could not be had from the hub: {error}", argument="text_params"
        ) from None


def _import_extra(name: str) -> Any:
    return import_extra(name, STATIC, "static")
