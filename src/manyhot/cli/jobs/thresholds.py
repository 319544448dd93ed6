"""`manyhot thresholds`: show a model's thresholds and rules, or change them in its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from manyhot.cli.config_flags import parse_pairs, parse_setting, split_pair
from manyhot.cli.jobs.console import print_result
from manyhot.cli.jobs.open_model import load_model
from manyhot.cli.jobs.outputs import refuse_other_file
from manyhot.errors import InputError
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.files import file_lock

SHOWN_METRICS = ("f1_macro", "f1_micro", "f1_samples", "hamming_loss")


def run(
    bundle: Path,
    output: Path | None,
    thresholds: Sequence[str] | None,
    metric: str | None,
    decision_params: str | None,
    as_json: bool,
    **rule_flags: Any,
) -> None:
    """Apply the requested changes, save them at once, and show the thresholds now in use."""
    params = {} if decision_params is None else parse_pairs(decision_params, "--decision-params")
    rules = {name: parse_setting(name, value) for name, value in rule_flags.items() if value is not None}
    if rules.get("max_labels") == 0:
        rules["max_labels"] = None
    refuse_other_file(output)
    if params and metric is None:
        raise InputError("needs --metric, which it belongs to", argument="--decision-params")
    is_changed = metric is not None or bool(thresholds) or bool(rules)
    target_file = output or bundle
    with file_lock(target_file) if is_changed else nullcontext():
        classifier = load_model(bundle)
        if metric is not None:
            classifier.tune_thresholds(metric, **params)
        if thresholds:
            classifier.set_thresholds(dict(_parse_pair(text) for text in thresholds))
        if rules:
            classifier.set_rules(**{**vars(classifier.model_.policy.rules), **rules})
        if is_changed or output is not None:
            classifier.save(target_file, evidence=classifier.model_.evidence is not None)
    document = describe_model(classifier, target_file if is_changed else bundle)
    message = f"saved {target_file}" if is_changed or output is not None else "nothing was changed"
    print_result(document, f"{as_text(document)}\n\n{message}", as_json)


def _parse_pair(text: str) -> tuple[str, float]:
    expected = "NAME=NUMBER such as sad=0.3"
    name, value = split_pair(text, expected, "--set")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise InputError(f"got {text!r}, expected {expected}", argument="--set") from None


def describe_model(classifier: MultiLabelClassifier, file: Path) -> dict[str, Any]:
    """The thresholds and rules in use, as plain values."""
    model = classifier.model_
    spread = model.policy.decision.spread
    guarantee = model.policy.guarantee
    by_label = {row["label"]: row for row in model.report["labels"]}
    rows = []
    for j, name in enumerate(model.labels.names):
        row = by_label.get(name, {})
        rows.append(
            {
                "label": name,
                "threshold": classifier.thresholds_.get(name),
                "spread": None if spread is None or guarantee is not None else float(spread[j]),
                **{key: row.get(key) for key in ("support", "precision", "recall", "f1")},
            }
        )
    return {
        "model": str(file),
        "decision": model.policy.decision.name,
        "guarantee": None if guarantee is None else guarantee.statement(model.labels),
        "rules": model.policy.rules.to_spec(),
        "labels": rows,
        "metrics": {name: model.report["metrics"]["decision"][name]["value"] for name in SHOWN_METRICS},
    }


def as_text(document: Mapping[str, Any]) -> str:
    """The same for people."""
    lines = [f"{document['model']}: thresholds for {document['decision']}"]
    if document["guarantee"]:
        lines = [f"{document['model']}: {document['guarantee']}"]
    rules = document["rules"]
    lines += [f"{child} implies {parent}" for child, parent in rules["implies"]]
    lines += [f"at most one of {', '.join(group)}" for group in rules["exclusive"]]
    if rules["min_labels"] or rules["max_labels"] is not None:
        maximum = "" if rules["max_labels"] is None else f", at most {rules['max_labels']}"
        lines.append(f"labels per row: at least {rules['min_labels']}{maximum}")
    columns = ("threshold", "spread", "support", "precision", "recall", "f1")
    lines += ["", "label".ljust(32) + "".join(column.rjust(11) for column in columns)]
    for row in document["labels"]:
        lines.append(row["label"][:31].ljust(32) + "".join(_cell(row[column]).rjust(11) for column in columns))
    scores = ", ".join(f"{name} {value:.3f}" for name, value in document["metrics"].items() if value is not None)
    return "\n".join([*lines, "", f"out-of-fold: {scores}"])


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
