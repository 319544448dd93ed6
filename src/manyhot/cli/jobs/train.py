"""`manyhot train`."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.cli.jobs import extreme
from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.outputs import refuse_other_file, refuse_overwriting, training_inputs
from manyhot.cli.jobs.read_options import build_read_options, open_flag_files, saved_options
from manyhot.data.readers import read
from manyhot.data.samples import Samples
from manyhot.errors import ManyhotWarning, OutputError
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.models.stream_survey import needs_stream


def run(
    file: Path,
    output: Path,
    read_flags: Mapping[str, Any],
    settings: Mapping[str, Any],
    stream: bool | None,
    stream_folder: Path | None,
    evidence: bool,
    is_extreme: bool,
    as_json: bool,
) -> None:
    """Read, train, save, report."""
    read_flags, flag_files = open_flag_files(read_flags)
    if is_extreme:
        extreme.train(file, output, read_flags, flag_files, settings, as_json)
        return
    quiet = settings.get("verbose", 1) == 0
    classifier = MultiLabelClassifier(**settings)
    if not output.parent.is_dir():
        raise OutputError(f"{output} could not be written: the folder {output.parent} does not exist; create it first")
    options = build_read_options(read_flags, on_bad_image=classifier.on_bad_image)
    refuse_overwriting({"--output": output}, training_inputs(file, options, settings, flag_files))
    refuse_other_file(output)
    is_stream = needs_stream(file, options, classifier.image_params) if stream is None else stream
    if is_stream:
        reason = "" if stream else ": it needs more memory than there is (--no-stream to try it nevertheless)"
        print_notes([f"{file}: read piece by piece{reason}"], quiet)
        start_time = time.perf_counter()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=ManyhotWarning)  # the report has the same notes
            classifier.fit_file(file, options, stream=True, stream_folder=stream_folder or output.parent)
        print_notes(classifier.report_.values["notes"], quiet)
    else:
        samples = read(file, options)
        print_notes([f"{file}: {describe_samples(samples)}", *samples.notes], quiet)
        start_time = time.perf_counter()
        classifier.fit(samples)
    seconds = time.perf_counter() - start_time
    classifier.read_options_ = saved_options(read_flags)
    classifier.save(output, evidence=evidence)
    report = classifier.report_
    document = {
        "model": str(output),
        "bytes": output.stat().st_size,
        "seconds": round(seconds, 3),
        "labels": list(classifier.labels_),
        "thresholds": classifier.thresholds_,
        "report": report.to_dict(),
    }
    message = f"saved {output} ({output.stat().st_size / 2**20:.1f} MiB, trained in {seconds:.1f} s)"
    print_result(document, f"{report}\n\n{message}\nnext: manyhot predict {output} FILE -o predictions.csv", as_json)


def describe_samples(samples: Samples) -> str:
    """Rows, labels and columns by kind, in one sentence."""
    column_types = Counter(samples.column_types.values())
    columns = ", ".join(f"{count} {kind}" for kind, count in column_types.most_common())
    n_labels = 0 if samples.labels is None else len(samples.labels)
    shape = "sparse" if samples.is_sparse else "columns"
    return f"{samples.n_samples} rows, {n_labels} labels, {len(samples.feature_names)} {shape} features ({columns})"
