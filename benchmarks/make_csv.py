"""Makes a CSV of any size, quickly: numbers, a category, a text, and labels that depend on all of these.

`python benchmarks/make_csv.py rows.csv --gib 1`
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl

N_WORDS = 500
DIGITS = 15
"""After the point, as other tools write numbers of double precision."""
N_KINDS = 6


def rows(generator: np.random.Generator, n_rows: int, n_numbers: int, n_labels: int, n_words: int) -> pl.DataFrame:
    """Some rows: label k holds where two numbers, the category or a word speak for it, and some noise agrees."""
    numbers = generator.normal(size=(n_rows, n_numbers))
    kind = generator.integers(N_KINDS, size=n_rows)
    chosen = generator.integers(N_WORDS, size=(n_rows, n_words))
    words = np.array([f"{a}{b}{c}" for a in "bdfgklmn" for b in ("al", "or", "is", "um") for c in "aeioubdfgklmnprst"])
    columns = {f"x{j}": numbers[:, j] for j in range(n_numbers)}
    columns["kind"] = np.array([f"kind {k}" for k in range(N_KINDS)])[kind]
    parts = [pl.Series(words[chosen[:, j]]) for j in range(n_words)]
    columns["text"] = pl.select(pl.concat_str(*(pl.lit(part) for part in parts), separator=" ")).to_series()
    for k in range(n_labels):
        says = numbers[:, (3 * k) % n_numbers] + numbers[:, (5 * k + 1) % n_numbers] + (kind == k % N_KINDS)
        says = says + 2 * (chosen % (2 * n_labels) == k).any(axis=1)
        columns[f"label_{k}"] = (says + 0.5 * generator.normal(size=n_rows) > 1.5).astype(np.int8)
    return pl.DataFrame(columns)


def make(path: Path, n_bytes: float, n_numbers: int = 300, n_labels: int = 10, n_words: int = 5, seed: int = 0) -> int:
    """Write rows until the file has that many bytes; how many there are."""
    generator, n_rows = np.random.default_rng(seed), 0
    n_piece = max(100, min(10_000, int(n_bytes / (19 * n_numbers) / 10)))
    with path.open("wb") as file:
        while file.tell() < n_bytes:
            piece = rows(generator, n_piece, n_numbers, n_labels, n_words)
            piece.write_csv(file, include_header=n_rows == 0, float_precision=DIGITS)
            n_rows += n_piece
    return n_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--gib", type=float, default=1.0, help="size of the file")
    parser.add_argument("--numbers", type=int, default=300, help="columns of numbers")
    parser.add_argument("--labels", type=int, default=10)
    parser.add_argument("--words", type=int, default=5, help="words of the text")
    told = parser.parse_args()
    n_rows = make(told.path, told.gib * 2**30, told.numbers, told.labels, told.words)
    print(f"{n_rows} rows, {told.path.stat().st_size / 2**30:.2f} GiB in {told.path}")


if __name__ == "__main__":
    main()
