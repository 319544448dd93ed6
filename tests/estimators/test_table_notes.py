"""What is guessed of a table, or left out, reaches a person in Python in the words of the command line."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

from manyhot import ExtremeMultiLabelClassifier, MultiLabelClassifier
from manyhot.data.readers import ReadOptions, read
from manyhot.errors import ManyhotWarning

NAMES = ["mood_sad", "mood_quiet"]


def table(n_rows=40):
    generator = np.random.default_rng(0)
    values = generator.normal(size=n_rows)
    return pl.DataFrame(
        {
            "song_id": [f"s{k}" for k in range(n_rows)],
            "tempo": values,
            "when": pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 2, 9), "1d", eager=True),
            "same": ["x"] * n_rows,
            "mood_sad": (values > 0).astype(int),
            "mood_fast": (generator.random(n_rows) > 0.5).astype(int),
            "mood_quiet": (values < 0.4).astype(int),
        }
    )


def classifier():
    return MultiLabelClassifier(n_members=2, epochs=1, hidden_layer_sizes=(4,), batch_size=16, verbose=0)


def fit_and_record(X, y, estimator=None):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = (estimator or classifier()).fit(X, y)
    return fitted, [w for w in caught if w.category is ManyhotWarning]


@pytest.mark.slow
@pytest.mark.parametrize("to_form", [pl.DataFrame, pl.DataFrame.to_pandas, pl.DataFrame.to_arrow])
def test_python_gives_the_notes_of_the_command_line(to_form, tmp_path):
    frame = table()
    frame.write_parquet(tmp_path / "t.parquet")
    notes = read(tmp_path / "t.parquet", ReadOptions(labels=",".join(NAMES))).notes
    assert [word for word in ("mood_fast", "song_id", "when", "same") if word in " ".join(notes)] == [
        "mood_fast",
        "song_id",
        "when",
        "same",
    ]
    X, y = to_form(frame.drop(NAMES)), frame.select(NAMES).to_pandas()
    fitted, caught = fit_and_record(X, y)
    assert [str(warning.message) for warning in caught] == ["; ".join(notes)]
    assert caught[0].filename == __file__
    assert fitted.report_.values["notes"][: len(notes)] == list(notes)
    assert fitted.model_.evidence.ids[:2].tolist() == ["s0", "s1"]  # as the first note says


def test_a_label_among_the_features_is_noted():
    frame = table().select("tempo", *NAMES).to_pandas()
    _, caught = fit_and_record(frame, frame[NAMES])
    assert "the name of a label are used as features: mood_sad, mood_quiet" in str(caught[0].message)


def test_a_plain_table_gives_no_warning():
    frame = table().select("tempo").to_pandas()
    assert fit_and_record(frame, table().select(NAMES).to_pandas())[1] == []
    assert fit_and_record(frame.to_numpy(), table().select(NAMES).to_numpy())[1] == []


@pytest.mark.slow
def test_fit_file_and_very_many_labels_say_it_too(tmp_path):
    frame = table()
    frame.write_csv(tmp_path / "t.csv")
    with pytest.warns(ManyhotWarning, match=r"mood_fast.*song_id"):
        classifier().fit_file(tmp_path / "t.csv", ReadOptions(labels=",".join(NAMES)), stream=False)
    extreme = ExtremeMultiLabelClassifier(epochs=1, verbose=0)
    y = pd.Series([["a"] if k % 2 else ["b"] for k in range(len(frame))]).tolist()
    _, caught = fit_and_record(frame.drop(NAMES).to_pandas(), y, extreme)
    assert "when" in str(caught[0].message)
