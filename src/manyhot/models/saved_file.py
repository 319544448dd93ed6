"""The file that a model was read from or written to, as long as both are what they were then."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from manyhot.models.model import Model


@dataclass(frozen=True)
class SavedFile:
    """A model file and what it holds."""

    path: Path
    n_bytes: int
    modified: int  # nanoseconds
    policy: Any  # the decisions and the weights that it holds, known by identity: a change replaces them
    weights: Any

    @classmethod
    def of(cls, model: Model, path: str | Path) -> SavedFile | None:
        """The file that holds a model now; None where there is none to be seen."""
        try:
            status = os.stat(path)
        except OSError:
            return None
        return cls(Path(path).absolute(), status.st_size, status.st_mtime_ns, model.policy, model.weights)

    def describe(self, model: Model) -> dict[str, Any] | None:
        """Name, size and SHA-256 of the file; None where it or the model has changed since."""
        if self.policy is not model.policy or self.weights is not model.weights:
            return None
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                if (status.st_size, status.st_mtime_ns) != (self.n_bytes, self.modified):
                    return None
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None
        return {"name": self.path.name, "bytes": self.n_bytes, "sha256": digest}
