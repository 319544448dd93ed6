"""Features to named blocks of numbers: `fit`, `transform`, `to_spec`, `from_spec`."""

from __future__ import annotations

from typing import get_args

from manyhot.encoders.numeric import MatrixEncoder
from manyhot.encoders.passthrough import PlainEncoder
from manyhot.encoders.scores import ScoreEncoder
from manyhot.encoders.tabular import TableEncoder

__all__ = ["ENCODERS", "Encoder", "MatrixEncoder", "PlainEncoder", "ScoreEncoder", "TableEncoder"]

Encoder = MatrixEncoder | TableEncoder | PlainEncoder | ScoreEncoder

ENCODERS: dict[str, type[Encoder]] = {one.kind: one for one in get_args(Encoder)}
