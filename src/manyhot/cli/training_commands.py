"""Commands that check a file of samples or train on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manyhot.cli.app import app, collect_read_flags, run_job
from manyhot.cli.config_flags import add_config_flags, parse_settings
from manyhot.cli.options import (
    Against,
    Columns,
    ColumnType,
    Drop,
    Format,
    IdColumn,
    Images,
    Json,
    LabelNames,
    LabelOrder,
    Labels,
    Legend,
    Plot,
    Quiet,
    SampleWeight,
    Sep,
    Table,
    Xml,
)
from manyhot.config.training import TrainingConfig


@app.command(epilog="Example: manyhot demo")
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the demo's files.")] = Path("manyhot-demo"),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train, evaluate and predict on a data set that ships with scikit-learn; no network is needed."""
    run_job("demo", folder=output, as_json=json, quiet=quiet)


def train(
    file: Table,
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file to write, such as songs.manyhot.")],
    settings: dict,
    labels: Labels = None,
    sep: Sep = None,
    label_order: LabelOrder = None,
    label_names: LabelNames = None,
    xml: Xml = None,
    id_column: IdColumn = None,
    column_type: ColumnType = None,
    drop: Drop = None,
    sample_weight: SampleWeight = None,
    format: Format = None,
    columns: Columns = None,
    legend: Legend = None,
    images: Images = None,
    stream: Annotated[
        bool | None,
        typer.Option(
            "--stream/--no-stream",
            help="Read the file in chunks, for files larger than memory.",
            show_default="if the file does not fit",
        ),
    ] = None,
    stream_folder: Annotated[
        Path | None, typer.Option(help="Folder for the encoded rows of a stream.", show_default="the output's folder")
    ] = None,
    evidence: Annotated[bool, typer.Option(help="Save out-of-fold scores and training curves in the file.")] = True,
    extreme: Annotated[
        bool,
        typer.Option(
            "--extreme",
            help="Extreme multi-label classification, for thousands of labels: sparse targets, top-k labels.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Train a model on a file and save it."""
    flags = {"labels": labels, "sep": sep, "id_column": id_column, "format": format, "xml": xml, "images": images}
    flags |= {"drop": drop, "sample_weight": sample_weight, "label_names": label_names}
    run_job(
        "train",
        file=file,
        output=output,
        read_flags=collect_read_flags(columns, column_type, label_order=label_order, legend=legend, **flags),
        settings=settings,
        stream=stream,
        stream_folder=stream_folder,
        evidence=evidence,
        is_extreme=extreme,
        as_json=json,
    )


app.command(epilog="Example: manyhot train songs.csv --labels 'mood_*' -o songs.manyhot")(add_config_flags(train))


@app.command(epilog="Example: manyhot check songs.csv --labels 'mood_*'")
def check(
    file: Table,
    labels: Labels = None,
    sep: Sep = None,
    label_order: LabelOrder = None,
    label_names: LabelNames = None,
    xml: Xml = None,
    id_column: IdColumn = None,
    column_type: ColumnType = None,
    drop: Drop = None,
    format: Format = None,
    columns: Columns = None,
    images: Images = None,
    n_folds: Annotated[
        int, typer.Option(help="Folds that training will use; labels with fewer positives are reported.")
    ] = TrainingConfig.n_folds,
    plot: Plot = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check a data set for label problems before training."""
    flags = {"labels": labels, "sep": sep, "id_column": id_column, "format": format, "xml": xml, "images": images}
    flags |= {"drop": drop, "label_names": label_names}
    read_flags = collect_read_flags(columns, column_type, label_order=label_order, **flags)
    run_job("check", file=file, read_flags=read_flags, n_folds=n_folds, plot=plot, as_json=json, quiet=quiet)


def cv(
    file: Table,
    settings: dict,
    labels: Labels = None,
    sep: Sep = None,
    n_splits: Annotated[int, typer.Option(help="Number of folds, 2 or more.")] = 10,
    n_repeats: Annotated[int, typer.Option(help="Number of repeats, each with different folds.")] = 3,
    groups: Annotated[str | None, typer.Option(help="Column of groups; rows of a group stay in the same fold.")] = None,
    stratify: Annotated[bool, typer.Option(help="Keep label frequencies equal in all folds.")] = True,
    metrics: Annotated[str | None, typer.Option(help="Comma-separated metrics.", show_default="all")] = None,
    against: Against = None,
    plot: Plot = None,
    label_order: LabelOrder = None,
    label_names: LabelNames = None,
    xml: Xml = None,
    id_column: IdColumn = None,
    column_type: ColumnType = None,
    drop: Drop = None,
    sample_weight: SampleWeight = None,
    format: Format = None,
    columns: Columns = None,
    images: Images = None,
    json: Json = False,
) -> None:
    """Repeated cross-validation; everything, thresholds included, is fitted on the training rows of each fold."""
    flags = {"labels": labels, "sep": sep, "id_column": id_column, "format": format, "xml": xml, "images": images}
    flags |= {"drop": drop, "sample_weight": sample_weight, "label_names": label_names}
    run_job(
        "cv",
        file=file,
        read_flags=collect_read_flags(columns, column_type, label_order=label_order, **flags),
        n_splits=n_splits,
        n_repeats=n_repeats,
        stratify=stratify,
        groups=groups,
        metrics=None if metrics is None else [name.strip() for name in metrics.split(",")],
        against=parse_settings(against, "--against"),
        plot=plot,
        settings=settings,
        as_json=json,
    )


app.command(epilog="Example: manyhot cv songs.csv --labels 'mood_*' --n-splits 10 --n-repeats 3")(add_config_flags(cv))


def compare_heads(
    file: Table,
    settings: dict,
    labels: Labels = None,
    sep: Sep = None,
    n_splits: Annotated[int, typer.Option(help="Number of folds, 2 or more.")] = 5,
    n_repeats: Annotated[int, typer.Option(help="Number of repeats, each with different folds.")] = 1,
    plot: Plot = None,
    label_order: LabelOrder = None,
    label_names: LabelNames = None,
    xml: Xml = None,
    id_column: IdColumn = None,
    column_type: ColumnType = None,
    drop: Drop = None,
    format: Format = None,
    columns: Columns = None,
    images: Images = None,
    json: Json = False,
) -> None:
    """Compare softmax and sigmoid outputs of one network on the same folds."""
    flags = {"labels": labels, "sep": sep, "id_column": id_column, "format": format, "xml": xml, "images": images}
    flags |= {"drop": drop, "label_names": label_names}
    read_flags = collect_read_flags(columns, column_type, label_order=label_order, **flags)
    options = {"n_splits": n_splits, "n_repeats": n_repeats, "plot": plot, "settings": settings}
    run_job("compare_heads", file=file, read_flags=read_flags, as_json=json, **options)


app.command("compare-heads", epilog="Example: manyhot compare-heads songs.csv --labels 'mood_*' --plot heads.svg")(
    add_config_flags(compare_heads, excluded=("head", "loss", "allow_softmax"))
)
