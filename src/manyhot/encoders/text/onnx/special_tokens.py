"""The special tokens that a tokenizer puts before and after a text, out of its tokenizer.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from manyhot.errors import InputError

MAX_SPECIAL = 16  # before and after a text together

Pair = tuple[list[int], list[int]]  # ids before, ids after


def read_special_ids(encoded: np.ndarray) -> Pair:
    """Return the ids before and after a text by the post-processor of a tokenizer in UTF-8, uint8.

    The library never sees the post-processor, which could repeat a text any number of times.

    Raises:
        InputError: A kind that is not on the list, or one that does more than putting tokens around a text.
    """
    try:
        document = json.loads(encoded.tobytes().decode("utf-8"))
        before, after = _step(document.get("post_processor"), 0)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise _error(f"its special tokens cannot be read ({str(error)[:80]})") from None
    ids = [*before, *after]
    if len(ids) > MAX_SPECIAL or not all(type(one) is int and 0 <= one < 2**31 for one in ids):
        raise _error(f"it has other special tokens than at most {MAX_SPECIAL} with whole numbers")
    return before, after


def _step(step: Any, depth: int) -> Pair:
    if step is None or step["type"] == "ByteLevel":  # which changes places in the text alone
        return [], []
    kind = step["type"]
    if kind == "Sequence" and depth < 4 and len(step["processors"]) <= MAX_SPECIAL:
        before: list[int] = []
        after: list[int] = []
        for one in step["processors"]:
            outer_before, outer_after = _step(one, depth + 1)
            before, after = [*outer_before, *before], [*after, *outer_after]
        return before, after
    if kind in ("BertProcessing", "RobertaProcessing"):
        return [step["cls"][1]], [step["sep"][1]]
    if kind == "TemplateProcessing":
        return _template(step["single"], step["special_tokens"])
    raise _error(f"it has the post-processor {str(kind)[:50]!r}, which is not on the list")


def _template(pieces: Sequence[Mapping[str, Any]], tokens: Mapping[str, Any]) -> Pair:
    parts: Pair = ([], [])
    n_texts = 0
    for piece in pieces[: MAX_SPECIAL + 2]:
        ((kind, content),) = piece.items()
        if content["type_id"] != 0:
            raise _error("its template numbers the parts of a single text")
        if kind == "Sequence":
            n_texts += 1
        elif kind == "SpecialToken":
            parts[min(n_texts, 1)].extend(tokens[content["id"]]["ids"][: MAX_SPECIAL + 1])
    if n_texts != 1 or len(pieces) > MAX_SPECIAL + 1:
        raise _error(f"its template has other parts than a text and at most {MAX_SPECIAL} special tokens")
    return parts


def _error(reason: str) -> InputError:
    return InputError(f"tokenizer.json cannot be read: {reason}", argument="text_params")
