"""`manyhot decide`: decisions on scores of another program, from a file of scores and labels."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.origin import record_origin
from manyhot.cli.jobs.outputs import refuse_other_file
from manyhot.cli.jobs.read_options import prepare_reading
from manyhot.cli.jobs.train import describe_samples
from manyhot.data.readers import read
from manyhot.errors import ManyhotWarning
from manyhot.estimators.decision_layer import DecisionLayer
from manyhot.estimators.read_options import saved_options
from manyhot.files import check_target


def run(
    file: Path,
    output: Path,
    scores: str,
    read_flags: Mapping[str, Any],
    settings: Mapping[str, Any],
    evidence: bool,
    all_metrics: bool,
    as_json: bool,
) -> None:
    """Read, calibrate, choose thresholds, save, report."""
    quiet = settings.get("verbose", 1) == 0
    layer = DecisionLayer(scores=scores, **settings)
    check_target(Path(os.path.realpath(output)))
    read_flags, options = prepare_reading(file, read_flags, {"--output": output}, [settings])
    refuse_other_file(output)
    samples = read(file, options)
    print_notes([f"{file}: {describe_samples(samples)}", *samples.notes], quiet)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ManyhotWarning)  # the report has the same notes
        layer.fit(samples)
    print_notes([note for note in layer.report_.values["notes"] if note not in samples.notes], quiet)
    layer.read_options_ = saved_options(read_flags)
    record_origin(layer.model_, file)
    layer.save(output, evidence=evidence)
    report, size = layer.report_, output.stat().st_size
    document = {
        "model": str(output),
        "bytes": size,
        "labels": list(layer.labels_),
        "thresholds": layer.thresholds_,
        "report": report.to_dict(),
    }
    message = f"saved {output} ({size / 2**20:.1f} MiB)\nnext: manyhot predict {output} SCORES -o predictions.csv"
    print_result(document, f"{report.to_text(all_metrics)}\n\n{message}", as_json)
