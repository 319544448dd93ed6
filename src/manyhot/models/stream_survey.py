"""Whether a file has to be streamed, and the first look at one that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from manyhot.config.training import TrainingConfig
from manyhot.data.readers import ReadOptions, Survey, count_rows, first_rows, needs_streaming, sample_file
from manyhot.data.readers.memory import available_memory
from manyhot.data.readers.sampling import SAMPLE_ROWS
from manyhot.errors import InputError
from manyhot.models.training_data import image_bytes

IMAGE_PROBE_ROWS = 100
IMAGE_MEMORY_FACTOR = 4
"""How many times the size of its decoded images a training in memory needs."""
IMAGE_SAMPLE_BYTES = 2**28
MIN_IMAGES = 1000
"""The sample of a stream has so many rows, or as many as have that many bytes of decoded images."""


def needs_stream(path: str | Path, options: ReadOptions | None, image_params: Mapping[str, Any]) -> bool:
    """Whether a file needs more memory than there is when it is read, and its images decoded, as a whole."""
    if needs_streaming(path, options):
        return True
    available, per_row = available_memory(), _image_bytes(path, options, image_params)
    if available is None or not per_row:
        return False
    max_rows = available // (IMAGE_MEMORY_FACTOR * per_row)
    return count_rows(path, options, max_rows + 1) > max_rows


def survey_file(
    path: str | Path,
    options: ReadOptions | None,
    config: TrainingConfig,
    progress: Callable[[str, float | None], None] | None = None,
) -> Survey:
    """Count the rows of a file and draw the sample that a stream is prepared from."""
    if options is not None and options.sample_weight is not None:
        raise InputError(
            "weights of rows are not supported for a file that is read piece by piece; say --no-stream (stream=False) "
            "or train without them",
            argument="sample_weight",
        )

    def report_count(n_rows: int) -> None:
        if progress is not None:
            progress(f"reading: {n_rows} rows", None)

    per_row = _image_bytes(path, options, config.image_params)
    max_rows = min(SAMPLE_ROWS, max(MIN_IMAGES, IMAGE_SAMPLE_BYTES // per_row)) if per_row else SAMPLE_ROWS
    return sample_file(path, options, config.random_state, max_rows, progress=report_count)


def _image_bytes(path: str | Path, options: ReadOptions | None, image_params: Mapping[str, Any]) -> int:
    """Bytes of the decoded images of a row, as the first rows are; 0 without images."""
    first = first_rows(path, options, IMAGE_PROBE_ROWS)
    if first is None or "image" not in first.column_types.values():
        return 0
    return image_bytes(first.features, first.column_types, image_params)
