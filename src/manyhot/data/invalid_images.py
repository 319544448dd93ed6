"""Images of a file that cannot be used: raised as an error, or described where their rows are left out."""

from __future__ import annotations

from typing import NamedTuple

from manyhot.data.samples import Samples
from manyhot.errors import InputError

MAX_LISTED = 5


class ImageError(NamedTuple):
    """An image that cannot be used."""

    column: str  # where it stands
    message: str  # its name and what is wrong with it


InvalidImages = dict[int, ImageError]  # row, from 0 -> what is wrong with its image


def raise_for_invalid(bad: InvalidImages) -> None:
    """Raise `InputError` with the first image that cannot be used."""
    for row, (column, message) in bad.items():
        more = f" (one of {len(bad)} that cannot be used)" if len(bad) > 1 else ""
        raise InputError(
            f"{message}{more}; mend or remove it, or go on without such rows (on_bad_image='skip', --on-bad-image "
            "skip)",
            row=row + 1,
            column=column,
        )


def describe_invalid(bad: InvalidImages, outcome: str, samples: Samples | None = None) -> str:
    """Describe in a sentence how many images cannot be used, and the first few rows of them."""
    row_numbers = range(1, max(bad) + 2) if samples is None else samples.row_numbers()
    listed = "; ".join(f"row {row_numbers[row]}: {error.message}" for row, error in list(bad.items())[:MAX_LISTED])
    more = f"; and {len(bad) - MAX_LISTED} more" if len(bad) > MAX_LISTED else ""
    rows = "1 row was" if len(bad) == 1 else f"{len(bad)} rows were"
    return f"{rows} {outcome}, because the image cannot be used: {listed}{more}"
