"""A backbone trained further: the layers behind it first, on what it makes of images, then all of it.

The first part costs next to nothing, because each image is looked at once; the second begins where that ended, at a low
rate, with images varied. Every member keeps to its own rows in both, so its scores stay honest. Start reading at
`train_and_fine_tune`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from manyhot import engine
from manyhot.backend import precision
from manyhot.config.images import image_settings
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.encoders import TableEncoder
from manyhot.models.cross_fitting import CrossFit, train_cross_fits
from manyhot.models.network_spec import NetworkSpec
from manyhot.networks import HostWeights, attach_head

HEAD = "mlp"
"""The network behind the backbone."""
HEAD_SETTINGS = ("hidden", "activation", "dropout", "batch_norm", "tables")
FIRST_SHARE = 0.1
"""Share of the bar that the first part gets."""


def train_and_fine_tune(
    fits: Sequence[CrossFit], runtime: RuntimeConfig, watch: engine.ProgressCallback | None = None, first: int = 0
) -> tuple[engine.NetworkFactory, engine.TrainingResult]:
    """Train the members of all fits as one job, as `fits.train_cross_fits` does; a tuned backbone in two parts.

    Args:
        fits: The fits; their networks and plans are alike.
        runtime: Settings that change only speed.
        watch: Called with the progress now and then.
        first: Number of the first member.

    Returns:
        The networks, and what training left, members in the order of the fits; the curves of both parts, one behind
        the other.
    """
    if not is_tuned(fits[0].network):
        return train_cross_fits(fits, runtime, watch, first)
    _, behind = train_cross_fits([head_fit(fit) for fit in fits], runtime, _part(watch, 0.0, FIRST_SHARE), first)
    start = joined_start(fits, behind.weights)
    tuning = [replace(fit, plan=tuning_plan(fit.plan)) for fit in fits]
    networks, tuned = train_cross_fits(tuning, runtime, _part(watch, FIRST_SHARE, 1.0), first, start)
    n_before = behind.curves.shape[1]
    curves = np.concatenate([behind.curves, tuned.curves], axis=1)
    return networks, engine.TrainingResult(tuned.weights, n_before + tuned.best_epoch, curves)


def is_tuned(network: NetworkSpec) -> bool:
    """Whether a network is a backbone with weights from elsewhere that learns."""
    return bool(network.settings.get("is_tuned"))


def tuning_plan(plan: TrainingConfig) -> TrainingConfig:
    """The plan of the second part: its epochs and its learning rate."""
    told = image_settings(plan.image_settings)
    return replace(plan, epochs=told["tune"], learning_rate=told["tune_rate"])


def _looker(fit: CrossFit) -> TableEncoder:
    assert isinstance(fit.encoder, TableEncoder)
    return fit.encoder


def head_fit(fit: CrossFit) -> CrossFit:
    """The same fit on what the backbone makes of the images."""
    blocks = _looker(fit).looked_at(fit.base.blocks)
    settings = {name: fit.network.settings[name] for name in HEAD_SETTINGS}
    shapes = {name: tuple(block.shape[1:]) for name, block in blocks.items()}
    network = replace(fit.network, name=HEAD, settings=settings, shapes=shapes)
    return replace(fit, base=replace(fit.base, blocks=blocks), plan=replace(fit.plan, network=HEAD), network=network)


def joined_start(fits: Sequence[CrossFit], behind: engine.Weights) -> engine.Weights:
    """The weights that the second part begins with; afterwards the encoders need no backbone any more."""
    spec, parts, first = fits[0].network, [], 0
    with precision(spec.precision):
        model = spec.networks(1).build(0)
    n_tables = len(spec.tables())
    for fit in fits:
        looks = _looker(fit).looks
        members = slice(first, first + len(fit.members))
        trainable, fixed = ([leaf[members] for leaf in leaves] for leaves in behind)
        core = looks.looker().function
        looks.features = None
        pairs = {name: (scale.center, scale.scale) for name, scale in zip(looks.blocks, looks.scales, strict=True)}
        held = attach_head(
            model, HostWeights(core.trainable, core.fixed), pairs, HostWeights(trainable[n_tables:], fixed)
        )
        parts.append(engine.Weights([*trainable[:n_tables], *held.trainable], held.fixed))
        first += len(fit.members)
    if len(parts) == 1:
        return parts[0]
    return engine.Weights(
        *([np.concatenate(leaves) for leaves in zip(*kind, strict=True)] for kind in zip(*parts, strict=True))
    )


def _part(watch: engine.ProgressCallback | None, low: float, high: float) -> engine.ProgressCallback | None:
    """A watch that sees a part of the work as a part of the bar."""
    if watch is None:
        return None
    told = watch

    def seen(news: engine.Progress) -> None:
        told(news._replace(done=low + (high - low) * news.done))

    return seen
