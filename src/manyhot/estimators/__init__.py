"""Very many labels: the k best of a row, trained and answered without an array of rows by labels."""

from manyhot.estimators.extreme import ManyLabelClassifier

__all__ = ["ManyLabelClassifier"]
