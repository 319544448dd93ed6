"""What a report says of pixels: measures of all of them, counted while they went by, as plain values and as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from manyhot.data.labels import LabelSpace
from manyhot.evaluation.report.measure import plain

COUNTED = ("iou", "dice", "precision", "recall")
FROM = {
    "out_of_fold": "all known pixels of {images} images, each scored only by members that never saw its image",
    "new": "all known pixels of {images} images that were handed in",
    "sample": "the sample of {sampled} pixels, because thresholds changed after training; average precision from all",
}


class Counts(Protocol):
    """What counted the pixels."""

    def to_values(self, names: tuple[str, ...]) -> dict[str, Any]:
        """`labels`, and the means over them."""


def pixel_section(
    tally: Counts,
    space: LabelSpace,
    n_images: int,
    n_sampled: int,
    source: str,
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The section "pixels".

    Args:
        tally: The counts.
        space: The names of the l labels.
        n_images: Images whose pixels were counted.
        n_sampled: Pixels that all other figures of the report come from.
        source: A key of `FROM`.
        before: An earlier section, whose average precision still holds; None where the tally has its own.

    Returns:
        `from`, `images`, `sampled`, `labels` (label, support, iou, dice, precision, recall, average_precision),
        `mean_iou`, `mean_dice`.
    """
    values = tally.to_values(space.names)
    if before is not None:
        for row, old in zip(values["labels"], before["labels"], strict=True):
            row["average_precision"] = old["average_precision"]
    return plain({"from": source, "images": n_images, "sampled": n_sampled, **values})


def without_counts(section: Mapping[str, Any]) -> dict[str, Any]:
    """The section without what depends on thresholds."""
    labels = [{**row, **dict.fromkeys(COUNTED)} for row in section["labels"]]
    return {**section, "labels": labels, "mean_iou": None, "mean_dice": None}


def source_of(section: Mapping[str, Any]) -> str:
    """Where the figures come from, in words."""
    return f"Pixels: from {FROM[section['from']].format(**section)}."
