"""Label sets in, arrays inside, label sets out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from manyhot.data.label_cells import label_names
from manyhot.data.targets import Targets, check_size
from manyhot.errors import InputError
from manyhot.validation import did_you_mean, one_of

UnknownLabels = Literal["error", "ignore", "report"]
UNKNOWN_LABELS: tuple[UnknownLabels, ...] = ("error", "ignore", "report")


@dataclass(frozen=True)
class LabelSpace:
    """The label names in a fixed order: name <-> column."""

    names: tuple[str, ...]
    is_integer: bool = False

    def __post_init__(self) -> None:
        if not self.names:
            raise InputError("no labels: at least one label is needed")
        for name in self.names:
            if not isinstance(name, str) or not name:
                raise InputError(f"label names are non-empty text, got {name!r}")
            if self.is_integer and not re.fullmatch(r"-?[0-9]+", name):
                raise InputError(f"label {name!r} is no whole number")
        object.__setattr__(self, "names", tuple(str(name) for name in self.names))
        duplicates = [name for name, count in Counter(self.names).items() if count > 1]
        if duplicates:
            raise InputError(f"label names must be unique, found more than once: {duplicates}")

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

    def encode(
        self,
        label_sets: Iterable[Collection[str] | None],
        unknown_labels: UnknownLabels = "error",
        advice: str = "leave it out, or name it in labels=[...] before `fit`; `add_labels` learns it afterwards",
    ) -> tuple[Targets, dict[str, int]]:
        """Label sets -> targets."""
        one_of(UNKNOWN_LABELS, unknown_labels=unknown_labels)
        sets = list(label_sets)
        check_size(len(sets), len(self.names))
        column = {name: j for j, name in enumerate(self.names)}
        values = np.zeros((len(sets), len(self.names)), dtype=bool)
        known = np.ones_like(values)
        unseen: Counter[str] = Counter()
        for i, names in enumerate(sets):
            if names is None:
                known[i] = False
                continue
            for name in label_names(names, row=i + 1):
                j = column.get(name)
                if j is not None:
                    values[i, j] = True
                elif unknown_labels == "error":
                    raise InputError(
                        f"the label {name!r} was not there in training{did_you_mean(name, self.names)}; {advice}",
                        row=i + 1,
                    )
                else:
                    unseen[name] += 1
        return Targets(values, known), dict(unseen) if unknown_labels == "report" else {}

    def decode(self, decisions: np.ndarray) -> list[set[Any]]:
        """0/1 decisions (n, l) -> label sets, one per sample; whole numbers where the labels are such."""
        rows = np.asarray(decisions).astype(bool)
        if rows.ndim != 2 or rows.shape[1] != len(self.names):
            raise InputError(f"decisions have shape {rows.shape}, expected (n, {len(self.names)})")
        names = np.asarray(self.to_list(), dtype=object)
        return [set(names[row]) for row in rows]
