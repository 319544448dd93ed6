"""`manyhot check`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.read_options import prepare_reading
from manyhot.data.readers import read
from manyhot.data.readers.label_columns import is_label_note
from manyhot.evaluation.charts import check_plot_path, plot_labels, save_chart
from manyhot.evaluation.data_checks import check_data


def run(file: Path, read_flags: Mapping[str, Any], n_folds: int, plot: Path | None, as_json: bool, quiet: bool) -> None:
    """Read the file, check it, print; nothing is trained, and neither JAX nor Keras is loaded."""
    check_plot_path(plot)
    _, options = prepare_reading(file, read_flags, {"--plot": plot}, on_bad_image="skip")
    samples = read(file, options, needed_by="a data check")
    print_notes([note for note in samples.notes if not is_label_note(note)], quiet)
    checks = check_data(samples, n_folds=n_folds)
    document, text = checks.to_dict(), f"{file}\n{checks}"
    if plot is not None:
        save_chart(plot_labels(document["facts"]), plot)
        text += f"\n\nsaved {plot}"
    print_result({"file": str(file), **document}, text, as_json)
