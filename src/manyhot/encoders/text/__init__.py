"""Columns of text to numbers."""
