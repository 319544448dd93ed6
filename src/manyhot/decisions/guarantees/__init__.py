"""Thresholds with a statistical promise, learned from rows that no training or tuning has seen."""

from manyhot.decisions.guarantees.false_discovery_rate import control_false_discoveries
from manyhot.decisions.guarantees.guarantee import Guarantee, min_rows
from manyhot.decisions.guarantees.miss_rate import control_miss_rate

__all__ = ["Guarantee", "control_false_discoveries", "control_miss_rate", "min_rows"]
