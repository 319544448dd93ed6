"""Tables that have categories and no column of numbers, through every door."""

import numpy as np
import polars as pl
import pytest

from manyhot import ManyLabelClassifier, MultiLabelClassifier, cross_validate, examine, load
from manyhot.read import ReadOptions, read
from manyhot.reading import options_for
from manyhot.serve.limits import Limits
from manyhot.serve.rows import rows_for

SMALL = {"members": 4, "folds": 4, "epochs": 40, "hidden": (64,), "quiet": True}
LABELS = ["warm", "round"]


def things(n_rows: int = 120, seed: int = 0, beside: str = "nothing") -> tuple[pl.DataFrame, pl.DataFrame]:
    """Colours, forms and makers; what is warm hangs on the colour, what is round on the form."""
    generator = np.random.default_rng(seed)
    colour, form, maker = (
        generator.choice(names, n_rows) for names in (["red", "blue"], ["ball", "box", "ring"], list("abcdefghij"))
    )
    columns = {"colour": colour, "form": form, "maker": [None if k % 17 == 5 else name for k, name in enumerate(maker)]}
    frame = pl.DataFrame(columns)
    if beside == "text":
        words = np.array(["cheap", "new", "used", "heavy", "light", "rare"])
        frame = frame.with_columns(note=pl.Series([" ".join(generator.choice(words, 4)) for _ in range(n_rows)]))
    if beside == "images":
        frame = frame.with_columns(pl.Series("photo", generator.integers(0, 256, (n_rows, 8, 8), dtype=np.uint8)))
    return frame, pl.DataFrame({"warm": colour == "red", "round": form != "box"}).cast(pl.Int8)


def trained(beside: str) -> tuple[MultiLabelClassifier, pl.DataFrame, pl.DataFrame]:
    X, Y = things(beside=beside)
    settings = {**SMALL, "image_settings": {"filters": [4]}} if beside == "images" else SMALL
    kinds = {"note": "text"} if beside == "text" else None
    return MultiLabelClassifier(**settings, kinds=kinds).fit(X, Y), X, Y


@pytest.mark.parametrize("beside", ["nothing", "text", pytest.param("images", marks=pytest.mark.slow)])
def test_it_learns_answers_explains_and_is_saved(beside, tmp_path):
    classifier, X, Y = trained(beside)
    assert classifier.report_.measures["own"]["roc_auc_macro"]["value"] > 0.9
    new, truth = things(60, seed=1, beside=beside)
    scores = classifier.predict_proba(new)
    assert (classifier.predict(new) == truth.to_numpy()).mean() > 0.9
    told = classifier.explain(new[:3], LABELS)
    assert [set(one) for one in told] == [set(LABELS)] * 3
    classifier.save(tmp_path / "things.manyhot")
    again = load(tmp_path / "things.manyhot")
    assert np.array_equal(again.predict_proba(new), scores)
    assert len(again.suspicious_labels(3).reasons()) <= 3
    again.add_labels(X, Y.with_columns(boxed=1 - Y["round"]), epochs=2)
    assert again.labels_ == ("warm", "round", "boxed")


@pytest.mark.parametrize("beside", ["nothing", "text"])
def test_rows_of_the_service_are_answered_alike(beside):
    classifier, *_ = trained(beside)
    new = things(20, seed=1, beside=beside)[0]
    rows = rows_for(classifier.model_.encoder, Limits())
    blocks = rows.blocks(new.to_dicts())
    for name, block in classifier.model_.encoder.transform(new).items():
        dense = (part.toarray() if name in classifier.model_.encoder.sparse else part for part in (block, blocks[name]))
        assert np.array_equal(*dense)
    assert rows.features(new.to_dicts()).columns == new.columns


@pytest.mark.parametrize("beside", ["nothing", "text"])
def test_cross_validation_and_the_doctor_take_it(beside):
    X, Y = things(beside=beside)
    result = cross_validate(MultiLabelClassifier(**SMALL), X, Y, folds=3, repeats=1)
    assert result.mean("roc_auc_macro") > 0.9
    assert examine(X, Y).to_dict()["facts"]["rows"] == 120


def test_a_file_is_streamed_and_answered(tmp_path):
    X, Y = things(400)
    pl.concat([X, Y.rename({name: f"is_{name}" for name in LABELS})], how="horizontal").write_csv(tmp_path / "x.csv")
    options = ReadOptions(labels="is_*")
    classifier = MultiLabelClassifier(**SMALL).fit_file(tmp_path / "x.csv", options, stream=True)
    samples = read(tmp_path / "x.csv", options_for(classifier, {"labels": "is_*"}))
    assert set(samples.kinds.values()) == {"categorical"}
    assert (classifier.predict(samples) == Y.to_numpy()).mean() > 0.9


def test_very_many_labels_take_it():
    X, Y = things()
    sets = [[name for name in LABELS if row[name]] for row in Y.to_dicts()]
    many = ManyLabelClassifier(hidden=(16,), epochs=30, quiet=True).fit(X, sets)
    assert many.predict_top(X[:2], k=2).labels.shape == (2, 2)
