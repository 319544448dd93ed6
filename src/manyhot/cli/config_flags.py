"""A flag for every field of `TrainingConfig` and `RuntimeConfig`, under its own name, and what flags say."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import Field, fields
from functools import cache
from typing import Annotated, Any, get_origin

from manyhot.cli.completion import EXECUTORS, complete_words
from manyhot.cli.options import READ_DEFAULTS, READ_FLAGS, choice_metavar, flag
from manyhot.config.fields import AUTO, ChoiceField, FloatField, IntField, summarize_fields
from manyhot.config.groups import SETTING_GROUPS
from manyhot.config.label_rules import TAXONOMY, groups_from_text, implications_from_text
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import COMPILED, CUSTOM, TrainingConfig
from manyhot.errors import InputError
from manyhot.validation import did_you_mean, one_of

SETTINGS: dict[str, Field] = {
    f.name: f for config_class in (TrainingConfig, RuntimeConfig) for f in fields(config_class)
}
_HELP_TEXTS = summarize_fields(TrainingConfig) | summarize_fields(RuntimeConfig)
_PARAMETER = re.compile(rf"""`({"|".join(SETTINGS)})(?:="(\w+)")?`""")
RULE_PARSERS = {"implies": implications_from_text, "exclusive": groups_from_text}
SCALAR_TYPES = {"int": int, "float": float, "bool": bool}
# field -> its flags, where they are not the field's own name
FLAG_NAMES = {"random_state": ("--random-state", "--seed"), "verbose": ("--quiet",)}
QUIET_HELP = "Hide progress, and notes on how rows were read."
IN_PYTHON_ONLY = {CUSTOM, COMPILED}
"""Choices that stand for an object of the user's."""
METAVARS = {
    "activation": "NAME",
    "decision_params": "NAME=VALUE,...",
    "exclusive": "LABEL|LABEL,...",
    "executor": "processes:N|ray",
    "hidden_layer_sizes": "INTEGER,...|none",
    "image_params": "NAME=VALUE,...",
    "implies": "LABEL>LABEL,...",
    "label_weights": "LABEL=NUMBER,...|balanced",
    "learning_rate": "NUMBER",
    "loss_params": "NAME=VALUE,...",
    "max_labels": "INTEGER|none",
    "prior_bias": "true|false|auto",
    "taxonomy": "LABEL>PARENT,...|FILE",
    "text_params": "NAME=VALUE,...",
}
"""Field -> what its value looks like, where its kind of field does not say it."""
VALUES = {"executor": EXECUTORS, "label_weights": ("balanced",), "max_labels": ("none",)}


def expand_flags(
    declared: Callable[..., None], run: Callable[..., None], excluded: Collection[str] = ()
) -> Callable[..., None]:
    """Give `run` the signature of `declared`, with the read flags that it names and a flag for every other setting."""
    parameters: list[inspect.Parameter] = []
    read_names: list[str] = []
    setting_names: list[str] = []
    declared_parameters = inspect.signature(declared, eval_str=True).parameters
    for parameter in declared_parameters.values():
        if parameter.name == "settings":
            used_names = {*declared_parameters, *_all_read_names(declared_parameters.values()), *excluded}
            setting_names = [name for name in SETTINGS if name not in used_names]
            parameters += _setting_parameters(setting_names)
        elif names := _all_read_names([parameter]):
            parameters += [_keyword(name, READ_FLAGS[name], READ_DEFAULTS.get(name)) for name in names]
            read_names += names
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    def run_expanded(**arguments: Any) -> None:
        if read_names:
            arguments["read_flags"] = _collect_read_flags(**{name: arguments.pop(name) for name in read_names})
        if setting_names:
            arguments["settings"] = _collect_settings({name: arguments.pop(name) for name in setting_names})
        run(**arguments)

    run_expanded.__name__, run_expanded.__doc__ = declared.__name__, declared.__doc__
    run_expanded.__annotations__ = {p.name: p.annotation for p in parameters}
    vars(run_expanded)["__signature__"] = inspect.Signature(parameters)
    return run_expanded


def _all_read_names(parameters: Iterable[inspect.Parameter]) -> list[str]:
    """The read flags that annotations of dicts name."""
    dicts = [
        p.annotation for p in parameters if get_origin(p.annotation) is Annotated and p.annotation.__origin__ is dict
    ]
    return [name for annotation in dicts for name in annotation.__metadata__[0].split()]


def _keyword(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _setting_parameters(names: Collection[str]) -> Iterator[inspect.Parameter]:
    for group, group_names in SETTING_GROUPS.items():
        yield from (_keyword(name, _setting_annotation(name, group)) for name in group_names if name in names)


@cache
def _setting_annotation(name: str, group: str) -> Any:
    if name == "verbose":
        return Annotated[bool | None, flag(group, QUIET_HELP, *FLAG_NAMES[name], default=False)]
    values = setting_values(name)
    option = flag(
        group,
        _as_flags(_HELP_TEXTS[name]),
        *FLAG_NAMES.get(name, ()),
        metavar=_metavar(name),
        complete=complete_words(values) if values else None,
        default=_shown_default(name),
    )
    return Annotated[SCALAR_TYPES.get(str(SETTINGS[name].type), str) | None, option]


def setting_values(name: str) -> tuple[str, ...]:
    """The words that a setting may be on the command line; none where it is a number or free text."""
    field = SETTINGS[name].metadata["setting"]
    if isinstance(field, ChoiceField):
        return tuple(choice for choice in field.choices if choice not in IN_PYTHON_ONLY)
    if SETTINGS[name].default == AUTO:
        return (AUTO,) if isinstance(field, IntField) else ("true", "false", AUTO)
    return VALUES.get(name, ())


def _as_flags(text: str) -> str:
    """A text about parameters, `head="softmax"`, as one about flags: `--head softmax`."""

    def replace(found: re.Match) -> str:
        flag_name = "--" + found[1].replace("_", "-")
        return f"`{flag_name} {found[2]}`" if found[2] else flag_name

    return _PARAMETER.sub(replace, text)


def _metavar(name: str) -> str | None:
    field = SETTINGS[name].metadata["setting"]
    if name in METAVARS:
        return METAVARS[name]
    if isinstance(field, IntField):
        return f"INTEGER|{AUTO}" if field.default == AUTO else "INTEGER"
    if isinstance(field, FloatField):
        return "NUMBER"
    return choice_metavar(setting_values(name)) if isinstance(field, ChoiceField) else None


def _shown_default(name: str) -> str | bool:
    default = SETTINGS[name].default
    if isinstance(default, bool):
        return "on" if default else "off"
    if default is None:
        return "none" if name == "max_labels" else False
    return (",".join(map(str, default)) if isinstance(default, tuple) else str(default)) or False


def _collect_settings(flag_values: dict[str, Any]) -> dict[str, Any]:
    if "verbose" in flag_values:
        flag_values["verbose"] = 0 if flag_values["verbose"] else None
    return {name: parse_setting(name, value) for name, value in flag_values.items() if value is not None}


def _collect_read_flags(
    columns: str | None = None, column_type: list[str] | None = None, **flags: Any
) -> dict[str, Any]:
    """The fields of `ReadOptions` that flags set; files that they name are not read yet."""
    names = None if columns is None else [name.strip() for name in columns.split(",")]
    return {**flags, "column_names": names, "column_types": parse_column_types(column_type)}


def parse_setting(name: str, value: Any) -> Any:
    """A flag's value as the field wants it: "auto" or a number, sizes with commas, `NAME=VALUE` pairs, rules."""
    kind, flag = str(SETTINGS[name].type), f"--{name.replace('_', '-')}"
    if isinstance(SETTINGS[name].metadata["setting"], ChoiceField):
        return _parse_choice(name, value)
    if not isinstance(value, str) or kind in ("str", "Any") or name == TAXONOMY:  # which the config itself reads
        return value
    if name in RULE_PARSERS:
        return RULE_PARSERS[name](value)
    if kind.startswith("Mapping"):
        is_choice = "str |" in kind and "=" not in value and not value.startswith("{")
        return value if is_choice else parse_pairs(value, flag)
    if value == "auto":
        return value
    if kind.startswith("bool"):
        if value.lower() not in ("true", "false"):
            raise InputError(f"got {value!r}, expected true, false or auto", argument=flag)
        return value.lower() == "true"
    is_list = kind.startswith("tuple")
    if value.lower() == "none" and (is_list or "None" in kind):
        return () if is_list else None
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not all(re.fullmatch(r"-?\d+", part) for part in parts) or (not is_list and len(parts) != 1):
        other = f"a whole number or 'auto'{did_you_mean(value, ['auto'])}"
        expected = "layer sizes such as 256,256" if is_list else other
        raise InputError(f"got {value!r}, expected {expected}", argument=flag)
    numbers = tuple(map(int, parts))
    return numbers if is_list else numbers[0]


def _parse_choice(name: str, value: str) -> str:
    """A word that the command line takes; the others stand for objects, and are neither taken nor offered."""
    if value in IN_PYTHON_ONLY and value in SETTINGS[name].metadata["setting"].choices:
        raise InputError(
            f"{value!r} stands for an object of yours; hand it over in Python: MultiLabelClassifier({name}=...)",
            argument=name,
        )
    return str(one_of(setting_values(name), **{name: value}))


def parse_pairs(text: str, flag: str) -> dict[str, Any]:
    """`NAME=VALUE,NAME=VALUE`, or a JSON object -> mapping; values are numbers, true or false where they can be."""
    if text.lstrip().startswith("{"):
        try:
            values = json.loads(text)
        except ValueError as error:
            raise InputError(f"got {text!r}, which is not JSON ({error})", argument=flag) from None
        return dict(values)
    mapping: dict[str, Any] = {}
    for pair in text.split(","):
        name, value = split_pair(pair, "NAME=VALUE such as gamma=2", flag)
        mapping[name.strip()] = _parse_scalar(value.strip())
    return mapping


def _parse_scalar(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for number_type in (int, float):
        with suppress(ValueError):
            return number_type(text)
    return text


def split_pair(text: str, expected: str, flag: str) -> tuple[str, str]:
    """What stands before the last = of a text, and behind it."""
    name, equals, value = text.rpartition("=")
    if not equals or not name.strip():
        raise InputError(f"got {text!r}, expected {expected}", argument=flag)
    return name, value


def parse_settings(pairs: list[str] | None, flag: str) -> dict[str, Any]:
    """`NAME=VALUE` texts -> settings by name."""
    settings: dict[str, Any] = {}
    for pair in pairs or []:
        name, equals, text = pair.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or name not in SETTINGS:
            hint = did_you_mean(name, SETTINGS)
            raise InputError(f"got {pair!r}, expected NAME=VALUE such as n_members=1{hint}", argument=flag)
        field_type = str(SETTINGS[name].type)
        try:
            scalar = {"int": int, "float": float}.get(field_type, str)(text.strip())
        except ValueError:
            raise InputError(f"got {pair!r}, expected a number after {name}=", argument=flag) from None
        settings[name] = parse_setting(name, scalar)
    return settings


def parse_column_types(pairs: list[str] | None) -> Mapping[str, str]:
    """`NAME=TYPE` texts -> mapping."""
    return dict(split_pair(pair, "NAME=TYPE such as price=numeric", "--column-type") for pair in pairs or [])
