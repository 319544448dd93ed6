"""Which kind of map predicts rows it was not fitted on best, and whether any is worth having."""

from __future__ import annotations

import numpy as np

from manyhot.config.fields import NONE
from manyhot.config.training import ISOTONIC, PLATT, TEMPERATURE
from manyhot.decisions.calibration.calibration import KINDS
from manyhot.decisions.calibration.histogram import Histogram, KnownEntries, pool_histograms
from manyhot.decisions.calibration.irls import maximize_posterior
from manyhot.decisions.calibration.isotonic import fit_curve
from manyhot.decisions.calibration.parametric import N_FREE, apply_logit_maps, logits, max_logit, to_parameters
from manyhot.decisions.calibration.shrinkage import LearnedMaps, fit_shared_map

FOLDS = 5
MIN_STANDARD_ERRORS = 2.0  # standard errors that a gain must exceed
SIMPLEST = TEMPERATURE


def cross_validated_losses(
    known: KnownEntries, learned: dict[str, LearnedMaps], folds: np.ndarray
) -> dict[str, np.ndarray]:
    """Log loss of each row under each kind of map, fitted on the other folds, float64 (n,)."""
    losses = {kind: np.zeros(len(folds)) for kind in KINDS}
    limit = max_logit(known.predictions.dtype)
    held_out = [folds == fold for fold in range(int(folds.max()) + 1)]
    pooled: list[Histogram] = []
    for part in known.label_blocks(FOLDS):
        pooled = [pool_histograms([*pooled, known.histogram(part, folds)], known.predictions.dtype)]
    others = [pooled[0].select(pooled[0].fold != fold) for fold in range(len(held_out))]
    shared = {kind: [fit_shared_map(cells, free) for cells in others] for kind, free in N_FREE.items()}
    for part in known.label_blocks(FOLDS):
        weights, values, scores = known.entry_weights(part), known.values[:, part], known.predictions[:, part]
        z, cells = logits(scores), known.histogram(part, folds)
        losses[NONE] += _losses(z, values, weights)
        columns = [np.ascontiguousarray(block.T) for block in (scores, values, weights)]
        orders = [order[w[order] > 0] for w, order in zip(columns[2], map(np.argsort, columns[0]), strict=True)]
        for fold, rows in enumerate(held_out):
            other_cells = cells.select(cells.fold != fold)
            varying = other_cells.varying_labels(z.shape[1])
            varying_cells = other_cells.select_labels(varying)
            for kind, free in N_FREE.items():
                numbers = np.tile(shared[kind][fold], (z.shape[1], 1))
                start, precision = learned[kind].numbers[part][varying], learned[kind].precision
                numbers[varying] = maximize_posterior(varying_cells, free, numbers[varying], precision, start)
                f = np.clip(apply_logit_maps(z[rows], to_parameters(numbers)), -limit, limit)
                losses[kind][rows] += _losses(f, values[rows], weights[rows])
                if kind == PLATT:  # stands in for isotonic maps where a label does not vary
                    isotonic = np.ascontiguousarray(f.T)
            for j, (label, order) in enumerate(zip(zip(*columns, strict=True), orders, strict=True)):
                if varying[j]:
                    other_rows = order[folds[order] != fold]
                    p = fit_curve(*(column[other_rows] for column in label)).apply(label[0][rows])
                    isotonic[j] = np.log(p) - np.log1p(-p)
                losses[ISOTONIC][rows] += _losses(isotonic[j], label[1][rows], label[2][rows])
    return losses


def _losses(f: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Log losses of logits, summed over the labels of each row."""
    losses = weights * (np.logaddexp(0.0, f) - values * f)
    return losses.sum(axis=1) if losses.ndim == 2 else losses


def choose_kind(
    known: KnownEntries, learned: dict[str, LearnedMaps], folds: np.ndarray, is_deployed: bool
) -> tuple[str, dict[str, float]]:
    """Choose one kind for all labels by cross-validated log loss, and return it with the loss of each kind in nats."""
    # A kind must beat "none" by `MIN_STANDARD_ERRORS`, and isotonic maps, which tie scores, the best of the others too.
    # Means of fewer members than are deployed are less extreme: there a map must also beat the slope alone
    # (`SIMPLEST`).
    losses = cross_validated_losses(known, learned, folds)
    total = sum(float(known.entry_weights(part).sum()) for part in known.label_blocks(FOLDS))
    evidence = {kind: float(rows.sum() / total) for kind, rows in losses.items()}

    def is_better(kind: str, baseline: str) -> bool:
        gain = losses[baseline] - losses[kind]  # rows are what varies
        noise = float(np.sqrt(len(gain)) * gain.std())
        return noise > 0 and float(gain.sum()) / noise > MIN_STANDARD_ERRORS

    best = min(N_FREE, key=lambda kind: evidence[kind])
    if not is_deployed and not is_better(best, SIMPLEST):
        best = SIMPLEST
    if is_better(ISOTONIC, best):
        best = ISOTONIC
    return (best if is_better(best, NONE) else NONE), evidence
