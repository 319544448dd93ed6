"""Where in an image a label was found: planted spots are found, sums are kept, and every form tells it."""

import json

import numpy as np
import polars as pl
import pytest

from manyhot import MultiLabelClassifier, load
from manyhot.explanation.image_maps import GRID_SIZE, PARTS, grid_sums, part_sums
from tests.fixtures.image_spots import SETTINGS, spots


@pytest.fixture(scope="module")
def trained():
    X, Y = spots(240)
    return MultiLabelClassifier(labels=["first", "second"], epochs=15, **SETTINGS).fit(X, Y), *spots(20, seed=1)


@pytest.mark.slow
def test_planted_spots_are_found(trained):
    clf, X, Y = trained
    hits = []
    for told, y in zip(clf.explain(X, ["first", "second"]), Y, strict=True):
        for one, has_it, place in zip(told.values(), y, ["top left", "bottom right"], strict=True):
            assert one.maps["image"].shape == (12, 15)
            if has_it:
                hits.append(bool(one.for_) and (one.for_[0].what, one.for_[0].column) == (place, "image"))
    assert len(hits) > 10
    assert np.mean(hits) > 0.9


@pytest.mark.slow
def test_what_is_not_explained_is_said_and_little(trained):
    clf, X, _ = trained
    for told in clf.explain(X, ["first", "second"], top=9):
        for one in told.values():
            total = one.constant + one.maps["image"].sum() + one.unexplained
            assert total == pytest.approx(one.logit, abs=1e-9)
            parts = sum(reason.contribution for reason in (*one.for_, *one.against))
            assert parts == pytest.approx(one.maps["image"].sum())
            assert abs(one.unexplained) < 0.1 * np.abs(one.maps["image"]).sum()


@pytest.mark.slow
def test_every_form_tells_it(trained):
    clf, X, _ = trained
    one = clf.explain(X[:1], ["first"], top=9)[0]["first"]
    document = json.loads(json.dumps(one.to_dict(), allow_nan=False))
    told = document["maps"]["image"]
    assert (told["height"], told["width"], len(told["grid"]), len(told["grid"][0])) == (12, 15, GRID_SIZE, GRID_SIZE)
    assert np.sum(told["grid"]) == pytest.approx(one.maps["image"].sum())
    assert len(document["for"]) + len(document["against"]) == 9
    assert any(f"{sign}top left" in one.brief() for sign in "+-")
    assert str(one).startswith("first ")


def test_it_is_the_same_after_saving_and_row_by_row(trained, tmp_path, monkeypatch):
    clf, X, _ = trained
    clf.save(tmp_path / "m.manyhot")
    whole = clf.explain(X[:5])
    assert load(tmp_path / "m.manyhot").explain(X[:5]) == whole
    monkeypatch.setattr("manyhot.explanation.explain.BLOCK_ROWS", 2)
    for one, other in zip(whole, clf.explain(X[:5]), strict=True):
        assert list(one) == list(other)
        for name in one:
            np.testing.assert_allclose(one[name].maps["image"], other[name].maps["image"], atol=1e-9)
    assert clf.explain(X[:0]) == []
    assert clf.explain(X[:2], []) == [{}, {}]


@pytest.mark.slow
def test_two_columns_of_images_beside_numbers():
    X, Y = spots(80)
    frame = pl.DataFrame([pl.Series("left", X), pl.Series("right", X[:, ::-1, ::-1]), pl.Series("x", Y[:, 0] * 1.0)])
    column_types = {"left": "image", "right": "image"}
    clf = MultiLabelClassifier(column_types=column_types, epochs=1, **SETTINGS).fit(frame, Y)
    [told] = clf.explain(frame[:1], ["label_0"])
    one = told["label_0"]
    assert set(one.maps) == {"left", "right"}
    assert {reason.column for reason in (*one.for_, *one.against)} == {"left", "right"}
    assert "left: " in one.brief()


@pytest.mark.parametrize("shape", [(12, 15), (1, 1), (2, 50), (8, 8), (7, 300)])
def test_sums_of_parts_are_those_of_the_pixels(shape):
    pixels = np.random.default_rng(0).normal(size=shape)
    for n_parts in (3, GRID_SIZE):
        assert grid_sums(pixels, n_parts).shape == (n_parts, n_parts)
        assert grid_sums(pixels, n_parts).sum() == pytest.approx(pixels.sum())
    names = [name for line in PARTS for name in line]
    assert list(part_sums(pixels)) == names
    if shape == (12, 15):
        assert part_sums(pixels)["top"] == pytest.approx(pixels[:4, 5:10].sum())
        assert part_sums(pixels)["bottom left"] == pytest.approx(pixels[8:, :5].sum())
        assert grid_sums(pixels, 3)[1, 2] == pytest.approx(pixels[4:8, 10:].sum())
