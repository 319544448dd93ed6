"""A sparse multi-label task of any size, written once so that every contender reads the same rows.

Usage: python sparse_task.py FOLDER [--rows 12800] [--features 100000] [--values 100] [--labels 20]
Every label owns as many columns as the next. A row carries one to three labels; a third of its `values` non-zeros lie
in columns of its labels and the others anywhere, all drawn uniformly, so that a batch meets new columns all the time.
Rows are scaled to length 1.
"""

import argparse
from pathlib import Path

import numpy as np
import scipy.sparse as sp


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=12_800)
    parser.add_argument("--features", type=int, default=100_000)
    parser.add_argument("--values", type=int, default=100)
    parser.add_argument("--labels", type=int, default=20)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    n = options.rows + options.rows // 4
    share = options.features // options.labels
    chosen = np.argsort(generator.random((n, options.labels)), axis=1)[:, :3]
    Y = np.zeros((n, options.labels), dtype=bool)
    n_labels = generator.integers(1, 4, n)
    for k in range(3):
        Y[n_labels > k, chosen[n_labels > k, k]] = True
    own = chosen[np.arange(n)[:, None], generator.integers(0, n_labels[:, None], (n, options.values))]
    columns = generator.integers(0, options.features, (n, options.values))
    is_own = generator.random(columns.shape) < 1 / 3
    columns[is_own] = own[is_own] * share + columns[is_own] % share
    values = generator.random(columns.size, dtype=np.float32) + 0.5
    starts = np.arange(0, columns.size + 1, options.values)
    X = sp.csr_matrix((values, columns.ravel(), starts), (n, options.features))
    X.sum_duplicates()
    lengths = np.sqrt(np.asarray(X.multiply(X).sum(axis=1))).ravel()
    X = sp.csr_matrix(sp.diags(1 / lengths) @ X, dtype=np.float32)
    for name, part in (("train", slice(0, options.rows)), ("test", slice(options.rows, n))):
        sp.save_npz(options.folder / f"{name}.npz", sp.csr_matrix(X[part]), compressed=False)
        np.save(options.folder / f"{name}_targets.npy", Y[part])


if __name__ == "__main__":
    main()
