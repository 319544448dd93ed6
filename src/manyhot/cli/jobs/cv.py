"""`manyhot cv`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.cli.config_flags import parse_settings
from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.read_options import build_read_options, prepare_reading
from manyhot.cli.jobs.train import describe_samples
from manyhot.data.readers import read
from manyhot.data.samples import Samples
from manyhot.errors import InputError
from manyhot.estimators.cross_validation import cross_validate
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.evaluation.charts import check_plot_path, plot_cv_scores, save_chart
from manyhot.persistence.checkpoints import open_checkpoint
from manyhot.validation import did_you_mean


def run(
    file: Path,
    read_flags: Mapping[str, Any],
    n_splits: int,
    n_repeats: int,
    stratify: bool,
    groups: str | None,
    metrics: str | None,
    against: list[str] | None,
    plot: Path | None,
    checkpoint: Path | None,
    checkpoint_every: float,
    resume: bool,
    settings: Mapping[str, Any],
    all_metrics: bool,
    as_json: bool,
) -> None:
    """Read, cross-validate one setting or two, print, plot."""
    other_settings = parse_settings(against, "--against")
    check_plot_path(plot)
    read_flags, _ = prepare_reading(file, read_flags, {"--plot": plot}, (settings, other_settings))
    classifier = MultiLabelClassifier(**settings)
    if checkpoint is not None and other_settings:
        raise InputError("one checkpoint is for one setting; leave --against away", argument="--checkpoint")
    snapshots = open_checkpoint(checkpoint, checkpoint_every, resume)
    samples, group_values = read_grouped(file, read_flags, groups, classifier.on_bad_image)
    print_notes([f"{file}: {describe_samples(samples)}", *samples.notes], settings.get("verbose", 1) == 0)
    cv_options: dict[str, Any] = {
        "n_splits": n_splits,
        "n_repeats": n_repeats,
        "stratify": stratify,
        "groups": group_values,
        "metrics": None if metrics is None else [name.strip() for name in metrics.split(",")],
    }
    result = cross_validate(classifier, samples, **cv_options, checkpoint=snapshots)
    document, text = {"file": str(file), **result.to_dict()}, result.to_text(all_metrics)
    plotted = {"": document}
    if other_settings:
        other_result = cross_validate(classifier, samples, **cv_options, **other_settings)
        comparison = result.compare(other_result)
        caption = ", ".join(f"{name}={value}" for name, value in other_settings.items())
        document |= {
            "against": {"settings": other_settings, **other_result.to_dict()},
            "comparison": comparison.to_dict(),
        }
        other_text = other_result.to_text(all_metrics)
        text += f"\n\nAgainst {caption} on the same folds\n{other_text}"
        text += f"\n\nThis minus {caption}\n{comparison.to_text(all_metrics)}"
        plotted = {"current settings": document, caption: document["against"]}
    if plot is not None:
        save_chart(plot_cv_scores(plotted), plot)
        text += f"\n\nsaved {plot}"
    print_result(document, text, as_json)
    if snapshots is not None:
        snapshots.finish()


def read_grouped(
    file: Path, read_flags: Mapping[str, Any], groups: str | None, on_bad_image: str
) -> tuple[Samples, list[Any] | None]:
    """The rows, and the values of the column that groups them, which then is no feature."""
    column_types = read_flags["column_types"] if groups is None else {**read_flags["column_types"], groups: "ignored"}
    try:
        options = build_read_options(read_flags, column_types=column_types, on_bad_image=on_bad_image)
        samples = read(file, options, needed_by="cross-validation")
    except InputError as error:
        if groups is None or error.argument != "column_types" or groups not in str(error):
            raise
        raise InputError(f"there is no column {groups!r} to group by", file=file, argument="--groups") from None
    if groups is None:
        return samples, None
    if samples.is_sparse or groups not in samples.features.columns:
        hint = did_you_mean(groups, samples.feature_names)
        raise InputError(f"there is no column {groups!r} to group by{hint}", file=file, argument="--groups")
    return samples, samples.features[groups].to_list()
