"""Images of a column as people look at them, for columns of arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from manyhot.encode.images import arrays_of


def pictures(
    column: pl.Series, rows: Sequence[int] | None = None, longest_edge: int | None = None
) -> Iterator[np.ndarray | None]:
    """Images uint8 (h, w, 3), None where there is none.

    Args:
        column: Images.
        rows: Which ones; None for all.
        longest_edge: Images with a longer edge may be made smaller, not below this.
    """
    chosen = column if rows is None else column[list(rows)]
    for image in arrays_of(chosen):
        step = 1 if longest_edge is None else max(1, max(image.shape[:2]) // longest_edge)
        yield np.ascontiguousarray(np.broadcast_to(image[::step, ::step], (*image[::step, ::step].shape[:2], 3)))
