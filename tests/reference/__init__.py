"""Slow and plain truths for fast code."""
