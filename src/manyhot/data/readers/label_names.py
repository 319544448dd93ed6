"""Labels that a file has as numbers -> their names, as `ReadOptions.label_names` gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from manyhot.data.label_cells import whole_number
from manyhot.data.readers.options import ReadOptions
from manyhot.errors import InputError
from manyhot.validation import join_names


def name_labels(
    found: Sequence[str], options: ReadOptions, find_rows: Callable[[str], np.ndarray]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of labels that were read as numbers."""
    names = options.label_names
    if names is None:
        return tuple(found), ()
    assert isinstance(names, dict)
    numbers = [whole_number(label) for label in found]
    if options.known_labels is not None and _are_known(found, numbers, names, options.known_labels):
        return tuple(found), ()
    word = next((label for label, number in zip(found, numbers, strict=True) if number is None), None)
    if word is not None:
        raise InputError(
            f"got the label {word!r}, expected whole numbers: label_names (--label-names) names labels that are "
            "numbers in the file; leave it out",
            argument="label_names",
        )
    used = [number for number in numbers if number is not None]
    missing = [number for number in used if number not in names]
    if missing:
        raise _missing_error(missing, names, find_rows(found[used.index(missing[0])]))
    notes = _notes(set(used), names) if options.known_labels is None else ()
    return tuple(names[number] for number in used), notes


def name_label_sets(
    sets: Sequence[Sequence[str] | None], found: Sequence[str], options: ReadOptions
) -> tuple[Sequence[Sequence[str] | None], tuple[str, ...], tuple[str, ...]]:
    """Label sets of numbers -> label sets of names."""
    if options.label_names is None:
        return sets, tuple(found), ()

    def find_rows(label: str) -> np.ndarray:
        return np.flatnonzero([names is not None and label in names for names in sets])

    names, notes = name_labels(found, options, find_rows)
    name_of = dict(zip(found, names, strict=True))
    renamed = [None if labels is None else [name_of[label] for label in labels] for labels in sets]
    return renamed, tuple(dict.fromkeys(names)), notes


def naming_hint(label: str, known: Sequence[str] | None) -> str:
    """What to append to an error about a label that a model does not know: the file may number its labels."""
    if whole_number(label) is None or any(whole_number(name) is not None for name in known or ()):
        return ""
    return "; if the file has numbers in place of names, name them with label_names (--label-names FILE)"


def _are_known(
    found: Sequence[str], numbers: Sequence[str | None], names: dict[str, str], known_labels: Sequence[str]
) -> bool:
    """Whether a file has a model's labels by name already."""
    if all(number is None for number in numbers):
        return True
    return not all(number in names for number in numbers) and set(found) <= set(known_labels)


def _missing_error(missing: Sequence[str], names: dict[str, str], rows: np.ndarray) -> InputError:
    numbers = sorted(map(int, names))
    is_list = numbers == list(range(len(numbers)))
    described = f"0 to {numbers[-1]}" if is_list else join_names(list(map(str, numbers)))
    subject = f"the label {missing[0]} has no name"
    subject = subject if len(missing) == 1 else f"the labels {join_names(list(missing))} have no names"
    count = "no row" if not len(rows) else "1 row" if len(rows) == 1 else f"{len(rows)} rows"
    advice = "name it too" if len(missing) == 1 else "name them too"
    if is_list:
        advice += (
            '; where the numbers do not count from 0, write them beside the names: a JSON object {"1": "joy"} or CSV '
            "number,name"
        )
    return InputError(
        f"{subject} ({count} with {missing[0]}); label_names (--label-names) has names for {described}; {advice}",
        row=int(rows[0]) + 1 if len(rows) else None,
        argument="label_names",
    )


def _notes(numbers: set[str], names: dict[str, str]) -> tuple[str, ...]:
    """What is said before training: how the numbers were named, and names that no label has."""
    pairs = [f"{number} is {names[number]!r}" for number in sorted(numbers, key=int)]
    notes = [f"the numbers of the labels were replaced by their names: {join_names(pairs)}"]
    absent = [f"{name!r} ({number})" for number, name in names.items() if number not in numbers]
    if absent:
        notes.append(f"left out, no row has these labels of label_names: {join_names(absent)}")
    return tuple(notes)
