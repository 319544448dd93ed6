"""Training on images whose pixels have labels: tiles, members, out-of-fold scores of whole images, report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from manyhot import engine, networks
from manyhot.config.auto import resolve_auto, resolve_pixel_sizes
from manyhot.config.fields import NONE
from manyhot.config.images import PIXEL_NETWORKS
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import CUSTOM, TrainingConfig
from manyhot.data.feature_input import image_frame
from manyhot.data.labels import LabelSpace
from manyhot.data.pixel_targets import PixelTargets, as_pixel_targets
from manyhot.data.samples import Samples
from manyhot.data.splitting.folds import MemberRows, cross_fitting_splits
from manyhot.data.target_input import resolve_targets
from manyhot.decisions.policy import untrained_policy
from manyhot.encoders import TableEncoder
from manyhot.errors import InputError
from manyhot.evaluation import report
from manyhot.evaluation.report.segmentation import pixel_section
from manyhot.models.checks import check_softmax_targets
from manyhot.models.cross_fitting import CrossFit, EncodedData, resolve_label_weights, train_cross_fits
from manyhot.models.evidence import TrainingRows
from manyhot.models.measuring import InputRows
from manyhot.models.network_spec import NetworkSpec, apply_custom_network, network_settings, resolve_augmentation
from manyhot.models.run_identity import fit_identity
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
from manyhot.models.training import ScoredRows, decide_and_report, show_phase, used_rows
from manyhot.models.training_data import TrainingInputs

STATISTICS_BYTES = 2**26  # tiles that channels are measured on, at most
CACHE_BYTES = 2**29  # out-of-fold scores up to this size are kept between passes over the images
CHANNELS = {"auto": None, "grey": 1, "colour": 3}


def pixel_inputs(
    config: TrainingConfig, runtime: RuntimeConfig, X: Any, y: Any, labels: Sequence[str] | None
) -> TrainingInputs:
    """X and y in any form as `train_pixels` takes them; features are an `ImageSet`."""
    if config.network == CUSTOM:
        raise InputError("a Keras model of your own gives no labels of pixels; say 'unet'", argument="network")
    if config.taxonomy:
        raise InputError("labels of pixels take no taxonomy yet; leave it away, or say implies", argument="taxonomy")
    check_no_skips(runtime.on_bad_image)
    samples = X if isinstance(X, Samples) else None
    y, names = resolve_targets(samples, y, labels)
    space, targets = as_pixel_targets(y, names)
    images = image_set(X, CHANNELS[config.image_params["channels"]])
    if len(images) != targets.n_samples:
        raise InputError(f"X has {len(images)} images but y has {targets.n_samples}", argument="y")
    ids, notes = (None, ()) if samples is None else (samples.ids, tuple(samples.notes))
    return TrainingInputs(images, space, targets, config, runtime, ids=ids, notes=notes)


def train_pixels(
    inputs: TrainingInputs,
    sample_weight: np.ndarray | None = None,
    callback: engine.ProgressCallback | None = None,
    snapshots: engine.Snapshots | None = None,
) -> PixelModel:
    """Cut images into tiles, train all members, score every image by members that never saw it, decide, report."""
    images, rows = used_rows(inputs, sample_weight, "images")
    labels, config, runtime = inputs.labels, inputs.config, inputs.runtime
    untrained = untrained_policy(config, labels)
    fit, members = prepare_pixels(images, rows.targets, labels, config, rows.weights)
    if snapshots is not None:
        snapshots.begin(fit_identity("pixels", fit, runtime))
    _, trained = train_cross_fits([fit], runtime, callback, snapshots=snapshots)
    model = PixelModel(labels, fit.encoder, fit.network, trained.weights, untrained, fit.config, {}, None, runtime)
    _evaluate(model, trained, images, rows, _held_out_mask(members, len(images)), callback)
    return model


def prepare_pixels(
    images: ImageSet, targets: PixelTargets, labels: LabelSpace, config: TrainingConfig, weights: np.ndarray
) -> tuple[CrossFit, list[MemberRows]]:
    """A fit whose rows are tiles, and its members with images for rows; tiles of equal images are always together."""
    config = _pixel_plan(config)
    probe_settings = network_settings(config, (), None, {"image": {}})
    tile = tile_shape(targets.sizes, config.image_params["tile"], networks.edge_factor(probe_settings))
    tiles = cut_tiles(images, targets, tile)
    check_softmax_targets(config, tiles.targets)
    encoder = TableEncoder({images.name: "image"}, image_params=config.image_params)
    n_measured = max(1, STATISTICS_BYTES // int(np.prod(tiles.images.shape[1:])))
    probe = np.unique(np.linspace(0, len(tiles.images) - 1, min(n_measured, len(tiles.images))).astype(int))
    encoder.fit(image_frame(tiles.images[probe], images.name))
    n_tiles = len(tiles.images)
    config = resolve_pixel_sizes(resolve_augmentation(config, encoder.image_scaling), n_tiles, tile)
    config = resolve_auto(config, n_tiles)
    settings = network_settings(config, encoder.sparse, encoder.vocabularies, encoder.image_scaling)
    spec = NetworkSpec(config.network, settings, encoder.shapes(), targets.n_labels, config.dtype)
    members = _split_members(targets, tiles, config)
    (block,) = encoder.shapes()
    data = EncodedData(
        {block: tiles.images}, tiles.targets, weights[tiles.owners], resolve_label_weights(config, labels)
    )
    tile_members = [MemberRows(*(np.flatnonzero(np.isin(tiles.owners, part)) for part in member)) for member in members]
    all_rows = np.arange(n_tiles)
    return CrossFit(encoder, data, all_rows, all_rows, tile_members, config, spec), members


def _pixel_plan(config: TrainingConfig) -> TrainingConfig:
    """The config with the network for pixels; settings that do not go with labels of pixels are refused."""
    config = apply_custom_network(config, None)
    if config.network not in ("auto", *PIXEL_NETWORKS):
        raise InputError(
            f"the network {config.network!r} gives no labels of pixels, as these targets need them; say 'unet', or "
            "leave "
            "it away",
            argument="network",
        )
    if config.image_params["backbone"] != NONE:
        raise InputError(
            "backbone: labels of pixels are learned by a network of their own; leave it away", argument="image_params"
        )
    if config.preprocessing == "none":
        raise InputError("images for labels of pixels are encoded; leave preprocessing away", argument="preprocessing")
    if config.image_params["size"] != "auto":
        raise InputError(
            "size: images keep their size where every pixel has labels; larger ones are cut into tiles (tile)",
            argument="image_params",
        )
    return config.changed(network=PIXEL_NETWORKS[0])


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
    trained: engine.TrainingResult,
    images: ImageSet,
    rows: InputRows,
    held_out: np.ndarray,
    callback: engine.ProgressCallback | None,
) -> None:
    """Decide and report on the out-of-fold scores of a sample of pixels, and on counts over all of them."""
    show_phase(callback, "scoring images out of fold")
    config, labels, targets = model.config, model.labels, rows.targets
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
    training_rows = _training_rows(sample, rows, held_out)
    scored = ScoredRows(
        scores,
        training_rows.targets,
        training_rows.weights,
        np.arange(len(scores)),
        training_rows,
        float(held_out.sum(axis=1)[is_scored].mean()),
    )
    n_images = int(is_scored.sum())
    notes = _sample_notes(len(scores), n_images)
    decide_and_report(model, trained, scored, rows, len(images), None, notes, callback)
    for row, raw in cached or _score_out_of_fold(model, images, held_out):
        counts.add_predictions(model.decide(model.calibrate(raw)), targets.images[row])
    model.report["pixels"] = pixel_section(counts.to_values(labels.names), n_images, len(scores), "out_of_fold")


def _training_rows(sample: PixelSample, rows: InputRows, held_out: np.ndarray) -> TrainingRows:
    """The drawn pixels as rows; their fingerprints are of no use, because no other row can be compared with a pixel."""
    names = sample.ids(rows.ids, np.array([width for _, width in rows.targets.sizes]))
    no_fingerprints = np.zeros(len(names), dtype=np.uint64)
    targets = gather_targets(rows.targets, sample)
    return TrainingRows(targets, names, rows.weights[sample.rows], no_fingerprints, held_out[sample.rows])


def _sample_notes(n_sampled: int, n_images: int) -> list[str]:
    return [
        "A row here is a pixel. Thresholds, calibration and all figures but those under 'Pixels' come from "
        f"{n_sampled} pixels, drawn evenly from the {n_images} images that were scored; those under 'Pixels' come from "
        "all of them."
    ]


def pixel_report(
    model: PixelModel, images: ImageSet, targets: PixelTargets, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """Report on new images: rows are a sample of their pixels, and what is counted comes from all."""
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
    counted = counts.to_values(names.names)
    return {**values, "pixels": pixel_section(counted, len(images), len(sample.rows), "new")}
