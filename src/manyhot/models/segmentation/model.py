"""A trained model that gives every pixel its labels: trained on tiles, scored by overlapping ones, reported on pixels.

To decide, to calibrate and to report, a pixel is a row, and the rows are a sample of out-of-fold pixels. What is said
of all pixels is counted while their scores go by, so that no scores of everything are ever held. How X and y come in
it does not know. Start reading at `train_pixels`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from manyhot import engine
from manyhot.config.images import NONE, PIXEL_NETWORKS, image_settings
from manyhot.config.training import Plan, Runtime, resolved, to_dict
from manyhot.data.feature_input import image_frame
from manyhot.data.labels import LabelSpace, Targets
from manyhot.data.pixel_targets import PixelTargets
from manyhot.data.splitting.folds import MemberRows, cross_fitting
from manyhot.decisions.policy import fit_decider, honest_answers, settled, unfitted_decider
from manyhot.encoders import TableEncoder
from manyhot.errors import InputError
from manyhot.evaluation import report
from manyhot.evaluation.report.segmentation import pixel_section, without_counts
from manyhot.models.checks import check_output
from manyhot.models.cross_fitting import Base, Fit, label_weights_of, train_fits
from manyhot.models.network_spec import NetworkSpec, network_settings, with_own, with_variation
from manyhot.models.segmentation import Drawn, Pictures, Tally, Tiles, blended, cut_tiles, draw, tile_shape
from manyhot.models.segmentation.pixel_sample import drawn_targets
from manyhot.models.segmentation.tiling import check_size
from manyhot.models.training import Evidence, Model, Remembered, check_learnable, measured_report, training_summary
from manyhot.networks import edge_factor

STATISTICS_BYTES = 2**26
"""Tiles that channels are measured on, at most."""
BATCH_PIXELS = 2**21
"""Pixels of tiles that are handed to the scorer at a time."""
KEPT_BYTES = 2**29
"""Out-of-fold scores up to this size are kept from one pass over the images to the next, larger ones are made anew."""
MEMBERS = 2
STEPS = 1500
"""Optimizer steps that "auto" epochs aim at."""
STEP_PIXELS = 2**18
"""Pixels of a batch, where its size is "auto"."""


class PixelModel(Model):
    """A `Model` whose rows are images, `Pictures`, and whose scores are those of their pixels."""

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width of the tiles."""
        shape = next(iter(self.encoder.shapes().values()))
        return shape[0], shape[1]

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return int(next(iter(self.encoder.shapes().values()))[2])

    def each_raw(
        self, pictures: Pictures, rows: np.ndarray | None = None, members: Sequence[int] | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Scores of images as the network gives them, one image at a time.

        Args:
            pictures: The images.
            rows: int64, some of them; None for all.
            members: The members whose mean is taken; None for all.

        Yields:
            Number of the image, and float (h, w, l).
        """
        (block,) = self.encoder.shapes()
        scorer = self.scorer()
        runs = [(0, self.n_members)] if members is None else [(k, k + 1) for k in members]

        def score(tiles: np.ndarray) -> np.ndarray:
            parts = [scorer.scores({block: tiles}, run) for run in runs]
            return parts[0] if len(parts) == 1 else np.mean(parts, axis=0, dtype=parts[0].dtype)

        overlap = image_settings(self.plan.image_settings)["overlap"]
        wanted = np.arange(len(pictures)) if rows is None else rows
        batch = max(1, BATCH_PIXELS // (self.tile[0] * self.tile[1]))
        yield from blended(pictures, wanted, self.tile, overlap, score, batch)

    def each(self, pictures: Pictures) -> Iterator[np.ndarray]:
        """Calibrated scores (h, w, l) of each image in turn."""
        for _, raw in self.each_raw(pictures):
            yield self.calibrated(raw)

    def calibrated(self, raw: np.ndarray) -> np.ndarray:
        """Raw scores (h, w, l) -> calibrated ones."""
        return self.decider.scores(raw.reshape(-1, raw.shape[-1])).reshape(raw.shape)

    def decided(self, scores: np.ndarray) -> np.ndarray:
        """Calibrated scores (h, w, l) -> bool (h, w, l)."""
        return self.decider.answers(scores.reshape(-1, scores.shape[-1])).reshape(scores.shape)

    def scores(self, features: Any) -> Any:
        """Calibrated scores (n, h, w, l), or a list of (h, w, l) where the images have different sizes."""
        return _together(list(self.each(features)))

    def raw_scores(self, features: Any) -> Any:
        """The same as the network gives them."""
        return _together([raw for _, raw in self.each_raw(features)])

    def answers(self, scores: Any) -> Any:
        """int64 of the same shape, or a list of such, 1 where a label is answered."""
        return _together([self.decided(one).astype(np.int64) for one in scores])

    def amended(self, values: dict[str, Any], own: np.ndarray) -> dict[str, Any]:
        """A report with what it says of pixels: with other answers counted on the sample, for the images are gone."""
        section = self.report.get("pixels")
        if section is None or self.evidence is None:
            return values
        tally = Tally(len(self.labels))
        tally.add_answers(own, self.evidence.targets)
        return {**values, "pixels": pixel_section(tally, self.labels, section["images"], len(own), "sample", section)}

    def unmeasured(self, values: dict[str, Any]) -> dict[str, Any]:
        """A report whose answers cannot be measured again."""
        return {**values, "pixels": without_counts(values["pixels"])} if "pixels" in values else values


def check_no_skips(on_bad_image: str) -> None:
    """Refuse to go on without images that cannot be used: their masks would be left over."""
    if on_bad_image != "error":
        raise InputError("images whose pixels have labels must all be there", argument="on_bad_image")


def _together(images: list[np.ndarray]) -> Any:
    is_one_size = len({one.shape for one in images}) == 1
    return np.stack(images) if is_one_size else images


def train_pixels(
    pictures: Pictures,
    labels: LabelSpace,
    targets: PixelTargets,
    plan: Plan,
    runtime: Runtime,
    sample_weight: np.ndarray | None = None,
    ids: np.ndarray | None = None,
    watch: engine.Watch | None = None,
    notes: tuple[str, ...] = (),
) -> PixelModel:
    """Cut images into tiles, train all members, score every image by members that never saw it, decide, report.

    Args:
        pictures: The images, n of them.
        labels: The label space.
        targets: Targets of their pixels.
        plan: Settings that change the result.
        runtime: Settings that do not.
        sample_weight: float (n,), >= 0; an image of weight 0 is as good as absent.
        ids: One id per image as text.
        watch: Called with the progress now and then.
        notes: Sentences about the data for the report.

    Raises:
        InputError: Targets without anything to learn, too few images, or settings that do not go with pixels.
    """
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
    undecided = unfitted_decider(plan, labels)
    fit, members = prepare_pixels(pictures, targets, labels, plan, weights)
    _, trained = train_fits([fit], runtime, watch)
    model = PixelModel(labels, fit.encoder, fit.network, trained.weights, undecided, fit.plan, {}, None, runtime)
    _evaluate(model, pictures, targets, members, weights, ids, trained, notes)
    return model


def prepare_pixels(
    pictures: Pictures, targets: PixelTargets, labels: LabelSpace, plan: Plan, weights: np.ndarray
) -> tuple[Fit, list[MemberRows]]:
    """Tiles, and which of them each member uses; tiles of one image, and of equal images, are always together.

    Returns:
        The fit, whose rows are tiles, and the same members with images for rows.
    """
    plan = _fitting(plan)
    told = image_settings(plan.image_settings)
    shaped = network_settings(plan, (), None, {"image": {}})
    tile = tile_shape(targets.sizes, told["tile"], edge_factor(shaped))
    tiles = cut_tiles(pictures, targets, tile)
    check_output(plan, tiles.targets)
    encoder = TableEncoder({pictures.name: "image"}, image_settings=plan.image_settings)
    n_measured = max(1, STATISTICS_BYTES // int(np.prod(tiles.images.shape[1:])))
    spread = np.unique(np.linspace(0, len(tiles.images) - 1, min(n_measured, len(tiles.images))).astype(int))
    encoder.fit(image_frame(tiles.images[spread], pictures.name))
    plan = _resolved(with_variation(plan, encoder.images), len(tiles.images), tile)
    settings = network_settings(plan, encoder.sparse, encoder.vocabularies, encoder.images)
    spec = NetworkSpec(plan.network, settings, encoder.shapes(), targets.n_labels, plan.precision)
    members = _members(targets, tiles, plan)
    (block,) = encoder.shapes()
    base = Base({block: tiles.images}, tiles.targets, weights[tiles.owners], label_weights_of(plan, labels))
    of_tiles = [MemberRows(*(np.flatnonzero(np.isin(tiles.owners, part)) for part in member)) for member in members]
    everything = np.arange(len(tiles.images))
    return Fit(encoder, base, everything, everything, of_tiles, plan, spec), members


def _fitting(plan: Plan) -> Plan:
    """The plan with the network for pixels.

    Raises:
        InputError: Settings that do not go with labels of pixels.
    """
    plan = with_own(plan, None)
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


def _resolved(plan: Plan, n_tiles: int, tile: tuple[int, int]) -> Plan:
    """The plan with nothing left to choose, for a number of tiles."""
    members, batch_size, epochs = plan.members, plan.batch_size, plan.epochs
    if members == "auto":
        members = MEMBERS
    if batch_size == "auto":
        batch_size = int(min(max(2, STEP_PIXELS // (tile[0] * tile[1])), max(2, n_tiles // 32)))
    if epochs == "auto":
        epochs = int(min(max(4, round(STEPS * int(batch_size) / n_tiles)), 60))
    return resolved(replace(plan, members=members, batch_size=batch_size, epochs=epochs), n_tiles)


def _members(targets: PixelTargets, tiles: Tiles, plan: Plan) -> list[MemberRows]:
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


def _out_of_fold(model: PixelModel, pictures: Pictures, held: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Raw scores of each image by the members that never saw it."""
    patterns, group = np.unique(held, axis=0, return_inverse=True)
    for k, pattern in enumerate(patterns):
        if pattern.any():
            rows = np.flatnonzero(group.reshape(-1) == k)
            yield from model.each_raw(pictures, rows, np.flatnonzero(pattern).tolist())


def _evaluate(
    model: PixelModel,
    pictures: Pictures,
    targets: PixelTargets,
    members: list[MemberRows],
    weights: np.ndarray,
    ids: np.ndarray,
    trained: engine.Trained,
    notes: tuple[str, ...],
) -> None:
    """Out-of-fold scores of a sample of pixels and what is counted over all; the decider, the evidence, the report."""
    plan, labels, held = model.plan, model.labels, _held(members, len(pictures))
    is_scored = np.asarray(held.any(axis=1))
    drawn = draw(targets, is_scored, plan.seed)
    tally = Tally(len(labels))
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
    known = settled(scores, of_sample, weights[drawn.rows])
    model.decider = fit_decider(plan, labels, known)
    calibrated, own = honest_answers(plan, labels, known)
    for row, raw in kept or _out_of_fold(model, pictures, held):
        tally.add_answers(model.decided(model.calibrated(raw)), targets.images[row])
    remembered = _remembered(drawn, of_sample, targets, weights, ids, held)
    model.evidence = Evidence(scores, remembered, trained.curves, trained.best_epoch)
    is_alone = len(members) == 1
    facts = report.Facts(
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
    drawn: Drawn, of_sample: Targets, targets: PixelTargets, weights: np.ndarray, ids: np.ndarray, held: np.ndarray
) -> Remembered:
    """The drawn pixels as rows; their fingerprints are of no use, because no other row can be compared with a pixel."""
    widths = np.array([width for _, width in targets.sizes])
    names = drawn.ids(ids, widths)
    return Remembered(of_sample, names, weights[drawn.rows], np.zeros(len(names), dtype=np.uint64), held[drawn.rows])


def _remarks(n_drawn: int, n_images: int) -> list[str]:
    return [
        f"A row here is a pixel. Thresholds, calibration and all figures but those under 'Pixels' come from {n_drawn} "
        f"pixels, drawn evenly from the {n_images} images that were scored; those under 'Pixels' come from all of them."
    ]


def pixel_report(
    model: PixelModel, pictures: Pictures, targets: PixelTargets, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """A report on new images: rows are a sample of their pixels, and what is counted comes from all.

    Args:
        model: The model.
        pictures: The images.
        targets: Their targets, in the order of the model's labels.
        notes: Sentences to pass on.
    """
    names, decider = model.labels, model.decider
    tally, everyone = Tally(len(names)), np.ones(len(pictures), dtype=bool)
    drawn = draw(targets, everyone, model.plan.seed)
    sampled = np.zeros((len(drawn.rows), len(names)), dtype=model.plan.precision)
    for row, raw in model.each_raw(pictures):
        check_size(raw, targets, row)
        tally.add_scores(raw, targets.images[row])
        tally.add_answers(model.decided(model.calibrated(raw)), targets.images[row])
        first, last = np.searchsorted(drawn.rows, [row, row + 1])
        sampled[first:last] = raw.reshape(-1, len(names))[drawn.of(row)]
    scores = decider.scores(sampled)
    facts = report.Facts(
        scores_from="new",
        members=model.n_members,
        notes=[*notes, *_remarks(len(drawn.rows), len(pictures))],
        raw_scores=None if decider.calibration.is_identity else sampled,
        answering=decider.described(),
    )
    answers = decider.answers(scores)
    of_sample = drawn_targets(targets, drawn)
    values = report.build(names, of_sample, scores, answers, scores >= 0.5, decider.thresholds, facts)
    return {**values, "pixels": pixel_section(tally, names, len(pictures), len(drawn.rows), "new")}
