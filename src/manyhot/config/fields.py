"""What one setting may be: its default, its range and what it means, in one line.

Tables of settings (`text.TEXT_KINDS`, `images.IMAGE_SETTINGS`) are made of these; `fill_defaults` checks what a person
gave against such a table. Start reading at `fill_defaults`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from manyhot import validation
from manyhot.errors import InputError


@dataclass(frozen=True)
class IntField:
    """A whole number.

    Args:
        default: Its value where nothing is said.
        low: The lowest allowed.
        high: The highest allowed.
        description: What it does, in one line.
    """

    default: int
    low: int
    high: int
    description: str

    def validate(self, name: str, value: Any) -> int:
        """The value as an int in range."""
        return validation.integer(low=self.low, high=self.high, **{name: value})


@dataclass(frozen=True)
class BoolField:
    """True or False.

    Args:
        default: Its value where nothing is said.
        description: What it does, in one line.
    """

    default: bool
    description: str

    def validate(self, name: str, value: Any) -> bool:
        """The value as a bool."""
        return validation.boolean(**{name: value})


@dataclass(frozen=True)
class TextField:
    """Some text.

    Args:
        default: What it is where nothing is said.
        description: What it does, in one line.
        is_path: Whether it says where something is that is opened; a saved file may not say that.
    """

    default: str
    description: str
    is_path: bool = False

    def validate(self, name: str, value: Any) -> str:
        """The value as text."""
        if not isinstance(value, str):
            raise InputError(f"got {validation.shorten(value)}, expected text", argument=name)
        return value


@dataclass(frozen=True)
class ChoiceField:
    """One of some words.

    Args:
        default: What it is where nothing is said.
        choices: The words.
        description: What it does, in one line.
    """

    default: str
    choices: tuple[str, ...]
    description: str

    def validate(self, name: str, value: Any) -> str:
        """The value, one of the words."""
        return str(validation.one_of(self.choices, **{name: value}))


@dataclass(frozen=True)
class FloatField:
    """A number.

    Args:
        default: Its value where nothing is said.
        low: The lowest allowed.
        high: The highest allowed.
        description: What it does, in one line.
    """

    default: float
    low: float
    high: float
    description: str

    def validate(self, name: str, value: Any) -> float:
        """The value as a float in range."""
        return validation.number(low=self.low, high=self.high, **{name: value})


@dataclass(frozen=True)
class ChoiceListField:
    """Some words out of a list, in any number; as text they stand with + between.

    Args:
        default: What they are where nothing is said; "auto" leaves it open.
        choices: The words.
        description: What they do, in one line.
    """

    default: str
    choices: tuple[str, ...]
    description: str

    def validate(self, name: str, value: Any) -> Any:
        """The words as a list in the order of `choices`, or "auto"."""
        if value == "auto":
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
    """Some whole numbers; as text they stand with x between: 64x48.

    Args:
        default: What they are where nothing is said; "auto" leaves it open.
        low: The lowest allowed.
        high: The highest allowed.
        counts: How many there may be.
        description: What they do, in one line.
    """

    default: Any
    low: int
    high: int
    counts: tuple[int, ...]
    description: str

    def validate(self, name: str, value: Any) -> Any:
        """The numbers as a list, or "auto"."""
        if value == "auto":
            return value
        parts = value.lower().split("x") if isinstance(value, str) else value
        parts = list(parts) if isinstance(parts, (list, tuple)) else [parts]
        numbers = [int(part) if isinstance(part, str) and part.strip().isdigit() else part for part in parts]
        if len(numbers) not in self.counts:
            raise InputError(
                f"got {validation.shorten(value)}, expected numbers such as 64 or 64x48, or auto", argument=name
            )
        return [validation.integer(low=self.low, high=self.high, **{name: number}) for number in numbers]


Field = IntField | FloatField | BoolField | TextField | ChoiceField | ChoiceListField | IntListField


def fill_defaults(
    fields: Mapping[str, Field], values: Mapping[str, Any] | None, argument: str, owner: str, example: str
) -> dict[str, Any]:
    """All settings of a table: what was given, and the defaults for the rest.

    Args:
        fields: Name -> setting.
        values: Some of them by name.
        argument: The argument that they came by, for the errors.
        owner: What has these settings, for the errors.
        example: How they would be written, for the errors.

    Raises:
        InputError: No such setting, or a value out of its range.
    """
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
    return {name: _validate(name, values.get(name, field.default), field, argument) for name, field in fields.items()}


def _validate(name: str, value: Any, field: Field, argument: str) -> Any:
    try:
        return field.validate(name, value)
    except InputError as error:
        raise InputError(f"{name}: {error.message}", argument=argument) from None


def unless_auto(validate: Callable[..., Any], **named: Any) -> Any:
    """The word "auto" as it is, anything else as the check gives it back."""
    value = next(iter(named.values()))
    return "auto" if isinstance(value, str) and value == "auto" else validate(**named)


def json_value(value: Any) -> Any:
    """Lists, mappings by text, and plain numbers, also from NumPy's."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (tuple, list)):
        return [json_value(inner) for inner in value]
    return {str(name): json_value(inner) for name, inner in value.items()} if isinstance(value, Mapping) else value


def describe_fields(config_class: type) -> dict[str, str]:
    """What the docstring of a dataclass of settings says about each field."""
    text = inspect.cleandoc(config_class.__doc__ or "")
    if "Args:\n" not in text:
        return {}
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", text.split("Args:\n", 1)[1].split("\n\n", 1)[0], flags=re.M)
    return {name: " ".join(description.split()) for name, description in entries}
