"""Small images whose pixels carry two labels, and slow truth for what is counted over them."""

from __future__ import annotations

import numpy as np

LABELS = ["square", "left"]


def scenes(n: int, size: tuple[int, int] = (16, 24), seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Dark images (n, h, w) with bright squares; a pixel is square, and left where it is square in a darker half."""
    generator = np.random.default_rng(seed)
    Y = np.zeros((n, *size, 2), dtype=bool)
    for image in Y:
        for _ in range(3):
            y, x = generator.integers(0, size[0] - 5), generator.integers(0, size[1] - 5)
            image[y : y + 5, x : x + 5, 0] = True
        image[:, : size[1] // 2, 1] = image[:, : size[1] // 2, 0]
    X = generator.integers(0, 40, (n, *size))
    return (X + 120 * Y[..., 0] - 0 + 60 * (Y[..., 0] & ~Y[..., 1])).astype(np.uint8), Y


def slow_measures(answers: np.ndarray, values: np.ndarray, known: np.ndarray) -> dict[str, float]:
    """IoU, Dice, precision and recall of one label, pixel by pixel."""
    hits = wrong = missed = 0
    for said, true, is_known in zip(answers.ravel(), values.ravel(), known.ravel(), strict=True):
        if is_known:
            hits += bool(said and true)
            wrong += bool(said and not true)
            missed += bool(true and not said)

    def ratio(above: float, below: float) -> float:
        return above / below if below else float("nan")

    return {
        "iou": ratio(hits, hits + wrong + missed),
        "dice": ratio(2 * hits, 2 * hits + wrong + missed),
        "precision": ratio(hits, hits + wrong),
        "recall": ratio(hits, hits + missed),
    }
