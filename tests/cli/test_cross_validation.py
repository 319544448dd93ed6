"""`cv`, `compare-heads` and `check`: the numbers of Python, pictures, and errors for people."""

import polars as pl
import pytest

from manyhot import MultiLabelClassifier, cross_validate
from manyhot.data.readers import ReadOptions, read
from tests.cli.conftest import NAMES, SMALL, songs

QUICK = ["--n-members", "2", "--epochs", "2", "--hidden-layer-sizes", "8"]


@pytest.mark.slow
def test_cv_says_what_python_says(manyhot, table, tmp_path):
    words = ("cv", table, "--labels", "mood_*", "--n-splits", "3", "--n-repeats", "2", *QUICK)
    done = manyhot(*words, "--json")
    assert done.code == 0, done.err
    samples = read(table, ReadOptions(labels="mood_*"))
    clf = MultiLabelClassifier(n_members=2, epochs=2, hidden_layer_sizes=(8,), verbose=0)
    result = cross_validate(clf, samples, n_splits=3, n_repeats=2)
    assert done.document["n_fits"] == 6
    metric = done.document["metrics"]["decision"]["f1_micro"]
    assert metric["mean"] == pytest.approx(result.mean("f1_micro"), abs=1e-6)
    assert "f1_micro" in manyhot(*words, "--metrics", "f1_micro,lrap", "--plot", tmp_path / "spread.svg").out
    assert (tmp_path / "spread.svg").read_text().startswith("<svg")


@pytest.mark.slow
def test_cv_compares_two_settings_on_the_same_folds(manyhot, table):
    words = ("cv", table, "--labels", "mood_*", "--n-splits", "3", "--n-repeats", "2", *QUICK)
    done = manyhot(*words, "--against", "epochs=1", "--against", "learning-rate=0.00001", "--json")
    assert done.code == 0, done.err
    assert done.document["against"]["settings"] == {"epochs": 1, "learning_rate": 1e-5}
    assert set(done.document["comparison"]["metrics"]["lrap"]) >= {
        "value",
        "low",
        "high",
        "probability_better",
        "verdict",
    }


@pytest.mark.slow
def test_a_column_groups_the_rows_and_is_no_feature(manyhot, tmp_path):
    frame = songs().with_columns(pl.Series("artist", [f"a{k // 6}" for k in range(60)]))
    frame.write_csv(tmp_path / "songs.csv")
    words = ("cv", tmp_path / "songs.csv", "--labels", "mood_*", "--n-splits", "3", "--n-repeats", "1", *QUICK)
    done = manyhot(*words, "--groups", "artist", "--json")
    assert done.code == 0, done.err
    assert done.document["test_rows"] == [18, 24]
    done = manyhot(*words, "--groups", "artistt")
    assert done.code == 2
    assert "there is no column 'artistt' to group by" in done.err


@pytest.mark.slow
def test_compare_heads_prints_the_table_and_draws(manyhot, table, tmp_path):
    words = ("compare-heads", table, "--labels", "mood_*", "--n-splits", "3", *QUICK)
    done = manyhot(*words, "--plot", tmp_path / "heads.svg")
    assert done.code == 0, done.err
    for word in ("softmax+categorical", "sigmoid+binary", "subset accuracy", "baseline"):
        assert word in done.out
    assert "softmax, binary cross-entropy" in (tmp_path / "heads.svg").read_text()
    assert len(manyhot(*words, "--json").document["heads"]) == 3


@pytest.mark.slow
def test_check_prints_and_plots(manyhot, tmp_path):
    frame = songs().with_columns(pl.lit(1).alias("mood_always"))
    frame.write_csv(tmp_path / "songs.csv")
    words = ("check", tmp_path / "songs.csv", "--labels", "mood_*")
    done = manyhot(*words, "--plot", tmp_path / "labels.html")
    assert done.code == 0, done.err
    assert "mood_always" in done.out
    assert (tmp_path / "labels.html").stat().st_size > 100_000
    assert "constant" in {finding["kind"] for finding in manyhot(*words, "--json").document["findings"]}


@pytest.mark.slow
def test_softmax_is_refused_in_the_shell(manyhot, table, tmp_path):
    done = manyhot("train", table, "--labels", "mood_*", "-o", tmp_path / "x.manyhot", *SMALL, "--head", "softmax")
    assert done.code == 2
    assert "raising one label lowers all others" in done.err
    assert not (tmp_path / "x.manyhot").exists()
    words = ("--head", "softmax", "--allow-softmax", "--json")
    done = manyhot("train", table, "--labels", "mood_*", "-o", tmp_path / "x.manyhot", *SMALL, *words)
    assert done.code == 0, done.err
    assert manyhot("inspect", tmp_path / "x.manyhot", "--json").document["config"]["head"] == "softmax"


WRONG = [
    (("--n-splits", "1"), "n_splits"),
    (("--plot", "x.gif"), ".svg, .png, .html"),
    (("--against", "member=1"), "did you mean 'n_members'"),
    (("--against", "n_members=one"), "expected"),
    (("--metrics", "f1"), "expected one of"),
]


@pytest.mark.parametrize(("words", "message"), WRONG, ids=[message for _, message in WRONG])
def test_wrong_words_for_cv(manyhot, table, words, message):
    done = manyhot("cv", table, "--labels", "mood_*", *QUICK, *words)
    assert done.code == 2
    assert message in done.err
    assert not done.out
    assert len(NAMES) == 3
