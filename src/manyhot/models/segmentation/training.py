"""Training on images whose pixels have labels: tiles, members, out-of-fold scores of whole images, report.

Start reading at `pixel_inputs`, then `train_pixels`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from manyhot import engine
from manyhot.config.auto import resolve_auto
from manyhot.config.images import NONE, PIXEL_NETWORKS, image_settings
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import CUSTOM, TrainingConfig, to_dict
from manyhot.data.feature_input import image_frame, row_weights
from manyhot.data.labels import LabelSpace
from manyhot.data.pixel_targets import PixelTargets, as_pixel_targets
from manyhot.data.samples import Samples
from manyhot.data.splitting.folds import MemberRows, cross_fitting
from manyhot.data.target_input import resolve_targets
from manyhot.data.targets import Targets
from manyhot.decisions.policy import cross_fitted_decisions, fit_policy, merge_equal_scores, untrained_policy
from manyhot.encoders import TableEncoder
from manyhot.errors import InputError
from manyhot.evaluation import report
from manyhot.evaluation.report.segmentation import pixel_section
from manyhot.models.checks import check_learnable, check_softmax_targets
from manyhot.models.cross_fitting import CrossFit, EncodedData, label_weights_of, train_cross_fits
from manyhot.models.evidence import OutOfFoldResults, TrainingRows
from manyhot.models.measuring import measured_report, training_summary
from manyhot.models.network_spec import NetworkSpec, apply_custom_network, network_settings, with_variation
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
from manyhot.models.segmentation.pixel_sample import drawn_targets
from manyhot.models.segmentation.tiling import check_size
from manyhot.networks import edge_factor

STATISTICS_BYTES = 2**26
"""Tiles that channels are measured on, at most."""

KEPT_BYTES = 2**29
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
        pictures: The images, n of them.
        labels: The label space.
        targets: Targets of their pixels.
        plan: Settings that change the result.
        runtime: Settings that do not.
        sample_weight: float (n,), or None.
        ids: One id per image as text, or None.
        notes: What the reader had to say.
    """

    pictures: ImageSet
    labels: LabelSpace
    targets: PixelTargets
    plan: TrainingConfig
    runtime: RuntimeConfig
    sample_weight: np.ndarray | None
    ids: np.ndarray | None
    notes: tuple[str, ...]


def pixel_inputs(
    plan: TrainingConfig, runtime: RuntimeConfig, X: Any, y: Any, labels: Sequence[str] | None, sample_weight: Any
) -> PixelInputs:
    """X and y in any form as `train_pixels` takes them.

    Raises:
        InputError: What cannot be used, or settings that do not go with labels of pixels.
    """
    if plan.network == CUSTOM:
        raise InputError("a Keras model of your own gives no labels of pixels; say 'unet'", argument="network")
    check_no_skips(runtime.on_bad_image)
    samples = X if isinstance(X, Samples) else None
    y, names = resolve_targets(samples, y, labels)
    space, targets = as_pixel_targets(y, names)
    pictures = image_set(X, CHANNELS[(plan.image_settings or {}).get("channels", "auto")])
    weights = None if sample_weight is None else row_weights(sample_weight, targets.n_samples)
    ids, notes = (None, ()) if samples is None else (samples.ids, tuple(samples.notes))
    return PixelInputs(pictures, space, targets, plan, runtime, weights, ids, notes)


def train_pixels(inputs: PixelInputs, watch: engine.ProgressCallback | None = None) -> PixelModel:
    """Cut images into tiles, train all members, score every image by members that never saw it, decide, report.

    Args:
        inputs: The images, the labels of their pixels and the settings; an image of weight 0 is as good as absent.
        watch: Called with the progress now and then.

    Raises:
        InputError: Targets without anything to learn, too few images, or settings that do not go with pixels.
    """
    pictures, labels, targets, plan, runtime, sample_weight, ids, notes = inputs
    n = targets.n_samples
    if len(pictures) != n:
        raise InputError(f"X has {len(pictures)} images but y has {n}", argument="y")
    ids = np.arange(1, n + 1).astype(str) if ids is None else ids
    weights = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    is_used = weights > 0
    if not is_used.all():
        pictures, targets = pictures.take(np.flatnonzero(is_used)), targets.take(is_used)
        ids, weights = ids[is_used], weights[is_used]
        notes = (*notes, f"{int((~is_used).sum())} images of weight 0 were left out.")
    check_learnable(targets, labels, 2)
    undecided = untrained_policy(plan, labels)
    fit, members = prepare_pixels(pictures, targets, labels, plan, weights)
    _, trained = train_cross_fits([fit], runtime, watch)
    model = PixelModel(labels, fit.encoder, fit.network, trained.weights, undecided, fit.plan, {}, None, runtime)
    _evaluate(model, pictures, targets, members, weights, ids, trained, notes)
    return model


def prepare_pixels(
    pictures: ImageSet, targets: PixelTargets, labels: LabelSpace, plan: TrainingConfig, weights: np.ndarray
) -> tuple[CrossFit, list[MemberRows]]:
    """Tiles, and which of them each member uses; tiles of one image, and of equal images, are always together.

    Returns:
        The fit, whose rows are tiles, and the same members with images for rows.
    """
    plan = _fitting(plan)
    told = image_settings(plan.image_settings)
    shaped = network_settings(plan, (), None, {"image": {}})
    tile = tile_shape(targets.sizes, told["tile"], edge_factor(shaped))
    tiles = cut_tiles(pictures, targets, tile)
    check_softmax_targets(plan, tiles.targets)
    encoder = TableEncoder({pictures.name: "image"}, image_settings=plan.image_settings)
    n_measured = max(1, STATISTICS_BYTES // int(np.prod(tiles.images.shape[1:])))
    spread = np.unique(np.linspace(0, len(tiles.images) - 1, min(n_measured, len(tiles.images))).astype(int))
    encoder.fit(image_frame(tiles.images[spread], pictures.name))
    plan = _resolved(with_variation(plan, encoder.images), len(tiles.images), tile)
    settings = network_settings(plan, encoder.sparse, encoder.vocabularies, encoder.images)
    spec = NetworkSpec(plan.network, settings, encoder.shapes(), targets.n_labels, plan.precision)
    members = _members(targets, tiles, plan)
    (block,) = encoder.shapes()
    base = EncodedData({block: tiles.images}, tiles.targets, weights[tiles.owners], label_weights_of(plan, labels))
    of_tiles = [MemberRows(*(np.flatnonzero(np.isin(tiles.owners, part)) for part in member)) for member in members]
    everything = np.arange(len(tiles.images))
    return CrossFit(encoder, base, everything, everything, of_tiles, plan, spec), members


def _fitting(plan: TrainingConfig) -> TrainingConfig:
    """The plan with the network for pixels.

    Raises:
        InputError: Settings that do not go with labels of pixels.
    """
    plan = apply_custom_network(plan, None)
    if plan.network not in ("auto", *PIXEL_NETWORKS):
        raise InputError(
            f"the network {plan.network!r} gives no labels of pixels, as these targets need them; say 'unet', or leave "
            "it away",
            argument="network",
        )
    if image_settings(plan.image_settings)["backbone"] != NONE:
        raise InputError(
            "backbone: labels of pixels are learned by a network of their own; leave it away", argument="image_settings"
        )
    if plan.encode == "none":
        raise InputError("images for labels of pixels are encoded; leave encode away", argument="encode")
    if image_settings(plan.image_settings)["size"] != "auto":
        raise InputError(
            "size: images keep their size where every pixel has labels; larger ones are cut into tiles (tile)",
            argument="image_settings",
        )
    return replace(plan, network=PIXEL_NETWORKS[0])


def _resolved(plan: TrainingConfig, n_tiles: int, tile: tuple[int, int]) -> TrainingConfig:
    """The plan with nothing left to choose, for a number of tiles."""
    members, batch_size, epochs = plan.members, plan.batch_size, plan.epochs
    if members == "auto":
        members = MEMBERS
    if batch_size == "auto":
        batch_size = int(min(max(2, STEP_PIXELS // (tile[0] * tile[1])), max(2, n_tiles // 32)))
    if epochs == "auto":
        epochs = int(min(max(4, round(STEPS * int(batch_size) / n_tiles)), 60))
    return resolve_auto(replace(plan, members=members, batch_size=batch_size, epochs=epochs), n_tiles)


def _members(targets: PixelTargets, tiles: Tiles, plan: TrainingConfig) -> list[MemberRows]:
    """The images of each member."""
    _, groups = np.unique(np.asarray([one.hex() for one in tiles.digests]), return_inverse=True)
    n_units, n_members = int(groups.max()) + 1, int(plan.members)
    if n_units < 2:
        raise InputError(
            f"got {targets.n_samples} image{'s' if targets.n_samples > 1 else ''}, {n_units} of them different; two or "
            "more are needed, to train on some and to measure on others",
            argument="X",
        )
    stop_share = plan.stop_share if plan.early_stopping else None
    n_parts = min(4, n_units) if n_members == 1 and n_units < 8 else None
    folds = min(plan.folds, n_units)
    of_images = targets.of_images()
    return cross_fitting(of_images, n_members, folds, stop_share, plan.seed, groups, n_parts)


def _held(members: list[MemberRows], n: int) -> np.ndarray:
    """bool (n, m), which members an image was held from."""
    held = np.zeros((n, len(members)), dtype=bool)
    for k, member in enumerate(members):
        held[member.held, k] = True
    return held


def _out_of_fold(model: PixelModel, pictures: ImageSet, held: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Raw scores of each image by the members that never saw it."""
    patterns, group = np.unique(held, axis=0, return_inverse=True)
    for k, pattern in enumerate(patterns):
        if pattern.any():
            rows = np.flatnonzero(group.reshape(-1) == k)
            yield from model.each_raw(pictures, rows, np.flatnonzero(pattern).tolist())


def _evaluate(
    model: PixelModel,
    pictures: ImageSet,
    targets: PixelTargets,
    members: list[MemberRows],
    weights: np.ndarray,
    ids: np.ndarray,
    trained: engine.TrainingResult,
    notes: tuple[str, ...],
) -> None:
    """Out-of-fold scores of a sample of pixels and what is counted over all; the decider, the evidence, the report."""
    plan, labels, held = model.plan, model.labels, _held(members, len(pictures))
    is_scored = np.asarray(held.any(axis=1))
    drawn = sample_pixels(targets, is_scored, plan.seed)
    tally = ConfusionCounts(len(labels))
    n_bytes = sum(h * w for h, w in np.asarray(targets.sizes)[is_scored]) * len(labels) * 4
    kept: list[tuple[int, np.ndarray]] = []
    scores = np.zeros((len(drawn.rows), len(labels)), dtype=plan.precision)
    for row, raw in _out_of_fold(model, pictures, held):
        tally.add_scores(raw, targets.images[row])
        first, last = np.searchsorted(drawn.rows, [row, row + 1])
        scores[first:last] = raw.reshape(-1, len(labels))[drawn.of(row)]
        if n_bytes <= KEPT_BYTES:
            kept.append((row, raw))
    of_sample = drawn_targets(targets, drawn)
    known = merge_equal_scores(scores, of_sample, weights[drawn.rows])
    model.decider = fit_policy(plan, labels, known)
    calibrated, own = cross_fitted_decisions(plan, labels, known)
    for row, raw in kept or _out_of_fold(model, pictures, held):
        tally.add_answers(model.decided(model.calibrated(raw)), targets.images[row])
    remembered = _remembered(drawn, of_sample, targets, weights, ids, held)
    model.evidence = OutOfFoldResults(scores, remembered, trained.curves, trained.best_epoch)
    is_alone = len(members) == 1
    facts = report.ReportContext(
        scores_from="held_out" if is_alone else "out_of_fold",
        members=len(members),
        folds=1 if is_alone else min(plan.folds, len(members), len(pictures)),
        members_per_score=float(held.sum(axis=1)[is_scored].mean()),
        constant_labels=[labels.names[j] for j in targets.constant_labels()],
        notes=[*notes, *_remarks(len(drawn.rows), int(is_scored.sum()))],
        plan=to_dict(plan),
        training=training_summary(trained),
    )
    values = measured_report(model, calibrated, own, facts)
    values["pixels"] = pixel_section(tally, labels, int(is_scored.sum()), len(drawn.rows), "out_of_fold")
    model.report = values


def _remembered(
    drawn: PixelSample,
    of_sample: Targets,
    targets: PixelTargets,
    weights: np.ndarray,
    ids: np.ndarray,
    held: np.ndarray,
) -> TrainingRows:
    """The drawn pixels as rows; their fingerprints are of no use, because no other row can be compared with a pixel."""
    widths = np.array([width for _, width in targets.sizes])
    names = drawn.ids(ids, widths)
    return TrainingRows(of_sample, names, weights[drawn.rows], np.zeros(len(names), dtype=np.uint64), held[drawn.rows])


def _remarks(n_drawn: int, n_images: int) -> list[str]:
    return [
        f"A row here is a pixel. Thresholds, calibration and all figures but those under 'Pixels' come from {n_drawn} "
        f"pixels, drawn evenly from the {n_images} images that were scored; those under 'Pixels' come from all of them."
    ]


def pixel_report(
    model: PixelModel, pictures: ImageSet, targets: PixelTargets, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """A report on new images: rows are a sample of their pixels, and what is counted comes from all.

    Args:
        model: The model.
        pictures: The images.
        targets: Their targets, in the order of the model's labels.
        notes: Sentences to pass on.
    """
    names, decider = model.labels, model.decider
    tally, everyone = ConfusionCounts(len(names)), np.ones(len(pictures), dtype=bool)
    drawn = sample_pixels(targets, everyone, model.plan.seed)
    sampled = np.zeros((len(drawn.rows), len(names)), dtype=model.plan.precision)
    for row, raw in model.each_raw(pictures):
        check_size(raw, targets, row)
        tally.add_scores(raw, targets.images[row])
        tally.add_answers(model.decided(model.calibrated(raw)), targets.images[row])
        first, last = np.searchsorted(drawn.rows, [row, row + 1])
        sampled[first:last] = raw.reshape(-1, len(names))[drawn.of(row)]
    scores = decider.scores(sampled)
    facts = report.ReportContext(
        scores_from="new",
        members=model.n_members,
        notes=[*notes, *_remarks(len(drawn.rows), len(pictures))],
        raw_scores=None if decider.calibration.is_identity else sampled,
        answering=decider.described(),
    )
    answers = decider.answers(scores)
    of_sample = drawn_targets(targets, drawn)
    values = report.measure_report(names, of_sample, scores, answers, scores >= 0.5, decider.thresholds, facts)
    return {**values, "pixels": pixel_section(tally, names, len(pictures), len(drawn.rows), "new")}
