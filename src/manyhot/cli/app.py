"""The commands and their flags. Nothing heavy is imported here: `--help` must stay quick."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

from manyhot.cli.flags import kinds_of, pairs_of, setting, settings_of, with_settings
from manyhot.collector import paused
from manyhot.plan import Plan
from manyhot.version import __version__

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Multi-label classification with neural networks: train, evaluate, predict, from one safe file.",
    epilog="Begin with: manyhot demo",
    context_settings={"help_option_names": ["-h", "--help"]},
)

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


def _job(name: str, **options: Any) -> None:
    """Run a command's work; its module, and with it JAX and Keras, is imported only now."""
    with paused():
        job = importlib.import_module(f"manyhot.cli.jobs.{name}")
    job.run(**options)


def _reading(columns: str | None = None, kind: list[str] | None = None, **flags: Any) -> dict[str, Any]:
    names = None if columns is None else [name.strip() for name in columns.split(",")]
    return {**flags, "column_names": names, "kinds": kinds_of(kind)}


def _version(is_asked: bool) -> None:
    if is_asked:
        print(f"manyhot {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Multi-label classification with neural networks: train, evaluate, predict, from one safe file."""


@app.command(epilog="Example: manyhot demo")
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the files of the tour.")] = Path(
        "manyhot-demo"
    ),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The whole tour on real data that ships with scikit-learn; no network is needed."""
    _job("demo", folder=output, as_json=json, quiet=quiet)


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
    _job(
        "train",
        file=file,
        output=output,
        reading=_reading(columns, kind, label_order=label_order, legend=legend, **flags),
        settings=settings,
        stream=stream,
        stream_folder=stream_folder,
        evidence=evidence,
        is_many=many,
        as_json=json,
    )


app.command(epilog="Example: manyhot train songs.csv --labels 'mood_*' -o songs.manyhot")(with_settings(train))


@app.command(epilog="Example: manyhot evaluate songs.manyhot new-songs.csv --json")
def evaluate(
    model: Bundle,
    file: Table,
    labels: Labels = None,
    sep: Sep = None,
    format: Format = None,
    legend: Legend = None,
    images: Images = None,
    on_bad_image: OnBadImage = "error",
    unknown_labels: Unknown = "error",
    text: Text = None,
    pictures: Annotated[Path | None, typer.Option(help="Folder for sheets of each label's worst images.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure a trained model on rows whose labels are known, at its own thresholds and at 0.5."""
    told = {"labels": labels, "sep": sep, "format": format, "images": images, "on_bad_image": on_bad_image}
    told["legend"] = legend
    known = {"told": told, "unknown_labels": unknown_labels, "text": text, "pictures": pictures}
    _job("evaluate", bundle=model, file=file, **known, as_json=json, quiet=quiet)


@app.command(
    epilog="Example: manyhot predict songs.manyhot new-songs.csv -o answers.csv; "
    "or, with reasons: manyhot predict tickets.manyhot new.csv --why -o answers.jsonl"
)
def predict(
    model: Bundle,
    file: Table,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="CSV, Parquet, JSONL by its suffix; none: CSV, shown. Pixels: a folder."),
    ] = None,
    label_sep: Annotated[str, typer.Option(help="What stands between two labels in CSV.")] = ";",
    why: Annotated[
        bool, typer.Option("--why", help="Also what spoke for (+) and against (-) each answer, in a column why.")
    ] = False,
    top: Annotated[
        int | None,
        typer.Option(
            help="With --why: reasons for and reasons against each label, at most; none: 10. For a model of "
            "`train --many`: labels a row; none: 5."
        ),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(help="Folder for pictures: images beside their answers, with --why what spoke for them."),
    ] = None,
    pictures_limit: Annotated[int | None, typer.Option(help="Rows that are drawn, the first; none: 100.")] = None,
    format: Format = None,
    images: Images = None,
    on_bad_image: OnBadImage = "error",
    text: Text = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Answer new rows: their labels, and the probability of every label in a column p_LABEL."""
    told = {"output": output, "label_sep": label_sep, "why": why, "top": top, "text": text}
    told |= {"pictures": pictures, "pictures_limit": pictures_limit}
    reading = {"format": format, "images": images, "on_bad_image": on_bad_image}
    _job("predict", bundle=model, file=file, reading=reading, **told, as_json=json, quiet=quiet)


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
    folds: Annotated[int, typer.Option(help="Folds that training will use; rarer labels are told.")] = Plan.folds,
    picture: Picture = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say what is odd about the labels of a file, before training."""
    flags = {"labels": labels, "sep": sep, "id_column": id_column, "format": format, "xml": xml, "images": images}
    reading = _reading(columns, kind, label_order=label_order, **flags)
    _job("doctor", file=file, reading=reading, folds=folds, picture=picture, as_json=json, quiet=quiet)


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
    _job(
        "cv",
        file=file,
        reading=_reading(columns, kind, label_order=label_order, **flags),
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
    reading = _reading(columns, kind, label_order=label_order, **flags)
    told = {"folds": folds, "repeats": repeats, "picture": picture, "settings": settings}
    _job("compare_heads", file=file, reading=reading, as_json=json, **told)


app.command("compare-heads", epilog="Example: manyhot compare-heads songs.csv --labels 'mood_*' --picture heads.svg")(
    with_settings(compare_heads, without=("head", "loss", "allow_softmax"))
)


@app.command(epilog="Example: manyhot thresholds songs.manyhot --for f1_micro --set sad=0.3")
def thresholds(
    model: Bundle,
    set: Annotated[list[str] | None, typer.Option("--set", help="LABEL=NUMBER from 0 to 1; may be repeated.")] = None,
    measure: Annotated[
        str | None, typer.Option("--for", help="Choose all thresholds anew for this, as --decide of train.")
    ] = None,
    settings: Annotated[
        str | None, typer.Option("--with", help="Settings of --for, such as at_least=0.9 for precision.")
    ] = None,
    implies: Annotated[str | None, typer.Option(help="What a label brings along: 'car>vehicle,dog>animal'.")] = None,
    exclusive: Annotated[str | None, typer.Option(help="At most one of each group: 'day|night,in|out'.")] = None,
    least_labels: Annotated[int | None, typer.Option(help="Labels answered per row, at least.")] = None,
    most_labels: Annotated[int | None, typer.Option(help="Labels answered per row, at most; 0 for no limit.")] = None,
    output: Changed = None,
    json: Json = False,
) -> None:
    """Show a model's thresholds, or change them and the rules between labels, without training."""
    rules = {
        "implies": None if implies is None else setting("implies", implies),
        "exclusive": None if exclusive is None else setting("exclusive", exclusive),
        "least_labels": least_labels,
        "most_labels": most_labels,
    }
    told = {name: value for name, value in rules.items() if value is not None}
    if most_labels == 0:
        told["most_labels"] = None
    _job(
        "thresholds",
        bundle=model,
        output=output,
        given=set or [],
        measure=measure,
        settings={} if settings is None else pairs_of(settings, "--with"),
        rules=told,
        as_json=json,
    )


@app.command(epilog="Example: manyhot guarantee songs.manyhot kept-aside.csv --miss-rate 0.1")
def guarantee(
    model: Bundle,
    file: Table,
    miss_rate: Annotated[float | None, typer.Option(help="Share of the labels missed, at most; 0 to 1.")] = None,
    false_discovery_rate: Annotated[
        float | None, typer.Option(help="Share of wrong answers among the answers, at most; 0 to 1.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="How sure the bound on wrong answers is.")] = 0.9,
    per_label: Annotated[bool, typer.Option("--per-label", help="Promise it for each label by itself.")] = False,
    simultaneous: Annotated[bool, typer.Option("--simultaneous", help="For all labels together, surely.")] = False,
    labels: Labels = None,
    sep: Sep = None,
    format: Format = None,
    images: Images = None,
    output: Changed = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Choose thresholds that keep a promise on new rows, with rows that training never saw."""
    promise = {
        "miss_rate": miss_rate,
        "false_discovery_rate": false_discovery_rate,
        "confidence": confidence,
        "per_label": per_label,
        "simultaneous": simultaneous,
    }
    told = {"labels": labels, "sep": sep, "format": format, "images": images}
    _job("guarantee", bundle=model, file=file, output=output, told=told, promise=promise, as_json=json, quiet=quiet)


@app.command(epilog="Example: manyhot audit songs.manyhot -o suspicious.csv")
def audit(
    model: Bundle,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="CSV, Parquet or JSONL by its suffix; none: shown.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many are shown at most.")] = 20,
    label: Annotated[str | None, typer.Option(help="Only this label.")] = None,
    json: Json = False,
) -> None:
    """List training targets that look wrong, by scores of members that never saw the row."""
    _job("audit", bundle=model, output=output, limit=limit, label=label, as_json=json)


@app.command(epilog="Example: manyhot inspect songs.manyhot --picture reliability.svg")
def inspect(model: Bundle, picture: Picture = None, json: Json = False) -> None:
    """What is in a trained model; its picture shows scores beside frequencies, before and after calibration."""
    _job("inspect", bundle=model, picture=picture, as_json=json)
