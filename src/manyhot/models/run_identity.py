"""What a run is, so that a checkpoint is never taken up with other rows, settings or versions."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from manyhot import engine
from manyhot.config.fields import json_value
from manyhot.config.runtime import RuntimeConfig
from manyhot.data.digests import digest
from manyhot.models.cross_fitting import CrossFit
from manyhot.models.network_spec import NetworkSpec
from manyhot.version import __version__

LIBRARIES = ("jax", "jaxlib", "keras", "numpy", "polars", "scikit-learn", "scipy")


def fit_identity(work: str, fit: CrossFit, runtime: RuntimeConfig, **more: Any) -> dict[str, Any]:
    """What is trained on what, as JSON; `more` is hashed along with the rows."""
    data = fit.data
    rows = digest(
        dict(data.blocks), data.targets, data.weights, data.label_weights, [list(m) for m in fit.members], more
    )
    return {**run_identity(work, fit.config.to_dict(), runtime), "network": _network(fit.network), "rows": rows}


def run_identity(work: str, settings: Mapping[str, Any], runtime: RuntimeConfig) -> dict[str, Any]:
    """The part of an identity that all kinds of work share."""
    return {
        "work": work,
        "settings": json_value(settings),
        "layout": {
            "member_batching": runtime.member_batching,
            "fast_layers": runtime.fast_layers,
            "platform": engine.platform(),
        },
        "versions": library_versions(),
    }


def library_versions() -> dict[str, str]:
    """The versions of manyhot and of the libraries that a result depends on."""
    return {"manyhot": __version__, **{name: version(name) for name in LIBRARIES}}


def _network(spec: NetworkSpec) -> str:
    custom = spec.custom
    described = None if custom is None else [custom.config, custom.optimizer, dict(custom.frozen_weights)]
    return digest(spec.name, spec.settings, spec.shapes, spec.n_labels, described)
