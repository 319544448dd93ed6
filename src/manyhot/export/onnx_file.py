"""A trained model as one ONNX file, checked and compared before it takes its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from manyhot.errors import InputError
from manyhot.export.comparison import compare
from manyhot.export.encoding import OUTPUTS, RESERVED, list_inputs, write_encoder
from manyhot.export.graph import Graph
from manyhot.export.labels import why_not, write_labels
from manyhot.export.metadata import describe, to_properties
from manyhot.export.scores import score_rank, write_calibration, write_scores
from manyhot.files import write_file
from manyhot.models.model import Model


def export(
    model: Model, path: str | Path, encoder: bool = True, calibrated: bool = True, labels: bool = True
) -> dict[str, Any]:
    """Write a model as an ONNX file; a file there is replaced only when the new one is complete.

    Args:
        model: A trained model.
        path: Where to.
        encoder: Whether rows are encoded in the file; otherwise it takes what the encoder makes of them.
        calibrated: Whether `probabilities` are calibrated, as those of `predict_proba` are by default.
        labels: Whether the file decides too, as `predict` does.

    Returns:
        What the file says of itself, plain JSON values, and under "comparison" how its probabilities compare with the
        model's: the number of rows, and the largest difference; None where ONNX Runtime is not installed.

    Raises:
        InputError: An encoder, a network or a decision that is not written, by its name; or onnx is not installed.
        ManyhotError: The file would answer something else than the model.
        OutputError: A file that cannot be written.
    """
    reason = why_not(model.policy) if labels else None
    if reason is not None:
        raise InputError(
            f"{reason}, which is not written to an ONNX file; say labels=False (--no-labels) for probabilities alone",
            argument="labels",
        )
    inputs = list_inputs(model.encoder, encoder)
    graph = Graph({*RESERVED, *(one.name for one in inputs)})
    blocks = write_encoder(graph, model.encoder, inputs)
    scores, rank = write_scores(graph, model, inputs, blocks), score_rank(model)
    calibrated_scores = scores
    if calibrated or labels:
        hierarchy = model.policy.hierarchy
        levels = () if hierarchy is None else hierarchy.levels
        calibrated_scores = write_calibration(graph, scores, model.policy.calibration, levels, rank)
    shape = model.output_shape
    graph.add_output(OUTPUTS[0], calibrated_scores if calibrated else scores, np.float32, shape)
    if labels:
        graph.add_output(OUTPUTS[1], write_labels(graph, calibrated_scores, model.policy, rank), bool, shape)
    described = describe(model, inputs, encoder, calibrated, labels)
    content = graph.content(to_properties(described))
    compared = compare(content, model, inputs, calibrated, labels)
    write_file(Path(path), content)
    return {**described, "comparison": None if compared is None else compared._asdict()}
