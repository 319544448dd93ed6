"""What Tab offers for the values of options: words, columns of the file, labels of the model; never an error."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import typer

from manyhot.cli.column_names import read_column_names

Completion = Callable[[typer.Context, str], list[str]]
_MAX_HEADER_BYTES = 1 << 26
COLUMN_TYPES = ("numeric", "boolean", "categorical", "id", "text", "image", "ignored")
UNKNOWN_LABELS = ("error", "ignore", "report")
EXECUTORS = ("processes:2", "processes:4", "processes:8", "ray", "ray://")
# Names of tables whose modules import too much for a Tab; a test compares them
FORMATS = (
    *("csv", "tsv", "parquet", "jsonl", "arrow", "json", "excel", "fasttext", "arff", "libsvm", "xc", "npz", "idx"),
    "folder",
)
METRICS = (
    *("f1_macro", "f1_micro", "f1_samples", "jaccard_samples", "subset_accuracy", "hamming_loss", "element_accuracy"),
    *("f1_macro_all", "hierarchical_f1", "hierarchical_precision", "hierarchical_recall", "map", "roc_auc_macro"),
    *("lrap", "ranking_loss", "one_error", "coverage_error", "precision_at_k", "ndcg_at_k"),
)


def complete_words(words: Iterable[str]) -> Completion:
    """Offer one of some words."""
    choices = list(words)

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        return choices

    return complete


def complete_list(words: Iterable[str]) -> Completion:
    """Offer another word of a list with commas between."""
    choices = list(words)

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        return _next_of_list(choices, incomplete)

    return complete


def complete_column(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer a column of the file."""
    return _columns(ctx)


def complete_columns(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer another column of the file, in a list with commas between."""
    return _next_of_list([_quoted(name) for name in _columns(ctx)], incomplete)


def complete_column_type(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer NAME=TYPE for each column of the file; the types once the name is there."""
    name, equals, _ = incomplete.rpartition("=")
    names = [name] if equals else _columns(ctx)
    return [f"{name}={kind}" for name in names for kind in (COLUMN_TYPES if equals else COLUMN_TYPES[:1])]


def complete_label(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer a label of the model."""
    return [str(label) for label in _model_document(ctx).get("labels", ())]


def complete_threshold(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer LABEL=THRESHOLD for each label of the model, with the threshold that it has."""
    labels = complete_label(ctx, incomplete)
    decision = _model_document(ctx).get("policy", {}).get("decision", {})
    thresholds = decision.get("thresholds", [])
    if len(thresholds) != len(labels):  # as with top_k
        return [f"{label}=0.5" for label in labels]
    return [f"{label}={threshold:.3g}" for label, threshold in zip(labels, thresholds, strict=True)]


def complete_pairs(settings: dict[str, Sequence[str]]) -> Completion:
    """Offer NAME=VALUE: the names, and the values that a name has once it is there."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        name, equals, _ = incomplete.partition("=")
        return [f"{name}={value}" for value in settings.get(name, ())] if equals else [f"{name}=" for name in settings]

    return complete


def _next_of_list(choices: Sequence[str], incomplete: str) -> list[str]:
    done, comma, _ = incomplete.rpartition(",")
    used = {word.strip() for word in done.split(",")}
    return [f"{done}{comma}{choice}" for choice in choices if choice not in used]


def _quoted(name: str) -> str:
    return f'"{name}"' if "," in name else name


def _columns(ctx: typer.Context) -> list[str]:
    path = ctx.params.get("file")
    return read_column_names(Path(path)) if path is not None else []


def _model_document(ctx: typer.Context) -> dict[str, Any]:
    """The document of the model file, unchecked: what is loaded is checked by who loads it."""
    path = ctx.params.get("bundle")
    try:
        with Path(path or "").open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if 0 < length <= _MAX_HEADER_BYTES else {}
        document = json.loads(header["__metadata__"]["manyhot"])["document"]
        return document if isinstance(document.get("labels", []), list) else {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
