"""Commands that take a trained model: predict, evaluate, inspect it, change its decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manyhot.cli.app import command
from manyhot.cli.options import (
    AllMetrics,
    Bundle,
    Changed,
    DryRun,
    Executor,
    Json,
    Plot,
    Quiet,
    Table,
    Tables,
    Text,
    Undo,
    existing,
)
from manyhot.config.label_rules import LABEL_SEP

# names of `READ_FLAGS`
EVALUATION_FLAGS = "labels sep label_names format legend images on_bad_image unknown_labels"


@command(epilog="Example: manyhot evaluate songs.manyhot new-songs.csv --json")
def evaluate(
    bundle: Bundle,
    file: Table,
    read_flags: Annotated[dict, f"{EVALUATION_FLAGS} sample_weight"],
    text: Text = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for sheets of the worst errors of each label.")] = None,
    all_metrics: AllMetrics = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Evaluate a model on labelled rows, at its own thresholds and at 0.5."""


@command(epilog="Example: manyhot report songs.manyhot;  or: manyhot report songs.manyhot new-songs.csv -o new.html")
def report(
    bundle: Bundle,
    *,
    file: Annotated[
        Path | None,
        typer.Argument(
            callback=existing, help="Labelled rows to evaluate on.", show_default="out-of-fold scores from training"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="HTML file to write; an older report is replaced.",
            show_default="MODEL.html; with --json none",
        ),
    ] = None,
    read_flags: Annotated[dict, EVALUATION_FLAGS],
    text: Text = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write an HTML report: a verdict, every label with movable thresholds, the worst errors, scores, data and
    training. It opens in any browser without a network."""


@command(
    epilog="Example: manyhot predict songs.manyhot new-songs.csv -o predictions.csv;  "
    "or, with explanations: manyhot predict tickets.manyhot new.csv --explain -o predictions.jsonl;  "
    "or many files: manyhot predict songs.manyhot 'in/*.parquet' -o out --executor processes:2"
)
def predict(
    bundle: Bundle,
    files: Tables,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="CSV, Parquet or JSONL file; a folder for labels of pixels, and for several files.",
            show_default="CSV on standard output",
        ),
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option(
            help="In a folder: csv, parquet or jsonl.", show_default="parquet for Parquet, csv for all others"
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
    executor: Executor = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Predict all files anew, also those that the folder already has.")
    ] = False,
    plots: Annotated[
        Path | None,
        typer.Option(help="Folder for plots of images and their predictions; with --explain also heat maps."),
    ] = None,
    max_plots: Annotated[int | None, typer.Option(help="Maximum number of rows to plot.", show_default="100")] = None,
    read_flags: Annotated[dict, "format images on_bad_image"],
    text: Text = None,
    as_json: Json = False,
    as_lines: Annotated[bool, typer.Option("--jsonl", help="Print JSON lines on standard output.")] = False,
    quiet: Quiet = False,
) -> None:
    """Predict labels for new rows, with the probability of every label in a column p_LABEL. Several files go to a
    folder; the same command run again predicts only what is missing there."""


@command(epilog="Example: manyhot thresholds songs.manyhot --metric f1_micro --set mood_sad=0.3")
def thresholds(
    bundle: Bundle,
    thresholds: Annotated[
        list[str] | None, typer.Option("--set", help="LABEL=NUMBER from 0 to 1 to set a threshold; may be repeated.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", help="Tune all thresholds for this metric, as --decision of train.")
    ] = None,
    decision_params: Annotated[
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
    undo: Undo = False,
    dry_run: DryRun = False,
    output: Changed = None,
    as_json: Json = False,
) -> None:
    """Show or change a model's thresholds and label rules, without training; --undo restores those of before the last
    change, also of `manyhot guarantee`."""


@command(epilog="Example: manyhot guarantee songs.manyhot kept-aside.csv --miss-rate 0.1")
def guarantee(
    bundle: Bundle,
    file: Table,
    *,
    miss_rate: Annotated[float | None, typer.Option(help="Maximum share of labels missed, 0 to 1.")] = None,
    false_discovery_rate: Annotated[
        float | None, typer.Option(help="Maximum share of wrong predictions among the predictions, 0 to 1.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Confidence of the bound on wrong predictions.")] = 0.9,
    per_label: Annotated[bool, typer.Option("--per-label", help="Guarantee each label separately.")] = False,
    simultaneous: Annotated[
        bool, typer.Option("--simultaneous", help="Bound holds for all labels simultaneously.")
    ] = False,
    read_flags: Annotated[dict, "labels sep label_names format images"],
    dry_run: DryRun = False,
    output: Changed = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show what the guarantee assumes.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Choose thresholds that guarantee an error rate on new rows, calibrated on held-out rows."""


@command("label-errors", epilog="Example: manyhot label-errors songs.manyhot -o suspicious.csv")
def label_errors(
    bundle: Bundle,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="CSV, Parquet or JSONL file to write.")] = None,
    limit: Annotated[int, typer.Option(help="Maximum number of entries to show.")] = 20,
    label: Annotated[str | None, typer.Option(help="Show only this label.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List training labels that look wrong, by their out-of-fold scores."""


@command(epilog="Example: manyhot inspect songs.manyhot --plot reliability.svg")
def inspect(
    bundle: Bundle,
    plot: Plot = None,
    with_layers: Annotated[bool, typer.Option("--layers", help="Show the network's layers as well.")] = False,
    as_json: Json = False,
) -> None:
    """Show what a model contains; --plot draws its calibration curves, before and after calibration."""


@command(epilog="Example: manyhot serve songs.manyhot --port 8000; or several: manyhot serve a=1.manyhot b=2.manyhot")
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
    log_format: Annotated[str, typer.Option(help="Format of the log on standard error: text, or json lines.")] = "text",
    quiet: Annotated[bool, typer.Option("--quiet", help="Log warnings and errors only.")] = False,
) -> None:
    """Serve predictions over HTTP: JSON, CSV, images; see /docs of the running service."""
