"""Arguments and flags that several commands share; imports nothing heavy, for `--help`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manyhot.validation import existing_path


def existing(path: Path | None) -> Path | None:
    """Checked while the command line is read, long before anything is loaded that could open the file."""
    return path if path is None else existing_path(path)


Table = Annotated[
    Path,
    typer.Argument(
        callback=existing,
        help="CSV, TSV, xlsx, Parquet, JSONL, Arrow, ARFF, fastText, libsvm, XC, npz, idx; .gz, .zip; an image folder.",
    ),
]
Bundle = Annotated[Path, typer.Argument(callback=existing, help="A model file written by `manyhot train`.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Hide the progress bar and notes.")]
Unknown = Annotated[
    str, typer.Option(help="What to do with labels the model was not trained on: error, ignore or report.")
]
Sep = Annotated[str | None, typer.Option(help="Separator between labels.")]
Labels = Annotated[
    str | None,
    typer.Option(
        help="Label columns: names and globs with commas between ('mood_*,sad'), a name with a comma in quotes; or the "
        "one column of label sets."
    ),
]
SampleWeight = Annotated[str | None, typer.Option(help="Column with the weights of the rows, 0 or more.")]
Drop = Annotated[str | None, typer.Option(help="Columns to leave out, named as in --labels.")]
Format = Annotated[str | None, typer.Option("--format", help="File format, if the file name does not show it.")]
IdColumn = Annotated[str | None, typer.Option(help="Column with the row ids.")]
Columns = Annotated[str | None, typer.Option(help="Comma-separated column names of a file without a header.")]
LabelOrder = Annotated[
    str | None, typer.Option(help="Comma-separated label names in the order to use, for label sets.")
]
Xml = Annotated[
    Path | None, typer.Option(callback=existing, help="Mulan XML file with the label names of an ARFF file.")
]
Plot = Annotated[
    Path | None, typer.Option(help="Also write a plot to this file (.svg, .png or .html); needs the extra pictures.")
]
Changed = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write the changed model to this file instead of replacing it.")
]
Against = Annotated[
    list[str] | None, typer.Option(help="NAME=VALUE of a setting to compare with on the same folds; may be repeated.")
]
Text = Annotated[Path | None, typer.Option(help="Folder of the pretrained transformer that encodes texts.")]
Legend = Annotated[
    Path | None,
    typer.Option(
        callback=existing, help='JSON file with the labels of each number in masks: {"0": ["sky"], "11": null}.'
    ),
]
LabelNames = Annotated[
    Path | None,
    typer.Option(
        callback=existing,
        help="File with the names of labels that are numbers: one name per line (the first is that of 0), JSON, or CSV "
        "number,name.",
    ),
]
Images = Annotated[Path | None, typer.Option(callback=existing, help="Folder of the images that the file names.")]
OnBadImage = Annotated[str, typer.Option(help="What to do with a row whose image cannot be read: error or skip.")]
ColumnType = Annotated[list[str] | None, typer.Option(help="NAME=TYPE to set the type of a column; may be repeated.")]
