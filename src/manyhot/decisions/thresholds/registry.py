"""The decisions by name, built from settings and read back from what was saved."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from manyhot import validation
from manyhot.config import training
from manyhot.data.labels import LabelSpace
from manyhot.decisions.thresholds.base import Decision
from manyhot.decisions.thresholds.cardinality import Cardinality
from manyhot.decisions.thresholds.compromise import Auto
from manyhot.decisions.thresholds.fixed import Fixed, TopK
from manyhot.decisions.thresholds.labelwise import Cost, F1Macro, FbetaMacro, Hamming, Precision, Recall
from manyhot.decisions.thresholds.micro_f1 import F1Micro
from manyhot.decisions.thresholds.samplewise import F1Samples, JaccardSamples
from manyhot.errors import InputError

# in the order of their names in the config
_CLASSES: tuple[type[Decision], ...] = (
    Auto,
    F1Macro,
    FbetaMacro,
    F1Micro,
    F1Samples,
    JaccardSamples,
    Hamming,
    Cost,
    Precision,
    Recall,
    Cardinality,
    Fixed,
    TopK,
)
DECISIONS = dict(zip(training.DECISIONS, _CLASSES, strict=True))
for _name, _decision in DECISIONS.items():
    _decision.name = _name


def build(name: str, settings: Mapping[str, Any] | None = None, space: LabelSpace | None = None) -> Decision:
    """An unfitted decision by its name; a setting given as {label name: number} becomes one number per label."""
    validation.one_of(DECISIONS, decision=name)
    values = {} if settings is None else settings
    arguments = inspect.signature(DECISIONS[name]).parameters
    for key in values:
        if key not in arguments:
            raise InputError(
                f"the decision {name!r} has no setting {key!r}{validation.did_you_mean(str(key), arguments)}",
                argument="decision_params",
            )
    for key, argument in arguments.items():
        if argument.default is argument.empty and key not in values:
            raise InputError(f"the decision {name!r} needs the setting {key!r}", argument="decision_params")
    return DECISIONS[name](**{key: _per_label(key, value, space) for key, value in values.items()})


def _per_label(key: str, value: Any, space: LabelSpace | None) -> Any:
    """A setting given by label name as one number per label, in the order of the space; anything else as it is."""
    if not isinstance(value, Mapping):
        return value
    if space is None:
        raise InputError("is given by label name, but no label names are known here", argument=key)
    numbers = {space.index(label): number for label, number in value.items()}
    missing = [label for label in space.names if label not in value]
    if missing:
        raise InputError(
            f"has no number for {', '.join(map(repr, missing[:5]))}; give one per label (`tune_thresholds` of a "
            "trained model takes some labels alone)",
            argument=key,
        )
    return [numbers[j] for j in range(len(space))]


def from_spec(spec: Mapping[str, Any]) -> Decision:
    """Rebuild a fitted decision from what its `to_spec` gave."""
    if not isinstance(spec, Mapping):
        raise InputError(f"got {type(spec).__name__}, expected a mapping with a 'name'", argument="spec")
    validation.one_of(DECISIONS, name=spec.get("name"))
    return DECISIONS[spec["name"]].from_spec(spec)
