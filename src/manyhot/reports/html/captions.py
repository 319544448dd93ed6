"""What each figure of a page is called, says and hides."""

from __future__ import annotations

from manyhot.evaluation.metrics import MEASURES

_TITLES = {
    "f1_macro": "F1, mean of labels",
    "f1_micro": "F1, all answers in one pot",
    "f1_samples": "F1, mean of rows",
    "jaccard_samples": "Jaccard index, mean of rows",
    "subset_accuracy": "Whole label sets right",
    "hamming_loss": "Hamming loss",
    "element_accuracy": "Element-wise accuracy",
    "f1_macro_all": "F1, absent labels as 0",
    "map": "Average precision, mean of labels",
    "roc_auc_macro": "ROC-AUC, mean of labels",
    "lrap": "Label ranking average precision",
    "ranking_loss": "Ranking loss",
    "one_error": "One-error",
    "coverage_error": "Coverage error",
    "precision_at_k": "Precision at {k}",
    "ndcg_at_k": "nDCG at {k}",
}
_PROBABILITIES = {
    "brier": (
        "Brier score",
        "The mean squared distance between probability and truth.",
        "When labels are rare, giving everything a probability near 0 already has a small score.",
    ),
    "log_loss": (
        "Log loss",
        "The mean of -log of the probability that was given to what is true.",
        "A single answer that is sure and wrong can decide it, and rare labels make it small by themselves.",
    ),
    "ece": (
        "Expected calibration error",
        "How far probabilities are from frequencies, in 15 bins of equally many entries.",
        "It says nothing about telling rows apart (the baseline has 0), and part of it is always chance.",
    ),
}

FIGURES: dict[str, tuple[str, str, str, bool]] = {
    **{
        name: (title, MEASURES[name].meaning, MEASURES[name].misleads, MEASURES[name].higher_is_better)
        for name, title in _TITLES.items()
    },
    **{name: (*words, False) for name, words in _PROBABILITIES.items()},
}
"""Figure -> its title (with `{k}`), what it means, when it misleads, whether more is better; in the order of a page."""
