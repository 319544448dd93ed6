"""`manyhot next`: which unlabelled rows to have labelled next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from manyhot import validation
from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.label_errors import write_table
from manyhot.cli.jobs.open_model import load_model
from manyhot.cli.jobs.outputs import check_json_lines, model_inputs, refuse_overwriting, refuse_training_file
from manyhot.cli.jobs.prediction_writer import check_suffix
from manyhot.cli.jobs.row_estimate import row_counter
from manyhot.data.readers import ReadOptions, read_chunks
from manyhot.data.readers.input_files import list_input_images
from manyhot.estimators.base_classifier import BaseModelClassifier
from manyhot.estimators.prediction_table import id_series
from manyhot.estimators.progress import stage_progress
from manyhot.estimators.read_options import model_read_options, unused_column_notes
from manyhot.evaluation.report.text import pluralize
from manyhot.models.labeling import LabelingPool, RowsToLabel
from manyhot.models.prediction import sample_features


def run(
    bundle: Path,
    file: Path,
    output: Path | None,
    top: int,
    read_flags: Mapping[str, Any],
    text: Path | None,
    as_json: bool,
    as_lines: bool,
    quiet: bool,
) -> None:
    """Rank the rows of the file, a chunk at a time, and show or write the first `top`."""
    validation.integer(top=top, low=1)
    check_json_lines(as_lines, as_json, output)
    if output is not None:
        check_suffix(output)
    classifier = load_model(bundle, text)
    pool = LabelingPool(classifier.model_, top, read_flags["on_bad_image"])
    options = model_read_options(classifier, read_flags, require_labels=False, unknown_labels="ignore")
    inputs = model_inputs(bundle, (file, options), text=text)
    refuse_overwriting({"--output": output}, inputs, list_input_images(file, options))
    refuse_training_file(output, classifier.model_.origin)
    ranking, notes = rank_file(classifier, pool, file, options, quiet)
    if output is not None:
        write_table(with_contents(to_table(ranking), row_contents(file, options, ranking.row)), output)
    print_notes(notes, quiet or as_json)
    if as_lines:
        print("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in to_rows(ranking)), end="")
        return
    document = {"model": str(bundle), "file": str(file), "rows": ranking.n_rows, "measure": ranking.measure}
    document |= {"next": to_rows(ranking), "notes": notes}
    if output is not None:
        document["output"] = str(output)
    print_result(document, as_text(ranking, bundle, output), as_json)


def rank_file(
    classifier: BaseModelClassifier, pool: LabelingPool, file: Path, options: ReadOptions, quiet: bool
) -> tuple[RowsToLabel, list[str]]:
    """The ranking of the rows of a file, and what a person should know of it."""
    notes: list[str] = []
    with stage_progress(int(not quiet)) as progress:
        on_rows = None if progress is None else row_counter(file, progress, "scoring")
        for samples in read_chunks(file, options):
            if pool.n_rows == 0:
                notes += unused_column_notes(classifier, samples)
            ids = id_series(samples, pool.n_rows).to_list()
            pool.add(sample_features(pool.model, samples), ids, samples, on_rows)
        ranking = pool.rank(progress)
    return ranking, [*notes, *ranking.notes]


def to_table(ranking: RowsToLabel) -> pl.DataFrame:
    """One row for each that is to be labelled: id, score, its least settled labels, what the members say of them."""
    columns = {
        "id": pl.Series(ranking.ids.tolist(), dtype=pl.String),
        "score": pl.Series(ranking.score, dtype=pl.Float64),
        "labels": pl.Series([ranking.label_names(k) for k in range(len(ranking))], dtype=pl.List(pl.String)),
        "reason": pl.Series(ranking.reasons(), dtype=pl.String),
    }
    return pl.DataFrame(columns)


def row_contents(file: Path, options: ReadOptions, rows: np.ndarray) -> pl.DataFrame | None:
    """The columns of some rows (positions, int64 (k,)) in their order, as the file has them; None of sparse rows."""
    parts, n_before, ascending = [], 0, np.sort(rows)
    for samples in read_chunks(file, options):
        if not isinstance(samples.features, pl.DataFrame):
            return None
        inside = (ascending >= n_before) & (ascending < n_before + samples.n_samples)
        parts.append(samples.features[ascending[inside] - n_before])
        n_before += samples.n_samples
    table = pl.concat(parts, how="vertical_relaxed")[np.searchsorted(ascending, rows)]
    return table.select(name for name, kind in table.schema.items() if not (kind.is_nested() or kind == pl.Binary))


def with_contents(entries: pl.DataFrame, contents: pl.DataFrame | None) -> pl.DataFrame:
    """A table of rows with the columns of the file behind; of equal names those of the file say so."""
    if contents is None:
        return entries
    names = {name: f"{name} (file)" for name in contents.columns if name in entries.columns}
    return pl.concat([entries, contents.rename(names)], how="horizontal")


def to_rows(ranking: RowsToLabel) -> list[dict[str, Any]]:
    """The same as plain JSON values."""
    return to_table(ranking).to_dicts()


def as_text(ranking: RowsToLabel, bundle: Path, output: Path | None) -> str:
    """The same for people; of what is written to a file only how much it is."""
    rows = pluralize(len(ranking), "row")
    if output is not None:
        return f"saved {rows} of {ranking.n_rows:,} to label next to {output}"
    meaning = "what the members say" if ranking.measure == "disagreement" else "what the model says"
    lines = [f"{bundle}: {rows} of {ranking.n_rows:,} to label next", "", f"{ranking.measure}  row: {meaning}"]
    width = len(ranking.measure)
    lines += [
        f"{score:>{width}.3f}  {name}: {reason}"
        for name, score, reason in zip(ranking.ids, ranking.score, ranking.reasons(), strict=True)
    ]
    return "\n".join(lines)
