"""A model card in Markdown, with the head that model hubs read, from what `measure_page` gave."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from manyhot.models.model import Model
from manyhot.validation import join_names

MAX_LABELS = 200  # rows of the table of labels
MAX_NAMED = 20  # labels that a sentence names
FEW_ROWS = 10  # rows of a label below which its scores are hardly known
GENERATOR = "<!-- made by manyhot card{} -->"  # what every card has behind its head, with the checksum of the rest
_MARK = re.compile(r"<!-- made by manyhot card(?:, sha256 ([0-9a-f]{64}))? -->")
TASKS = {
    "text": "text-classification",
    "image": "image-classification",
    "pixels": "image-segmentation",
    "table": "tabular-classification",
}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$])")


def render_card(page: Mapping[str, Any], model: Model, file: str = "model.manyhot") -> str:
    """The card of a model.

    Args:
        page: What `out_of_fold_page` gave.
        model: The same model.
        file: The name of its saved file, without folders.
    """
    kind = _kind(page, model)
    parts = [
        _head(page, kind, file),
        GENERATOR.format(""),
        f"# {_escape(Path(file).stem)}",
        _introduction(page),
        _usage(file),
        "## Scores",
        _scores(page),
        "## Labels",
        _labels(page),
        "## Data",
        _bullets(_data(page)),
        "## Training",
        _bullets(_training(page)),
        "## Limits",
        _bullets(_limits(page)),
    ]
    text = "\n\n".join(part for part in parts if part) + "\n"
    text = text.encode("utf-8", "replace").decode()
    return text.replace(GENERATOR.format(""), GENERATOR.format(f", sha256 {_checksum(text)}"), 1)


def is_card(text: str) -> bool:
    """Whether a text is a card as it was rendered; nobody has changed it since."""
    found = _MARK.search(text)
    if found is None:
        return False
    return found[1] in (None, _checksum(_MARK.sub(GENERATOR.format(""), text, count=1)))


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _kind(page: Mapping[str, Any], model: Model) -> str:
    if model.labels_pixels:
        return "pixels"
    kinds = {kind for kind, _ in page["data"]["columns"]["kinds"]}
    return "image" if "image" in kinds else "text" if kinds == {"text"} else "table"


def _head(page: Mapping[str, Any], kind: str, file: str) -> str:
    """The metadata in YAML; each text is a JSON string, which is YAML too."""
    origin = page["provenance"]["training"] or {}
    dataset = (origin.get("file") or {}).get("name") or "training rows"
    metrics = [
        {"type": one["name"], "name": one["title"], "value": round(one["decision"]["value"], 4)}
        for one in _main_metrics(page)
    ]
    results = {
        "task": {"type": TASKS[kind], "name": "Multi-label classification"},
        "dataset": {"type": "training-rows", "name": f"{dataset}, {_source(page)}"},
        "metrics": metrics,
    }
    tags = ["manyhot", "multi-label-classification", "multi-label", kind]
    fields = {
        "library_name": "manyhot",
        "pipeline_tag": TASKS[kind],
        "tags": tags,
        "model-index": [{"name": Path(file).stem, "results": [results]}],
    }
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()]
    return "\n".join(["---", *lines, "---"])


def _source(page: Mapping[str, Any]) -> str:
    return "scores of another program" if page["report"]["scores"]["from"] == "supplied" else "out-of-fold"


def _main_metrics(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in page["metrics"] if one["is_main"] and one["decision"]["value"] is not None]


def _introduction(page: Mapping[str, Any]) -> str:
    return (
        "A multi-label classifier: each row may have several of these labels, or none, and each label has a "
        f"probability of its own. Labels: {_named(page['labels']['label'])}."
    )


def _usage(file: str) -> str:
    name = json.dumps(file, ensure_ascii=False)
    return (
        "```python\nfrom manyhot import load\n\n"
        f'classifier = load({name})  # from a hub: load("hf://OWNER/NAME/{file}"), with huggingface-hub installed\n'
        "classifier.predict_labels(rows)  # the label set of each row\n"
        "classifier.predict_proba(rows)  # the probability of each label\n```"
    )


def _scores(page: Mapping[str, Any]) -> str:
    rows = [
        [
            one["title"],
            "higher" if one["higher_is_better"] else "lower",
            _number(one["decision"]["value"]),
            _interval(one["decision"]),
            _number(one["baseline"]),
        ]
        for one in _main_metrics(page)
    ]
    table = _table(
        ["metric", "better", "value", f"{page['intervals']['level']:.0%} interval", "constant prediction"], rows
    )
    remarks = " ".join(page["report"]["scores"]["remarks"])
    return (
        f"{table}\n\n{_escape(remarks)} A constant prediction is the same for every row, from label frequencies "
        f"alone.\n\n{_escape(page['decision'])}"
    )


def _labels(page: Mapping[str, Any]) -> str:
    labels = page["labels"]
    order = sorted(range(len(labels["label"])), key=lambda j: -labels["support"][j])
    rows = [
        [
            _escape(labels["label"][j]),
            f"{labels['support'][j]}",
            "–" if labels["threshold"][j] is None else f"{labels['threshold'][j]:.3f}",
            *(_number(labels[name][j]) for name in ("precision", "recall", "f1")),
            _interval({"low": labels["f1_low"][j], "high": labels["f1_high"][j]}),
            _number(labels["average_precision"][j]),
        ]
        for j in order[:MAX_LABELS]
    ]
    table = _table(["label", "rows", "threshold", "precision", "recall", "F1", "interval of F1", "AP"], rows)
    more = len(order) - len(rows)
    return f"{table}\n\nand {more} labels with fewer rows" if more else table


def _data(page: Mapping[str, Any]) -> list[str]:
    data, origin = page["report"]["data"], page["provenance"]["training"] or {}
    facts = [f"{data['rows_total']} rows, {data['labels']} labels, {data['cardinality']:.2f} labels per row"]
    columns = page["data"]["columns"]
    kinds = ", ".join(f"{count} {kind}" for kind, count in columns["kinds"])
    if kinds:
        named = ", ".join(f"{_escape(name)} ({kind})" for name, kind in columns["used"][:MAX_NAMED])
        n_more = columns["n_used"] - MAX_NAMED
        facts.append(f"Columns: {kinds}. {named}{f' and {n_more} more' if n_more > 0 else ''}")
    file = origin.get("file")
    if file:
        checksum = f", SHA-256 `{file['sha256']}`" if file["sha256"] else ""
        facts.append(f"File: {_escape(file['name'])}{checksum}")
    unknown = data["unknown_share"]
    facts.append(
        f"{unknown:.1%} of targets were unknown; they counted neither as present nor as absent"
        if unknown
        else "Every target was known"
    )
    return [*facts, *(_escape(note) for note in page["data"]["notes"])]


def _training(page: Mapping[str, Any]) -> list[str]:
    origin, config = page["provenance"]["training"] or {}, page["config"]
    facts = [
        f"Nothing but decisions: the scores come from another program; calibration {config['calibration']}, decision "
        f"{config['decision']}, seed {config['random_state']}"
        if "network" not in config
        else f"{config['n_members']} networks ({config['network']}), {config['n_folds']} folds, {config['epochs']} "
        f"epochs, loss {config['loss']}, seed {config['random_state']}"
    ]
    if origin.get("trained"):
        facts.append(f"Trained {origin['trained']} with manyhot {origin['versions'].get('manyhot', page['version'])}")
    if origin.get("command"):
        facts.append(f"Command: {_code(origin['command'])}")
    return [*facts, *(_escape(note) for note in page["training_notes"])]


def _limits(page: Mapping[str, Any]) -> list[str]:
    labels, summary = page["labels"], page["summary"]
    names = labels["label"]
    limits = [
        "Scores are those of rows from the same source as the training rows; measure on rows of your own "
        "(`manyhot report MODEL FILE`) before relying on them"
    ]
    few = [names[j] for j in range(len(names)) if labels["support"][j] < FEW_ROWS]
    if few:
        limits.append(f"Fewer than {FEW_ROWS} rows, so scores are hardly known: {_named(few)}")
    if summary["below_constant"]:
        below = [names[j] for j in summary["below_constant"]]
        limits.append(f"F1 no better than predicting the label for every row: {_named(below)}")
    if summary["unranked"]:
        limits.append(f"Ranked no better than by chance: {_named([names[j] for j in summary['unranked']])}")
    constant = page["report"]["data"]["constant_labels"]
    if constant:
        limits.append(f"Never varied in training, so always the same probability: {_named(constant)}")
    if page["report"]["policy"].get("guarantee"):
        limits.append(_escape(page["report"]["policy"]["guarantee"]))
    return limits


def _named(names: Sequence[str]) -> str:
    return join_names([_escape(name) for name in names], MAX_NAMED)


def _escape(text: str) -> str:
    """Text that Markdown and HTML take as text, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split())).replace("\\<", "&lt;").replace("\\>", "&gt;")


def _code(text: str) -> str:
    """A piece of code, within more backticks than it has."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {' '.join(text.split())} {fence}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(ends: Mapping[str, float | None]) -> str:
    low, high = ends["low"], ends["high"]
    return "–" if low is None or high is None else f"{low:.3f} to {high:.3f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *("---:" for _ in header[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _bullets(facts: Sequence[str]) -> str:
    return "\n".join(f"- {fact}" for fact in facts)
