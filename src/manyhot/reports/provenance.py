"""Where a report comes from: when it was made, of which files, by which command."""

from __future__ import annotations

import hashlib
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from manyhot.models.model import Model
from manyhot.models.origin import file_checksum, to_text


def describe_provenance(model: Model, model_file: str | None, rows_file: str | None) -> dict[str, Any]:
    """What is known of the report, of the model's file and of the rows; None for what is not."""
    parts = ["manyhot", "report", *(name for name in (model_file, rows_file) if name is not None)]
    return {
        "created": to_text(datetime.now(UTC)),
        "command": None if model_file is None else shlex.join(parts),
        "model_file": describe_file(model_file),
        "rows_file": describe_file(rows_file),
        "training": None if model.origin is None else model.origin.to_dict(),
        "training_rows": _describe_training_rows(model),
    }


def describe_file(path: str | None) -> dict[str, Any] | None:
    """Name, size, time of the last change and SHA-256 of a file, if it is not too large; None for what is no file."""
    if path is None or not Path(path).is_file():
        return None
    digest, status = file_checksum(Path(path)), Path(path).stat()
    modified = to_text(datetime.fromtimestamp(status.st_mtime, UTC))
    return {"path": path, "bytes": status.st_size, "modified": modified, "sha256": digest}


def _describe_training_rows(model: Model) -> dict[str, Any] | None:
    """How many rows trained a model, and a checksum of their encoded features and labels; None if it kept none."""
    if model.evidence is None:
        return None
    rows = model.evidence.rows
    digest = hashlib.sha256(rows.fingerprints.astype("<u8").tobytes())
    digest.update(np.packbits(rows.targets.known_mask()).tobytes())
    digest.update(np.packbits(rows.targets.values).tobytes())
    return {"rows": len(rows.fingerprints), "sha256": digest.hexdigest()}
