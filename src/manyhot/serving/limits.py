"""How much a request may ask of the service before it is believed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

from manyhot import validation
from manyhot.data.image_decoding import MAX_PIXELS
from manyhot.persistence import container


@dataclass(frozen=True)
class Limits:
    """Upper bounds, checked before memory or time is spent."""

    max_body_bytes: int = 2**24  # of one request, counted while they come in
    max_rows: int = 10_000
    max_columns: int = 10_000  # of a row, beyond twice what the model has
    max_depth: int = 32  # of JSON objects and lists, 1 to 256
    max_values: int = 2_000_000  # in one JSON text
    max_text_bytes: int = 1_000_000  # of one cell of text
    max_pixels: int = MAX_PIXELS  # of one image, as its header says
    max_explain_rows: int = 100
    max_held_bytes: int = 2**28  # of all requests at once
    max_waiting: int = 512  # requests answered at once; more are told to come back
    max_connections: int = 4096  # open at once; more are told to come back
    body_seconds: float = 30.0  # for its body
    response_seconds: float = 30.0  # for its answer, and for a client to take it

    @cached_property
    def json_limits(self) -> container.Limits:
        """What concerns one JSON text."""
        return container.Limits(max_depth=self.max_depth, max_values=self.max_values)

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_seconds"):
                validation.positive(**{field.name: value})
            else:
                validation.integer(low=1, high=2**40, **{field.name: value})
        validation.integer(low=1, high=256, max_depth=self.max_depth)
        validation.integer(low=1, high=MAX_PIXELS, max_pixels=self.max_pixels)
