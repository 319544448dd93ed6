"""`manyhot inspect`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from manyhot.cli.jobs.console import print_result
from manyhot.cli.jobs.open_model import read_any_model
from manyhot.cli.jobs.outputs import model_inputs, refuse_overwriting
from manyhot.decisions.policy import cross_fitted_scores
from manyhot.encoders import Encoder
from manyhot.errors import InputError
from manyhot.evaluation.charts import check_plot_path, plot_reliability, save_chart
from manyhot.evaluation.metrics import reliability as reliability_curve
from manyhot.evaluation.report.text import pluralize
from manyhot.models.decision_updates import current_evidence
from manyhot.models.extreme.model import ExtremeModel
from manyhot.models.extreme.report import extreme_text
from manyhot.models.model import Model
from manyhot.models.score_model import IDENTITY, NO_LAYERS
from manyhot.persistence import container

MAX_PLOTTED_LABELS = 5  # labels with a panel of their own in the plot, the most frequent


def run(bundle: Path, plot: Path | None, with_layers: bool, as_json: bool) -> None:
    """Show what a model contains; plot its calibration curves on request."""
    if plot is not None:
        check_plot_path(plot)
        refuse_overwriting({"--plot": plot}, model_inputs(bundle))
    model = read_any_model(bundle)
    if isinstance(model, ExtremeModel):
        if plot is not None or with_layers:
            argument = "--layers" if plot is None else "--plot"
            raise InputError("an extreme multi-label model has nothing to show for it", file=bundle, argument=argument)
        print_result(extreme_document(model, bundle), extreme_as_text(model, bundle), as_json)
        return
    if plot is not None:
        save_chart(plot_reliability(reliability_panels(model)), plot)
    if with_layers and not model.makes_scores:
        raise InputError(NO_LAYERS, file=bundle)
    description = container.describe(bundle)
    document: dict[str, Any] = {
        "model": str(bundle),
        "bytes": bundle.stat().st_size,
        "labels": list(model.labels.names),
        "decision": model.policy.decision.name,
        "thresholds": model.thresholds(),
        "n_members": model.n_members,
        "network": {
            "name": model.network.name,
            "settings": dict(model.network.settings),
            "weights_per_member": model.n_weights,
            **({"layers": layers(model)} if with_layers else {}),
        },
        "columns": column_counts(model.encoder),
        "config": model.settings(),
        "report": {
            name: model.report["metrics"]["decision"][name]["value"] for name in ("f1_micro", "f1_macro", "lrap")
        },
        "evidence": model.evidence is not None,
        "origin": None if model.origin is None else model.origin.to_dict(),
        "versions": description["document"]["versions"],
        "parts": description["parts"],
    }
    print_result(document, as_text(document, model.summary() if with_layers else ""), as_json)


def extreme_document(model: ExtremeModel, bundle: Path) -> dict[str, Any]:
    """What is to be said of a model of very many labels; all labels are named in JSON alone."""
    description = container.describe(bundle)
    return {
        "model": str(bundle),
        "bytes": bundle.stat().st_size,
        "labels": list(model.labels.names),
        "threshold": model.threshold,
        "network": dict(model.network.settings),
        "columns": column_counts(model.encoder),
        "config": model.config.to_dict(),
        "report": model.report,
        "origin": None if model.origin is None else model.origin.to_dict(),
        "versions": description["document"]["versions"],
        "parts": description["parts"],
    }


def extreme_as_text(model: ExtremeModel, bundle: Path) -> str:
    """The same for people."""
    document = extreme_document(model, bundle)
    columns = ", ".join(f"{count} {kind}" for kind, count in document["columns"].items())
    config = ", ".join(f"{name}={value}" for name, value in document["config"].items())
    versions = ", ".join(f"{name} {value}" for name, value in document["versions"].items())
    lines = [
        f"{bundle}: {document['bytes'] / 2**20:.1f} MiB, an extreme multi-label model of {len(model.labels):,} labels",
        *origin_lines(document["origin"]),
        f"columns: {columns}",
        f"threshold: {model.threshold:.3f} for all labels",
        "",
        extreme_text(model.report),
        "",
        f"config: {config}",
        f"versions: {versions}",
    ]
    return "\n".join(lines)


def column_counts(encoder: Encoder) -> dict[str, int]:
    """How many columns there are of each kind."""
    return dict(Counter(encoder.column_types.values())) if encoder.column_types else {"numeric": len(encoder.names)}


def reliability_panels(model: Model) -> dict[str, dict[str, Any]]:
    """Scores beside frequencies out of fold, over all labels and for the most frequent ones."""
    evidence = current_evidence(model, "draw scores beside frequencies")
    score_sets = {"calibrated": cross_fitted_scores(model.config, model.labels, evidence.unique_scores())}
    if not model.policy.calibration.is_identity:
        score_sets = {"raw": evidence.scores, **score_sets}
    most_frequent = np.argsort(-evidence.targets.support(), kind="stable")[:MAX_PLOTTED_LABELS]
    columns: dict[str, int | None] = {"all labels": None, **{model.labels.names[j]: int(j) for j in most_frequent}}
    return {
        panel: {
            name: reliability_curve(evidence.targets, scores, label=j).to_rows() for name, scores in score_sets.items()
        }
        for panel, j in columns.items()
    }


def layers(model: Model) -> list[dict[str, Any]]:
    """Each layer of a member: name, type, output shape, weights."""
    network = model.network.factory(1).build(0)
    return [
        {
            "name": layer.name,
            "type": type(layer).__name__,
            "output": _output_shape(layer),
            "weights": layer.count_params(),
        }
        for layer in network.layers
    ]


def _output_shape(layer: Any) -> list[int | None] | None:
    """Shape of one row of a layer's output; None where a model of the user's does not define it."""
    try:
        return list(layer.output.shape[1:])
    except AttributeError:
        return None


def origin_lines(origin: dict[str, Any] | None) -> list[str]:
    """When, on what and by which command a model was trained."""
    if origin is None:
        return []
    file = "" if origin["file"] is None else f" of {origin['file']['name']}"
    command = [] if origin["command"] is None else [f"command: {origin['command']}"]
    return [f"trained: {origin['trained']}, on {pluralize(origin['n_rows'], 'row')}{file}", *command]


def as_text(document: dict[str, Any], summary: str) -> str:
    """The same for people."""
    networks = f"{document['n_members']} networks of {document['network']['weights_per_member']:,} weights"
    if document["network"]["name"] == IDENTITY:
        networks = "decisions on scores of another program"
    lines = [
        f"{document['model']}: {document['bytes'] / 2**20:.1f} MiB, {networks}",
        *origin_lines(document["origin"]),
        "columns: " + ", ".join(f"{count} {kind}" for kind, count in document["columns"].items()),
        f"decision: {document['decision']}; out-of-fold: "
        + ", ".join(f"{name} {value:.3f}" for name, value in document["report"].items() if value is not None),
        "",
        "label".ljust(40) + "threshold",
    ]
    for name in document["labels"]:
        threshold = document["thresholds"].get(name)
        lines.append(f"{name[:39]:<40}" + ("-" if threshold is None else f"{threshold:.3f}"))
    settings = ", ".join(f"{name}={value}" for name, value in document["network"]["settings"].items())
    config = ", ".join(f"{name}={value}" for name, value in document["config"].items())
    versions = ", ".join(f"{name} {value}" for name, value in document["versions"].items())
    network = f"network: {document['network']['name']}" + (f" ({settings})" if settings else "")
    return "\n".join(
        [*lines, "", network, *([summary] if summary else []), f"config: {config}", f"versions: {versions}"]
    )
