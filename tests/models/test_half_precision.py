"""Tables of weights in half precision: half the file, scores within a thousandth, and float32 where that fails."""

import copy
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manyhot import ExtremeMultiLabelClassifier, MultiLabelClassifier, cross_validate, load
from manyhot.data.readers import ReadOptions
from manyhot.engine import Weights
from manyhot.evaluation.metrics import TopK
from manyhot.models import half_precision
from manyhot.models.half_precision import exact_half, round_tables, round_values, sample_blocks, top_change
from manyhot.persistence import container

HIGHEST = 65504.0
FEW = {"n_members": 2, "n_folds": 2, "epochs": 4, "branches": "none", "verbose": 0, "random_state": 3}


def texts(n: int = 300, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Short texts of some hundreds of words, three of which say what they are about."""
    generator = np.random.default_rng(seed)
    Y = generator.random((n, 3)) < 0.4
    rows = []
    for row in Y:
        words = [f"word{k}" for k in generator.integers(400, size=8)]
        words += [name for name, holds in zip(("refund", "login", "slow"), row, strict=True) if holds]
        rows.append(" ".join(generator.permutation(words)))
    return rows, Y.astype(int)


def switched_off(monkeypatch) -> None:
    monkeypatch.setattr(half_precision, "MIN_WEIGHTS", 2**60)


def tables_of(classifier) -> list[np.ndarray]:
    model = classifier.model_
    return model.weights.trainable[: model.network.n_tables]


def is_half(table: np.ndarray) -> bool:
    return table.dtype == np.float32 and exact_half(table) is not None


def stored(path) -> dict[str, str]:
    return {name: array["dtype"] for name, array in container.describe(path)["arrays"].items() if "network/" in name}


def copied(weights: Weights) -> Weights:
    return Weights(*([leaf.copy() for leaf in leaves] for leaves in weights))


@pytest.fixture(scope="module")
def rounded() -> MultiLabelClassifier:
    """A text model with default layers; no test changes it."""
    return MultiLabelClassifier(**FEW).fit(*texts())


@pytest.fixture(scope="module")
def unrounded() -> MultiLabelClassifier:
    """The same before its table is rounded; no test changes it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        switched_off(monkeypatch)
        return MultiLabelClassifier(**FEW).fit(*texts())


@pytest.mark.slow
def test_a_text_model_takes_half_and_its_scores_stay(rounded, unrounded, tmp_path):
    rounded.save(tmp_path / "half.manyhot", evidence=False)
    unrounded.save(tmp_path / "single.manyhot", evidence=False)
    sizes = [(tmp_path / f"{name}.manyhot").stat().st_size for name in ("half", "single")]
    assert sizes[0] < 0.6 * sizes[1]
    assert abs(sizes[1] - sizes[0] - 2 * tables_of(rounded)[0].size) < 100
    assert stored(tmp_path / "half.manyhot") == stored(tmp_path / "single.manyhot") | {"network/trainable.0": "float16"}
    fresh = texts(seed=1)[0]
    raw, before = (one.predict_proba(fresh, calibrated=False) for one in (rounded, unrounded))
    assert 0 < np.abs(raw - before).max() < half_precision.MAX_CHANGE
    np.testing.assert_array_equal(tables_of(rounded)[0], round_values(tables_of(unrounded)[0]))


@pytest.mark.slow
def test_scores_before_save_and_after_load_are_the_same_bit_for_bit(rounded, tmp_path):
    rounded.save(tmp_path / "m.manyhot")
    again = load(tmp_path / "m.manyhot")
    fresh = texts(seed=1)[0]
    np.testing.assert_array_equal(again.predict_proba(fresh), rounded.predict_proba(fresh))
    for leaf, other in zip(again.model_.weights.trainable, rounded.model_.weights.trainable, strict=True):
        assert leaf.dtype == other.dtype
        np.testing.assert_array_equal(leaf, other)
    again.save(tmp_path / "again.manyhot")
    assert (tmp_path / "again.manyhot").read_bytes() == (tmp_path / "m.manyhot").read_bytes()


@pytest.mark.slow
def test_the_report_rests_on_what_the_file_predicts(rounded, tmp_path):
    rounded.save(tmp_path / "m.manyhot")
    model, (rows, _) = load(tmp_path / "m.manyhot").model_, texts()
    blocks, held_out = model.encoder.transform(pl.DataFrame({"text": rows})), model.evidence.rows.held_out
    each = np.array([model.scorer().scores(blocks, (k, k + 1)) for k in range(2)])
    assert (held_out.sum(axis=1) == 1).all()
    np.testing.assert_allclose(model.evidence.scores, each[held_out.argmax(axis=1), np.arange(len(rows))], atol=1e-7)


def beyond_the_range(weights: Weights) -> None:
    weights.trainable[0][1, -1, -1] = 65_505


def large_ones_that_cancel(weights: Weights) -> None:
    """Two units of thousands whose difference is what counts."""
    table, _, kernel = weights.trainable[:3]
    table[:, :, :2] += 3000
    kernel[:, 1] = -kernel[:, 0]
    assert np.abs(table).max() < HIGHEST


@pytest.mark.slow
@pytest.mark.parametrize("enlarge", [beyond_the_range, large_ones_that_cancel])
def test_large_weights_stay_as_they_are(unrounded, enlarge, tmp_path):
    model = unrounded.model_
    weights = copied(model.weights)
    enlarge(weights)
    large = copy.copy(unrounded)
    large.model_ = replace(model, weights=weights)
    rows = texts()[0]
    scores, before = large.predict_proba(rows, calibrated=False), copied(weights)
    blocks = model.encoder.transform(pl.DataFrame({"text": rows}))
    assert not round_tables(large.model_.scorer(), model.network, weights, blocks)
    for leaf, other in zip(weights.trainable, before.trainable, strict=True):
        np.testing.assert_array_equal(leaf, other)
    np.testing.assert_array_equal(large.predict_proba(rows, calibrated=False), scores)
    large.save(tmp_path / "m.manyhot")
    assert set(stored(tmp_path / "m.manyhot").values()) == {"float32", "uint32"}
    np.testing.assert_array_equal(load(tmp_path / "m.manyhot").predict_proba(rows, calibrated=False), scores)


@pytest.mark.slow
def test_weights_below_the_normal_range_come_back_too(unrounded):
    model, rows = unrounded.model_, texts()[0]
    weights = copied(model.weights)
    weights.trainable[0] *= np.float32(1e-5)
    blocks = model.encoder.transform(pl.DataFrame({"text": rows}))
    assert round_tables(replace(model, weights=weights).scorer(), model.network, weights, blocks)
    table = weights.trainable[0]
    assert 0 < np.abs(table[table != 0]).min() < np.finfo(np.float16).tiny
    assert exact_half(table).astype(np.float32).tobytes() == table.tobytes()


@pytest.mark.parametrize("settings", [{"dtype": "float64"}, {"hidden_layer_sizes": (4,)}])
def test_float64_and_small_tables_are_not_rounded(settings):
    classifier = MultiLabelClassifier(**FEW | {"epochs": 1} | settings).fit(*texts(120))
    (table,) = tables_of(classifier)
    assert str(table.dtype) == settings.get("dtype", "float32")
    assert np.any(table != table.astype(np.float16))


@pytest.mark.slow
def test_chunks_change_nothing(rounded, monkeypatch):
    (table,) = tables_of(rounded)
    n_rows = next(n for n in (97, 101) if table.shape[1] % n)  # so the last chunk begins among rows already done
    monkeypatch.setattr(half_precision, "CHUNK_WEIGHTS", n_rows * table.shape[2] + 3)
    np.testing.assert_array_equal(tables_of(MultiLabelClassifier(**FEW).fit(*texts()))[0], table)
    np.testing.assert_array_equal(exact_half(table), table)


@pytest.mark.slow
def test_further_rows_and_further_labels_round_again(rounded, tmp_path):
    rounded.save(tmp_path / "m.manyhot")
    again = load(tmp_path / "m.manyhot")
    rows, Y = texts(seed=2)
    again.partial_fit(rows, Y)
    assert is_half(tables_of(again)[0])
    assert np.any(tables_of(again)[0] != tables_of(rounded)[0])
    again = load(tmp_path / "m.manyhot")
    more = pl.DataFrame({"late": texts()[1][:, 0]})
    again.add_labels(texts()[0], more, epochs=1)
    assert is_half(tables_of(again)[0])
    again.save(tmp_path / "more.manyhot")
    assert stored(tmp_path / "more.manyhot")["network/trainable.0"] == "float16"
    np.testing.assert_array_equal(load(tmp_path / "more.manyhot").predict_proba(rows), again.predict_proba(rows))


@pytest.mark.slow
def test_a_fold_rounds_as_a_fit_does():
    rows, Y = texts(200)
    train, test = np.arange(0, 200, 2), np.arange(1, 200, 2)
    splits = [(train, test), (test, train)]
    result = cross_validate(MultiLabelClassifier(**FEW), rows, Y, splits=splits, metrics=["f1_micro"])
    fit = MultiLabelClassifier(**FEW).fit([rows[i] for i in train], Y[train])
    assert is_half(tables_of(fit)[0])
    fitted_scores = fit.predict_proba([rows[i] for i in test])
    # a last digit that differs before rounding may round the other way
    np.testing.assert_allclose(result.oof_scores[0][test], fitted_scores, atol=1e-5)


@pytest.mark.slow
def test_streams_and_vectors_of_words_round_too(tmp_path):
    rows, Y = texts()
    frame = pl.DataFrame({"text": rows, **{f"label_{j}": Y[:, j] for j in range(3)}})
    frame.write_csv(tmp_path / "texts.csv")
    options = ReadOptions(labels="label_*", column_types={"text": "text"})
    streamed = MultiLabelClassifier(**FEW).fit_file(tmp_path / "texts.csv", options, stream=True)
    assert is_half(tables_of(streamed)[0])
    words = MultiLabelClassifier(text="embeddings", text_params={"units": 512}, **FEW).fit(rows, Y)
    assert words.model_.network.n_tables == 1
    assert is_half(tables_of(words)[0])
    words.save(tmp_path / "words.manyhot")
    assert stored(tmp_path / "words.manyhot")["network/trainable.0"] == "float16"
    np.testing.assert_array_equal(load(tmp_path / "words.manyhot").predict_proba(rows), words.predict_proba(rows))


def many_labels(seed: int = 0) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    X = sp.random(300, 600, density=0.03, format="csr", random_state=seed, dtype=np.float32)
    return X, sp.csr_matrix(X[:, :40] > 0.3)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [half_precision.MAX_CHANGE, 0.0])
def test_very_many_labels(limit, tmp_path, monkeypatch):
    monkeypatch.setattr(half_precision, "MAX_CHANGE", limit)
    X, Y = many_labels()
    classifier = ExtremeMultiLabelClassifier(hidden_layer_sizes=(512,), epochs=3, verbose=0).fit(X, Y)
    assert is_half(classifier.model_.weights.trainable[0]) == (limit > 0)
    top = classifier.predict_top_k(X, 5)
    classifier.save(tmp_path / "m.manyhot")
    assert stored(tmp_path / "m.manyhot")["network/trainable.0"] == ("float16" if limit else "float32")
    again = load(tmp_path / "m.manyhot").predict_top_k(X, 5)
    np.testing.assert_array_equal(again.scores, top.scores)
    np.testing.assert_array_equal(again.labels, top.labels)
    switched_off(monkeypatch)
    before = ExtremeMultiLabelClassifier(hidden_layer_sizes=(512,), epochs=3, verbose=0).fit(X, Y).predict_top_k(X, 5)
    assert np.abs(before.scores - top.scores).max() <= limit


def test_a_label_that_left_the_best_ones_counts():
    before = TopK(np.array([[3, 1]]), np.array([[0.9, 0.5]]))
    assert top_change(before, before) == 0
    assert top_change(before, TopK(np.array([[1, 3]]), np.array([[0.7, 0.6]]))) == pytest.approx(0.3)
    assert top_change(before, TopK(np.array([[3, 2]]), np.array([[0.9, 0.45]]))) == pytest.approx(0.05)
    assert top_change(before, TopK(np.array([[3, 2]]), np.array([[0.9, 0.75]]))) == pytest.approx(0.25)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_what_is_rounded_is_stored_exactly_and_near(values):
    array = np.array(values, np.float32)
    near = round_values(array)
    is_inside = np.abs(array) < 65520  # what is beyond becomes infinity
    assert np.isfinite(near).tolist() == is_inside.tolist()
    error = np.abs(near[is_inside] - array[is_inside])
    assert (error <= np.maximum(np.abs(array[is_inside]) * 2.0**-11, 2.0**-25)).all()
    half = exact_half(near)
    assert half is not None
    assert half.astype(np.float32).tobytes() == near.tobytes()
    assert (exact_half(array) is not None) == bool((near == array).all())


def test_the_sample_is_spread_over_all_rows():
    rows = np.arange(5000, 15_000)
    block = np.arange(20_000)[:, None]
    chosen = sample_blocks({"x": block}, rows)["x"][:, 0]
    assert (len(chosen), chosen[0], chosen[-1]) == (half_precision.SAMPLE_ROWS, 5000, 14_999)
    assert np.diff(chosen).min() > 30
    assert sample_blocks({"x": block}, rows[:3])["x"][:, 0].tolist() == [5000, 5001, 5002]
