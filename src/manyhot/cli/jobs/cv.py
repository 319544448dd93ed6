"""`manyhot cv`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.outputs import refuse_overwriting, training_inputs
from manyhot.cli.jobs.read_options import build_read_options, open_flag_files
from manyhot.cli.jobs.train import describe_samples
from manyhot.data.readers import read
from manyhot.data.readers.input_files import list_input_images
from manyhot.data.samples import Samples
from manyhot.errors import InputError
from manyhot.estimators.cross_validation import cross_validate
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.evaluation.charts import check_plot_path, plot_cv_scores, save_chart
from manyhot.validation import did_you_mean


def run(
    file: Path,
    read_flags: Mapping[str, Any],
    n_splits: int,
    n_repeats: int,
    stratify: bool,
    groups: str | None,
    metrics: Sequence[str] | None,
    against: Mapping[str, Any],
    plot: Path | None,
    settings: Mapping[str, Any],
    as_json: bool,
) -> None:
    """Read, cross-validate one setting or two, print, plot."""
    quiet = settings.get("verbose", 1) == 0
    check_plot_path(plot)
    read_flags, flag_files = open_flag_files(read_flags)
    options = build_read_options(read_flags)
    input_files = (
        one for setting in (settings, against) for one in training_inputs(file, options, setting, flag_files)
    )
    refuse_overwriting({"--plot": plot}, input_files, list_input_images(file, options))
    classifier = MultiLabelClassifier(**settings)
    samples, group_values = read_grouped(file, read_flags, groups, classifier.on_bad_image)
    print_notes([f"{file}: {describe_samples(samples)}", *samples.notes], quiet)
    cv_options: dict[str, Any] = {
        "n_splits": n_splits,
        "n_repeats": n_repeats,
        "stratify": stratify,
        "metrics": metrics,
    }
    result = cross_validate(classifier, samples, groups=group_values, **cv_options)
    document, text = {"file": str(file), **result.to_dict()}, str(result)
    plotted = {"": document}
    if against:
        other_result = cross_validate(classifier, samples, groups=group_values, **cv_options, **against)
        comparison = result.compare(other_result)
        caption = ", ".join(f"{name}={value}" for name, value in against.items())
        document |= {
            "against": {"settings": dict(against), **other_result.to_dict()},
            "comparison": comparison.to_dict(),
        }
        text += f"\n\nAgainst {caption} on the same folds\n{other_result}\n\nThis minus {caption}\n{comparison}"
        plotted = {"current settings": document, caption: document["against"]}
    if plot is not None:
        save_chart(plot_cv_scores(plotted), plot)
        text += f"\n\nsaved {plot}"
    print_result(document, text, as_json)


def read_grouped(
    file: Path, read_flags: Mapping[str, Any], groups: str | None, on_bad_image: str = "error"
) -> tuple[Samples, list[Any] | None]:
    """The rows, and the values of the column that groups them, which then is no feature."""
    if groups is None:
        return read(file, build_read_options(read_flags, on_bad_image=on_bad_image), needed_by="cross-validation"), None
    column_types = {**read_flags["column_types"], groups: "ignored"}
    try:
        options = build_read_options({**read_flags, "column_types": column_types}, on_bad_image=on_bad_image)
        samples = read(file, options, needed_by="cross-validation")
    except InputError as error:
        if error.argument != "column_types" or groups not in str(error):
            raise
        raise InputError(f"there is no column {groups!r} to group by", file=file, argument="--groups") from None
    if samples.is_sparse or groups not in samples.features.columns:
        hint = did_you_mean(groups, samples.feature_names)
        raise InputError(f"there is no column {groups!r} to group by{hint}", file=file, argument="--groups")
    return samples, samples.features[groups].to_list()
