"""A file's answers beside the model's own, on rows drawn at random; where ONNX Runtime is installed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import polars as pl

from manyhot.encoders import Encoder, MatrixEncoder, TableEncoder
from manyhot.errors import ManyhotError
from manyhot.export.encoding import CATEGORIES, NUMBERS, TYPES, Input
from manyhot.models.model import Model

N_ROWS = 64
MAX_NUMBERS = 2**22  # of all rows together; of large images there are fewer
MAX_DIFFERENCE = 1e-5  # between an uncalibrated score of the file and the model's
ROUNDING = 1e-6  # of calibration


class Comparison(NamedTuple):
    """How a file's answers compare."""

    n_rows: int
    max_difference: float  # between probabilities


def compare(
    content: bytes, model: Model, inputs: Sequence[Input], is_calibrated: bool, has_labels: bool
) -> Comparison | None:
    """Compare the answers of a file's content with those of its model.

    Args:
        content: The file.
        model: Where it came from.
        inputs: What the file takes.
        is_calibrated: Whether its probabilities are calibrated.
        has_labels: Whether it decides.

    Returns:
        How far probabilities differ; None where ONNX Runtime is not installed.

    Raises:
        ManyhotError: Probabilities that scores within `MAX_DIFFERENCE` of the model's do not give, or other labels
            for the same probabilities.
    """
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        n_numbers = sum(math.prod(one.shape) for one in inputs)
        rows = draw_rows(model.encoder, inputs, min(N_ROWS, max(2, MAX_NUMBERS // max(n_numbers, 1))))
        answers = dict(zip((one.name for one in session.get_outputs()), session.run(None, rows), strict=True))
    except Exception as error:  # ONNX Runtime's errors have no class of their own to catch
        reason = str(error).split("\n", 1)[0]
        raise ManyhotError(f"the ONNX file is not written: ONNX Runtime cannot run it ({reason})") from error
    scores = model.scorer().scores(encode(model.encoder, inputs, rows))
    calibrate = model.policy.calibrate if is_calibrated else np.asarray
    probabilities = answers["probabilities"]
    difference = float(np.abs(probabilities - calibrate(scores)).max(initial=0))
    # an isotonic map may be so steep that the last digit of a score is many of a probability
    low, high = (calibrate(np.clip(scores + move, 0, 1)) for move in (-MAX_DIFFERENCE, MAX_DIFFERENCE))
    if not ((probabilities >= low - ROUNDING) & (probabilities <= high + ROUNDING)).all():
        raise ManyhotError(
            f"the ONNX file is not written: its probabilities differ from the model's by {difference:.2g} on rows "
            "drawn at random; please report this, with the network's layers (manyhot inspect MODEL --layers)"
        )
    if has_labels and is_calibrated:
        lines = probabilities.reshape(-1, probabilities.shape[-1])
        if (model.policy.decide(lines) != answers["labels"].reshape(lines.shape)).any():
            raise ManyhotError("the ONNX file is not written: it answers other labels than the model; please report it")
    return Comparison(len(probabilities), difference)


def draw_rows(encoder: Encoder, inputs: Sequence[Input], n_rows: int) -> dict[str, np.ndarray]:
    """Draw rows as a file takes them: numbers around those of training, some missing, levels, images."""
    generator = np.random.default_rng(0)
    rows: dict[str, np.ndarray] = {}
    for one in inputs:
        shape = (n_rows, *one.shape)
        if one.type_name == "string":
            rows[one.name] = _draw_levels(generator, one, n_rows)
        elif one.type_name == "uint8":
            rows[one.name] = generator.integers(0, 256, shape, dtype=np.uint8)
        elif one.type_name == "int32":
            rows[one.name] = generator.integers(0, encoder.vocabularies[str(one.block)], shape, dtype=np.int32)
        else:
            rows[one.name] = generator.standard_normal(shape).astype(TYPES[one.type_name])
    columns = next((one.columns for one in inputs if one.name == NUMBERS and one.block is None), ())
    if columns:
        encoder = cast(MatrixEncoder | TableEncoder, encoder)  # the others have no input of numbers
        scaled = list(getattr(encoder, "scaled_columns", encoder.names))
        places = [scaled.index(name) for name in columns]
        numbers = encoder.scale.center[places] + 2 * encoder.scale.scale[places] * rows[NUMBERS]
        rows[NUMBERS] = np.where(generator.random(numbers.shape) < 0.1, np.nan, numbers)
    return rows


def _draw_levels(generator: np.random.Generator, one: Input, n_rows: int) -> np.ndarray:
    columns = [np.array([*levels, "", "never seen"], dtype=object) for levels in one.levels]
    return np.stack([column[generator.integers(0, len(column), n_rows)] for column in columns], axis=1)


def encode(encoder: Encoder, inputs: Sequence[Input], rows: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The blocks that the model's own encoder makes of rows as a file takes them."""
    blocks = {one.block: rows[one.name] for one in inputs if one.block is not None}
    if blocks:
        return blocks
    if not encoder.column_types:
        return cast(MatrixEncoder, encoder).transform(rows[NUMBERS])
    n_rows = len(next(iter(rows.values())))
    numbers = rows.get(NUMBERS, np.zeros((n_rows, 0)))
    cells = [column.astype(str) for column in rows[CATEGORIES].T] if CATEGORIES in rows else []
    images = [pl.Series(rows[block]) for block in encoder.images.pixel_blocks]
    return cast(TableEncoder, encoder).transform_cells(numbers, cells, (), images)
