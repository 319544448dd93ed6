"""What Tab offers for the values of options: words, columns of the file, labels of the model; never an error.

Annotations are evaluated: Typer asks for them at every start, and texts would be compiled each time.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

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
    return list(_thresholds(ctx))


def complete_label_pair(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer LABEL= for each label of the model."""
    return [f"{label}=" for label in _thresholds(ctx)]


def complete_threshold(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer LABEL=THRESHOLD for each label of the model, with the threshold that it has."""
    return [f"{label}={threshold:.3g}" for label, threshold in _thresholds(ctx).items()]


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
    path = _argument(ctx, "file")
    return [] if path is None else read_column_names(path)


def _argument(ctx: typer.Context, name: str) -> Path | None:
    """An argument that stands before the option; its words are left in `ctx.args`, for the option has no value yet."""
    arguments = [parameter.name for parameter in ctx.command.params if parameter.param_type_name == "argument"]
    place = arguments.index(name) if name in arguments else len(ctx.args)
    path = ctx.params.get(name) or (ctx.args[place] if place < len(ctx.args) else None)
    return Path(path).expanduser() if path else None


def _thresholds(ctx: typer.Context) -> dict[str, float]:
    """The labels of the model file with their thresholds, 0.5 where it has none; unchecked, for it is not loaded."""
    path = _argument(ctx, "bundle")
    try:
        if path is None or not path.is_file():
            return {}
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= _MAX_HEADER_BYTES else {}
        document = json.loads(header["__metadata__"]["manyhot"])["document"]
        thresholds = document["policy"]["decision"].get("thresholds") or [0.5] * len(document["labels"])
        return {str(label): float(value) for label, value in zip(document["labels"], thresholds, strict=True)}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
