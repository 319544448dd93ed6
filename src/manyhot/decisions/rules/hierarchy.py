"""Implications and exclusive groups as arrays, for many rows at a time.

This is the machinery under rules.py: who lies above whom, which groups are settled, which labels can still be added.
It knows columns, and names only for its errors; it decides nothing. Start reading at `Hierarchy.closed`.

A block of rows is turned so that labels come first: arrays (l, r), one line per label. Loops go over levels of the
hierarchy and over groups, never over rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from manyhot import validation
from manyhot.errors import InputError

MAX_MEMBERSHIPS = 5_000_000
"""Most pairs of a label and a group member that it is or implies; real hierarchies have a few for each label."""


class Hierarchy:
    """Who implies whom.

    Attributes:
        parents: Label -> the labels that it implies directly.
        height: int (l,), the longest way down: 0 for a label that no other implies.
    """

    def __init__(self, pairs: Sequence[tuple[int, int]], names: tuple[str, ...]) -> None:
        self.parents: dict[int, list[int]] = {}
        children: dict[int, list[int]] = {}
        for child, parent in pairs:
            self.parents.setdefault(child, []).append(parent)
            children.setdefault(parent, []).append(child)
        self.height = _heights(children, self.parents, names)
        edges = np.array([(child, parent) for parent, found in children.items() for child in found], dtype=np.intp)
        edges = edges.reshape(-1, 2)
        edges = edges[np.argsort(self.height[edges[:, 1]], kind="stable")]
        ends = np.flatnonzero(np.diff(self.height[edges[:, 1]])) + 1
        self._levels = [_by_parent(level) for level in np.split(edges, ends) if len(level)]
        self._all = _by_parent(edges) if len(edges) else None

    def closed(self, values: np.ndarray) -> np.ndarray:
        """Each label's value raised to the highest of those that imply it; the array (l, r) itself, changed."""
        for children, starts, parents in self._levels:
            below = np.maximum.reduceat(values[children], starts, axis=0)
            values[parents] = np.maximum(values[parents], below)
        return values

    def ends(self, taken: np.ndarray) -> np.ndarray:
        """Those taken, bool (l, r), that no other label taken implies; a new array."""
        ends = taken.copy()
        if self._all is not None:
            children, starts, parents = self._all
            ends[parents] &= ~np.maximum.reduceat(taken[children], starts, axis=0)
        return ends


class Groups:
    """Exclusive groups, and which labels have to do with them.

    A label's *members* are the group members that it is or implies: at most one of each group, which is checked here.
    """

    def __init__(self, groups: Sequence[tuple[int, ...]], hierarchy: Hierarchy, names: tuple[str, ...]) -> None:
        self.n_groups = len(groups)
        self._members = np.array(sorted({j for group in groups for j in group}), dtype=np.intp)
        reached = _reached(self._members, hierarchy, len(names))
        self._labels = np.array(sorted(reached), dtype=np.intp)
        self._reach = _incidence([sorted(reached[j]) for j in self._labels], len(self._members))
        place = {j: k for k, j in enumerate(self._members.tolist())}
        of_group = _incidence([[place[j] for j in group] for group in groups], len(self._members))
        of_label = sp.csr_array(self._reach @ of_group.T)
        self._check(of_label, groups, hierarchy.height, names)
        self._of_group = of_group
        self._of_label = of_label
        self._n_of_label = np.asarray(of_label.sum(axis=1)).reshape(-1, 1)
        self._weighted = self._reach.copy()  # with the number of its groups for each member
        self._weighted.data = np.bincount(of_group.indices).astype(np.int32)[self._reach.indices]

    def broken(self, taken: np.ndarray) -> np.ndarray:
        """The rows of taken, bool (l, r), that have two labels of one group."""
        return np.flatnonzero((self._of_group @ taken[self._members] > 1).any(axis=0))

    def barred(self, taken: np.ndarray) -> np.ndarray:
        """Which labels cannot be added to those taken, bool (l, r), because of a group; bool (l, r)."""
        barred = np.zeros(taken.shape, dtype=bool)
        settled, agreeing = self._standing(taken[self._members])
        barred[self._labels] = settled > agreeing
        return barred

    def kept(self, margins: np.ndarray) -> np.ndarray:
        """The wanted labels (l, r) that step 1 of `rules.BoundRules` takes, without those they imply; bool.

        Only a label with a group that is not settled can stand in another's way. Each round takes the strongest such
        label of each row, so there are no more rounds than groups; those left at the end stand in nobody's way.
        """
        ours = margins[self._labels]
        taken = np.zeros((len(self._members), ours.shape[1]), dtype=bool)
        rows = np.arange(ours.shape[1])
        while rows.size:
            settled, agreeing = self._standing(taken[:, rows])
            can = (ours[:, rows] >= 0) & (settled == agreeing) & (settled < self._n_of_label)
            is_open = can.any(axis=0)
            rows, can = rows[is_open], can[:, is_open]
            taken[:, rows] |= self._reach[highest(ours[:, rows], can)].toarray().T.astype(bool)
        settled, agreeing = self._standing(taken)
        kept = margins >= 0
        kept[self._labels] &= settled == agreeing
        return kept

    def _standing(self, taken: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each label with members, how many of its groups are settled, and how many of them in its favour."""
        return self._of_label @ (self._of_group @ taken), self._weighted @ taken

    def _check(
        self, of_label: sp.csr_array, groups: Sequence[tuple[int, ...]], height: np.ndarray, names: tuple[str, ...]
    ) -> None:
        counts = of_label.tocoo()
        wrong = np.flatnonzero(counts.data > 1)
        if not wrong.size:
            return
        place = wrong[np.argmax(height[self._labels[counts.row[wrong]]])]
        k, group = counts.row[place], groups[counts.col[place]]
        label = int(self._labels[k])
        # the label itself comes first, if it is one of them
        both = sorted(set(group) & set(self._members[self._reach[[k]].indices].tolist()), key=lambda j: (j != label, j))
        first, second = names[both[0]], names[both[1]]
        implied = repr(second) if both[0] == label else f"both {first!r} and {second!r}"
        raise InputError(
            f"{first!r} and {second!r} exclude each other, but {names[label]!r} implies {implied}, so it could never "
            "be answered; take one of them out of the group, or leave out an implication",
            argument="exclusive",
        )


def highest(margins: np.ndarray, among: np.ndarray) -> np.ndarray:
    """For each column, the first line of those marked that has the highest margin; int (r,)."""
    top = np.where(among, margins, -np.inf).max(axis=0)
    return (among & (margins >= top)).argmax(axis=0)


def _incidence(lines: Sequence[Sequence[int]], width: int) -> sp.csr_array:
    """A matrix of 0 and 1, int32 (lines, width), with ones at the numbers listed in each line."""
    starts = np.cumsum([0, *(len(line) for line in lines)])
    ones = np.ones(starts[-1], dtype=np.int32)
    columns = np.fromiter(itertools.chain.from_iterable(lines), dtype=np.int64, count=len(ones))
    return sp.csr_array((ones, columns, starts), shape=(len(lines), width))


def _by_parent(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Children sorted by parent, where each parent's begin, and the parents; for edges (e, 2), e > 0."""
    edges = edges[np.argsort(edges[:, 1], kind="stable")]
    parents, starts = np.unique(edges[:, 1], return_index=True)
    return edges[:, 0], starts, parents


def _heights(children: dict[int, list[int]], parents: dict[int, list[int]], names: tuple[str, ...]) -> np.ndarray:
    """The longest way down from each label, int (l,); a circle is refused."""
    height = np.zeros(len(names), dtype=np.intp)
    waiting = {parent: len(found) for parent, found in children.items()}
    ready = [child for child in parents if child not in children]
    while ready:
        child = ready.pop()
        for parent in parents.get(child, ()):
            height[parent] = max(height[parent], height[child] + 1)
            waiting[parent] -= 1
            if not waiting[parent]:
                del waiting[parent]
                ready.append(parent)
    if waiting:  # each label left has a child that is left too: going down must come back
        way: dict[int, int] = {}
        label = min(waiting)
        while label not in way:
            way[label] = len(way)
            label = min(child for child in children[label] if child in waiting)
        circle = [names[j] for j in (label, *reversed(list(way)[way[label] :]))]
        raise InputError(
            f"implications go in a circle: {validation.shown(' > '.join(circle))}; leave one of them out",
            argument="implies",
        )
    return height


def _reached(members: np.ndarray, hierarchy: Hierarchy, n_labels: int) -> dict[int, frozenset[int]]:
    """Label -> places among the group members that it is or implies; labels without any are left out."""
    place = {j: k for k, j in enumerate(members.tolist())}
    reached: dict[int, frozenset[int]] = {}
    n_pairs = 0
    for j in np.argsort(-hierarchy.height, kind="stable").tolist():  # parents before their children
        above = [reached[parent] for parent in hierarchy.parents.get(j, ()) if parent in reached]
        if j in place:
            above.append(frozenset([place[j]]))
        if above:
            reached[j] = above[0] if len(above) == 1 else frozenset().union(*above)
            n_pairs += len(reached[j])
            if n_pairs > MAX_MEMBERSHIPS:
                raise InputError(
                    f"too many labels of groups are implied: more than {MAX_MEMBERSHIPS:,} pairs of a label and a "
                    "group's label above it; make the groups or the hierarchy smaller",
                    argument="exclusive",
                )
    return reached
