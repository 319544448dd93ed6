"""The estimators: `MultiLabelClassifier`, `ExtremeMultiLabelClassifier`, cross-validation, and `load`."""
