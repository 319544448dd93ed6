"""The training of all members as a page shows it."""

from __future__ import annotations

from typing import Any

import numpy as np

MAX_POINTS = 200  # epochs of a curve that are kept; of more, evenly spaced ones, the first and the last
DIGITS = 5
MAX_MEMBERS = 60


def describe_curves(curves: np.ndarray, best_epoch: np.ndarray) -> dict[str, Any]:
    """Losses (m, epochs, 2) by epoch, as lists for the first members; None after a member's end."""
    n_members, n_epochs = curves.shape[:2]
    shown = curves[:MAX_MEMBERS]
    epoch_indices = np.unique(np.linspace(0, max(0, n_epochs - 1), min(n_epochs, MAX_POINTS)).round().astype(int))
    n_epochs_trained = np.isfinite(shown[:, :, 0]).sum(axis=1)

    def to_lists(values: np.ndarray) -> list[list[float | None]]:
        return [[_round(value) for value in row] for row in values.tolist()]

    stopping = shown[:, epoch_indices, 1]
    return {
        "epochs": [int(index) + 1 for index in epoch_indices],
        "training": to_lists(shown[:, epoch_indices, 0]),
        "validation": to_lists(stopping) if np.isfinite(stopping).any() else [],
        "best_epoch": best_epoch[:MAX_MEMBERS].tolist(),
        "n_epochs": n_epochs_trained.tolist(),
        "n_members": n_members,
        "n_shown": len(shown),
    }


def _round(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None
