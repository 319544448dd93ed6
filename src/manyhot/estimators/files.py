"""Training straight from a file, as a whole or piece by piece: the part of `MultiLabelClassifier` that knows files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from manyhot.config.training import Plan
from manyhot.data.readers import ReadOptions, first_rows, read, rows_in, streams_by_itself, survey
from manyhot.data.readers.memory import available_memory
from manyhot.data.readers.survey import SAMPLE_ROWS
from manyhot.data.shards import Shards
from manyhot.estimators.progress import reporting, watching
from manyhot.models.streaming import StreamJob, prepare_stream, train_stream, write_rows
from manyhot.models.training import Model
from manyhot.models.training_data import Taken, image_bytes

IMAGE_PROBED_ROWS = 100
IMAGE_TIMES = 4
"""How many times the size of its decoded images a training in memory needs."""
IMAGE_SAMPLE_BYTES = 2**28
LEAST_IMAGES = 1000
"""The sample of a stream has so many rows, or as many as have that many bytes of decoded images."""

Tell = Callable[[str, float | None], None]


class Files:
    """`fit_file`, on top of what fits samples."""

    network: Any
    quiet: bool
    fit: Callable[..., Any]
    taken: Callable[..., Taken]
    _settings: Callable[[type], Any]
    _take: Callable[[Model, np.ndarray | None, Mapping[str, Any] | None], None]

    def fit_file(
        self,
        path: str | Path,
        reading: ReadOptions | None = None,
        *,
        stream: bool | None = None,
        stream_folder: str | Path | None = None,
        window_bytes: int | None = None,
    ) -> Any:
        """Train on a file, which may be larger than memory.

        A stream is read twice, piece by piece. A random sample of its rows (up to 200,000) settles kinds of columns,
        labels, scales and terms; a part of it is set aside for thresholds, calibration and the report. All other rows
        are encoded, kept on disk meanwhile, and trained on window by window, by one member unless `members` says more.

        Args:
            path: CSV, TSV, JSONL, Parquet or Arrow, and whatever `read` takes where it is not streamed.
            reading: Where the labels are, and what else the file does not say itself.
            stream: Whether the file is streamed; None does so where it needs more memory than there is.
            stream_folder: Where encoded rows are kept while training; None for the folder for temporary files.
            window_bytes: Encoded rows of a window at most; several windows are in memory at a time. None for 64 MiB.

        Returns:
            Itself.

        Raises:
            InputError: What cannot be used, by file, row and column; a file that changed meanwhile; too little room
                on the disk; a format that cannot be streamed.
        """
        if stream is None:
            stream = self.streams(path, reading)
        if not stream:
            return self.fit(read(path, reading))
        folder = Path(tempfile.gettempdir() if stream_folder is None else stream_folder)
        with reporting(self.quiet) as tell:
            job, classes = self._stream_job(path, reading, tell)
        with Shards(folder) as shards:
            with reporting(self.quiet) as tell:
                rows = write_rows(job, shards, tell)
            with watching(self.quiet) as watch:
                model = train_stream(job, shards, rows, window_bytes, watch)
        self._take(model, classes, None)
        return self

    def streams(self, path: str | Path, reading: ReadOptions | None = None) -> bool:
        """Whether a file needs more memory than there is when it is read, and its images decoded, as a whole."""
        if streams_by_itself(path, reading):
            return True
        available, per_row = available_memory(), self._image_bytes(path, reading)
        if available is None or not per_row:
            return False
        most = available // (IMAGE_TIMES * per_row)
        return rows_in(path, reading, most + 1) > most

    def _image_bytes(self, path: str | Path, reading: ReadOptions | None) -> int:
        """What the images of a row take once they are decoded, as the first rows are; 0 without images."""
        first = first_rows(path, reading, IMAGE_PROBED_ROWS)
        if first is None or "image" not in first.kinds.values():
            return 0
        return image_bytes(first.features, first.kinds, self._settings(Plan))

    def _stream_job(
        self, path: str | Path, reading: ReadOptions | None, tell: Tell | None
    ) -> tuple[StreamJob, np.ndarray | None]:
        """The job; the sample that it was made from is let go."""

        def count(n_rows: int) -> None:
            if tell is not None:
                tell(f"reading: {n_rows} rows", None)

        per_row = self._image_bytes(path, reading)
        max_rows = min(SAMPLE_ROWS, max(LEAST_IMAGES, IMAGE_SAMPLE_BYTES // per_row)) if per_row else SAMPLE_ROWS
        found = survey(path, reading, self._settings(Plan).seed, max_rows, tell=count)
        taken = self.taken(found.samples)
        if taken.is_kept is not None:  # what is left out is told when all rows are written
            found, taken = (
                found._replace(rows=found.rows[taken.is_kept]),
                taken._replace(notes=tuple(found.samples.notes)),
            )
        return prepare_stream(found, taken, self.network), taken.classes
