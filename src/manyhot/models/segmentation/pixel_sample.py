"""Some pixels of each image, drawn so that a pixel is as likely to be among them as any other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from manyhot.data.pixel_targets import PixelTargets
from manyhot.data.targets import Targets

MAX_SAMPLE_PIXELS = 200_000
"""Pixels that thresholds, calibration and most metrics are computed on, at most."""


class PixelSample(NamedTuple):
    """Pixels of some images."""

    rows: np.ndarray  # int64 (m,), the image of each, in order
    places: np.ndarray  # int64 (m,), where it lies in the image, counted row by row

    def places_in(self, row: int) -> np.ndarray:
        """The places in one image, in order."""
        first, last = np.searchsorted(self.rows, [row, row + 1])
        return self.places[first:last]

    def ids(self, names: np.ndarray, widths: np.ndarray) -> np.ndarray:
        """A name for each pixel: its image's, its row and its column from 0, with colons between."""
        y, x = self.places // widths[self.rows], self.places % widths[self.rows]
        return np.asarray([f"{names[k]}:{j}:{i}" for k, j, i in zip(self.rows, y, x, strict=True)], dtype=str)


def sample_pixels(
    targets: PixelTargets, is_wanted: np.ndarray, seed: int, max_pixels: int = MAX_SAMPLE_PIXELS
) -> PixelSample:
    """Pixels of which some label is known: of each image as large a share as of every other."""
    rows = np.flatnonzero(is_wanted)
    counts = np.array([_n_known(targets.images[k]) for k in rows], dtype=np.int64)
    share = min(1.0, max_pixels / max(int(counts.sum()), 1))
    places = []
    for row, count in zip(rows.tolist(), counts.tolist(), strict=True):
        n_sampled = min(count, max(1, round(share * count)))
        known = targets.images[row].known
        known_places = np.arange(count) if known is None else np.flatnonzero(known.any(axis=2))
        if n_sampled < count:
            generator = np.random.default_rng([seed, 0x5049, row])
            known_places = known_places[np.sort(generator.choice(count, n_sampled, replace=False, shuffle=False))]
        places.append(known_places)
    owners = np.repeat(rows, [len(part) for part in places])
    return PixelSample(owners, np.concatenate(places) if places else np.zeros(0, dtype=np.int64))


def gather_targets(targets: PixelTargets, sample: PixelSample) -> Targets:
    """The targets of the drawn pixels (m, l)."""
    rows = np.unique(sample.rows)
    values = [targets.images[k].values.reshape(-1, targets.n_labels)[sample.places_in(k)] for k in rows.tolist()]
    if all(targets.images[k].known is None for k in rows.tolist()):
        return Targets(np.concatenate(values))
    known = [targets.images[k].known_mask().reshape(-1, targets.n_labels)[sample.places_in(k)] for k in rows.tolist()]
    return Targets(np.concatenate(values), np.concatenate(known))


def _n_known(targets: Targets) -> int:
    if targets.known is None:
        return targets.values.shape[0] * targets.values.shape[1]
    return int(targets.known.any(axis=2).sum())
