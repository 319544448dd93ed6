"""Predictions as JSON text: labels and probabilities of each row, put together from parts that never change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

DIGITS = {"float32": 9, "float64": 17}  # significant digits that give the same number again


class PredictionWriter:
    """Writes the answers of one model."""

    def __init__(self, name: str, labels: Sequence[str], dtype: str) -> None:
        self.number_format = f"%.{DIGITS[dtype]}g"
        self.labels = [_json(label) for label in labels]
        pairs = ",".join(f"{label.replace('%', '%%')}:{self.number_format}" for label in self.labels)
        self.probabilities = f'"probabilities":{{{pairs}}}'
        self.head = f'{{"model":{_json(name)},"predictions":['

    def to_json(
        self,
        batches: Sequence[tuple[np.ndarray, np.ndarray]],
        top: int | None,
        reasons: Sequence[Mapping[str, Any]] | None,
        unused: Sequence[str],
    ) -> bytes:
        """The whole answer."""
        rows = [
            self._format_row(row, row_decisions, top)
            for scores, decisions in batches
            for row, row_decisions in zip(scores.tolist(), decisions.tolist(), strict=True)
        ]
        if reasons is not None:
            reason_texts = [
                _json({label: explanation.to_dict() for label, explanation in row_reasons.items()})
                for row_reasons in reasons
            ]
            rows = [f'{row},"explain":{text}' for row, text in zip(rows, reason_texts, strict=True)]
        tail = "]}"
        if unused:
            note = f"unused columns, absent from training: {', '.join(unused)}"
            tail = f'],"notes":[{_json(note)}]}}'
        text = f"{self.head}{{{'},{'.join(rows)}}}{tail}"
        return text.encode("utf-8", errors="replace")

    def _format_row(self, probabilities: list[float], decisions: list[bool], top: int | None) -> str:
        """A row without its braces."""
        predicted = [label for label, is_predicted in zip(self.labels, decisions, strict=True) if is_predicted]
        labels = f'"labels":[{",".join(predicted)}]'
        if top is None:
            return f"{labels},{self.probabilities % tuple(probabilities)}"
        top_labels = sorted(range(len(probabilities)), key=lambda j: -probabilities[j])[:top]
        pairs = [
            f'{{"label":{self.labels[j]},"probability":{self.number_format % probabilities[j]}}}' for j in top_labels
        ]
        return f'{labels},"top":[{",".join(pairs)}]'


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
