"""Requests are scored together, each gets its own, and none is lost."""

import asyncio
import threading
import time

import numpy as np
import pytest
import scipy.sparse as sp

from manyhot.errors import InputError
from manyhot.serving.batching import Batches


class Slow:
    """Doubles numbers, and notes how many rows came at once."""

    def __init__(self, seconds=0.0):
        self.seconds, self.sizes, self.threads = seconds, [], set()

    def __call__(self, blocks):
        (block,) = blocks.values()
        self.sizes.append(block.shape[0])
        self.threads.add(threading.current_thread().name)
        time.sleep(self.seconds)
        dense = block.toarray() if sp.issparse(block) else block
        if (dense < 0).any():
            raise ValueError("a negative number")
        return dense * 2, dense > 0


def row(k, n=1):
    return {"features": np.full((n, 2), float(k))}


async def submit_all(batches, numbers):
    return await asyncio.gather(*(batches.submit(row(k), 1) for k in numbers), return_exceptions=True)


def test_everybody_gets_what_is_theirs_and_few_batches_are_made():
    score = Slow(0.01)
    batches = Batches(score, 16)
    found = asyncio.run(submit_all(batches, range(40)))
    batches.close()
    assert [double[0, 0] for double, _ in found] == [2.0 * k for k in range(40)]
    assert sum(score.sizes) == 40
    assert max(score.sizes) == 16
    assert len(score.sizes) <= 5
    assert score.threads == {"manyhot batches_0"}


def test_several_are_scored_at_once_by_who_has_them_in_hand():
    score = Slow()
    batches = Batches(score, 16)
    found = batches.score_together([(row(k, 2), 2) for k in range(4)])
    batches.close()
    assert [double.tolist() for double, _ in found] == [[[2.0 * k] * 2] * 2 for k in range(4)]
    assert score.sizes == [8]
    assert score.threads == {"MainThread"}


@pytest.mark.parametrize("is_together", [True, False])
def test_one_that_fails_takes_no_other_with_it(is_together):
    batches = Batches(Slow(), 16)
    numbers = [1, 2, -3, 4]
    found = (
        batches.score_together([(row(k), 1) for k in numbers])
        if is_together
        else asyncio.run(submit_all(batches, numbers))
    )
    batches.close()
    assert isinstance(found[2], ValueError)
    assert [found[k][0][0, 0] for k in (0, 1, 3)] == [2.0, 4.0, 8.0]


def test_quick_ones_are_scored_on_the_loop_once_no_more_come():
    """A turn of the loop may bring further requests; those are awaited, but no more than fit a batch."""
    score = Slow()
    batches = Batches(score, 16)
    batches.is_quick = True

    async def later(k):
        for _ in range(k // 5):  # five come in each turn
            await asyncio.sleep(0)
        return await batches.submit(row(k), 1)

    async def ask():
        return await asyncio.gather(*(later(k) for k in range(40)))

    found = asyncio.run(ask())
    batches.close()
    assert [double[0, 0] for double, _ in found] == [2.0 * k for k in range(40)]
    assert max(score.sizes) == 16
    assert len(score.sizes) <= 4
    assert score.threads == {"MainThread"}


def test_sparse_rows_are_joined():
    batches = Batches(Slow(), 16)
    rows = [{"features": sp.csr_matrix(np.array([[0.0, k]]))} for k in range(1, 5)]

    async def ask():
        return await asyncio.gather(*(batches.submit(one, 1) for one in rows))

    found = asyncio.run(ask())
    batches.close()
    assert [double.tolist() for double, _ in found] == [[[0.0, 2.0 * k]] for k in range(1, 5)]


def test_what_nobody_waits_for_is_not_computed():
    score = Slow(0.05)
    batches = Batches(score, 1)

    async def ask():
        found = [batches.submit(row(k), 1) for k in range(6)]
        for future in found[2:]:
            future.cancel()
        await asyncio.gather(*found[:2])

    asyncio.run(ask())
    batches.close()
    assert sum(score.sizes) == 2


def test_closing_finishes_what_waits():
    score = Slow(0.02)
    batches = Batches(score, 2)
    found = []
    threads = [
        threading.Thread(target=lambda k=k: found.append(batches.submit_and_wait(row(k), 1, 10)[0][0, 0]))
        for k in range(8)
    ]
    for thread in threads:
        thread.start()
    while sum(score.sizes) + batches.n_waiting < 8:
        time.sleep(0.001)
    batches.close()
    for thread in threads:
        thread.join()
    assert sorted(found) == [2.0 * k for k in range(8)]


def test_who_waits_too_long_is_told():
    batches = Batches(Slow(0.3), 2)
    with pytest.raises(TimeoutError):
        batches.submit_and_wait(row(1), 1, 0.01)
    batches.close()


def test_more_rows_than_fit_are_a_mistake_of_ours():
    batches = Batches(Slow(), 2)
    with pytest.raises(ValueError, match="3 rows, at most 2"):
        batches.submit_and_wait(row(1, 3), 3, 1)
    batches.close()


def test_a_panic_of_a_library_in_rust_reaches_who_asked_and_nobody_else():
    panic = type("PanicException", (BaseException,), {})

    def score(blocks):
        (block,) = blocks.values()
        if (block == 3).any():
            raise panic("index out of bounds")
        return (block,)

    batches = Batches(score, 16)
    found = asyncio.run(asyncio.wait_for(submit_all(batches, range(5)), 20))
    batches.is_quick = True
    found += asyncio.run(asyncio.wait_for(submit_all(batches, range(5)), 20))
    batches.close()
    assert [isinstance(one, InputError) for one in found] == [k % 5 == 3 for k in range(10)]
    assert "index out of bounds" in str(found[3])
