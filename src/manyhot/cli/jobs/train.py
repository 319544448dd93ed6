"""`manyhot train`."""

from __future__ import annotations

import os
import time
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.cli.jobs import extreme
from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.origin import record_origin
from manyhot.cli.jobs.outputs import refuse_other_file
from manyhot.cli.jobs.read_options import prepare_reading
from manyhot.config.images import image_params
from manyhot.data.readers import read
from manyhot.data.samples import Samples
from manyhot.errors import InputError, ManyhotWarning
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.estimators.progress import stage_progress
from manyhot.estimators.read_options import saved_options
from manyhot.evaluation.report.text import pluralize
from manyhot.files import check_target
from manyhot.models.stream_survey import needs_stream
from manyhot.persistence.checkpoints import open_checkpoint

NO_FEATURES = {"id": "of ids", "ignored": "ignored"}


def run(
    file: Path,
    output: Path,
    read_flags: Mapping[str, Any],
    settings: Mapping[str, Any],
    stream: bool | None,
    stream_folder: Path | None,
    evidence: bool,
    is_extreme: bool,
    checkpoint: Path | None,
    checkpoint_every: float,
    resume: bool,
    all_metrics: bool,
    as_json: bool,
) -> None:
    """Read, train, save, report."""
    quiet = settings.get("verbose", 1) == 0
    if is_extreme:
        if checkpoint is not None or resume:
            raise InputError("training on very many labels keeps no checkpoints yet", argument="--checkpoint")
        classifier: Any = extreme.make_classifier(settings, read_flags["column_types"])
        more: dict[str, Any] = {"sparse_targets": True}
    else:
        classifier = MultiLabelClassifier(**settings)
        more = {"on_bad_image": classifier.on_bad_image}
    check_target(Path(os.path.realpath(output)))  # before hours of training
    read_flags, options = prepare_reading(file, read_flags, {"--output": output}, [settings], **more)
    refuse_other_file(output)
    snapshots = open_checkpoint(checkpoint, checkpoint_every, resume)
    checkpointing: dict[str, Any] = {} if snapshots is None else {"checkpoint": snapshots}
    is_streamed = bool(stream) and not is_extreme
    if stream is None and not is_extreme:
        is_streamed = needs_stream(file, options, image_params(classifier.image_params))
    if is_streamed:
        reason = "" if stream else ": it needs more memory than there is (--no-stream to try it nevertheless)"
        print_notes([f"{file}: read piece by piece{reason}"], quiet)
        start_time = time.perf_counter()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=ManyhotWarning)  # the report has the same notes
            folder = stream_folder or output.parent
            classifier.fit_file(file, options, stream=True, stream_folder=folder, **checkpointing)
        print_notes(classifier.report_.values["notes"], quiet)
    else:
        samples = read(file, options)
        print_notes([*([] if is_extreme else [f"{file}: {describe_samples(samples)}"]), *samples.notes], quiet)
        start_time = time.perf_counter()
        classifier.fit(samples, **checkpointing)
    seconds = time.perf_counter() - start_time
    classifier.read_options_ = saved_options(read_flags)
    record_origin(classifier.model_, file)
    with stage_progress(int(not quiet)) as show:
        if show is not None:
            show(f"writing {output}", None)
        classifier.save(output, **({} if is_extreme else {"evidence": evidence}))
    if snapshots is not None:
        snapshots.finish()
    report, size = classifier.report_, output.stat().st_size
    if is_extreme:
        facts = {"n_labels": len(classifier.labels_), "threshold": classifier.threshold_}
    else:
        facts = {"labels": list(classifier.labels_), "thresholds": classifier.thresholds_}
    document = {"model": str(output), "bytes": size, "seconds": round(seconds, 3), **facts, "report": report.to_dict()}
    message = f"saved {output} ({size / 2**20:.1f} MiB, trained in {seconds:.1f} s)"
    next_step = f"next: manyhot predict {output} FILE {'--top 5 ' if is_extreme else ''}-o predictions.csv"
    print_result(document, f"{report.to_text(all_metrics)}\n\n{message}\n{next_step}", as_json)


def describe_samples(samples: Samples) -> str:
    """Rows, labels and columns by kind, in one sentence."""
    kinds: Counter[str] = Counter(samples.column_types.values())
    others = "".join(f", {kinds.pop(kind)} {word}" for kind, word in NO_FEATURES.items() if kind in kinds)
    columns = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    n_labels = 0 if samples.labels is None else len(samples.labels)
    features = pluralize(kinds.total(), "sparse feature" if samples.is_sparse else "column")
    rows = f"{pluralize(samples.n_samples, 'row')}, {pluralize(n_labels, 'label')}"
    return f"{rows}, {features} ({columns}){others}"
