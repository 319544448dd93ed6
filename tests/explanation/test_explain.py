"""Explanations: what was planted is found, sums are kept, and what is asked wrongly is answered."""

import json
from functools import cache

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

from manyhot import MultiLabelClassifier, load
from manyhot.backend import keras
from manyhot.encoders import MatrixEncoder
from manyhot.errors import InputError
from manyhot.explanation import explain as explanation_module
from manyhot.explanation.explain import Explanation, Reason

N = 240
FILL = ["hello", "please", "today", "thanks", "card", "über", "😀", "order", "never", "again"]
MATRIX = {"n_members": 2, "n_folds": 2, "epochs": 200, "learning_rate": 0.03, "verbose": 0}
SMALL = {"n_members": 2, "n_folds": 2, "epochs": 30, "learning_rate": 0.02, "verbose": 0}


def tickets() -> tuple[pl.DataFrame, list[set[str]]]:
    """Texts in which "refund" and "money back" decide on one label, "invoice" and a number on another."""
    generator = np.random.default_rng(3)
    texts, numbers, column_types, sets = [], generator.normal(size=N), generator.choice(["red", "blue"], N), []
    for k in range(N):
        words, labels = list(generator.choice(FILL, 7)), set()
        if generator.random() < 0.4:
            words.insert(3, str(generator.choice(["refund", "Money back"])))
            labels.add("refund")
        if generator.random() < 0.3:
            words.insert(1, "Invoice!")
        if "Invoice!" in words or column_types[k] == "red":
            labels.add("billing")
        if numbers[k] > 0.4:
            labels.add("urgent")
        texts.append(" ".join(words))
        sets.append(labels)
    size = [None if k % 9 == 0 else float(x) for k, x in enumerate(numbers)]
    return pl.DataFrame({"body": texts, "size": size, "kind": column_types, "flag": generator.random(N) < 0.5}), sets


@cache
def fitted(kind: str) -> tuple[MultiLabelClassifier, pl.DataFrame, list[set[str]]]:
    X, Y = tickets()
    sizes = {"max_words": 2**14, "max_characters": 2**14, "hashed": kind == "hashed"}
    hidden = () if kind == "linear" else (16,)
    clf = MultiLabelClassifier(hidden_layer_sizes=hidden, column_types={"body": "text"}, text_params=sizes, **SMALL)
    return clf.fit(X, Y), X, Y


@pytest.fixture(scope="module", params=["linear", "hidden_layer_sizes", "hashed"])
def every(request):
    return fitted(request.param)


@pytest.fixture(scope="module")
def trained():
    return fitted("hidden_layer_sizes")


def best(explanation: Explanation, n: int, is_word: bool) -> set[str]:
    """The n strongest words, or the n strongest columns, for a label."""
    return {one.what for one in [one for one in explanation.for_ if (one.column == "body") == is_word][:n]}


def is_whole(one: Explanation) -> bool:
    """Whether contributions sum to the logit but for the rounding of float32."""
    return abs(one.unexplained) < 3e-6 * max(1, abs(one.logit))


@pytest.mark.slow
def test_planted_words_and_columns_come_first(every):
    clf, X, Y = every
    hits = {name: [] for name in ("refund", "money back", "invoice", "size", "kind = red")}
    for row, labels, told in zip(X.to_dicts(), Y, clf.explain(X, ["refund", "billing", "urgent"]), strict=True):
        assert list(told) == ["refund", "billing", "urgent"]
        refund, billing, urgent = told.values()
        if "refund" in row["body"]:
            hits["refund"].append(best(refund, 1, True) == {"refund"} and refund.for_[0].what == "refund")
        if "Money back" in row["body"]:
            hits["money back"].append(best(refund, 2, True) == {"money", "back"})
        if "Invoice" in row["body"]:
            hits["invoice"].append(best(billing, 1, True) == {"invoice"})
        if row["kind"] == "red":
            hits["kind = red"].append(best(billing, 1, False) == {"kind = red"})
        if "urgent" in labels and row["size"] is not None:
            hits["size"].append(best(urgent, 1, False) == {"size"})
    found = {name: np.mean(one) for name, one in hits.items()}
    assert min(found.values()) > 0.9, found


@pytest.mark.slow
def test_contributions_sum_to_the_logit_without_hidden_layers(every, monkeypatch):
    monkeypatch.setattr(explanation_module, "is_stop_word", lambda word: False)  # they count, but are not listed
    clf, X, _ = every
    for told in clf.explain(X[:20], top=1000):
        for one in told.values():
            total = one.constant + sum(reason.contribution for reason in (*one.for_, *one.against))
            assert total + one.unexplained == pytest.approx(one.logit, abs=1e-9)
            if clf.hidden_layer_sizes == ():
                assert is_whole(one)
            assert [r.contribution for r in one.for_] == sorted([r.contribution for r in one.for_], reverse=True)
            assert [r.contribution for r in one.against] == sorted(r.contribution for r in one.against)
            assert all(r.contribution > 0 for r in one.for_)
            assert all(r.contribution < 0 for r in one.against)


@pytest.mark.slow
def test_either_of_two_levels_is_a_reason_the_rarer_one_the_stronger():
    is_rare = np.arange(N) % 8 == 0
    X = pl.DataFrame({"alarm": np.where(is_rare, "rings", "rests").tolist(), "n": [k % 5 for k in range(N)]})
    clf = MultiLabelClassifier(hidden_layer_sizes=(), labels=["fire"], **SMALL).fit(X, is_rare.astype(int)[:, None])
    rings, rests = (one["fire"] for one in clf.explain(X[:2], ["fire"]))
    assert rings.for_[0].what == "alarm = rings"
    assert "alarm = rests" in {reason.what for reason in rests.against}
    amount = next(reason.contribution for reason in rests.against if reason.column == "alarm")
    assert rings.for_[0].contribution == pytest.approx(-7 * amount, rel=1e-4)
    assert is_whole(rings)
    assert is_whole(rests)


@pytest.mark.slow
def test_answered_labels_are_explained_or_the_likeliest_one(every):
    clf, X, _ = every
    answers, scores = clf.predict_labels(X), clf.predict_proba(X)
    for k, told in enumerate(clf.explain(X, top=1)):
        likeliest = clf.labels_[scores[k].argmax()]
        assert set(told) == (answers[k] or {likeliest})
        for name, one in told.items():
            assert one.label == name
            assert one.score == scores[k, clf.labels_.index(name)]
            assert one.is_predicted == (name in answers[k])
            assert len(one.for_) <= 1


@pytest.mark.slow
def test_places_are_those_of_the_text_as_it_was_written(trained):
    clf, X, _ = trained
    X = X[:3].with_columns(body=pl.Series(["Please REFUND, refund!", "U\u0308ber 😀 money", None]))
    told = clf.explain(X, ["refund"], top=50)
    text = X["body"][0]
    reason = next(r for r in told[0]["refund"].for_ if r.what == "refund")
    assert reason.column == "body"
    assert [text[start:end] for start, end in reason.places] == ["REFUND", "refund"]
    others = [r for one in told for r in (*one["refund"].for_, *one["refund"].against) if r.column != "body"]
    assert all(r.places == () for r in others)
    assert {r.what for r in (*told[1]["refund"].for_, *told[1]["refund"].against)} >= {"über", "😀", "money"}
    assert {r.column for r in (*told[2]["refund"].for_, *told[2]["refund"].against)} <= {"size", "kind", "flag"}


def test_a_row_without_anything_has_no_words(trained):
    clf, _, _ = trained
    empty = pl.DataFrame({"body": ["", None], "size": [None, None], "kind": [None, "green"], "flag": [None, None]})
    for told in clf.explain(empty.cast({"body": pl.String, "size": pl.Float64, "flag": pl.Boolean})):
        for one in told.values():
            names = {reason.what for reason in (*one.for_, *one.against)}
            assert names <= {"size = missing", "kind = missing", "kind = green"}


def test_json_form_and_text_form(trained):
    clf, X, _ = trained
    one = clf.explain(X[:1], ["refund"], top=2)[0]["refund"]
    document = json.loads(json.dumps(one.to_dict(), allow_nan=False))
    assert set(document) == {"score", "is_predicted", "logit", "constant", "unexplained", "for", "against"}
    assert all({"what", "column", "contribution"} <= set(reason) for reason in document["for"] + document["against"])
    assert str(one).startswith("refund ")
    assert one.brief().startswith("refund:")


def test_what_two_columns_share_is_told_with_its_column():
    reasons = (Reason("back", "title", 0.5), Reason("back", "body", 0.25), Reason("money", "body", 0.125))
    one = Explanation("refund", 0.9, True, 1.0, 0.0, 0.0, reasons, (Reason("size", "size", -1.0),))
    assert one.brief() == "refund: +title: back +body: back +money -size"
    assert "title: back +0.50, body: back +0.25, money +0.12" in str(one)
    assert Explanation("a", 0.1, False, 0.0, 0.0, 0.0, (), ()).brief() == "a: nothing for or against it"
    assert "not predicted" in str(Explanation("a", 0.1, False, 0.0, 0.0, 0.0, (), ()))


def test_the_same_after_saving(trained, tmp_path):
    clf, X, _ = trained
    clf.save(tmp_path / "tickets.manyhot")
    assert load(tmp_path / "tickets.manyhot").explain(X[:5]) == clf.explain(X[:5])


def test_more_rows_than_are_encoded_at_once(trained, monkeypatch):
    clf, X, _ = trained
    whole = clf.explain(X[:10])
    monkeypatch.setattr("manyhot.explanation.explain.BLOCK_ROWS", 3)
    for one, other in zip(whole, clf.explain(X[:10]), strict=True):
        assert list(one) == list(other)
        for name in one:
            assert one[name].logit == pytest.approx(other[name].logit, abs=1e-5)
            assert [r.what for r in one[name].for_[:2]] == [r.what for r in other[name].for_[:2]]


def test_no_rows_and_no_labels(trained):
    clf, X, _ = trained
    assert clf.explain(X[:0]) == []
    assert clf.explain(X[:2], []) == [{}, {}]


def test_wrong_questions_are_answered(trained):
    clf, X, _ = trained
    with pytest.raises(InputError, match="no label 'refnd'; did you mean 'refund'"):
        clf.explain(X, ["refnd"])
    with pytest.raises(InputError, match="expected a list of label names"):
        clf.explain(X, "refund")
    for top in (0, -1, 1.5):
        with pytest.raises(InputError, match="expected a whole number from 1 upwards"):
            clf.explain(X, top=top)


@pytest.mark.slow
def test_a_text_of_a_megabyte(trained):
    clf, X, _ = trained
    generator = np.random.default_rng(0)
    words = [f"w{k}" for k in generator.integers(0, 5000, 160_000)]
    words[1000] = "refund"
    text = " ".join(words)
    assert len(text) > 900_000
    (told,) = clf.explain(X[:1].with_columns(body=pl.lit(text)), ["refund"], top=3)
    reasons = {r.what: r for r in told["refund"].for_}
    assert [text[start:end] for start, end in reasons["refund"].places] == ["refund"]


@pytest.mark.slow
@pytest.mark.parametrize("is_sparse", [False, True])
def test_matrices_are_told_by_their_columns(is_sparse):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(200, 12)) * (generator.random((200, 12)) < 0.5)
    Y = (X[:, [2, 5]] > 0.3).astype(int)
    X[::10, 7] = 0.0 if is_sparse else np.nan
    given = sp.csr_matrix(X) if is_sparse else X
    clf = MultiLabelClassifier(hidden_layer_sizes=(), labels=["a", "b"], **MATRIX).fit(given, Y)
    assert isinstance(clf.model_.encoder, MatrixEncoder)
    told = clf.explain(given, ["a", "b"], top=12)
    strong = [one for one, y in zip(told, Y, strict=True) if y.all()]
    assert np.mean([one["a"].for_[0].what == "x2" for one in strong]) > 0.9
    assert np.mean([one["b"].for_[0].what == "x5" for one in strong]) > 0.9
    assert all(is_whole(one["a"]) for one in told)
    if not is_sparse:
        names = {r.what for one in told[::10] for r in (*one["a"].for_, *one["a"].against)}
        assert "x7 = missing" in names


@pytest.mark.slow
def test_a_network_of_ones_own_and_a_frame_of_numbers():
    generator = np.random.default_rng(0)
    X = pl.DataFrame(generator.normal(size=(200, 3)), schema=["p", "q", "r"])
    Y = (X.to_numpy()[:, :2] > 0).astype(int)
    model = keras.Sequential(
        [keras.layers.Input((3,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(2, "sigmoid")]
    )
    clf = MultiLabelClassifier(network=model, n_members=2, n_folds=2, epochs=200, batch_size=16, verbose=0).fit(X, Y)
    told = clf.explain(X, list(clf.labels_))
    for j, column in enumerate(["p", "q"]):
        sure = [one for one, x in zip(told, X[column], strict=True) if x > 1]
        assert np.mean([one[clf.labels_[j]].for_[0].what == column for one in sure]) > 0.9


@pytest.mark.slow
def test_arrays_are_refused():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(60, 4, 4))
    Y = (X[:, 0, :2] > 0).astype(int)
    model = keras.Sequential([keras.layers.Input((4, 4)), keras.layers.Flatten(), keras.layers.Dense(2, "sigmoid")])
    clf = MultiLabelClassifier(network=model, n_members=2, n_folds=2, epochs=1, verbose=0).fit(X, Y)
    with pytest.raises(InputError, match="arrays"):
        clf.explain(X[:2])


@pytest.mark.slow
def test_softmax_and_one_binary_target():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(200, 3))
    Y = np.eye(3, dtype=int)[X.argmax(axis=1)]
    clf = MultiLabelClassifier(head="softmax", loss="categorical_crossentropy", hidden_layer_sizes=(), **MATRIX).fit(
        X, Y
    )
    sure = X[X.max(axis=1) > 1]
    told = clf.explain(sure, list(clf.labels_))
    found = [one[clf.labels_[k]].for_[0].what == f"x{k}" for one, k in zip(told, sure.argmax(axis=1), strict=True)]
    assert np.mean(found) > 0.9
    clf = MultiLabelClassifier(hidden_layer_sizes=(), **SMALL).fit(X, (X[:, 1] > 0).astype(int))
    assert all(set(told) == set(clf.labels_) for told in clf.explain(X[:4]))


def lengths(texts: list[str]) -> np.ndarray:
    """Two numbers a text: its letters, and how many of them are "e"."""
    return np.array([[len(text), text.count("e")] for text in texts], dtype=float)


@pytest.mark.slow
def test_texts_through_a_function_are_one_reason_by_the_name_of_their_column():
    generator = np.random.default_rng(0)
    texts = ["e" * count + "x" * 5 for count in generator.integers(0, 9, 80)]
    frame = pl.DataFrame({"note": texts, "size": generator.normal(size=80)})
    Y = np.array([[text.count("e") > 4, len(text) > 12] for text in texts])
    settings = {"column_types": {"note": "text"}, "text": lengths, "text_params": {"cache": False}}
    classifier = MultiLabelClassifier(n_members=2, hidden_layer_sizes=(), epochs=4, **settings).fit(frame, Y)
    [told] = classifier.explain(frame.head(1), labels=["label_0"])
    reasons = told["label_0"].for_ + told["label_0"].against
    assert {reason.what for reason in reasons} <= {"note", "size"}
    assert "note" in {reason.what for reason in reasons}
    total = told["label_0"].constant + sum(reason.contribution for reason in reasons)
    assert total == pytest.approx(told["label_0"].logit, abs=1e-5)


@pytest.mark.slow
def test_learned_vectors_of_words_are_refused_by_name():
    frame = pl.DataFrame({"note": [f"so good a day number {k}" for k in range(60)]})
    Y = np.array([[1, 0], [0, 1]] * 30)
    classifier = MultiLabelClassifier(column_types={"note": "text"}, text="embeddings", n_members=1, epochs=1).fit(
        frame, Y
    )
    with pytest.raises(InputError, match="text='tfidf'"):
        classifier.explain(frame.head(1))
