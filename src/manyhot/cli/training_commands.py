"""Commands that check a file of samples or train on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manyhot.cli.app import command
from manyhot.cli.options import AllMetrics, CheckpointEvery, CheckpointFolder, Json, Plot, Quiet, Resume, Table
from manyhot.config.training import TrainingConfig

TABLE_FLAGS = "label_order label_names xml id_column column_type drop"  # names of `READ_FLAGS`


@command(epilog="Example: manyhot demo")
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the demo's files.")] = Path("manyhot-demo"),
    files: Annotated[
        Path | None, typer.Option(help="Only write tables of songs to this folder, to try the other commands on.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train, evaluate and predict on a data set that ships with scikit-learn; no network is needed."""


@command(epilog="Example: manyhot train songs.csv --labels 'mood_*' -o songs.manyhot")
def train(
    file: Table,
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file to write, such as songs.manyhot.")],
    settings: dict,
    read_flags: Annotated[
        dict,
        f"labels sep {TABLE_FLAGS} sample_weight format columns legend images",
    ],
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
    is_extreme: Annotated[
        bool,
        typer.Option(
            "--extreme",
            help="Extreme multi-label classification, for thousands of labels: sparse targets, top-k labels.",
        ),
    ] = False,
    checkpoint: CheckpointFolder = None,
    checkpoint_every: CheckpointEvery = 60,
    resume: Resume = False,
    all_metrics: AllMetrics = False,
    as_json: Json = False,
) -> None:
    """Train a model on a file and save it."""


@command(epilog="Example: manyhot check songs.csv --labels 'mood_*'")
def check(
    file: Table,
    read_flags: Annotated[dict, f"labels sep {TABLE_FLAGS} format columns images"],
    n_folds: Annotated[
        int, typer.Option(help="Folds that training will use; labels with fewer positives are reported.")
    ] = TrainingConfig.n_folds,
    plot: Plot = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check a data set for label problems before training."""


@command(epilog="Example: manyhot cv songs.csv --labels 'mood_*' --n-splits 10 --n-repeats 3")
def cv(
    file: Table,
    *,
    settings: dict,
    label_flags: Annotated[dict, "labels sep"],
    n_splits: Annotated[int, typer.Option(help="Number of folds, 2 or more.")] = 10,
    n_repeats: Annotated[int, typer.Option(help="Number of repeats, each with different folds.")] = 3,
    groups: Annotated[str | None, typer.Option(help="Column of groups; rows of a group stay in the same fold.")] = None,
    stratify: Annotated[bool, typer.Option(help="Keep label frequencies equal in all folds.")] = True,
    metrics: Annotated[str | None, typer.Option(help="Comma-separated metrics.", show_default="all")] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE of a setting to compare with on the same folds; may be repeated."),
    ] = None,
    plot: Plot = None,
    checkpoint: CheckpointFolder = None,
    checkpoint_every: CheckpointEvery = 60,
    resume: Resume = False,
    read_flags: Annotated[dict, f"{TABLE_FLAGS} sample_weight format columns images"],
    all_metrics: AllMetrics = False,
    as_json: Json = False,
) -> None:
    """Repeated cross-validation; everything, thresholds included, is fitted on the training rows of each fold."""


@command(
    "compare-heads",
    epilog="Example: manyhot compare-heads songs.csv --labels 'mood_*' --plot heads.svg",
    excluded=("head", "loss", "allow_softmax"),
)
def compare_heads(
    file: Table,
    *,
    settings: dict,
    label_flags: Annotated[dict, "labels sep"],
    n_splits: Annotated[int, typer.Option(help="Number of folds, 2 or more.")] = 5,
    n_repeats: Annotated[int, typer.Option(help="Number of repeats, each with different folds.")] = 1,
    plot: Plot = None,
    read_flags: Annotated[dict, f"{TABLE_FLAGS} format columns images"],
    as_json: Json = False,
) -> None:
    """Compare softmax and sigmoid outputs of one network on the same folds."""
