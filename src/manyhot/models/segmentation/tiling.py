"""Images cut into tiles, and scores of overlapping tiles blended: their mean, weighted by `window`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from manyhot.data.pixel_targets import PixelTargets
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.models.segmentation.images import ImageSet, digest

MIN_WEIGHT = 1e-3
"""What the outermost pixel of a tile counts beside one in its middle."""
Size = tuple[int, int]


def tile_shape(sizes: Sequence[Size], tile: int, factor: int) -> Size:
    """Height and width of tiles: no larger than the largest image needs."""
    if tile % factor:
        raise InputError(
            f"tile: got {tile}, expected a multiple of {factor}, which the stages of the network and its patches need",
            argument="image_params",
        )
    height, width = (math.ceil(max(edges) / factor) * factor for edges in zip(*sizes, strict=True))
    return min(tile, height), min(tile, width)


def starts(length: int, tile: int, overlap: float) -> list[int]:
    """Where tiles begin along an edge, so that neighbours share at least `overlap` of a tile; 0 where one is enough."""
    if length <= tile:
        return [0]
    shared = round(overlap * tile)
    count = math.ceil((length - shared) / (tile - shared))
    return [int(place) for place in np.rint(np.linspace(0, length - tile, count))]


def places(size: Size, tile: Size, overlap: float) -> list[Size]:
    """The upper left corner of each tile of an image."""
    down, across = (starts(length, edge, overlap) for length, edge in zip(size, tile, strict=True))
    return [(y, x) for y in down for x in across]


def cut(image: np.ndarray, place: Size, tile: Size) -> np.ndarray:
    """One tile (h, w, c) of an image; beyond its edges it is mirrored."""
    (y, x), (height, width) = place, tile
    part = image[y : y + height, x : x + width]
    missing = height - part.shape[0], width - part.shape[1]
    return np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric") if any(missing) else part


@dataclass(frozen=True)
class Tiles:
    """Tiles to train on."""

    images: np.ndarray  # uint8 (t, h, w, c)
    targets: Targets  # targets (t, h, w, l); beyond the edges of an image everything is unknown
    owners: np.ndarray  # int64 (t,), the image of each tile
    digests: list[bytes]


def cut_tiles(images: ImageSet, targets: PixelTargets, tile: Size) -> Tiles:
    """All tiles of some images, as few as cover them."""
    corners = [places(size, tile, 0.0) for size in targets.sizes]
    owners = np.repeat(np.arange(len(corners)), [len(tiles) for tiles in corners])
    tile_images = np.zeros((len(owners), *tile, images.channels), dtype=np.uint8)
    values = np.zeros((len(owners), *tile, targets.n_labels), dtype=bool)
    known = np.zeros_like(values)
    digests, k = [], 0
    for row, (image_corners, pixel_targets) in enumerate(zip(corners, targets.images, strict=True)):
        image = images[row]
        check_size(image, targets, row)
        digests.append(digest(image))
        for place in image_corners:
            tile_images[k] = cut(image, place, tile)
            y, x = place
            part = pixel_targets.values[y : y + tile[0], x : x + tile[1]]
            inside = slice(0, part.shape[0]), slice(0, part.shape[1])
            values[k][inside] = part
            known[k][inside] = (
                True if pixel_targets.known is None else pixel_targets.known[y : y + tile[0], x : x + tile[1]]
            )
            k += 1
    return Tiles(tile_images, Targets(values, known), owners, digests)


def check_size(image: np.ndarray, targets: PixelTargets, row: int) -> None:
    """Refuse targets of another size than their image (h, w, ...), with the file that they came from."""
    height, width = targets.sizes[row]
    if image.shape[:2] != (height, width):
        raise InputError(
            f"the image has {image.shape[0]} x {image.shape[1]} pixels, but its labels {height} x {width}",
            row=row + 1,
            argument="y",
            file=targets.files[row] if targets.files else None,
        )


def window(tile: Size) -> np.ndarray:
    """How much each pixel of a tile counts, float32 (h, w): most in the middle, least at the edges, without steps."""
    down, across = (np.square(np.sin(np.pi * (np.arange(edge) + 0.5) / edge)) for edge in tile)
    return np.maximum(np.outer(down, across), MIN_WEIGHT).astype(np.float32)


class _Waiting(NamedTuple):
    """A tile that waits to be scored: its image, and where it lies."""

    row: int
    place: Size


class _Canvas:
    """What is known of one image's scores so far."""

    def __init__(self, size: Size, n_tiles: int) -> None:
        self.size, self.n_left, self.is_single = size, n_tiles, n_tiles == 1
        self.total: np.ndarray | None = None
        self.weight = np.zeros(size, dtype=np.float32)

    def add(self, scores: np.ndarray, place: Size, weights: np.ndarray) -> None:
        """One tile's scores (h, w, l)."""
        self.n_left -= 1
        (y, x), (height, width) = place, self.size
        inside = scores[: height - y, : width - x]
        if self.is_single:
            self.total = inside
            return
        if self.total is None:
            self.total = np.zeros((*self.size, scores.shape[2]), dtype=scores.dtype)
        w = weights[: inside.shape[0], : inside.shape[1]]
        self.total[y : y + inside.shape[0], x : x + inside.shape[1]] += w[..., None] * inside
        self.weight[y : y + inside.shape[0], x : x + inside.shape[1]] += w

    def result(self) -> np.ndarray:
        """The scores of the image (h, w, l)."""
        assert self.total is not None
        return self.total if self.is_single else self.total / self.weight[..., None]


def blend_tiles(
    images: ImageSet,
    rows: np.ndarray,
    tile: Size,
    overlap: float,
    score: Callable[[np.ndarray], np.ndarray],
    batch: int,
) -> Iterator[tuple[int, np.ndarray]]:
    """Scores of whole images, one after another."""
    weights, open_images = window(tile), dict[int, _Canvas]()
    waiting: list[_Waiting] = []
    cuts: list[np.ndarray] = []

    def score_waiting() -> Iterator[tuple[int, np.ndarray]]:
        for (row, place), scores in zip(waiting, score(np.stack(cuts)), strict=True):
            canvas = open_images[row]
            canvas.add(scores, place, weights)
            if not canvas.n_left:
                yield row, open_images.pop(row).result()
        waiting.clear()
        cuts.clear()

    for row in rows.tolist():
        image = images[row]
        size = image.shape[0], image.shape[1]
        corners = places(size, tile, overlap)
        open_images[row] = _Canvas(size, len(corners))
        for place in corners:
            waiting.append(_Waiting(row, place))
            cuts.append(cut(image, place, tile))
            if len(cuts) == batch:
                yield from score_waiting()
    if cuts:
        yield from score_waiting()
