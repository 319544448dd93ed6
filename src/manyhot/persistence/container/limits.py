"""How much a file may ask of the machine before it is believed."""

from __future__ import annotations

from dataclasses import dataclass, fields

from manyhot import validation


@dataclass(frozen=True)
class Limits:
    """Upper bounds, of reading and writing alike, that are checked before memory or time is spent."""

    max_file_bytes: int = 2**34  # size of the whole file
    max_header_bytes: int = 2**26  # size of the safetensors header, the document included
    max_depth: int = 64  # nesting of JSON objects and lists
    max_values: int = 2_000_000  # values in one JSON text (a vocabulary of millions belongs in an array)
    max_arrays: int = 65_536  # number of arrays
    max_rank: int = 8  # axes of one array

    def __post_init__(self) -> None:
        for field in fields(self):
            validation.integer(low=1, high=2**48, **{field.name: getattr(self, field.name)})
        # json descends one level of the interpreter's stack per level of nesting
        validation.integer(low=1, high=256, max_depth=self.max_depth)
        validation.integer(low=1, high=32, max_rank=self.max_rank)


DEFAULT = Limits()
