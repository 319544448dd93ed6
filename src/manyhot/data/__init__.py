"""Rows, labels, targets and folds, and the files that they come from."""
