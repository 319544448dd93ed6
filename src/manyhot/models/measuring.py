"""The report on a model's out-of-fold scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from manyhot import engine
from manyhot.config.training import BINS, LINEAR
from manyhot.data.deduplication import fingerprints
from manyhot.evaluation import report
from manyhot.models.checks import is_exclusive
from manyhot.models.cross_fitting import CrossFit
from manyhot.models.model import Model

BRANCH_NAMES = {"layers": "hidden layers", BINS: "hidden layers on binned inputs", LINEAR: "linear"}
EPOCH_NOTE = "Trained for "  # how the note on the epochs that were tried begins
OF_TRIALS = "tried with a few of the networks, so the log loss of the whole ensemble differs"


@dataclass(frozen=True)
class InputRows:
    """The rows of a training, those of weight 0 left out."""

    targets: Any  # Targets, or PixelTargets where the rows are images
    weights: np.ndarray  # float64 (n,), above 0
    ids: np.ndarray  # text (n,)
    n_rows: int  # rows handed in, those of weight 0 among them
    notes: tuple[str, ...] = ()  # about the data, for the report
    n_streamed: int = 0  # further rows that all members were trained on, and that are not kept
    constant: np.ndarray | None = None  # indices of the labels that never vary; None to look at `targets`


def _branch_note(branch_shares: Mapping[str, float]) -> str:
    """How the branches of the networks are weighted, and by what."""
    shown = {BRANCH_NAMES[name]: f"{share:.0%}" for name, share in branch_shares.items()}
    unused = [name for name, share in shown.items() if share == "0%"]
    if len(unused) == len(shown) - 1:
        alone = next(name for name in shown if name not in unused)
        return (
            f"Of each network's branches, one alone predicted held-out rows best: {alone}. "
            f"Trained, but of weight 0: {' and '.join(unused)}."
        )
    parts = ", ".join(f"{name} {share}" for name, share in shown.items())
    return f"The logits of each network's branches are averaged with weights chosen on held-out rows: {parts}."


def training_notes(input_rows: InputRows, fit: CrossFit, branch_shares: Mapping[str, float]) -> list[str]:
    """Say what was chosen in training, which rows are alike, and what the kind of labels means for the figures."""
    notes, n_used = [], len(fit.place)
    if fit.epoch_losses:
        notes.append(_epoch_note(int(fit.config.epochs), fit.epoch_losses))
    if branch_shares:
        notes.append(_branch_note(branch_shares))
    if fit.is_alike:
        n_different = len(np.unique(fingerprints(fit.data.blocks)[fit.rows]))
        different = "row is" if n_different == 1 else "rows are"
        notes.append(
            f"Only {n_different} different {different} among the {n_used}, so most likely a new row is equal to one of "
            "them too: duplicate rows count as different rows, and lie in several folds."
        )
    if len(fit.rows) < n_used:
        notes.append(
            f"{n_used - len(fit.rows)} of {n_used} rows are duplicates of another row with the same "
            "labels; duplicates count, but are always in one fold."
        )
    if fit.config.positive_unlabeled:
        notes.append(
            "Only yes was ever recorded (positive_unlabeled): a label that is not recorded may hold. It is assumed "
            "that "
            "which of the labels that hold were recorded does not depend on the row. Here what is not recorded "
            "counts as no, so precision, F1 and the like are lower bounds, and a calibrated probability would be that "
            "of being recorded."
        )
    if is_exclusive(input_rows.targets) and fit.config.head == "sigmoid":
        notes.append(
            "Exactly one label in every row: these labels exclude each other, and softmax (head='softmax', "
            "loss='categorical_crossentropy') suits them better than one sigmoid per label."
        )
    return notes


def _epoch_note(chosen: int, losses: Mapping[int, float]) -> str:
    """Which number of epochs was chosen, and the loss of every one that was tried."""
    tried = {epochs: f"{epochs} ({loss:.4g})" for epochs, loss in sorted(losses.items())}
    if len(tried) == 1 or chosen not in losses:
        by_epochs = ", ".join(tried.values())
        return f"{EPOCH_NOTE}{chosen} epochs; log loss on held-out rows, by epochs: {by_epochs}; {OF_TRIALS}."
    higher = ", ".join(text for epochs, text in tried.items() if losses[epochs] >= losses[chosen] and epochs != chosen)
    lower = ", ".join(text for epochs, text in tried.items() if losses[epochs] < losses[chosen])
    own = f"{losses[chosen]:.4g}"
    text = f"which had a lower log loss on held-out rows ({own}) than {higher}"
    if not higher:
        text = f"with a log loss of {own} on held-out rows"
    if lower:
        text += f"; {lower} had a lower one, but not clearly so, or ranked rows worse"
    return f"{EPOCH_NOTE}{chosen} epochs, {text}; {OF_TRIALS}."


def training_summary(trained: engine.TrainingResult) -> dict[str, Any]:
    """Sum up the training curves."""
    last = [curve[np.isfinite(curve[:, 0])][-1] for curve in trained.curves]
    return {
        "best_epoch": trained.best_epoch.tolist(),
        "epochs": int(trained.curves.shape[1]),
        "loss": float(np.mean([pair[0] for pair in last])),
    }


def measure_out_of_fold(
    model: Model, scores: np.ndarray, decisions: np.ndarray, context: report.ReportContext
) -> dict[str, Any]:
    """Report on the evidence's rows: scores (n, l), each calibrated without its own row, and decisions, bool (n, l)."""
    evidence = model.evidence
    assert evidence is not None
    policy = model.policy
    uncalibrated = None if policy.calibration.is_identity else evidence.scores
    context = replace(context, raw_scores=uncalibrated, decision_info=policy.describe(), hierarchy=policy.hierarchy)
    k = model.report.get("k")  # that of an earlier report; a new one chooses it
    values = report.measure_report(
        model.labels, evidence.targets, scores, decisions, scores >= 0.5, policy.thresholds, context, k
    )
    return model.extend_report(values, decisions)
