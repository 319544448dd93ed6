"""Which kind of map predicts rows it was not fitted on best, and whether any is worth having."""

from __future__ import annotations

import numpy as np

from manyhot.decisions.calibration.calibration import KINDS
from manyhot.decisions.calibration.histogram import Histogram, KnownEntries, pool_histograms
from manyhot.decisions.calibration.irls import maximize_posterior
from manyhot.decisions.calibration.isotonic import fit_curve
from manyhot.decisions.calibration.parametric import N_FREE, apply_logit_maps, logits, max_logit, to_parameters
from manyhot.decisions.calibration.shrinkage import LearnedMaps, fit_shared_map

FOLDS = 5
MIN_STANDARD_ERRORS = 2.0  # standard errors that a gain must exceed
SIMPLEST = "temperature"


class KindComparison:
    """Cross-validated log loss of every kind."""

    def __init__(self, known: KnownEntries, learned: dict[str, LearnedMaps], folds: np.ndarray) -> None:
        self.known, self.learned, self.folds = known, learned, folds
        self.rows = {kind: np.zeros(len(folds)) for kind in KINDS}
        self.total = 0.0
        self._max_logit = max_logit(known.predictions.dtype)
        self._fold_numbers = range(int(folds.max()) + 1)
        self._held_out = [folds == fold for fold in self._fold_numbers]
        pooled: list[Histogram] = []
        for part in known.label_blocks(FOLDS):
            pooled = [pool_histograms([*pooled, known.histogram(part, folds)], known.predictions.dtype)]
        other_cells = [pooled[0].select(pooled[0].fold != fold) for fold in self._fold_numbers]
        self._shared = {kind: [fit_shared_map(cells, free) for cells in other_cells] for kind, free in N_FREE.items()}
        for part in known.label_blocks(FOLDS):
            self._add(part)

    def _add(self, part: slice) -> None:
        """Add the losses of some labels."""
        known = self.known
        weights, values = known.entry_weights(part), known.values[:, part]
        self.total += float(weights.sum())
        z, cells = logits(known.predictions[:, part]), known.histogram(part, self.folds)
        self.rows["none"] += _losses(z, values, weights)
        fallbacks: list[tuple[np.ndarray, np.ndarray]] = []
        for fold in self._fold_numbers:
            other_cells = cells.select(cells.fold != fold)
            varying = other_cells.varying_labels(z.shape[1])
            held_out = self._held_out[fold]
            for kind, free in N_FREE.items():
                numbers = np.tile(self._shared[kind][fold], (z.shape[1], 1))
                varying_cells, learned = other_cells.select_labels(varying), self.learned[kind]
                numbers[varying] = maximize_posterior(
                    varying_cells, free, numbers[varying], learned.precision, learned.numbers[part][varying]
                )
                f = np.clip(apply_logit_maps(z[held_out], to_parameters(numbers)), -self._max_logit, self._max_logit)
                self.rows[kind][held_out] += _losses(f, values[held_out], weights[held_out])
                if kind == "platt":
                    fallbacks.append((f, varying))
        columns = [np.ascontiguousarray(block.T) for block in (known.predictions[:, part], values, weights)]
        for j, label in enumerate(zip(*columns, strict=True)):
            scores, label_values, label_weights = label
            self._add_isotonic(
                scores, label_values, label_weights, [(f[:, j], bool(is_varying[j])) for f, is_varying in fallbacks]
            )

    def _add_isotonic(
        self, scores: np.ndarray, values: np.ndarray, weights: np.ndarray, fallbacks: list[tuple[np.ndarray, bool]]
    ) -> None:
        """Add one label's losses under isotonic maps; in folds where it does not vary, other logits stand in."""
        order = np.argsort(scores)
        order = order[weights[order] > 0]
        ordered = [column[order] for column in (scores, values, weights, self.folds)]
        for held_out, fold, (f, is_varying) in zip(self._held_out, self._fold_numbers, fallbacks, strict=True):
            if is_varying:
                is_other = ordered[3] != fold
                p = fit_curve(*(column[is_other] for column in ordered[:3])).apply(scores[held_out])
                f = np.log(p) - np.log1p(-p)
            self.rows["isotonic"][held_out] += _losses(f, values[held_out], weights[held_out])

    def evidence(self) -> dict[str, float]:
        """Mean log loss of each kind on rows it was not fitted on, in nats."""
        return {kind: float(rows.sum() / self.total) for kind, rows in self.rows.items()}

    def gain(self, kind: str, baseline: str) -> float:
        """How many standard errors a kind's mean loss is below another's; rows are what varies."""
        gain = self.rows[baseline] - self.rows[kind]
        noise = float(np.sqrt(len(gain)) * gain.std())
        return float(gain.sum()) / noise if noise > 0 else 0.0


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
    trial = KindComparison(known, learned, folds)
    evidence = trial.evidence()
    best = min(N_FREE, key=lambda kind: evidence[kind])
    if not is_deployed and trial.gain(best, baseline=SIMPLEST) <= MIN_STANDARD_ERRORS:
        best = SIMPLEST
    if trial.gain("isotonic", baseline=best) > MIN_STANDARD_ERRORS:
        best = "isotonic"
    return (best if trial.gain(best, baseline="none") > MIN_STANDARD_ERRORS else "none"), evidence
