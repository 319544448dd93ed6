"""A model as a bundle and back: describe, audit, construct."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from manyhot.config.images import PIXEL_NETWORKS, image_params
from manyhot.config.training import config_from_dict, to_dict
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.decisions import thresholds
from manyhot.decisions.calibration import Calibration
from manyhot.decisions.guarantees import Guarantee
from manyhot.decisions.policy import DecisionPolicy
from manyhot.decisions.rules.rules import Rules
from manyhot.errors import BundleError, InputError
from manyhot.evaluation.report import to_text
from manyhot.models.evidence import OutOfFoldResults, TrainingRows
from manyhot.models.model import Model
from manyhot.models.segmentation.model import PixelModel
from manyhot.persistence import container
from manyhot.persistence.backbone import read_backbone
from manyhot.persistence.container import Contents, DocumentReader
from manyhot.persistence.encoder import read_encoder
from manyhot.persistence.network import network_document, read_network

MAX_LAYERS = 1000


def save(model: Model, path: str | Path, metadata: Mapping[str, Any], with_evidence: bool = True) -> None:
    """Write a model into one file; a file there is replaced only when the new one is complete."""
    spec, encoder_arrays = model.encoder.to_spec()
    policy_document, policy_arrays = _policy_document(model.policy)
    evidence = model.evidence if with_evidence else None
    document = {
        "labels": list(model.labels.names),
        "has_integer_labels": model.labels.is_integer,
        "has_fixed_labels": bool(metadata["has_fixed_labels"]),
        "encoder": spec,
        "network": network_document(model.network),
        "n_members": model.n_members,
        "policy": policy_document,
        "config": to_dict(model.config),
        "report": model.report,
        "classes": None if metadata["classes"] is None else dict(zip(("no", "yes"), metadata["classes"], strict=True)),
        "read_options": dict(metadata["read_options"]),
        "versions": versions(),
        "evidence": None if evidence is None else {"is_stale": evidence.is_stale},
    }
    arrays = {f"encoder/{name}": array for name, array in encoder_arrays.items()}
    arrays |= {f"calibration/{name}": array for name, array in policy_arrays.items()}
    arrays |= {f"network/trainable.{k}": leaf for k, leaf in enumerate(model.weights.trainable)}
    arrays |= {f"network/fixed.{k}": leaf for k, leaf in enumerate(model.weights.fixed)}
    container.write(path, document, arrays | ({} if evidence is None else _evidence_arrays(evidence)))


def construct(contents: Contents, path: str | Path, custom_objects: Mapping[str, Any]) -> tuple[Model, dict[str, Any]]:
    """Read the model and the facts that were saved with it."""
    reader = DocumentReader(contents.document, contents.arrays, path)
    try:
        n_elements = sum(array.size for name, array in contents.arrays.items() if name.startswith("network/"))
        model, metadata = _construct(reader, custom_objects, n_elements)
    except InputError as error:
        if isinstance(error, BundleError) and error.file is not None:
            raise
        raise BundleError(f"{error}; the file does not describe a model", file=path) from None
    reader.finish()
    return model, metadata


def versions() -> dict[str, str]:
    """Return the versions of what a result depends on."""
    names = ("manyhot", "jax", "jaxlib", "keras", "numpy", "scikit-learn", "polars")
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def _construct(
    reader: DocumentReader, custom_objects: Mapping[str, Any], n_elements: int
) -> tuple[Model, dict[str, Any]]:
    names = tuple(reader.list_of_text("labels", min_items=1, is_unique=True))
    labels = LabelSpace(names, reader.boolean("has_integer_labels"))
    config = config_from_dict(reader.mapping("config"))
    encoder = read_encoder(reader)
    read_backbone(reader, encoder, image_params(config.image_params)["cache"])
    n_members = reader.integer("n_members", 1, 100_000)
    network_plan = (config.network, config.dtype)
    network, weights = read_network(reader, encoder, len(labels), network_plan, n_members, custom_objects, n_elements)
    policy = _policy(reader, labels)
    report = _report(reader)
    evidence = None
    if "evidence" in reader:
        evidence = _evidence(reader, len(labels), n_members, config.dtype)
    classes = None
    if "classes" in reader:
        classes = _classes(reader)
    reader.mapping("versions", max_items=100)
    metadata = {
        "classes": classes,
        "read_options": reader.mapping("read_options", max_items=1000),
        "has_fixed_labels": "has_fixed_labels" in reader and reader.boolean("has_fixed_labels"),
    }
    model_class = PixelModel if network.name in PIXEL_NETWORKS else Model
    return model_class(labels, encoder, network, weights, policy, config, report, evidence), metadata


def _policy_document(policy: DecisionPolicy) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    calibration, arrays = policy.calibration.to_spec()
    guarantee = None if policy.guarantee is None else policy.guarantee.to_spec()
    return {
        "calibration": calibration,
        "decision": policy.decision.to_spec(),
        "rules": policy.rules.to_spec(),
        "guarantee": guarantee,
        "is_manual": policy.is_manual,
    }, arrays


def _policy(reader: DocumentReader, labels: LabelSpace) -> DecisionPolicy:
    """Read the decision policy; every part checks what it is made from."""
    names = reader.array_names("calibration/")
    arrays = {name.removeprefix("calibration/"): reader.any_array(name) for name in names}
    calibration = Calibration.from_spec(reader.mapping("policy.calibration"), arrays)
    decision = thresholds.from_spec(reader.mapping("policy.decision"))
    rules = Rules.from_spec(reader.mapping("policy.rules"))
    guarantee = None
    if "policy.guarantee" in reader:
        guarantee = Guarantee.from_spec(reader.mapping("policy.guarantee"))
    n_decided = len(decision.thresholds) if decision.thresholds is not None else getattr(decision, "n_labels", None)
    n_guaranteed = len(labels) if guarantee is None else len(guarantee.thresholds)
    counts = {n_decided, len(calibration), n_guaranteed, len(labels)}
    if len(counts) > 1:
        raise BundleError(f"decisions are for {n_decided} labels, but there are {len(labels)}")
    return DecisionPolicy(labels, calibration, decision, rules, guarantee, reader.boolean("policy.is_manual"))


def _report(reader: DocumentReader) -> dict[str, Any]:
    """Read the report; raise `BundleError` when it cannot be shown."""
    values = reader.mapping("report")
    try:
        to_text(values)
        for kind in ("decision", "fixed"):
            float(values["metrics"][kind]["f1_micro"]["n_labels"])
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise BundleError("the report in the file is not one that manyhot wrote") from None
    return values


def _classes(reader: DocumentReader) -> list[Any]:
    values = reader.mapping("classes")
    pair = [values.get("no"), values.get("yes")]
    if len(values) != 2 or not all(isinstance(value, (str, int, float)) for value in pair):
        raise BundleError("classes are two values, 'no' and 'yes'")
    return pair


def _evidence_arrays(evidence: OutOfFoldResults) -> dict[str, np.ndarray]:
    rows = evidence.rows
    texts = [str(name).encode() for name in rows.ids]
    arrays = {
        "scores": evidence.scores,
        "values": rows.targets.values,
        "weights": rows.weights,
        "curves": evidence.curves,
        "best_epoch": evidence.best_epoch,
        "id_ends": np.cumsum([len(text) for text in texts], dtype=np.int64),
        "id_bytes": np.frombuffer(b"".join(texts), dtype=np.uint8),
        "fingerprints": rows.fingerprints,
        "held": rows.held_out,
    }
    if rows.targets.known is not None:
        arrays["known"] = rows.targets.known
    return {f"evidence/{name}": array for name, array in arrays.items()}


def _evidence(reader: DocumentReader, n_labels: int, n_members: int, dtype: str) -> OutOfFoldResults:
    record = reader.record("evidence")
    is_stale = record.boolean("is_stale")
    held_out = reader.array("evidence/held", dtype=bool, shape=(None, n_members))
    n, n_scored = len(held_out), int(held_out.any(axis=1).sum())
    scores = reader.array("evidence/scores", dtype=dtype, shape=(n_scored, n_labels), low=0, high=1)
    values = reader.array("evidence/values", dtype=bool, shape=(n, n_labels))
    known = None
    if "evidence/known" in reader.array_names("evidence/known"):
        known = reader.array("evidence/known", dtype=bool, shape=(n, n_labels))
    ends = reader.array("evidence/id_ends", dtype=np.int64, shape=(n,), low=0)
    raw = reader.array("evidence/id_bytes", dtype=np.uint8, shape=(None,)).tobytes()
    if (np.diff(ends) < 0).any() or (n and ends[-1] != len(raw)):
        raise BundleError("row ids do not fit their places")
    starts = [0, *ends[:-1].tolist()] if n else []
    ids = [raw[start:end].decode("utf-8", "replace") for start, end in zip(starts, ends.tolist(), strict=True)]
    weights = reader.array("evidence/weights", dtype=np.float64, shape=(n,), low=0)
    fingerprints = reader.array("evidence/fingerprints", dtype=np.uint64, shape=(n,))
    return OutOfFoldResults(
        scores,
        TrainingRows(Targets(values, known), np.asarray(ids, dtype=str), weights, fingerprints, held_out),
        reader.array("evidence/curves", dtype=np.float32, shape=(None, None, 2), finite=False),
        reader.array("evidence/best_epoch", dtype=np.int64, shape=(None,), low=0),
        is_stale,
    )
