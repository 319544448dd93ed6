"""The softmax trap: labels that are made to compete although samples carry several of them."""

from __future__ import annotations

from manyhot.config.training import TrainingConfig
from manyhot.data.labels import LabelSpace
from manyhot.data.pixel_targets import PixelTargets
from manyhot.data.targets import Targets
from manyhot.errors import InputError

SOFTMAX_TRAP = (
    "softmax and categorical cross-entropy make the labels compete for one unit of probability: raising one label "
    "lowers all others, so a label's probability does not stand alone, and no threshold works when samples have one "
    "label or ten. Here {n_many} of {n} samples have several labels and {n_none} have none. To fix this, use "
    "activation='sigmoid', loss='binary_crossentropy' (allow_softmax=True trains with softmax anyway, for comparison)"
)


def check_softmax_targets(config: TrainingConfig, targets: Targets) -> None:
    """Refuse softmax for samples that carry several labels or none, unless it is asked for by name."""
    if config.head != "softmax" or config.allow_softmax or is_exclusive(targets):
        return
    sizes = targets.values.reshape(-1, targets.n_labels).sum(axis=1)
    n_many, n_none = int((sizes > 1).sum()), int((sizes == 0).sum())
    raise InputError(SOFTMAX_TRAP.format(n=len(sizes), n_many=n_many, n_none=n_none), argument="head")


def is_exclusive(targets: Targets) -> bool:
    """Whether every sample carries exactly one label, as far as anybody looked."""
    sizes = targets.values.reshape(-1, targets.n_labels).sum(axis=1)
    return targets.n_labels > 1 and targets.known is None and bool((sizes == 1).all())


def check_learnable(targets: Targets | PixelTargets, labels: LabelSpace) -> None:
    """Refuse targets without a label that varies, and fewer rows than two."""
    if len(targets.constant_labels()) == len(labels):
        each = "each is" if len(labels) > 1 else "it is"
        raise InputError(
            f"no label varies among {targets.n_samples} rows and {len(labels)} labels: {each} always yes, always no or "
            "never known (one class only), so there is nothing to learn",
            argument="y",
        )
    check_n_rows(targets.n_samples, 2)


def check_n_rows(n_rows: int, n_folds: int) -> None:
    """Refuse fewer rows than folds."""
    if n_rows < n_folds:
        raise InputError(
            f"n_samples={n_rows} rows are fewer than {n_folds} folds; give more rows, or fewer folds "
            "(n_folds=2 is the least)"
        )
