"""The estimators: `MultiLabelClassifier`, `ManyLabelClassifier`, cross-validation, and `load`."""
