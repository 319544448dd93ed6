"""Fit calibration maps, label by label, on scores of rows that the network has not been trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from manyhot.config.fields import AUTO, NONE
from manyhot.config.training import ISOTONIC, PLATT
from manyhot.data.targets import Targets
from manyhot.decisions.calibration.calibration import Calibration
from manyhot.decisions.calibration.histogram import KnownEntries, concatenate_histograms, known_entries, pool_histograms
from manyhot.decisions.calibration.isotonic import Curve, fit_curve
from manyhot.decisions.calibration.parametric import IDENTITY, N_FREE, to_parameters
from manyhot.decisions.calibration.selection import FOLDS, choose_kind
from manyhot.decisions.calibration.shrinkage import learn_maps

# The kind of the shared map that labels without both a positive and a negative get among isotonic ones
FALLBACK = PLATT


def fit(
    scores: np.ndarray,
    targets: Targets,
    kind: str = AUTO,
    seed: int = 0,
    weights: np.ndarray | None = None,
    is_deployed: bool = True,
) -> Calibration:
    """Fit every label's map; scores (n, l) or deeper, weights (n,); a label that does not vary gets the pooled map."""
    entries = known_entries(scores, targets, weights)
    if kind == NONE:
        return Calibration.none(targets.n_labels)
    parts = [(part.start, entries.histogram(part)) for part in entries.label_blocks()]
    pooled = pool_histograms([cells for _, cells in parts], entries.predictions.dtype)
    cells = concatenate_histograms(parts)
    varying = cells.varying_labels(targets.n_labels)
    if not varying.any():
        return Calibration.none(targets.n_labels)
    kinds = N_FREE if kind == AUTO else [kind if kind in N_FREE else FALLBACK]
    learned = {one: learn_maps(cells, pooled, varying, N_FREE[one]) for one in kinds}
    evidence: dict[str, float] = {}
    if kind == AUTO:
        kind, evidence = choose_kind(
            entries, learned, _assign_folds(len(entries.weights), targets.n_samples, seed), is_deployed
        )
    if kind == NONE:
        return replace(Calibration.none(targets.n_labels), evidence=evidence)
    if kind == ISOTONIC:
        calibration = _fit_isotonic(entries, varying, to_parameters(learned[FALLBACK].shared))
        return replace(calibration, evidence=evidence)
    return Calibration((kind,) * targets.n_labels, to_parameters(learned[kind].numbers), evidence=evidence)


def _fit_isotonic(known: KnownEntries, varying: np.ndarray, shared: np.ndarray) -> Calibration:
    """Isotonic maps, and the pooled map where a label does not vary."""
    curves: dict[int, Curve] = {}
    for part in known.label_blocks():
        weights = known.entry_weights(part)
        for j in np.flatnonzero(varying[part]) + part.start:
            weight = weights[:, j - part.start]
            order = np.argsort(known.predictions[:, j], kind="stable")
            order = order[weight[order] > 0]
            curves[int(j)] = fit_curve(known.predictions[order, j], known.values[order, j], weight[order])
    kinds = tuple(ISOTONIC if is_varying else FALLBACK for is_varying in varying)
    return Calibration(kinds, np.where(varying[:, None], IDENTITY, shared), curves)


def _assign_folds(n: int, n_samples: int, seed: int) -> np.ndarray:
    """A fold for every row of the entries, int64 (n,); the pixels of a sample share one."""
    folds = np.random.default_rng(seed).permutation(n_samples) % FOLDS
    return np.repeat(folds, n // n_samples)
