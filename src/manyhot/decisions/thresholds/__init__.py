"""Scores become decisions, yes where score >= threshold; compared in float64, whatever the type of the scores."""

from manyhot.decisions.thresholds.base import Decision
from manyhot.decisions.thresholds.cardinality import Cardinality
from manyhot.decisions.thresholds.fixed import Fixed, TopK
from manyhot.decisions.thresholds.labelwise import Cost, F1Macro, FbetaMacro, Hamming, Precision, Recall
from manyhot.decisions.thresholds.micro_f1 import F1Micro
from manyhot.decisions.thresholds.registry import DECISIONS, build, from_spec
from manyhot.decisions.thresholds.samplewise import F1Samples, JaccardSamples
from manyhot.decisions.thresholds.stability import with_spread
from manyhot.decisions.thresholds.thresholds import ALWAYS, NEVER, Thresholds

__all__ = [
    "ALWAYS",
    "DECISIONS",
    "NEVER",
    "Cardinality",
    "Cost",
    "Decision",
    "F1Macro",
    "F1Micro",
    "F1Samples",
    "FbetaMacro",
    "Fixed",
    "Hamming",
    "JaccardSamples",
    "Precision",
    "Recall",
    "Thresholds",
    "TopK",
    "build",
    "from_spec",
    "with_spread",
]
