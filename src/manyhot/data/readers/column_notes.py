"""What a person is told of columns: those that are left out, guesses, and cells that count as missing."""

from __future__ import annotations

from collections.abc import Sequence

from manyhot.data.number_cells import NumberColumn
from manyhot.data.samples import ColumnKind
from manyhot.validation import join_names, shorten

MAX_NOTES = 8  # Columns with cells that are no numbers that are named one by one


class ColumnNotes:
    """Collects what is to be said of columns, those with the same reason in one sentence."""

    def __init__(self) -> None:
        self._left_out: dict[str, list[str]] = {}
        self._guessed: dict[str, list[str]] = {}
        self._about_numbers: list[str] = []

    def leave_out(self, name: str, reason: str) -> ColumnKind:
        """A column that is not used."""
        self._left_out.setdefault(reason, []).append(name)
        return "ignored"

    def guess(self, name: str, guess: str) -> None:
        """A column whose kind is unsure."""
        self._guessed.setdefault(guess, []).append(name)

    def add_numbers(self, name: str, found: NumberColumn) -> None:
        """A column of text that is read as numbers."""
        unit, comma = found.format.unit, found.format.decimal == ","
        mark = found.doubtful_mark
        if unit or comma or mark:
            how = (f" in {unit!r}" if unit else "") + (" with a decimal comma" if comma else "")
            value = "1.234" if mark == found.format.decimal else "1234"
            doubt = f", 1{mark}234 being {value}" if mark else ""
            self.guess(name, f"read as numbers{how}{doubt}")
        if found.n_without_unit:
            self._about_numbers.append(f"column {name!r}: {found.n_without_unit} numbers stand without {unit!r}")
        if found.n_marked:
            cells = "1 cell" if found.n_marked == 1 else f"{found.n_marked} cells"
            self._about_numbers.append(
                f"column {name!r}: {cells} with further marks, such as {shorten(found.marked)}, "
                f"{'is' if found.n_marked == 1 else 'are'} read as the number alone"
            )
        if found.n_strays:
            cells = (
                "1 cell is no number and counts"
                if found.n_strays == 1
                else (f"{found.n_strays} cells are no numbers and count")
            )
            example = shorten(found.format.missing[0])
            self._about_numbers.append(
                f"column {name!r}: {cells} as missing, such as {example} ({len(found.numbers)} rows)"
            )
        self.add_gaps(name, found.gaps)

    def add_gaps(self, name: str, words: Sequence[str]) -> None:
        """Words for missing that are less usual than n/a."""
        if words:
            self._about_numbers.append(f"column {name!r}: {', '.join(map(repr, words))} counts as missing")

    def sentences(self) -> tuple[str, ...]:
        """The notes, columns that are left out first."""
        left_out = (f"left out, {reason}: {join_names(names)}" for reason, names in self._left_out.items())
        guessed = (f"{guess}: {join_names(names)}" for guess, names in self._guessed.items())
        shown, hidden = self._about_numbers[:MAX_NOTES], self._about_numbers[MAX_NOTES:]
        more = [f"{len(hidden)} more columns have cells that are no numbers"] if hidden else []
        return (*left_out, *guessed, *shown, *more)
