"""`manyhot inspect`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from manyhot.cli.jobs.console import print_result
from manyhot.cli.jobs.open_model import load_model
from manyhot.cli.jobs.outputs import model_inputs, refuse_overwriting
from manyhot.config.training import to_dict
from manyhot.decisions.policy import honest_scores
from manyhot.encoders import TableEncoder
from manyhot.evaluation.charts import check_picture, reliability, save
from manyhot.evaluation.metrics import reliability as measured
from manyhot.models.decision_updates import current_evidence
from manyhot.models.model import Model
from manyhot.persistence import container

LABELS_DRAWN = 5
"""Labels with a panel of their own in the picture, the most frequent."""


def run(bundle: Path, picture: Path | None, as_json: bool) -> None:
    """Open a model and say what it is; draw its reliability, if asked."""
    if picture is not None:
        check_picture(picture)
        refuse_overwriting({"--picture": picture}, model_inputs(bundle))
    classifier = load_model(bundle)
    if picture is not None:
        save(reliability(reliability_panels(classifier.model_)), picture)
    model = classifier.model_
    described = container.describe(bundle)
    encoder = model.encoder
    kinds = (
        dict(Counter(encoder.kinds.values())) if isinstance(encoder, TableEncoder) else {"numeric": len(encoder.names)}
    )
    document: dict[str, Any] = {
        "model": str(bundle),
        "bytes": bundle.stat().st_size,
        "labels": list(classifier.labels_),
        "decision": model.decider.decision.name,
        "thresholds": classifier.thresholds_,
        "members": model.n_members,
        "network": {
            "name": model.network.name,
            "settings": dict(model.network.settings),
            "weights_per_member": model.n_weights,
            "layers": layers(classifier),
        },
        "columns": kinds,
        "plan": to_dict(model.plan),
        "report": {name: model.report["measures"]["own"][name]["value"] for name in ("f1_micro", "f1_macro", "lrap")},
        "evidence": model.evidence is not None,
        "versions": described["document"]["versions"],
        "parts": described["parts"],
    }
    print_result(document, as_text(document, classifier.summary()), as_json)


def reliability_panels(model: Model) -> dict[str, dict[str, Any]]:
    """Scores beside frequencies out of fold, over all labels and for the most frequent ones.

    Raises:
        InputError: A model without out-of-fold scores.
    """
    evidence = current_evidence(model, "draw scores beside frequencies")
    drawn = {"calibrated": honest_scores(model.plan, evidence.settled())}
    if not model.decider.calibration.is_identity:
        drawn = {"raw": evidence.scores, **drawn}
    frequent = np.argsort(-evidence.targets.support(), kind="stable")[:LABELS_DRAWN]
    columns: dict[str, int | None] = {"all labels": None, **{model.labels.names[j]: int(j) for j in frequent}}
    return {
        panel: {name: measured(evidence.targets, scores, label=j).to_rows() for name, scores in drawn.items()}
        for panel, j in columns.items()
    }


def layers(classifier: Any) -> list[dict[str, Any]]:
    """Each layer of a member: name, kind, output shape, weights."""
    network = classifier.model_.network.networks(1).build(0)
    return [
        {
            "name": layer.name,
            "kind": type(layer).__name__,
            "output": _output_of(layer),
            "weights": layer.count_params(),
        }
        for layer in network.layers
    ]


def _output_of(layer: Any) -> list[int | None] | None:
    """Shape of one row of a layer's output; None where a model of the user's own does not tell."""
    try:
        return list(layer.output.shape[1:])
    except AttributeError:
        return None


def as_text(document: dict[str, Any], summary: str) -> str:
    """The same for people."""
    lines = [
        f"{document['model']}: {document['bytes'] / 2**20:.1f} MiB, {document['members']} members of "
        f"{document['network']['weights_per_member']:,} weights",
        "columns: " + ", ".join(f"{count} {kind}" for kind, count in document["columns"].items()),
        f"decision: {document['decision']}; out-of-fold: "
        + ", ".join(f"{name} {value:.3f}" for name, value in document["report"].items() if value is not None),
        "",
        "label".ljust(40) + "threshold",
    ]
    for name in document["labels"]:
        threshold = document["thresholds"].get(name)
        lines.append(f"{name[:39]:<40}" + ("-" if threshold is None else f"{threshold:.3f}"))
    plan = ", ".join(f"{name}={value}" for name, value in document["plan"].items())
    versions = ", ".join(f"{name} {value}" for name, value in document["versions"].items())
    return "\n".join([*lines, "", summary, f"plan: {plan}", f"versions: {versions}"])
