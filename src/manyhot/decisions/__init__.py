"""Scores to label sets: calibration, thresholds, rules between labels, guarantees."""
