"""The losses by name, with their settings: defaults, ranges and meanings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from manyhot import validation
from manyhot.config.fields import Field, FloatField, fill_defaults


@dataclass(frozen=True)
class LossSpec:
    """What is known about a loss without computing it."""

    description: str
    settings: Mapping[str, Field] = field(default_factory=dict)
    is_coupled: bool = False  # an entry depends on the targets of others, so targets cannot be smoothed
    is_shift_free: bool = False  # only differences of logits matter, so scores are no probabilities before calibration
    uses_label_counts: bool = False


def _focusing_param(default: float, entries: str) -> FloatField:
    return FloatField(default, 0.0, 10.0, f"how much {entries} that are already right are faded out; 0 not at all")


LOSS_SPECS: dict[str, LossSpec] = {
    "binary_crossentropy": LossSpec("the default: scores are probabilities"),
    "categorical_crossentropy": LossSpec("one softmax over all labels, for exclusive labels only"),
    "focal": LossSpec(
        "entries that are already right count less",
        {
            "gamma": _focusing_param(2.0, "entries"),
            "balance": FloatField(0.5, 0.01, 0.99, "share of the weight that goes to yes; 0.5 is neutral"),
        },
    ),
    "asymmetric": LossSpec(
        "many labels, few of them yes: easy no's fade out, the easiest do not count",
        {
            "gamma_positive": _focusing_param(0.0, "yes entries"),
            "gamma_negative": _focusing_param(4.0, "no entries"),
            "margin": FloatField(0.05, 0.0, 0.5, "a no that is scored below this does not count"),
        },
    ),
    "class_balanced": LossSpec(
        "focal, with rare labels counting more, by their effective number of rows",
        {
            "beta": FloatField(0.999, 0.0, 0.999999, "0: all labels alike; towards 1: the inverse of a label's count"),
            "gamma": _focusing_param(2.0, "entries"),
        },
        uses_label_counts=True,
    ),
    "distribution_balanced": LossSpec(
        "long-tailed labels that occur together: re-balanced weights, and no's that stop pushing early",
        {
            "alpha": FloatField(0.1, 0.0, 10.0, "lift of all weights"),
            "beta": FloatField(10.0, 0.0, 100.0, "steepness of the weights"),
            "mu": FloatField(0.2, 0.0, 10.0, "re-balancing ratio at the middle of the weights"),
            "kappa": FloatField(0.05, 0.0, 1.0, "how far logits are shifted by a label's log odds"),
            "lambda": FloatField(2.0, 0.1, 100.0, "how much sooner no's stop pushing; 1 not at all"),
            "gamma": _focusing_param(2.0, "entries"),
        },
        uses_label_counts=True,
    ),
    "two_way": LossSpec(
        "ranks yes above no, within rows and within labels",
        {
            "temperature_positive": FloatField(4.0, 0.01, 100.0, "higher: all yes entries matter, not only the lowest"),
            "temperature_negative": FloatField(1.0, 0.01, 100.0, "higher: all no entries matter, not only the highest"),
        },
        is_coupled=True,
        is_shift_free=True,
    ),
    "zlpr": LossSpec("ranks yes above 0 above no, within rows", is_coupled=True),
    "hill": LossSpec(
        "labels that are not recorded may still hold: a confident no stops pushing",
        {
            "lambda": FloatField(1.5, 1.0, 10.0, "1.5: a no that is scored near 1 stops pushing; higher: it does not"),
            "margin": FloatField(1.0, 0.0, 10.0, "how far above 0 the logit of a yes has to be to score half"),
            "gamma": _focusing_param(2.0, "yes entries"),
        },
    ),
    "entropy_maximization": LossSpec(
        "a no means that nobody looked: its score is drawn to one half",
        {"alpha": FloatField(0.1, 0.0, 1.0, "strength of the pull, counted in yes entries")},
    ),
    "weak_negatives": LossSpec(
        "few of the labels that hold are recorded: a no counts little",
        {"row_negatives": FloatField(1.0, 0.001, 1000.0, "what a whole row of no's weighs, counted in yes entries")},
    ),
}
"""Name of the loss -> what it is and what it can be told."""

LOSS_SETTINGS: dict[str, Mapping[str, Field]] = {name: kind.settings for name, kind in LOSS_SPECS.items()}
"""Name of the loss -> its settings by name."""


def loss_params(loss: str, values: Mapping[str, float] | None) -> dict[str, float]:
    """All settings of a loss in the order of its table: the given values, checked, and the defaults for the rest."""
    settings = LOSS_SETTINGS[validation.one_of(LOSS_SETTINGS, loss=loss)]
    return fill_defaults(settings, values, "loss_params", f"the loss {loss!r}", "{'gamma': 2}")
