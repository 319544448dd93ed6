"""A report as one HTML file that needs no network; start reading at `measure_page`, then `render`."""

from manyhot.reports.html.measure import PageInputs, measure_page, without_bulk
from manyhot.reports.html.rendering import render

__all__ = ["PageInputs", "measure_page", "render", "without_bulk"]
