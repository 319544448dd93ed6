"""Rows on disk come back as they were, and every row is dealt out once in each pass."""

import numpy as np
import pytest
import scipy.sparse as sp

from manyhot.data.shards import SHARDS, Encoded, Shards, WindowAssignment, concatenate
from manyhot.data.targets import Targets


def encoded(n_rows: int, seed: int, is_unknown: bool = False) -> Encoded:
    generator = np.random.default_rng(seed)
    dense = generator.normal(size=(n_rows, 3)).astype(np.float32)
    sparse = sp.random(n_rows, 50, 0.1, "csr", np.float32, random_state=seed)
    known = generator.random((n_rows, 2)) > 0.5 if is_unknown else None
    return Encoded({"features": dense, "text": sparse}, Targets(generator.random((n_rows, 2)) > 0.5, known))


def test_ranges_are_what_was_written(tmp_path):
    parts = [encoded(n, seed, is_unknown=seed > 1) for seed, n in enumerate([7, 0, 20, 1, 30])]
    whole = concatenate(parts)
    with Shards(tmp_path) as shards:
        for part in parts:
            shards.append(part)
        assert shards.n_rows == 58
        assert shards.has_unknown
        for low, high in [(0, 58), (0, 1), (6, 9), (57, 58), (20, 50)]:
            found = shards.read(low, high)
            np.testing.assert_array_equal(found.blocks["features"], whole.blocks["features"][low:high])
            np.testing.assert_array_equal(found.blocks["text"].toarray(), whole.blocks["text"][low:high].toarray())
            np.testing.assert_array_equal(found.targets.values, whole.targets.values[low:high])
            np.testing.assert_array_equal(found.targets.known_mask(), whole.targets.known_mask()[low:high])
            assert shards.n_entries("text", low, high) == whole.blocks["text"][low:high].nnz
        np.testing.assert_array_equal(shards.entry_counts("text"), np.diff(whole.blocks["text"].indptr))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("n_rows", "n_windows"), [(1000, 1), (1000, 3), (5000, 17), (200, 6)])
def test_every_row_once_a_pass_in_windows_of_nearly_one_size(n_rows, n_windows):
    deal = WindowAssignment(n_rows, n_windows, seed=5)
    passes = []
    for number in range(3):
        windows = [
            np.concatenate([np.arange(*span) for span in deal.ranges(number, window)]) for window in range(n_windows)
        ]
        np.testing.assert_array_equal(np.sort(np.concatenate(windows)), np.arange(n_rows))
        least, most = deal.sizes()
        assert all(least <= len(window) <= most for window in windows)
        assert most - least <= SHARDS
        passes.append(np.concatenate(windows))
    assert n_windows == 1 or not np.array_equal(passes[0], passes[1])
