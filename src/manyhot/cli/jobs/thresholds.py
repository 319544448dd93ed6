"""`manyhot thresholds`: look at a model's thresholds and rules, and change them in its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from manyhot.cli.jobs.console import print_result
from manyhot.cli.jobs.open_model import load_model
from manyhot.cli.jobs.outputs import refuse_other_file
from manyhot.errors import InputError
from manyhot.estimators.multilabel import MultiLabelClassifier


def run(
    bundle: Path,
    output: Path | None,
    given: Sequence[str],
    measure: str | None,
    settings: Mapping[str, Any],
    rules: Mapping[str, Any],
    as_json: bool,
) -> None:
    """Change what is asked for, save it in one go, and show what is in force now."""
    refuse_other_file(output)
    classifier = load_model(bundle)
    if settings and measure is None:
        raise InputError("settings belong to a measure; name it with --for", argument="--with")
    if measure is not None:
        classifier.decide_for(measure, **settings)
    if given:
        classifier.set_thresholds(dict(_pair(text) for text in given))
    if rules:
        present = classifier.model_.decider.rules
        now = {
            "implies": present.implies,
            "exclusive": present.exclusive,
            "least_labels": present.least,
            "most_labels": present.most,
        }
        classifier.set_rules(**{**now, **rules})
    is_changed = measure is not None or bool(given) or bool(rules)
    target = output or bundle
    if is_changed or output is not None:
        classifier.save(target, evidence=classifier.model_.evidence is not None)
    document = described(classifier, target if is_changed else bundle)
    told = f"saved {target}" if is_changed or output is not None else "nothing was changed"
    print_result(document, f"{as_text(document)}\n\n{told}", as_json)


def _pair(text: str) -> tuple[str, float]:
    name, equals, value = text.rpartition("=")
    try:
        return name.strip(), float(value) if equals and name.strip() else float("nope")
    except ValueError:
        raise InputError(f"got {text!r}, expected NAME=NUMBER such as sad=0.3", argument="--set") from None


def described(classifier: MultiLabelClassifier, file: Path) -> dict[str, Any]:
    """What is in force, as plain values."""
    model = classifier.model_
    spread = model.decider.decision.spread
    guarantee = model.decider.guarantee
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
        "decision": model.decider.decision.name,
        "guarantee": None if guarantee is None else guarantee.statement(model.labels),
        "rules": model.decider.rules.to_spec(),
        "labels": rows,
        "measures": {name: model.report["measures"]["own"][name]["value"] for name in SHOWN},
    }


SHOWN = ("f1_macro", "f1_micro", "f1_samples", "hamming_loss")


def as_text(document: Mapping[str, Any]) -> str:
    """The same for people."""
    lines = [f"{document['model']}: thresholds for {document['decision']}"]
    if document["guarantee"]:
        lines = [f"{document['model']}: {document['guarantee']}"]
    rules = document["rules"]
    lines += [f"{child} implies {parent}" for child, parent in rules["implies"]]
    lines += [f"at most one of {', '.join(group)}" for group in rules["exclusive"]]
    if rules["least"] or rules["most"] is not None:
        most = "" if rules["most"] is None else f", at most {rules['most']}"
        lines.append(f"labels per row: at least {rules['least']}{most}")
    heads = ("threshold", "spread", "support", "precision", "recall", "f1")
    lines += ["", "label".ljust(32) + "".join(head.rjust(11) for head in heads)]
    for row in document["labels"]:
        lines.append(row["label"][:31].ljust(32) + "".join(_cell(row[head]).rjust(11) for head in heads))
    scores = ", ".join(f"{name} {value:.3f}" for name, value in document["measures"].items() if value is not None)
    return "\n".join([*lines, "", f"out-of-fold: {scores}"])


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
