"""A flag for every field of `TrainingConfig` and `RuntimeConfig`, under its own name, with its own words and default.

Nothing about a setting is written twice: names, defaults and help come from the dataclasses. Start reading at
`with_settings`.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, fields
from typing import Annotated, Any

import typer

from manyhot.config.label_rules import groups_from_text, implications_from_text
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.errors import InputError
from manyhot.validation import did_you_mean

SETTINGS: dict[str, Field] = {f.name: f for kind in (TrainingConfig, RuntimeConfig) for f in fields(kind)}
RULES = {"implies": implications_from_text, "exclusive": groups_from_text}
PLAIN = {"int": int, "float": float, "bool": bool, "int | None": int}


def meanings(kind: type) -> dict[str, str]:
    """What a dataclass's docstring says about each field."""
    text = inspect.cleandoc(kind.__doc__ or "").split("Args:\n", 1)[1].split("\n\n", 1)[0]
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", text, flags=re.MULTILINE)
    return {name: " ".join(words.split()) for name, words in found}


def with_settings(command: Callable[..., None], without: Collection[str] = ()) -> Callable[..., None]:
    """A command that takes `settings: dict` -> the same with one flag a field instead.

    A field whose name the command uses for something of its own has no flag there.

    Args:
        command: The command.
        without: Further fields that have no flag.
    """
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "settings"]
    taken = {p.name for p in own} | set(without)
    offered = {name: field for name, field in SETTINGS.items() if name not in taken}
    words = meanings(TrainingConfig) | meanings(RuntimeConfig)

    def run(**given: Any) -> None:
        chosen = {name: given.pop(name) for name in offered}
        command(**given, settings={name: setting(name, value) for name, value in chosen.items() if value is not None})

    made = []
    for name, field in offered.items():
        plain: Any = PLAIN.get(str(field.type), str)
        shown = ",".join(map(str, field.default)) if isinstance(field.default, tuple) else str(field.default)
        panel = (
            "Settings that change the result" if name in TrainingConfig.__dataclass_fields__ else "Settings that do not"
        )
        option = typer.Option(help=words[name], show_default=shown, rich_help_panel=panel)
        annotation = Annotated[plain | None, option]
        made.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation))
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + made
    signature = inspect.Signature(parameters)
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    vars(run)["__signature__"] = signature
    return run


def setting(name: str, value: Any) -> Any:
    """A flag's value as the field wants it: "auto" or a number, sizes with commas, `NAME=VALUE` pairs, rules.

    Raises:
        InputError: Text where a number belongs.
    """
    if name in RULES and isinstance(value, str):
        return RULES[name](value)
    if isinstance(value, str) and str(SETTINGS[name].type).startswith("Mapping"):
        is_word = "str |" in str(SETTINGS[name].type) and "=" not in value and not value.startswith("{")
        return value if is_word else pairs_of(value, f"--{name.replace('_', '-')}")
    if not isinstance(value, str) or str(SETTINGS[name].type) == "str":
        return value
    if value == "auto":
        return value
    if str(SETTINGS[name].type).startswith("bool"):
        if value.lower() not in ("true", "false"):
            raise InputError(f"got {value!r}, expected true, false or auto", argument=f"--{name.replace('_', '-')}")
        return value.lower() == "true"
    parts = [part.strip() for part in value.split(",") if part.strip()]
    is_list = str(SETTINGS[name].type).startswith("tuple")
    if not all(re.fullmatch(r"-?\d+", part) for part in parts) or (not is_list and len(parts) != 1):
        expected = (
            "layer sizes such as 256,256" if is_list else f"a whole number or 'auto'{did_you_mean(value, ['auto'])}"
        )
        raise InputError(f"got {value!r}, expected {expected}", argument=f"--{name.replace('_', '-')}")
    numbers = tuple(int(part) for part in parts)
    return numbers if is_list else numbers[0]


def pairs_of(text: str, flag: str) -> dict[str, Any]:
    """`NAME=VALUE,NAME=VALUE`, or a JSON object -> mapping; values are numbers, true or false where they can be.

    Raises:
        InputError: Text of another form.
    """
    if text.lstrip().startswith("{"):
        try:
            values = json.loads(text)
        except ValueError as error:
            raise InputError(f"got {text!r}, which is no JSON ({error})", argument=flag) from None
        return dict(values)
    mapping: dict[str, Any] = {}
    for pair in text.split(","):
        name, equals, value = pair.rpartition("=")
        if not equals or not name.strip():
            raise InputError(f"got {pair!r}, expected NAME=VALUE such as gamma=2", argument=flag)
        mapping[name.strip()] = _plain(value.strip())
    return mapping


def _plain(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def settings_of(pairs: list[str] | None, flag: str) -> dict[str, Any]:
    """`NAME=VALUE` texts -> settings by name.

    Raises:
        InputError: A text without "=", a setting that does not exist, or a value that is none.
    """
    settings: dict[str, Any] = {}
    for pair in pairs or []:
        name, equals, text = pair.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or name not in SETTINGS:
            hint = did_you_mean(name, SETTINGS)
            raise InputError(f"got {pair!r}, expected NAME=VALUE such as members=1{hint}", argument=flag)
        kind = str(SETTINGS[name].type)
        try:
            plain = {"int": int, "float": float}.get(kind, str)(text.strip())
        except ValueError:
            raise InputError(f"got {pair!r}, expected a number after {name}=", argument=flag) from None
        settings[name] = setting(name, plain)
    return settings


def kinds_of(pairs: list[str] | None) -> Mapping[str, str]:
    """`NAME=KIND` texts -> mapping."""
    kinds = {}
    for pair in pairs or []:
        name, equals, kind = pair.rpartition("=")
        if not equals or not name:
            raise InputError(f"got {pair!r}, expected NAME=KIND such as price=numeric", argument="--kind")
        kinds[name] = kind
    return kinds
