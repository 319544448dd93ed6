"""`predict_arrow`: the predictions of `predict_proba`, in and out as Arrow, in whatever batches."""

import polars as pl
import pytest

from manyhot import ExtremeMultiLabelClassifier, MultiLabelClassifier, predict_arrow
from manyhot.errors import InputError
from tests.cli.conftest import NAMES, songs

pa = pytest.importorskip("pyarrow")
pytestmark = pytest.mark.slow
COLUMNS = [f"p_{name}" for name in NAMES]


@pytest.fixture(scope="module")
def classifier():
    frame = songs(80)
    return MultiLabelClassifier(n_members=2, epochs=2, verbose=0).fit(
        frame.select("tempo", "energy", "kind"), frame[NAMES]
    )


KINDS = {
    "polars": lambda frame: frame,
    "pyarrow": lambda frame: frame.to_arrow(),
    "batch": lambda frame: frame.to_arrow().combine_chunks().to_batches()[0],
    "pandas": lambda frame: frame.to_pandas(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_gets_the_probabilities_of_predict_proba(classifier, kind):
    frame = songs(40, seed=1)
    shuffled = frame.select(reversed(frame.columns))  # labels and ids are there, too
    found = predict_arrow(classifier, KINDS[kind](shuffled), id_column="song_id")
    assert isinstance(found, pa.Table if kind in ("pyarrow", "batch") else pl.DataFrame)
    found = pl.DataFrame(found)
    assert found.columns == ["id", "labels", *COLUMNS]
    assert found["id"].to_list() == frame["song_id"].to_list()
    features = frame.select("tempo", "energy", "kind")
    assert (found[COLUMNS].to_numpy() == classifier.predict_proba(features)).all()
    assert [set(row) for row in found["labels"]] == classifier.predict_labels(features)


def test_batches_have_one_schema_also_when_they_are_empty(classifier):
    table = songs(40).to_arrow()
    whole = predict_arrow(classifier, table)
    empty = predict_arrow(classifier, table.slice(0, 0))
    assert empty.num_rows == 0
    assert empty.schema == whole.schema
    assert whole.schema.field("labels").type == pa.list_(pa.string())
    assert whole.column_names == ["labels", *COLUMNS]
    pieces = [predict_arrow(classifier, batch) for batch in table.to_batches(max_chunksize=7)]
    joined = pl.DataFrame(pa.concat_tables(pieces))
    difference = joined[COLUMNS].to_numpy() - pl.DataFrame(whole)[COLUMNS].to_numpy()
    assert abs(difference).max() < 1e-6
    assert joined["labels"].to_list() == pl.DataFrame(whole)["labels"].to_list()


def test_the_id_column_of_training_is_taken_where_it_is(classifier):
    classifier.read_options_ = {"id_column": "song_id"}
    try:
        assert predict_arrow(classifier, songs(3))["id"].to_list() == ["s0", "s1", "s2"]
        assert "id" not in predict_arrow(classifier, songs(3).drop("song_id")).columns
    finally:
        classifier.read_options_ = {}


def test_a_model_of_an_array_takes_columns_by_their_place():
    X = songs(60).select("tempo", "energy").to_numpy()
    classifier = MultiLabelClassifier(n_members=2, epochs=2, verbose=0).fit(X, songs(60)[NAMES].to_numpy())
    table = pl.DataFrame(X, schema=["a", "b"])
    found = predict_arrow(classifier, table.with_columns(key=pl.lit("k")), "key")
    assert (found.drop("id", "labels").to_numpy() == classifier.predict_proba(X)).all()
    table.columns = ["x1", "x0"]  # as the model calls them
    assert (predict_arrow(classifier, table).drop("labels").to_numpy() == classifier.predict_proba(X[:, ::-1])).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop("tempo"), "argument 'table'.*'tempo' is missing"),
        (lambda frame: frame.with_columns(tempo=pl.lit("x")), "row 1, column 'tempo'.*got 'x', expected a number"),
        (lambda frame: [1, 2], "got a list, expected a pyarrow.Table"),
    ],
)
def test_what_cannot_be_predicted_is_named(classifier, change, message):
    with pytest.raises(InputError, match=message):
        predict_arrow(classifier, change(songs(5)))


def test_unknown_id_column_and_other_models_are_refused(classifier):
    with pytest.raises(InputError, match=r"no column 'song'; did you mean 'song_id'"):
        predict_arrow(classifier, songs(5), id_column="song")
    with pytest.raises(InputError, match="expected a trained MultiLabelClassifier"):
        predict_arrow(ExtremeMultiLabelClassifier(), songs(5))
