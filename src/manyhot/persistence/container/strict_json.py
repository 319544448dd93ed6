"""JSON for a file nobody vouches for: one meaning per text, bounded before it is parsed."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from manyhot.errors import BundleError, InputError
from manyhot.persistence.container.limits import Limits

LOWEST_INTEGER, HIGHEST_INTEGER = -(2**63), 2**64 - 1
_LONGEST_NUMBER = 1_000  # characters; the longest exact decimal of a float64 has fewer than 800
# An unterminated string runs to the end, so that no text makes the search start again: time stays linear.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_A_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


def parse(raw: bytes, what: str, limits: Limits, is_finite: bool = True) -> Any:
    """Parse a UTF-8 JSON text `what`; depth and number of values are bounded before it costs memory."""
    # stricter than RFC 8259: no repeated keys, no NaN, infinity or 1e999, integers in 64 bits, no half surrogate pairs;
    # `is_finite=False` lets large numbers pass, and the caller looks
    _check_bounds(raw, what, limits)
    try:
        text = raw.decode("utf-8")
        value = (_DECODER if is_finite else _QUICK_DECODER).decode(text)
        if _SURROGATE_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except BundleError:
        raise
    except json.JSONDecodeError as error:
        raise BundleError(f"{what} is not valid JSON ({error.msg} at character {error.pos})") from None
    except UnicodeError:
        raise BundleError(f"{what} is not valid UTF-8 text") from None
    except ValueError:
        raise BundleError(f"{what} holds a whole number of thousands of digits") from None
    return value


def render(value: Any) -> str:
    """Render the compact JSON text of a value that `check_json_safe` let pass; keys keep their order."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _check_bounds(raw: bytes, what: str, limits: Limits) -> None:
    if len(raw) <= limits.max_values and raw.count(b"[") + raw.count(b"{") <= limits.max_depth:
        return  # too short and too flat to be beyond them, whatever stands in it
    skeleton = _STRING.sub(b"", raw)
    brackets = skeleton.translate(None, _NOT_A_BRACKET)
    n_values = skeleton.count(b",") + len(brackets) + 1
    if n_values > 2 * limits.max_values:
        raise BundleError(f"{what} holds more than the {limits.max_values:,} values that are allowed")
    signs = np.frombuffer(brackets, dtype=np.uint8)
    steps = np.where((signs == ord("[")) | (signs == ord("{")), 1, -1).astype(np.int32)
    deepest = int(np.cumsum(steps, dtype=np.int32).max(initial=0))
    if deepest > limits.max_depth:
        raise BundleError(f"{what} is nested {deepest} levels deep, at most {limits.max_depth} are allowed")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        # counted in one pass: comparing each key with those before it would let a file cost hours
        repeated = next(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        raise BundleError(f"the JSON key {repeated[:80]!r} stands twice in one object")
    return result


def _parse_integer(digits: str) -> int:
    if len(digits) > 20 or not LOWEST_INTEGER <= (value := int(digits)) <= HIGHEST_INTEGER:
        raise BundleError(f"the number {digits[:24]}{'…' * (len(digits) > 24)} does not fit in 64 bits")
    return value


def _parse_float(digits: str) -> float:
    if len(digits) > _LONGEST_NUMBER or not math.isfinite(value := float(digits)):
        raise BundleError(f"the number {digits[:24]}{'…' * (len(digits) > 24)} is not a finite 64-bit number")
    return value


def _refuse_constant(name: str) -> float:
    raise BundleError(f"the JSON text holds {name}, which is not a number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_keys, parse_int=_parse_integer, parse_float=_parse_float, parse_constant=_refuse_constant
)
_QUICK_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)


def check_json_safe(value: Any, place: str, depth: int = 0) -> None:
    """Raise `InputError` for what `parse` would not give back as it was (tuples come back as lists)."""
    if depth > 256:
        raise InputError("it is nested more than 256 levels deep (or holds itself)", argument=place[:200])
    if isinstance(value, Mapping):
        if not isinstance(value, dict):
            raise InputError(f"got a {type(value).__name__}, expected a dict", argument=place)
        for key, inner in value.items():
            if not isinstance(key, str):
                raise InputError(f"got the key {key!r}, expected text keys only", argument=place)
            check_json_safe(key, f"{place} (a key)", depth + 1)
            check_json_safe(inner, f"{place}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            check_json_safe(inner, f"{place}[{position}]", depth + 1)
    elif isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise InputError(f"got text that has no UTF-8 form: {value[:80]!r}", argument=place) from None
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        if not LOWEST_INTEGER <= value <= HIGHEST_INTEGER:
            raise InputError("got a whole number that does not fit in 64 bits; store it as text", argument=place)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"got {value!r}, expected a finite number (None for a missing one)", argument=place)
    else:
        raise InputError(
            f"got a {type(value).__name__}, expected dict, list, str, int, float, bool or None; "
            "arrays belong in `arrays`, NumPy scalars become numbers by .item()",
            argument=place,
        )
