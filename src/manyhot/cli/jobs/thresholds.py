"""`manyhot thresholds`: show a model's thresholds and rules, or change them in its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from manyhot import validation
from manyhot.cli.config_flags import parse_pairs, parse_setting, split_pair
from manyhot.cli.jobs.console import print_result
from manyhot.cli.jobs.open_model import load_model
from manyhot.cli.jobs.outputs import refuse_other_file
from manyhot.decisions.thresholds import NEVER, Decision
from manyhot.errors import InputError
from manyhot.estimators.base_classifier import BaseModelClassifier
from manyhot.evaluation.report.text import cross_fit_note, printable, table, wrap
from manyhot.files import file_lock
from manyhot.models.decision_updates import current_decisions, undo_decisions
from manyhot.validation import join_names

MIN_LABELS_NOTE = (
    "Rows without a label above its threshold get their most probable ones all the same, so a precision that "
    "thresholds were chosen for may not be reached."
)
BEFORE = (
    "decision",
    "exceptions",
    "is_set_by_hand",
    "guarantee",
    "rules",
    "labels",
    "metrics",
)  # what is shown of the state before a change
NAME_WIDTH = 32
BY_HAND_NOTE = (
    "Thresholds were set by hand, so every row is decided by those shown. Figures flatter a threshold that was chosen "
    "to look good on these rows."
)
SHOWN_METRICS = ("f1_macro", "f1_micro", "f1_samples", "hamming_loss")


def run(
    bundle: Path,
    output: Path | None,
    thresholds: Sequence[str] | None,
    metric: str | None,
    decision_params: str | None,
    min_precision: Sequence[str] | None,
    min_recall: Sequence[str] | None,
    undo: bool,
    dry_run: bool,
    as_json: bool,
    **rule_flags: Any,
) -> None:
    """Apply the requested changes, save them at once, and show thresholds and scores before and after."""
    params = {} if decision_params is None else parse_pairs(decision_params, "--decision-params")
    rules = {name: parse_setting(name, value) for name, value in rule_flags.items() if value is not None}
    if rules.get("max_labels") == 0:
        rules["max_labels"] = None
    refuse_other_file(output)
    if params and metric is None:
        raise InputError("needs --metric, which it belongs to", argument="--decision-params")
    wanted = {"precision": _parse_rates(min_precision, "precision"), "recall": _parse_rates(min_recall, "recall")}
    wanted = {name: rates for name, rates in wanted.items() if rates}
    for_all = [f"--min-{name}" for name, rates in wanted.items() if None in rates]
    if metric is not None:
        for_all.insert(0, "--metric")
    if len(for_all) > 1:
        raise InputError(f"chooses every threshold, and so does {for_all[1]}; give one of them", argument=for_all[0])
    is_changed = metric is not None or bool(wanted) or bool(thresholds) or bool(rules)
    if undo and is_changed:
        raise InputError("cannot be combined with other changes", argument="--undo")
    is_saved = (is_changed or undo or output is not None) and not dry_run
    with file_lock(output or bundle) if is_saved else nullcontext():
        classifier = load_model(bundle)
        model = classifier.model_
        before, earlier = describe_model(classifier, bundle), current_decisions(model)
        if undo:
            _undo(classifier, bundle)
        if metric is not None:
            _tune(classifier, metric, params)
        for name, rates in sorted(wanted.items(), key=lambda item: None not in item[1]):  # the one for all labels first
            _tune_rates(classifier, name, rates)
        if thresholds:
            classifier.set_thresholds(dict(_parse_pair(text) for text in thresholds))
        if rules:
            classifier.set_rules(**{**vars(model.policy.rules), **rules})
        if is_changed:
            model.previous = earlier  # one command is one change
        print_change(classifier, bundle, output, before if is_changed or undo else None, dry_run, as_json, undo)


def _tune(classifier: BaseModelClassifier, metric: str, params: Mapping[str, Any]) -> None:
    flags = {"decision": "--metric", "decision_params": "--decision-params"}
    try:
        classifier.tune_thresholds(metric, **params)
    except InputError as error:
        if error.argument not in flags:
            raise
        raise InputError(error.message, argument=flags[error.argument]) from None


def _tune_rates(classifier: BaseModelClassifier, name: str, rates: Mapping[str | None, float]) -> None:
    """`--min-precision` or `--min-recall`: of all labels (the key None), of some labels, or both."""
    field = f"min_{name}"
    by_label: dict[Any, float] = {label: rate for label, rate in rates.items() if label is not None}
    for label in by_label:
        classifier.model_.labels.index(label)
    if None in rates and by_label:
        by_label = dict.fromkeys(classifier.model_.labels.names, rates[None]) | by_label
    try:
        classifier.tune_thresholds(name, **{field: by_label or rates[None]})
    except InputError as error:
        if error.argument != field:
            raise
        raise InputError(error.message, argument=f"--min-{name}") from None


def _parse_rates(texts: Sequence[str] | None, name: str) -> dict[str | None, float]:
    """`NUMBER` for all labels, under the key None, and `LABEL=NUMBER` -> label: number."""
    rates: dict[str | None, float] = {}
    for text in texts or []:
        label, _, value = text.rpartition("=")
        try:
            rates[label.strip() or None] = float(value)
        except ValueError:
            expected = "NUMBER for all labels or LABEL=NUMBER, such as 0.9 or sad=0.9"
            raise InputError(f"got {text!r}, expected {expected}", argument=f"--min-{name}") from None
    return rates


def _undo(classifier: BaseModelClassifier, bundle: Path) -> None:
    try:
        undo_decisions(classifier.model_)
    except InputError as error:
        raise InputError(error.message, file=bundle, argument="--undo") from None


def print_change(
    classifier: BaseModelClassifier,
    bundle: Path,
    output: Path | None,
    before: Mapping[str, Any] | None,
    dry_run: bool,
    as_json: bool,
    is_undone: bool = False,
    **more: Any,
) -> None:
    """Save a model whose decisions were changed, unless only a dry run is wanted, and show what changed."""
    is_saved = (before is not None or output is not None) and not dry_run
    target_file = output or bundle
    if is_saved:
        classifier.save(target_file, evidence=classifier.model_.evidence is not None)
    document = describe_model(classifier, target_file if is_saved else bundle)
    if before is not None:
        document["before"] = {key: before[key] for key in BEFORE}
    document |= {"saved": is_saved, **more}
    message = ""
    if is_saved:
        message = f"\n\nsaved {target_file}"
        back = "to undo" if not is_undone else "to bring the change back"
        message += "" if before is None else f"; {back}: manyhot thresholds {target_file} --undo"
    elif dry_run:
        message = "\n\nnothing was saved (dry run)"
    print_result(document, as_text(document) + message, as_json)


def _parse_pair(text: str) -> tuple[str, float]:
    expected = "NAME=NUMBER such as sad=0.3"
    name, value = split_pair(text, expected, "--set")
    try:
        return name.strip(), validation.number(value=float(value), low=0.0, high=1.0)
    except (ValueError, InputError):
        raise InputError(f"got {text!r}, expected {expected}, from 0 to 1", argument="--set") from None


def describe_model(classifier: BaseModelClassifier, file: Path) -> dict[str, Any]:
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
        "exceptions": {label: _describe_settings(own) for label, own in model.policy.exceptions.items()},
        "is_set_by_hand": model.policy.is_manual,
        "guarantee": None if guarantee is None else guarantee.statement(model.labels),
        "rules": model.policy.rules.to_spec(),
        "labels": rows,
        "note": BY_HAND_NOTE if model.policy.is_manual else "" if guarantee else cross_fit_note(model.report),
        "metrics": {name: model.report["metrics"]["decision"][name]["value"] for name in SHOWN_METRICS},
    }


def as_text(document: Mapping[str, Any]) -> str:
    """The same for people; a threshold that changed stands beside the one before."""
    lines = [wrap(f"{document['model']}: decision {document['decision']}{_describe_exceptions(document)}")]
    if document["guarantee"]:
        details = [wrap(document["details"])] if "details" in document else []
        lines = [f"{document['model']}: guarantee", wrap(document["guarantee"]), *details]
    rules = document["rules"]
    lines += [f"{child} implies {parent}" for child, parent in rules["implies"]]
    lines += [f"at most one of {', '.join(group)}" for group in rules["exclusive"]]
    if rules["min_labels"] or rules["max_labels"] is not None:
        maximum = "" if rules["max_labels"] is None else f", at most {rules['max_labels']}"
        lines.append(f"labels per row: at least {rules['min_labels']}{maximum}")
        if rules["min_labels"]:
            lines.append(wrap(MIN_LABELS_NOTE))
    columns = ["threshold", "spread", "support", "precision", "recall", "f1"]
    before = document.get("before")
    old_rows = {row["label"]: row for row in before["labels"]} if before else {}
    if before:
        columns.insert(0, "before")
    rows = []
    for row in document["labels"]:
        old = old_rows.get(row["label"], {})
        cells = {**row, "before": old.get("threshold")}
        if old and old["f1"] is not None and row["f1"] is not None and _cell(old["f1"]) != _cell(row["f1"]):
            cells["f1"] = f"{_cell(old['f1'])} -> {_cell(row['f1'])}"
        rows.append([printable(row["label"], NAME_WIDTH), *(_cell(cells[column]) for column in columns)])
    lines += ["", table(["label", *columns], rows)]
    lines += [wrap(document["note"])] if document["note"] else []
    never = [row["label"] for row in document["labels"] if row["threshold"] == NEVER and row["support"]]
    if never:
        reason = "where a precision was asked for, no lower one reaches it"
        lines.append(wrap(f"Hardly ever predicted, at threshold 1: {join_names(never)}; {reason}."))
    scores = ", ".join(
        f"{name} {_change(before, name)}{value:.3f}" for name, value in document["metrics"].items() if value is not None
    )
    return "\n".join([*lines, "", f"out-of-fold: {scores}"] if scores else lines)


def _describe_settings(decision: Decision) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in decision.settings().items())
    return f"{decision.name} ({settings})" if settings else decision.name


def _describe_exceptions(document: Mapping[str, Any]) -> str:
    """What single labels are decided by, and whether somebody set thresholds."""
    own: dict[str, list[str]] = {}
    for label, decision in document["exceptions"].items():
        own.setdefault(decision, []).append(label)
    text = "; ".join(f"{join_names(labels)}: {decision}" for decision, labels in own.items())
    text = f", except {text}" if text else ""
    return text + (", thresholds set by hand" if document["is_set_by_hand"] else "")


def _change(before: Mapping[str, Any] | None, name: str) -> str:
    value = before["metrics"][name] if before else None
    return "" if value is None else f"{value:.3f} -> "


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else f"{value:.3f}"
