"""Where a trained model comes from: when it was trained, on what, by which command."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from manyhot.files import file_sha256
from manyhot.models.run_identity import library_versions
from manyhot.version import __version__

TIME_FORMAT = "%Y-%m-%d %H:%M UTC"
MAX_NOTES = 100
MAX_LETTERS = 4000  # of a note, a name or the command
# A larger file is not read again for its checksum; this much takes 0.6 s on one core
MAX_HASHED_BYTES = 2**28


@dataclass(frozen=True)
class TrainingFile:
    """The file that a model was trained on, without its folder."""

    name: str
    n_bytes: int | None = None  # None for a folder
    sha256: str | None = None  # of its bytes; None for a folder and for what is too large to be read again


@dataclass(frozen=True)
class Origin:
    """When, on what and with what a model was trained; it changes nothing that the model predicts."""

    trained: str  # the time in UTC, to the minute
    n_rows: int  # rows handed in
    n_labels: int
    notes: tuple[str, ...] = ()  # about how the rows were read
    versions: Mapping[str, str] = field(default_factory=dict)
    file: TrainingFile | None = None  # None where arrays or a frame were handed in
    command: str | None = None  # None where Python trained
    automatic: tuple[str, ...] | None = None  # settings left to be chosen; None where that was not recorded

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        automatic = None if self.automatic is None else list(self.automatic)
        return {**asdict(self), "notes": list(self.notes), "versions": dict(self.versions), "automatic": automatic}


def current_origin(n_rows: int, n_labels: int, notes: tuple[str, ...] = ()) -> Origin:
    """The origin of a model that is trained now."""
    versions = {"manyhot": __version__, "python": platform.python_version()} | library_versions()
    shortened = tuple(note[:MAX_LETTERS] for note in notes[:MAX_NOTES])
    return Origin(to_text(_now()), n_rows, n_labels, shortened, versions)


def file_checksum(path: Path) -> str | None:
    """The SHA-256 of a file's bytes; None of a file above `MAX_HASHED_BYTES`."""
    return file_sha256(path) if path.stat().st_size <= MAX_HASHED_BYTES else None


def _now() -> datetime:
    """The time, or the one that `SOURCE_DATE_EPOCH` sets (reproducible-builds.org)."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(seconds), UTC) if seconds.isdecimal() else datetime.now(UTC)


def to_text(time: datetime) -> str:
    """A time in UTC for a person."""
    return time.strftime(TIME_FORMAT)
