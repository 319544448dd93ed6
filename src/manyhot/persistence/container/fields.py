"""Typed fields out of an untrusted document: each is checked when it is taken, none is missed."""

from __future__ import annotations

import math
import os
import reprlib
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from typing import Any, NoReturn

import numpy as np

from manyhot import validation
from manyhot.errors import BundleError

MAX_ITEMS = 1_000_000
MAX_CHARACTERS = 10_000
_WHOLE = (-(2**63), 2**64 - 1)


class DocumentReader:
    """A checked view of one JSON object and of the arrays beside it, fields named by dotted paths."""

    # every key and array has to be taken by the time `finish` is called

    def __init__(
        self,
        document: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray] | None = None,
        file: str | os.PathLike[str] | None = None,
    ) -> None:
        self._document = document
        self._arrays = arrays or {}
        self._file = None if file is None else os.fsdecode(file)
        self._place = ""
        self._read_fields: set[str] = set()
        self._read_arrays: set[str] = set()
        self._records: list[DocumentReader] = []

    def __contains__(self, path: str) -> bool:
        """Return whether there is a value other than null at `path`; a null then counts as taken."""
        found, value = self._find(path)
        if found and value is None:
            self._read_fields.add(path)
        return found and value is not None

    def text(self, path: str, *, choices: Iterable[str] | None = None, max_characters: int = MAX_CHARACTERS) -> str:
        """Take a text, of at most `max_characters`, one of `choices` if they are given."""
        value = self._get(path)
        self._check(path, value, *_text(max_characters))
        if choices is not None and value not in (options := list(choices)):
            hint = validation.did_you_mean(value[:200], options)
            self._refuse(path, value, f"one of {', '.join(map(repr, options))}{hint}")
        return value

    def integer(self, path: str, low: int = _WHOLE[0], high: int = _WHOLE[1]) -> int:
        """Take a whole number in [low, high]; 2.0 and true are none."""
        return self._check(path, self._get(path), *_integer(low, high))

    def number(self, path: str, low: float = -math.inf, high: float = math.inf) -> float:
        """Take a finite number in [low, high], as a float."""
        return float(self._check(path, self._get(path), *_number(low, high)))

    def boolean(self, path: str) -> bool:
        """Take true or false."""
        return self._check(path, self._get(path), lambda value: isinstance(value, bool), "true or false")

    def list_of_text(
        self, path: str, max_items: int = MAX_ITEMS, *, min_items: int = 0, is_unique: bool = False
    ) -> list[str]:
        """Take a list of texts; `is_unique` refuses repeated ones (label names)."""
        values = self._get_list(path, min_items, max_items, *_text(MAX_CHARACTERS))
        if is_unique and len(set(values)) != len(values):
            self._refuse(path, values, "a list without repetitions")
        return values

    def list_of_integers(
        self, path: str, low: int = _WHOLE[0], high: int = _WHOLE[1], *, min_items: int = 0, max_items: int = MAX_ITEMS
    ) -> list[int]:
        """Take a list of whole numbers in [low, high]."""
        return self._get_list(path, min_items, max_items, *_integer(low, high))

    def list_of_numbers(
        self,
        path: str,
        low: float = -math.inf,
        high: float = math.inf,
        *,
        min_items: int = 0,
        max_items: int = MAX_ITEMS,
    ) -> list[float]:
        """Take a list of finite numbers in [low, high], as floats."""
        return [float(value) for value in self._get_list(path, min_items, max_items, *_number(low, high))]

    def mapping(self, path: str, max_items: int = MAX_ITEMS) -> dict[str, Any]:
        """Take a whole JSON object, unchecked beyond its size: the caller vouches for what is in it."""
        value = self._get(path)
        if not isinstance(value, dict) or len(value) > max_items:
            self._refuse(path, value, f"a JSON object of at most {max_items:,} keys")
        return dict(value)

    def mappings(self, path: str, max_items: int = MAX_ITEMS, *, min_items: int = 0) -> list[dict[str, Any]]:
        """Take a list of whole JSON objects, unchecked: the caller vouches for what is in them."""
        return self._get_list(path, min_items, max_items, lambda value: isinstance(value, dict), "a JSON object")

    def records(self, path: str, max_items: int = MAX_ITEMS, *, min_items: int = 0) -> list[DocumentReader]:
        """Return a reader for each JSON object of a list; this reader's `finish` covers them too."""
        records = []
        for position, value in enumerate(self.mappings(path, max_items, min_items=min_items)):
            record = DocumentReader(value, self._arrays, self._file)
            record._place = f"{self._place}{path}[{position}]."
            record._read_arrays = self._read_arrays
            records.append(record)
        self._records += records
        return records

    def array_names(self, prefix: str) -> list[str]:
        """Return the names of the arrays that start with `prefix`, sorted."""
        return sorted(name for name in self._arrays if name.startswith(prefix))

    def n_elements(self, prefix: str) -> int:
        """Count the numbers in the arrays that start with `prefix`."""
        return sum(self._arrays[name].size for name in self.array_names(prefix))

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """Take the arrays that start with `prefix`, by the rest of their names, unchecked: the caller vouches."""
        names = self.array_names(prefix)
        self._read_arrays.update(names)
        return {name.removeprefix(prefix): self._arrays[name] for name in names}

    def array(
        self,
        name: str,
        *,
        dtype: Any,
        shape: tuple[int | None, ...],
        finite: bool = True,
        low: float = -math.inf,
        high: float = math.inf,
        is_half_allowed: bool = False,
    ) -> np.ndarray:
        """Take one array of exactly this dtype and shape (None: any size) in [low, high]; NaN only if not `finite`.

        `is_half_allowed` takes one of float16 too, and returns its values in `dtype`.
        """
        if name not in self._arrays:
            hint = validation.did_you_mean(name, islice(self._arrays, 1000))  # not all: a file may name many
            self._fail(f"the array {name!r} is missing{hint}")
        array = self._arrays[name]
        self._read_arrays.add(name)
        dtypes = [np.dtype(dtype), *([np.dtype(np.float16)] if is_half_allowed else [])]
        if array.dtype not in dtypes:
            self._fail(f"the array {name!r} has dtype {array.dtype}, expected {' or '.join(map(str, dtypes))}")
        if len(shape) != array.ndim or any(w not in (None, g) for w, g in zip(shape, array.shape, strict=True)):
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            self._fail(f"the array {name!r} has shape {array.shape}, expected ({wanted})")
        if finite and array.dtype.kind == "f" and not np.isfinite(array).all():
            self._fail(f"the array {name!r} holds NaN or infinity, expected finite numbers")
        numbers = array[~np.isnan(array)] if array.dtype.kind == "f" else array
        is_bounded = low > -math.inf or high < math.inf
        if is_bounded and numbers.size and not (numbers.min() >= low and numbers.max() <= high):
            self._fail(f"the array {name!r} holds values outside {low:g} to {high:g}")
        return array.astype(dtype, copy=False)

    def finish(self) -> None:
        """Raise `BundleError` if any key or any array was not taken."""
        self._finish_document()
        unread = [name for name in sorted(self._arrays) if name not in self._read_arrays]
        if unread:
            self._fail(f"the array {unread[0]!r} is not known{_and_more(unread)}")

    def _finish_document(self) -> None:
        unread = list(self._unread_fields())
        if unread:
            self._fail(f"the field {_shown_path(self._place + unread[0])} is not known{_and_more(unread)}")
        for record in self._records:
            record._finish_document()

    def _unread_fields(self) -> Iterable[str]:
        parents = {path[:end] for path in self._read_fields for end, c in enumerate(path) if c == "."}
        open_objects = [(self._document, "")]
        while open_objects:
            here, prefix = open_objects.pop()
            for key, inner in here.items():
                path = prefix + key
                if "." in key or (path not in self._read_fields and path not in parents):
                    yield path
                elif path in parents and path not in self._read_fields and isinstance(inner, dict):
                    open_objects.append((inner, f"{path}."))

    def _find(self, path: str) -> tuple[bool, Any]:
        value: Any = self._document
        for key in path.split("."):
            if not isinstance(value, dict) or key not in value:
                return False, None
            value = value[key]
        return True, value

    def _get(self, path: str) -> Any:
        found, value = self._find(path)
        if not found:
            self._fail(f"the field {_shown_path(self._place + path)} is missing")
        self._read_fields.add(path)
        return value

    def _get_list(
        self, path: str, min_items: int, max_items: int, is_valid: Callable[[Any], bool], expected: str
    ) -> list[Any]:
        values = self._get(path)
        if not isinstance(values, list) or not min_items <= len(values) <= max_items:
            self._refuse(path, values, f"a list of {min_items:,} to {max_items:,} items")
        for position, value in enumerate(values):
            if not is_valid(value):
                self._refuse(f"{path}[{position}]", value, expected)
        return list(values)

    def _check(self, path: str, value: Any, is_valid: Callable[[Any], bool], expected: str) -> Any:
        if not is_valid(value):
            self._refuse(path, value, expected)
        return value

    def _refuse(self, path: str, value: Any, expected: str) -> NoReturn:
        shown = reprlib.repr(value)[:100]
        self._fail(f"the field {_shown_path(self._place + path)} is {shown}, expected {expected}")

    def _fail(self, fault: str) -> NoReturn:
        raise BundleError(f"{fault}; save the file again with this version of manyhot", file=self._file)


Check = tuple[Callable[[Any], bool], str]  # whether a value is right, and what is expected


def _text(max_characters: int) -> Check:
    return (
        lambda value: isinstance(value, str) and len(value) <= max_characters,
        f"a text of at most {max_characters:,} characters",
    )


def _integer(low: int, high: int) -> Check:
    return (
        lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high,
        f"a whole number from {low} to {high}",
    )


def _number(low: float, high: float) -> Check:
    def is_valid(value: Any) -> bool:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and abs(value) < math.inf and low <= value <= high

    return is_valid, f"a number from {low:g} to {high:g}"


def _shown_path(path: str) -> str:
    return repr(path if len(path) <= 200 else f"{path[:200]}...")


def _and_more(names: Collection[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
