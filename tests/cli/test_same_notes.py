"""Python and the command line say the same of the same table, in warnings, in notes and in the report.

What has no counterpart in a frame is left aside: how a file is encoded, what `--drop` leaves out, the name of the file
in a message, and columns beside unnamed labels, whose places a frame without the labels does not show.
"""

import json
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

from manyhot import ExtremeMultiLabelClassifier, MultiLabelClassifier, load
from manyhot.data.readers import ReadOptions, read
from manyhot.errors import ManyhotWarning
from tests.cli.conftest import SMALL

N = 40
SETTINGS = {"n_members": 2, "epochs": 2, "hidden_layer_sizes": (8,), "n_folds": 4, "verbose": 0}
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=N).round(3)
MOODS = {"mood_sad": ["1" if x > 0 else "0" for x in X], "mood_quiet": ["1" if x < 0.4 else "0" for x in X]}
SETS = [json.dumps([name for name, yes in (("sad", x > 0), ("quiet", x < 0.4)) if yes]) for x in X]


def day(k):
    return f"2024-{1 + k // 28:02d}-{1 + k % 28:02d}"


# a word: further columns of text, and words of the notes that they bring
TABLES = {
    "ids": (
        {"song_id": [f"s{k}" for k in range(N)], "code": [f"ab{k:04d}" for k in range(N)]},
        ["the rows are named by column 'song_id'", "they only name rows: code", "are made alike"],
    ),
    "dates": ({"when": [day(k) for k in range(N)], "clock": [f"10:{k:02d}" for k in range(N)]}, ["when, clock"]),
    "units": (
        {"weight": [f"{k + 1}kg" for k in range(N)], "price": [f"${k},200.50" for k in range(1, N + 1)]},
        ["read as numbers in 'kg': weight", "in '$': price"],
    ),
    "mixed units": ({"size": [f"{k}{('kg', 'cm')[k % 2]}" for k in range(N)]}, ["numbers in several units"]),
    "gaps": (
        {
            "tempo": ["#N/A" if k % 5 == 0 else f"{k}.5" for k in range(N)],
            "beat": ["unknown", "3", *"1245" * 9, "?", ""],
        },
        ["column 'tempo': '#N/A' counts as missing", "'unknown' counts as missing"],
    ),
    "decimal commas": ({"tempo": [f"{k},25" for k in range(N)]}, ["with a decimal comma: tempo"]),
    "ambiguous": ({"people": [f"{k + 1},{100 + k}" for k in range(N)]}, ["1,234 being"]),
    "stray cells": ({"tempo": ["fast", *(f"{k}.5" for k in range(N - 1))]}, ["1 cell is no number", "'fast'"]),
    "constant and empty": (
        {"same": ["x"] * N, "none": [""] * N},
        ["the same value in every row: same", "empty in every row: none"],
    ),
    "text without blanks": (
        {
            "site": [
                f"https://{'abcdefgh'[k % 8]}{'xyz'[k % 3]}.org/{k * k}/{'pqrst'[k % 5] * (k % 7)}" for k in range(N)
            ]
        },
        ["read as text, although no cell has blanks"],
    ),
    "like labels": (
        {"mood_fast": [str(k % 2) for k in range(N)], "mood_slow": [("yes", "no")[k // 3 % 2] for k in range(N)]},
        ["look like further labels are used as features: mood_fast, mood_slow"],
    ),
    "marks": ({}, ["column 'mood_quiet' holds 'x' or nothing"]),
    "label sets": ({}, ["cells of column 'moods' that hold 'None' (1), 'N/A' (1) were read as unknown label sets"]),
    "a column named like a label": (
        {"sad": [str(k % 7) for k in range(N)]},
        ["columns that have the name of a label are used as features: sad"],
    ),
    "rows of 0 and 1": ({}, ["column 'moods' lists 0 and 1 for each of 2 labels"]),
    "codes and references": (
        {
            "zip": [("01067", "80331", "20095")[k % 3] for k in range(N)],
            "user_id": [str(17 + k % 4) for k in range(N)],
        },
        ["leading zeros, so not read as numbers: zip", "read as categories (column_types says else): user_id"],
    ),
    "limits": (
        {"level": [f"{'<' if k % 9 == 0 else ''}{k}.5" for k in range(N)]},
        ["column 'level': 5 cells with further marks, such as '<0.5'"],
    ),
    "thousands by another column": (
        {
            "people": [("1.234", "950")[k % 2] for k in range(N)],
            **{name: [f"{k},{a}" for k in range(N)] for name, a in (("share", 5), ("rate", 25))},
        },
        ["1.234 being 1234: people"],
    ),
    "gaps of words": (
        {
            "colour": [("red", "blue", "#N/A")[k % 3] for k in range(N)],
            "answer": [("yes", "no", "unknown")[k % 3] for k in range(N)],
        },
        ["column 'colour': '#N/A' counts as missing", "column 'answer': 'unknown' counts"],
    ),
    "nothing": ({"tempo": [str(k * 1.5) for k in range(N)]}, []),
}


def make_table(word):
    """The columns as text, the names of the label columns, and words of the notes."""
    columns, words = TABLES[word]
    labels = {
        "marks": {**MOODS, "mood_quiet": ["x" if cell == "1" else "" for cell in MOODS["mood_quiet"]]},
        "label sets": {"moods": ["None", "N/A", *SETS[2:]]},
        "a column named like a label": {"moods": SETS},
        "rows of 0 and 1": {"moods": [f"[{a}, {b}]" for a, b in zip(*MOODS.values(), strict=True)]},
    }.get(word, MOODS)
    return {"x": [str(x) for x in X], **columns, **labels}, list(labels), words


DOORS = ["together", "marks", "label sets", "a column named like a label", "rows of 0 and 1", "nothing"]
"""Tables that go through every door: all columns beside ordinary labels at once, and those whose labels differ."""


def make_whole_table():
    """All columns whose labels are ordinary in one table; the words are told apart by the quick test."""
    columns = {}
    for word, (found, _) in TABLES.items():
        if word not in DOORS:
            columns |= {name if name not in columns else f"{name} {word}": cells for name, cells in found.items()}
    return {"x": [str(x) for x in X], **columns, **MOODS}, list(MOODS), []


def make_frames(columns, labels):
    """X and y as pandas and polars read the file when every cell is text."""
    frame = pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()})
    gaps = frame.mask(frame == "")
    texts = pl.DataFrame({name: [cell or None for cell in cells] for name, cells in columns.items()})
    for table in (frame, gaps, texts):
        X = table.drop(columns=labels) if isinstance(table, pd.DataFrame) else table.drop(labels)
        y = table[labels[0]] if labels == ["moods"] else table[labels]
        yield X, y


def record(fit):
    """What is returned, and the warnings of manyhot."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = fit()
    return result, [str(w.message) for w in caught if w.category is ManyhotWarning]


def spoken(text):
    """The notes on standard error."""
    return [line.removeprefix("note: ") for line in text.splitlines() if line.startswith("note: ")]


@pytest.fixture(params=TABLES)
def case(request, tmp_path):
    return write_case(make_table(request.param), tmp_path)


@pytest.fixture(params=DOORS)
def door_case(request, tmp_path):
    table = make_whole_table() if request.param == "together" else make_table(request.param)
    return write_case(table, tmp_path)


def write_case(table, folder):
    """The table as a file, beside its parts."""
    columns, labels, words = table
    pl.DataFrame(columns).write_csv(folder / "t.csv")
    return folder / "t.csv", columns, labels, words


def test_the_reader_says_what_is_expected(case):
    path, _, labels, words = case
    notes = read(path, ReadOptions(labels=",".join(labels))).notes
    assert bool(notes) == bool(words)
    for word in words:
        assert any(word in note for note in notes), (word, notes)


@pytest.mark.slow
def test_fit_and_train_say_the_same(door_case, manyhot, tmp_path):
    path, columns, labels, _ = door_case
    options = ReadOptions(labels=",".join(labels))
    notes = list(read(path, options).notes)
    done = manyhot("train", path, "--labels", ",".join(labels), "-o", tmp_path / "m.manyhot", "--json", *SMALL)
    assert done.code == 0, done.err
    assert spoken(done.err)[1:] == notes  # the first describes the file
    report = done.document["report"]["notes"]
    assert report[: len(notes)] == notes
    fitted, caught = record(lambda: MultiLabelClassifier(**SETTINGS).fit_file(path, options, stream=False))
    assert "; ".join(caught) == "; ".join(notes)
    assert fitted.report_.values["notes"] == report
    for X, y in make_frames(columns, labels):
        fitted, caught = record(lambda X=X, y=y: MultiLabelClassifier(**SETTINGS).fit(X, y))
        assert "; ".join(caught) == "; ".join(notes), type(X)
        assert fitted.report_.values["notes"] == report


def test_check_says_the_same_or_has_it_as_a_finding(case, manyhot):
    path, _, labels, _ = case
    notes = read(path, ReadOptions(labels=",".join(labels))).notes
    done = manyhot("check", path, "--labels", ",".join(labels), "--json")
    assert done.code == 0, done.err
    kinds = {finding["kind"] for finding in done.document["findings"]}
    said = spoken(done.err)
    assert set(said) <= set(notes)
    for note in set(notes) - set(said):
        assert "used as features" in note
        assert kinds & {"possible_label", "same_name"}


@pytest.mark.slow
def test_very_many_labels_have_the_same_notes(door_case, manyhot, tmp_path):
    path, columns, labels, words = door_case
    if "unknown label sets" in " ".join(words):
        pytest.skip("with very many labels all must be known")
    options = ReadOptions(labels=",".join(labels), sparse_targets=True)
    samples = read(path, options)
    notes = list(samples.notes)
    words = ["--labels", ",".join(labels), "--extreme", "--epochs", "1", "--json", "-o", tmp_path / "m.manyhot"]
    done = manyhot("train", path, *words)
    assert done.code == 0, done.err
    assert [note for note in spoken(done.err) if note in notes] == notes
    assert done.document["report"]["notes"] == notes
    fitted, _ = record(lambda: ExtremeMultiLabelClassifier(epochs=1, verbose=0).fit(samples))
    assert fitted.report_.values["notes"] == notes
    for X, y in make_frames(columns, labels):
        fitted, caught = record(lambda X=X, y=y: ExtremeMultiLabelClassifier(epochs=1, verbose=0).fit(X, y))
        assert "; ".join(caught) == "; ".join(notes), type(X)
        assert fitted.report_.values["notes"] == notes
        assert all(note in " ".join(str(fitted.report_).split()) for note in notes)
        fitted.save(tmp_path / "saved.manyhot")
        assert load(tmp_path / "saved.manyhot").report_.values["notes"] == notes


def test_one_column_of_targets_has_its_note_and_a_given_kind_none():
    columns, labels, _ = make_table("like labels")
    frame = pd.DataFrame(columns)
    features, targets = frame.drop(columns=labels), frame[["mood_sad"]]
    _, caught = record(lambda: MultiLabelClassifier(**SETTINGS).fit(features, targets))
    assert "look like further labels are used as features: mood_fast, mood_slow" in caught[0]
    kinds = {"mood_fast": "boolean", "mood_slow": "boolean"}
    _, caught = record(lambda: MultiLabelClassifier(**SETTINGS, column_types=kinds).fit(features, targets))
    assert caught == []


def test_ids_keep_their_zeros_in_python(tmp_path):
    ids = [f"{k:03d}" for k in range(N)]
    frame = pd.DataFrame({"song_id": ids, "x": X})
    fitted, _ = record(lambda: MultiLabelClassifier(**SETTINGS).fit(frame, pd.DataFrame(MOODS)))
    assert fitted.model_.evidence.ids[:3].tolist() == ["000", "001", "002"]
