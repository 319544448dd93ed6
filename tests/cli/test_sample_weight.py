"""`--sample-weight COLUMN`: weights of rows from a column, which is then no feature."""

import numpy as np
import polars as pl
import pytest

from manyhot import MultiLabelClassifier, cross_validate, load
from manyhot.data.readers import ReadOptions, read
from manyhot.errors import InputError
from tests.cli.conftest import NAMES, SMALL, songs

LABELS = ["--labels", "mood_*", "--id-column", "song_id", "--sample-weight", "weight", "--quiet"]


@pytest.fixture
def weighted(tmp_path):
    frame = songs(80)
    frame = frame.with_columns(weight=pl.Series(np.where(frame["kind"] == "rock", 3.0, 0.5)))
    frame.write_csv(tmp_path / "songs.csv")
    return tmp_path / "songs.csv"


def test_the_column_is_read_as_weights(weighted):
    samples = read(weighted, ReadOptions(labels="mood_*", sample_weight="weight"))
    assert "weight" not in samples.feature_names
    assert set(samples.sample_weight) == {3.0, 0.5}


# what is in the column: words of the refusal, row
BAD = {
    "-1": ("expected a finite number of 0 or more", 2),
    "heavy": ("got 'heavy' as the weight of a row", 2),
    "": ("got None as the weight of a row", 2),
    "inf": ("expected a finite number", 2),
}


@pytest.mark.parametrize("cell", BAD)
def test_other_cells_are_refused(cell, tmp_path):
    (tmp_path / "w.csv").write_text(f"x,w,y\n1,1,0\n2,{cell},1\n3,1,1\n")
    with pytest.raises(InputError, match=BAD[cell][0]) as refusal:
        read(tmp_path / "w.csv", ReadOptions(labels="y", sample_weight="w"))
    assert refusal.value.row == BAD[cell][1]
    with pytest.raises(InputError, match="no column 'v'"):
        read(tmp_path / "w.csv", ReadOptions(labels="y", sample_weight="v"))


@pytest.mark.slow
def test_train_uses_the_weights_as_fit_does(manyhot, weighted, tmp_path):
    done = manyhot("train", weighted, *LABELS, "-o", tmp_path / "m.manyhot", *SMALL)
    assert done.code == 0, done.err
    model = load(tmp_path / "m.manyhot")
    assert "weight" not in model.model_.encoder.names
    frame = pl.read_csv(weighted)
    X = frame.drop("song_id", "weight", *NAMES)
    settings = {"n_members": 2, "epochs": 2, "hidden_layer_sizes": (8,), "n_folds": 4, "verbose": 0}
    same, other = (
        MultiLabelClassifier(**settings).fit(X, frame.select(NAMES).to_pandas(), sample_weight=w).predict_proba(X)
        for w in (frame["weight"].to_numpy(), None)
    )
    scores = model.predict_proba(X)
    np.testing.assert_allclose(scores, same, atol=1e-6)
    assert not np.allclose(scores, other, atol=1e-4)
    done = manyhot("evaluate", tmp_path / "m.manyhot", weighted, "--sample-weight", "weight", "--json")
    assert done.code == 0, done.err
    decisions = model.predict(X).astype(bool)
    is_right = (decisions == frame.select(NAMES).to_numpy().astype(bool)).all(axis=1)
    weights = frame["weight"].to_numpy()
    assert done.document["weighted"]["subset_accuracy"] == pytest.approx(np.average(is_right, weights=weights))
    done = manyhot("train", weighted, *LABELS, "-o", tmp_path / "s.manyhot", "--stream", *SMALL)
    assert done.code == 2
    assert "--no-stream" in done.err


@pytest.mark.slow
def test_cv_trains_with_the_weights(manyhot, weighted):
    done = manyhot("cv", weighted, *LABELS, *SMALL, "--n-splits", "2", "--n-repeats", "1", "--json")
    assert done.code == 0, done.err
    samples = read(weighted, ReadOptions(labels="mood_*", id_column="song_id", sample_weight="weight"))
    settings = {"n_members": 2, "epochs": 2, "hidden_layer_sizes": (8,), "n_folds": 4, "verbose": 0}
    options = {"n_splits": 2, "n_repeats": 1, **settings}
    result = cross_validate(MultiLabelClassifier(), samples, **options)
    assert done.document["metrics"] == result.to_dict()["metrics"]
    zeros = np.where(np.arange(80) % 10, 1.0, 0.0)
    splits = cross_validate(MultiLabelClassifier(), samples, sample_weight=zeros, **options).splits
    assert all(zeros[split.train].all() for split in splits)
    assert sum(len(split.test) for split in splits) == 80
