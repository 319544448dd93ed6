"""Folds that keep every label's frequency, also where some targets are unknown.

Iterative stratification: the label with the fewest rows left is handed out first, each of its rows to the fold that
lacks it most. Nothing here knows about networks or measures. Start reading at `stratified_folds`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from manyhot.errors import InputError
from manyhot.labels import Targets


def stratified_folds(targets: Targets, n_folds: int, seed: int) -> np.ndarray:
    """A fold for every row, such that each label's positives are spread evenly.

    Args:
        targets: Targets (n, l); unknown entries count for no label.
        n_folds: Number of folds, 2 or more.
        seed: Start of the draws that settle ties and the order of rows.

    Returns:
        int32 (n,), folds 0 to n_folds - 1. Sizes differ by little more than the labels demand.

    Source:
        Sechidis, Tsoumakas, Vlahavas (ECML PKDD 2011), algorithm 1. Here a tie between folds goes to the fold with
        the most room, then to a drawn one; rows without any positive fill the folds up at the end.
    """
    generator = np.random.default_rng([seed, 0x5F1D])
    n = targets.n_samples
    order = generator.permutation(n)
    values = np.asarray(targets.values.reshape(n, -1, targets.n_labels).any(axis=1))[order]
    rows_of = [np.flatnonzero(column) for column in values.T]
    labels_of = np.split(np.nonzero(values)[1], np.cumsum(values.sum(axis=1))[:-1]) if n else []
    left = values.sum(axis=0).astype(np.int64)
    wanted = np.repeat(left[:, None] / n_folds, n_folds, axis=1)
    room = np.full(n_folds, n / n_folds)
    preference = generator.random(n_folds) * 1e-6
    folds = np.full(n, -1, dtype=np.int32)
    open_labels = left > 0
    while open_labels.any():
        candidates = np.flatnonzero(open_labels)
        label = candidates[np.argmin(left[candidates])]
        for row in rows_of[label]:
            if folds[row] >= 0:
                continue
            fold = _neediest(wanted[label], room, preference)
            folds[row] = fold
            wanted[labels_of[row], fold] -= 1
            left[labels_of[row]] -= 1
            room[fold] -= 1
            preference = np.roll(preference, 1)
        open_labels = left > 0
    for row in np.flatnonzero(folds < 0):
        fold = int(np.argmax(room + preference))
        folds[row] = fold
        room[fold] -= 1
        preference = np.roll(preference, 1)
    result = np.empty(n, dtype=np.int32)
    result[order] = folds
    return result


def _neediest(wanted: np.ndarray, room: np.ndarray, preference: np.ndarray) -> int:
    most = wanted.max()
    tied = np.flatnonzero(wanted >= most - 1e-9)
    return int(tied[0]) if tied.size == 1 else int(tied[np.argmax(room[tied] + preference[tied])])


class MemberRows(NamedTuple):
    """Which rows one member uses; int64 index arrays that share no row.

    Attributes:
        train: Rows the weights are fitted on.
        stop: Rows that decide when to stop; empty when nothing stops early.
        held: Rows the member is scored on.
    """

    train: np.ndarray
    stop: np.ndarray
    held: np.ndarray


def cross_fitting(
    targets: Targets, n_members: int, n_folds: int, stop_share: int | None, seed: int
) -> list[MemberRows]:
    """The rows of each member, so that nothing a member has learned from comes back when it is scored.

    The members go through the folds of one stratified split after another; each is scored on its fold. With fewer
    members than folds there are as many folds as members. One member is scored on a tenth of the rows.

    Args:
        targets: Targets (n, ..., l).
        n_members: 1 or more.
        n_folds: 2 or more.
        stop_share: One in this many of the rows outside the fold decides about stopping; None for no such rows.
        seed: Start of all draws.

    Raises:
        InputError: Fewer rows than folds.
    """
    n = targets.n_samples
    n_parts = 10 if n_members == 1 else min(n_folds, n_members)
    if n < n_parts:
        raise InputError(
            f"n_samples={n}: {n} different rows are fewer than {n_parts} folds; more rows are needed, or fewer folds "
            "(folds=2 is the least)"
        )
    everything = np.arange(n)
    members: list[MemberRows] = []
    folds = slices = np.zeros(n, dtype=np.int32)
    for k in range(n_members):
        repeat, fold = divmod(k, n_parts)
        if fold == 0:
            folds = stratified_folds(targets, n_parts, _seed(seed, repeat, 0))
            if stop_share is not None:
                slices = stratified_folds(targets, stop_share, _seed(seed, repeat, 1))
        held = folds == fold
        stops = np.zeros(n, dtype=bool)
        if stop_share is not None:
            stops = ~held & (slices == k % stop_share)
            if not stops.any():
                stops[np.flatnonzero(~held)[:1]] = True
        train = ~held & ~stops
        if not train.any():
            raise InputError(f"n_samples={n}: too few different rows to train on, stop on and be scored on")
        members.append(MemberRows(everything[train], everything[stops], everything[held]))
    return members


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
