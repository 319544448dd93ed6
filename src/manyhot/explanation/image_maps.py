"""Where in an image a model found what speaks for and against a label: maps of pixels, and sums over nine parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from manyhot import engine, networks
from manyhot.errors import InputError
from manyhot.models.cross_fitting import Features
from manyhot.models.fine_tuning import HEAD
from manyhot.models.model import Model

# what the nine parts of an image are called
PARTS = (
    ("top left", "top", "top right"),
    ("left", "centre", "right"),
    ("bottom left", "bottom", "bottom right"),
)
GRID_SIZE = 8  # parts of each edge in the coarse form of a map


def attribute_images(
    model: Model, features: Features, columns_per_row: Sequence[np.ndarray]
) -> Iterator[list[engine.PixelContributions]]:
    """Yield the maps of some labels of each row; `columns_per_row` says which, and a row without any is skipped."""
    encoder = model.encoder
    images = encoder.images
    counts = np.array([len(columns) for columns in columns_per_row], dtype=np.int64)
    requested_features = features[np.flatnonzero(counts)]
    blocks = encoder.transform(requested_features)
    rows = np.repeat(np.arange(np.count_nonzero(counts)), counts[counts > 0])
    labels = np.concatenate([np.zeros(0, dtype=np.int64), *columns_per_row])
    tables = [np.asarray(table) for table in model.weights.trainable[: len(model.network.tables())]]
    mean_pixels = {
        name: [255 * mean for mean in image_encoder.mean]
        for name, image_encoder in zip(images.pixel_blocks, images.encoders, strict=True)
    }
    columns = dict(zip(images.pixel_blocks, encoder.image_columns, strict=True))
    scorer = model.scorer()
    if images.is_frozen:
        scorer = _frozen_backbone_scorer(model)
        table_blocks = {name: block[:, : block.shape[1] - images.width] for name, block in blocks.items()}
        blocks = {name: block for name, block in table_blocks.items() if block.shape[1]}
        blocks |= dict(zip(images.pixel_blocks, images.pixels(requested_features), strict=True))
    contributions = engine.pixel_contributions(scorer, tables, blocks, rows, labels, mean_pixels)
    for row_columns in columns_per_row:
        row_contributions = [next(contributions) for _ in row_columns]
        yield [
            one._replace(maps={columns[name]: pixel_map for name, pixel_map in one.maps.items()})
            for one in row_contributions
        ]


def _frozen_backbone_scorer(model: Model) -> engine.Scorer:
    """Join a frozen backbone and the members behind it as one network of a single member."""
    spec, encoder = model.network, model.encoder
    if spec.name != HEAD or spec.tables():
        raise InputError(
            "images beside a backbone that stays as it is are explained where the network is 'mlp' and no text is "
            "encoded by its words (text='tfidf'); leave such texts out, or tune the backbone",
            argument="X",
        )
    images = encoder.images
    backbone = images.backbone().function
    edges = {
        name: image_encoder.shape[:2] for name, image_encoder in zip(images.pixel_blocks, images.encoders, strict=True)
    }
    (width,) = (shape[0] for shape in encoder.shapes().values())
    with engine.use_dtype(spec.dtype):
        heads = [spec.factory(1).build(0) for _ in range(model.n_members)]
        network = networks.build_attribution_model(images.backbone_name, edges, width - images.width, heads, spec.dtype)
    pairs = {name: (scale.center, scale.scale) for name, scale in zip(images.pixel_blocks, images.scales, strict=True)}
    weights = networks.build_attribution_weights(
        network,
        engine.Weights(backbone.trainable, backbone.fixed),
        pairs,
        heads,
        model.weights,
    )
    key = ("seen", images.backbone_name, spec.factory(1).key, model.n_members, width, tuple(edges.items()))
    shapes = {name: (*edge, 3) for name, edge in edges.items()}
    factory = engine.NetworkFactory(lambda _: network, key, shapes, 1, levels=spec.levels)
    return engine.Scorer(factory, weights, spec.dtype, model.runtime, model.config.head)


def part_sums(pixels: np.ndarray) -> dict[str, float]:
    """Sum a map over the nine parts of an image, by name."""
    sums = grid_sums(pixels, 3)
    return {name: float(sums[i, j]) for i, names in enumerate(PARTS) for j, name in enumerate(names)}


def grid_sums(pixels: np.ndarray, n_parts: int) -> np.ndarray:
    """Sum a map over a grid, float64 (n_parts, n_parts), as even as the edges allow."""
    for axis, edge in enumerate(pixels.shape):
        bounds = np.arange(n_parts + 1) * edge // n_parts
        summed = np.concatenate([np.zeros_like(pixels[:1] if not axis else pixels[:, :1]), pixels.cumsum(axis)], axis)
        pixels = np.diff(summed.take(bounds, axis), axis=axis)
    return pixels


def coarse_maps(maps: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return maps as JSON values: by column the size in pixels, and sums over a grid of `GRID_SIZE` by `GRID_SIZE`."""
    return {
        column: {
            "height": pixel_map.shape[0],
            "width": pixel_map.shape[1],
            "grid": grid_sums(pixel_map, GRID_SIZE).tolist(),
        }
        for column, pixel_map in maps.items()
    }
