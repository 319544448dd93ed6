"""What each loss can be told: names, defaults, ranges and meanings, in this one place.

`TrainingConfig`, the command line's help and the engine read it, so it must not know JAX, nor how a loss is computed.
Start reading at `LOSS_SPECS`; `loss_params` fills and checks what a person gave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from manyhot import validation
from manyhot.errors import InputError


@dataclass(frozen=True)
class LossParam:
    """One number that a loss can be told.

    Args:
        default: Its value where nothing is said.
        low: The lowest value allowed.
        high: The highest value allowed.
        description: What it does, in one line for `--help`.
    """

    default: float
    low: float
    high: float
    description: str


@dataclass(frozen=True)
class LossSpec:
    """What is known about a loss without computing it.

    Args:
        description: What it is for, in one line for `--help`.
        settings: Its settings by name.
        is_coupled: Whether an entry's loss depends on the targets of other entries as yes or no, so that targets in
            between (label smoothing) make no sense.
        uses_label_counts: Whether it looks at how often each label holds.
        is_shift_free: Whether only differences of logits matter, so that the sigmoid of a logit is no probability
            before it is calibrated.
    """

    description: str
    settings: Mapping[str, LossParam] = field(default_factory=dict)
    is_coupled: bool = False
    is_shift_free: bool = False
    uses_label_counts: bool = False


def _focusing_param(default: float, entries: str) -> LossParam:
    return LossParam(default, 0.0, 10.0, f"how much {entries} that are already right are faded out; 0 not at all")


LOSS_SPECS: dict[str, LossSpec] = {
    "binary_crossentropy": LossSpec("the default: scores are probabilities"),
    "categorical_crossentropy": LossSpec("one softmax over all labels, for exclusive labels only"),
    "focal": LossSpec(
        "entries that are already right count less",
        {
            "gamma": _focusing_param(2.0, "entries"),
            "balance": LossParam(0.5, 0.01, 0.99, "share of the weight that goes to yes; 0.5 is neutral"),
        },
    ),
    "asymmetric": LossSpec(
        "many labels, few of them yes: easy no's fade out, the easiest do not count",
        {
            "gamma_positive": _focusing_param(0.0, "yes entries"),
            "gamma_negative": _focusing_param(4.0, "no entries"),
            "margin": LossParam(0.05, 0.0, 0.5, "a no that is scored below this does not count"),
        },
    ),
    "class_balanced": LossSpec(
        "focal, with rare labels counting more, by their effective number of rows",
        {
            "beta": LossParam(0.999, 0.0, 0.999999, "0: all labels alike; towards 1: the inverse of a label's count"),
            "gamma": _focusing_param(2.0, "entries"),
        },
        uses_label_counts=True,
    ),
    "distribution_balanced": LossSpec(
        "long-tailed labels that occur together: re-balanced weights, and no's that stop pushing early",
        {
            "alpha": LossParam(0.1, 0.0, 10.0, "lift of all weights"),
            "beta": LossParam(10.0, 0.0, 100.0, "steepness of the weights"),
            "mu": LossParam(0.2, 0.0, 10.0, "re-balancing ratio at the middle of the weights"),
            "kappa": LossParam(0.05, 0.0, 1.0, "how far logits are shifted by a label's log odds"),
            "lambda": LossParam(2.0, 0.1, 100.0, "how much sooner no's stop pushing; 1 not at all"),
            "gamma": _focusing_param(2.0, "entries"),
        },
        uses_label_counts=True,
    ),
    "two_way": LossSpec(
        "ranks yes above no, within rows and within labels",
        {
            "temperature_positive": LossParam(4.0, 0.01, 100.0, "higher: all yes entries matter, not the lowest alone"),
            "temperature_negative": LossParam(1.0, 0.01, 100.0, "higher: all no entries matter, not the highest alone"),
        },
        is_coupled=True,
        is_shift_free=True,
    ),
    "zlpr": LossSpec("ranks yes above 0 above no, within rows", is_coupled=True),
    "hill": LossSpec(
        "labels that are not recorded may still hold: a confident no stops pushing",
        {
            "lambda": LossParam(1.5, 1.0, 10.0, "1.5: a no that is scored near 1 stops pushing; higher: it does not"),
            "margin": LossParam(1.0, 0.0, 10.0, "how far above 0 the logit of a yes has to be to score half"),
            "gamma": _focusing_param(2.0, "yes entries"),
        },
    ),
    "entropy_maximization": LossSpec(
        "a no means that nobody looked: its score is drawn to one half",
        {"alpha": LossParam(0.1, 0.0, 1.0, "strength of the pull, counted in yes entries")},
    ),
    "weak_negatives": LossSpec(
        "few of the labels that hold are recorded: a no counts little",
        {"row_negatives": LossParam(1.0, 0.001, 1000.0, "what a whole row of no's weighs, counted in yes entries")},
    ),
}
"""Name of the loss -> what it is and what it can be told."""

LOSS_SETTINGS: dict[str, Mapping[str, LossParam]] = {name: kind.settings for name, kind in LOSS_SPECS.items()}
"""Name of the loss -> its settings by name."""


def loss_params(loss: str, values: Mapping[str, float]) -> dict[str, float]:
    """All settings of a loss: what was given, and the defaults for the rest.

    Args:
        loss: Name of the loss.
        values: Some of its settings by name.

    Returns:
        Every setting of the loss, in the order of its table.

    Raises:
        InputError: No such loss or setting, or a value out of its range.
    """
    settings = LOSS_SETTINGS[validation.one_of(LOSS_SETTINGS, loss=loss)]
    if not isinstance(values, Mapping):
        raise InputError(
            f"got {validation.shorten(values)}, expected names with numbers, such as {{'gamma': 2}}",
            argument="loss_params",
        )
    for name in values:
        if name not in settings:
            has = f"it has {', '.join(settings)}" if settings else "it has none"
            hint = validation.did_you_mean(str(name), settings)
            raise InputError(
                f"the loss {loss!r} has no setting {validation.shorten(name)}, {has}{hint}", argument="loss_params"
            )
    return {name: _validate(name, values.get(name, param.default), param) for name, param in settings.items()}


def _validate(name: str, value: float, param: LossParam) -> float:
    try:
        return validation.number(value=value, low=param.low, high=param.high)
    except InputError as error:
        raise InputError(f"{name}: {error.message}", argument="loss_params") from None
