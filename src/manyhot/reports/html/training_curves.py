"""The training of all members as a page shows it."""

from __future__ import annotations

from typing import Any

import numpy as np

MAX_POINTS = 200
"""Epochs of a curve that are kept; of more, evenly spaced ones, the first and the last."""
DIGITS = 5
MAX_MEMBERS = 60


def describe_curves(curves: np.ndarray, best_epoch: np.ndarray) -> dict[str, Any]:
    """The losses of members by epoch.

    Args:
        curves: float (m, epochs, 2), training and stopping loss after each epoch, NaN after a member's end.
        best_epoch: int64 (m,), epochs trained when the weights that were kept were reached.

    Returns:
        `epochs` (numbers from 1, of each point), `training` and `stopping` (a list for each member; None after its
        end), `best_epoch`, `members` (how many there are), `shown` (how many of them are listed, the first), `ended`
        (epochs that each trained).
    """
    n_members, n_epochs = curves.shape[:2]
    shown = curves[:MAX_MEMBERS]
    places = np.unique(np.linspace(0, max(0, n_epochs - 1), min(n_epochs, MAX_POINTS)).round().astype(int))
    ended = np.isfinite(shown[:, :, 0]).sum(axis=1)

    def plain(values: np.ndarray) -> list[list[float | None]]:
        return [[_rounded(value) for value in row] for row in values.tolist()]

    stopping = shown[:, places, 1]
    return {
        "epochs": [int(place) + 1 for place in places],
        "training": plain(shown[:, places, 0]),
        "stopping": plain(stopping) if np.isfinite(stopping).any() else [],
        "best_epoch": best_epoch[:MAX_MEMBERS].tolist(),
        "ended": ended.tolist(),
        "members": n_members,
        "shown": len(shown),
    }


def _rounded(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None
