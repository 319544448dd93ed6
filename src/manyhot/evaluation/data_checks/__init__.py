"""Check a data set for label problems before training; start reading at `check_data`."""

from manyhot.evaluation.data_checks.all_checks import check_data
from manyhot.evaluation.data_checks.findings import KINDS, SEVERITIES, DataChecks, Finding

__all__ = ["KINDS", "SEVERITIES", "DataChecks", "Finding", "check_data"]
