"""Answers as JSON text: labels and probabilities of each row, put together from parts that never change.

Start reading at `AnswerWriter.text`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from manyhot.estimators.prediction_table import WHY

DIGITS = {"float32": 9, "float64": 17}
"""Significant digits that give the same number again."""


class AnswerWriter:
    """Writes the answers of one model.

    Args:
        name: What the model is called.
        labels: The names of the l labels.
        precision: "float32" or "float64".
    """

    def __init__(self, name: str, labels: Sequence[str], precision: str) -> None:
        self.number = f"%.{DIGITS[precision]}g"
        self.labels = [_json(label) for label in labels]
        pairs = ",".join(f"{label.replace('%', '%%')}:{self.number}" for label in self.labels)
        self.probabilities = f'"probabilities":{{{pairs}}}'
        self.head = f'{{"model":{_json(name)},"answers":['

    def text(
        self,
        scored: Sequence[tuple[np.ndarray, np.ndarray]],
        top: int | None,
        reasons: Sequence[Mapping[str, Any]] | None,
        unused: Sequence[str],
    ) -> bytes:
        """The whole answer.

        Args:
            scored: Pieces of the rows: probabilities (n, l), and answers, bool (n, l).
            top: Labels a row that are told, the most probable first; None for all, in their order.
            reasons: For each row label -> `Explanation`; None where nobody asked.
            unused: Columns of the rows that the model does not use.
        """
        rows = [
            self._row(row, yes, top)
            for scores, decided in scored
            for row, yes in zip(scores.tolist(), decided.tolist(), strict=True)
        ]
        if reasons is not None:
            told = [_json({label: one.to_dict() for label, one in why.items()}) for why in reasons]
            rows = [f'{row},"{WHY}":{why}' for row, why in zip(rows, told, strict=True)]
        tail = "]}"
        if unused:
            note = f"columns that training did not have are not used: {', '.join(unused)}"
            tail = f'],"notes":[{_json(note)}]}}'
        text = f"{self.head}{{{'},{'.join(rows)}}}{tail}"
        return text.encode("utf-8", errors="replace")

    def _row(self, row: list[float], yes: list[bool], top: int | None) -> str:
        """A row without its braces."""
        labels = f'"labels":[{",".join([label for label, is_it in zip(self.labels, yes, strict=True) if is_it])}]'
        if top is None:
            return f"{labels},{self.probabilities % tuple(row)}"
        best = sorted(range(len(row)), key=lambda j: -row[j])[:top]
        pairs = [f'{{"label":{self.labels[j]},"probability":{self.number % row[j]}}}' for j in best]
        return f'{labels},"top":[{",".join(pairs)}]'


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
