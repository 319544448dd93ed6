"""A report -> text for a terminal, at most 100 columns wide.

It reads only the plain values, so a report saved as JSON renders the same. Names are shown as they can be shown:
shortened where too long, and without control characters, which a terminal would obey. Start reading at `to_text`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from manyhot.evaluation.metrics import MEASURES
from manyhot.evaluation.report.segmentation import source_of

WIDTH = 100
MAX_LETTERS = 4000
NAME_WIDTH = 28
LABELS_SHOWN = 30

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


def to_text(report: Mapping[str, Any], labels_shown: int = LABELS_SHOWN) -> str:
    """Render a report.

    Args:
        report: What `measure_report` gave.
        labels_shown: Most lines of the per-label table; those with the most positives come first.

    Returns:
        Lines of at most 100 columns, ending without a newline.
    """
    parts = [
        _headline(report),
        _decision_table(report),
        _score_table(report),
        _answering(report),
        _label_table(report["labels"], labels_shown),
    ]
    if "pixels" in report:
        parts.append(_pixel_table(report["pixels"], labels_shown))
    if report["diagnosis"]:
        parts.append("What stands out\n" + _bullets(finding["text"] for finding in report["diagnosis"]))
    if report["notes"]:
        parts.append("Notes\n" + _bullets(report["notes"]))
    return "\n\n".join(part for part in parts if part)


def _headline(report: Mapping[str, Any]) -> str:
    data, scores = report["data"], report["scores"]
    given = "" if data["rows_given"] == data["rows"] else f" of {data['rows_given']}"
    sets = data["label_sets"]
    facts = [
        f"{data['rows']}{given} rows, {data['labels']} labels",
        f"{_number(data['cardinality'])} labels per row, density {_number(data['density'])}",
        f"{sets['distinct']} distinct label sets, {sets['once']} of them seen once",
        f"{data['rows_without_labels']} rows without labels",
    ]
    if data["unknown_share"] > 0:
        facts.append(f"{100 * data['unknown_share']:.1f} % of the targets unknown")
    members = [f"{scores[name]} {name}" for name in ("members", "folds") if scores[name] is not None]
    if members:
        facts.append(", ".join(members))
    lines = [_wrapped("; ".join(facts) + ".")]
    lines += [_wrapped(remark) for remark in scores["remarks"]]
    return "\n".join(lines)


def _decision_table(report: Mapping[str, Any]) -> str:
    own, half = report["measures"]["own"], report["measures"]["half"]
    rows = [
        [
            name,
            _direction(name),
            _number(own[name]["value"]),
            _number(half[name]["value"]),
            _number(own[name]["baseline"]),
            *_cover(own[name]),
        ]
        for name in own
        if MEASURES[name].needs == "decisions"
    ]
    return table(["decisions", "better", "own thresholds", "at 0.5", "baseline", "labels", "rows"], rows)


def _score_table(report: Mapping[str, Any]) -> str:
    own = report["measures"]["own"]
    rows = [
        [
            name.replace("_at_k", f"_at_{report['k']}"),
            _direction(name),
            _number(own[name]["value"]),
            _number(own[name]["baseline"]),
            *_cover(own[name]),
        ]
        for name in own
        if MEASURES[name].needs == "scores"
    ]
    for name, score in report["probabilities"].items():
        rows.append([name, "lower", _number(score["value"]), _number(score["baseline"]), *_cover(score)])
    return table(["scores", "better", "value", "baseline", "labels", "rows"], rows)


def _answering(report: Mapping[str, Any]) -> str:
    """How scores become answers: calibration before and after, the decision, rules, a promise."""
    told = report["answering"]
    if not told:
        return ""
    lines = []
    kinds = told["calibration"]
    if report["raw"] is not None and set(kinds) != {"none"}:
        named = ", ".join(f"{kind} ({count})" for kind, count in kinds.items())
        before, after = report["raw"]["probabilities"], report["probabilities"]
        moved = "; ".join(
            f"{name} {_number(before[name]['value'])} before, {_number(after[name]['value'])} after" for name in after
        )
        lines.append(f"Calibration (labels): {named}. {moved}.")
    if told["guarantee"]:
        lines.append(told["guarantee"])
    else:
        lines.append(f"Decision: {told['decision']}.")
    return "\n".join(_wrapped(line) for line in lines)


def _label_table(labels: Sequence[Mapping[str, Any]], shown: int) -> str:
    ranked = sorted(labels, key=lambda row: -row["support"])
    rows = [
        [_fitted(_shown(row["label"]), NAME_WIDTH), *(_number(row[name]) for name in _LABEL_COLUMNS)]
        for row in ranked[:shown]
    ]
    lines = table(["label", *_LABEL_COLUMNS.values()], rows)
    left = len(ranked) - shown
    if left <= 0:
        return lines
    more, most = _counted(left, "more label"), _counted(ranked[shown]["support"], "positive")
    return f"{lines}\n... and {more}, each with {most} or fewer."


def _pixel_table(section: Mapping[str, Any], shown: int) -> str:
    columns = {"iou": "IoU", "dice": "Dice", "precision": "precision", "recall": "recall", "average_precision": "AP"}
    ranked = sorted(section["labels"], key=lambda row: -row["support"])
    rows = [
        [_fitted(_shown(row["label"]), NAME_WIDTH), str(row["support"]), *(_number(row[name]) for name in columns)]
        for row in ranked[:shown]
    ]
    rows.append(["mean", "", _number(section["mean_iou"]), _number(section["mean_dice"]), "", "", ""])
    return f"{_wrapped(source_of(section))}\n" + table(["pixels", "support", *columns.values()], rows)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _direction(name: str) -> str:
    return "higher" if MEASURES[name].higher_is_better else "lower"


def _cover(score: Mapping[str, Any]) -> list[str]:
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
    widths = [max(_columns(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    lines = []
    for row in [header, *rows]:
        first, *others = (
            cell + " " * (width - _columns(cell)) if j == 0 else " " * (width - _columns(cell)) + cell
            for j, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *others]).rstrip())
    lines.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    return "\n".join(lines)


def _bullets(sentences: Iterable[str]) -> str:
    return "\n".join(_wrapped(_shown(" ".join(sentence.split())), "- ", "  ") for sentence in sentences)


def _wrapped(text: str, first: str = "", later: str = "") -> str:
    """Lines of at most `WIDTH` columns; a word that is longer than a line is cut, and so is a text without end."""
    lines, line = [], first
    for word in _shown(" ".join(text[:MAX_LETTERS].split())).split():
        while _columns(later + word) > WIDTH:
            head = _fitted(word, WIDTH - _columns(later), mark="")
            if line not in (first, later):
                lines.append(line)
            line, word = later + head, word[len(head) :]
        if _columns(line) + _columns(word) + 1 > WIDTH:
            lines.append(line.rstrip())
            line = later
        line += word if line in (first, later) else f" {word}"
    return "\n".join([*lines, line.rstrip()])


def _shown(text: str) -> str:
    """The text without what a terminal would obey rather than show."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) != 0 for letter in text)


def _fitted(text: str, width: int, mark: str = "\N{HORIZONTAL ELLIPSIS}") -> str:
    room, kept = width - _columns(mark), 0
    for place, letter in enumerate(text):
        width -= _columns(letter)
        room -= _columns(letter)
        if room >= 0:
            kept = place + 1
        if width < 0:
            return text[:kept] + mark
    return text
