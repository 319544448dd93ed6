"""What a person does with `MultiLabelClassifier`."""

import pickle

import jax
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.preprocessing import MultiLabelBinarizer

import manyhot
from manyhot.errors import InputError
from manyhot.estimators.multilabel import MultiLabelClassifier

SMALL = {"n_members": 2, "epochs": 3, "hidden_layer_sizes": (16,), "verbose": 0}


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(90, 5))
    Y = (X[:, :3] + 0.3 * generator.normal(size=(90, 3)) > 0.2).astype(int)
    return X, Y


def fitted(X, Y, **settings):
    return MultiLabelClassifier(**{**SMALL, **settings}).fit(X, Y)


@pytest.mark.slow
def test_every_form_of_targets_gives_the_same_model(rows):
    X, Y = rows
    names = ["loud", "quiet", "sad"]
    sets = [{names[j] for j in np.flatnonzero(row)} for row in Y]
    binarizer = MultiLabelBinarizer(classes=names)
    forms = [
        Y,
        Y.astype(bool),
        Y.astype(float),
        sp.csr_matrix(Y),
        sp.coo_array(Y),
        Y.tolist(),
        pd.DataFrame(Y, columns=names),
        pl.DataFrame(Y, schema=names),
        pl.DataFrame(Y.astype(bool), schema=names),
        sets,
        [sorted(s) for s in sets],
        pd.Series([tuple(s) for s in sets]),
        pl.Series([sorted(s) for s in sets]),
        binarizer.fit_transform(sets),
    ]
    expected = fitted(X, Y).predict_proba(X)
    for form in forms:
        classifier = fitted(X, form, labels=names)
        np.testing.assert_array_equal(classifier.predict_proba(X), expected, err_msg=str(type(form)))
        assert classifier.labels_ == tuple(names)


@pytest.mark.slow
def test_label_sets_come_back_under_their_names(rows):
    X, Y = rows
    names = np.array(["loud", "quiet", "sad"])
    classifier = fitted(X, [set(names[row.astype(bool)]) for row in Y], epochs=20, learning_rate=1e-2)
    assert classifier.labels_ == ("loud", "quiet", "sad")
    assert classifier.predict_labels(X) == [set(names[row.astype(bool)]) for row in classifier.predict(X)]
    assert set(classifier.thresholds_) == set(names)
    assert classifier.predict(X).dtype == np.int64
    assert classifier.predict_proba(X).shape == (90, 3)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["sad", "quiet"] * 45, "sad"),
        ([{"sad"}] * 89 + ["sad"], "row 90"),
        (np.full((90, 2), 2), "expected 0, 1"),
        (np.zeros((90, 2)), "one class only"),
        (np.zeros((80, 2)), "90 rows but y has 80"),
        ([[]] * 90, "no row has any label"),
    ],
)
def test_wrong_targets_are_named(rows, y, message):
    with pytest.raises(InputError, match=message):
        fitted(rows[0], y)


@pytest.mark.slow
def test_a_constant_label_is_answered_by_its_prior_and_named(rows):
    X, Y = rows
    Y = np.column_stack([Y, np.ones(90, int), np.zeros(90, int)])
    classifier = fitted(X, Y, epochs=10)
    scores = classifier.predict_proba(X)
    assert scores[:, 3].min() > 0.9
    assert scores[:, 4].max() < 0.1
    assert classifier.report_.to_dict()["data"]["constant_labels"] == ["label_3", "label_4"]
    assert "label_4" in str(classifier.report_)


@pytest.mark.slow
def test_unknown_targets_are_left_out_everywhere(rows):
    X, Y = rows
    unknown = np.random.default_rng(1).random(Y.shape) < 0.3
    with_gaps = np.where(unknown, np.nan, Y)
    classifier = fitted(X, with_gaps)
    measured = classifier.report_.to_dict()
    assert sum(row["n_known"] for row in measured["labels"]) == (~unknown).sum()
    as_lists = [[None if np.isnan(value) else int(value) for value in row] for row in with_gaps]
    other = fitted(X, as_lists)
    np.testing.assert_array_equal(classifier.predict_proba(X), other.predict_proba(X))


@pytest.mark.slow
def test_the_order_of_rows_does_not_matter(rows):
    X, Y = rows
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_array_equal(fitted(X, Y).predict_proba(X), fitted(X[order], Y[order]).predict_proba(X))


@pytest.mark.slow
def test_a_row_of_weight_two_is_the_row_twice(rows):
    X, Y = rows
    weights = np.random.default_rng(0).integers(0, 3, size=90)
    weighted = MultiLabelClassifier(**SMALL).fit(X, Y, sample_weight=weights)
    repeated = fitted(np.repeat(X, weights, axis=0), np.repeat(Y, weights, axis=0))
    np.testing.assert_array_equal(weighted.predict_proba(X), repeated.predict_proba(X))
    assert weighted.thresholds_ == repeated.thresholds_


@pytest.mark.slow
def test_sparse_features_stay_sparse_and_agree_with_a_saved_model(rows, tmp_path):
    generator = np.random.default_rng(3)
    X = sp.random(120, 400, density=0.05, format="csr", random_state=3)
    Y = np.asarray((X[:, :200].sum(axis=1) > X[:, 200:].sum(axis=1)).reshape(-1, 1))
    Y = np.column_stack([Y, generator.random(120) < 0.5]).astype(int)
    classifier = fitted(X, Y)
    block = classifier.model_.encoder.transform(X)["features"]
    assert sp.issparse(block)
    assert block.nnz == X.nnz
    classifier.save(tmp_path / "s.manyhot")
    loaded = manyhot.load(tmp_path / "s.manyhot")
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{}, {"batch_norm": True, "dropout": 0.2}, {"dtype": "float64"}, {"decision": "top_k"}]
)
def test_a_saved_model_gives_the_same_scores_bit_for_bit(rows, tmp_path, settings):
    X, Y = rows
    classifier = fitted(X, Y, **settings)
    classifier.read_options_ = {"labels": "x_*"}
    classifier.save(tmp_path / "m.manyhot")
    loaded = manyhot.load(tmp_path / "m.manyhot")
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), classifier.predict(X))
    assert loaded.thresholds_ == classifier.thresholds_
    assert loaded.report_.to_dict() == classifier.report_.to_dict()
    assert loaded.read_options_ == {"labels": "x_*"}
    np.testing.assert_array_equal(loaded.model_.evidence.scores, classifier.model_.evidence.scores)
    np.testing.assert_array_equal(loaded.model_.evidence.ids, classifier.model_.evidence.ids)
    unpickled = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(unpickled.predict_proba(X), classifier.predict_proba(X))


def test_evidence_can_be_left_out(rows, tmp_path):
    classifier = fitted(*rows)
    classifier.save(tmp_path / "m.manyhot")
    classifier.save(tmp_path / "small.manyhot", evidence=False)
    assert (tmp_path / "small.manyhot").stat().st_size < (tmp_path / "m.manyhot").stat().st_size
    loaded = manyhot.load(tmp_path / "small.manyhot")
    assert loaded.model_.evidence is None
    assert str(loaded.report_) == str(classifier.report_)


@pytest.mark.slow
def test_mixed_frames_with_gaps_and_unseen_levels(rows, tmp_path):
    X, Y = rows
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame["colour"] = np.where(X[:, 0] > 0, "red", np.where(X[:, 1] > 0, "blue", None))
    frame["is_old"] = X[:, 2] > 0
    frame.loc[3:9, "b"] = np.nan
    classifier = fitted(frame, Y)
    frame.loc[0, "colour"] = "never seen"
    assert np.isfinite(classifier.predict_proba(frame)).all()
    polars_frame = pl.from_pandas(frame)
    np.testing.assert_array_equal(classifier.predict_proba(frame), classifier.predict_proba(polars_frame))
    classifier.save(tmp_path / "m.manyhot")
    loaded = manyhot.load(tmp_path / "m.manyhot")
    np.testing.assert_array_equal(loaded.predict_proba(frame), classifier.predict_proba(frame))
    with pytest.raises(ValueError, match="colour"):
        classifier.predict(frame.drop(columns="colour"))
    frame.loc[2, "a"] = np.inf
    with pytest.raises(InputError, match="row 3, column 'a'"):
        classifier.predict(frame)


def with_stored_zeros(X: np.ndarray) -> sp.csr_matrix:
    """CSR whose first rows have entries that are 0."""
    made = sp.csr_matrix(np.where(X == 0, 1, X))
    made.data[:7] = 0
    return made


@pytest.mark.parametrize("made", [np.asarray, sp.csc_matrix, with_stored_zeros, lambda X: X.tolist()])
def test_infinity_in_a_matrix_is_told_with_its_place(rows, made):
    X, Y = rows
    broken = X.copy()
    broken[4, 2] = -np.inf
    with pytest.raises(InputError, match=r"row 5, column 'x2'.*infinity"):
        MultiLabelClassifier(**SMALL).fit(made(broken), Y)
    with pytest.raises(InputError, match=r"row 5, column 'x2'.*infinity"):
        fitted(X, Y).predict(made(broken))


def test_text_in_a_matrix_is_told_with_its_place_and_what_to_do(rows):
    X, Y = rows
    mixed = X.astype(object)
    mixed[:, 1] = "1.5"
    mixed[6, 1] = "red"
    with pytest.raises(InputError, match=r"row 7, column 'x1': got 'red', expected a number.*DataFrame"):
        MultiLabelClassifier(**SMALL).fit(mixed, Y)


@pytest.mark.slow
def test_partial_fit_goes_on_and_marks_the_report_as_stale(rows):
    X, Y = rows
    classifier = MultiLabelClassifier(**SMALL).partial_fit(X, Y)
    before = classifier.predict_proba(X)
    assert not classifier.report_.to_dict().get("is_stale")
    loss = []
    for _ in range(8):
        classifier.partial_fit(X, Y)
        scores = classifier.predict_proba(X)
        loss.append(-np.where(Y, np.log(scores), np.log1p(-scores)).mean())
    assert loss[-1] < loss[0] < -np.where(Y, np.log(before), np.log1p(-before)).mean()
    assert classifier.report_.to_dict()["is_stale"]
    assert classifier.model_.evidence.is_stale


def test_thresholds_are_edited_by_name(rows):
    X, Y = rows
    classifier = fitted(X, Y).set_thresholds({"label_1": 0.0})
    assert classifier.predict(X)[:, 1].all()
    assert classifier.thresholds_["label_1"] == 0.0
    with pytest.raises(InputError, match="did you mean 'label_1'"):
        classifier.set_thresholds({"lable_1": 0.5})


@pytest.mark.slow
def test_one_member_holds_out_a_quarter_of_few_rows(rows):
    classifier = fitted(*rows, n_members=1)
    assert 22 <= len(classifier.model_.evidence.scores) <= 23
    assert classifier.report_.to_dict()["scores"]["from"] == "held_out"


def test_fewer_rows_than_folds():
    X, Y = np.arange(10.0).reshape(5, 2), np.array([[0, 1], [1, 0], [0, 1], [1, 0], [1, 1]])
    with pytest.raises(InputError, match=r"5 rows are fewer than 8 folds.*n_folds=2"):
        fitted(X, Y, n_members=8)
    with pytest.raises(InputError, match=r"fewer than 4 folds.*n_members=2"):
        fitted(X[:3], Y[:3], n_members=1)
    assert fitted(X[:3], Y[:3], n_members=2, epochs=1).predict(X).shape == (5, 2)  # two members need two folds


@pytest.mark.slow
def test_a_hopeless_rare_label_is_not_answered_everywhere():
    """Pure noise, one positive in fifty: the exact optimum of F1 answers many rows for nothing."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(300, 4))
    Y = np.column_stack([X[:, 0] > 0, generator.random((300, 6)) < 0.02]).astype(int)
    fresh = generator.normal(size=(2000, 4))
    classifier = fitted(X, Y, n_members=8)
    assert classifier.predict(fresh)[:, 1:].mean() < 0.05
    answered = {}
    for least in (0.0, 0.1):
        classifier.tune_thresholds("f1_macro", min_f1=least)
        answered[least] = classifier.predict(fresh)[:, 1:].mean()
    assert answered[0.1] < 0.05
    assert answered[0.0] > 2 * answered[0.1]


@pytest.mark.slow
def test_one_binary_target_is_answered_as_scikit_learn_does(rows):
    X, Y = rows
    for classes in (np.array([0, 1]), np.array([-1, 1]), np.array(["no", "yes"])):
        y = classes[Y[:, 0]]
        classifier = fitted(X, y)
        scores = classifier.predict_proba(X)
        assert scores.shape == (90, 2)
        np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)
        np.testing.assert_array_equal(classifier.predict(X), classes[scores.argmax(axis=1)])
        np.testing.assert_array_equal(classifier.classes_, classes)
    with pytest.raises(InputError, match="Only binary"):
        fitted(X, np.arange(90) % 3)
    with pytest.raises(InputError, match="got the text 'sad'"):
        fitted(X, np.array(["sad", "quiet", "fast"] * 30))


@pytest.mark.slow
def test_one_binary_target_is_decided_at_one_half_whatever_was_set(rows):
    X, Y = rows
    classifier = fitted(X, Y[:, 0], decision="precision", decision_params={"min_precision": 0.9})
    assert set(classifier.predict(X)) <= {0, 1}
    assert list(classifier.thresholds_.values()) == [0.5]


@pytest.mark.slow
def test_a_loaded_model_or_its_clone_is_fitted_on_other_labels(rows, tmp_path):
    X, Y = rows
    tiny = {"n_members": 2, "epochs": 1, "hidden_layer_sizes": (4,)}
    fitted(X, Y, **tiny).save(tmp_path / "m.manyhot")
    loaded = manyhot.load(tmp_path / "m.manyhot")
    assert (loaded.labels, loaded.labels_) == (None, ("label_0", "label_1", "label_2"))
    sets = [["p"] if row[0] else ["q", "r"] for row in Y]
    assert clone(loaded).set_params(verbose=0).fit(X, sets).labels_ == ("p", "q", "r")
    assert loaded.set_params(verbose=0).fit(X, Y[:, :2]).labels_ == ("label_0", "label_1")
    fitted(X, Y, **tiny, labels=[30, 4, 5]).save(tmp_path / "m.manyhot")
    loaded = manyhot.load(tmp_path / "m.manyhot")
    assert loaded.labels == [30, 4, 5]
    assert loaded.score(X, loaded.predict_labels(X)) == 1.0


def test_targets_through_one_door(rows):
    X, Y = rows
    names = ["a", "b", "c"]
    sets = [[name for name, holds in zip(names, row, strict=True) if holds] for row in Y]
    masked = np.ma.array(Y, mask=np.zeros_like(Y))
    masked[0, 0] = np.ma.masked
    classifier = fitted(X, sets, n_members=2, epochs=1, hidden_layer_sizes=(4,))
    expected = classifier.score(X, sets)
    frame = pd.DataFrame(Y, columns=names)
    for form in (
        frame[["c", "a", "b"]],
        frame.astype("Int64"),
        [dict(zip(names, map(int, row), strict=True)) for row in Y],
        pd.DataFrame({"tags": sets}),
        pd.Series([str(names) for names in sets]),
        frame.replace({0: "N", 1: "Y"}),
        jax.numpy.asarray(Y),
        jax.numpy.asarray(Y, dtype="bfloat16"),
    ):
        assert classifier.score(X, form) == expected, type(form)
    assert classifier.score(X[:1], masked[:1]) == classifier.score(X[:1], [{"b": Y[0, 1], "c": Y[0, 2]}])
    gaps = frame.astype("Int64")
    gaps.iloc[0, 0] = pd.NA
    assert classifier.score(X[:1], gaps[:1]) == classifier.score(X[:1], masked[:1])
    for wrong, words in (
        (frame.rename(columns={"a": "z"}), r"to_numpy"),
        (frame.to_dict("list"), "pd.DataFrame"),
        (pl.DataFrame(Y, schema=names).lazy(), "collect"),
        (np.where(Y, 1, -1), "where -1 means no"),
        (pd.Series(["a|b", "a"] * 45), "split"),
    ):
        with pytest.raises(InputError, match=words):
            classifier.score(X, wrong)
