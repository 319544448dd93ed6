"""Arguments and flags that several commands share; imports nothing heavy, for `--help`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from manyhot.cli.completion import (
    EXECUTORS,
    FORMATS,
    UNKNOWN_LABELS,
    complete_column,
    complete_column_type,
    complete_columns,
    complete_words,
)
from manyhot.config.groups import ADVANCED, DECISIONS, IMAGES, INPUT, OUTPUT, TEXT, TRAINING
from manyhot.config.images import ON_BAD_IMAGE
from manyhot.validation import existing_path, is_pattern, matching_paths

MAX_CHOICES_WIDTH = 36


def flag(
    group: str,
    help_text: str,
    *names: str,
    metavar: str | None = None,
    complete: Callable[..., Any] | None = None,
    default: str | bool = True,
    callback: Callable[..., Any] | None = None,
) -> Any:
    """A flag of a command.

    Args:
        group: Where it stands on the help page, one of `config.groups.GROUPS`.
        help_text: What it does.
        names: Its names, where they are not that of the parameter.
        metavar: What its value looks like; None for a flag without one.
        complete: What Tab offers, a function of `cli/completion.py`; files without it.
        default: Words for its default, or whether it is shown.
        callback: Checks the value while the command line is read.
    """
    return typer.Option(
        *names,
        help=help_text,
        metavar=metavar,
        rich_help_panel=group,
        autocompletion=complete,
        show_default=default,
        callback=callback,
    )


def choice_metavar(choices: Sequence[str]) -> str:
    """The choices, where they are few."""
    joined = "|".join(choices)
    return joined if len(joined) <= MAX_CHOICES_WIDTH else "NAME"


def choice_flag(group: str, help_text: str, choices: Sequence[str], *names: str, default: str | bool = True) -> Any:
    """A flag whose value is one of some words."""
    complete = complete_words(choices)
    return flag(group, help_text, *names, metavar=choice_metavar(choices), complete=complete, default=default)


def existing(path: Path | None) -> Path | None:
    """Checked while the command line is read, long before anything is loaded that could open the file."""
    return path if path is None else existing_path(path)


def existing_or_matched(paths: list[Path]) -> list[Path]:
    """As `existing`, for several paths and patterns of paths."""
    for path in paths:
        matching_paths(path) if is_pattern(path) else existing_path(path)
    return paths


FILE_KINDS = "CSV, TSV, xlsx, Parquet, JSONL, Arrow, ARFF, fastText, libsvm, XC, npz, idx; .gz, .zip; an image folder."
Table = Annotated[Path, typer.Argument(callback=existing, help=FILE_KINDS)]
Tables = Annotated[
    list[Path],
    typer.Argument(
        metavar="file",
        callback=existing_or_matched,
        help=f"{FILE_KINDS} Several files, a folder of them or a pattern ('in/*.parquet') go to a folder, -o out.",
    ),
]
Bundle = Annotated[
    Path, typer.Argument(metavar="model", callback=existing, help="A model file written by `manyhot train`.")
]
Json = Annotated[bool, flag(OUTPUT, "Print one JSON document on standard output, nothing else.", "--json")]
DryRun = Annotated[bool, flag(OUTPUT, "Show what would change, without saving it.", "--dry-run")]
Undo = Annotated[bool, flag(DECISIONS, "Undo the last change; again, to redo it.", "--undo")]
AllMetrics = Annotated[bool, flag(OUTPUT, "Show all metrics, not only the main ones.", "--all")]
JsonLines = Annotated[bool, flag(OUTPUT, "Print JSON lines on standard output.", "--jsonl")]
Quiet = Annotated[bool, flag(OUTPUT, "Hide progress, and notes on how rows were read.", "--quiet")]
Plot = Annotated[
    Path | None,
    flag(
        OUTPUT,
        "Also write a plot to this file (.svg, .png or .html); needs the extra pictures.",
        "--plot",
        metavar="FILE",
    ),
]
Changed = Annotated[
    Path | None,
    flag(OUTPUT, "Write the changed model to this file instead of replacing it.", "--output", "-o", metavar="FILE"),
]
Executor = Annotated[
    str | None,
    flag(
        ADVANCED,
        "Where to work: processes:N (N worker processes), ray or ray://HOST:PORT; each file is a task.",
        metavar="processes:N|ray",
        complete=complete_words(EXECUTORS),
        default="in this process",
    ),
]
Text = Annotated[Path | None, flag(TEXT, "Folder of the pretrained transformer that encodes texts.", metavar="FOLDER")]

CheckpointFolder = Annotated[
    Path | None,
    flag(
        TRAINING,
        "Folder in which the state of training is kept, so that a killed run can go on.",
        "--checkpoint",
        metavar="FOLDER",
    ),
]
CheckpointEvery = Annotated[
    float, flag(TRAINING, "Seconds between two states of the same networks.", metavar="SECONDS")
]
Resume = Annotated[
    bool, flag(TRAINING, "Go on from what --checkpoint holds, or begin where it holds nothing.", "--resume")
]

# How a file of rows is read; a command names those that it takes, separated by blanks, in the annotation of a dict
READ_FLAGS: dict[str, Any] = {
    "labels": Annotated[
        str | None,
        flag(
            INPUT,
            "Label columns: names and globs with commas between ('mood_*,sad'), a name with a comma in quotes; or the "
            "one column of label sets.",
            metavar="COLUMNS",
            complete=complete_columns,
        ),
    ],
    "sep": Annotated[str | None, flag(INPUT, "Separator between labels.", metavar="TEXT")],
    "label_order": Annotated[
        str | None,
        flag(INPUT, "Comma-separated label names in the order to use, for label sets.", metavar="LABEL,..."),
    ],
    "label_names": Annotated[
        Path | None,
        flag(
            INPUT,
            "File with the names of labels that are numbers: one name per line (the first is that of 0), JSON, or CSV "
            "number,name.",
            metavar="FILE",
            callback=existing,
        ),
    ],
    "xml": Annotated[
        Path | None,
        flag(INPUT, "Mulan XML file with the label names of an ARFF file.", metavar="FILE", callback=existing),
    ],
    "id_column": Annotated[
        str | None, flag(INPUT, "Column with the row ids.", metavar="COLUMN", complete=complete_column)
    ],
    "column_type": Annotated[
        list[str] | None,
        flag(
            INPUT,
            "Type of a column: numeric, boolean, categorical, id, text, image or ignored; may be repeated.",
            metavar="NAME=TYPE",
            complete=complete_column_type,
        ),
    ],
    "drop": Annotated[
        str | None,
        flag(INPUT, "Columns to leave out, named as in --labels.", metavar="COLUMNS", complete=complete_columns),
    ],
    "sample_weight": Annotated[
        str | None,
        flag(INPUT, "Column with the weights of the rows, 0 or more.", metavar="COLUMN", complete=complete_column),
    ],
    "format": Annotated[
        str | None,
        flag(
            INPUT,
            f"File format, if the file name does not show it: {', '.join(FORMATS)}.",
            "--format",
            metavar="FORMAT",
            complete=complete_words(FORMATS),
        ),
    ],
    "columns": Annotated[
        str | None, flag(INPUT, "Comma-separated column names of a file without a header.", metavar="NAME,...")
    ],
    "legend": Annotated[
        Path | None,
        flag(
            IMAGES,
            'JSON file with the labels of each number in masks: {"0": ["sky"], "11": null}.',
            metavar="FILE",
            callback=existing,
        ),
    ],
    "images": Annotated[
        Path | None, flag(IMAGES, "Folder of the images that the file names.", metavar="FOLDER", callback=existing)
    ],
    "on_bad_image": Annotated[
        str, choice_flag(IMAGES, "What to do with a row whose image cannot be read.", ON_BAD_IMAGE)
    ],
    "unknown_labels": Annotated[
        str, choice_flag(INPUT, "What to do with labels the model was not trained on.", UNKNOWN_LABELS)
    ],
}
READ_DEFAULTS = {"on_bad_image": "error", "unknown_labels": "error"}  # None for all others
