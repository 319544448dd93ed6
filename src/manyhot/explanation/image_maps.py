"""Where in an image a model found what speaks for and against a label: a map of the image, and its nine parts by name.

The engine says what each pixel adds to a logit; here maps become sums over parts of the image that a person or another
program can read. How a map is drawn belongs to `gallery`. Start reading at `mapped`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from manyhot import engine
from manyhot.backend import precision
from manyhot.encoders import TableEncoder
from manyhot.errors import InputError
from manyhot.models.cross_fitting import Features
from manyhot.models.fine_tuning import HEAD
from manyhot.models.model import Model
from manyhot.networks import HostWeights, build_attribution_model, seen_weights

PARTS = (
    ("top left", "top", "top right"),
    ("left", "centre", "right"),
    ("bottom left", "bottom", "bottom right"),
)
"""What the nine parts of an image are called."""
GRID = 8
"""Parts of each edge in the coarse form of a map."""


class Mapped(NamedTuple):
    """What one row's images add to one logit.

    Attributes:
        logit: The row's logit, mean over the members.
        constant: That of the row with images of one colour, the mean of training, in place of its own.
        maps: Column -> float64 (h, w), what each pixel adds, as large as the network gets the image.
    """

    logit: float
    constant: float
    maps: dict[str, np.ndarray]


def has_images(model: Model) -> bool:
    """Whether a model looks at images."""
    return isinstance(model.encoder, TableEncoder) and bool(model.encoder.image_columns)


def mapped(model: Model, features: Features, asked: Sequence[np.ndarray]) -> Iterator[list[Mapped]]:
    """Maps of some labels, row by row.

    Args:
        model: A model that looks at images.
        features: What its encoder takes, n rows.
        asked: For each row the columns of the labels; a row without any is not looked at.
    """
    encoder = model.encoder
    assert isinstance(encoder, TableEncoder)
    looks = encoder.looks
    counts = np.array([len(columns) for columns in asked], dtype=np.int64)
    asked_for = features[np.flatnonzero(counts)]
    blocks = encoder.transform(asked_for)
    rows = np.repeat(np.arange(np.count_nonzero(counts)), counts[counts > 0])
    labels = np.concatenate([np.zeros(0, dtype=np.int64), *asked])
    tables = [np.asarray(table) for table in model.weights.trainable[: len(model.network.tables())]]
    plain = {name: [255 * mean for mean in one.mean] for name, one in zip(looks.named, looks.encoders, strict=True)}
    columns = dict(zip(looks.named, encoder.image_columns, strict=True))
    scorer = model.scorer()
    if looks.is_frozen:
        scorer = _from_pixels_on(model)
        others = {name: block[:, : block.shape[1] - looks.width] for name, block in blocks.items()}
        blocks = {name: block for name, block in others.items() if block.shape[1]}
        blocks |= dict(zip(looks.named, looks.pixels(asked_for), strict=True))
    found = engine.pixel_contributions(scorer, tables, blocks, rows, labels, plain)
    for of_row in asked:
        pairs = [next(found) for _ in of_row]
        yield [Mapped(one.logit, one.constant, {columns[name]: m for name, m in one.maps.items()}) for one in pairs]


def _from_pixels_on(model: Model) -> engine.Scorer:
    """The members behind a backbone that stays as it is, together with it, as one network of a single member."""
    spec, encoder = model.network, model.encoder
    assert isinstance(encoder, TableEncoder)
    if spec.name != HEAD or spec.tables():
        raise InputError(
            "images beside a backbone that stays as it is are explained where the network is 'mlp' and no text is "
            "encoded by its words (text='ngrams'); leave such texts out, or tune the backbone",
            argument="X",
        )
    looks = encoder.looks
    core = looks.looker().function
    edges = {name: one.shape[:2] for name, one in zip(looks.named, looks.encoders, strict=True)}
    (width,) = (shape[0] for shape in encoder.shapes().values())
    with precision(spec.precision):
        heads = [spec.networks(1).build(0) for _ in range(model.n_members)]
        network = build_attribution_model(looks.backbone, edges, width - looks.width, heads, spec.precision)
    pairs = {name: (scale.center, scale.scale) for name, scale in zip(looks.named, looks.scales, strict=True)}
    weights = seen_weights(network, HostWeights(core.trainable, core.fixed), pairs, heads, HostWeights(*model.weights))
    key = ("seen", looks.backbone, spec.networks(1).key, model.n_members, width, tuple(edges.items()))
    shapes = {name: (*of, 3) for name, of in edges.items()}
    networks = engine.NetworkFactory(lambda _: network, key, shapes, 1)
    return engine.Scorer(networks, engine.Weights(*weights), spec.precision, model.runtime, model.plan.head)


def part_sums(pixels: np.ndarray) -> dict[str, float]:
    """What each of the nine parts of an image adds, by name."""
    sums = sums_of(pixels, 3)
    return {name: float(sums[i, j]) for i, names in enumerate(PARTS) for j, name in enumerate(names)}


def sums_of(pixels: np.ndarray, n_parts: int) -> np.ndarray:
    """Sums over a grid of a map, float64 (n_parts, n_parts), as even as the edges allow."""
    for axis, edge in enumerate(pixels.shape):
        bounds = np.arange(n_parts + 1) * edge // n_parts
        summed = np.concatenate([np.zeros_like(pixels[:1] if not axis else pixels[:, :1]), pixels.cumsum(axis)], axis)
        pixels = np.diff(summed.take(bounds, axis), axis=axis)
    return pixels


def coarse(maps: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Maps as JSON values: by column the size in pixels, and sums over a grid of `GRID` by `GRID` parts."""
    return {
        column: {"height": one.shape[0], "width": one.shape[1], "grid": sums_of(one, GRID).tolist()}
        for column, one in maps.items()
    }
