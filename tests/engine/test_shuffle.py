"""Each epoch's order is a permutation of a member's rows, drawn evenly, whatever the padding."""

import numpy as np
import pytest

from manyhot.backend import jax
from manyhot.engine import epoch_loop
from manyhot.engine.state import Rows


def orders(n_rows: int, padded: int, n_epochs: int, seed: int = 3) -> np.ndarray:
    """(n_epochs, n_rows): the real rows in the order of each epoch."""
    padding = (0, padded - n_rows)
    train = jax.numpy.asarray(np.pad(np.arange(n_rows, dtype=np.int32) + 5, padding))
    rows = Rows(train, np.int32(n_rows), None, None, None)
    key = jax.numpy.asarray(np.random.SeedSequence(seed).generate_state(2, np.uint32))
    shuffled = jax.jit(jax.vmap(lambda epoch: epoch_loop._shuffle(key, epoch, rows, 4)))
    found = np.asarray(shuffled(np.arange(n_epochs)))
    assert (found[:, padded:] == 0).all()
    return found[:, :n_rows]


@pytest.mark.slow
@pytest.mark.parametrize("places", [epoch_loop.MAX_PACKED_ROWS, 16], ids=["packed", "pairs"])
def test_it_is_a_permutation_that_padding_does_not_change(places, monkeypatch):
    monkeypatch.setattr(epoch_loop, "MAX_PACKED_ROWS", places)
    exact, padded = orders(50, 50, 20), orders(50, 64, 20)
    np.testing.assert_array_equal(exact, padded)
    np.testing.assert_array_equal(np.sort(exact, axis=1), np.tile(np.arange(50) + 5, (20, 1)))
    assert len(np.unique(exact, axis=0)) == 20


def test_every_row_is_in_every_place_equally_often():
    n, times = 20, 20_000
    found = orders(n, 32, times) - 5
    counts = np.stack([np.bincount(column, minlength=n) for column in found.T])
    expected = times / n
    chi2 = ((counts - expected) ** 2 / expected).sum()
    freedom = (n - 1) ** 2
    assert abs(chi2 - freedom) < 5 * np.sqrt(2 * freedom)
    first_before_second = (np.argsort(found, axis=1)[:, 0] < np.argsort(found, axis=1)[:, 1]).mean()
    assert abs(first_before_second - 0.5) < 5 * 0.5 / np.sqrt(times)


def test_as_many_rows_as_places_are_still_all_there():
    found = orders(epoch_loop.MAX_PACKED_ROWS, epoch_loop.MAX_PACKED_ROWS, 1)
    assert len(np.unique(found)) == epoch_loop.MAX_PACKED_ROWS
