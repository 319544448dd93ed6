"""Commands that look at a file of samples or train on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manyhot.cli.app import app, job, reading_of
from manyhot.cli.config_flags import settings_of, with_settings
from manyhot.cli.options import (
    Against,
    Columns,
    Format,
    IdColumn,
    Images,
    Json,
    Kind,
    LabelOrder,
    Labels,
    Legend,
    Picture,
    Quiet,
    Sep,
    Table,
    Xml,
)
from manyhot.config.training import TrainingConfig


@app.command(epilog="Example: manyhot demo")
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the files of the tour.")] = Path(
        "manyhot-demo"
    ),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The whole tour on real data that ships with scikit-learn; no network is needed."""
    job("demo", folder=output, as_json=json, quiet=quiet)


def train(
    file: Table,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where the trained model goes, such as songs.manyhot.")
    ],
    settings: dict,
    labels: Labels = None,
    sep: Sep = None,
    label_order: LabelOrder = None,
    xml: Xml = None,
    id_column: IdColumn = None,
    kind: Kind = None,
    format: Format = None,
    columns: Columns = None,
    legend: Legend = None,
    images: Images = None,
    stream: Annotated[
        bool | None,
        typer.Option(
            "--stream/--no-stream",
            help="Train piece by piece, for files larger than memory; none: where the file needs more than there is.",
        ),
    ] = None,
    stream_folder: Annotated[
        Path | None, typer.Option(help="Where a stream keeps encoded rows meanwhile; none: beside the output.")
    ] = None,
    evidence: Annotated[bool, typer.Option(help="Keep out-of-fold scores and curves in the file.")] = True,
    many: Annotated[
        bool, typer.Option("--many", help="For thousands of labels: sparse targets, the best labels of a row.")
    ] = False,
    json: Json = False,
) -> None:
    """Train on a file and save one file that predicts anywhere."""
    flags = {"labels": labels, "sep": sep, "id_column": id_column, "format": format, "xml": xml, "images": images}
    job(
        "train",
        file=file,
        output=output,
        reading=reading_of(columns, kind, label_order=label_order, legend=legend, **flags),
        settings=settings,
        stream=stream,
        stream_folder=stream_folder,
        evidence=evidence,
        is_many=many,
        as_json=json,
    )


app.command(epilog="Example: manyhot train songs.csv --labels 'mood_*' -o songs.manyhot")(with_settings(train))


@app.command(epilog="Example: manyhot doctor songs.csv --labels 'mood_*'")
def doctor(
    file: Table,
    labels: Labels = None,
    sep: Sep = None,
    label_order: LabelOrder = None,
    xml: Xml = None,
    id_column: IdColumn = None,
    kind: Kind = None,
    format: Format = None,
    columns: Columns = None,
    images: Images = None,
    folds: Annotated[
        int, typer.Option(help="Folds that training will use; rarer labels are told.")
    ] = TrainingConfig.folds,
    picture: Picture = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say what is odd about the labels of a file, before training."""
    flags = {"labels": labels, "sep": sep, "id_column": id_column, "format": format, "xml": xml, "images": images}
    reading = reading_of(columns, kind, label_order=label_order, **flags)
    job("doctor", file=file, reading=reading, folds=folds, picture=picture, as_json=json, quiet=quiet)


def cv(
    file: Table,
    settings: dict,
    labels: Labels = None,
    sep: Sep = None,
    folds: Annotated[int, typer.Option(help="Parts of each repeat, 2 or more.")] = 10,
    repeats: Annotated[int, typer.Option(help="How often, each time with other folds.")] = 3,
    groups: Annotated[str | None, typer.Option(help="Column whose rows of one value are tested together.")] = None,
    stratify: Annotated[bool, typer.Option(help="Keep the labels' frequencies in every fold.")] = True,
    measures: Annotated[str | None, typer.Option(help="Measures, with commas between; none: all.")] = None,
    against: Against = None,
    picture: Picture = None,
    label_order: LabelOrder = None,
    xml: Xml = None,
    id_column: IdColumn = None,
    kind: Kind = None,
    format: Format = None,
    columns: Columns = None,
    images: Images = None,
    json: Json = False,
) -> None:
    """Repeated cross-validation: thresholds and all fitted on the training rows of each fold, tested on the rest."""
    flags = {"labels": labels, "sep": sep, "id_column": id_column, "format": format, "xml": xml, "images": images}
    job(
        "cv",
        file=file,
        reading=reading_of(columns, kind, label_order=label_order, **flags),
        folds=folds,
        repeats=repeats,
        stratify=stratify,
        groups=groups,
        measures=None if measures is None else [name.strip() for name in measures.split(",")],
        against=settings_of(against, "--against"),
        picture=picture,
        settings=settings,
        as_json=json,
    )


app.command(epilog="Example: manyhot cv songs.csv --labels 'mood_*' --folds 10 --repeats 3")(with_settings(cv))


def compare_heads(
    file: Table,
    settings: dict,
    labels: Labels = None,
    sep: Sep = None,
    folds: Annotated[int, typer.Option(help="Parts of each repeat, 2 or more.")] = 5,
    repeats: Annotated[int, typer.Option(help="How often, each time with other folds.")] = 1,
    picture: Picture = None,
    label_order: LabelOrder = None,
    xml: Xml = None,
    id_column: IdColumn = None,
    kind: Kind = None,
    format: Format = None,
    columns: Columns = None,
    images: Images = None,
    json: Json = False,
) -> None:
    """One network with softmax and with sigmoids on the same folds: what each accuracy says, and what it hides."""
    flags = {"labels": labels, "sep": sep, "id_column": id_column, "format": format, "xml": xml, "images": images}
    reading = reading_of(columns, kind, label_order=label_order, **flags)
    told = {"folds": folds, "repeats": repeats, "picture": picture, "settings": settings}
    job("compare_heads", file=file, reading=reading, as_json=json, **told)


app.command("compare-heads", epilog="Example: manyhot compare-heads songs.csv --labels 'mood_*' --picture heads.svg")(
    with_settings(compare_heads, without=("head", "loss", "allow_softmax"))
)
