"""Many small penalised logistic regressions at once: the three numbers of every label's map."""

from __future__ import annotations

import numpy as np

from manyhot.decisions.calibration.histogram import Histogram
from manyhot.decisions.calibration.parametric import clip_numbers

_MAX_STEPS = 100
_TOLERANCE = 1e-5


def maximize_posterior(
    cells: Histogram, n_free: int, centre: np.ndarray, precision: np.ndarray, start: np.ndarray | None = None
) -> np.ndarray:
    """The most likely (slope, shift, skew) of every label under a Gaussian prior (centre (l, 3), precision (3,))."""
    # Fisher scoring: Newton's method with the expected second derivative, never indefinite, and a shorter step where a
    # whole one is no gain. All labels step together; those that stand still are left out.
    estimate = (centre if start is None else start).copy()
    active = np.arange(len(estimate))
    damping = np.ones(len(estimate))
    loss, gradient, curvature = _evaluate_loss(cells, estimate, n_free, centre, precision)
    for _ in range(_MAX_STEPS):
        step = np.zeros((len(active), 3))
        step[:, :n_free] = np.clip(np.linalg.solve(curvature, gradient[..., None])[..., 0], -2.0, 2.0)
        trial = clip_numbers(estimate[active] - damping[:, None] * step)
        step_size = np.abs(trial - estimate[active]).max(axis=1)
        new = _evaluate_loss(cells, trial, n_free, centre, precision)
        better = new[0] <= loss
        estimate[active[better]] = trial[better]
        for current, proposed in zip((loss, gradient, curvature), new, strict=True):
            current[better] = proposed[better]
        damping = np.where(better, np.minimum(1.0, 2 * damping), damping / 4)
        is_active = step_size > _TOLERANCE
        if not is_active.any():
            break
        if is_active.mean() < 0.7:
            cells = cells.select_labels(is_active)
            active, damping, loss, centre = active[is_active], damping[is_active], loss[is_active], centre[is_active]
            gradient, curvature = gradient[is_active], curvature[is_active]
    return estimate


def posterior_variance(
    cells: Histogram, numbers: np.ndarray, n_free: int, centre: np.ndarray, precision: np.ndarray
) -> np.ndarray:
    """How sure the data and the prior are of each number: its variance, float64 (l, n_free)."""
    curvature = _evaluate_loss(cells, numbers, n_free, centre, precision)[2]
    return np.diagonal(np.linalg.inv(curvature), axis1=1, axis2=2)


def _evaluate_loss(
    cells: Histogram, numbers: np.ndarray, n_free: int, centre: np.ndarray, precision: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Penalised loss (l,), its gradient (l, n_free) and its expected curvature (l, n_free, n_free) at some numbers."""
    label, n_labels = cells.label, len(numbers)
    slope, shift, skew = numbers.T
    if n_free < 3:
        scaled = np.exp(slope)[label] * cells.z
        f = scaled + shift[label]
        directions = [scaled, None][:n_free]
    else:
        low = np.logaddexp(0.0, -cells.z)
        rising = np.exp(slope + skew)[label] * -low
        falling = np.exp(slope - skew)[label] * (low + cells.z)
        f = rising + falling + shift[label]
        directions = [rising + falling, None, rising - falling]
    small = np.exp(-np.abs(f))
    chance = np.where(f >= 0, 1.0, small) / (1.0 + small)
    losses = cells.total * (np.maximum(f, 0.0) + np.log1p(small)) - cells.positive * f
    residual = cells.total * chance - cells.positive
    weight = cells.total * chance * (1.0 - chance)

    def summed(column: np.ndarray, along: np.ndarray | None) -> np.ndarray:
        return np.bincount(label, column if along is None else column * along, n_labels)

    deviation = (numbers - centre)[:, :n_free]
    loss = summed(losses, None) + 0.5 * (precision[:n_free] * deviation**2).sum(axis=1)
    gradient = np.stack([summed(residual, d) for d in directions], axis=1) + precision[:n_free] * deviation
    curvature = np.empty((n_labels, n_free, n_free))
    for i, first in enumerate(directions):
        part = weight if first is None else weight * first
        for j, second in enumerate(directions[: i + 1]):
            curvature[:, i, j] = curvature[:, j, i] = summed(part, second)
    diagonal = np.arange(n_free)
    curvature[:, diagonal, diagonal] += precision[:n_free] + 1e-9
    return loss, gradient, curvature
