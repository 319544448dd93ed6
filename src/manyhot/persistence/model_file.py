"""A model as a bundle and back: describe, audit, construct."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from manyhot.config.images import PIXEL_NETWORKS
from manyhot.config.training import TrainingConfig, config_from_dict
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.decisions import thresholds
from manyhot.decisions.calibration import Calibration
from manyhot.decisions.guarantees import Guarantee
from manyhot.decisions.policy import DecisionPolicy
from manyhot.decisions.rules.rules import Rules
from manyhot.encoders import ScoreEncoder
from manyhot.encoders.text.packed_texts import pack_texts, unpack_texts
from manyhot.errors import BundleError, InputError, panics_become
from manyhot.evaluation.report import to_text
from manyhot.models.evidence import OutOfFoldResults, TrainingRows
from manyhot.models.model import EarlierDecisions, Model
from manyhot.models.network_spec import taxonomy_levels
from manyhot.models.saved_file import SavedFile
from manyhot.models.score_model import make_score_model
from manyhot.models.segmentation.model import PixelModel
from manyhot.persistence import container
from manyhot.persistence.container import Contents, DocumentReader
from manyhot.persistence.encoder import read_encoder
from manyhot.persistence.network import network_document, read_backbone, read_network, weight_arrays
from manyhot.persistence.origin import read_origin
from manyhot.persistence.saved_report import check_report

Result = TypeVar("Result")


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
        "config": model.config.to_dict(),
        "report": model.report,
        "classes": None if metadata["classes"] is None else dict(zip(("no", "yes"), metadata["classes"], strict=True)),
        "read_options": dict(metadata["read_options"]),
        "versions": versions(),
        "evidence": None if evidence is None else {"is_stale": evidence.is_stale},
    }
    if model.origin is not None:
        document["origin"] = model.origin.to_dict()
    if model.previous is not None:
        document["previous"] = _previous_document(model.previous)
    arrays = {f"encoder/{name}": array for name, array in encoder_arrays.items()}
    arrays |= {f"calibration/{name}": array for name, array in policy_arrays.items()}
    arrays |= weight_arrays(model.weights, model.network.n_tables)
    container.write(path, document, arrays | ({} if evidence is None else _evidence_arrays(evidence)))
    model.saved_file = SavedFile.of(model, path)


def construct(contents: Contents, path: str | Path, custom_objects: Mapping[str, Any]) -> tuple[Model, dict[str, Any]]:
    """Read the model and the facts that were saved with it."""
    model, metadata = read_all(contents, path, partial(_construct, custom_objects=custom_objects))
    model.saved_file = SavedFile.of(model, path)
    return model, metadata


def read_all(contents: Contents, path: str | Path, read: Callable[[DocumentReader], Result]) -> Result:
    """Return what `read` makes of a bundle; raise `BundleError` where it describes something else, or more."""
    reader = DocumentReader(contents.document, contents.arrays, path)
    try:
        with panics_become(BundleError):
            result = read(reader)
    except InputError as error:
        if isinstance(error, BundleError) and error.file is not None:
            raise
        raise BundleError(f"{error}; the file does not describe a model", file=path) from None
    reader.finish()
    return result


def versions() -> dict[str, str]:
    """Return the versions of what a result depends on."""
    names = ("manyhot", "jax", "jaxlib", "keras", "numpy", "scikit-learn", "polars")
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def _construct(reader: DocumentReader, custom_objects: Mapping[str, Any]) -> tuple[Model, dict[str, Any]]:
    names = tuple(reader.list_of_text("labels", min_items=1, is_unique=True))
    labels = LabelSpace(names, reader.boolean("has_integer_labels"))
    config = config_from_dict(TrainingConfig, reader.mapping("config"))
    encoder = read_encoder(reader)
    read_backbone(reader, encoder, config.image_params["cache"])
    n_members = reader.integer("n_members", 1, 100_000)
    policy = _policy(reader, labels, config.taxonomy)
    if isinstance(encoder, ScoreEncoder):
        model: Model = _score_model(reader, labels, encoder, policy, config, n_members)
    else:
        network, weights = read_network(reader, encoder, len(labels), config, n_members, custom_objects)
        network = replace(network, levels=taxonomy_levels(config, labels))
        model_class = PixelModel if network.name in PIXEL_NETWORKS else Model
        model = model_class(labels, encoder, network, weights, policy, config, {})
    model.report = read_report(reader, partial(_check_report, n_labels=len(labels)))
    if "evidence" in reader:
        model.evidence = _evidence(reader, len(labels), n_members, config.dtype)
    metadata = {"classes": _classes(reader) if "classes" in reader else None, **read_metadata(reader)}
    if "origin" in reader:  # files of earlier versions have none
        model.origin = read_origin(reader)
    if "previous" in reader:  # only after a change of the decisions
        model.previous = _previous(reader, policy)
    return model, metadata


def _score_model(
    reader: DocumentReader,
    labels: LabelSpace,
    encoder: ScoreEncoder,
    policy: DecisionPolicy,
    config: TrainingConfig,
    n_members: int,
) -> Model:
    """Read a model of scores, which has no weights."""
    model = make_score_model(labels, encoder, policy, config)
    if len(encoder.order) != len(labels) or n_members != model.n_members:
        raise BundleError(f"there are scores of {len(encoder.order)} labels, but {len(labels)} labels")
    if reader.mapping("network") != network_document(model.network):
        raise BundleError("a model of scores has no network but the identity")
    return model


def _previous_document(previous: EarlierDecisions) -> dict[str, Any]:
    """What the last change of the decisions replaced; the calibration is never changed, so it is not saved twice."""
    document, _ = _policy_document(previous.policy)
    del document["calibration"]
    return {"policy": document, "config": previous.config.to_dict(), "report": previous.report}


def _previous(reader: DocumentReader, current: DecisionPolicy) -> EarlierDecisions:
    """Read what the last change of the decisions replaced."""
    config = config_from_dict(TrainingConfig, reader.mapping("previous.config"))
    check = partial(_check_report, n_labels=len(current.space))
    policy = _decisions(reader, "previous.policy", current.space, current.calibration, config.taxonomy)
    return EarlierDecisions(policy, config, read_report(reader, check, "previous.report"))


def _policy_document(policy: DecisionPolicy) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    calibration, arrays = policy.calibration.to_spec()
    return {
        "calibration": calibration,
        "decision": policy.decision.to_spec(),
        "rules": policy.rules.to_spec(),
        "guarantee": None if policy.guarantee is None else policy.guarantee.to_spec(),
        "is_manual": policy.is_manual,
        "exceptions": {
            label: {"name": decision.name, **decision.settings()} for label, decision in policy.exceptions.items()
        },
    }, arrays


def _policy(reader: DocumentReader, labels: LabelSpace, taxonomy: tuple[tuple[str, str], ...]) -> DecisionPolicy:
    """Read the decision policy; every part checks what it is made from."""
    calibration = Calibration.from_spec(reader.mapping("policy.calibration"), reader.arrays("calibration/"))
    return _decisions(reader, "policy", labels, calibration, taxonomy)


def _decisions(
    reader: DocumentReader,
    path: str,
    labels: LabelSpace,
    calibration: Calibration,
    taxonomy: tuple[tuple[str, str], ...],
) -> DecisionPolicy:
    decision = thresholds.from_spec(reader.mapping(f"{path}.decision"))
    rules = Rules.from_spec(reader.mapping(f"{path}.rules"))
    guarantee = Guarantee.from_spec(reader.mapping(f"{path}.guarantee")) if f"{path}.guarantee" in reader else None
    n_decided = len(decision.thresholds) if decision.thresholds is not None else getattr(decision, "n_labels", None)
    n_guaranteed = len(labels) if guarantee is None else len(guarantee.thresholds)
    counts = {n_decided, len(calibration), n_guaranteed, len(labels)}
    if len(counts) > 1:
        raise BundleError(f"decisions are for {n_decided} labels, but there are {len(labels)}")
    is_manual = reader.boolean(f"{path}.is_manual")
    exceptions = _exceptions(reader, f"{path}.exceptions", labels)
    return DecisionPolicy(labels, calibration, decision, rules, guarantee, is_manual, taxonomy, exceptions)


def _exceptions(reader: DocumentReader, path: str, labels: LabelSpace) -> dict[str, thresholds.Decision]:
    """Labels with a decision of their own; files of before have none."""
    found = {}
    for label, spec in (reader.mapping(path, max_items=len(labels)) if path in reader else {}).items():
        if label not in labels.names or not isinstance(spec, dict) or not isinstance(spec.get("name"), str):
            raise BundleError(f"{path} has {label!r:.80}: {spec!r:.80}, expected a label and its decision")
        found[label] = thresholds.build(spec["name"], {key: spec[key] for key in spec if key != "name"})
        if not found[label].learns_from_scores:
            raise BundleError(f"{path} has {spec['name']!r} for {label!r:.80}, which chooses no threshold")
    return found


def read_metadata(reader: DocumentReader) -> dict[str, Any]:
    """Read how the training file was read, and whether names and order of the labels were set by the user."""
    reader.mapping("versions", max_items=100)
    return {
        "read_options": reader.mapping("read_options", max_items=1000),
        "has_fixed_labels": "has_fixed_labels" in reader and reader.boolean("has_fixed_labels"),
    }


def read_report(
    reader: DocumentReader, check: Callable[[dict[str, Any]], None], path: str = "report"
) -> dict[str, Any]:
    """Read the report; raise `BundleError` when it cannot be shown."""
    values = reader.mapping(path)
    try:
        check(values)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise BundleError("the report in the file is not one that manyhot wrote") from None
    return values


def _check_report(values: dict[str, Any], n_labels: int) -> None:
    if not check_report(values) or len(values["labels"]) not in (0, n_labels):
        raise ValueError
    to_text(values)
    for kind in ("decision", "fixed"):
        float(values["metrics"][kind]["f1_micro"]["n_labels"])


def _classes(reader: DocumentReader) -> list[Any]:
    values = reader.mapping("classes")
    pair = [values.get("no"), values.get("yes")]
    if len(values) != 2 or not all(isinstance(value, (str, int, float)) for value in pair):
        raise BundleError("classes are two values, 'no' and 'yes'")
    return pair


def _evidence_arrays(evidence: OutOfFoldResults) -> dict[str, np.ndarray]:
    rows = evidence.rows
    id_ends, id_bytes = pack_texts(str(name) for name in rows.ids)
    arrays = {
        "scores": evidence.scores,
        "values": rows.targets.values,
        "weights": rows.weights,
        "curves": evidence.curves,
        "best_epoch": evidence.best_epoch,
        "id_ends": id_ends,
        "id_bytes": id_bytes,
        "fingerprints": rows.fingerprints,
        "held": rows.held_out,
    }
    if rows.targets.known is not None:
        arrays["known"] = rows.targets.known
    return {f"evidence/{name}": array for name, array in arrays.items()}


def _evidence(reader: DocumentReader, n_labels: int, n_members: int, dtype: str) -> OutOfFoldResults:
    held_out = reader.array("evidence/held", dtype=bool, shape=(None, n_members))
    n, n_scored = len(held_out), int(held_out.any(axis=1).sum())
    scores = reader.array("evidence/scores", dtype=dtype, shape=(n_scored, n_labels), low=0, high=1)
    values = reader.array("evidence/values", dtype=bool, shape=(n, n_labels))
    known = None
    if "evidence/known" in reader.array_names("evidence/known"):
        known = reader.array("evidence/known", dtype=bool, shape=(n, n_labels))
    ends = reader.array("evidence/id_ends", dtype=np.int64, shape=(n,))
    encoded = reader.array("evidence/id_bytes", dtype=np.uint8, shape=(None,))
    ids = unpack_texts(ends, encoded, "row ids", can_be_empty=True)
    weights = reader.array("evidence/weights", dtype=np.float64, shape=(n,), low=0)
    fingerprints = reader.array("evidence/fingerprints", dtype=np.uint64, shape=(n,))
    return OutOfFoldResults(
        scores,
        TrainingRows(Targets(values, known), np.asarray(ids, dtype=str), weights, fingerprints, held_out),
        reader.array("evidence/curves", dtype=np.float32, shape=(None, None, 2), finite=False),
        reader.array("evidence/best_epoch", dtype=np.int64, shape=(None,), low=0),
        reader.boolean("evidence.is_stale"),
    )
