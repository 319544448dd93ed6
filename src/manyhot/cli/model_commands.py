"""Commands that take a trained model: predict, evaluate, inspect it, change its decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manyhot.cli.app import command
from manyhot.cli.completion import complete_label, complete_label_pair, complete_threshold, complete_words
from manyhot.cli.options import (
    AllMetrics,
    Bundle,
    Changed,
    DryRun,
    Executor,
    Json,
    JsonLines,
    Plot,
    Quiet,
    Table,
    Tables,
    Text,
    Undo,
    choice_flag,
    existing,
    flag,
)
from manyhot.config.groups import ADVANCED, DECISIONS, INPUT, OUTPUT
from manyhot.config.label_rules import LABEL_SEP
from manyhot.config.training import DECISIONS as DECISION_NAMES

# names of `READ_FLAGS`
EVALUATION_FLAGS = "labels sep label_names format legend images on_bad_image unknown_labels"


@command(epilog="Example: manyhot evaluate songs.manyhot new-songs.csv --json")
def evaluate(
    bundle: Bundle,
    file: Table,
    read_flags: Annotated[dict, f"{EVALUATION_FLAGS} sample_weight"],
    text: Text = None,
    plots: Annotated[
        Path | None, flag(OUTPUT, "Folder for sheets of the worst errors of each label.", metavar="FOLDER")
    ] = None,
    all_metrics: AllMetrics = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Evaluate a model on labelled rows. At its own thresholds, and at 0.5."""


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
        flag(
            OUTPUT,
            "HTML file to write; an older report is replaced.",
            "--output",
            "-o",
            metavar="FILE",
            default="MODEL.html; with --json none",
        ),
    ] = None,
    read_flags: Annotated[dict, EVALUATION_FLAGS],
    text: Text = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write an HTML report about a model. It has a verdict, every label with movable thresholds, the worst errors,
    scores, data and training, and opens in any browser without a network."""


@command(epilog="Example: manyhot card songs.manyhot -o README.md")
def card(
    bundle: Bundle,
    *,
    output: Annotated[
        Path | None,
        flag(
            OUTPUT,
            "Markdown file to write; an older card is replaced.",
            "--output",
            "-o",
            metavar="FILE",
            default="standard output",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a model card in Markdown. It has data, scores with intervals, thresholds, limits, how to load the model,
    and the head that model hubs read."""


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
        flag(
            OUTPUT,
            "CSV, Parquet or JSONL file; a folder for labels of pixels, and for several files.",
            "--output",
            "-o",
            metavar="FILE",
            default="CSV on standard output",
        ),
    ] = None,
    output_format: Annotated[
        str | None,
        choice_flag(
            OUTPUT,
            "Format of the files in a folder.",
            ("csv", "parquet", "jsonl"),
            default="parquet for Parquet, csv for all others",
        ),
    ] = None,
    label_sep: Annotated[str, flag(OUTPUT, "Separator between labels in CSV.", metavar="TEXT")] = LABEL_SEP,
    explain: Annotated[
        bool,
        flag(
            OUTPUT,
            "Add a column `explanation`: what counts for (+) and against (-) each predicted label.",
            "--explain",
        ),
    ] = False,
    top: Annotated[
        int | None,
        flag(
            OUTPUT,
            "With --explain: maximum number of reasons for, and against, each label (default 10). With a model of "
            "`train --extreme`: labels per row (default 5).",
            metavar="INTEGER",
        ),
    ] = None,
    executor: Executor = None,
    overwrite: Annotated[
        bool, flag(OUTPUT, "Predict all files anew, also those that the folder already has.", "--overwrite")
    ] = False,
    plots: Annotated[
        Path | None,
        flag(
            OUTPUT, "Folder for plots of images and their predictions; with --explain also heat maps.", metavar="FOLDER"
        ),
    ] = None,
    max_plots: Annotated[
        int | None, flag(OUTPUT, "Maximum number of rows to plot.", metavar="INTEGER", default="100")
    ] = None,
    read_flags: Annotated[dict, "format images on_bad_image"],
    text: Text = None,
    as_json: Json = False,
    as_lines: JsonLines = False,
    quiet: Quiet = False,
) -> None:
    """Predict labels for new rows. The probability of every label stands in a column p_LABEL. Several files go to a
    folder; the same command run again predicts only what is missing there."""


@command(epilog="Example: manyhot thresholds songs.manyhot --metric f1_micro --set mood_sad=0.3")
def thresholds(
    bundle: Bundle,
    thresholds: Annotated[
        list[str] | None,
        flag(
            DECISIONS,
            "Set a label's threshold, 0 to 1; may be repeated.",
            "--set",
            metavar="LABEL=NUMBER",
            complete=complete_threshold,
        ),
    ] = None,
    metric: Annotated[
        str | None,
        flag(
            DECISIONS,
            "Tune all thresholds for this metric, as --decision of train.",
            "--metric",
            metavar="NAME",
            complete=complete_words(DECISION_NAMES),
        ),
    ] = None,
    decision_params: Annotated[
        str | None,
        flag(
            DECISIONS,
            "Parameters of --metric, such as beta=2 for fbeta_macro.",
            "--decision-params",
            metavar="NAME=VALUE,...",
        ),
    ] = None,
    min_precision: Annotated[
        list[str] | None,
        flag(
            DECISIONS,
            "Precision to reach with as many predictions as it allows, of all labels or one; may be repeated.",
            metavar="NUMBER|LABEL=NUMBER",
            complete=complete_label_pair,
        ),
    ] = None,
    min_recall: Annotated[
        list[str] | None,
        flag(
            DECISIONS,
            "Recall to reach with as few predictions as it allows, of all labels or one; may be repeated.",
            metavar="NUMBER|LABEL=NUMBER",
            complete=complete_label_pair,
        ),
    ] = None,
    implies: Annotated[
        str | None, flag(DECISIONS, "Labels that imply others: 'car>vehicle,dog>animal'.", metavar="LABEL>LABEL,...")
    ] = None,
    exclusive: Annotated[
        str | None,
        flag(DECISIONS, "Groups of mutually exclusive labels: 'day|night,in|out'.", metavar="LABEL|LABEL,..."),
    ] = None,
    min_labels: Annotated[
        int | None, flag(DECISIONS, "Minimum number of labels predicted per row.", metavar="INTEGER")
    ] = None,
    max_labels: Annotated[
        int | None, flag(DECISIONS, "Maximum number of labels predicted per row; 0 for no limit.", metavar="INTEGER")
    ] = None,
    undo: Undo = False,
    dry_run: DryRun = False,
    output: Changed = None,
    as_json: Json = False,
) -> None:
    """Show or change thresholds and label rules. Nothing is trained; --undo restores those of before the last change,
    also of `manyhot guarantee`."""


@command(epilog="Example: manyhot guarantee songs.manyhot kept-aside.csv --miss-rate 0.1")
def guarantee(
    bundle: Bundle,
    file: Table,
    *,
    miss_rate: Annotated[
        float | None, flag(DECISIONS, "Maximum share of labels missed, 0 to 1.", metavar="NUMBER")
    ] = None,
    false_discovery_rate: Annotated[
        float | None,
        flag(DECISIONS, "Maximum share of wrong predictions among the predictions, 0 to 1.", metavar="NUMBER"),
    ] = None,
    confidence: Annotated[
        float, flag(DECISIONS, "Confidence of the bound on wrong predictions.", metavar="NUMBER")
    ] = 0.9,
    per_label: Annotated[bool, flag(DECISIONS, "Guarantee each label separately.", "--per-label")] = False,
    simultaneous: Annotated[
        bool, flag(DECISIONS, "Bound holds for all labels simultaneously.", "--simultaneous")
    ] = False,
    read_flags: Annotated[dict, "labels sep label_names format images"],
    dry_run: DryRun = False,
    output: Changed = None,
    verbose: Annotated[bool, flag(OUTPUT, "Show what the guarantee assumes.", "--verbose")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Guarantee an error rate on new rows. Chooses thresholds, calibrated on held-out rows."""


@command("label-errors", epilog="Example: manyhot label-errors songs.manyhot -o suspicious.csv")
def label_errors(
    bundle: Bundle,
    output: Annotated[
        Path | None, flag(OUTPUT, "CSV, Parquet or JSONL file to write.", "--output", "-o", metavar="FILE")
    ] = None,
    limit: Annotated[int, flag(OUTPUT, "Maximum number of entries to show.", metavar="INTEGER")] = 20,
    label: Annotated[
        str | None, flag(OUTPUT, "Show only this label.", metavar="LABEL", complete=complete_label)
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List training labels that look wrong. They are judged by their out-of-fold scores."""


@command("next", epilog="Example: manyhot next songs.manyhot new-songs.csv --top 50 -o to-label.csv")
def next_rows(
    bundle: Bundle,
    file: Table,
    *,
    output: Annotated[
        Path | None, flag(OUTPUT, "CSV, Parquet or JSONL file to write.", "--output", "-o", metavar="FILE")
    ] = None,
    top: Annotated[int, flag(OUTPUT, "Number of rows to rank.", metavar="INTEGER")] = 100,
    read_flags: Annotated[dict, "format images on_bad_image"],
    text: Text = None,
    as_json: Json = False,
    as_lines: JsonLines = False,
    quiet: Quiet = False,
) -> None:
    """Rank new rows by what to label next. First come rows whose labels the networks of the model disagree about, and
    that are unlike each other."""


@command(epilog="Example: manyhot inspect songs.manyhot --plot reliability.svg")
def inspect(
    bundle: Bundle,
    plot: Plot = None,
    with_layers: Annotated[bool, flag(OUTPUT, "Show the network's layers as well.", "--layers")] = False,
    as_json: Json = False,
) -> None:
    """Show what a model contains. --plot draws its calibration curves, before and after calibration."""


@command(epilog="Example: manyhot export songs.manyhot -o songs.onnx")
def export(
    bundle: Bundle,
    output: Annotated[
        Path | None, flag(OUTPUT, "ONNX file to write.", "--output", "-o", metavar="FILE", default="MODEL.onnx")
    ] = None,
    encoder: Annotated[
        bool,
        flag(OUTPUT, "Encode rows in the file; otherwise it takes what the encoder makes of them."),
    ] = True,
    calibrated: Annotated[bool, flag(OUTPUT, "Give calibrated probabilities.")] = True,
    no_labels: Annotated[bool, flag(OUTPUT, "Give probabilities only, no predicted labels.", "--no-labels")] = False,
    as_json: Json = False,
) -> None:
    """Write a model as an ONNX file. Other runtimes read it, with labels and thresholds inside."""


@command(epilog="Example: manyhot serve songs.manyhot --port 8000; or several: manyhot serve a=1.manyhot b=2.manyhot")
def serve(
    bundles: Annotated[
        list[str],
        typer.Argument(
            metavar="model", help="Model files written by `manyhot train`, or NAME=FILE; /predict uses the first."
        ),
    ],
    host: Annotated[
        str, flag(INPUT, "Address to listen on; set a token if other machines can reach it.", metavar="ADDRESS")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            metavar="INTEGER", help="Port, up to 65535; 0 for any free port.", rich_help_panel=INPUT, min=0, max=65535
        ),
    ] = 8000,
    token_file: Annotated[
        Path | None,
        flag(INPUT, "File with the token that requests must send.", metavar="FILE", default="MANYHOT_TOKEN, if set"),
    ] = None,
    allow_host: Annotated[
        list[str] | None, flag(INPUT, "Another host name to accept in requests; may be repeated.", metavar="NAME")
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        flag(INPUT, "Site whose pages may send requests, such as https://example.org; may be repeated.", metavar="URL"),
    ] = None,
    max_body_bytes: Annotated[
        int | None, flag(ADVANCED, "Maximum size of a request in bytes.", metavar="INTEGER", default="16 MiB")
    ] = None,
    max_rows: Annotated[
        int | None, flag(ADVANCED, "Maximum number of rows per request.", metavar="INTEGER", default="10000")
    ] = None,
    response_seconds: Annotated[
        float | None, flag(ADVANCED, "Time limit for a response, in seconds.", metavar="NUMBER", default="30")
    ] = None,
    text: Text = None,
    log_format: Annotated[
        str, choice_flag(OUTPUT, "Format of the log on standard error: text, or JSON lines.", ("text", "json"))
    ] = "text",
    quiet: Annotated[bool, flag(OUTPUT, "Log warnings and errors only.", "--quiet")] = False,
) -> None:
    """Serve predictions over HTTP. It takes JSON, CSV and images; see /docs of the running service."""
