"""Words that the network learns vectors for: numbers, lengths, pooling, and the whole way through a saved file."""

import json

import numpy as np
import polars as pl
import pytest

from manyhot import MultiLabelClassifier, cross_validate, load
from manyhot.encoders import TableEncoder
from manyhot.encoders.text.token_ids import LENGTHS, WordEncoder
from manyhot.errors import InputError
from manyhot.networks import BUILDERS, Start
from manyhot.networks.text import STRETCH

SMALL = {"members": 2, "folds": 2, "epochs": 2, "hidden": (8,), "batch_size": 16, "quiet": True}
TEXTS = ["good good dog", "Bad cat!", "", None, "good CAT", "only once"]


def encoder(**settings) -> WordEncoder:
    return WordEncoder(**{"max_words": 100, "buckets": 3, "max_tokens": 64, **settings})


def notes(n: int = 300, seed: int = 0) -> tuple[pl.DataFrame, np.ndarray]:
    """Texts, and for each of two labels whether one of its words is among them."""
    generator = np.random.default_rng(seed)
    words = np.array(["red", "blue", "loud", "quiet", "old", "new", "big", "small"])
    rows = [generator.choice(words, size=generator.integers(2, 6)) for _ in range(n)]
    Y = np.array([["red" in row, "quiet" in row or "old" in row] for row in rows]).astype(int)
    return pl.DataFrame({"note": [" ".join(row) for row in rows]}), Y


def test_words_have_numbers_and_others_share_some():
    fitted = encoder().fit(TEXTS)
    assert fitted.width == LENGTHS[0]
    rows = fitted.transform(["good dog", "dog good never", None])
    assert (rows[0, :2] == rows[1, 1::-1]).all()
    assert not rows[0, 2:].any()
    assert not rows[2].any()
    n_words = fitted.n_numbers - 1 - 3
    assert (rows[:2] <= n_words).sum() == rows[:2].size - 1
    few = encoder(max_words=1).fit(TEXTS)
    assert few.transform(["cat"])[0, 0] == 1
    assert 2 <= few.transform(["dog"])[0, 0] <= 4


@pytest.mark.parametrize(
    ("n_words", "most", "length"), [(3, 64, 8), (9, 64, 16), (64, 64, 64), (500, 64, 64), (40, 30, 32)]
)
def test_rows_have_one_of_few_lengths(n_words, most, length):
    fitted = encoder(max_tokens=most).fit(["word " * n_words, "a"])
    assert fitted.width == length
    assert (fitted.transform(["word " * 1000]) > 0).sum() == length


def test_one_long_text_among_many_is_cut():
    assert encoder().fit(["a b"] * 200 + ["word " * 60]).width == 8


def test_columns_have_numbers_of_their_own():
    frame = pl.DataFrame({"a": ["same word", ""], "b": ["same word", "x"]})
    table = TableEncoder({"a": "text", "b": "text"}, "embeddings", {"buckets": 2}).fit(frame)
    rows = table.transform(frame)["words"]
    assert rows.shape == (2, 16)
    assert not rows[1, :8].any()
    assert set(rows[0, :2]).isdisjoint(rows[0, 8:10])
    assert table.vocabularies == {"words": 1 + (2 + 2) + (3 + 2)}


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["mean", "attention"])
def test_padding_and_the_order_of_words_change_nothing(pool):
    settings = {"hidden": (8,), "activation": "relu", "dropout": 0.3, "batch_norm": False}
    settings |= {"vocabularies": {"words": 9}, "units": 4, "pool": pool}
    rows = np.array([[1, 2, 3, 0, 0, 0, 0, 0], [3, 0, 1, 0, 0, 0, 0, 2]], np.int32)
    logits = []
    for length in (8, 16):
        model = BUILDERS["words"]({"words": (length,)}, 3, settings, Start(1))
        weights = [[v.value for v in vs] for vs in (model.trainable_variables, model.non_trainable_variables)]
        padded = np.pad(rows, [(0, 0), (0, length - 8)])
        logits.append(np.asarray(model.stateless_call(*weights, {"words": padded}, training=False)[0]))
    np.testing.assert_allclose(logits[0][0], logits[0][1], atol=1e-6)
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-6)


@pytest.mark.slow
def test_attention_is_the_formula():
    settings = {"hidden": (), "activation": "relu", "dropout": 0.0, "batch_norm": False}
    settings |= {"vocabularies": {"words": 9}, "units": 4, "pool": "attention"}
    model = BUILDERS["words"]({"words": (5,)}, 3, settings, Start(1))
    table, kernel, bias, queries, answers = (np.asarray(v.value) for v in model.trainable_variables)
    vectors = table[[4, 7, 7]] * STRETCH
    shares = np.exp(vectors @ queries) / np.exp(vectors @ queries).sum(axis=0)
    expected = (shares * (vectors @ answers)).sum(axis=0) + vectors.sum(axis=0) / np.sqrt(3) @ kernel + bias
    found = model.stateless_call(
        [v.value for v in model.trainable_variables], [], {"words": np.array([[4, 7, 0, 7, 0]], np.int32)}
    )[0]
    np.testing.assert_allclose(np.asarray(found)[0], expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_it_learns_which_words_matter_and_is_saved_whole(tmp_path, precision):
    X, Y = notes()
    settings = {**SMALL, "epochs": 20, "precision": precision, "text": "embeddings"}
    model = MultiLabelClassifier(kinds={"note": "text"}, labels=["red", "calm"], **settings).fit(X, Y)
    assert model.model_.plan.network == "words"
    fresh, truth = notes(200, 1)
    assert (model.predict(fresh) == truth).mean() > 0.97
    model.save(tmp_path / "m.manyhot")
    again = load(tmp_path / "m.manyhot")
    np.testing.assert_array_equal(again.predict_proba(fresh), model.predict_proba(fresh))
    again.partial_fit(X, Y)
    assert (again.predict(fresh) == truth).mean() > 0.97
    assert "embedding" in again.summary()


@pytest.mark.slow
def test_epochs_follow_the_rule_for_tables():
    X, Y = notes(800)
    settings = {**SMALL, "epochs": "auto", "members": 1}
    words, ngrams = (
        MultiLabelClassifier(kinds={"note": "text"}, text=text, **settings).fit(X, Y)
        for text in ("embeddings", "ngrams")
    )
    assert words.model_.plan.epochs == ngrams.model_.plan.epochs


@pytest.mark.slow
def test_members_together_are_members_alone():
    X, Y = notes(120)
    settings = {**SMALL, "text": "embeddings", "dropout": 0.0, "precision": "float64"}
    together, single = (
        MultiLabelClassifier(kinds={"note": "text"}, layout=layout, **settings).fit(X, Y)
        for layout in ("together", "single")
    )
    np.testing.assert_allclose(together.predict_proba(X), single.predict_proba(X), atol=1e-9)


@pytest.mark.slow
def test_a_label_that_comes_later_and_cross_validation():
    X, Y = notes(120)
    model = MultiLabelClassifier(kinds={"note": "text"}, labels=["a"], text="embeddings", **SMALL).fit(X, Y[:, :1])
    model.add_labels(X, Y, labels=["a", "b"])
    assert model.predict_proba(X).shape == (120, 2)
    fresh = MultiLabelClassifier(kinds={"note": "text"}, text="embeddings", **SMALL)
    assert cross_validate(fresh, X, Y, folds=2, repeats=1).mean("f1_micro") >= 0


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"text": "embeddings", "network": "mlp"}, "takes no numbers of words"),
        ({"text": "ngrams", "network": "words"}, "text='embeddings'"),
        ({"text": "embeddings", "text_settings": {"pool": "meen"}}, "did you mean 'mean'"),
        ({"text": "embeddings", "text_settings": {"units": 0}}, "units: got 0"),
    ],
)
def test_what_does_not_go_together_is_named(settings, told):
    X, Y = notes(60)
    with pytest.raises(InputError, match=told):
        MultiLabelClassifier(kinds={"note": "text"}, **settings, **SMALL).fit(X, Y)


@pytest.mark.parametrize(
    "change",
    [
        lambda spec, arrays: spec.update(more=1),
        lambda spec, arrays: spec.update(length=9),
        lambda spec, arrays: spec.update(buckets=True),
        lambda spec, arrays: spec.update(max_words=2),
        lambda spec, arrays: spec.update(max_tokens=10**9),
        lambda spec, arrays: arrays.pop("ends"),
        lambda spec, arrays: arrays.update(ends=arrays["ends"][::-1]),
        lambda spec, arrays: arrays.update(bytes=arrays["bytes"][:-1]),
    ],
)
def test_a_hostile_description_is_refused(change):
    spec, arrays = encoder().fit(TEXTS).to_spec()
    again = WordEncoder.from_spec(json.loads(json.dumps(spec)), dict(arrays))
    np.testing.assert_array_equal(again.transform(TEXTS), encoder().fit(TEXTS).transform(TEXTS))
    change(spec, arrays)
    with pytest.raises(InputError):
        WordEncoder.from_spec(spec, arrays)
