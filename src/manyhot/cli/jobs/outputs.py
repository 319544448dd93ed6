"""What a command is about to write, held against what it reads, so that no slip of the pen costs an input."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from manyhot.config.label_rules import TAXONOMY, names_taxonomy_file
from manyhot.data.readers import ReadOptions
from manyhot.data.readers.column_types import IMAGE_NAME
from manyhot.data.readers.input_files import list_input_files
from manyhot.errors import InputError
from manyhot.models.origin import Origin, file_checksum
from manyhot.persistence.container import begins_as_bundle

Input = tuple[str, Path]  # what a file holds, in words, and where it is
PLOT_NAME = re.compile(r"\d{3,}(-.*)?\.png", re.DOTALL)  # of a plot, as `image_sheets` names it


def refuse_overwriting(
    outputs: Mapping[str, Path | Iterable[Path] | None], inputs: Iterable[Input], images: Iterable[Input] = ()
) -> None:
    """Refuse an output that is an input, whatever it is called: by a link, or by another way through the folders."""
    existing: dict[tuple[int, int], tuple[str, Path]] = {}  # inputs are listed only if this holds any
    for flag, paths in outputs.items():
        for path in [paths] if isinstance(paths, Path) else paths or ():
            identity = _identity(path)
            if identity is not None:
                existing[identity] = (flag, path)
    if not existing:
        return
    # images may be many: they are listed only where an output has the name of one
    has_image = any(re.search(IMAGE_NAME, path.name) for _, path in existing.values())
    for description, path in chain(inputs, images if has_image else ()):
        identity = _identity(path)
        if identity in existing:
            flag, output = existing[identity]
            also = "" if str(output) == str(path) else f" ({path})"
            raise InputError(f"would overwrite {description}{also}; choose another name", file=output, argument=flag)


def refuse_training_file(output: Path | None, origin: Origin | None) -> None:
    """Refuse an output that is the file, by its content, that the model was trained on."""
    file = None if origin is None else origin.file
    if output is None or file is None or file.sha256 is None or not output.is_file():
        return
    if output.stat().st_size == file.n_bytes and file_checksum(output) == file.sha256:
        raise InputError(
            "would overwrite the file that the model was trained on; choose another name",
            file=output,
            argument="--output",
        )


def holds_other(output: Path, is_ours: Callable[[Path], bool]) -> bool:
    """Whether a file stands there that is none of ours; what is empty or cannot be read is none."""
    return output.is_file() and os.access(output, os.R_OK) and output.stat().st_size > 0 and not is_ours(output)


def check_json_lines(as_lines: bool, as_json: bool, output: Path | None) -> None:
    """Refuse --jsonl beside another form of the same rows."""
    if as_lines and (as_json or output is not None):
        other = "--json" if as_json else "--output; name a file that ends in .jsonl instead"
        raise InputError(f"cannot be combined with {other}", argument="--jsonl")


def refuse_other_file(output: Path | None) -> None:
    """Refuse to write a model over a file that is none."""
    if output is not None and holds_other(output, begins_as_bundle):
        raise InputError(
            "exists and is not a manyhot file; choose another name, or delete it", file=output, argument="--output"
        )


def training_inputs(
    file: Path, options: ReadOptions, settings: Mapping[str, Any], flag_files: Iterable[Input]
) -> Iterator[Input]:
    """What training reads: the rows, and what flags and settings name."""
    yield from list_input_files(file, options)
    yield from flag_files
    image_settings, text_settings = settings.get("image_params") or {}, settings.get("text_params") or {}
    yield from _files_at("the weights of the backbone", image_settings.get("weights"))
    for name in ("model", "preset"):
        yield from _files_at("the text encoder", text_settings.get(name))
    taxonomy = settings.get(TAXONOMY)
    if isinstance(taxonomy, str) and names_taxonomy_file(taxonomy):
        yield from _files_at("the taxonomy", taxonomy)


def model_inputs(
    bundle: Path,
    rows: tuple[Path, ReadOptions] | None = None,
    flag_files: Iterable[Input] = (),
    text: Path | None = None,
) -> Iterator[Input]:
    """What a command with a trained model reads: the model, the rows, and what the flags name."""
    yield "the model", bundle
    yield from flag_files
    yield from _files_at("the text encoder", text)
    if rows is not None:
        yield from list_input_files(*rows)


def existing_plots(folder: Path | None) -> list[Path]:
    """The files in a folder that are named like plots."""
    if folder is None or not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if PLOT_NAME.fullmatch(path.name)]


def _files_at(description: str, path_or_name: Any) -> Iterator[Input]:
    """A file, or all files of a folder, that a setting names; nothing where it names something else."""
    if not path_or_name:
        return
    path = Path(path_or_name).expanduser()
    for one in path.rglob("*") if path.is_dir() else [path]:
        yield description, one


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from all others; None where there is none, and for a folder."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return None if os.path.isdir(path) else (status.st_dev, status.st_ino)
