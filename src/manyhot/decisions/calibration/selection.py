"""Which kind of map predicts rows it was not fitted on best, and whether any is worth having.

Nothing here keeps a map: the folds are only for comparing. Start reading at `choose`.
"""

from __future__ import annotations

import numpy as np

from manyhot.decisions.calibration.histogram import Known, Tally, pooled
from manyhot.decisions.calibration.irls import most_likely
from manyhot.decisions.calibration.isotonic import curve
from manyhot.decisions.calibration.parametric import FREE, logits, mapped_logits, parameters, widest
from manyhot.decisions.calibration.shrinkage import Learned, shared_map

FOLDS = 5
NOISE = 2.0
"""Standard errors that a gain must exceed."""
KINDS = ("none", *FREE, "isotonic")
SIMPLEST = "temperature"


class Trial:
    """Cross-validated log loss of every kind.

    Args:
        known: The entries.
        learned: The maps of each kind of `FREE` on all rows; the folds take from them how far labels differ.
        folds: int (n,), 0 to FOLDS - 1.
    """

    def __init__(self, known: Known, learned: dict[str, Learned], folds: np.ndarray) -> None:
        self.known, self.learned, self.folds = known, learned, folds
        self.rows = {kind: np.zeros(len(folds)) for kind in KINDS}
        self.total = 0.0
        self._most = widest(known.scores.dtype)
        self._numbers = range(int(folds.max()) + 1)
        self._held = [folds == fold for fold in self._numbers]
        everything: list[Tally] = []
        for part in known.parts(FOLDS):
            everything = [pooled([*everything, known.tally(part, folds)], known.scores.dtype)]
        others = [everything[0].where(everything[0].fold != fold) for fold in self._numbers]
        self._shared = {kind: [shared_map(cells, free) for cells in others] for kind, free in FREE.items()}
        for part in known.parts(FOLDS):
            self._add(part)

    def _add(self, part: slice) -> None:
        """Add the losses of some labels."""
        known = self.known
        weights, values = known.entry_weights(part), known.values[:, part]
        self.total += float(weights.sum())
        z, cells = logits(known.scores[:, part]), known.tally(part, self.folds)
        self.rows["none"] += _losses(z, values, weights)
        instead: list[tuple[np.ndarray, np.ndarray]] = []
        for fold in self._numbers:
            others = cells.where(cells.fold != fold)
            varying = others.varies(z.shape[1])
            held = self._held[fold]
            for kind, free in FREE.items():
                numbers = np.tile(self._shared[kind][fold], (z.shape[1], 1))
                own, full = others.of_labels(varying), self.learned[kind]
                numbers[varying] = most_likely(own, free, numbers[varying], full.precision, full.numbers[part][varying])
                f = np.clip(mapped_logits(z[held], parameters(numbers)), -self._most, self._most)
                self.rows[kind][held] += _losses(f, values[held], weights[held])
                if kind == "platt":
                    instead.append((f, varying))
        columns = [np.ascontiguousarray(block.T) for block in (known.scores[:, part], values, weights)]
        for j, label in enumerate(zip(*columns, strict=True)):
            scores, answers, own = label
            self._add_isotonic(scores, answers, own, [(f[:, j], bool(is_varying[j])) for f, is_varying in instead])

    def _add_isotonic(
        self, scores: np.ndarray, values: np.ndarray, weights: np.ndarray, instead: list[tuple[np.ndarray, bool]]
    ) -> None:
        """Add one label's losses under isotonic maps; in folds where it does not vary, other logits stand in."""
        order = np.argsort(scores)
        order = order[weights[order] > 0]
        ordered = [column[order] for column in (scores, values, weights, self.folds)]
        for held, fold, (f, is_varying) in zip(self._held, self._numbers, instead, strict=True):
            if is_varying:
                others = ordered[3] != fold
                p = curve(*(column[others] for column in ordered[:3])).at(scores[held])
                f = np.log(p) - np.log1p(-p)
            self.rows["isotonic"][held] += _losses(f, values[held], weights[held])

    def evidence(self) -> dict[str, float]:
        """Mean log loss of each kind on rows it was not fitted on, in nats."""
        return {kind: float(rows.sum() / self.total) for kind, rows in self.rows.items()}

    def gain(self, kind: str, over: str) -> float:
        """How many standard errors a kind's mean loss is below another's; rows are what varies."""
        gain = self.rows[over] - self.rows[kind]
        noise = float(np.sqrt(len(gain)) * gain.std())
        return float(gain.sum()) / noise if noise > 0 else 0.0


def _losses(f: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Log losses of logits, summed over the labels of each row."""
    losses = weights * (np.logaddexp(0.0, f) - values * f)
    return losses.sum(axis=1) if losses.ndim == 2 else losses


def choose(
    known: Known, learned: dict[str, Learned], folds: np.ndarray, is_deployed: bool
) -> tuple[str, dict[str, float]]:
    """The kind for all labels together, and the evidence.

    The kind with the lowest cross-validated log loss, unless it beats "none" by less than `NOISE` standard errors;
    isotonic maps tie scores, so they have to beat the best of the others by as much. All labels share a kind: choosing
    for each label by itself predicted worse. Where the scores are means of fewer members than the deployed ones, they
    are more extreme, and an intercept learned on them moves the deployed scores too far; then a map with more than a
    slope has to beat the slope alone ("temperature", which moves no answer at 0.5) by as much, too.

    Args:
        known: The entries.
        learned: The maps of each kind of `FREE` on all rows.
        folds: int (n,), 0 to FOLDS - 1.
        is_deployed: Whether the scores come from the very network, or mean of networks, that is deployed.

    Returns:
        The kind, and the mean log loss of each kind on rows it was not fitted on, in nats.
    """
    trial = Trial(known, learned, folds)
    evidence = trial.evidence()
    best = min(FREE, key=lambda kind: evidence[kind])
    if not is_deployed and trial.gain(best, over=SIMPLEST) <= NOISE:
        best = SIMPLEST
    if trial.gain("isotonic", over=best) > NOISE:
        best = "isotonic"
    return (best if trial.gain(best, over="none") > NOISE else "none"), evidence
