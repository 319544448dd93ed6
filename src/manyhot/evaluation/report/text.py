"""Render a report as text for a terminal, at most 100 columns wide and without control characters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.cells import cell_len, chop_cells

from manyhot.evaluation.metrics.registry import METRICS, is_informative, main_metrics
from manyhot.evaluation.report.remarks import NOT_BETTER
from manyhot.evaluation.report.segmentation import describe_source

WIDTH = 100
MAX_CHARACTERS = 4000
NAME_WIDTH = 28
LABELS_SHOWN = 30
UNTUNED = ("fixed", "top_k")  # decisions that learn nothing from scores
BASELINE_NOTE = "baseline: a constant prediction, the same for every row, from label frequencies alone."

_LABEL_COLUMNS = {
    "support": "support",
    "prevalence": "prevalence",
    "threshold": "threshold",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "average_precision": "AP",
    "roc_auc": "AUC",
}
_PIXEL_COLUMNS = {
    "support": "support",
    "iou": "IoU",
    "dice": "Dice",
    "precision": "precision",
    "recall": "recall",
    "average_precision": "AP",
}


def to_text(report: Mapping[str, Any], labels_shown: int = LABELS_SHOWN, all_metrics: bool = False) -> str:
    """Render a report; the per-label table has at most `labels_shown` lines, those with the most positives first."""
    tables = (_decision_table, _score_table, _calibration_summary) if all_metrics else (_main_table,)
    note = cross_fit_note(report)
    verdict = [finding["text"] for finding in report["checks"] if finding["code"] == NOT_BETTER]
    checks = [finding["text"] for finding in report["checks"] if finding["code"] != NOT_BETTER]
    parts = [
        *(wrap(text) for text in verdict),
        _headline(report),
        *(render(report) for render in tables),
        _decision_summary(report),
        _label_table(report["labels"], labels_shown) + (f"\n{wrap(note)}" if note else ""),
    ]
    if "pixels" in report:
        parts.append(_pixel_table(report["pixels"], labels_shown))
    if checks:
        parts.append("What stands out\n" + bullets(checks))
    if report["notes"]:
        parts.append("Notes\n" + bullets(report["notes"]))
    return "\n\n".join(part for part in parts if part)


def _headline(report: Mapping[str, Any]) -> str:
    data, scores = report["data"], report["scores"]
    out_of = "" if data["rows_total"] == data["rows"] else f" of {data['rows_total']}"
    label_sets = data["label_sets"]
    rows = pluralize(data["rows"], "row") if not out_of else f"{data['rows']}{out_of} rows"
    clauses = [
        f"{rows}, {pluralize(data['labels'], 'label')}",
        f"{_number(data['cardinality'])} labels per row, density {_number(data['density'])}",
        f"{pluralize(label_sets['distinct'], 'distinct label set')}, {label_sets['once']} of them seen once",
        f"{pluralize(data['rows_without_labels'], 'row')} without labels",
    ]
    if data["unknown_share"] > 0:
        clauses.append(f"{100 * data['unknown_share']:.1f}% of the targets unknown")
    nouns = {"n_members": "network", "n_folds": "fold"}
    counts = [pluralize(scores[key], noun) for key, noun in nouns.items() if scores[key] is not None]
    if counts:
        clauses.append(", ".join(counts))
    lines = [wrap("; ".join(clauses) + ".")]
    lines += [wrap(remark) for remark in scores["remarks"]]
    return "\n".join(lines)


def _main_table(report: Mapping[str, Any]) -> str:
    """The metrics that most people look at, and how many others there are."""
    decided, fixed = report["metrics"]["decision"], report["metrics"]["fixed"]
    names = [name for name in main_metrics(has_taxonomy=True) if name in decided]
    rows = [
        [
            name,
            METRICS[name].better,
            _number(decided[name]["value"]),
            _number(fixed[name]["value"]) if METRICS[name].needs == "decisions" else "",
            _verdict(report, name),
            _number(decided[name]["baseline"]),
        ]
        for name in names
    ]
    n_more = len(_shown_names(report)) + len(report["probabilities"]) - len(names)
    more = f"{n_more} more metrics with --all; in Python, report.to_text(all_metrics=True)."
    figures = table(["metric", "better", "value", "at 0.5", "compared", "baseline"], rows)
    return f"{figures}\n{BASELINE_NOTE}\n{more}"


def _shown_names(report: Mapping[str, Any]) -> list[str]:
    """The metrics that depend on the predictions, with so many labels."""
    n_labels, k = report["data"]["labels"], report["k"]
    return [name for name in report["metrics"]["decision"] if is_informative(name, n_labels, k)]


def _decision_table(report: Mapping[str, Any]) -> str:
    tuned, fixed = report["metrics"]["decision"], report["metrics"]["fixed"]
    rows = [
        [
            name,
            METRICS[name].better,
            _number(tuned[name]["value"]),
            _number(fixed[name]["value"]),
            _verdict(report, name),
            _number(tuned[name]["baseline"]),
            *_coverage(tuned[name]),
        ]
        for name in _shown_names(report)
        if METRICS[name].needs == "decisions"
    ]
    return table(["decisions", "better", "as decided", "at 0.5", "compared", "baseline", "labels", "rows"], rows)


def _verdict(report: Mapping[str, Any], name: str) -> str:
    """Whether the decisions are clearly better or worse than those at 0.5."""
    compared = report.get("comparison", {}).get(name)  # reports of earlier versions have none
    if compared is None:
        return ""
    return {"decision": "better", "fixed": "worse"}.get(compared["better"], "no clear difference")


def _score_table(report: Mapping[str, Any]) -> str:
    tuned = report["metrics"]["decision"]
    rows = [
        [
            name.replace("_at_k", f"_at_{report['k']}"),
            METRICS[name].better,
            _number(tuned[name]["value"]),
            _number(tuned[name]["baseline"]),
            *_coverage(tuned[name]),
        ]
        for name in _shown_names(report)
        if METRICS[name].needs == "scores"
    ]
    for name, score in report["probabilities"].items():
        rows.append([name, "lower", _number(score["value"]), _number(score["baseline"]), *_coverage(score)])
    return table(["scores", "better", "value", "baseline", "labels", "rows"], rows)


def _calibration_summary(report: Mapping[str, Any]) -> str:
    """How good probabilities were before calibration and are after it."""
    calibration = report["policy"].get("calibration", {})
    if report["raw"] is None or not set(calibration) - {"none"}:
        return ""
    kinds = ", ".join(f"{kind} ({pluralize(count, 'label')})" for kind, count in calibration.items())
    before, after = report["raw"]["probabilities"], report["probabilities"]
    changes = "; ".join(
        f"{name} {_number(before[name]['value'])} before, {_number(after[name]['value'])} after" for name in after
    )
    return wrap(f"Calibration: {kinds}. {changes}.")


def _decision_summary(report: Mapping[str, Any]) -> str:
    """How scores become predictions: the decision, rules, a guarantee."""
    info = report["policy"]
    if not info:
        return ""
    lines = [info["guarantee"] or info.get("meaning", f"Decision: {info['decision']}.")]
    if info.get("taxonomy_pairs"):  # a report of before has none
        pairs = pluralize(info["taxonomy_pairs"], "pair")
        lines.append(f"Taxonomy: {pairs} of a label and its parent, which all scores and predictions respect.")
    return "\n".join(wrap(line) for line in lines)


def _label_table(labels: Sequence[Mapping[str, Any]], max_rows: int) -> str:
    lines = table(["label", *_LABEL_COLUMNS.values()], _label_rows(labels, _LABEL_COLUMNS, max_rows))
    n_left = len(labels) - max_rows
    if n_left <= 0:
        return lines
    max_support = sorted((row["support"] for row in labels), reverse=True)[max_rows]
    n_more, max_positives = pluralize(n_left, "more label"), pluralize(max_support, "positive")
    return f"{lines}\n... and {n_more}, each with {max_positives} or fewer."


def cross_fit_note(report: Mapping[str, Any]) -> str:
    """What the figures of labels rest on, where the thresholds beside them are not those that decided the rows."""
    scores, decision = report["scores"], report["policy"].get("decision")
    is_held_out = scores["from"] in ("out_of_fold", "held_out", "supplied") and not scores["is_tuned_here"]
    is_half = all(row["threshold"] == 0.5 for row in report["labels"])  # what "auto" comes back to
    if not is_held_out or is_half or decision in (None, *UNTUNED):
        return ""
    return "Precision, recall and F1 are cross-fitted: each row is decided by thresholds tuned on other rows."


def _pixel_table(section: Mapping[str, Any], max_rows: int) -> str:
    rows = _label_rows(section["labels"], _PIXEL_COLUMNS, max_rows)
    rows.append(["mean", "", _number(section["mean_iou"]), _number(section["mean_dice"]), "", "", ""])
    return f"{wrap(describe_source(section))}\n" + table(["pixels", *_PIXEL_COLUMNS.values()], rows)


def _label_rows(labels: Sequence[Mapping[str, Any]], columns: Iterable[str], max_rows: int) -> list[list[str]]:
    """The labels with the most positives, a row of cells for each."""
    ranked = sorted(labels, key=lambda row: -row["support"])[:max_rows]
    return [[printable(row["label"], NAME_WIDTH), *(_number(row[name]) for name in columns)] for row in ranked]


def percent(share: float) -> str:
    """A share in whole percent; 100% is said only of all, and 0% of none."""
    return f"{share:.0%}" if share in (0, 1) else f"{min(max(round(100 * share), 1), 99)}%"


def pluralize(count: int, noun: str) -> str:
    """A number and its noun: "1 row", "2 rows"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _coverage(score: Mapping[str, Any]) -> list[str]:
    return [str(score["n_labels"]), str(score["n_samples"])]


def _number(value: float | int | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    if 0 < abs(value) < 0.0005:
        return "<0.001" if value > 0 else ">-0.001"
    return f"{value:.3f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns: the first to the left, numbers to the right."""
    widths = [max(map(cell_len, column)) for column in zip(header, *rows, strict=True)]
    lines = []
    for first, *numbers in [header, *rows]:
        cells = [first + " " * (widths[0] - cell_len(first))]
        cells += [" " * (width - cell_len(cell)) + cell for cell, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    return "\n".join(lines)


def bullets(sentences: Iterable[str]) -> str:
    """One paragraph for each sentence, behind a dash."""
    return "\n".join(wrap(sentence, "- ", "  ") for sentence in sentences)


def wrap(text: str, first: str = "", indent: str = "") -> str:
    """Lines of at most `WIDTH` columns; a word that is longer than a line is cut, and so is a text without end."""
    lines, line = [], first
    for word in printable(" ".join(text[:MAX_CHARACTERS].split())).split():
        for part in chop_cells(word, WIDTH - cell_len(indent)):
            is_start = line in (first, indent)
            if not is_start and cell_len(line) + cell_len(part) + 1 > WIDTH:
                lines.append(line)
                line, is_start = indent, True
            line += part if is_start else f" {part}"
    return "\n".join([*lines, line.rstrip()])


def printable(text: str, width: int | None = None) -> str:
    """The text without what a terminal would obey rather than show, cut to a number of columns."""
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    if width is None or cell_len(shown) <= width:
        return shown
    return chop_cells(shown, width - 1)[0] + "\N{HORIZONTAL ELLIPSIS}"
