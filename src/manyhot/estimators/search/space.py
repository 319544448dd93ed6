"""Where a search looks: a range or some choices for each setting."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from manyhot import validation
from manyhot.config.fields import AUTO, FloatField, IntField, default_values, json_value
from manyhot.config.images import NETWORK_SETTINGS, TRAINING_SETTINGS
from manyhot.config.losses import LOSS_SETTINGS, LOSS_SPECS
from manyhot.config.training import COMPILED, TrainingConfig
from manyhot.errors import InputError

LOG_RATIO = 10
"""A range above 0 whose ends are this far apart is searched on a logarithmic scale."""
PARAMS = ("loss_params", "text_params", "image_params")
"""Settings that are mappings; their entries are searched by names such as "loss_params.gamma"."""
FIXED = (
    *("text", "preprocessing", "label_weights", "positive_unlabeled", "head", "allow_softmax"),
    *("calibration", "decision", "top_k", "min_f1", "decision_params", "implies", "taxonomy", "exclusive"),
    *("min_labels", "max_labels", "dtype", "random_state", "n_folds", "n_members", *PARAMS),
)
"""Settings that are not searched: they change what scores become, or the rows that trials are measured on."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included."""

    low: float
    high: float
    is_log: bool = False
    is_whole: bool = False

    def contains(self, value: Any) -> bool:
        """Whether a value is one of them."""
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and self.low <= value <= self.high

    def to_json(self) -> Any:
        """The range as plain values."""
        return {"low": self.low, "high": self.high, "log": self.is_log}


@dataclass(frozen=True)
class Choices:
    """Some values."""

    values: tuple[Any, ...]

    def contains(self, value: Any) -> bool:
        """Whether a value is one of them."""
        return label(value) in map(label, self.values)

    def to_json(self) -> Any:
        """The values as plain ones."""
        return json_value(self.values)


Space = Mapping[str, Range | Choices]
"""Name of a setting -> its values; "loss_params.gamma" is an entry of a mapping."""


def label(value: Any) -> str:
    """A value in a few letters, as one types it: 256,256."""
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value)) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def parse_space(space: Any) -> dict[str, Range | Choices]:
    """A space as a person gives it: pairs (low, high) are ranges, lists are choices.

    Raises:
        InputError: A setting that does not exist or is not searched, or values that are neither.
    """
    if not isinstance(space, Mapping) or not space:
        raise InputError(
            f"got {validation.shorten(space)}, expected settings with values, such as {{'learning_rate': (1e-4, 1e-2), "
            "'dropout': [0.1, 0.3]}",
            argument="space",
        )
    return {_check_name(str(name)): _parse_values(str(name), values) for name, values in space.items()}


def _check_name(name: str) -> str:
    known = [field.name for field in fields(TrainingConfig) if field.name not in FIXED]
    outer, dot, inner = name.partition(".")
    if dot and outer in PARAMS:
        if outer == "image_params" and inner not in (*NETWORK_SETTINGS, *TRAINING_SETTINGS):
            raise InputError(
                f"{name!r} is settled before images are read and is not searched; make a search for each value",
                argument="space",
            )
        return name
    if name not in known:
        hint = "; its entries have names such as 'loss_params.gamma'" if name in PARAMS else ""
        raise InputError(
            f"{name!r} is no setting that is searched{hint or validation.did_you_mean(name, known)}", argument="space"
        )
    return name


def _parse_values(name: str, values: Any) -> Range | Choices:
    if isinstance(values, (Range, Choices)):
        return values
    if isinstance(values, list) and values:
        return Choices(tuple(values))
    if isinstance(values, tuple) and len(values) == 2 and all(map(_is_number, values)) and values[0] < values[1]:
        low, high = values
        is_log = low > 0 and high >= LOG_RATIO * low
        return Range(low, high, is_log, isinstance(low, int) and isinstance(high, int) and _is_whole(name))
    expected = "a pair (low, high) with low below high, such as (0.0001, 0.01), or a list of choices"
    raise InputError(f"got {validation.shorten(values)} for {name}, expected {expected}", argument="space")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(name: str) -> bool:
    field = next((field for field in fields(TrainingConfig) if field.name == name), None)
    return field is not None and isinstance(field.metadata["setting"], IntField)


def default_space(own: TrainingConfig, resolved: TrainingConfig, has_tables: bool) -> dict[str, Range | Choices]:
    """Where to look around the settings of a classifier; those that are not at their defaults are left alone.

    Args:
        own: The settings of the classifier.
        resolved: The same for its rows, without "auto".
        has_tables: Whether the network has tables of weights for wide sparse features, such as words.
    """
    space: dict[str, Range | Choices] = {}
    if resolved.optimizer != COMPILED:
        space["learning_rate"] = Range(resolved.learning_rate / 4, resolved.learning_rate * 4, is_log=True)
    if resolved.optimizer == "adamw" and resolved.weight_decay:
        space["weight_decay"] = Range(resolved.weight_decay / 30, resolved.weight_decay * 10, is_log=True)
    epochs = int(resolved.epochs)
    if not resolved.early_stopping:
        space["epochs"] = Range(max(1, epochs // 2), max(2, 2 * epochs), is_log=True, is_whole=True)
    if resolved.head == "sigmoid" and not LOSS_SPECS[resolved.resolved_loss].is_coupled:
        space["label_smoothing"] = Range(0.0, 0.1)
    if resolved.network in ("mlp", "embedding_bag"):
        space["dropout"] = Choices((0.1, 0.3, 0.5))
    if resolved.network == "mlp":
        space["hidden_layer_sizes"] = Choices(((128,), (256, 256), (512,) if has_tables else (512, 512)))
    space = {name: values for name, values in space.items() if _is_default(own, name)}
    if own.loss_params == default_values(LOSS_SETTINGS[own.resolved_loss]):
        space |= {f"loss_params.{name}": values for name, values in _loss_ranges(own.resolved_loss).items()}
    return space


def _is_default(config: TrainingConfig, name: str) -> bool:
    field = next(field for field in fields(TrainingConfig) if field.name == name)
    return field.default is not MISSING and getattr(config, name) == field.default


def _loss_ranges(loss: str) -> dict[str, Range]:
    """From half to twice the default of each parameter of a loss, as far as it may be."""
    ranges = {}
    for name, field in LOSS_SETTINGS[loss].items():
        if isinstance(field, FloatField) and field.default > 0:
            low, high = max(field.low, field.default / 2), min(field.high, field.default * 2)
            ranges[name] = Range(low, high)
    return ranges


def read_params(config: TrainingConfig, space: Space) -> dict[str, Any]:
    """The values of a config for the names of a space."""
    found = {}
    for name in space:
        outer, dot, inner = name.partition(".")
        value = getattr(config, outer)
        found[name] = (value or {}).get(inner) if dot else value
    return {name: value for name, value in found.items() if value is not None and value != AUTO}


def expand_params(params: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a classifier by name: "loss_params.gamma" becomes an entry of what `own` has there."""
    settings: dict[str, Any] = {}
    for name, value in params.items():
        outer, dot, inner = name.partition(".")
        if dot:
            settings[outer] = {**(settings.get(outer) or own.get(outer) or {}), inner: value}
        else:
            settings[name] = tuple(value) if isinstance(value, list) else value
    return settings
