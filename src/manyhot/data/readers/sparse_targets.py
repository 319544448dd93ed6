"""Targets of very many labels out of a file: label sets as they were read -> CSR, in a trained model's order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from manyhot.data.labels import LabelSpace
from manyhot.data.readers.label_names import name_label_sets, naming_hint
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source, locate_error
from manyhot.data.targets import check_size
from manyhot.errors import InputError
from manyhot.validation import did_you_mean

MAX_HINTS = 10_000
MAX_NOTES = 8


@dataclass(frozen=True)
class LabelSets:
    """Label sets before they are put into an order."""

    sets: Sequence[Sequence[str]]  # of each row
    names: tuple[str, ...]  # all names, in the file's order


def check_dense(n_rows: int, n_labels: int, source: Source) -> None:
    """Refuse a file whose targets would not fit as one array, with the way out; `InputError` names the file."""
    try:
        check_size(n_rows, n_labels)
    except InputError as error:
        raise locate_error(error, source) from None


def encode_label_sets(label_sets: LabelSets, options: ReadOptions) -> tuple[sp.csr_matrix, LabelSpace, tuple[str, ...]]:
    """Label sets -> CSR bool (n, l) in the order that a trained model asks for, or in their own."""
    sets, found, naming_notes = name_label_sets(label_sets.sets, label_sets.names, options)
    space = LabelSpace(options.known_labels or found)
    column = {name: j for j, name in enumerate(space.names)}
    unseen: Counter[str] = Counter()
    columns: list[int] = []
    starts = [0]
    for i, names in enumerate(sets):
        indices = set()
        for name in names or ():
            if name in column:
                indices.add(column[name])
            elif options.unknown_labels == "error":
                hint = did_you_mean(name, space.names[:MAX_HINTS])
                raise InputError(
                    f"the label {name!r} was not there in training{hint}; say unknown_labels='ignore' or 'report' to "
                    f"go on without it{naming_hint(name, space.names[:MAX_HINTS])}",
                    row=i + 1,
                )
            else:
                unseen[name] += 1
        columns.extend(sorted(indices))
        starts.append(len(columns))
    shape = (len(sets), len(space))
    targets = sp.csr_matrix((np.ones(len(columns), bool), columns, starts), shape=shape)
    shown = sorted(unseen.items())[:MAX_NOTES] if options.unknown_labels == "report" else []
    notes = [f"the label {name!r} was not there in training and is left out ({n} rows carry it)" for name, n in shown]
    if shown and len(unseen) > MAX_NOTES:
        notes.append(f"so are {len(unseen) - MAX_NOTES} further labels")
    return targets, space, (*naming_notes, *notes)
