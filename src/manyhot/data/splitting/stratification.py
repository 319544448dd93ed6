"""Rows into parts of given shares, such that every label is spread over the parts as evenly as they are sized."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np
import scipy.sparse as sp

from manyhot.errors import InputError

# What the swaps may cost. More passes give more even parts, in proportion to the time that they take.
MAX_PASSES = 5
MAX_MISSES = 1  # fruitless tries in a row before the next two parts are looked at
MAX_PARTS_TO_SWAP = 100
N_REPAIRS = 4
REACH = 4  # units of each side that are tried with each other while a label lacks somewhere
# How much things count, where one positive of a label counts 1 / (positives of the label).
REPAIR_WEIGHT = 10.0
OTHERS_WEIGHT = 0.1
SIZE_WEIGHT = 10.0


def stratified_parts(
    positives: sp.csr_matrix,
    shares: Sequence[float],  # of the rows in each part, 1 in sum
    seed: int,
    groups: np.ndarray | None = None,
    others: sp.csr_matrix | None = None,  # further marks to spread, with a tenth of the weight of a label
) -> np.ndarray:
    """A part for every row, such that each label's positives are spread as the shares say."""
    # Source: Sechidis, Tsoumakas, Vlahavas (ECML PKDD 2011), algorithm 1, for the greedy pass. Here a full part takes
    # no more rows, groups go biggest count first, and swaps lower the sum of (positives - wanted)^2 / positives.
    positives = _count_matrix(positives)
    n = positives.shape[0]
    share = np.asarray(shares, dtype=np.float64)
    if share.ndim != 1 or not len(share) or not (share > 0).all() or abs(share.sum() - 1) > 1e-9:
        raise InputError("shares are numbers above 0 that sum to 1", argument="shares")
    if n == 0:
        return np.zeros(0, dtype=np.int32)
    generator = np.random.default_rng([seed, 0x5F1D])
    codes = np.arange(n) if groups is None else group_codes(groups, n)
    order = generator.permutation(int(codes.max()) + 1)
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    codes = position[codes]
    gather = sp.csr_matrix((np.ones(n, np.int64), (codes, np.arange(n))), shape=(len(order), n))
    units = (gather @ positives).tocsr()
    units.sort_indices()
    sizes = np.bincount(codes, minlength=len(order))
    target_counts = _wanted_counts(np.asarray(units.sum(axis=0)).ravel(), share)
    part_sizes = _round_sizes(n, share, generator)
    parts = _greedy(units, sizes, target_counts, part_sizes, generator)
    columns, weights, aims = [units], [_weights(units)], [target_counts]
    if others is not None and others.nnz:
        marks = (gather @ _count_matrix(others)).tocsr()
        columns.append(marks)
        weights.append(OTHERS_WEIGHT * _weights(marks))
        aims.append(np.asarray(marks.sum(axis=0)).reshape(-1, 1) * share)
    if groups is not None:
        columns.append(sp.csr_matrix(sizes[:, None]))
        weights.append(np.array([SIZE_WEIGHT / n]))
        aims.append(part_sizes[None, :].astype(np.float64))
    table = sp.hstack(columns, format="csr").astype(np.float64)
    _repair(table, units, parts, np.concatenate(aims), np.concatenate(weights), groups is not None, generator)
    _fill_empty(parts, sizes, len(share))
    return parts[codes].astype(np.int32)


def group_codes(groups: Any, n: int) -> np.ndarray:
    """Groups -> int64 (n,), numbered in the order in which they first appear."""
    values = np.asarray(groups)
    if values.shape != (n,):
        raise InputError(f"got shape {values.shape}, expected one group for each of {n} rows", argument="groups")
    codes: dict[Any, int] = {}
    result = np.empty(n, dtype=np.int64)
    for row, value in enumerate(values.tolist() if values.dtype.kind not in "mM" else values):
        same = value == value
        if value is None or not isinstance(same, (bool, np.bool_)) or not same:
            raise InputError("the group is missing, expected one for every row", row=row + 1, argument="groups")
        result[row] = codes.setdefault(value, len(codes))
    return result


def _count_matrix(table: Any) -> sp.csr_matrix:
    result = sp.csr_matrix(table != 0).astype(np.int64)
    result.sum_duplicates()
    return result


def _wanted_counts(totals: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Positives that each part should get (l, k): by share, yet one or more where there are enough of them."""
    wanted = totals[:, None] * shares
    is_small = (wanted < 1) & (totals >= len(shares))[:, None]
    rest = np.where(is_small, 0, wanted - 1)
    missing = np.where(is_small, 1 - wanted, 0).sum(axis=1, keepdims=True)
    sums = rest.clip(0).sum(axis=1, keepdims=True)
    reduction = np.divide(rest.clip(0) * missing, sums, out=np.zeros_like(wanted), where=sums > 0)
    return np.where(is_small, 1.0, wanted - reduction)


def _round_sizes(n: int, shares: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Whole numbers of rows that sum to n, each its share rounded up or down; equal claims are drawn."""
    exact = n * shares
    sizes = np.floor(exact + 1e-9).astype(np.int64)
    claims = np.round(exact - sizes, 9) + generator.random(len(shares)) * 1e-9
    sizes[np.argsort(-claims)[: n - int(sizes.sum())]] += 1
    return sizes


def _weights(units: sp.csr_matrix) -> np.ndarray:
    return 1.0 / np.maximum(np.asarray(units.sum(axis=0), dtype=np.float64).ravel(), 1)


def _greedy(
    units: sp.csr_matrix,
    sizes: np.ndarray,
    target_counts: np.ndarray,
    part_sizes: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:
    """The rarest label's units first, each to the part that lacks the label most; plain lists are fastest here."""
    n_units = units.shape[0]
    starts, labels, counts = units.indptr.tolist(), units.indices.tolist(), units.data.tolist()
    columns = units.tocsc()
    needs, n_remaining, spaces = target_counts.tolist(), np.diff(columns.indptr).tolist(), part_sizes.astype(np.float64)
    spaces = (spaces + generator.random(len(spaces)) * 1e-6).tolist()
    size_of = sizes.tolist()
    open_parts = [part for part, space in enumerate(spaces) if space >= 1]
    parts = [-1] * n_units

    def place(unit: int, need: list[float]) -> None:
        nonlocal open_parts
        if len(open_parts) == len(spaces):
            part = max(zip(need, spaces, open_parts, strict=True))[2]
        else:
            part = max([(need[part], spaces[part], part) for part in open_parts])[2]
        parts[unit] = part
        spaces[part] -= size_of[unit]
        if spaces[part] < 0.5:
            open_parts = [other for other in open_parts if other != part] or list(range(len(spaces)))

    heap = [(count, label) for label, count in enumerate(n_remaining) if count]
    heapq.heapify(heap)
    while heap:
        count, label = heapq.heappop(heap)
        if count != n_remaining[label] or not count:
            continue
        begin, end = columns.indptr[label], columns.indptr[label + 1]
        by_count = np.argsort(-columns.data[begin:end], kind="stable")
        touched = set()
        for unit in columns.indices[begin:end][by_count].tolist():
            if parts[unit] >= 0:
                continue
            place(unit, needs[label])
            part = parts[unit]
            span = slice(starts[unit], starts[unit + 1])
            touched.update(labels[span])
            for other, n_marks in zip(labels[span], counts[span], strict=True):
                needs[other][part] -= n_marks
                n_remaining[other] -= 1
        for other in touched:
            heapq.heappush(heap, (n_remaining[other], other))
    for unit in np.argsort(-sizes, kind="stable").tolist():
        if parts[unit] < 0:
            place(unit, spaces)
    return np.array(parts, dtype=np.int64)


def _repair(
    table: sp.csr_matrix,
    units: sp.csr_matrix,
    parts: np.ndarray,
    target_counts: np.ndarray,
    weights: np.ndarray,
    may_move: bool,
    generator: np.random.Generator,
) -> None:
    """Even out; as long as a part lacks a label that could be everywhere, give that label more weight and repeat."""
    n_parts = target_counts.shape[1]
    if not 1 < n_parts <= MAX_PARTS_TO_SWAP:
        return
    is_enough = units.getnnz(axis=0) >= n_parts
    fewest, best = -1, parts
    for attempt in range(1 + N_REPAIRS):
        _even_out(table, parts, target_counts, weights, may_move, attempt > 0, generator)
        lacking = is_enough & ((_membership(parts, n_parts) @ units).toarray() == 0)
        if attempt == 0 or lacking.sum() < fewest:
            fewest, best = int(lacking.sum()), parts.copy()
        if fewest == 0:
            break
        weights[np.flatnonzero(lacking.any(axis=0))] *= REPAIR_WEIGHT
    parts[:] = best


def _fill_empty(parts: np.ndarray, sizes: np.ndarray, n_parts: int) -> None:
    """No part stays empty while another holds two units; the smallest such unit fills it."""
    n_units = np.bincount(parts, minlength=n_parts)
    for part in np.flatnonzero(n_units == 0):
        spare = np.flatnonzero(n_units[parts] > 1)
        if len(spare):
            unit = spare[np.argmin(sizes[spare])]
            n_units[parts[unit]] -= 1
            n_units[part] += 1
            parts[unit] = part


def _membership(parts: np.ndarray, n_parts: int) -> sp.csr_matrix:
    return sp.csr_matrix((np.ones(len(parts)), (parts, np.arange(len(parts)))), shape=(n_parts, len(parts)))


def _even_out(
    units: sp.csr_matrix,
    parts: np.ndarray,
    target_counts: np.ndarray,
    weights: np.ndarray,
    may_move: bool,
    is_thorough: bool,
    generator: np.random.Generator,
) -> None:
    """Swap units between parts (and move single ones, if they may) while that lowers the weighted squared excess."""
    # with x the excess, taking d out of part a into part b changes the sum by 2 w d (x_b - x_a + d); all units are
    # judged at once with one product, promising pairs again, because each swap changes the excess
    n_parts = target_counts.shape[1]
    unit_scores = units.power(2) @ (2 * weights)
    scale = (2 * weights).tolist()
    entries = _UnitEntries(units)
    for _ in range(MAX_PASSES):
        excess = (_membership(parts, n_parts) @ units).toarray() - target_counts.T
        pull = units @ (2 * weights[:, None] * excess.T)
        lists = excess.tolist()
        n_changes = 0
        best = []
        for part in range(n_parts):
            rows = np.flatnonzero(parts == part)
            change = pull[rows].T + (unit_scores[rows] - pull[rows, part])
            best.append(rows[np.argsort(change, axis=1, kind="stable")].astype(np.int32))
        for pair in generator.permutation(n_parts * (n_parts - 1) // 2).tolist():
            b = (1 + math.isqrt(1 + 8 * pair)) // 2
            a = pair - b * (b - 1) // 2
            outgoing, incoming = best[a][b].tolist(), best[b][a].tolist()
            tries = (
                product(outgoing[:REACH], incoming[:REACH]) if is_thorough else zip(outgoing, incoming, strict=False)
            )
            max_misses = REACH**2 if is_thorough else MAX_MISSES
            n_changes += _swap(entries, parts, (a, b), tries, max_misses, lists, scale, may_move)
        if n_changes <= 1e-5 * len(parts):
            return


def _swap(
    entries: _UnitEntries,
    parts: np.ndarray,
    pair: tuple[int, int],
    tries: Iterable[tuple[int, int]],
    max_misses: int,
    excess: list[list[float]],
    scale: list[float],
    may_move: bool,
) -> int:
    """Go down both lists of candidates, best first, until a row of misses; the number of changes made."""
    a, b = pair
    in_a, in_b = excess[a], excess[b]
    misses = n_changes = 0
    for i, j in tries:
        if parts[i] != a or parts[j] != b:
            continue
        outgoing = entries[i]
        incoming = entries[j]
        net = dict(outgoing)
        for column, count in incoming.items():
            net[column] = net.get(column, 0.0) - count
        swapped: tuple[int, ...] = (i, j)
        difference, change = net, _change(net, in_a, in_b, scale)
        if may_move:
            for single, unit in ((outgoing, i), ({column: -count for column, count in incoming.items()}, j)):
                other = _change(single, in_a, in_b, scale)
                if other < change:
                    difference, change, swapped = single, other, (unit,)
        if change >= -1e-9:
            misses += 1
            if misses > max_misses:
                break
            continue
        misses = 0
        n_changes += 1
        for column, d in difference.items():
            in_a[column] -= d
            in_b[column] += d
        for unit in swapped:
            parts[unit] = b if parts[unit] == a else a
    return n_changes


def _change(difference: dict[int, float], in_a: list[float], in_b: list[float], scale: list[float]) -> float:
    """By how much the sum of squares changes when the difference goes from a to b; below 0 is better."""
    return sum([scale[c] * d * (in_b[c] - in_a[c] + d) for c, d in difference.items() if d])


class _UnitEntries(dict[int, dict[int, float]]):
    """The stored entries of a unit, {column: count}, kept once they have been looked up."""

    def __init__(self, units: sp.csr_matrix) -> None:
        super().__init__()
        self.units = units

    def __missing__(self, unit: int) -> dict[int, float]:
        span = slice(self.units.indptr[unit], self.units.indptr[unit + 1])
        row_entries = dict(zip(self.units.indices[span].tolist(), self.units.data[span].tolist(), strict=True))
        self[unit] = row_entries
        return row_entries
