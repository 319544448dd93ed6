"""What stands where in the report of a saved model, so that text, page and charts need not ask."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], bool]
"""Whether a JSON value may stand at a place."""
MAX_TEXT = 1_000_000


def check_report(report: Mapping[str, Any]) -> bool:
    """Return whether every value that is known by its place is of the kind that belongs there."""
    return _REPORT(report)


def check_extreme_report(report: Mapping[str, Any]) -> bool:
    """The same for the report of a model of very many labels."""
    return _EXTREME_REPORT(report)


def _number(value: Any) -> bool:
    """A number, or null where there was nothing to measure."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value is None or (is_number and abs(value) < math.inf)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _setting(value: Any) -> bool:
    """A setting that is one number or one word."""
    return _number(value) or _text(value)


def _list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _map_of(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _fields(
    required: Mapping[str, Check], known: Mapping[str, Check] | None = None, rest: Check | None = None
) -> Check:
    """An object with all the `required` fields; of the others those in `known` are checked, or all by `rest`."""
    checks = {**(known or {}), **required}

    def check(value: Any) -> bool:
        if not isinstance(value, dict) or not set(required) <= set(value):
            return False
        return all(
            checks[name](inner) if name in checks else rest is None or rest(inner) for name, inner in value.items()
        )

    return check


_FIGURE = _fields({"value": _number, "baseline": _number, "n_labels": _count, "n_samples": _count})
_FIGURES = _map_of(_FIGURE)
_TEXTS = _list_of(_text)
_LABELS = _list_of(_fields({"label": _text}, rest=_number))
_BINS = _list_of(_map_of(_number))
_LABEL_SETS = _fields(
    {"rows": _count, "distinct": _count, "once": _count},
    {"most_common": _list_of(_fields({"labels": _TEXTS, "rows": _count}))},
)
_DATA = _fields(
    {"rows": _count, "labels": _count},
    {
        "support": _map_of(_number),
        "cardinality": _number,
        "density": _number,
        "label_sets": _LABEL_SETS,
        "rows_without_labels": _count,
        "unknown_share": _number,
        "constant_labels": _TEXTS,
        "absent_labels": _TEXTS,
        "rows_total": _count,
    },
)
_SCORES = _fields(
    {"from": _text, "remarks": _TEXTS},
    {"n_members": _number, "n_folds": _number, "members_per_score": _number, "is_tuned_here": _flag},
)
_COMPARISON = _map_of(_fields({"value": _number, "standard_error": _number, "better": _or_null(_text)}))
_POLICY = _fields(
    {"decision": _text},
    {
        "meaning": _text,
        "calibration": _map_of(_count),
        "rules": _fields(
            {},
            {
                "implies": _list_of(_TEXTS),
                "exclusive": _list_of(_TEXTS),
                "min_labels": _count,
                "max_labels": _or_null(_count),
            },
        ),
        "taxonomy_pairs": _count,
    },
)
_SETTINGS: Mapping[str, Check] = {
    "hidden_layer_sizes": _list_of(_count),
    **dict.fromkeys(("decision", "calibration", "head"), _setting),
}
_NUMBERS = dict.fromkeys(("n_members", "n_folds", "epochs", "batch_size", "learning_rate", "random_state"), _number)
_WORDS = dict.fromkeys(("network", "optimizer", "loss"), _text)
_TRAINED_CONFIG = _fields({**_NUMBERS, **_WORDS}, _SETTINGS)
_DECIDED_CONFIG = _fields({"calibration": _setting, "decision": _setting, "random_state": _number}, _SETTINGS)


def _config(value: Any) -> bool:
    """Settings of a training, those of a layer of decisions, which has no network, or none."""
    is_trained = isinstance(value, dict) and "network" in value
    return value == {} or (_TRAINED_CONFIG if is_trained else _DECIDED_CONFIG)(value)


_BOTH_FIGURES = _fields({"decision": _FIGURES, "fixed": _FIGURES})


def _metrics(value: Any) -> bool:
    """The same metrics of the decisions and of those at 0.5."""
    return _BOTH_FIGURES(value) and set(value["decision"]) == set(value["fixed"])


_PIXELS = _fields({"from": _text, "labels": _LABELS}, {"images": _count}, rest=_number)
_REPORT = _fields(
    {
        "data": _DATA,
        "scores": _SCORES,
        "metrics": _metrics,
        "k": _count,
        "policy": _POLICY,
        "labels": _LABELS,
    },
    {
        "format": _count,
        "comparison": _COMPARISON,
        "probabilities": _FIGURES,
        "reliability": _BINS,
        "raw": _or_null(_fields({"probabilities": _FIGURES, "reliability": _BINS})),
        "notes": _TEXTS,
        "config": _config,
        "training": _fields({}, {"best_epoch": _list_of(_count), "epochs": _count, "loss": _number}),
        "checks": _list_of(_fields({"code": _text, "text": _text}, {"labels": _TEXTS})),
        "pixels": _PIXELS,
    },
)
_EXTREME_REPORT = _fields(
    {"data": _map_of(_number), "metrics": _FIGURES, "training": lambda value: isinstance(value, dict)},
    {
        "scores_from": _text,
        "decisions": _map_of(_number),
        "notes": _TEXTS,
        "training": _fields(
            {},
            {"rows": _count, "labels_seen": _count, "epochs": _count, "batch_size": _count, "loss": _list_of(_number)},
        ),
    },
)
