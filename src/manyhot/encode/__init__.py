"""Features -> named blocks of numbers: `fit`, `transform`, `to_spec`, `from_spec`."""

from __future__ import annotations

from manyhot.encode.matrix import MatrixEncoder
from manyhot.encode.table import TableEncoder

__all__ = ["ENCODERS", "Encoder", "MatrixEncoder", "TableEncoder"]

Encoder = MatrixEncoder | TableEncoder

ENCODERS: dict[str, type[Encoder]] = {MatrixEncoder.kind: MatrixEncoder, TableEncoder.kind: TableEncoder}
