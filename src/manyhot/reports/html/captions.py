"""What each figure of a page is called, says and hides."""

from __future__ import annotations

from manyhot.evaluation.metrics import METRICS

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


def figures() -> dict[str, tuple[str, str, str, bool]]:
    """Figure -> its title (with `{k}`), what it means, when it misleads, whether more is better; in a page's order."""
    return {
        **{
            name: (metric.title, metric.meaning, metric.misleads, metric.higher_is_better)
            for name, metric in METRICS.items()
        },
        **{name: (*captions, False) for name, captions in _PROBABILITIES.items()},
    }
