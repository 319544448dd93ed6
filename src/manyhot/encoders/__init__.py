"""Features to named blocks of numbers: `fit`, `transform`, `to_spec`, `from_spec`."""

from __future__ import annotations

from typing import get_args

from manyhot.encoders.numeric import MatrixEncoder
from manyhot.encoders.passthrough import PlainEncoder
from manyhot.encoders.tabular import TableEncoder

__all__ = ["ENCODERS", "Encoder", "MatrixEncoder", "PlainEncoder", "TableEncoder"]

Encoder = MatrixEncoder | TableEncoder | PlainEncoder

ENCODERS: dict[str, type[Encoder]] = {one.kind: one for one in get_args(Encoder)}
