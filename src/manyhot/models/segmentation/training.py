"""Training on images whose pixels have labels: tiles, members, out-of-fold scores of whole images, report.

Start reading at `pixel_inputs`, then `train_pixels`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from manyhot import engine, networks
from manyhot.config.auto import resolve_auto
from manyhot.config.images import NONE, PIXEL_NETWORKS, image_params
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import CUSTOM, TrainingConfig, to_dict
from manyhot.data.feature_input import image_frame, row_weights
from manyhot.data.labels import LabelSpace
from manyhot.data.pixel_targets import PixelTargets, as_pixel_targets
from manyhot.data.samples import Samples
from manyhot.data.splitting.folds import MemberRows, cross_fitting_splits
from manyhot.data.target_input import resolve_targets
from manyhot.data.targets import Targets
from manyhot.decisions.policy import cross_fitted_decisions, fit_policy, merge_equal_scores, untrained_policy
from manyhot.encoders import TableEncoder
from manyhot.errors import InputError
from manyhot.evaluation import report
from manyhot.evaluation.report.segmentation import pixel_section
from manyhot.models.checks import check_learnable, check_softmax_targets
from manyhot.models.cross_fitting import CrossFit, EncodedData, resolve_label_weights, train_cross_fits
from manyhot.models.evidence import OutOfFoldResults, TrainingRows
from manyhot.models.measuring import measure_out_of_fold, training_summary
from manyhot.models.network_spec import NetworkSpec, apply_custom_network, network_settings, resolve_augmentation
from manyhot.models.segmentation import (
    ConfusionCounts,
    ImageSet,
    PixelSample,
    Tiles,
    cut_tiles,
    image_set,
    sample_pixels,
    tile_shape,
)
from manyhot.models.segmentation.model import PixelModel, check_no_skips
from manyhot.models.segmentation.pixel_sample import gather_targets
from manyhot.models.segmentation.tiling import check_size

STATISTICS_BYTES = 2**26
"""Tiles that channels are measured on, at most."""

CACHE_BYTES = 2**29
"""Out-of-fold scores up to this size are kept from one pass over the images to the next, larger ones are made anew."""

MEMBERS = 2
CHANNELS = {"auto": None, "grey": 1, "colour": 3}

STEPS = 1500
"""Optimizer steps that "auto" epochs aim at."""

STEP_PIXELS = 2**18
"""Pixels of a batch, where its size is "auto"."""


class PixelInputs(NamedTuple):
    """Images and the labels of their pixels as training takes them.

    Attributes:
        images: The images, n of them.
        labels: The label space.
        targets: Targets of their pixels.
        config: Settings that change the result.
        runtime: Settings that do not.
        sample_weight: float (n,), or None.
        ids: One id per image as text, or None.
        notes: What the reader had to say.
    """

    images: ImageSet
    labels: LabelSpace
    targets: PixelTargets
    config: TrainingConfig
    runtime: RuntimeConfig
    sample_weight: np.ndarray | None
    ids: np.ndarray | None
    notes: tuple[str, ...]


def pixel_inputs(
    config: TrainingConfig, runtime: RuntimeConfig, X: Any, y: Any, labels: Sequence[str] | None, sample_weight: Any
) -> PixelInputs:
    """X and y in any form as `train_pixels` takes them.

    Raises:
        InputError: What cannot be used, or settings that do not go with labels of pixels.
    """
    if config.network == CUSTOM:
        raise InputError("a Keras model of your own gives no labels of pixels; say 'unet'", argument="network")
    check_no_skips(runtime.on_bad_image)
    samples = X if isinstance(X, Samples) else None
    y, names = resolve_targets(samples, y, labels)
    space, targets = as_pixel_targets(y, names)
    images = image_set(X, CHANNELS[(config.image_params or {}).get("channels", "auto")])
    weights = None if sample_weight is None else row_weights(sample_weight, targets.n_samples)
    ids, notes = (None, ()) if samples is None else (samples.ids, tuple(samples.notes))
    return PixelInputs(images, space, targets, config, runtime, weights, ids, notes)


def train_pixels(inputs: PixelInputs, callback: engine.ProgressCallback | None = None) -> PixelModel:
    """Cut images into tiles, train all members, score every image by members that never saw it, decide, report.

    Args:
        inputs: The images, the labels of their pixels and the settings; an image of weight 0 is as good as absent.
        callback: Called with the progress now and then.

    Raises:
        InputError: Targets without anything to learn, too few images, or settings that do not go with pixels.
    """
    images, labels, targets, config, runtime, sample_weight, ids, notes = inputs
    n = targets.n_samples
    if len(images) != n:
        raise InputError(f"X has {len(images)} images but y has {n}", argument="y")
    ids = np.arange(1, n + 1).astype(str) if ids is None else ids
    weights = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    is_used = weights > 0
    if not is_used.all():
        images, targets = images.take(np.flatnonzero(is_used)), targets.take(is_used)
        ids, weights = ids[is_used], weights[is_used]
        notes = (*notes, f"{int((~is_used).sum())} images of weight 0 were left out.")
    check_learnable(targets, labels, 2)
    untrained = untrained_policy(config, labels)
    fit, members = prepare_pixels(images, targets, labels, config, weights)
    _, trained = train_cross_fits([fit], runtime, callback)
    model = PixelModel(labels, fit.encoder, fit.network, trained.weights, untrained, fit.config, {}, None, runtime)
    _evaluate(model, images, targets, members, weights, ids, trained, notes)
    return model


def prepare_pixels(
    images: ImageSet, targets: PixelTargets, labels: LabelSpace, config: TrainingConfig, weights: np.ndarray
) -> tuple[CrossFit, list[MemberRows]]:
    """Tiles, and which of them each member uses; tiles of one image, and of equal images, are always together.

    Returns:
        The fit, whose rows are tiles, and the same members with images for rows.
    """
    config = _pixel_plan(config)
    options = image_params(config.image_params)
    probe_settings = network_settings(config, (), None, {"image": {}})
    tile = tile_shape(targets.sizes, options["tile"], networks.edge_factor(probe_settings))
    tiles = cut_tiles(images, targets, tile)
    check_softmax_targets(config, tiles.targets)
    encoder = TableEncoder({images.name: "image"}, image_params=config.image_params)
    n_measured = max(1, STATISTICS_BYTES // int(np.prod(tiles.images.shape[1:])))
    probe = np.unique(np.linspace(0, len(tiles.images) - 1, min(n_measured, len(tiles.images))).astype(int))
    encoder.fit(image_frame(tiles.images[probe], images.name))
    config = _resolve_plan(resolve_augmentation(config, encoder.image_scaling), len(tiles.images), tile)
    settings = network_settings(config, encoder.sparse, encoder.vocabularies, encoder.image_scaling)
    spec = NetworkSpec(config.network, settings, encoder.shapes(), targets.n_labels, config.dtype)
    members = _split_members(targets, tiles, config)
    (block,) = encoder.shapes()
    data = EncodedData(
        {block: tiles.images}, tiles.targets, weights[tiles.owners], resolve_label_weights(config, labels)
    )
    tile_members = [MemberRows(*(np.flatnonzero(np.isin(tiles.owners, part)) for part in member)) for member in members]
    all_rows = np.arange(len(tiles.images))
    return CrossFit(encoder, data, all_rows, all_rows, tile_members, config, spec), members


def _pixel_plan(config: TrainingConfig) -> TrainingConfig:
    """The config with the network for pixels.

    Raises:
        InputError: Settings that do not go with labels of pixels.
    """
    config = apply_custom_network(config, None)
    if config.network not in ("auto", *PIXEL_NETWORKS):
        raise InputError(
            f"the network {config.network!r} gives no labels of pixels, as these targets need them; say 'unet', or "
            "leave "
            "it away",
            argument="network",
        )
    if image_params(config.image_params)["backbone"] != NONE:
        raise InputError(
            "backbone: labels of pixels are learned by a network of their own; leave it away", argument="image_params"
        )
    if config.preprocessing == "none":
        raise InputError("images for labels of pixels are encoded; leave preprocessing away", argument="preprocessing")
    if image_params(config.image_params)["size"] != "auto":
        raise InputError(
            "size: images keep their size where every pixel has labels; larger ones are cut into tiles (tile)",
            argument="image_params",
        )
    return replace(config, network=PIXEL_NETWORKS[0])


def _resolve_plan(config: TrainingConfig, n_tiles: int, tile: tuple[int, int]) -> TrainingConfig:
    """The config with nothing left to choose, for a number of tiles."""
    members, batch_size, epochs = config.n_members, config.batch_size, config.epochs
    if members == "auto":
        members = MEMBERS
    if batch_size == "auto":
        batch_size = int(min(max(2, STEP_PIXELS // (tile[0] * tile[1])), max(2, n_tiles // 32)))
    if epochs == "auto":
        epochs = int(min(max(4, round(STEPS * int(batch_size) / n_tiles)), 60))
    return resolve_auto(replace(config, n_members=members, batch_size=batch_size, epochs=epochs), n_tiles)


def _split_members(targets: PixelTargets, tiles: Tiles, config: TrainingConfig) -> list[MemberRows]:
    """The images of each member."""
    _, groups = np.unique(np.asarray([digest.hex() for digest in tiles.digests]), return_inverse=True)
    n_units, n_members = int(groups.max()) + 1, int(config.n_members)
    if n_units < 2:
        raise InputError(
            f"got {targets.n_samples} image{'s' if targets.n_samples > 1 else ''}, {n_units} of them different; two or "
            "more are needed, to train on some and to measure on others",
            argument="X",
        )
    validation_fraction = config.validation_fraction if config.early_stopping else None
    n_parts = min(4, n_units) if n_members == 1 and n_units < 8 else None
    folds = min(config.n_folds, n_units)
    image_targets = targets.image_targets()
    return cross_fitting_splits(
        image_targets, n_members, folds, validation_fraction, config.random_state, groups, n_parts
    )


def _held_out_mask(members: list[MemberRows], n: int) -> np.ndarray:
    """bool (n, m), which members an image was held from."""
    held_out = np.zeros((n, len(members)), dtype=bool)
    for k, member in enumerate(members):
        held_out[member.held_out, k] = True
    return held_out


def _score_out_of_fold(model: PixelModel, images: ImageSet, held_out: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Raw scores of each image by the members that never saw it."""
    patterns, group = np.unique(held_out, axis=0, return_inverse=True)
    for k, pattern in enumerate(patterns):
        if pattern.any():
            rows = np.flatnonzero(group.reshape(-1) == k)
            yield from model.iterate_uncalibrated(images, rows, np.flatnonzero(pattern).tolist())


def _evaluate(
    model: PixelModel,
    images: ImageSet,
    targets: PixelTargets,
    members: list[MemberRows],
    weights: np.ndarray,
    ids: np.ndarray,
    trained: engine.TrainingResult,
    notes: tuple[str, ...],
) -> None:
    """Out-of-fold scores of a sample of pixels and what is counted over all; the policy, the evidence, the report."""
    config, labels, held_out = model.config, model.labels, _held_out_mask(members, len(images))
    is_scored = np.asarray(held_out.any(axis=1))
    sample = sample_pixels(targets, is_scored, config.random_state)
    counts = ConfusionCounts(len(labels))
    n_bytes = sum(h * w for h, w in np.asarray(targets.sizes)[is_scored]) * len(labels) * 4
    cached: list[tuple[int, np.ndarray]] = []
    scores = np.zeros((len(sample.rows), len(labels)), dtype=config.dtype)
    for row, raw in _score_out_of_fold(model, images, held_out):
        counts.add_scores(raw, targets.images[row])
        first, last = np.searchsorted(sample.rows, [row, row + 1])
        scores[first:last] = raw.reshape(-1, len(labels))[sample.places_in(row)]
        if n_bytes <= CACHE_BYTES:
            cached.append((row, raw))
    sample_targets = gather_targets(targets, sample)
    unique_scores = merge_equal_scores(scores, sample_targets, weights[sample.rows])
    model.policy = fit_policy(config, labels, unique_scores)
    calibrated, decisions = cross_fitted_decisions(config, labels, unique_scores)
    for row, raw in cached or _score_out_of_fold(model, images, held_out):
        counts.add_predictions(model.decide(model.calibrate(raw)), targets.images[row])
    training_rows = _training_rows(sample, sample_targets, targets, weights, ids, held_out)
    model.evidence = OutOfFoldResults(scores, training_rows, trained.curves, trained.best_epoch)
    is_single = len(members) == 1
    context = report.ReportContext(
        scores_from="held_out" if is_single else "out_of_fold",
        n_members=len(members),
        n_folds=1 if is_single else min(config.n_folds, len(members), len(images)),
        members_per_score=float(held_out.sum(axis=1)[is_scored].mean()),
        constant_labels=[labels.names[j] for j in targets.constant_labels()],
        notes=[*notes, *_sample_notes(len(sample.rows), int(is_scored.sum()))],
        config=to_dict(config),
        training=training_summary(trained),
    )
    values = measure_out_of_fold(model, calibrated, decisions, context)
    values["pixels"] = pixel_section(counts, labels, int(is_scored.sum()), len(sample.rows), "out_of_fold")
    model.report = values


def _training_rows(
    sample: PixelSample,
    sample_targets: Targets,
    targets: PixelTargets,
    weights: np.ndarray,
    ids: np.ndarray,
    held_out: np.ndarray,
) -> TrainingRows:
    """The drawn pixels as rows; their fingerprints are of no use, because no other row can be compared with a pixel."""
    widths = np.array([width for _, width in targets.sizes])
    names = sample.ids(ids, widths)
    return TrainingRows(
        sample_targets, names, weights[sample.rows], np.zeros(len(names), dtype=np.uint64), held_out[sample.rows]
    )


def _sample_notes(n_sampled: int, n_images: int) -> list[str]:
    return [
        "A row here is a pixel. Thresholds, calibration and all figures but those under 'Pixels' come from "
        f"{n_sampled} "
        f"pixels, drawn evenly from the {n_images} images that were scored; those under 'Pixels' come from all of them."
    ]


def pixel_report(
    model: PixelModel, images: ImageSet, targets: PixelTargets, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """A report on new images: rows are a sample of their pixels, and what is counted comes from all.

    Args:
        model: The model.
        images: The images.
        targets: Their targets, in the order of the model's labels.
        notes: Sentences to pass on.
    """
    names, policy = model.labels, model.policy
    counts, is_wanted = ConfusionCounts(len(names)), np.ones(len(images), dtype=bool)
    sample = sample_pixels(targets, is_wanted, model.config.random_state)
    uncalibrated = np.zeros((len(sample.rows), len(names)), dtype=model.config.dtype)
    for row, raw in model.iterate_uncalibrated(images):
        check_size(raw, targets, row)
        counts.add_scores(raw, targets.images[row])
        counts.add_predictions(model.decide(model.calibrate(raw)), targets.images[row])
        first, last = np.searchsorted(sample.rows, [row, row + 1])
        uncalibrated[first:last] = raw.reshape(-1, len(names))[sample.places_in(row)]
    scores = policy.calibrate(uncalibrated)
    context = report.ReportContext(
        scores_from="new",
        n_members=model.n_members,
        notes=[*notes, *_sample_notes(len(sample.rows), len(images))],
        raw_scores=None if policy.calibration.is_identity else uncalibrated,
        decision_info=policy.describe(),
    )
    decisions = policy.decide(scores)
    sample_targets = gather_targets(targets, sample)
    values = report.measure_report(names, sample_targets, scores, decisions, scores >= 0.5, policy.thresholds, context)
    return {**values, "pixels": pixel_section(counts, names, len(images), len(sample.rows), "new")}
