"""One digest for rows, targets and settings, to tell whether something is what it was."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import IO, Any, cast

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot.data.samples import Arrays
from manyhot.data.targets import Targets


def digest(*values: Any) -> str:
    """SHA-256 of arrays, CSR, frames, targets, texts and numbers, in any nesting of lists and mappings."""
    sha = hashlib.sha256()
    for value in values:
        _feed(sha, value)
    return sha.hexdigest()


class _Stream(io.RawIOBase):
    def __init__(self, sha: Any) -> None:
        self.sha = sha

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self.sha.update(content)
        return len(content)


def _feed(sha: Any, value: Any) -> None:
    if isinstance(value, np.ndarray) and value.dtype != object:
        sha.update(f"array {value.dtype.str} {value.shape}".encode())
        rows = value.reshape(1, -1) if value.ndim < 2 else value
        for low in range(0, len(rows) if rows.size else 0, 4096):
            sha.update(np.ascontiguousarray(rows[low : low + 4096]).reshape(-1).view(np.uint8).data)
    elif sp.issparse(value):
        csr = sp.csr_matrix(value)
        _feed(sha, ["csr", csr.shape, csr.indptr, csr.indices, csr.data])
    elif isinstance(value, pl.DataFrame):
        sha.update(f"frame {value.schema}".encode())
        value.write_ipc_stream(cast(IO[bytes], _Stream(sha)))
    elif isinstance(value, Targets):
        _feed(sha, ["targets", value.values, value.known])
    elif isinstance(value, Arrays):
        _feed(sha, value.blocks)
    elif isinstance(value, Mapping):
        sha.update(f"mapping {len(value)}".encode())
        for name in sorted(value, key=str):
            _feed(sha, [str(name), value[name]])
    elif isinstance(value, (list, tuple, np.ndarray)):
        sha.update(f"list {len(value)}".encode())
        for item in value:
            _feed(sha, item)
    else:
        sha.update(f"{type(value).__name__} {value!r}".encode())
