"""Commands that check a file of samples or train on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from manyhot.cli.app import command
from manyhot.cli.completion import METRICS, complete_column, complete_list, complete_pairs, complete_words
from manyhot.cli.config_flags import SETTINGS, setting_values
from manyhot.cli.options import (
    AllMetrics,
    CheckpointEvery,
    CheckpointFolder,
    Json,
    Plot,
    Quiet,
    Resume,
    Table,
    choice_flag,
    flag,
)
from manyhot.config.groups import ADVANCED, INPUT, MODEL, OUTPUT, TRAINING
from manyhot.config.scores import PROBABILITIES, SCORE_KINDS, SCORE_SETTINGS
from manyhot.config.training import TrainingConfig

TABLE_FLAGS = "label_order label_names xml id_column column_type drop"  # names of `READ_FLAGS`


@command(epilog="Example: manyhot demo")
def demo(
    output: Annotated[Path, flag(OUTPUT, "Folder for the demo's files.", "--output", "-o", metavar="FOLDER")] = Path(
        "manyhot-demo"
    ),
    files: Annotated[
        Path | None,
        flag(OUTPUT, "Only write tables of songs to this folder, to try the other commands on.", metavar="FOLDER"),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Take a tour on a small data set. Train, evaluate and predict on data that ships with scikit-learn; no network is
    needed."""


@command(epilog="Example: manyhot train songs.csv --labels 'mood_*' -o songs.manyhot")
def train(
    file: Table,
    output: Annotated[
        Path, flag(OUTPUT, "Model file to write, such as songs.manyhot.", "--output", "-o", metavar="FILE")
    ],
    settings: dict,
    read_flags: Annotated[
        dict,
        f"labels sep {TABLE_FLAGS} sample_weight format columns legend images",
    ],
    stream: Annotated[
        bool | None,
        flag(
            INPUT,
            "Read the file in chunks, for files larger than memory.",
            "--stream/--no-stream",
            default="on if the file does not fit",
        ),
    ] = None,
    stream_folder: Annotated[
        Path | None,
        flag(ADVANCED, "Folder for the encoded rows of a stream.", metavar="FOLDER", default="the output's folder"),
    ] = None,
    evidence: Annotated[bool, flag(OUTPUT, "Save out-of-fold scores and training curves in the file.")] = True,
    is_extreme: Annotated[
        bool,
        flag(
            MODEL,
            "Extreme multi-label classification, for thousands of labels: sparse targets, top-k labels.",
            "--extreme",
        ),
    ] = False,
    checkpoint: CheckpointFolder = None,
    checkpoint_every: CheckpointEvery = 60,
    resume: Resume = False,
    all_metrics: AllMetrics = False,
    as_json: Json = False,
) -> None:
    """Train a model on a file and save it."""


@command(
    epilog="Example: manyhot decide scores.csv --labels moods -o songs.manyhot",
    excluded=[name for name in SETTINGS if name not in (*SCORE_SETTINGS, "verbose")],
)
def decide(
    file: Table,
    output: Annotated[
        Path, flag(OUTPUT, "Model file to write, such as songs.manyhot.", "--output", "-o", metavar="FILE")
    ],
    read_flags: Annotated[dict, f"labels sep {TABLE_FLAGS} sample_weight format columns"],
    *,
    scores: Annotated[
        str, choice_flag(INPUT, "What the scores are: from 0 to 1, or logits, for a sigmoid.", SCORE_KINDS)
    ] = PROBABILITIES,
    settings: dict,
    evidence: Annotated[bool, flag(OUTPUT, "Save the scores and labels in the file, for reports.")] = True,
    all_metrics: AllMetrics = False,
    as_json: Json = False,
) -> None:
    """Decide on scores of any other model. Calibrates them and chooses thresholds; they must be of rows that the model
    was not trained on."""


@command(epilog="Example: manyhot check songs.csv --labels 'mood_*'")
def check(
    file: Table,
    read_flags: Annotated[dict, f"labels sep {TABLE_FLAGS} format columns images"],
    n_folds: Annotated[
        int,
        flag(TRAINING, "Folds that training will use; labels with fewer positives are reported.", metavar="INTEGER"),
    ] = TrainingConfig.n_folds,
    plot: Plot = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check a data set for label problems. Nothing is trained."""


@command(epilog="Example: manyhot cv songs.csv --labels 'mood_*' --n-splits 10 --n-repeats 3")
def cv(
    file: Table,
    *,
    label_flags: Annotated[dict, "labels sep"],
    n_splits: Annotated[int, flag(TRAINING, "Number of folds, 2 or more.", metavar="INTEGER")] = 10,
    n_repeats: Annotated[int, flag(TRAINING, "Number of repeats, each with different folds.", metavar="INTEGER")] = 3,
    groups: Annotated[
        str | None,
        flag(
            TRAINING,
            "Column of groups; rows of a group stay in the same fold.",
            metavar="COLUMN",
            complete=complete_column,
        ),
    ] = None,
    stratify: Annotated[bool, flag(TRAINING, "Keep label frequencies equal in all folds.")] = True,
    against: Annotated[
        list[str] | None,
        flag(
            TRAINING,
            "A setting to compare with on the same folds; may be repeated.",
            metavar="NAME=VALUE",
            complete=complete_pairs({name: setting_values(name) for name in SETTINGS}),
        ),
    ] = None,
    settings: dict,
    metrics: Annotated[
        str | None,
        flag(OUTPUT, "Comma-separated metrics.", metavar="NAME,...", complete=complete_list(METRICS), default="all"),
    ] = None,
    plot: Plot = None,
    checkpoint: CheckpointFolder = None,
    checkpoint_every: CheckpointEvery = 60,
    resume: Resume = False,
    read_flags: Annotated[dict, f"{TABLE_FLAGS} sample_weight format columns images"],
    all_metrics: AllMetrics = False,
    as_json: Json = False,
) -> None:
    """Run a repeated cross-validation. Everything, thresholds included, is fitted on the training rows of each fold."""


@command(epilog="Example: manyhot tune songs.csv --labels 'mood_*' --trials 40 --minutes 20 -o songs.manyhot")
def tune(
    file: Table,
    *,
    label_flags: Annotated[dict, "labels sep"],
    output: Annotated[
        Path | None,
        flag(
            OUTPUT,
            "Model file to write, trained with the best settings.",
            "--output",
            "-o",
            metavar="FILE",
            default="none is written",
        ),
    ] = None,
    trials: Annotated[
        int, flag(TRAINING, "Settings to try, 1 or more; the first are those given.", metavar="INTEGER")
    ] = 40,
    minutes: Annotated[
        float | None,
        flag(TRAINING, "Begin no new trials after so many minutes.", metavar="MINUTES", default="no limit"),
    ] = None,
    metric: Annotated[
        str,
        flag(
            TRAINING,
            "What the best trial is chosen by, an out-of-fold score.",
            metavar="NAME",
            complete=complete_words(METRICS),
        ),
    ] = "map",
    space: Annotated[
        list[str] | None,
        flag(
            TRAINING,
            "A setting to search, in a range (learning_rate=1e-4..1e-2) or among choices (dropout=0.1/0.3); may be "
            "repeated.",
            metavar="NAME=VALUES",
            complete=complete_pairs({name: () for name in SETTINGS}),
            default="those around the settings given",
        ),
    ] = None,
    nested: Annotated[
        int,
        flag(
            TRAINING,
            "Outer folds for an honest score, each with a search of its own; 0 for none.",
            metavar="INTEGER",
        ),
    ] = 0,
    journal: Annotated[
        Path | None,
        flag(TRAINING, "File that keeps every trial, from which a killed search goes on.", metavar="FILE"),
    ] = None,
    settings: dict,
    plot: Plot = None,
    read_flags: Annotated[dict, f"{TABLE_FLAGS} sample_weight format columns images"],
    as_json: Json = False,
) -> None:
    """Search for better settings. Trials are compared by the out-of-fold scores that each fit makes anyway."""


@command(
    "compare-heads",
    epilog="Example: manyhot compare-heads songs.csv --labels 'mood_*' --plot heads.svg",
    excluded=("head", "loss", "allow_softmax"),
)
def compare_heads(
    file: Table,
    *,
    label_flags: Annotated[dict, "labels sep"],
    n_splits: Annotated[int, flag(TRAINING, "Number of folds, 2 or more.", metavar="INTEGER")] = 5,
    n_repeats: Annotated[int, flag(TRAINING, "Number of repeats, each with different folds.", metavar="INTEGER")] = 1,
    settings: dict,
    plot: Plot = None,
    read_flags: Annotated[dict, f"{TABLE_FLAGS} format columns images"],
    as_json: Json = False,
) -> None:
    """Compare softmax and sigmoid outputs. Both are those of one network, on the same folds."""
