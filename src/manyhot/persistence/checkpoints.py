"""A folder in which training leaves what it needs to go on after its process was killed."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from manyhot import validation
from manyhot.errors import InputError, ManyhotError, OutputError
from manyhot.files import describe_os_error, write_file
from manyhot.persistence.container import read, write

RUN = "run.json"
SUFFIX = ".checkpoint"
N_KEPT = 2  # states of one chunk, the last ones


class Checkpoint:
    """Named states in a folder, each written whole or not at all; it can be sent to workers that see the folder."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder, self.seconds = folder, seconds
        self._times: dict[str, float] = {}  # name -> when it was saved last, or first asked for

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.folder, self.seconds)

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Write down what is trained on what; raise `InputError` if the folder holds the states of something else."""
        path = self.folder / RUN
        if not path.exists():
            write_file(path, json.dumps(identity, indent=1, sort_keys=True).encode())
            return
        try:
            saved = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise InputError(f"cannot be read ({error}); begin in another folder", file=path) from None
        differences = list(_differences(saved, json.loads(json.dumps(identity))))
        if differences:
            raise InputError(
                f"the checkpoint is of another run: {'; '.join(differences[:5])}; begin in another folder, or remove "
                "this one",
                file=self.folder,
                argument="resume",
            )

    def load(self, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """The newest state under a name that is whole; None where there is none."""
        for path in reversed(self._paths(name)):
            try:
                contents = read(path)
            except (ManyhotError, OSError):
                continue  # the one before it is whole
            return contents.document, {key.removeprefix("state/"): array for key, array in contents.arrays.items()}
        return None

    def save(self, name: str, document: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Write a state under a name, and remove all but the last two."""
        paths = self._paths(name)
        number = 1 + (int(paths[-1].name.split(".")[-2]) if paths else 0)
        target = self.folder / f"{name}.{number:06d}{SUFFIX}"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{target.parent} could not be made: {describe_os_error(error)}") from error
        write(target, dict(document), {f"state/{key}": np.asarray(array) for key, array in arrays.items()})
        for path in paths[: len(paths) + 1 - N_KEPT]:
            with suppress(OSError):
                path.unlink()
        self._times[name] = time.monotonic()

    def is_due(self, name: str) -> bool:
        """Whether `seconds` have passed since the state under a name was saved, or since this was asked first."""
        now = time.monotonic()
        return now - self._times.setdefault(name, now) >= self.seconds

    def within(self, name: str) -> Checkpoint:
        """The states of a part of the work, in a folder of their own."""
        return Checkpoint(self.folder / name, self.seconds)

    def finish(self) -> None:
        """Remove the folder's states: the work is done."""
        with suppress(OSError):
            shutil.rmtree(self.folder)

    def _paths(self, name: str) -> list[Path]:
        folder = (self.folder / name).parent
        return sorted(folder.glob(f"{Path(name).name}.[0-9]*{SUFFIX}"))


def open_checkpoint(
    folder: str | os.PathLike[str] | None, every: float = 60, resume: bool = False
) -> Checkpoint | None:
    """The checkpoint that a person asked for; None where they asked for none.

    Args:
        folder: Where the states are; it is made where there is none.
        every: Seconds between two states of the same members, above 0.
        resume: Whether to go on from what is in the folder; an empty one begins.

    Raises:
        InputError: The folder holds something and `resume` is False, or holds no checkpoint.
    """
    if folder is None:
        if resume:
            raise InputError(
                "needs the folder of a checkpoint to go on from (checkpoint, --checkpoint)", argument="resume"
            )
        return None
    seconds = validation.number(low=0.001, checkpoint_every=every)
    path = Path(folder).expanduser().absolute()
    try:
        path.mkdir(exist_ok=True)
        names = {entry.name for entry in path.iterdir()}
    except FileExistsError:
        raise InputError("is a file; name a folder", file=path, argument="checkpoint") from None
    except OSError as error:
        raise OutputError(f"{path} cannot be used as a checkpoint: {describe_os_error(error)}") from None
    if RUN not in names and any(not name.startswith(".") for name in names):
        raise InputError("holds other files and no checkpoint; name an empty folder", file=path, argument="checkpoint")
    if RUN in names and not resume:
        raise InputError(
            "holds the checkpoint of an earlier run; go on from it with resume=True (--resume), or name another folder",
            file=path,
            argument="checkpoint",
        )
    for leftover in path.rglob(".*.tmp"):  # of a write that was killed
        with suppress(OSError):
            leftover.unlink()
    return Checkpoint(path, seconds)


@contextmanager
def checkpointed(
    checkpoint: Checkpoint | str | os.PathLike[str] | None, every: float, resume: bool
) -> Iterator[Checkpoint | None]:
    """Run the body with a checkpoint; its states are removed at the end, unless whoever opened it does that."""
    if isinstance(checkpoint, Checkpoint):
        yield checkpoint
        return
    opened = open_checkpoint(checkpoint, every, resume)
    yield opened
    if opened is not None:
        opened.finish()


def _differences(saved: Any, current: Any, name: str = "") -> Any:
    """Describe what differs between two JSON values."""
    if isinstance(saved, dict) and isinstance(current, dict):
        for key in sorted({*saved, *current}):
            yield from _differences(saved.get(key), current.get(key), f"{name} {key}".strip())
    elif saved != current:
        yield f"other {name}" if len(str(saved)) > 60 else f"{name} is {current!r}, and was {saved!r}"
