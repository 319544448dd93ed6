"""Random labels in every notation that people write, each with the targets that they mean.

Start reading at `make_labels`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from manyhot.data.readers import ReadOptions

Generator = np.random.Generator
LABELS = (
    "sad",
    "quiet",
    "happy",
    "very loud",
    "hip-hop",
    "naïve",
    "R&B",
    "live",
    "sci.space",
    "A",
    "été",
    "rock'n'roll",
)


@dataclass(frozen=True)
class WrittenLabels:
    """Label columns, what they mean and what a person says of them.

    Args:
        cells: Column name -> text of each cell.
        names: The labels.
        targets: bool (n, l).
        known: bool (n, l).
        options: Where they are.
        is_open: Whether an empty cell is unknown in every format.
    """

    cells: dict[str, list[str]]
    names: list[str]
    targets: np.ndarray
    known: np.ndarray
    options: ReadOptions
    is_open: bool = True


def _targets(generator: Generator, n: int) -> tuple[list[str], np.ndarray]:
    """Names and targets, every label somewhere."""
    names = sorted(generator.choice(np.array(LABELS, dtype=object), size=int(generator.integers(2, 7)), replace=False))
    targets = generator.random((n, len(names))) < generator.uniform(0.1, 0.6)
    targets[np.arange(len(names)), np.arange(len(names))] = True
    return [str(name) for name in names], targets


def indicator_columns(generator: Generator, names: list[str], targets: np.ndarray) -> WrittenLabels:
    pairs = [("1", "0"), ("true", "false"), ("yes", "no"), ("Y", "N"), ("T", "F"), ("1.0", "0.0"), ("1.00", "0.00")]
    yes, no = pairs[generator.integers(len(pairs))]
    known = np.ones_like(targets)
    if generator.random() < 0.4:
        known = generator.random(targets.shape) > 0.15
        known[:8] = True
    unknown = str(generator.choice(["", "?", "NULL", "N/A", "nan"]))
    columns = [f"y_{name}" for name in names]
    cells = {
        column: [(yes if t else no) if k else unknown for t, k in zip(targets[:, j], known[:, j], strict=True)]
        for j, column in enumerate(columns)
    }
    return WrittenLabels(cells, columns, targets & known, known, ReadOptions(labels="y_*"))


def crosses(generator: Generator, names: list[str], targets: np.ndarray) -> WrittenLabels:
    columns = [f"y_{name}" for name in names]
    cells = {column: ["x" if t else "" for t in targets[:, j]] for j, column in enumerate(columns)}
    return WrittenLabels(cells, columns, targets, np.ones_like(targets), ReadOptions(labels="y_*"), is_open=False)


def _sets(
    generator: Generator, names: list[str], targets: np.ndarray, write: Callable[[list[str]], str], sep: str | None
) -> WrittenLabels:
    """One column of label sets, some of them unknown."""
    known = np.ones(len(targets), dtype=bool)
    cells = [write([names[j] for j in np.flatnonzero(row)]) for row in targets]
    if generator.random() < 0.4:
        known[8:] = generator.random(len(known) - 8) > 0.1
        word = str(generator.choice(["nan", "None", "NULL", "N/A", "<NA>", "?"]))
        cells = [cell if k else word for cell, k in zip(cells, known, strict=True)]
    every = np.broadcast_to(known[:, None], targets.shape)
    return WrittenLabels(
        {"tags": cells}, names, targets & every, every, ReadOptions(labels="tags", sep=sep), is_open=False
    )


def delimited(generator: Generator, names: list[str], targets: np.ndarray) -> WrittenLabels:
    sep = str(generator.choice(["|", ";", ",", "/"]))
    blank = str(generator.choice(["", " "]))
    return _sets(generator, names, targets, (sep + blank).join, sep)


def json_lists(generator: Generator, names: list[str], targets: np.ndarray) -> WrittenLabels:
    return _sets(generator, names, targets, lambda found: json.dumps(found, ensure_ascii=False), None)


def python_lists(generator: Generator, names: list[str], targets: np.ndarray) -> WrittenLabels:
    kind = (list, tuple)[generator.integers(2)]
    return _sets(generator, names, targets, lambda found: repr(kind(found)), _maybe_sep(generator))


def python_sets(generator: Generator, names: list[str], targets: np.ndarray) -> WrittenLabels:
    return _sets(generator, names, targets, lambda found: repr(set(found)), None)


def numpy_arrays(generator: Generator, names: list[str], targets: np.ndarray) -> WrittenLabels:
    return _sets(generator, names, targets, lambda found: f"[{' '.join(map(repr, found))}]", _maybe_sep(generator))


def braces(generator: Generator, names: list[str], targets: np.ndarray) -> WrittenLabels:
    """As PostgreSQL writes an array of text."""
    return _sets(
        generator,
        names,
        targets,
        lambda found: "{" + ",".join(f'"{name}"' if " " in name else name for name in found) + "}",
        None,
    )


def tags(generator: Generator, names: list[str], targets: np.ndarray) -> WrittenLabels:
    return _sets(generator, names, targets, lambda found: "".join(f"<{name}>" for name in found), None)


def mappings(generator: Generator, names: list[str], targets: np.ndarray) -> WrittenLabels:
    """Mappings of labels to 0, 1 and null; an absent key is unknown."""
    state = generator.choice(3, size=targets.shape, p=[0.8, 0.1, 0.1])
    state[:8] = 0
    cells = []
    for row, states in zip(targets, state, strict=True):
        items = {name: int(t) if s == 0 else None for name, t, s in zip(names, row, states, strict=True) if s != 2}
        cells.append(json.dumps(items, ensure_ascii=False))
    return WrittenLabels({"tags": cells}, names, targets & (state == 0), state == 0, ReadOptions(labels="tags"), False)


def rows_of_indicators(generator: Generator, names: list[str], targets: np.ndarray) -> WrittenLabels:
    cells = [str([int(t) for t in row]) for row in targets]
    columns = [f"label_{j}" for j in range(targets.shape[1])]
    return WrittenLabels({"tags": cells}, columns, targets, np.ones_like(targets), ReadOptions(labels="tags"), False)


def label_numbers(generator: Generator, names: list[str], targets: np.ndarray) -> WrittenLabels:
    numbers = [str(k) for k in sorted(generator.choice(40, size=len(names), replace=False))]
    return _sets(generator, numbers, targets, ",".join, ",")


def _maybe_sep(generator: Generator) -> str | None:
    return (None, ",")[generator.integers(2)]


LABEL_NOTATIONS = (
    *(indicator_columns, indicator_columns, indicator_columns, crosses, delimited, delimited, json_lists),
    *(python_lists, python_sets, numpy_arrays, braces, tags, mappings, rows_of_indicators, label_numbers),
)


def make_labels(generator: Generator, n: int) -> tuple[str, WrittenLabels]:
    """The labels of a table of n rows, and the name of their notation."""
    write = LABEL_NOTATIONS[generator.integers(len(LABEL_NOTATIONS))]
    return write.__name__, write(generator, *_targets(generator, n))
