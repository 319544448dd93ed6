"""A report as one HTML file that needs no network; start reading at `measure_page`, then `render`."""

from manyhot.reports.html.measure import PageInputs, measure_page, without_bulk
from manyhot.reports.html.rendering import GENERATOR, render

__all__ = ["GENERATOR", "PageInputs", "measure_page", "render", "without_bulk"]
