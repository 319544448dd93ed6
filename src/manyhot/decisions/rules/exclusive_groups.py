"""Exclusive groups as arrays (l, r), one line per label, for many rows at a time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from manyhot.data.hierarchy import Hierarchy
from manyhot.errors import InputError

# Most pairs of a label and a group member that it is or implies; real hierarchies have a few for each label
MAX_MEMBERSHIPS = 5_000_000


class ExclusiveGroups:
    """Exclusive groups; a label's members are the group members that it is or implies, at most one of each group."""

    def __init__(self, groups: Sequence[tuple[int, ...]], hierarchy: Hierarchy, names: tuple[str, ...]) -> None:
        self.n_groups = len(groups)
        self._members = np.array(sorted({j for group in groups for j in group}), dtype=np.intp)
        implied = _implied_members(self._members, hierarchy, len(names))
        self._labels = np.array(sorted(implied), dtype=np.intp)
        self._reach = _incidence([sorted(implied[j]) for j in self._labels], len(self._members))
        position = {j: k for k, j in enumerate(self._members.tolist())}
        of_group = _incidence([[position[j] for j in group] for group in groups], len(self._members))
        of_label = sp.csr_array(self._reach @ of_group.T)
        self._check(of_label, groups, hierarchy.height, names)
        self._of_group = of_group
        self._of_label = of_label
        self._n_of_label = np.asarray(of_label.sum(axis=1)).reshape(-1, 1)
        self._weighted = self._reach.copy()  # with the number of its groups for each member
        self._weighted.data = np.bincount(of_group.indices).astype(np.int32)[self._reach.indices]

    def find_conflicts(self, selected: np.ndarray) -> np.ndarray:
        """The rows of taken, bool (l, r), that have two labels of one group."""
        return np.flatnonzero((self._of_group @ selected[self._members] > 1).any(axis=0))

    def find_blocked(self, selected: np.ndarray) -> np.ndarray:
        """Which labels cannot be added to those taken, bool (l, r), because of a group; bool (l, r)."""
        blocked = np.zeros(selected.shape, dtype=bool)
        n_decided, n_won = self._group_status(selected[self._members])
        blocked[self._labels] = n_decided > n_won
        return blocked

    def resolve_conflicts(self, margins: np.ndarray) -> np.ndarray:
        """The wanted labels (l, r) that step 1 of `rules.BoundRules` takes, without those they imply; bool."""
        group_margins = margins[self._labels]
        selected = np.zeros((len(self._members), group_margins.shape[1]), dtype=bool)
        rows = np.arange(group_margins.shape[1])
        while rows.size:
            n_decided, n_won = self._group_status(selected[:, rows])
            addable = (group_margins[:, rows] >= 0) & (n_decided == n_won) & (n_decided < self._n_of_label)
            has_addable = addable.any(axis=0)
            rows, addable = rows[has_addable], addable[:, has_addable]
            selected[:, rows] |= self._reach[first_highest(group_margins[:, rows], addable)].toarray().T.astype(bool)
        n_decided, n_won = self._group_status(selected)
        mask = margins >= 0
        mask[self._labels] &= n_decided == n_won
        return mask

    def _group_status(self, selected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each label with members, how many of its groups are settled, and how many of them in its favour."""
        return self._of_label @ (self._of_group @ selected), self._weighted @ selected

    def _check(
        self, of_label: sp.csr_array, groups: Sequence[tuple[int, ...]], height: np.ndarray, names: tuple[str, ...]
    ) -> None:
        counts = of_label.tocoo()
        invalid = np.flatnonzero(counts.data > 1)
        if not invalid.size:
            return
        place = invalid[np.argmax(height[self._labels[counts.row[invalid]]])]
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


def first_highest(margins: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """For each column, the first line of those marked that has the highest margin; int (r,)."""
    top = np.where(mask, margins, -np.inf).max(axis=0)
    return (mask & (margins >= top)).argmax(axis=0)


def _incidence(lines: Sequence[Sequence[int]], width: int) -> sp.csr_array:
    """A matrix of 0 and 1, int32 (lines, width), with ones at the numbers listed in each line."""
    starts = np.cumsum([0, *(len(line) for line in lines)])
    ones = np.ones(starts[-1], dtype=np.int32)
    columns = np.fromiter(itertools.chain.from_iterable(lines), dtype=np.int64, count=len(ones))
    return sp.csr_array((ones, columns, starts), shape=(len(lines), width))


def _implied_members(members: np.ndarray, hierarchy: Hierarchy, n_labels: int) -> dict[int, frozenset[int]]:
    """Label -> places among the group members that it is or implies; labels without any are left out."""
    position = {j: k for k, j in enumerate(members.tolist())}
    implied: dict[int, frozenset[int]] = {}
    n_pairs = 0
    for j in np.argsort(-hierarchy.height, kind="stable").tolist():  # parents before their children
        member_sets = [implied[parent] for parent in hierarchy.parents.get(j, ()) if parent in implied]
        if j in position:
            member_sets.append(frozenset([position[j]]))
        if member_sets:
            implied[j] = member_sets[0] if len(member_sets) == 1 else frozenset().union(*member_sets)
            n_pairs += len(implied[j])
            if n_pairs > MAX_MEMBERSHIPS:
                raise InputError(
                    f"too many labels of groups are implied: more than {MAX_MEMBERSHIPS:,} pairs of a label and a "
                    "group's label above it; make the groups or the hierarchy smaller",
                    argument="exclusive",
                )
    return implied
