"""A model of very many labels as a bundle and back: describe, audit, construct.

Names of labels lie in arrays, because a JSON text holds only so many values.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from manyhot import engine
from manyhot.data.labels import LabelSpace
from manyhot.errors import BundleError, InputError
from manyhot.models.extreme.config import extreme_config_from_dict
from manyhot.models.extreme.model import ExtremeModel, build_trunk_spec
from manyhot.models.extreme.report import extreme_text
from manyhot.models.network_spec import TrunkSpec
from manyhot.persistence import container
from manyhot.persistence.container import Contents, DocumentReader
from manyhot.persistence.encoder import read_encoder
from manyhot.persistence.model_file import versions

# says in a document which of our models it describes; those of `MultiLabelClassifier` say nothing
KIND = "extreme_multi_label"
MAX_LABELS = 2**26


def is_extreme(contents: Contents) -> bool:
    """Return whether a bundle says that it holds such a model."""
    return contents.document.get("kind") == KIND


def save(model: ExtremeModel, path: str | Path, read_options: Mapping[str, Any], has_fixed_labels: bool) -> None:
    """Write a model into one file; a file there is replaced only when the new one is complete."""
    spec, encoder_arrays = model.encoder.to_spec()
    names = [name.encode() for name in model.labels.names]
    document = {
        "kind": KIND,
        "n_labels": len(names),
        "has_integer_labels": model.labels.is_integer,
        "has_fixed_labels": has_fixed_labels,
        "encoder": spec,
        "network": dict(model.network.settings),
        "threshold": model.threshold,
        "config": model.config.to_dict(),
        "report": model.report,
        "read_options": dict(read_options),
        "versions": versions(),
    }
    arrays = {f"encoder/{name}": array for name, array in encoder_arrays.items()}
    arrays |= {f"network/trainable.{k}": leaf for k, leaf in enumerate(model.weights.trainable)}
    arrays |= {f"network/fixed.{k}": leaf for k, leaf in enumerate(model.weights.fixed)}
    arrays |= {
        "network/kernel": model.weights.kernel,
        "network/bias": model.weights.bias,
        "labels/ends": np.cumsum([len(name) for name in names], dtype=np.int64),
        "labels/bytes": np.frombuffer(b"".join(names), dtype=np.uint8),
        "labels/propensities": model.propensities,
    }
    container.write(path, document, arrays)


def construct(contents: Contents, path: str | Path) -> tuple[ExtremeModel, dict[str, Any], bool]:
    """Read the model, how its training file was read, and whether the user set the labels."""
    reader = DocumentReader(contents.document, contents.arrays, path)
    try:
        model = _model(reader)
        read_options = reader.mapping("read_options", max_items=1000)
        has_fixed_labels = "has_fixed_labels" in reader and reader.boolean("has_fixed_labels")
    except InputError as error:
        if isinstance(error, BundleError) and error.file is not None:
            raise
        raise BundleError(f"{error}; the file does not describe a model", file=path) from None
    reader.finish()
    return model, read_options, has_fixed_labels


def _model(reader: DocumentReader) -> ExtremeModel:
    reader.text("kind", choices=[KIND])
    n_labels = reader.integer("n_labels", 1, MAX_LABELS)
    labels = _labels(reader, n_labels)
    config = extreme_config_from_dict(reader.mapping("config"))
    encoder = read_encoder(reader)
    spec = build_trunk_spec(config, encoder)
    if reader.mapping("network") != spec.settings:
        raise BundleError("the network is not the one that its settings and its encoder make")
    return ExtremeModel(
        labels,
        encoder,
        spec,
        _weights(reader, spec, n_labels),
        reader.array("labels/propensities", dtype=np.float64, shape=(n_labels,), low=np.finfo(float).tiny, high=1),
        reader.number("threshold", 0, 1),
        config,
        _report(reader),
    )


def _weights(reader: DocumentReader, spec: TrunkSpec, n_labels: int) -> engine.ExtremeWeights:
    """Read the arrays, each of exactly the shape that the described network has."""
    trainable, fixed = spec.weight_shapes()
    dtype = spec.dtype
    return engine.ExtremeWeights(
        [reader.array(f"network/trainable.{k}", dtype=dtype, shape=shape) for k, shape in enumerate(trainable)],
        [
            reader.array(f"network/fixed.{k}", dtype=fixed_dtype or dtype, shape=shape)
            for k, (shape, fixed_dtype) in enumerate(fixed)
        ],
        reader.array("network/kernel", dtype=dtype, shape=(n_labels, spec.settings["hidden_layer_sizes"][-1])),
        reader.array("network/bias", dtype=dtype, shape=(n_labels,)),
    )


def _labels(reader: DocumentReader, n_labels: int) -> LabelSpace:
    ends = reader.array("labels/ends", dtype=np.int64, shape=(n_labels,), low=1)
    raw = reader.array("labels/bytes", dtype=np.uint8, shape=(None,)).tobytes()
    if (np.diff(ends) <= 0).any() or ends[-1] != len(raw):
        raise BundleError("names of labels do not fit their places")
    places = [0, *ends.tolist()]
    try:
        names = [raw[start:end].decode() for start, end in pairwise(places)]
    except UnicodeDecodeError:
        raise BundleError("a name of a label is not text") from None
    return LabelSpace(tuple(names), "has_integer_labels" in reader and reader.boolean("has_integer_labels"))


def _report(reader: DocumentReader) -> dict[str, Any]:
    """Read the report; raise `BundleError` when it cannot be shown."""
    values = reader.mapping("report")
    try:
        extreme_text(values)
        dict(values["training"])
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise BundleError("the report in the file is not one that manyhot wrote") from None
    reader.mapping("versions", max_items=100)
    return values
