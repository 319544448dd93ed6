"""A report as one HTML file that needs no network; start reading at `measure_page`, then `render`."""

from manyhot.page.measured import Given, measure_page, without_bulk
from manyhot.page.rendered import render

__all__ = ["Given", "measure_page", "render", "without_bulk"]
