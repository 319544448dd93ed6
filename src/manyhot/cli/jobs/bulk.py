"""`manyhot predict` of many tables: a task for each, here or on an executor, and a folder that can be completed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.manifest import NAME, Manifest, describe_input
from manyhot.cli.jobs.outputs import model_inputs, refuse_overwriting
from manyhot.cli.jobs.prediction_writer import SUFFIXES, write_predictions
from manyhot.cli.jobs.row_predictor import PredictionSettings, row_predictor
from manyhot.cli.jobs.row_progress import RowProgress
from manyhot.cli.signals import StoppedError
from manyhot.config.executor import check_executor
from manyhot.data.readers.source import split_compression
from manyhot.encoders.text.custom import TextFunction
from manyhot.errors import InputError, ManyhotError
from manyhot.estimators.base_classifier import BaseModelClassifier
from manyhot.estimators.extreme import ExtremeMultiLabelClassifier
from manyhot.estimators.loading import load
from manyhot.estimators.progress import stage_progress
from manyhot.evaluation.report.text import pluralize
from manyhot.executors import LostTaskError, Work, run_tasks
from manyhot.files import TEMPORARY, file_lock, file_sha256, temporary_stem
from manyhot.reports.image_sheets import check_folder
from manyhot.validation import one_of

MAX_SHOWN_ERRORS = 20


@dataclass(frozen=True)
class BulkOptions:
    """What the flags say about the work."""

    output_format: str | None = None
    executor: Any = None
    overwrite: bool = False
    as_json: bool = False
    quiet: bool = False


class PartsError(ManyhotError):
    """Some files could not be predicted; all others are."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Part(NamedTuple):
    """A file and where its predictions go."""

    name: str  # as it was typed
    path: str
    output: str


class PartResult(NamedTuple):
    """What came of a part."""

    n_rows: int = 0
    notes: tuple[str, ...] = ()
    error: str | None = None
    exit_code: int = 1


class _Payload(NamedTuple):
    """What workers need beside their parts."""

    model: str
    sha256: str
    text: TextFunction | str | None
    settings: PredictionSettings


class _State(NamedTuple):
    classifier: BaseModelClassifier | ExtremeMultiLabelClassifier
    settings: PredictionSettings


def predict_tables(
    bundle: Path,
    tables: Sequence[Path],
    folder: Path | None,
    settings: PredictionSettings,
    options: BulkOptions,
    text: TextFunction | str | None = None,
) -> None:
    """Predict each table that the folder has no predictions of, and note them in its manifest."""
    executor = check_executor("--executor", options.executor)
    folder = _check_folder(folder)
    parts = list_parts(tables, folder, options.output_format)
    classifier = load(bundle, text=text)
    if classifier.model_.labels_pixels:
        raise InputError("labels of pixels are predicted for one table at a time", file=bundle)
    for suffix in {Path(part.output).suffix for part in parts}:
        row_predictor(classifier, settings, suffix, print_notes)
    inputs = [*model_inputs(bundle), *(("the rows", Path(part.name)) for part in parts)]
    refuse_overwriting({"--output": [folder / NAME, *(Path(part.output) for part in parts)]}, inputs)
    check_folder(folder, "the predictions")
    worker_text = os.path.abspath(text) if isinstance(text, str) else text
    payload = _Payload(os.path.abspath(bundle), file_sha256(bundle), worker_text, _absolute(settings))
    with file_lock(folder / NAME):
        model = {"file": payload.model, "sha256": payload.sha256}
        manifest = Manifest(folder, model, _settings_to_keep(settings, options, text), options.overwrite)
        missing = [part for part in parts if not manifest.is_done(Path(part.path), Path(part.output))]
        if executor is None:
            results = _predict_here(_State(classifier, payload.settings), missing)
        else:
            del classifier
            results = _predict_on(executor, payload, missing)
        manifest.write()  # a run that is killed early says whose folder it is, too
        errors = _collect(results, missing, manifest, options)
        remove_leftovers(folder, parts)
    if errors:
        raise _join_errors(errors, len(parts))
    n_rows = sum(manifest.parts[Path(part.output).name]["rows"] for part in parts)
    document = {"output": str(folder), "rows": n_rows, "files": len(parts), "predicted": len(missing)}
    before = "" if len(missing) == len(parts) else f" ({len(parts) - len(missing)} of them existed already)"
    message = f"saved predictions of {pluralize(n_rows, 'row')} of {pluralize(len(parts), 'file')} to {folder}{before}"
    print_result(document, message, options.as_json)


def list_parts(tables: Sequence[Path], folder: Path, output_format: str | None) -> list[Part]:
    """Where the predictions of each table go; `InputError` where two would go to the same place."""
    forced = None
    if output_format is not None:
        forced = "." + one_of([suffix[1:] for suffix in SUFFIXES], **{"--output-format": output_format})
    parts: dict[str, Part] = {}
    for table in tables:
        stem, suffix = os.path.splitext(split_compression(table.name)[0])
        default = ".parquet" if suffix.lower() in (".parquet", ".pq") else ".csv"
        part = Part(str(table), os.path.abspath(table), os.path.abspath(folder / f"{stem}{forced or default}"))
        twin = parts.setdefault(stem.lower(), part)
        if twin is not part:
            raise InputError(
                f"has the same name as {twin.name} but for its folder or ending, and predictions are named after "
                "their files; rename one of them, or predict into two folders",
                file=part.name,
            )
    return list(parts.values())


def predict_part(state: _State, part: Part) -> PartResult:
    """Predict one table; an error that is about it alone is part of the result."""
    output = Path(part.output)
    notes: dict[str, None] = {}

    def keep_notes(lines: Iterable[str]) -> None:
        notes.update(dict.fromkeys(lines))

    try:
        progress = RowProgress(output.parent / f".{output.stem}.progress", part.name)
        predictor = row_predictor(state.classifier, state.settings, output.suffix, keep_notes)
        predictor = predictor._replace(predict_chunk=partial(progress.predict, predictor.predict_chunk))
        n_rows = write_predictions(Path(part.path), predictor, output, state.settings.label_sep, keep_notes)
        return PartResult(n_rows, tuple(notes))
    except InputError as error:
        return PartResult(error=_with_typed_name(error, part), exit_code=error.exit_code)
    except ManyhotError as error:
        return PartResult(error=str(error), exit_code=error.exit_code)
    except OSError as error:  # of the note
        return PartResult(error=f"{part.output} could not be written: {error.strerror or error}", exit_code=2)


def _predict_here(state: _State, parts: Sequence[Part]) -> Iterator[tuple[int, Any]]:
    for number, part in enumerate(parts):
        yield number, predict_part(state, part)


def _predict_on(executor: Any, payload: _Payload, parts: Sequence[Part]) -> Iterator[tuple[int, Any]]:
    work = Work(_load, payload, predict_part, "bulk prediction")
    return run_tasks(executor, work, [(part,) for part in parts], yield_lost=True)


def _load(payload: _Payload) -> _State:
    """Open the model in a worker."""
    if file_sha256(Path(payload.model)) != payload.sha256:
        raise InputError("was changed while predictions were made; start again", file=payload.model)
    return _State(load(payload.model, text=payload.text), payload.settings)


def _collect(
    results: Iterator[tuple[int, Any]], parts: Sequence[Part], manifest: Manifest, options: BulkOptions
) -> list[tuple[str, int]]:
    """Note what comes in the manifest; what went wrong, with exit codes."""
    sources = [describe_input(Path(part.path)) for part in parts]
    errors: list[tuple[str, int]] = []
    notes: set[str] = set()
    n_done = 0
    try:
        with stage_progress(int(not options.quiet)) as show:
            for number, result in results:
                part = parts[number]
                if isinstance(result, LostTaskError):
                    result = PartResult(error=f"{part.name}: {result}")
                if result.error is None:
                    manifest.add(sources[number], Path(part.output), result.n_rows)
                else:
                    errors.append((result.error, result.exit_code))
                print_notes((f"{part.name}: {note}" for note in result.notes if note not in notes), options.quiet)
                notes.update(result.notes)
                n_done += 1
                if show is not None:
                    show(f"{n_done} of {len(parts)} files", n_done / len(parts))
    except KeyboardInterrupt as interrupt:
        outcome = f"{n_done} of {len(parts)} files are done; run the same command again for the others"
        raise StoppedError(interrupt, outcome) from None
    finally:
        manifest.write()
    return errors


def remove_leftovers(folder: Path, parts: Iterable[Part]) -> None:
    """Remove what killed processes left of the parts and the manifest that they wrote."""
    outputs = [Path(part.output) for part in parts]
    stems = {temporary_stem(path) for path in (*outputs, Path(NAME))}
    notes = {f".{path.stem}.progress.tmp" for path in outputs}
    for path in folder.glob(".*.tmp"):
        found = TEMPORARY.fullmatch(path.name)
        if path.name in notes or (found is not None and found[1] in stems):
            path.unlink(missing_ok=True)


def _check_folder(folder: Path | None) -> Path:
    if folder is None or (folder.suffix.lower() in SUFFIXES and not folder.is_dir()):
        raise InputError(
            "several files, --executor, --overwrite and --output-format need a folder for the predictions, such as "
            "-o predictions",
            argument="--output",
        )
    return folder


def _absolute(settings: PredictionSettings) -> PredictionSettings:
    """The same for workers, which may be elsewhere."""
    images = settings.read_flags.get("images")
    flags = {**settings.read_flags, "images": None if images is None else Path(os.path.abspath(images))}
    return replace(settings, read_flags=flags)


def _settings_to_keep(
    settings: PredictionSettings, options: BulkOptions, text: TextFunction | str | None
) -> Mapping[str, Any]:
    """What fixes the predictions beside model and rows, under the names of the flags."""
    return {
        "label_sep": settings.label_sep,
        "explain": settings.explain,
        "top": settings.top,
        "output_format": options.output_format,
        "text": None if text is None else text if isinstance(text, str) else getattr(text, "__qualname__", "function"),
        **{
            name: None if settings.read_flags[name] is None else str(settings.read_flags[name])
            for name in ("format", "images", "on_bad_image")
        },
    }


def _with_typed_name(error: InputError, part: Part) -> str:
    """The message, with the file as it was typed."""
    file = part.name if error.file in (part.path, None) else error.file
    return str(InputError(error.message, file=file, row=error.row, column=error.column, argument=error.argument))


def _join_errors(errors: Sequence[tuple[str, int]], n_parts: int) -> PartsError:
    """One error for all files that could not be predicted: wrong input only if nothing else went wrong."""
    lines = [message for message, _ in errors[:MAX_SHOWN_ERRORS]]
    if len(errors) > MAX_SHOWN_ERRORS:
        lines.append(f"and {len(errors) - MAX_SHOWN_ERRORS} more")
    text = "; ".join(lines)
    rest = f"; done: {pluralize(n_parts - len(errors), 'other file')}" if n_parts > len(errors) else ""
    return PartsError(f"{text}{rest}", min(code for _, code in errors))
