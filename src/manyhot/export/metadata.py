"""What a file says of itself beside the graph: labels, columns, decision, versions, where it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from manyhot.decisions.policy import DecisionPolicy
from manyhot.export.encoding import Input
from manyhot.models.model import Model
from manyhot.version import __version__

FORMAT = 1  # of the names and values below
LIBRARIES = ("jax", "keras", "numpy", "onnx")


def describe(
    model: Model, inputs: Sequence[Input], has_encoder: bool, is_calibrated: bool, has_labels: bool
) -> dict[str, Any]:
    """Name -> plain JSON value, for each entry of the file's metadata; see docs/how-to/onnx.md.

    Args:
        model: What the file holds.
        inputs: What the file takes.
        has_encoder: Whether rows are encoded in it.
        is_calibrated: Whether `probabilities` are calibrated.
        has_labels: Whether it decides.
    """
    images = {one.name: list(one.shape) for one in inputs if one.type_name == "uint8"}
    described: dict[str, Any] = {
        "format": FORMAT,
        "labels": list(model.labels.names),
        "inputs": [one.to_dict() for one in inputs],
        "encoder": has_encoder,
        "calibrated": is_calibrated,
        "thresholds": model.thresholds() if has_labels else {},
        "decision": _describe_decision(model.policy) if has_labels else None,
        "image_size": images,
        "members": model.n_members,
        "versions": {"manyhot": __version__} | {name: version(name) for name in LIBRARIES},
        "source": None if model.saved_file is None else model.saved_file.describe(model),
    }
    if model.labels_pixels:
        described["overlap"] = model.config.image_params["overlap"]
    return described


def to_properties(described: Mapping[str, Any]) -> dict[str, str]:
    """Name -> JSON, in ASCII, so that any name of a label or a column comes back as it was."""
    return {f"manyhot.{name}": json.dumps(value) for name, value in described.items()}


def _describe_decision(policy: DecisionPolicy) -> dict[str, Any]:
    guarantee = None if policy.guarantee is None else policy.guarantee.statement(policy.space)
    return {
        "name": policy.decision.name,
        "meaning": policy.describe()["meaning"],
        "guarantee": guarantee,
        "rules": policy.rules.to_spec(),
        "taxonomy": [list(pair) for pair in policy.taxonomy],
    }
