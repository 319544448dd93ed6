"""`manyhot compare-heads`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.read_options import prepare_reading
from manyhot.cli.jobs.train import describe_samples
from manyhot.data.readers import read
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
    _, options = prepare_reading(file, read_flags, {"--plot": plot}, [settings])
    samples = read(file, options, needed_by="a comparison")
    print_notes([f"{file}: {describe_samples(samples)}", *samples.notes], settings.get("verbose", 1) == 0)
    heads = compare_heads(None, samples, n_splits=n_splits, n_repeats=n_repeats, **settings)
    text = str(heads)
    if plot is not None:
        heads.plot(plot)
        text += f"\n\nsaved {plot}"
    print_result({"file": str(file), **heads.to_dict()}, text, as_json)
