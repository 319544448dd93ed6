"""Rows dealt out to folds, members and scikit-learn's splits."""
