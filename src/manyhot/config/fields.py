"""What one setting may be: its default, its range and what it means."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from manyhot import validation
from manyhot.errors import InputError

AUTO = "auto"  # chosen by the data; allowed where it is the default
NONE = "none"


@dataclass(frozen=True)
class IntField:
    """A whole number, or "auto" where that is the default."""

    default: int | str
    low: int
    high: int | None = None
    description: str = ""

    def validate(self, name: str, value: Any) -> Any:
        """The value as an int in range."""
        if self.default == AUTO and isinstance(value, str) and value == AUTO:
            return value
        return validation.integer(low=self.low, high=self.high, **{name: value})


@dataclass(frozen=True)
class FloatField:
    """A number."""

    default: float
    low: float
    high: float = math.inf
    description: str = ""

    def validate(self, name: str, value: Any) -> float:
        """The value as a float in range."""
        return validation.number(low=self.low, high=self.high, **{name: value})


@dataclass(frozen=True)
class BoolField:
    """True or False, or "auto" where that is the default."""

    default: bool | str
    description: str = ""

    def validate(self, name: str, value: Any) -> Any:
        """The value as a bool."""
        if self.default == AUTO and isinstance(value, str) and value == AUTO:
            return value
        return validation.boolean(**{name: value})


@dataclass(frozen=True)
class TextField:
    """Some text."""

    default: str
    description: str
    is_path: bool = False  # names something that is opened, which a saved file may not do

    def validate(self, name: str, value: Any) -> str:
        """The value as text."""
        if not isinstance(value, str):
            raise InputError(f"got {validation.shorten(value)}, expected text", argument=name)
        return value


@dataclass(frozen=True)
class ChoiceField:
    """One of some words."""

    default: str
    choices: tuple[str, ...]
    description: str = ""

    def validate(self, name: str, value: Any) -> str:
        """The value, one of the words."""
        return str(validation.one_of(self.choices, **{name: value}))


@dataclass(frozen=True)
class ChoiceListField:
    """Some words out of a list, in any number; as text they stand with + between."""

    default: str
    choices: tuple[str, ...]
    description: str

    def validate(self, name: str, value: Any) -> Any:
        """The words as a list in the order of `choices`, or "auto"."""
        if value == AUTO:
            return value
        items = [item.strip() for item in value.replace("+", ",").split(",")] if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            raise InputError(
                f"got {validation.shorten(value)}, expected words out of {', '.join(self.choices)}", argument=name
            )
        chosen = {str(validation.one_of(self.choices, **{name: item})) for item in items if item not in ("", "none")}
        return [item for item in self.choices if item in chosen]


@dataclass(frozen=True)
class IntListField:
    """Some whole numbers; as text they stand with x between: 64x48."""

    default: Any
    low: int
    high: int
    counts: tuple[int, ...]  # how many there may be
    description: str

    def validate(self, name: str, value: Any) -> Any:
        """The numbers as a list, or "auto"."""
        if value == AUTO:
            return value
        parts = value.lower().split("x") if isinstance(value, str) else value
        parts = list(parts) if isinstance(parts, (list, tuple)) else [parts]
        numbers = [int(part) if isinstance(part, str) and part.strip().isdigit() else part for part in parts]
        if len(numbers) not in self.counts:
            raise InputError(
                f"got {validation.shorten(value)}, expected numbers such as 64 or 64x48, or auto", argument=name
            )
        return [validation.integer(low=self.low, high=self.high, **{name: number}) for number in numbers]


@dataclass(frozen=True)
class CustomField:
    """A value of another form, with a check of its own: (name, value) -> value."""

    default: Any
    check: Callable[[str, Any], Any]

    def validate(self, name: str, value: Any) -> Any:
        """The value as the check gives it back."""
        return self.check(name, value)


Field = IntField | FloatField | BoolField | TextField | ChoiceField | ChoiceListField | IntListField | CustomField


def setting(field: Field) -> Any:
    """A field of a dataclass of `Settings`."""
    return dataclasses.field(default=field.default, metadata={"setting": field})


class Settings:
    """What dataclasses of settings share: every field is checked once, when a person's values come in."""

    def __post_init__(self) -> None:
        for name, field in settings_of(type(self)).items():
            self._store(**{name: field.validate(name, getattr(self, name))})

    def _store(self, **values: Any) -> None:
        vars(self).update(values)

    def changed(self, **values: Any) -> Self:
        """A copy with some values that the program chose itself, which are not checked again."""
        copy = object.__new__(type(self))
        copy._store(**{**vars(self), **values})
        return copy

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {name: json_value(getattr(self, name)) for name in settings_of(type(self))}


def settings_of(config_class: type) -> dict[str, Field]:
    """Name -> field of a dataclass of settings."""
    return {field.name: field.metadata["setting"] for field in dataclasses.fields(config_class)}


def default_values(fields: Mapping[str, Field]) -> dict[str, Any]:
    """Name -> default of a table of settings."""
    return {name: field.default for name, field in fields.items()}


def describe_fields(config_class: type) -> dict[str, str]:
    """What the docstring of a dataclass of settings says about each field."""
    text = inspect.cleandoc(config_class.__doc__ or "").partition("Args:\n")[2].split("\n\n", 1)[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", text, flags=re.M)
    return {name: " ".join(description.split()) for name, description in entries}


def summarize_fields(config_class: type) -> dict[str, str]:
    """The first sentence of what the docstring says about each field: what a help page needs of it."""
    return {
        name: re.split(r"""(?<=\.)\s+(?=[A-Z"`(])""", text, maxsplit=1)[0]
        for name, text in describe_fields(config_class).items()
    }


def fill_defaults(
    fields: Mapping[str, Field], values: Mapping[str, Any] | None, argument: str, owner: str, example: str
) -> dict[str, Any]:
    """All settings of a table: the given values, checked, and the defaults for the rest."""
    values = {} if values is None else values
    if not isinstance(values, Mapping):
        raise InputError(
            f"got {validation.shorten(values)}, expected names with values, such as {example}", argument=argument
        )
    for name in values:
        if name not in fields:
            has = f"it has {', '.join(fields)}" if fields else "it has none"
            hint = validation.did_you_mean(str(name), fields)
            raise InputError(f"{owner} has no setting {validation.shorten(name)}, {has}{hint}", argument=argument)
    filled = {}
    for name, field in fields.items():
        try:
            filled[name] = field.validate(name, values.get(name, field.default))
        except InputError as error:
            raise InputError(f"{name}: {error.message}", argument=argument) from None
    return filled


def json_value(value: Any) -> Any:
    """Lists, mappings by text, and plain numbers, also from NumPy's."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (tuple, list)):
        return [json_value(inner) for inner in value]
    return {str(name): json_value(inner) for name, inner in value.items()} if isinstance(value, Mapping) else value
