"""Categories: two values are a number, the others have an input a level."""

import json

import numpy as np
import polars as pl
import pytest

from manyhot.encoders import TableEncoder
from manyhot.encoders.categories import Category, fit_category, level_size

N = 60
RARE = np.arange(N) % 17 == 0
HALF = np.arange(N) % 2 == 0


def encode(frame: pl.DataFrame, **column_types: str) -> np.ndarray:
    encoder = TableEncoder(column_types).fit(frame)
    again = TableEncoder.from_spec(*json.loads(json.dumps(encoder.to_spec()[:1])), encoder.to_spec()[1])
    block = encoder.transform(frame)["features"]
    np.testing.assert_array_equal(again.transform(frame)["features"], block)
    assert encoder.shapes() == {"features": block.shape[1:]}
    return block


def words(is_so: np.ndarray, yes: str | None, no: str | None) -> list[str | None]:
    return [yes if one else no for one in is_so.tolist()]


@pytest.mark.parametrize("is_so", [RARE, HALF, np.arange(N) % 3 == 0])
@pytest.mark.parametrize(("yes", "no"), [("w", "m"), ("m", "w"), ("ja", "nein"), ("yes", None), (None, "healthy")])
def test_two_values_are_encoded_bit_for_bit_like_0_and_1(is_so, yes, no):
    n = np.arange(N) % 7 + 0.5
    kinds = {"before": "numeric", "x": "boolean", "n": "numeric"}
    numbers = pl.DataFrame({"before": n[::-1], "x": is_so.astype(int), "n": n})
    texts = numbers.with_columns(pl.Series("x", words(is_so, yes, no)))
    expected, found = encode(numbers, **kinds), encode(texts, **{**kinds, "x": "categorical"})
    if is_so.sum() == N / 2:  # either may be 1
        assert set(found[:, 1]) == set(expected[:, 1])
        found[:, 1] = expected[:, 1]
    np.testing.assert_array_equal(found, expected)


def test_a_level_of_a_single_row_is_a_value_too():
    is_so = np.arange(N) == 5
    expected = encode(pl.DataFrame({"x": is_so}), x="boolean")
    np.testing.assert_array_equal(encode(pl.DataFrame({"x": words(is_so, "w", "m")}), x="categorical"), expected)


def test_the_rarer_value_is_the_one_above_0():
    frame = pl.DataFrame({"x": words(~RARE, "present", "absent")})
    block = encode(frame, x="categorical")
    np.testing.assert_array_equal(block[:, 0] > 0, RARE)
    assert (block[~RARE] == 0).all()
    np.testing.assert_allclose(block[RARE, 0], 2 / np.sqrt(1 + 4 / 9), rtol=1e-6)


def test_two_levels_with_gaps_are_encoded_like_0_and_1_with_gaps():
    gaps = np.arange(N) % 7 == 3
    numbers = pl.Series("x", [None if gap else int(one) for one, gap in zip(RARE, gaps, strict=True)])
    texts = pl.Series("x", [None if gap else "w" if one else "m" for one, gap in zip(RARE, gaps, strict=True)])
    a, n = np.arange(N, dtype=float), [None, *range(1, N)]
    expected = encode(pl.DataFrame({"n": n, "x": numbers, "a": a}), n="numeric", x="boolean", a="numeric")
    found = encode(pl.DataFrame({"n": n, "x": texts, "a": a}), n="numeric", x="categorical", a="numeric")
    assert found.shape == (N, 5)
    np.testing.assert_array_equal(found, expected)


def test_levels_that_training_has_not_seen():
    both = TableEncoder({"x": "categorical"}).fit(pl.DataFrame({"x": words(RARE, "w", "m")}))
    assert both.transform(pl.DataFrame({"x": ["d", None, "m"]}))["features"].tolist() == [[0.0]] * 3
    one = TableEncoder({"x": "categorical"}).fit(pl.DataFrame({"x": words(RARE, "yes", None)}))
    assert (one.transform(pl.DataFrame({"x": ["d", None, "yes"]}))["features"][:, 0] > 0).tolist() == [
        False,
        False,
        True,
    ]


def test_weights_say_which_value_is_rarer():
    cells = np.array(["m"] * 6 + ["w"] * 4)
    assert fit_category(cells, np.ones(10)) == Category(["m", "w"], False, 1, 0.4)
    assert fit_category(cells, np.array([1.0] * 6 + [3.0] * 4)) == Category(["m", "w"], False, 0, 6 / 18)
    assert fit_category(cells[:8], np.array([1.0] * 6 + [3.0] * 2)).rarer == 1


def test_one_level_and_other_cells_are_two_values_and_more_levels_are_not():
    assert fit_category(np.array(["x"] * 3 + [""] * 2), np.ones(5)) == Category(["x"], True, 1, 0.4)
    assert fit_category(np.array(["x"] * 2 + ["", "a", "b"]), np.ones(5)) == Category(["x"], True, 0, 0.4)
    assert not fit_category(np.array(["x"] * 3), np.ones(3)).is_pair
    assert not fit_category(np.array(["x", "y", ""]), np.ones(3)).is_pair
    assert not fit_category(np.array(list("xxyyzz")), np.ones(6)).is_pair


def test_a_category_described_without_its_pair_has_an_input_a_level():
    category = Category.from_spec({"levels": ["m", "w"]}, 1)
    assert category.one_hot(np.array(["w", "m", ""])).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]


def test_the_reference_of_explanations_is_the_mean_of_two_values():
    frame = pl.DataFrame({"n": [*range(N)], "x": words(RARE, "w", "m"), "c": ["a", "b", "c"] * (N // 3)})
    encoder = TableEncoder({"n": "numeric", "x": "categorical", "c": "categorical"}).fit(frame)
    block = encoder.transform(frame)["features"]
    reference = encoder.reference["features"]
    np.testing.assert_allclose(reference, [0, block[:, 1].mean(), 0, 0, 0], rtol=1e-6)
    assert TableEncoder({"n": "numeric", "c": "categorical"}).fit(frame).reference == {}


def cities(n_rows: int, n_columns: int) -> pl.DataFrame:
    generator = np.random.default_rng(0)
    return pl.DataFrame({f"c{j}": generator.choice(["a", "b", "c", "d"], n_rows).tolist() for j in range(n_columns)})


@pytest.mark.parametrize(("n_rows", "n_columns", "size"), [(64, 1, 1.0), (64, 4, 1.0), (64, 16, 0.5), (64, 64, 0.25)])
def test_inputs_of_levels_are_smaller_where_there_are_more_than_a_quarter_of_the_rows(n_rows, n_columns, size):
    frame = cities(n_rows, n_columns)
    block = encode(frame, **dict.fromkeys(frame.columns, "categorical"))
    assert block.shape == (n_rows, 4 * n_columns)
    assert set(np.unique(block)) == {0, size}
    assert (block.sum(axis=1) == n_columns * size).all()


def test_numbers_and_pairs_keep_their_size_beside_many_levels():
    frame = cities(64, 64).with_columns(n=pl.arange(64), x=pl.Series(["m", "m", "m", "w"] * 16))
    kinds = {"n": "numeric", "x": "categorical"}
    alone = encode(frame, **kinds)
    np.testing.assert_array_equal(
        encode(frame, **kinds, **dict.fromkeys(cities(1, 64).columns, "categorical"))[:, :2], alone
    )


def test_the_size_of_an_input_counts_rows_by_weight_and_levels_without_pairs():
    pair, three = Category(["m", "w"], False, 1, 0.5), Category(["a", "b", "c"], True)
    assert level_size([pair] * 100, 5.0) == 1
    assert level_size([], 5.0) == 1
    assert level_size([three, pair], 4.0) == 0.5
    assert level_size([three, pair], 16.0) == 1
