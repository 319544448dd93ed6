"""What a report says of pixels: metrics of all of them, counted while they went by, as plain values and as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manyhot.evaluation.report.measure import to_json_value

COUNT_MEASURES = ("iou", "dice", "precision", "recall")
SOURCES = {
    "out_of_fold": "all known pixels of {images} images, each scored only by networks that never saw its image",
    "new": "all known pixels of {images} images given for evaluation",
    "sample": "the sample of {sampled} pixels, because thresholds changed after training; average precision from all",
}


def pixel_section(
    values: dict[str, Any], n_images: int, n_sampled: int, source: str, previous: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Build the section "pixels" from counts; `previous` is an earlier one whose average precision still holds."""
    if previous is not None:
        for row, previous_row in zip(values["labels"], previous["labels"], strict=True):
            row["average_precision"] = previous_row["average_precision"]
    return to_json_value({"from": source, "images": n_images, "sampled": n_sampled, **values})


def clear_counts(section: Mapping[str, Any]) -> dict[str, Any]:
    """The section without what depends on thresholds."""
    labels = [{**row, **dict.fromkeys(COUNT_MEASURES)} for row in section["labels"]]
    return {**section, "labels": labels, "mean_iou": None, "mean_dice": None}


def describe_source(section: Mapping[str, Any]) -> str:
    """Where the figures come from, in words."""
    return f"Pixels: from {SOURCES[section['from']].format(**section)}."
