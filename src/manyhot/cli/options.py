"""Arguments and flags that several commands share. Nothing heavy is imported here: `--help` must stay quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Table = Annotated[
    Path,
    typer.Argument(
        help="CSV, TSV, Parquet, JSONL, Arrow, ARFF, libsvm, XC, npz or idx; .gz, .zst too; a folder of images."
    ),
]
Bundle = Annotated[Path, typer.Argument(help="A file that `manyhot train` wrote.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No notes and no progress on standard error.")]
Unknown = Annotated[str, typer.Option(help="Labels that training did not have: error, ignore or report.")]
Sep = Annotated[str | None, typer.Option(help="What stands between two labels in a column of label sets.")]
Labels = Annotated[
    str | None,
    typer.Option(help="Indicator columns as a glob ('mood_*') or list (a,b,c), or the one column with label sets."),
]
Format = Annotated[str | None, typer.Option("--format", help="The file's format, where its name does not say it.")]
IdColumn = Annotated[str | None, typer.Option(help="The column that names the rows.")]
Columns = Annotated[str | None, typer.Option(help="Column names, with commas between, of a file without header.")]
LabelOrder = Annotated[str | None, typer.Option(help="Labels in order, with commas between, of label sets.")]
Xml = Annotated[Path | None, typer.Option(help="Mulan XML that names the labels of an ARFF file.")]
Picture = Annotated[Path | None, typer.Option(help="Draw it too: a name that ends in .svg, .png or .html.")]
Changed = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write the changed model here instead of over the old one.")
]
Against = Annotated[
    list[str] | None, typer.Option(help="NAME=VALUE to compare with on the same folds; may be repeated.")
]
Text = Annotated[Path | None, typer.Option(help="Folder of the pretrained transformer that makes numbers of texts.")]
Legend = Annotated[
    Path | None, typer.Option(help='JSON that says what numbers in masks mean: {"0": ["sky"], "11": null}.')
]
Images = Annotated[Path | None, typer.Option(help="Folder in which the images lie that the file names.")]
OnBadImage = Annotated[str, typer.Option(help="A row whose image cannot be used: error, or skip to go on without it.")]
Kind = Annotated[list[str] | None, typer.Option(help="NAME=KIND of a column; may be repeated.")]
