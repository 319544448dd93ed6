"""Rules between labels that decisions keep: implications, exclusive groups, how many labels a row may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from manyhot import validation
from manyhot.config.label_rules import validate_groups, validate_implications
from manyhot.data.hierarchy import Hierarchy, find_columns
from manyhot.data.labels import LabelSpace
from manyhot.decisions.rules.exclusive_groups import ExclusiveGroups, first_highest
from manyhot.errors import InputError
from manyhot.evaluation.metrics.score import blocks


@dataclass(frozen=True)
class Rules:
    """Rules about labels, by name.

    Args:
        implies: Pairs (child, parent): whoever has the child has the parent too, and all that the parent implies.
        exclusive: Groups of two or more labels, of which a row has at most one. A label may be in several groups.
        min_labels: Answers that a row gets at least, 0 or more.
        max_labels: Answers that a row gets at most, 1 or more and not below `min_labels`; None for no limit. Ancestors
            count.

    Raises:
        InputError: Anything of another form, a label that implies itself or stands twice in a group.

    Example:
        >>> import numpy as np
        >>> from manyhot.data.labels import LabelSpace
        >>> rules = Rules(implies=(("car", "vehicle"),), exclusive=(("day", "night"),))
        >>> bound = rules.bind(LabelSpace(("car", "day", "night", "vehicle")))
        >>> bound.apply(np.array([[2.0, 0.5, 1.5, -3.0]])).tolist()
        [[True, False, True, True]]
    """

    implies: tuple[tuple[str, str], ...] = ()
    exclusive: tuple[tuple[str, ...], ...] = ()
    min_labels: int = 0
    max_labels: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "implies", validate_implications(self.implies))
        object.__setattr__(self, "exclusive", validate_groups(self.exclusive))
        object.__setattr__(self, "min_labels", validation.integer(min_labels=self.min_labels, low=0))
        if self.max_labels is not None:
            object.__setattr__(self, "max_labels", validation.integer(max_labels=self.max_labels, low=1))
            if self.max_labels < self.min_labels:
                raise InputError(
                    f"got {self.max_labels}, expected at least {self.min_labels} as in 'min_labels'",
                    argument="max_labels",
                )

    @property
    def is_empty(self) -> bool:
        """Whether there is no rule at all."""
        return not (self.implies or self.exclusive or self.min_labels) and self.max_labels is None

    def bind(self, space: LabelSpace) -> BoundRules:
        """The same rules on the columns of a label space.

        Args:
            space: The names of the l labels.

        Raises:
            InputError: A name that is not in the space, implications in a circle, a label that could never be
                answered because it implies (or is) two labels of one group, or a `min_labels` beyond the labels there
                are.
        """
        return BoundRules(self, space)

    def to_spec(self) -> dict[str, Any]:
        """Everything `from_spec` needs, as plain JSON values."""
        return {
            "implies": [list(pair) for pair in self.implies],
            "exclusive": [list(group) for group in self.exclusive],
            "min_labels": self.min_labels,
            "max_labels": self.max_labels,
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """The same rules again.

        Args:
            spec: What `to_spec` gave.

        Raises:
            InputError: A part that is missing, wrong or not known here.
        """
        known = [field.name for field in fields(cls)]
        if not isinstance(spec, Mapping) or set(spec) != set(known):
            raise InputError(f"got {validation.shorten(spec)}, expected {', '.join(known)}", argument="rules")
        return cls(**spec)


class BoundRules:
    """Rules on the columns of one label space, made by `Rules.bind`; the README of decisions defines what they do."""

    # Source: our own; consistent labellings: Silla, Freitas (2011), A survey of hierarchical classification

    def __init__(self, rules: Rules, space: LabelSpace) -> None:
        self.rules = rules
        self.space = space
        if rules.min_labels > len(space):
            raise InputError(f"got {rules.min_labels}, but there are {len(space)} labels in all", argument="min_labels")
        pairs = find_columns(rules.implies, space, "implies")
        groups = sorted({tuple(sorted(group)) for group in find_columns(rules.exclusive, space, "exclusive")})
        self._hierarchy = Hierarchy(sorted((child, parent) for child, parent in pairs), space.names)
        self._groups = ExclusiveGroups(groups, self._hierarchy, space.names) if groups else None

    def apply(self, margins: np.ndarray) -> np.ndarray:
        """Margins (n, l), or deeper with the label axis last, to decisions; without rules, 0 or more means yes."""
        array = np.asarray(margins)
        width = len(self.space)
        if array.dtype.kind != "f" or array.ndim < 2 or array.shape[-1] != width:
            raise InputError(
                f"got {array.dtype} of shape {array.shape}, expected floats of shape (n, {width})", argument="margins"
            )
        rows = array.reshape(-1, width)
        decisions = np.empty(rows.shape, dtype=bool)
        for part in blocks(len(rows), width + (self._groups.n_groups if self._groups else 0)):
            if np.isnan(rows[part]).any():
                raise InputError("a margin is NaN, expected numbers or infinities", argument="margins")
            decisions[part] = self._decide(np.ascontiguousarray(rows[part].T)).T
        return decisions.reshape(array.shape)

    def _decide(self, margins: np.ndarray) -> np.ndarray:
        """All three steps for margins (l, r); bool of the same shape."""
        selected = self._hierarchy.propagate(margins >= 0)
        if self._groups is not None:
            rows = self._groups.find_conflicts(selected)
            if rows.size:
                selected[:, rows] = self._hierarchy.propagate(self._groups.resolve_conflicts(margins[:, rows]))
        self._fill(margins, selected)
        if self.rules.max_labels is not None:
            self._cut(margins, selected, self.rules.max_labels)
        return selected

    def _fill(self, margins: np.ndarray, selected: np.ndarray) -> None:
        rows = np.flatnonzero(selected.sum(axis=0) < self.rules.min_labels)
        while rows.size:
            block = selected[:, rows]
            addable = ~block if self._groups is None else ~block & ~self._groups.find_blocked(block)
            has_addable = addable.any(axis=0)
            rows, block, addable = rows[has_addable], block[:, has_addable], addable[:, has_addable]
            block[first_highest(margins[:, rows], addable), np.arange(len(rows))] = True
            block = selected[:, rows] = self._hierarchy.propagate(block)
            rows = rows[block.sum(axis=0) < self.rules.min_labels]

    def _cut(self, margins: np.ndarray, selected: np.ndarray, max_labels: int) -> None:
        rows = np.flatnonzero(selected.sum(axis=0) > max_labels)
        if not rows.size:
            return
        # Whatever lies below the max_labels-th highest margin, each label's being the highest of itself and the taken
        # labels
        # that imply it, is given back before anything else: in one go. What is left are equal ones, as a child makes
        # of its ancestors.
        propagated = self._hierarchy.propagate(np.where(selected[:, rows], margins[:, rows], -np.inf))
        row_margins = np.ascontiguousarray(propagated.T)
        limit = np.partition(row_margins, row_margins.shape[1] - max_labels, axis=1)[
            :, row_margins.shape[1] - max_labels
        ]
        selected[:, rows] &= propagated >= limit
        rows = rows[selected[:, rows].sum(axis=0) > max_labels]
        while rows.size:
            block = selected[:, rows]
            leaves = self._hierarchy.leaves(block)[::-1]
            lowest = len(block) - 1 - first_highest(-margins[::-1, rows], leaves)
            selected[lowest, rows] = False
            rows = rows[block.sum(axis=0) - 1 > max_labels]
