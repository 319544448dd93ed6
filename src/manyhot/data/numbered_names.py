"""Names of columns that have numbers in place of names, made when somebody asks for one."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, Sequence, ValuesView
from typing import Any, overload

import numpy as np


class NumberedNames(Sequence[str]):
    """`f0`, `f1`, ...: a prefix and consecutive numbers.

    Args:
        prefix: What stands before each number.
        count: How many names there are.
        first: The first number.
    """

    def __init__(self, prefix: str, count: int, first: int = 0) -> None:
        self.prefix, self.n_names, self.first = prefix, count, first

    def __len__(self) -> int:
        return self.n_names

    @overload
    def __getitem__(self, key: int) -> str: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[str, ...]: ...
    def __getitem__(self, key: int | slice) -> str | tuple[str, ...]:
        numbers = range(self.first, self.first + self.n_names)
        if isinstance(key, slice):
            return tuple(f"{self.prefix}{number}" for number in numbers[key])
        return f"{self.prefix}{numbers[key]}"

    def __iter__(self) -> Iterator[str]:
        return (f"{self.prefix}{number}" for number in range(self.first, self.first + self.n_names))

    def __contains__(self, name: object) -> bool:
        return self.find(name) is not None

    def __eq__(self, other: object) -> bool:
        if isinstance(other, NumberedNames):
            return (self.prefix, self.n_names, self.first) == (other.prefix, other.n_names, other.first)
        if not isinstance(other, Sequence) or len(other) != len(self):
            return False
        return all(one == another for one, another in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash((self.prefix, self.n_names, self.first))

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """The place of a name; `ValueError` where there is none."""
        place = self.find(value)
        if place is None or not start <= place < (self.n_names if stop is None else stop):
            raise ValueError(f"there is no name {value!r}")
        return place

    def find(self, name: object) -> int | None:
        """The place of a name; None where there is none."""
        digits = name[len(self.prefix) :] if isinstance(name, str) and name.startswith(self.prefix) else ""
        if not (digits.isascii() and digits.isdecimal()) or len(digits) > 19 or str(int(digits)) != digits:
            return None
        place = int(digits) - self.first
        return place if 0 <= place < self.n_names else None


class FlaggedNames(Mapping[str, Any]):
    """A mapping from numbered names to one of two values.

    Args:
        names: The keys, in order.
        flags: bool (count,), which of them have the second value.
        values: The two values.
    """

    def __init__(self, names: NumberedNames, flags: np.ndarray, values: tuple[Any, Any]) -> None:
        self.names, self.flags, self.pair = names, flags, values

    def __getitem__(self, name: str) -> Any:
        place = self.names.find(name)
        if place is None:
            raise KeyError(name)
        return self.pair[int(self.flags[place])]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def values(self) -> ValuesView[Any]:
        """The values, without a search for each name."""
        return _Values(self)

    def items(self) -> ItemsView[str, Any]:
        """Names and values, without a search for each name."""
        return _Items(self)


class _Values(ValuesView[Any]):
    _mapping: FlaggedNames

    def __iter__(self) -> Iterator[Any]:
        return (self._mapping.pair[flag] for flag in self._mapping.flags.tolist())

    def __contains__(self, value: object) -> bool:
        first, second = self._mapping.pair
        n_flagged = int(self._mapping.flags.sum())
        return (value == first and n_flagged < len(self._mapping)) or (value == second and n_flagged > 0)


class _Items(ItemsView[str, Any]):
    _mapping: FlaggedNames

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return zip(self._mapping, self._mapping.values(), strict=True)
