"""Calibration per label: scores that can be read as frequencies."""

from manyhot.decisions.calibration.calibration import Calibration
from manyhot.decisions.calibration.fitting import fit

__all__ = ["Calibration", "fit"]
