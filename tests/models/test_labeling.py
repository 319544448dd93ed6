"""Which rows to label next: information about the members, diversity, chunks, and every kind of input."""

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scipy.special import expit

from manyhot import load
from manyhot.errors import InputError, ManyhotWarning
from manyhot.models import labeling
from manyhot.models.labeling import LabelingPool, binary_entropy, choose_diverse, rank_for_labeling
from tests.contract.frozen.answers import SAVED, opened, rows_of

PREVALENCE = (0.5, 0.2, 0.001)
ENTROPY = binary_entropy(np.array([0.5, 0.2, 0.01]))  # a share below 0.01 counts as 0.01
KINDS = ("table", "matrix", "sparse", "text_tfidf", "images_cnn", "taxonomy", "branches", "custom_two_inputs")


class Members:
    """A scorer whose members say what their weights make of the first block."""

    def __init__(self, weights):
        self.weights = weights  # (m, f, l)

    def scores(self, blocks, members):
        rows = next(iter(blocks.values()))
        return expit(rows.astype(float) @ self.weights[members[0]])


class Identity:
    """An encoder of one block, without images."""

    image_columns = ()

    def transform(self, features):
        return {"numbers": features}


class Plain:
    """What ranking asks of a model."""

    labels_pixels, makes_scores = False, True

    def __init__(self, weights, batch=1024):
        self.scorer, self.encoder, self.n_members = lambda: Members(weights), Identity(), len(weights)
        self.labels = load(SAVED / "table" / "model.manyhot").model_.labels
        self.report = {"labels": [{"prevalence": share} for share in PREVALENCE]}
        self.runtime = type("Runtime", (), {"predict_batch_size": batch})


def plain(n_members=4, batch=1024, seed=0):
    return Plain(np.random.default_rng(seed).normal(size=(n_members, 5, 3)), batch)


def rows(n, seed=1):
    return np.random.default_rng(seed).normal(size=(n, 5)).astype(np.float32)


def same(first, second):
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_allclose(first.score, second.score, rtol=1e-12)
    np.testing.assert_array_equal(first.label, second.label)


def test_the_score_is_the_information_that_labels_hold_about_the_member():
    model, X = plain(), rows(30)
    found = rank_for_labeling(model, X, 30)
    for k, row in enumerate(found.row):
        said = np.stack([member.scores({"x": X[row : row + 1]}, (m, m + 1))[0] for m, member in members(model)])
        joint = np.stack([said, 1 - said]) / len(said)  # of a label's value and the member, (2, m, l)
        apart = joint.sum(axis=0, keepdims=True) * joint.sum(axis=1, keepdims=True)
        information = (joint * np.log(joint / apart)).sum(axis=(0, 1)) / ENTROPY
        assert found.score[k] == pytest.approx(information.sum())
        assert found.label[k].tolist() == np.argsort(-information).tolist()
        np.testing.assert_allclose(found.share[k], np.sort(information)[::-1])
        np.testing.assert_allclose(found.probability[k], said.mean(axis=0)[found.label[k]])
        np.testing.assert_allclose(found.lowest[k], said.min(axis=0)[found.label[k]])
        np.testing.assert_allclose(found.highest[k], said.max(axis=0)[found.label[k]])
    assert found.n_rows == 30
    assert found.measure == "disagreement"
    assert found.row[0] == found.row[found.score.argmax()]


def members(model):
    return enumerate([model.scorer()] * model.n_members)


def test_a_row_that_the_members_agree_on_comes_last():
    X = rows(40)
    X[17] = 0  # all members say 0.5: it could not be less certain, and nobody can learn from it who is right
    found = rank_for_labeling(plain(), X, 40)
    assert found.row[-1] == 17
    assert found.score[-1] == pytest.approx(0)
    assert sorted(found.row) == list(range(40))


def test_one_member_is_ranked_by_entropy_and_says_so():
    X = rows(40)
    X[17] = 0
    found = rank_for_labeling(plain(1), X, 40)
    assert found.row[0] == 17
    assert found.score[0] == pytest.approx((np.log(2) / ENTROPY).sum())
    assert found.measure == "entropy"
    assert "one member" in found.notes[0]
    assert " to " not in found.reasons()[0]


def test_copies_are_ranked_once_and_near_copies_are_spread():
    X = rows(60)
    best = rank_for_labeling(plain(), X, 1).row[0]
    near = X[best] + 1e-3 * rows(20, seed=2)
    pool = np.concatenate([X, near, np.tile(X[best], (20, 1))])
    alone = np.argsort(-rank_for_all(plain(), pool), kind="stable")[:10]
    assert sum(is_near(pool, X[best], alone)) == 10  # the highest scores are all of one kind
    found = rank_for_labeling(plain(), pool, 10)
    assert sum(is_near(pool, X[best], found.row)) <= 2
    assert len(set(rank_for_labeling(plain(), pool, 100).row) & {best, *range(80, 100)}) == 1
    assert len(rank_for_labeling(plain(), pool, 100)) == 80


def is_near(pool, row, chosen):
    return np.abs(pool[chosen] - row).max(axis=1) < 0.1


def rank_for_all(model, X):
    """The score of every row, in the order of the rows; copies have that of the first."""
    said = np.stack([model.scorer().scores({"x": X}, (m, m + 1)) for m in range(model.n_members)])
    return ((binary_entropy(said.mean(axis=0)) - binary_entropy(said).mean(axis=0)) / ENTROPY).sum(axis=1)


def test_rows_in_another_order_are_ranked_alike():
    X, order = rows(300), np.random.default_rng(5).permutation(300)
    names = np.array([f"row {k}" for k in range(300)])
    same(rank_for_labeling(plain(), X, 50, names), rank_for_labeling(plain(), X[order], 50, names[order]))
    np.testing.assert_array_equal(
        rank_for_labeling(plain(), X, 50).row, order[rank_for_labeling(plain(), X[order], 50).row]
    )


def test_chunks_and_parts_change_nothing(monkeypatch):
    X = rows(300)
    whole = rank_for_labeling(plain(), X, 50)
    monkeypatch.setattr(labeling, "MAX_BATCHES", 1)
    assert LabelingPool(plain(batch=7), 50).chunk_rows == 7
    same(whole, rank_for_labeling(plain(batch=7), X, 50))
    pool, seen = LabelingPool(plain(batch=7), 50), []
    for start in range(0, 300, 110):
        pool.add(X[start : start + 110], on_rows=seen.append)
    same(whole, pool.rank())
    assert seen[-1] == 300
    assert len(seen) > 40


def test_few_candidates_are_kept_of_many_rows(monkeypatch):
    monkeypatch.setattr(labeling, "MIN_CANDIDATES", 20)
    monkeypatch.setattr(labeling, "CANDIDATES_PER_ROW", 2)
    X, pool = rows(500), LabelingPool(plain(), 10)
    for start in range(0, 500, 50):
        pool.add(X[start : start + 50])
        assert len(pool._kept.row) <= 20
    best = np.argsort(-rank_for_all(plain(), X))[:20]
    assert set(pool.rank().row) <= set(best)
    assert pool.rank().row[0] == best[0]


def test_no_rows_are_ranked_as_none():
    found = LabelingPool(plain(), 5).rank()
    assert len(found) == found.n_rows == 0
    assert found.reasons() == []
    assert "0 of 0 rows" in repr(found)


def test_the_choice_weighs_score_and_distance():
    score, place = np.array([3.0, 2.9, 1.0, 0.0]), np.array([[0.0], [0.1], [1.0], [9.0]])
    assert choose_diverse(score, place, 4).tolist() == [0, 2, 1, 3]
    assert choose_diverse(np.ones(3), np.zeros((3, 2)), 3).tolist() == [0, 1, 2]
    assert choose_diverse(np.zeros(0), np.zeros((0, 2)), 0).tolist() == []


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_input_is_ranked(name):
    model, X = opened(name), rows_of(name)
    found = model.rank_for_labeling(X, 4)
    assert len(found) == len(set(found.row)) == 4
    assert (found.score >= 0).all()
    assert found.score[0] == found.score.max()
    assert ((found.lowest <= found.probability) & (found.probability <= found.highest)).all()
    said = np.take_along_axis(model.predict_proba(X, calibrated=False)[found.row], found.label, axis=1)
    assert ((found.lowest - 1e-6 <= said) & (said <= found.highest + 1e-6)).all()
    same(found, model.rank_for_labeling(X, 4))
    assert len(found.reasons()) == 4


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(InputError, match="k"):
        opened("matrix").rank_for_labeling(rows_of("matrix"), 0)
    with pytest.raises(InputError, match="2 names for 3 rows"):
        rank_for_labeling(plain(), rows(3), 1, ["a", "b"])
    with pytest.raises(InputError, match="gives every pixel its labels"):
        opened("pixels").rank_for_labeling(rows_of("pixels"), 3)
    with pytest.raises(InputError, match="scores of another program"):
        LabelingPool(opened("decision_layer").model_, 3)
    assert not hasattr(opened("decision_layer"), "rank_for_labeling")


def test_one_member_is_told_in_a_warning(monkeypatch):
    model = opened("matrix")
    monkeypatch.setattr(type(model.model_), "n_members", 1)
    with pytest.warns(ManyhotWarning, match="one member"):
        assert model.rank_for_labeling(rows_of("matrix"), 3).measure == "entropy"


def test_labels_of_unknown_prevalence_count_as_even():
    model = plain()
    assert labeling.prevalence(model).tolist() == [0.5, 0.2, 0.01]
    model.report = {"labels": [{"prevalence": None}, {"prevalence": np.nan}, {"prevalence": 1.0}]}
    assert labeling.prevalence(model).tolist() == [0.5, 0.5, 0.99]
    model.report = {}
    assert labeling.prevalence(model).tolist() == [0.5] * 3


def test_images_that_cannot_be_used_are_left_out(tmp_path):
    model = opened("images_cnn")
    size = next(iter(model.model_.encoder.shapes().values()))[:2]
    paths = []
    for k in range(4):
        paths.append(str(tmp_path / f"{k}.png"))
        Image.fromarray(np.random.default_rng(k).integers(0, 256, size, dtype=np.uint8)).save(paths[-1])
    (tmp_path / "1.png").write_bytes(b"no image")
    frame = pl.DataFrame({model.model_.encoder.image_columns[0]: paths})
    with pytest.raises(InputError) as caught:
        rank_for_labeling(model.model_, frame, 4)
    assert caught.value.row == 2
    found = rank_for_labeling(model.model_, frame, 4, on_bad_image="skip")
    assert set(found.row) == {0, 2, 3}
    assert found.n_rows == 3
    assert "1 row was not ranked" in found.notes[-1]
