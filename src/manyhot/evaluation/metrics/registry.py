"""The measures by name: what each needs, means and hides, and all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from manyhot import validation
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.evaluation.metrics import classification, ranking
from manyhot.evaluation.metrics.score import Score


@dataclass(frozen=True)
class Measure:
    """One measure.

    Args:
        function: `(targets, scores or decisions) -> Score`, for some with `k`.
        needs: "scores" or "decisions".
        higher_is_better: Whether more is better.
        meaning: One sentence on what it says.
        misleads: One sentence on when it misleads.
    """

    function: Callable[..., Score]
    needs: Literal["scores", "decisions"]
    higher_is_better: bool
    meaning: str
    misleads: str


MEASURES: dict[str, Measure] = {
    "subset_accuracy": Measure(
        classification.subset_accuracy,
        "decisions",
        True,
        "The share of rows whose whole label set is right.",
        "One wrong label of many costs as much as all wrong, and where most rows carry no label silence does well.",
    ),
    "element_accuracy": Measure(
        classification.element_accuracy,
        "decisions",
        True,
        "The share of single yes/no answers that are right.",
        "When labels are rare, answering nothing is already right nearly everywhere.",
    ),
    "hamming_loss": Measure(
        classification.hamming_loss,
        "decisions",
        False,
        "The share of single yes/no answers that are wrong.",
        "When labels are rare, answering nothing already has a small loss.",
    ),
    "f1_micro": Measure(
        classification.f1_micro,
        "decisions",
        True,
        "The balance of precision and recall over all answers in one pot.",
        "Frequent labels decide it; rare ones can all be wrong unseen.",
    ),
    "f1_macro": Measure(
        classification.f1_macro,
        "decisions",
        True,
        "The balance of precision and recall of each label, averaged over labels that occur.",
        "A label with three positives weighs as much as one with thousands, so it is noisy with many rare labels.",
    ),
    "f1_macro_all": Measure(
        classification.f1_macro_all,
        "decisions",
        True,
        "As f1_macro, with 0 for every label that does not occur, as other libraries report it.",
        "It falls with the number of labels that happen to be absent, whatever the answers are.",
    ),
    "f1_samples": Measure(
        classification.f1_samples,
        "decisions",
        True,
        "The balance of precision and recall of each row's label set, averaged over rows.",
        "Rows without labels count fully right or fully wrong and dominate when there are many.",
    ),
    "jaccard_samples": Measure(
        classification.jaccard_samples,
        "decisions",
        True,
        "The labels shared by answer and truth over the labels in either, averaged over rows.",
        "Rows without labels count fully right or fully wrong and dominate when there are many.",
    ),
    "ranking_loss": Measure(
        ranking.ranking_loss,
        "scores",
        False,
        "How often a label that is absent stands before one that is present in the same row.",
        "With many labels nearly all pairs are easy, so small numbers hide bad first places.",
    ),
    "lrap": Measure(
        ranking.lrap,
        "scores",
        True,
        "For each label that is present: the share of present ones among those ranked at least as high.",
        "It compares labels within a row only, so it says nothing about thresholds.",
    ),
    "coverage_error": Measure(
        ranking.coverage_error,
        "scores",
        False,
        "How many labels of the ranking must be taken to have all that are present.",
        "Its best value is the mean size of the label sets, not 0, and one hard label sets it for a row.",
    ),
    "one_error": Measure(
        ranking.one_error,
        "scores",
        False,
        "How often the label ranked first is absent.",
        "It looks at one label per row; always naming a very frequent label does well.",
    ),
    "map": Measure(
        ranking.map,
        "scores",
        True,
        "The average precision of each label over samples, averaged over labels that occur.",
        "It grows with prevalence, so values of different data sets do not compare.",
    ),
    "roc_auc_macro": Measure(
        ranking.roc_auc_macro,
        "scores",
        True,
        "The chance that a sample with a label scores higher than one without, averaged over labels.",
        "With rare labels it is high although most of the top answers are wrong.",
    ),
    "precision_at_k": Measure(
        ranking.precision_at_k,
        "scores",
        True,
        "The share of present labels among a row's k highest scores.",
        "Rows with fewer than k labels cannot reach 1.",
    ),
    "ndcg_at_k": Measure(
        ranking.ndcg_at_k,
        "scores",
        True,
        "How early the present labels stand among a row's k highest scores, as a share of the best possible.",
        "It forgets everything behind place k.",
    ),
}


def measure(
    targets: Targets,
    scores: np.ndarray | None,
    decisions: np.ndarray | None,
    k: int = 5,
    names: Iterable[str] | None = None,
) -> dict[str, Score]:
    """Several measures at once, sharing the work; much faster than one after the other.

    Args:
        targets: Targets (n, l), or deeper with the label axis last.
        scores: Probabilities in the shape of the targets, float in [0, 1]; None leaves their measures out.
        decisions: bool in the shape of the targets; None leaves their measures out.
        k: Places that `precision_at_k` and `ndcg_at_k` look at, 1 or more.
        names: The measures wanted, of `MEASURES`; None for all that scores and decisions allow.

    Returns:
        A score by name, in the order of `names`, or of `MEASURES`.

    Raises:
        InputError: An unknown name, a name whose input is None, or a shape, score, decision or k that is wrong.
    """
    validation.integer(k=k, low=1)
    given = {"scores": scores is not None, "decisions": decisions is not None}
    wanted = [name for name, row in MEASURES.items() if given[row.needs]] if names is None else list(names)
    for name in wanted:
        validation.one_of(MEASURES, names=name)
        if not given[MEASURES[name].needs]:
            raise InputError(f"needed for {name!r}, got None", argument=MEASURES[name].needs)
    found: dict[str, Score] = {}
    if decisions is not None and not set(classification.ANSWER_MEASURES).isdisjoint(wanted):
        found |= classification.answer_measures(targets, decisions)
    if scores is not None and not set(ranking.ROW_MEASURES).isdisjoint(wanted):
        found |= ranking.row_ranking(targets, scores, k)
    if scores is not None and not {"map", "roc_auc_macro"}.isdisjoint(wanted):
        found |= ranking.label_means(targets, scores)
    return {name: found[name] for name in wanted}
