"""Fine-tune a pretrained backbone: train the head on frozen features, then the whole network at a low rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from manyhot import engine, networks
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.models.cross_fitting import CrossFit, train_cross_fits
from manyhot.models.network_spec import NetworkSpec

HEAD = "mlp"
"""The network behind the backbone."""
HEAD_SETTINGS = ("hidden_layer_sizes", "activation", "dropout", "batch_norm", "tables")
HEAD_SHARE = 0.1
"""Share of the bar that the first part gets."""


def train_and_fine_tune(
    fits: Sequence[CrossFit],
    runtime: RuntimeConfig,
    callback: engine.ProgressCallback | None = None,
    first: int = 0,
    size: engine.JobSize | None = None,
    snapshots: engine.Snapshots | None = None,
) -> tuple[engine.NetworkFactory, engine.TrainingResult]:
    """Train the members of all fits as one job; a fine-tuned backbone in two parts, whose curves are joined."""
    if not is_fine_tuned(fits[0].network):
        return train_cross_fits(fits, runtime, callback, first, size=size, snapshots=snapshots)
    _, head_result = train_cross_fits(
        [head_fit(fit) for fit in fits],
        runtime,
        scale_progress(callback, 0.0, HEAD_SHARE, "head"),
        first,
        size=size,
        snapshots=None if snapshots is None else snapshots.within("head"),
    )
    start = joined_start(fits, head_result.weights)
    tuning_fits = [replace(fit, config=fine_tuning_plan(fit.config)) for fit in fits]
    factory, tuned = train_cross_fits(
        tuning_fits,
        runtime,
        scale_progress(callback, HEAD_SHARE, 1.0, "backbone"),
        first,
        start,
        size=size,
        snapshots=None if snapshots is None else snapshots.within("backbone"),
    )
    n_head_epochs = head_result.curves.shape[1]
    curves = np.concatenate([head_result.curves, tuned.curves], axis=1)
    return factory, engine.TrainingResult(tuned.weights, n_head_epochs + tuned.best_epoch, curves)


def is_fine_tuned(network: NetworkSpec) -> bool:
    """Whether a network is a backbone with weights from elsewhere that learns."""
    return bool(network.settings.get("is_tuned"))


def fine_tuning_plan(config: TrainingConfig) -> TrainingConfig:
    """The config of the second part: its epochs and its learning rate."""
    options = config.image_params
    return config.changed(epochs=options["fine_tune_epochs"], learning_rate=options["fine_tune_learning_rate"])


def head_fit(fit: CrossFit) -> CrossFit:
    """The same fit on what the backbone makes of the images."""
    blocks = fit.encoder.backbone_features(fit.data.blocks)
    settings = {name: fit.network.settings[name] for name in HEAD_SETTINGS}
    shapes = {name: tuple(block.shape[1:]) for name, block in blocks.items()}
    network = replace(fit.network, name=HEAD, settings=settings, shapes=shapes)
    return replace(fit, data=replace(fit.data, blocks=blocks), config=fit.config.changed(network=HEAD), network=network)


def joined_start(fits: Sequence[CrossFit], head_weights: engine.Weights) -> engine.Weights:
    """The weights that the second part begins with; afterwards the encoders need no backbone any more."""
    spec, parts, first = fits[0].network, [], 0
    with engine.use_dtype(spec.dtype):
        model = spec.factory(1).build(0)
    n_tables = len(spec.tables())
    for fit in fits:
        images = fit.encoder.images
        members = slice(first, first + len(fit.members))
        trainable, fixed = head_weights.members(members)
        core = images.backbone().function
        images.features = None
        scales = {name: (scale.center, scale.scale) for name, scale in zip(images.blocks, images.scales, strict=True)}
        joined = networks.attach_head(
            model,
            engine.Weights(core.trainable, core.fixed),
            scales,
            engine.Weights(trainable[n_tables:], fixed),
        )
        parts.append(engine.Weights([*trainable[:n_tables], *joined.trainable], joined.fixed))
        first += len(fit.members)
    return engine.Weights.concatenate(parts)


def scale_progress(
    callback: engine.ProgressCallback | None, low: float, high: float, stage: str = ""
) -> engine.ProgressCallback | None:
    """Report a part of the work as a part of the whole."""
    if callback is None:
        return None
    if isinstance(callback, engine.FollowedProgress):
        return replace(callback, show=scale_progress(callback.show, low, high, stage), stage=stage)
    notify = callback

    def forward(progress: engine.Progress) -> None:
        notify(progress._replace(done=low + (high - low) * progress.done, stage=stage))

    return forward
