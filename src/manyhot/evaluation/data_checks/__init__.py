"""What is odd about labels, before training; start reading at `examine`."""

from manyhot.evaluation.data_checks.all_checks import examine
from manyhot.evaluation.data_checks.findings import KINDS, SEVERITIES, Diagnosis, Finding

__all__ = ["KINDS", "SEVERITIES", "Diagnosis", "Finding", "examine"]
