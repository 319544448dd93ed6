"""`manyhot compare-heads`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.outputs import refuse_overwriting, training_inputs
from manyhot.cli.jobs.read_options import build_read_options, open_flag_files
from manyhot.cli.jobs.train import describe_samples
from manyhot.data.readers import read
from manyhot.data.readers.input_files import list_input_images
from manyhot.estimators.cross_validation import compare_heads
from manyhot.evaluation.charts import check_plot_path


def run(
    file: Path,
    read_flags: Mapping[str, Any],
    n_splits: int,
    n_repeats: int,
    plot: Path | None,
    settings: Mapping[str, Any],
    as_json: bool,
) -> None:
    """Read, train one network under three output functions, print, plot."""
    check_plot_path(plot)
    read_flags, flag_files = open_flag_files(read_flags)
    options = build_read_options(read_flags)
    input_files = training_inputs(file, options, settings, flag_files)
    refuse_overwriting({"--plot": plot}, input_files, list_input_images(file, options))
    samples = read(file, options, needed_by="a comparison")
    print_notes([f"{file}: {describe_samples(samples)}", *samples.notes], settings.get("verbose", 1) == 0)
    heads = compare_heads(None, samples, n_splits=n_splits, n_repeats=n_repeats, **settings)
    text = str(heads)
    if plot is not None:
        heads.plot(plot)
        text += f"\n\nsaved {plot}"
    print_result({"file": str(file), **heads.to_dict()}, text, as_json)
