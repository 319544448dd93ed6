"""What is odd about labels, before training; start reading at `examine`."""

from manyhot.doctor.examine import examine
from manyhot.doctor.finding import KINDS, SEVERITIES, Diagnosis, Finding

__all__ = ["KINDS", "SEVERITIES", "Diagnosis", "Finding", "examine"]
