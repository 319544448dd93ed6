"""Columns of images to pixels or to a backbone's features."""
