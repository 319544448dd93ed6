"""Arguments and flags that several commands share; imports nothing heavy, for `--help`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from manyhot.validation import existing_path, is_pattern, matching_paths


def existing(path: Path | None) -> Path | None:
    """Checked while the command line is read, long before anything is loaded that could open the file."""
    return path if path is None else existing_path(path)


def existing_or_matched(paths: list[Path]) -> list[Path]:
    """As `existing`, for several paths and patterns of paths."""
    for path in paths:
        matching_paths(path) if is_pattern(path) else existing_path(path)
    return paths


FORMATS = "CSV, TSV, xlsx, Parquet, JSONL, Arrow, ARFF, fastText, libsvm, XC, npz, idx; .gz, .zip; an image folder."
Table = Annotated[Path, typer.Argument(callback=existing, help=FORMATS)]
Tables = Annotated[
    list[Path],
    typer.Argument(
        metavar="file",
        callback=existing_or_matched,
        help=f"{FORMATS} Several files, a folder of them or a pattern ('in/*.parquet') go to a folder, -o out.",
    ),
]
Bundle = Annotated[
    Path, typer.Argument(metavar="model", callback=existing, help="A model file written by `manyhot train`.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, without saving it.")]
Undo = Annotated[bool, typer.Option("--undo", help="Undo the last change; again, to redo it.")]
AllMetrics = Annotated[bool, typer.Option("--all", help="Show all metrics, not only the main ones.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Hide the progress bar and notes.")]
Plot = Annotated[
    Path | None, typer.Option(help="Also write a plot to this file (.svg, .png or .html); needs the extra pictures.")
]
Changed = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write the changed model to this file instead of replacing it.")
]
Executor = Annotated[
    str | None,
    typer.Option(
        help="Where to work: processes:N (N worker processes), ray or ray://HOST:PORT; each file is a task.",
        show_default="in this process",
    ),
]
Text = Annotated[Path | None, typer.Option(help="Folder of the pretrained transformer that encodes texts.")]

CheckpointFolder = Annotated[
    Path | None,
    typer.Option("--checkpoint", help="Folder in which the state of training is kept, so that a killed run can go on."),
]
CheckpointEvery = Annotated[float, typer.Option(help="Seconds between two states of the same members.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from what --checkpoint holds, or begin where it holds nothing.")
]

# How a file of rows is read; a command names those that it takes, separated by blanks, in the annotation of a dict
READ_FLAGS: dict[str, Any] = {
    "labels": Annotated[
        str | None,
        typer.Option(
            help="Label columns: names and globs with commas between ('mood_*,sad'), a name with a comma in quotes; or "
            "the one column of label sets."
        ),
    ],
    "sep": Annotated[str | None, typer.Option(help="Separator between labels.")],
    "label_order": Annotated[
        str | None, typer.Option(help="Comma-separated label names in the order to use, for label sets.")
    ],
    "label_names": Annotated[
        Path | None,
        typer.Option(
            callback=existing,
            help="File with the names of labels that are numbers: one name per line (the first is that of 0), JSON, or "
            "CSV number,name.",
        ),
    ],
    "xml": Annotated[
        Path | None, typer.Option(callback=existing, help="Mulan XML file with the label names of an ARFF file.")
    ],
    "id_column": Annotated[str | None, typer.Option(help="Column with the row ids.")],
    "column_type": Annotated[
        list[str] | None, typer.Option(help="NAME=TYPE to set the type of a column; may be repeated.")
    ],
    "drop": Annotated[str | None, typer.Option(help="Columns to leave out, named as in --labels.")],
    "sample_weight": Annotated[str | None, typer.Option(help="Column with the weights of the rows, 0 or more.")],
    "format": Annotated[str | None, typer.Option("--format", help="File format, if the file name does not show it.")],
    "columns": Annotated[str | None, typer.Option(help="Comma-separated column names of a file without a header.")],
    "legend": Annotated[
        Path | None,
        typer.Option(
            callback=existing, help='JSON file with the labels of each number in masks: {"0": ["sky"], "11": null}.'
        ),
    ],
    "images": Annotated[Path | None, typer.Option(callback=existing, help="Folder of the images that the file names.")],
    "on_bad_image": Annotated[
        str, typer.Option(help="What to do with a row whose image cannot be read: error or skip.")
    ],
    "unknown_labels": Annotated[
        str, typer.Option(help="What to do with labels the model was not trained on: error, ignore or report.")
    ],
}
READ_DEFAULTS = {"on_bad_image": "error", "unknown_labels": "error"}  # None for all others
