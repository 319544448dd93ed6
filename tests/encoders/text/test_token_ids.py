"""Words that the network learns vectors for: numbers, lengths, pooling, and the whole way through a saved file."""

import json

import numpy as np
import polars as pl
import pytest

from manyhot import MultiLabelClassifier, cross_validate, load
from manyhot.encoders import TableEncoder
from manyhot.encoders.text.token_ids import LENGTHS, WordEncoder
from manyhot.errors import InputError
from manyhot.networks import BUILDERS, MemberInitializer
from manyhot.networks.text import EMBEDDING_SCALE

SMALL = {"n_members": 2, "n_folds": 2, "epochs": 2, "hidden_layer_sizes": (8,), "batch_size": 16, "verbose": 0}
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
    n_words = fitted.n_token_ids - 1 - 3
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
    settings = {"hidden_layer_sizes": (8,), "activation": "relu", "dropout": 0.3, "batch_norm": False}
    settings |= {"vocabularies": {"words": 9}, "units": 4, "pool": pool}
    rows = np.array([[1, 2, 3, 0, 0, 0, 0, 0], [3, 0, 1, 0, 0, 0, 0, 2]], np.int32)
    logits = []
    for length in (8, 16):
        model = BUILDERS["embedding_bag"]({"words": (length,)}, 3, settings, MemberInitializer(1))
        weights = [[v.value for v in vs] for vs in (model.trainable_variables, model.non_trainable_variables)]
        padded = np.pad(rows, [(0, 0), (0, length - 8)])
        logits.append(np.asarray(model.stateless_call(*weights, {"words": padded}, training=False)[0]))
    np.testing.assert_allclose(logits[0][0], logits[0][1], atol=1e-6)
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-6)


@pytest.mark.slow
def test_attention_is_the_formula():
    settings = {"hidden_layer_sizes": (), "activation": "relu", "dropout": 0.0, "batch_norm": False}
    settings |= {"vocabularies": {"words": 9}, "units": 4, "pool": "attention"}
    model = BUILDERS["embedding_bag"]({"words": (5,)}, 3, settings, MemberInitializer(1))
    table, kernel, bias, queries, answers = (np.asarray(v.value) for v in model.trainable_variables)
    vectors = table[[4, 7, 7]] * EMBEDDING_SCALE
    shares = np.exp(vectors @ queries) / np.exp(vectors @ queries).sum(axis=0)
    expected = (shares * (vectors @ answers)).sum(axis=0) + vectors.sum(axis=0) / np.sqrt(3) @ kernel + bias
    found = model.stateless_call(
        [v.value for v in model.trainable_variables], [], {"words": np.array([[4, 7, 0, 7, 0]], np.int32)}
    )[0]
    np.testing.assert_allclose(np.asarray(found)[0], expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_learns_which_words_matter_and_is_saved_whole(tmp_path, dtype):
    X, Y = notes()
    settings = {**SMALL, "epochs": 20, "dtype": dtype, "text": "embeddings"}
    model = MultiLabelClassifier(column_types={"note": "text"}, labels=["red", "calm"], **settings).fit(X, Y)
    assert model.model_.config.network == "embedding_bag"
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
    settings = {**SMALL, "epochs": "auto", "n_members": 1}
    words, tfidf = (
        MultiLabelClassifier(column_types={"note": "text"}, text=text, **settings).fit(X, Y)
        for text in ("embeddings", "tfidf")
    )
    assert words.model_.config.epochs == tfidf.model_.config.epochs


@pytest.mark.slow
def test_members_together_are_members_alone():
    X, Y = notes(120)
    settings = {**SMALL, "text": "embeddings", "dropout": 0.0, "dtype": "float64"}
    together, single = (
        MultiLabelClassifier(column_types={"note": "text"}, member_batching=layout, **settings).fit(X, Y)
        for layout in ("together", "single")
    )
    np.testing.assert_allclose(together.predict_proba(X), single.predict_proba(X), atol=1e-9)


@pytest.mark.slow
def test_a_label_that_comes_later_and_cross_validation():
    X, Y = notes(120)
    model = MultiLabelClassifier(column_types={"note": "text"}, labels=["a"], text="embeddings", **SMALL).fit(
        X, Y[:, :1]
    )
    model.add_labels(X, Y, labels=["a", "b"])
    assert model.predict_proba(X).shape == (120, 2)
    fresh = MultiLabelClassifier(column_types={"note": "text"}, text="embeddings", **SMALL)
    assert cross_validate(fresh, X, Y, n_splits=2, n_repeats=1).mean("f1_micro") >= 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text": "embeddings", "network": "mlp"}, "takes no numbers of words"),
        ({"text": "tfidf", "network": "embedding_bag"}, "text='embeddings'"),
        ({"text": "embeddings", "text_params": {"pool": "meen"}}, "did you mean 'mean'"),
        ({"text": "embeddings", "text_params": {"units": 0}}, "units: got 0"),
    ],
)
def test_what_does_not_go_together_is_named(settings, message):
    X, Y = notes(60)
    with pytest.raises(InputError, match=message):
        MultiLabelClassifier(column_types={"note": "text"}, **settings, **SMALL).fit(X, Y)


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
