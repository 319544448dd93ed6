"""Labels that imply others, as arrays with one line per label, for many rows at a time; targets that they complete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

import numpy as np

from manyhot import validation
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.errors import InputError

BLOCK_ENTRIES = 1 << 24  # entries of targets that are completed at once


class Hierarchy:
    """Who implies whom.

    Args:
        pairs: Columns (child, parent).
        names: The names of the l labels.
        argument: What a circle is blamed on.

    Raises:
        InputError: Pairs in a circle.
    """

    def __init__(self, pairs: Sequence[tuple[int, int]], names: tuple[str, ...], argument: str = "implies") -> None:
        self.pairs, self.names, self._argument = list(pairs), names, argument
        self.parents: dict[int, list[int]] = {}
        children: dict[int, list[int]] = {}
        for child, parent in pairs:
            self.parents.setdefault(child, []).append(parent)
            children.setdefault(parent, []).append(child)
        self.height = _compute_heights(children, names, argument)
        edges = np.array(pairs, dtype=np.intp).reshape(-1, 2)
        edges = edges[np.argsort(self.height[edges[:, 1]], kind="stable")]
        ends = np.flatnonzero(np.diff(self.height[edges[:, 1]])) + 1
        self._levels = [_group_by_parent(level) for level in np.split(edges, ends) if len(level)]
        self._edges = _group_by_parent(edges) if len(edges) else None

    @property
    def levels(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """Children and parents of all pairs, int32 (e,) each, the lowest parents first: what the engine takes."""
        return tuple(
            (children.astype(np.int32), np.repeat(parents, np.diff(starts, append=len(children))).astype(np.int32))
            for children, starts, parents in self._levels
        )

    @property
    def root(self) -> int | None:
        """The label that all others imply; None where there is none."""
        tops = [j for j in range(len(self.names)) if j not in self.parents]
        return tops[0] if len(tops) == 1 and len(self.names) > 1 else None

    def propagate(self, values: np.ndarray) -> np.ndarray:
        """Each label's value raised to the highest of those that imply it; the array (l, r) itself, changed."""
        for children, starts, parents in self._levels:
            child_values = np.maximum.reduceat(values[children], starts, axis=0)
            values[parents] = np.maximum(values[parents], child_values)
        return values

    def raise_ancestors(self, values: np.ndarray) -> np.ndarray:
        """The same of values (..., l) with the label axis last, bool or numbers; a new array."""
        lines = np.array(values.reshape(-1, values.shape[-1]).T, order="C")
        return np.ascontiguousarray(self.propagate(lines).T).reshape(values.shape)

    def leaves(self, selected: np.ndarray) -> np.ndarray:
        """Those taken, bool (l, r), that no other label taken implies; a new array."""
        leaves = selected.copy()
        if self._edges is not None:
            children, starts, parents = self._edges
            leaves[parents] &= ~np.maximum.reduceat(selected[children], starts, axis=0)
        return leaves

    @cached_property
    def reversed(self) -> Hierarchy:
        """The hierarchy in which parents imply their children."""
        return Hierarchy([(parent, child) for child, parent in self.pairs], self.names, self._argument)


def bind_taxonomy(pairs: Sequence[tuple[str, str]], space: LabelSpace) -> Hierarchy | None:
    """The hierarchy of a taxonomy's pairs (child, parent) on the columns of a label space; None without pairs.

    Raises:
        InputError: A label that is not in the space, or pairs in a circle.
    """
    if not pairs:
        return None
    columns = [(child, parent) for child, parent in find_columns(pairs, space, "taxonomy")]
    return Hierarchy(sorted(columns), space.names, "taxonomy")


def find_columns(groups: Sequence[Sequence[str]], space: LabelSpace, argument: str) -> list[tuple[int, ...]]:
    """The columns of groups of label names; `InputError` with a suggestion for a name that is not there."""
    column = {name: j for j, name in enumerate(space.names)}
    for name in (name for group in groups for name in group):
        if name not in column:
            hint = validation.did_you_mean(name, space.names)
            raise InputError(f"there is no label {validation.shorten(name)}{hint}", argument=argument)
    return [tuple(column[name] for name in group) for group in groups]


@dataclass(frozen=True)
class Completion:
    """How many entries of targets a taxonomy settled."""

    n_rows: int = 0  # rows, or pixels, with an entry of the next kind
    n_changed: int = 0  # recorded as no, though a descendant holds
    n_yes: int = 0  # unknown, and a descendant holds
    n_no: int = 0  # unknown, and an ancestor does not hold

    def __add__(self, other: Completion) -> Completion:
        return Completion(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def notes(self) -> tuple[str, ...]:
        """What a report says of it, in one sentence or none."""
        parts = []
        if self.n_changed:
            parts.append(
                f"{self.n_changed} recorded as no, in {self.n_rows} row{'s' * (self.n_rows > 1)}, became yes because a "
                "label below holds"
            )
        if self.n_yes:
            parts.append(f"{self.n_yes} unknown became yes because a label below holds")
        if self.n_no:
            parts.append(f"{self.n_no} unknown became no because a label above does not hold")
        return (f"Entries of the targets that the taxonomy completed: {'; '.join(parts)}.",) if parts else ()


def complete_targets(targets: Targets, hierarchy: Hierarchy | None) -> tuple[Targets, Completion]:
    """Complete targets by a taxonomy, and count what that changed.

    Args:
        targets: (n, l), or deeper with the label axis last.
        hierarchy: Who implies whom; None changes nothing.

    Returns:
        Targets in which every ancestor of a label that holds is known to hold, and every descendant of one that is
        known not to hold is known not to hold; and the numbers of entries that this took.
    """
    if hierarchy is None:
        return targets, Completion()
    width = targets.n_labels
    values = targets.values.reshape(-1, width)
    known = None if targets.known is None else targets.known.reshape(-1, width)
    new_values, new_known = np.empty_like(values), None if known is None else np.empty_like(known)
    completion = Completion()
    step = max(1, BLOCK_ENTRIES // width)
    for first in range(0, len(values), step):
        part = slice(first, first + step)
        new_values[part] = holds = hierarchy.raise_ancestors(values[part])
        is_changed, n_yes, n_no = holds & ~values[part], 0, 0
        if known is not None and new_known is not None:
            is_known = known[part]
            is_denied = hierarchy.reversed.raise_ancestors(is_known & ~holds) & ~is_known
            n_yes, n_no = int((holds & ~is_known).sum()), int(is_denied.sum())
            is_changed &= is_known
            new_known[part] = is_known | holds | is_denied
        completion += Completion(int(is_changed.any(axis=1).sum()), int(is_changed.sum()), n_yes, n_no)
    if completion == Completion():
        return targets, completion
    shape = targets.values.shape
    completed_known = None if new_known is None else new_known.reshape(shape)
    return Targets(new_values.reshape(shape), completed_known, targets.notes), completion


def _group_by_parent(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Children sorted by parent, where each parent's begin, and the parents; for edges (e, 2), e > 0."""
    edges = edges[np.argsort(edges[:, 1], kind="stable")]
    parents, starts = np.unique(edges[:, 1], return_index=True)
    return edges[:, 0], starts, parents


def _compute_heights(children: dict[int, list[int]], names: tuple[str, ...], argument: str) -> np.ndarray:
    """The longest way down from each label, int (l,); a circle is refused."""
    height = np.zeros(len(names), dtype=np.intp)
    try:
        for label in TopologicalSorter(children).static_order():  # children before their parents
            height[label] = max((height[child] + 1 for child in children.get(label, ())), default=0)
    except CycleError as error:
        circle = error.args[1][:-1]
        first = circle.index(min(circle))
        way = " > ".join(names[j] for j in (*circle[first:], *circle[: first + 1]))
        kind = "implications go" if argument == "implies" else f"the {argument} goes"
        raise InputError(
            f"{kind} in a circle: {validation.shorten(way)}; leave one pair of them out", argument=argument
        ) from None
    return height
