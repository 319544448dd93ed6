"""What a result is worth: metrics, reports, data checks, label errors. NumPy only."""
