"""Tables that have categories and no column of numbers, through every door, and those of which few rows differ."""

from functools import cache

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from manyhot import ExtremeMultiLabelClassifier, MultiLabelClassifier, check_data, cross_validate, load
from manyhot.data.readers import ReadOptions, read
from manyhot.errors import InputError
from manyhot.estimators.read_options import model_read_options
from manyhot.serving.json_rows import make_row_parser
from manyhot.serving.limits import Limits

SMALL = {"n_members": 4, "n_folds": 4, "epochs": 40, "hidden_layer_sizes": (64,), "verbose": 0}
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


@cache
def trained(beside: str) -> tuple[MultiLabelClassifier, pl.DataFrame, pl.DataFrame]:
    X, Y = things(beside=beside)
    settings = {**SMALL, "image_params": {"filters": [4]}} if beside == "images" else SMALL
    column_types = {"note": "text"} if beside == "text" else None
    return MultiLabelClassifier(**settings, column_types=column_types).fit(X, Y), X, Y


@pytest.mark.slow
@pytest.mark.parametrize("beside", ["nothing", "text", "images"])
def test_it_learns_answers_explains_and_is_saved(beside, tmp_path):
    classifier, X, Y = trained(beside)
    assert classifier.report_.metrics["decision"]["roc_auc_macro"]["value"] > 0.9
    new, truth = things(60, seed=1, beside=beside)
    scores = classifier.predict_proba(new)
    assert (classifier.predict(new) == truth.to_numpy()).mean() > 0.9
    told = classifier.explain(new[:3], LABELS)
    assert [set(one) for one in told] == [set(LABELS)] * 3
    classifier.save(tmp_path / "things.manyhot")
    again = load(tmp_path / "things.manyhot")
    assert np.array_equal(again.predict_proba(new), scores)
    assert len(again.find_label_errors(3).reasons()) <= 3
    again.add_labels(X, Y.with_columns(boxed=1 - Y["round"]), epochs=2)
    assert again.labels_ == ("warm", "round", "boxed")


@pytest.mark.slow
@pytest.mark.parametrize("beside", ["nothing", "text"])
def test_rows_of_the_service_are_answered_alike(beside):
    classifier, *_ = trained(beside)
    new = things(20, seed=1, beside=beside)[0]
    rows = make_row_parser(classifier.model_.encoder, Limits())
    blocks = rows.encode(rows.parse(new.to_dicts()))
    for name, block in classifier.model_.encoder.transform(new).items():
        dense = (part.toarray() if name in classifier.model_.encoder.sparse else part for part in (block, blocks[name]))
        assert np.array_equal(*dense)
    assert rows.to_features(new.to_dicts()).columns == new.columns


@pytest.mark.slow
@pytest.mark.parametrize("beside", ["nothing", "text"])
def test_cross_validation_and_check_data_take_it(beside):
    X, Y = things(beside=beside)
    result = cross_validate(MultiLabelClassifier(**SMALL), X, Y, n_splits=3, n_repeats=1)
    assert result.mean("roc_auc_macro") > 0.9
    assert check_data(X, Y).to_dict()["facts"]["rows"] == 120


@pytest.mark.slow
def test_a_file_is_streamed_and_answered(tmp_path):
    X, Y = things(400)
    pl.concat([X, Y.rename({name: f"is_{name}" for name in LABELS})], how="horizontal").write_csv(tmp_path / "x.csv")
    options = ReadOptions(labels="is_*")
    classifier = MultiLabelClassifier(**SMALL).fit_file(tmp_path / "x.csv", options, stream=True)
    samples = read(tmp_path / "x.csv", model_read_options(classifier, {"labels": "is_*"}))
    assert set(samples.column_types.values()) == {"categorical"}
    assert (classifier.predict(samples) == Y.to_numpy()).mean() > 0.9


@pytest.mark.slow
def test_very_many_labels_take_it():
    X, Y = things()
    sets = [[name for name in LABELS if row[name]] for row in Y.to_dicts()]
    many = ExtremeMultiLabelClassifier(hidden_layer_sizes=(16,), epochs=30, verbose=0).fit(X, sets)
    assert many.predict_top_k(X[:2], k=2).labels.shape == (2, 2)


def noisy(n_rows: int, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
    """Three colours, and two labels that 20, 50 and 80 % of them carry: few rows differ, and equal ones disagree."""
    generator = np.random.default_rng(seed)
    colour = generator.integers(0, 3, n_rows)
    is_so = generator.random((n_rows, 2)) < np.array([0.2, 0.5, 0.8])[colour][:, None]
    return pl.DataFrame({"colour": np.array(["red", "green", "blue"])[colour]}), is_so.astype(int)


def by_keras(shape: tuple[int, ...], n_labels: int):
    from manyhot.backend import keras  # after what chooses the backend

    layers = keras.layers
    return keras.Sequential(
        [layers.Input(shape), layers.Dense(16, "relu"), layers.Dense(n_labels, activation="sigmoid")]
    )


@pytest.mark.slow
@pytest.mark.parametrize("settings", [SMALL, {"n_members": 4, "n_folds": 4, "network": by_keras, "verbose": 0}])
def test_scores_are_honest_where_few_rows_differ(settings):
    """Kept together, equal rows would be scored by what the others, with other labels, say of them."""
    (X, Y), (new, truth) = noisy(600, 0), noisy(2000, 1)
    if "network" in settings:
        X, new = (frame.to_dummies() for frame in (X, new))
    classifier = MultiLabelClassifier(**settings).fit(X, Y)
    scores = classifier.predict_proba(new)
    reported = classifier.report_.metrics["decision"]["roc_auc_macro"]["value"]
    assert abs(reported - roc_auc_score(truth, scores, average="macro")) < 0.04
    assert reported > 0.68
    assert np.square(scores - truth).mean() < 0.2
    assert any("Only 3 different rows are among the 600" in note for note in classifier.report_.to_dict()["notes"])


@pytest.mark.slow
def test_a_label_that_hangs_on_one_category_is_learned():
    X = pl.DataFrame({"colour": ["a", "b", "c"] * 40})
    Y = pl.DataFrame({"p": [0, 1, 0] * 40, "q": [0, 0, 1] * 40})
    classifier = MultiLabelClassifier(**SMALL).fit(X, Y)
    assert classifier.report_.metrics["decision"]["roc_auc_macro"]["value"] == 1
    assert (classifier.predict(X) == Y.to_numpy()).all()
    alone = cross_validate(MultiLabelClassifier(**SMALL), X, Y, n_splits=3, n_repeats=1)
    assert alone.mean("subset_accuracy") == 1


@pytest.mark.slow
def test_a_promise_takes_rows_that_equal_rows_of_training_by_chance_but_not_those_themselves():
    X, Y = things(40)
    classifier = MultiLabelClassifier(**SMALL).fit(X, Y)
    with pytest.raises(InputError, match="40 of these 40 rows were used in training"):
        classifier.guarantee(X, Y, miss_rate=0.3)
    promise = classifier.guarantee(*things(100, seed=2), miss_rate=0.3)
    assert "30" in promise.statement(classifier.model_.labels)


@pytest.mark.slow
def test_a_template_of_text_does_not_drown_the_category_beside_it():
    kind = np.arange(90) % 3
    X = pl.DataFrame(
        {
            "message": [f"please help me with order number {k}" for k in range(90)],
            "channel": ["mail", "phone", "chat"] * 30,
        }
    )
    Y = np.stack([kind == 0, kind == 1], axis=1).astype(int)
    classifier = MultiLabelClassifier(
        n_members=2, epochs=40, learning_rate=0.02, hidden_layer_sizes=(16,), verbose=0
    ).fit(X, Y)
    assert classifier.score(X, Y) > 0.9
