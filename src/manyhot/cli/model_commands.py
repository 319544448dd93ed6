"""Commands that take a trained model: answer, measure, look into it, change its answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manyhot.cli.app import app, job
from manyhot.cli.config_flags import pairs_of, setting
from manyhot.cli.options import (
    Bundle,
    Changed,
    Format,
    Images,
    Json,
    Labels,
    Legend,
    OnBadImage,
    Picture,
    Quiet,
    Sep,
    Table,
    Text,
    Unknown,
)
from manyhot.config.label_rules import LABEL_SEP


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
    job("evaluate", bundle=model, file=file, **known, as_json=json, quiet=quiet)


@app.command(epilog="Example: manyhot report songs.manyhot -o report.html")
def report(
    model: Bundle,
    file: Annotated[
        Path | None,
        typer.Argument(help="Rows with known labels to measure on; none: the out-of-fold scores that training kept."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The HTML file; a file there is replaced whole.")
    ] = None,
    labels: Labels = None,
    sep: Sep = None,
    format: Format = None,
    legend: Legend = None,
    images: Images = None,
    on_bad_image: OnBadImage = "error",
    unknown_labels: Unknown = "error",
    text: Text = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a page about a model that opens in any browser without a network: data, training, scores, labels with
    thresholds to move, and the rows it is most wrong on."""
    told = {"labels": labels, "sep": sep, "format": format, "images": images, "on_bad_image": on_bad_image}
    told["legend"] = legend
    options = {"told": told, "unknown_labels": unknown_labels, "text": text, "as_json": json, "quiet": quiet}
    job("report", bundle=model, file=file, output=output, **options)


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
    label_sep: Annotated[str, typer.Option(help="What stands between two labels in CSV.")] = LABEL_SEP,
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
    job("predict", bundle=model, file=file, reading=reading, **told, as_json=json, quiet=quiet)


@app.command(epilog="Example: manyhot thresholds songs.manyhot --for f1_micro --set mood_sad=0.3")
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
    job(
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
    job("guarantee", bundle=model, file=file, output=output, told=told, promise=promise, as_json=json, quiet=quiet)


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
    job("audit", bundle=model, output=output, limit=limit, label=label, as_json=json)


@app.command(epilog="Example: manyhot inspect songs.manyhot --picture reliability.svg")
def inspect(model: Bundle, picture: Picture = None, json: Json = False) -> None:
    """What is in a trained model; its picture shows scores beside frequencies, before and after calibration."""
    job("inspect", bundle=model, picture=picture, as_json=json)


@app.command(
    epilog="Example: manyhot serve songs.manyhot --port 8000; or several: manyhot serve a=1.manyhot b=2.manyhot"
)
def serve(
    bundles: Annotated[
        list[str], typer.Argument(help="Files that `manyhot train` wrote, or NAME=FILE; the first answers on /predict.")
    ],
    host: Annotated[
        str, typer.Option(help="The address to listen on; other than this machine's own: set a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 for any that is free.", min=0, max=65535)] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the token that requests must bear; none: MANYHOT_TOKEN, if set."),
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A further name that requests may call the service by; may be repeated.")
    ] = None,
    max_body_bytes: Annotated[int | None, typer.Option(help="Bytes of one request, at most; none: 16 MiB.")] = None,
    max_rows: Annotated[int | None, typer.Option(help="Rows of one request, at most; none: 10000.")] = None,
    answer_seconds: Annotated[float | None, typer.Option(help="Time for one answer, at most; none: 30.")] = None,
    text: Text = None,
    quiet: Quiet = False,
) -> None:
    """Answer rows over HTTP: JSON, CSV, images; see /openapi.json of the running service."""
    told = {"max_body_bytes": max_body_bytes, "max_rows": max_rows, "answer_seconds": answer_seconds}
    job(
        "serve",
        bundles=bundles,
        host=host,
        port=port,
        token_file=token_file,
        allow_hosts=allow_host or [],
        limits={name: value for name, value in told.items() if value is not None},
        text=text,
        quiet=quiet,
    )
