"""Calibration per label: scores that can be read as frequencies."""

from manyhot.decisions.calibration.calibration import Calibration
from manyhot.decisions.calibration.fitting import CALIBRATIONS, fit

__all__ = ["CALIBRATIONS", "Calibration", "fit"]
