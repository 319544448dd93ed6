"""What is known about the labels themselves: a car is a vehicle, it is never both day and night, one label at most.

Margins go in, answers that keep the rules come out. Nothing here knows about scores, thresholds, networks or files, and
no rule is ever learned. Start reading at `BoundRules`, whose docstring is the exact definition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from manyhot import validation
from manyhot.config.label_rules import checked_groups, checked_implications
from manyhot.data.labels import LabelSpace
from manyhot.decisions.rules.hierarchy import Groups, Hierarchy, highest
from manyhot.errors import InputError
from manyhot.evaluation.metrics.score import blocks


@dataclass(frozen=True)
class Rules:
    """Rules about labels, by name.

    Args:
        implies: Pairs (child, parent): whoever has the child has the parent too, and all that the parent implies.
        exclusive: Groups of two or more labels, of which a row has at most one. A label may be in several groups.
        least: Answers that a row gets at least, 0 or more.
        most: Answers that a row gets at most, 1 or more and not below `least`; None for no limit. Ancestors count.

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
    least: int = 0
    most: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "implies", checked_implications(self.implies))
        object.__setattr__(self, "exclusive", checked_groups(self.exclusive))
        object.__setattr__(self, "least", validation.integer(least=self.least, low=0))
        if self.most is not None:
            object.__setattr__(self, "most", validation.integer(most=self.most, low=1))
            if self.most < self.least:
                raise InputError(f"got {self.most}, expected at least {self.least} as in 'least'", argument="most")

    @property
    def is_empty(self) -> bool:
        """Whether there is no rule at all."""
        return not (self.implies or self.exclusive or self.least) and self.most is None

    def bind(self, space: LabelSpace) -> BoundRules:
        """The same rules on the columns of a label space.

        Args:
            space: The names of the l labels.

        Raises:
            InputError: A name that is not in the space, implications in a circle, a label that could never be
                answered because it implies (or is) two labels of one group, or a `least` beyond the labels there are.
        """
        return BoundRules(self, space)

    def to_spec(self) -> dict[str, Any]:
        """Everything `from_spec` needs, as plain JSON values."""
        return {
            "implies": [list(pair) for pair in self.implies],
            "exclusive": [list(group) for group in self.exclusive],
            "least": self.least,
            "most": self.most,
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """The same rules again.

        Args:
            spec: What `to_spec` gave.

        Raises:
            InputError: A part that is missing, wrong or not known here.
        """
        known = ("implies", "exclusive", "least", "most")
        if not isinstance(spec, Mapping):
            raise InputError(f"got {validation.shown(spec)}, expected what to_spec of rules gives", argument="rules")
        for name in spec:
            if name not in known:
                hint = validation.did_you_mean(str(name), known)
                raise InputError(f"there is no rule {validation.shown(name)}{hint}", argument="rules")
        for name in known:
            if name not in spec:
                raise InputError(f"rules need {name!r}", argument="rules")
        return cls(**{name: spec[name] for name in known})


class BoundRules:
    """Rules on the columns of one label space; made by `Rules.bind`.

    A row's answers are found in three steps. Every label has a margin, and is *wanted* where it is 0 or more.

    1. *Take.* Go through the wanted labels from the highest margin to the lowest (equal ones in label order). Take each
       one together with all that it implies, unless one of these shares a group with another label already taken; then
       leave it. So every group goes to the member whose margin, or that of a label implying it, is the highest among
       those that nothing stronger rules out; whatever implies a loser goes with it, and a label that was only wanted
       through such a loser is answered only if its own margin says so.
    2. *Fill.* While fewer than `least` labels are taken, go on in the same way with the labels that are not wanted,
       until there are enough or none is left that can be taken. The last one may bring more than were missing.
    3. *Cut.* While more than `most` are taken, give back the one with the lowest margin (of equal ones, the last in
       label order) among those that no other taken label implies.

    The answers contain all that they imply, have at most one label of each group and `most` in all, and at least
    `least` unless the groups leave no label to add. The order of pairs, of groups and within a group has no influence.

    Attributes:
        rules: The rules by name.
        space: The names of the l labels.

    Source:
        Our own. That a label is answered with all its ancestors is what makes a labelling consistent in Silla, Freitas
        (2011), A survey of hierarchical classification across different application domains.
    """

    def __init__(self, rules: Rules, space: LabelSpace) -> None:
        self.rules = rules
        self.space = space
        if rules.least > len(space):
            raise InputError(f"got {rules.least}, but there are {len(space)} labels in all", argument="least")
        column = {name: j for j, name in enumerate(space.names)}

        def columns(names: tuple[str, ...], argument: str) -> list[int]:
            for name in names:
                if name not in column:
                    hint = validation.did_you_mean(name, space.names)
                    raise InputError(f"there is no label {validation.shown(name)}{hint}", argument=argument)
            return [column[name] for name in names]

        pairs = [columns(pair, "implies") for pair in rules.implies]
        groups = sorted({tuple(sorted(columns(group, "exclusive"))) for group in rules.exclusive})
        self._hierarchy = Hierarchy(sorted((child, parent) for child, parent in pairs), space.names)
        self._groups = Groups(groups, self._hierarchy, space.names) if groups else None

    def apply(self, margins: np.ndarray) -> np.ndarray:
        """Margins -> answers.

        Args:
            margins: Float (n, l), or deeper with the label axis last: 0 or more exactly where the label would be
                answered if there were no rules, such as logit(score) - logit(threshold). Infinite ones are welcome.

        Returns:
            bool, in the shape of the margins.

        Raises:
            InputError: Another number of labels, no floats, or NaN.
        """
        given = np.asarray(margins)
        width = len(self.space)
        if given.dtype.kind != "f" or given.ndim < 2 or given.shape[-1] != width:
            raise InputError(
                f"got {given.dtype} of shape {given.shape}, expected floats of shape (n, {width})", argument="margins"
            )
        if self.rules.is_empty:
            _refuse_nan(given)
            return np.asarray(given >= 0)
        rows = given.reshape(-1, width)
        answers = np.empty(rows.shape, dtype=bool)
        for part in blocks(len(rows), width + (self._groups.n_groups if self._groups else 0)):
            _refuse_nan(rows[part])
            answers[part] = self._answered(np.ascontiguousarray(rows[part].T)).T
        return answers.reshape(given.shape)

    def _answered(self, margins: np.ndarray) -> np.ndarray:
        """All three steps for margins (l, r); bool of the same shape."""
        taken = self._hierarchy.closed(margins >= 0)
        if self._groups is not None:
            rows = self._groups.broken(taken)
            if rows.size:
                taken[:, rows] = self._hierarchy.closed(self._groups.kept(margins[:, rows]))
        self._fill(margins, taken)
        if self.rules.most is not None:
            self._cut(margins, taken, self.rules.most)
        return taken

    def _fill(self, margins: np.ndarray, taken: np.ndarray) -> None:
        rows = np.flatnonzero(taken.sum(axis=0) < self.rules.least)
        while rows.size:
            here = taken[:, rows]
            can = ~here if self._groups is None else ~here & ~self._groups.barred(here)
            is_open = can.any(axis=0)
            rows, here, can = rows[is_open], here[:, is_open], can[:, is_open]
            here[highest(margins[:, rows], can), np.arange(len(rows))] = True
            here = taken[:, rows] = self._hierarchy.closed(here)
            rows = rows[here.sum(axis=0) < self.rules.least]

    def _cut(self, margins: np.ndarray, taken: np.ndarray, most: int) -> None:
        rows = np.flatnonzero(taken.sum(axis=0) > most)
        if not rows.size:
            return
        # Whatever lies below the most-th highest margin, each label's being the highest of itself and the taken labels
        # that imply it, is given back before anything else: in one go. What is left are equal ones, as a child makes
        # of its ancestors.
        raised = self._hierarchy.closed(np.where(taken[:, rows], margins[:, rows], -np.inf))
        lines = np.ascontiguousarray(raised.T)
        limit = np.partition(lines, lines.shape[1] - most, axis=1)[:, lines.shape[1] - most]
        taken[:, rows] &= raised >= limit
        rows = rows[taken[:, rows].sum(axis=0) > most]
        while rows.size:
            here = taken[:, rows]
            last = self._hierarchy.ends(here)[::-1]
            lowest = len(here) - 1 - highest(-margins[::-1, rows], last)
            taken[lowest, rows] = False
            rows = rows[here.sum(axis=0) - 1 > most]


def _refuse_nan(margins: np.ndarray) -> None:
    if np.isnan(margins).any():
        raise InputError("a margin is NaN, expected numbers or infinities", argument="margins")
