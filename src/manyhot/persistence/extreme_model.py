"""A model of very many labels as a bundle and back: describe, audit, construct.

Names of labels lie in arrays, because a JSON text holds only so many values.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from manyhot import engine
from manyhot.config.extreme import ExtremeConfig
from manyhot.config.training import config_from_dict
from manyhot.data.labels import LabelSpace
from manyhot.encoders.text.packed_texts import pack_texts, unpack_texts
from manyhot.errors import BundleError
from manyhot.models.extreme.model import ExtremeModel, build_trunk_spec
from manyhot.models.extreme.report import extreme_text
from manyhot.models.network_spec import TrunkSpec
from manyhot.persistence import container
from manyhot.persistence.container import Contents, DocumentReader
from manyhot.persistence.encoder import read_encoder
from manyhot.persistence.model_file import read_all, read_metadata, read_report, versions
from manyhot.persistence.network import read_weights, weight_arrays
from manyhot.persistence.origin import read_origin
from manyhot.persistence.saved_report import check_extreme_report

# says in a document which of our models it describes; those of `MultiLabelClassifier` say nothing
KIND = "extreme_multi_label"
MAX_LABELS = 2**26


def is_extreme(contents: Contents) -> bool:
    """Return whether a bundle says that it holds such a model."""
    return contents.document.get("kind") == KIND


def save(model: ExtremeModel, path: str | Path, read_options: Mapping[str, Any], has_fixed_labels: bool) -> None:
    """Write a model into one file; a file there is replaced only when the new one is complete."""
    spec, encoder_arrays = model.encoder.to_spec()
    label_ends, label_bytes = pack_texts(model.labels.names)
    document = {
        "kind": KIND,
        "n_labels": len(model.labels),
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
    if model.origin is not None:
        document["origin"] = model.origin.to_dict()
    arrays = {f"encoder/{name}": array for name, array in encoder_arrays.items()}
    arrays |= weight_arrays(model.weights, model.network.n_tables) | {
        "network/kernel": model.weights.kernel,
        "network/bias": model.weights.bias,
        "labels/ends": label_ends,
        "labels/bytes": label_bytes,
        "labels/propensities": model.propensities,
    }
    container.write(path, document, arrays)


def construct(contents: Contents, path: str | Path) -> tuple[ExtremeModel, dict[str, Any], bool]:
    """Read the model, how its training file was read, and whether the user set the labels."""
    model, metadata = read_all(contents, path, lambda reader: (_model(reader), read_metadata(reader)))
    return model, metadata["read_options"], metadata["has_fixed_labels"]


def _model(reader: DocumentReader) -> ExtremeModel:
    reader.text("kind", choices=[KIND])
    n_labels = reader.integer("n_labels", 1, MAX_LABELS)
    labels = _labels(reader, n_labels)
    config = config_from_dict(ExtremeConfig, reader.mapping("config"))
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
        read_report(reader, _check_report),
        read_origin(reader) if "origin" in reader else None,  # files of earlier versions have none
    )


def _weights(reader: DocumentReader, spec: TrunkSpec, n_labels: int) -> engine.ExtremeWeights:
    """Read the arrays, each of exactly the shape that the described network has."""
    trainable, fixed = spec.weight_shapes()
    return engine.ExtremeWeights(
        *read_weights(
            reader, "network/", ([(shape, None) for shape in trainable], fixed), spec.dtype, n_tables=spec.n_tables
        ),
        reader.array("network/kernel", dtype=spec.dtype, shape=(n_labels, spec.settings["hidden_layer_sizes"][-1])),
        reader.array("network/bias", dtype=spec.dtype, shape=(n_labels,)),
    )


def _labels(reader: DocumentReader, n_labels: int) -> LabelSpace:
    ends = reader.array("labels/ends", dtype=np.int64, shape=(n_labels,))
    encoded = reader.array("labels/bytes", dtype=np.uint8, shape=(None,))
    names = unpack_texts(ends, encoded, "names of labels")
    return LabelSpace(tuple(names), "has_integer_labels" in reader and reader.boolean("has_integer_labels"))


def _check_report(values: dict[str, Any]) -> None:
    if not check_extreme_report(values):
        raise ValueError
    extreme_text(values)
    dict(values["training"])
