"""Which rows of a file are being predicted, so that whoever comes after a death of the process knows the place.

The rows are noted in a small file before they are predicted. Who finds a note predicts those rows in pieces of about
the square root of their number, and who finds the note of a piece, row by row: after three deaths the row is known, and
it is not tried again. An exception narrows down its row likewise, at once.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl

from manyhot.cli.jobs.row_predictor import ChunkPredictor
from manyhot.data.samples import Samples
from manyhot.errors import ManyhotError, panics_become

MAX_TRIES = 3


class FatalRowError(ManyhotError, RuntimeError):
    """A row that ended the process, or raised, as often as it was tried."""


class _Note(NamedTuple):
    start: int  # rows before
    stop: int
    row: int  # number of the first in the file
    n_tries: int  # to predict these rows, with this one


class RowProgress:
    """The note on one file.

    Raises:
        FatalRowError: The note is of the last try of a row. It is removed, so that the next run tries the row again.
    """

    def __init__(self, path: Path, file: str) -> None:
        self.path, self.file = path, file
        self._temporary = path.with_name(f"{path.name}.tmp")
        self.suspect = self._read()
        if self.suspect is not None and self.suspect.n_tries >= MAX_TRIES:
            self.close()
            raise FatalRowError(
                f"{file}, row {self.suspect.row}: the process died {MAX_TRIES} times while it predicted this row; the "
                "usual reasons are too little memory, and a function of yours or a library that crashes on it"
            )

    def predict(self, predict_chunk: ChunkPredictor, samples: Samples, n_before: int) -> pl.DataFrame:
        """The predictions of a chunk, in one piece or several."""
        start, stop = n_before, n_before + samples.n_samples
        first, last = stop, stop  # of the rows that were noted
        frames: list[pl.DataFrame] = []
        if self.suspect is not None and self.suspect.start < stop and start < self.suspect.stop:
            first, last = max(start, self.suspect.start), min(stop, self.suspect.stop)
        if start < first:
            frames += self._try(predict_chunk, samples.slice(0, first - start), start, 1)
        if first < last and self.suspect is not None:
            noted = samples.slice(first - start, last - start)
            frames += self._try_pieces(predict_chunk, noted, first, self.suspect.n_tries + 1)
        if last < stop:
            frames += self._try(predict_chunk, samples.slice(last - start, stop - start), last, 1)
        return frames[0] if len(frames) == 1 else pl.concat(frames)

    def close(self) -> None:
        """Forget the place."""
        self.path.unlink(missing_ok=True)
        self._temporary.unlink(missing_ok=True)

    def _try(
        self, predict_chunk: ChunkPredictor, samples: Samples, n_before: int, n_tries: int
    ) -> Iterator[pl.DataFrame]:
        row = int(samples.row_numbers()[0])
        try:
            self._write(_Note(n_before, n_before + samples.n_samples, row, n_tries))
        except BaseException:  # a full disk, or a signal
            self.close()
            raise
        try:
            with panics_become(RuntimeError):
                frame = predict_chunk(samples, n_before)
        except ManyhotError:
            raise
        except Exception as error:
            if n_tries == MAX_TRIES:
                lines = str(error).splitlines() or ["no message"]
                raise FatalRowError(
                    f"{self.file}, row {row}: cannot be predicted ({type(error).__name__}: {lines[0]})"
                ) from error
        else:
            yield frame
            return
        finally:
            self.close()
        yield from self._try_pieces(predict_chunk, samples, n_before, n_tries + 1)

    def _try_pieces(
        self, predict_chunk: ChunkPredictor, samples: Samples, n_before: int, n_tries: int
    ) -> Iterator[pl.DataFrame]:
        """Once more in pieces, the last time row by row."""
        size = 1 if n_tries == MAX_TRIES else math.isqrt(samples.n_samples)
        for start in range(0, samples.n_samples, size):
            yield from self._try(predict_chunk, samples.slice(start, start + size), n_before + start, n_tries)

    def _read(self) -> _Note | None:
        try:
            return _Note(**json.loads(self.path.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def _write(self, note: _Note) -> None:
        self._temporary.write_text(json.dumps(note._asdict()))
        os.replace(self._temporary, self.path)
