"""Lists of texts as arrays, the form in which saved models hold them: UTF-8 bytes and the end of each text."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from manyhot.errors import InputError


def pack_texts(texts: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of n texts, int64 (n,), and their bytes, uint8."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    return ends, np.frombuffer(b"".join(encoded), dtype=np.uint8)


def unpack_texts(ends: np.ndarray, encoded: np.ndarray, what: str, can_be_empty: bool = False) -> list[str]:
    """Return the texts; raise `InputError`, which calls them `what`, for arrays that `pack_texts` would not make."""
    if ends.dtype != np.int64 or ends.ndim != 1 or encoded.dtype != np.uint8 or encoded.ndim != 1:
        raise InputError(f"{what} are not bytes (uint8) and their ends (int64)")
    places = [0, *ends.tolist()]
    is_rising = all(start < end or (can_be_empty and start == end) for start, end in pairwise(places))
    if places[-1] != len(encoded) or not is_rising:
        raise InputError(f"{what} do not fit their ends")
    data = encoded.tobytes()
    try:
        return [data[start:end].decode() for start, end in pairwise(places)]
    except UnicodeDecodeError:
        raise InputError(f"{what} are not UTF-8") from None
