"""How the vectors of a text's tokens become one, by a model's folder or by a saved file that nobody vouches for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from manyhot import validation
from manyhot.config.text import MAX_TOKENS
from manyhot.errors import InputError

MAX_PROMPT = 1_000  # characters
MIN_LENGTH = 1e-12  # of a vector that is divided by it, as in PyTorch's normalize


@dataclass(frozen=True)
class TextModelSettings:
    """How a text goes into a model and comes out of it."""

    pools: tuple[str, ...]  # one after another in a row; empty for the model's own vector of a text
    normalize: bool  # rows have length 1
    max_tokens: int  # of a text that are looked at, special ones included
    lowercase: bool = False
    prompt: str = ""  # before every text

    def to_spec(self) -> dict[str, Any]:
        """Describe them as JSON values."""
        return {**asdict(self), "pools": list(self.pools)}

    @classmethod
    def from_spec(cls, spec: Any) -> Self:
        """Rebuild what `to_spec` described; the values are checked as if they were hostile."""
        if not isinstance(spec, Mapping) or set(spec) != set(cls.__dataclass_fields__):
            raise InputError(f"a text model is described otherwise than by {validation.shorten(spec)}")
        pools, prompt = spec["pools"], spec["prompt"]
        are_names = isinstance(pools, list) and all(isinstance(pool, str) and pool in _POOL for pool in pools)
        if not are_names or len(pools) > len(_POOL):
            raise InputError(f"got {validation.shorten(pools)}, expected some of {', '.join(_POOL)}", argument="pools")
        if not isinstance(prompt, str) or len(prompt) > MAX_PROMPT:
            raise InputError(f"expected a text of at most {MAX_PROMPT} characters", argument="prompt")
        return cls(
            tuple(pools),
            validation.boolean(normalize=spec["normalize"]),
            validation.integer(max_tokens=spec["max_tokens"], low=1, high=MAX_TOKENS),
            validation.boolean(lowercase=spec["lowercase"]),
            prompt,
        )

    def prepare(self, text: str) -> str:
        """Return a text as the tokenizer takes it: without blanks around it, and without halves of characters."""
        text = (self.prompt + text).strip().encode("utf-8", "replace").decode()
        return text.lower() if self.lowercase else text

    def pool(self, vectors: np.ndarray) -> np.ndarray:
        """Make one vector of each text's: float (n, length, d) or (n, d), no padding among them, to float32 (n, d')."""
        rows = vectors.astype(np.float32)
        with np.errstate(all="ignore"):  # whoever takes the rows looks for infinity
            if rows.ndim == 3:
                rows = np.concatenate([_POOL[pool](rows) for pool in self.pools], axis=1)
            if self.normalize:
                rows = rows / np.maximum(np.sqrt(np.square(rows).sum(axis=1, keepdims=True)), np.float32(MIN_LENGTH))
        return rows.astype(np.float32)


# Source: Reimers, Gurevych (2019), section 3, and `Pooling` of sentence-transformers
_POOL: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean": lambda vectors: vectors.mean(axis=1),
    "cls": lambda vectors: vectors[:, 0],
    "max": lambda vectors: vectors.max(axis=1),
    "last": lambda vectors: vectors[:, -1],
}
