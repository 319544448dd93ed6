"""What a model remembers of the command that trained it, and of the file."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from manyhot.cli.command_line import CURRENT_WORDS
from manyhot.models.extreme.model import ExtremeModel
from manyhot.models.model import Model
from manyhot.models.origin import MAX_LETTERS, TrainingFile, file_checksum


def record_origin(model: Model | ExtremeModel, file: Path) -> None:
    """Write down the file that a model was trained on, and the command of this process."""
    if model.origin is not None:
        model.origin = replace(model.origin, file=describe_training_file(file), command=current_command())


def describe_training_file(path: Path) -> TrainingFile:
    """Name, size and SHA-256 of a file; the name alone of a folder."""
    name = path.name or path.absolute().name
    if not path.is_file():
        return TrainingFile(name[:MAX_LETTERS])
    return TrainingFile(name[:MAX_LETTERS], path.stat().st_size, file_checksum(path))


def current_command() -> str | None:
    """The command that runs, for a shell; absolute paths are cut to their last part. None outside of `manyhot`."""
    words = CURRENT_WORDS.get()
    if words is None:
        return None
    command = shlex.join(["manyhot", *(_without_folder(word) for word in words)])
    return command if len(command) <= MAX_LETTERS else f"{command[: MAX_LETTERS - 1]}\N{HORIZONTAL ELLIPSIS}"


def _without_folder(word: str) -> str:
    flag, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    return f"{flag}{equals}{Path(value).name if Path(value).is_absolute() else value}"
