"""Mean ranks over sets and cells won: arithmetic on tables of measured scores, set -> method -> value.

A method without a value on a set (not finished, or not measured) has no rank there, and nobody's rank there counts it.
Values are compared at four digits, as the peers' files have them; equal ones share the mean of their places.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from measures import MEASURES, PEER_NAMES

DIGITS = 4
Better = Callable[..., float]  # min or max
Values = Mapping[str, Mapping[str, float | None]]  # set -> method -> value


def load_peers(files: Iterable[Path]) -> dict[str, dict[str, dict[str, Any]]]:
    """Set -> method -> scores; of a cell that several files have the last finished one counts."""
    peers: dict[str, dict[str, dict[str, Any]]] = {}
    for path in files:
        for name, methods in json.loads(path.read_text()).items():
            for method, cell in methods.items():
                if "unfinished" not in cell or method not in peers.get(name, {}):
                    peers.setdefault(name, {})[method] = cell
    return peers


def unfinished(peers: Mapping[str, Mapping[str, Mapping]], sets: Iterable[str]) -> dict[str, dict[str, str]]:
    """Set -> method -> why it has no scores there, for every method that the files speak of."""
    methods = list(dict.fromkeys(method for name in peers for method in peers[name]))
    absent = {"unfinished": "not in the files"}
    found = {}
    for name in sets:
        cells = {method: peers.get(name, {}).get(method, absent) for method in methods}
        found[name] = {method: cell["unfinished"] for method, cell in cells.items() if "unfinished" in cell}
    return found


def values_of(peers: Mapping[str, Mapping[str, Mapping]], measure: str, mine: Mapping[str, float | None]) -> Values:
    """The values of one measure on the sets that `mine` has, manyhot's among them."""
    short = PEER_NAMES[measure]
    return {
        name: {"manyhot": value, **{method: cell.get(short) for method, cell in peers.get(name, {}).items()}}
        for name, value in mine.items()
        if value is not None
    }


def ranks(row: Mapping[str, float | None], better: Better) -> dict[str, float]:
    """Method -> its place on one set, from 1; those without a value are left out, equal ones share their mean place."""
    sign = 1 if better is min else -1
    there = {method: sign * round(value, DIGITS) for method, value in row.items() if _is_number(value)}
    numbers = list(there.values())
    return {
        method: sum(other < value for other in numbers) + (numbers.count(value) + 1) / 2
        for method, value in there.items()
    }


def mean_ranks(values: Values, better: Better) -> dict[str, dict[str, float]]:
    """Method -> mean rank over its sets, their number, and manyhot's mean rank on the same sets, best first.

    Sets where manyhot stands alone do not count.
    """
    of_set = {name: ranks(row, better) for name, row in values.items()}
    of_set = {name: row for name, row in of_set.items() if len(row) > 1}
    methods = dict.fromkeys(method for row in of_set.values() for method in row)
    table = {}
    for method in methods:
        places = [row for row in of_set.values() if method in row]
        table[method] = {
            "mean": fmean(row[method] for row in places),
            "n_sets": len(places),
            "manyhot_there": fmean(row["manyhot"] for row in places),
        }
    return dict(sorted(table.items(), key=lambda item: item[1]["mean"]))


def ahead(table: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The peers whose mean rank is not behind manyhot's on the sets that they have."""
    return [method for method, row in table.items() if method != "manyhot" and row["mean"] <= row["manyhot_there"]]


def cells_won(values: Values, better: Better) -> dict[str, bool]:
    """Set -> whether manyhot is better there than every peer; a draw is not. Sets without a peer are left out."""
    won = {}
    for name, row in values.items():
        there = {method: round(value, DIGITS) for method, value in row.items() if _is_number(value)}
        mine = there.pop("manyhot")
        if there:
            best = better(there.values())
            won[name] = mine != best and better(mine, best) == mine
    return won


def compared(peers: Mapping[str, Mapping[str, Mapping]], mine: Mapping[str, Mapping[str, float | None]]) -> dict:
    """Measure -> the table of mean ranks, who is ahead and the cells won, for set -> measure -> manyhot's value."""
    found = {}
    for measure, (_, better) in MEASURES.items():
        values = values_of(peers, measure, {name: row.get(measure) for name, row in mine.items()})
        table = mean_ranks(values, better)
        found[measure] = {"ranks": table, "ahead": ahead(table), "won": cells_won(values, better)}
    return found


def table_text(variants: Mapping[str, Mapping[str, Mapping]], last: str) -> str:
    """One line a method, one column a measure: mean rank, and in brackets on how many sets.

    Each of manyhot's variants is ranked by itself among the peers; the peers' lines stand beside the one named `last`.
    """
    lines = [f"{'mean rank (sets)':34}" + "".join(f"{PEER_NAMES[measure]:>11}" for measure in MEASURES)]
    for variant, found in variants.items():
        lines.append(f"{'manyhot, ' + variant:34}" + _cells(found, "manyhot"))
    rows = variants[last]
    methods = dict.fromkeys(method for told in rows.values() for method in told["ranks"] if method != "manyhot")
    return "\n".join([*lines, *(f"{method:34}" + _cells(rows, method) for method in methods)])


def _cells(found: Mapping[str, Mapping], method: str) -> str:
    text = ""
    for measure in MEASURES:
        row = found[measure]["ranks"].get(method)
        cell = "-" if row is None else f"{row['mean']:.2f} ({row['n_sets']})"
        text += f"{cell:>11}"
    return text


def _is_number(value: float | None) -> bool:
    return value is not None and not math.isnan(value)
