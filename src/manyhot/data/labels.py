"""Label sets in, arrays inside, label sets out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from manyhot.data.label_cells import label_names
from manyhot.data.targets import Targets, check_size
from manyhot.errors import InputError
from manyhot.validation import did_you_mean, one_of

UnknownLabels = Literal["error", "ignore", "report"]
UNKNOWN_LABELS: tuple[UnknownLabels, ...] = ("error", "ignore", "report")
UNSEEN_ADVICE = "say unknown_labels='ignore' or 'report' to go on without it"
MAX_HINTS = 10_000  # names among which a similar one is looked for


@dataclass(frozen=True)
class LabelSpace:
    """The label names in a fixed order: name <-> column."""

    names: tuple[str, ...]
    is_integer: bool = False

    def __post_init__(self) -> None:
        if not self.names:
            raise InputError("no labels: at least one label is needed")
        if self.is_integer or set(map(type, self.names)) != {str} or not all(self.names):  # a loop is slow for millions
            self._refuse_other_names()
            object.__setattr__(self, "names", tuple(str(name) for name in self.names))
        if len(set(self.names)) < len(self.names):
            duplicates = [name for name, count in Counter(self.names).items() if count > 1]
            raise InputError(f"label names must be unique, found more than once: {duplicates}")

    def _refuse_other_names(self) -> None:
        for name in self.names:
            if not isinstance(name, str) or not name:
                raise InputError(f"label names are non-empty text, got {name!r}")
            if self.is_integer and not re.fullmatch(r"-?[0-9]+", name):
                raise InputError(f"label {name!r} is no whole number")

    def __len__(self) -> int:
        return len(self.names)

    def to_list(self) -> list[Any]:
        """The labels as a person writes them: whole numbers where they are such, else text."""
        return [int(name) for name in self.names] if self.is_integer else list(self.names)

    def index(self, name: str | int) -> int:
        """The column of a label; `InputError` with a suggestion when there is none."""
        try:
            return self.names.index(str(name) if self.is_integer else name)
        except ValueError:
            raise InputError(f"there is no label {str(name)!r}{did_you_mean(str(name), self.names)}") from None

    def find(
        self, label_sets: Sequence[Collection[str] | None], unknown_labels: UnknownLabels, advice: str
    ) -> tuple[list[int], list[int], dict[str, int]]:
        """Rows and columns of the labels that hold; with "report", how often each name outside this space was seen."""
        one_of(UNKNOWN_LABELS, unknown_labels=unknown_labels)
        column = dict(zip(self.names, range(len(self.names)), strict=True))
        rows, columns = [], []
        unseen: Counter[str] = Counter()
        for i, names in enumerate(label_sets):
            for name in () if names is None else label_names(names, row=i + 1):
                if name in column:
                    rows.append(i)
                    columns.append(column[name])
                elif unknown_labels == "error":
                    hint = did_you_mean(name, self.names[:MAX_HINTS])
                    raise InputError(f"the label {name!r} was not there in training{hint}; {advice}", row=i + 1)
                elif unknown_labels == "report":
                    unseen[name] += 1
        return rows, columns, dict(sorted(unseen.items()))

    def encode(
        self,
        label_sets: Sequence[Collection[str] | None],
        unknown_labels: UnknownLabels = "error",
        advice: str = "leave it out, or name it in labels=[...] before `fit`; `add_labels` learns it afterwards",
    ) -> tuple[Targets, dict[str, int]]:
        """Label sets, None where one is unknown -> targets (n, l), and names outside this space as `find` has them."""
        check_size(len(label_sets), len(self.names))
        rows, columns, unseen = self.find(label_sets, unknown_labels, advice)
        values = np.zeros((len(label_sets), len(self.names)), dtype=bool)
        values[rows, columns] = True
        known = np.array([names is not None for names in label_sets], dtype=bool)
        mask = None if known.all() else np.repeat(known[:, None], len(self.names), axis=1)
        return Targets(values, mask), unseen

    def decode(self, decisions: np.ndarray) -> list[set[Any]]:
        """0/1 decisions (n, l) -> label sets, one per sample; whole numbers where the labels are such."""
        rows = np.asarray(decisions).astype(bool)
        if rows.ndim != 2 or rows.shape[1] != len(self.names):
            raise InputError(f"decisions have shape {rows.shape}, expected (n, {len(self.names)})")
        names = np.asarray(self.to_list(), dtype=object)
        return [set(names[row]) for row in rows]
