"""Commands that take a trained model: predict, evaluate, inspect it, change its decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manyhot.cli.app import app, run_job
from manyhot.cli.config_flags import parse_pairs, parse_setting
from manyhot.cli.options import (
    Bundle,
    Changed,
    Format,
    Images,
    Json,
    LabelNames,
    Labels,
    Legend,
    OnBadImage,
    Plot,
    Quiet,
    SampleWeight,
    Sep,
    Table,
    Text,
    Unknown,
    existing,
)
from manyhot.config.label_rules import LABEL_SEP


@app.command(epilog="Example: manyhot evaluate songs.manyhot new-songs.csv --json")
def evaluate(
    model: Bundle,
    file: Table,
    labels: Labels = None,
    sep: Sep = None,
    label_names: LabelNames = None,
    format: Format = None,
    legend: Legend = None,
    images: Images = None,
    on_bad_image: OnBadImage = "error",
    unknown_labels: Unknown = "error",
    sample_weight: SampleWeight = None,
    text: Text = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for sheets of the worst errors of each label.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Evaluate a model on labelled rows, at its own thresholds and at 0.5."""
    read_flags = {"labels": labels, "sep": sep, "format": format, "images": images, "on_bad_image": on_bad_image}
    read_flags |= {"legend": legend, "sample_weight": sample_weight, "label_names": label_names}
    options = {"read_flags": read_flags, "unknown_labels": unknown_labels, "text": text, "plots": plots}
    run_job("evaluate", bundle=model, file=file, **options, as_json=json, quiet=quiet)


@app.command(epilog="Example: manyhot report songs.manyhot -o report.html")
def report(
    model: Bundle,
    file: Annotated[
        Path | None,
        typer.Argument(
            callback=existing, help="Labelled rows to evaluate on.", show_default="out-of-fold scores from training"
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="HTML file to write; an existing file is replaced.")
    ] = None,
    labels: Labels = None,
    sep: Sep = None,
    label_names: LabelNames = None,
    format: Format = None,
    legend: Legend = None,
    images: Images = None,
    on_bad_image: OnBadImage = "error",
    unknown_labels: Unknown = "error",
    text: Text = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write an HTML report that opens in any browser without a network: data, training, scores, labels with
    movable thresholds, and the worst errors."""
    read_flags = {"labels": labels, "sep": sep, "format": format, "images": images, "on_bad_image": on_bad_image}
    read_flags |= {"legend": legend, "label_names": label_names}
    options = {
        "read_flags": read_flags,
        "unknown_labels": unknown_labels,
        "text": text,
        "as_json": json,
        "quiet": quiet,
    }
    run_job("report", bundle=model, file=file, output=output, **options)


@app.command(
    epilog="Example: manyhot predict songs.manyhot new-songs.csv -o predictions.csv;  "
    "or, with explanations: manyhot predict tickets.manyhot new.csv --explain -o predictions.jsonl"
)
def predict(
    model: Bundle,
    file: Table,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="CSV, Parquet or JSONL file, or for labels of pixels a folder.",
            show_default="CSV on standard output",
        ),
    ] = None,
    label_sep: Annotated[str, typer.Option(help="Separator between labels in CSV.")] = LABEL_SEP,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Add a column `explanation`: what counts for (+) and against (-) each predicted label."
        ),
    ] = False,
    top: Annotated[
        int | None,
        typer.Option(
            help="With --explain: maximum number of reasons for, and against, each label (default 10). With a model of "
            "`train --extreme`: labels per row (default 5).",
        ),
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option(help="Folder for plots of images and their predictions; with --explain also heat maps."),
    ] = None,
    max_plots: Annotated[int | None, typer.Option(help="Maximum number of rows to plot.", show_default="100")] = None,
    format: Format = None,
    images: Images = None,
    on_bad_image: OnBadImage = "error",
    text: Text = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Predict labels for new rows, with the probability of every label in a column p_LABEL."""
    options = {"output": output, "label_sep": label_sep, "explain": explain, "top": top, "text": text}
    options |= {"plots": plots, "max_plots": max_plots}
    read_flags = {"format": format, "images": images, "on_bad_image": on_bad_image}
    run_job("predict", bundle=model, file=file, read_flags=read_flags, **options, as_json=json, quiet=quiet)


@app.command(epilog="Example: manyhot thresholds songs.manyhot --metric f1_micro --set mood_sad=0.3")
def thresholds(
    model: Bundle,
    set: Annotated[
        list[str] | None, typer.Option("--set", help="LABEL=NUMBER from 0 to 1 to set a threshold; may be repeated.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", help="Tune all thresholds for this metric, as --decision of train.")
    ] = None,
    settings: Annotated[
        str | None,
        typer.Option("--decision-params", help="Parameters of --metric, such as min_precision=0.9 for precision."),
    ] = None,
    implies: Annotated[str | None, typer.Option(help="Labels that imply others: 'car>vehicle,dog>animal'.")] = None,
    exclusive: Annotated[
        str | None, typer.Option(help="Groups of mutually exclusive labels: 'day|night,in|out'.")
    ] = None,
    min_labels: Annotated[int | None, typer.Option(help="Minimum number of labels predicted per row.")] = None,
    max_labels: Annotated[
        int | None, typer.Option(help="Maximum number of labels predicted per row; 0 for no limit.")
    ] = None,
    output: Changed = None,
    json: Json = False,
) -> None:
    """Show or change a model's thresholds and label rules, without training."""
    rules = {
        "implies": None if implies is None else parse_setting("implies", implies),
        "exclusive": None if exclusive is None else parse_setting("exclusive", exclusive),
        "min_labels": min_labels,
        "max_labels": max_labels,
    }
    changed_rules = {name: value for name, value in rules.items() if value is not None}
    if max_labels == 0:
        changed_rules["max_labels"] = None
    run_job(
        "thresholds",
        bundle=model,
        output=output,
        thresholds=set or [],
        metric=metric,
        settings={} if settings is None else parse_pairs(settings, "--decision-params"),
        rules=changed_rules,
        as_json=json,
    )


@app.command(epilog="Example: manyhot guarantee songs.manyhot kept-aside.csv --miss-rate 0.1")
def guarantee(
    model: Bundle,
    file: Table,
    miss_rate: Annotated[float | None, typer.Option(help="Maximum share of labels missed, 0 to 1.")] = None,
    false_discovery_rate: Annotated[
        float | None, typer.Option(help="Maximum share of wrong predictions among the predictions, 0 to 1.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Confidence of the bound on wrong predictions.")] = 0.9,
    per_label: Annotated[bool, typer.Option("--per-label", help="Guarantee each label separately.")] = False,
    simultaneous: Annotated[
        bool, typer.Option("--simultaneous", help="Bound holds for all labels simultaneously.")
    ] = False,
    labels: Labels = None,
    sep: Sep = None,
    label_names: LabelNames = None,
    format: Format = None,
    images: Images = None,
    output: Changed = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Choose thresholds that guarantee an error rate on new rows, calibrated on held-out rows."""
    promise = {
        "miss_rate": miss_rate,
        "false_discovery_rate": false_discovery_rate,
        "confidence": confidence,
        "per_label": per_label,
        "simultaneous": simultaneous,
    }
    read_flags = {"labels": labels, "sep": sep, "format": format, "images": images, "label_names": label_names}
    options = {"read_flags": read_flags, "promise": promise, "as_json": json, "quiet": quiet}
    run_job("guarantee", bundle=model, file=file, output=output, **options)


@app.command("label-errors", epilog="Example: manyhot label-errors songs.manyhot -o suspicious.csv")
def label_errors(
    model: Bundle,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="CSV, Parquet or JSONL file to write.")] = None,
    limit: Annotated[int, typer.Option(help="Maximum number of entries to show.")] = 20,
    label: Annotated[str | None, typer.Option(help="Show only this label.")] = None,
    json: Json = False,
) -> None:
    """List training labels that look wrong, by their out-of-fold scores."""
    run_job("label_errors", bundle=model, output=output, limit=limit, label=label, as_json=json)


@app.command(epilog="Example: manyhot inspect songs.manyhot --plot reliability.svg")
def inspect(
    model: Bundle,
    plot: Plot = None,
    layers: Annotated[bool, typer.Option("--layers", help="Show the network's layers as well.")] = False,
    json: Json = False,
) -> None:
    """Show what a model contains; --plot draws its calibration curves, before and after calibration."""
    run_job("inspect", bundle=model, plot=plot, with_layers=layers, as_json=json)


@app.command(
    epilog="Example: manyhot serve songs.manyhot --port 8000; or several: manyhot serve a=1.manyhot b=2.manyhot"
)
def serve(
    bundles: Annotated[
        list[str], typer.Argument(help="Model files written by `manyhot train`, or NAME=FILE; /predict uses the first.")
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen on; set a token if other machines can reach it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 for any free port.", min=0, max=65535)] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the token that requests must send.", show_default="MANYHOT_TOKEN, if set"),
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Another host name to accept in requests; may be repeated.")
    ] = None,
    max_body_bytes: Annotated[
        int | None, typer.Option(help="Maximum size of a request in bytes.", show_default="16 MiB")
    ] = None,
    max_rows: Annotated[
        int | None, typer.Option(help="Maximum number of rows per request.", show_default="10000")
    ] = None,
    response_seconds: Annotated[
        float | None, typer.Option(help="Time limit for a response, in seconds.", show_default="30")
    ] = None,
    text: Text = None,
    quiet: Quiet = False,
) -> None:
    """Serve predictions over HTTP: JSON, CSV, images; see /openapi.json of the running service."""
    limits = {"max_body_bytes": max_body_bytes, "max_rows": max_rows, "response_seconds": response_seconds}
    run_job(
        "serve",
        bundles=bundles,
        host=host,
        port=port,
        token_file=token_file,
        allow_hosts=allow_host or [],
        limits={name: value for name, value in limits.items() if value is not None},
        text=text,
        quiet=quiet,
    )
