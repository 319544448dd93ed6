"""Every encoder through the same questions."""

import json

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

from manyhot.data.samples import Arrays
from manyhot.encoders import ENCODERS, MatrixEncoder, PlainEncoder, ScoreEncoder, TableEncoder
from manyhot.encoders.images.backbone_features import ImageFeatures
from manyhot.encoders.scaling import CLIP, weighted_quantiles
from manyhot.errors import InputError

N = 60


def table(seed: int = 0) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    numbers = generator.normal(size=N) * 100
    gaps = [
        None if gap else float(v) for v, gap in zip(generator.normal(size=N), generator.random(N) < 0.2, strict=True)
    ]
    words = generator.choice(["red", "blue", "green"], size=N).tolist()
    words[3], words[7] = None, "seen once"
    return pl.DataFrame(
        {"a": numbers, "b": gaps, "c": words, "d": generator.random(N) < 0.3, "e": np.ones(N), "text": ["x"] * N}
    )


KINDS = {"a": "numeric", "b": "numeric", "c": "categorical", "d": "boolean", "e": "numeric", "text": "text"}


def dense(seed: int = 0) -> np.ndarray:
    matrix = np.random.default_rng(seed).standard_cauchy(size=(N, 6))
    matrix[:, 2], matrix[5, 3] = 7.0, np.nan
    return matrix


def shares(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((N, 3))


def finite(seed: int = 0) -> np.ndarray:
    return np.nan_to_num(dense(seed))


def sparse(seed: int = 0) -> sp.csr_matrix:
    return sp.random(N, 20, density=0.2, format="csr", random_state=seed)


def arrays(seed: int = 0) -> Arrays:
    generator = np.random.default_rng(seed)
    return Arrays({"left": generator.normal(size=(N, 3)), "right": generator.random((N, 4, 4, 2))})


def texts(seed: int = 0) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    words = np.array(["red", "blue", "über", "😀", "猫", "once"])
    title, body = ([" ".join(generator.choice(words, size=k)) for k in generator.integers(0, 9, N)] for _ in range(2))
    return pl.DataFrame({"x": generator.normal(size=N), "title": title, "body": [None, *body[1:]]})


def images(seed: int = 0) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    grey, colour = (generator.integers(0, 256, (N, *shape), dtype=np.uint8) for shape in ((5, 4), (6, 6, 3)))
    return pl.DataFrame([pl.Series("x", generator.normal(size=N)), pl.Series("front", grey), pl.Series("back", colour)])


def coloured_texts(seed: int = 0) -> pl.DataFrame:
    return texts(seed).with_columns(table(seed)["c"])


def coloured_images(seed: int = 0) -> pl.DataFrame:
    return images(seed).with_columns(table(seed)["c"])


def letters(texts: list[str]) -> np.ndarray:
    return np.array([[len(text), text.count("e"), len(set(text))] for text in texts], dtype=float)


def by_function() -> TableEncoder:
    encoder = TableEncoder({"x": "numeric", "title": "text", "body": "text"}, "custom", {"cache": False})
    encoder.texts.attach(letters)
    return encoder


class Corner:
    """A backbone that sees little."""

    name, digest, width = "mobilenetv2", "", 3
    trainable, fixed = (np.ones(1, np.float32),), ()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return images[:, 0, 0].astype(np.float32)


def by_backbone() -> TableEncoder:
    column_types = {"x": "numeric", "front": "image", "back": "image"}
    encoder = TableEncoder(column_types, image_params={"backbone": Corner.name, "size": [32]})
    encoder.images.attach(ImageFeatures(Corner(), is_cached=False))
    return encoder


def pairs(seed: int = 0) -> pl.DataFrame:
    """Categories of two levels, one with gaps, and of one level and gaps, among numbers and a category of three."""
    generator = np.random.default_rng(seed)
    sex, smokes, note = (generator.choice(["w", "m"], N), generator.choice(["ja", "nein"], N, p=[0.2, 0.8]), ["x"] * N)
    return table(seed).with_columns(
        pl.Series("sex", sex.tolist()),
        pl.Series("smokes", [None, *smokes[1:].tolist()]),
        pl.Series("note", [None if k % 3 else one for k, one in enumerate(note)]),
    )


PAIR_KINDS = {"sex": "categorical", "a": "numeric", "smokes": "categorical", "c": "categorical", "b": "numeric"}

CASES = {
    "categories of two values": (lambda: TableEncoder({**PAIR_KINDS, "note": "categorical"}), pairs),
    "images by a backbone": (by_backbone, images),
    "text by a function": (by_function, texts),
    "table": (lambda: TableEncoder(KINDS), table),
    "categories": (lambda: TableEncoder({"c": "categorical"}), table),
    "categories beside texts": (lambda: TableEncoder({"c": "categorical", "title": "text"}), coloured_texts),
    "texts": (lambda: TableEncoder({"x": "numeric", "title": "text", "body": "text"}), texts),
    "one text": (lambda: TableEncoder({"title": "text"}, text_params={"max_characters": 300}), texts),
    "categories beside images": (lambda: TableEncoder({"c": "categorical", "back": "image"}), coloured_images),
    "images": (lambda: TableEncoder({"x": "numeric", "front": "image", "back": "image"}), images),
    "hashed text": (lambda: TableEncoder({"title": "text"}, text_params={"max_words": 50, "hashed": True}), texts),
    "words": (lambda: TableEncoder({"x": "numeric", "title": "text", "body": "text"}, "embeddings"), texts),
    "dense": (lambda: MatrixEncoder(list("uvwxyz")), dense),
    "plain": (lambda: PlainEncoder([f"f{j}" for j in range(20)]), sparse),
    "arrays": (PlainEncoder, arrays),
    "scores": (lambda: ScoreEncoder(list("abc"), [2, 0, 1]), shares),
    "logits of scores": (lambda: ScoreEncoder(list("uvwxyz"), range(6), "logits"), finite),
    "sparse": (lambda: MatrixEncoder([f"f{j}" for j in range(20)]), sparse),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def as_dense(blocks: dict) -> dict:
    return {name: block.toarray() if sp.issparse(block) else block for name, block in blocks.items()}


def test_every_encoder_is_asked():
    assert {type(make()).kind for make, _ in CASES.values()} == set(ENCODERS)


def test_blocks_are_finite_float32_of_the_announced_width(case):
    make, rows = case
    encoder = make().fit(rows())
    blocks = encoder.transform(rows(1))
    assert {name: block.shape for name, block in blocks.items()} == {
        n: (N, *shape) for n, shape in encoder.shapes().items()
    }
    for name, block in as_dense(blocks).items():
        if name in encoder.vocabularies:
            assert block.dtype == np.int32
            assert 0 <= block.min() <= block.max() < encoder.vocabularies[name]
            continue
        if name in encoder.image_scaling:
            assert block.dtype == np.uint8
            continue
        assert block.dtype == np.float32
        assert np.isfinite(block).all()
        assert np.abs(block).max() <= CLIP


def test_every_encoder_answers_about_its_columns(case):
    make, rows = case
    encoder = make().fit(rows())
    assert set(encoder.text_columns) | set(encoder.image_columns) <= set(encoder.names)
    assert tuple(encoder.column_types) in ((), encoder.names)
    assert (encoder.number_formats is None) == (not encoder.column_types)
    assert encoder.matrix_names in (None, encoder.names)
    assert len(encoder.images.encoders) == len(encoder.image_columns)
    if not encoder.column_types:
        assert len(encoder.typical_numbers()) == len(encoder.names)
    if encoder.matrix_names is None and encoder.names:
        frame = pl.DataFrame({name: [0.0] for name in ["another", *reversed(encoder.names)]})
        assert tuple(encoder.from_frame(frame).columns) == encoder.names


def test_sparse_blocks_are_named(case):
    make, rows = case
    encoder = make().fit(rows())
    blocks = encoder.transform(rows(1))
    assert encoder.sparse <= set(blocks)
    for name in encoder.sparse:
        assert sp.issparse(blocks[name])
        assert blocks[name].format == "csr"
    if isinstance(encoder, TableEncoder):
        assert encoder.sparse == {name for name, block in blocks.items() if sp.issparse(block)}


def test_a_described_encoder_does_the_same(case):
    make, rows = case
    encoder = make().fit(rows())
    spec, arrays = encoder.to_spec()
    again = type(encoder).from_spec(json.loads(json.dumps(spec)), arrays)
    if make is by_function:
        again.texts.attach(letters)
    if make is by_backbone:
        again.images.attach(ImageFeatures(Corner(), is_cached=False))
    for name, block in as_dense(encoder.transform(rows(1))).items():
        np.testing.assert_array_equal(as_dense(again.transform(rows(1)))[name], block)


def test_rows_are_encoded_one_by_one(case):
    make, rows = case
    encoder, X = make().fit(rows()), rows(1)
    whole, part = as_dense(encoder.transform(X)), as_dense(encoder.transform(X[10:20]))
    for name in whole:
        np.testing.assert_array_equal(whole[name][10:20], part[name])


def test_every_input_has_a_source(case):
    make, rows = case
    encoder, X = make().fit(rows()), rows(1)
    blocks = encoder.transform(X)
    if not encoder.names:
        with pytest.raises(InputError, match="no names"):
            encoder.sources(X, blocks)
        return
    if encoder.vocabularies or getattr(encoder, "image_columns", ()):
        with pytest.raises(InputError, match=r"learned vectors|single pixels"):
            encoder.sources(X, blocks)
        return
    there = list(encoder.sources(X, blocks))
    assert len(there) == N
    for row, sources in enumerate(there):
        assert len(sources.names) == len(sources.column)
        assert set(sources.column) <= set(encoder.names)
        assert set(sources.shares) == set(blocks)
        for name, share in sources.shares.items():
            block = blocks[name]
            width = block.indptr[row + 1] - block.indptr[row] if sp.issparse(block) else block.shape[1]
            assert share.shape == (len(sources.names), width)
            np.testing.assert_allclose(share.sum(axis=0), np.ones((1, width)), atol=1e-12)


def test_the_reference_of_explanations_is_a_row_of_the_dense_block(case):
    make, rows = case
    encoder = make().fit(rows())
    for name, row in encoder.reference.items():
        assert row.dtype == np.float32
        assert row.shape == encoder.shapes()[name]
        assert isinstance(encoder.transform(rows(1))[name], np.ndarray)


def test_a_row_of_weight_k_counts_like_k_rows(case):
    make, rows = case
    times = np.random.default_rng(2).integers(1, 4, size=N)
    X = rows()
    weighted = make().fit(X, times.astype(float))
    repeated = make().fit(X[np.repeat(np.arange(N), times)])
    for name, block in as_dense(weighted.transform(X)).items():
        np.testing.assert_array_equal(as_dense(repeated.transform(X))[name], block)


def test_sparse_zeros_stay_zeros():
    X = sparse()
    block = MatrixEncoder([f"f{j}" for j in range(20)]).fit(X).transform(X)["features"]
    assert sp.issparse(block)
    np.testing.assert_array_equal(block.toarray() != 0, X.toarray() != 0)


def test_missing_numbers_are_the_centre_and_say_so():
    encoder = MatrixEncoder(list("uvwxyz")).fit(dense())
    row = encoder.transform(dense()[5:6])["features"]
    assert row.shape == (1, 7)
    assert row[0, 3] == 0
    assert row[0, 6] == 1
    assert encoder.transform(dense()[6:7])["features"][0, 6] == 0


def test_outliers_are_bounded_and_order_is_kept():
    X = np.r_[np.linspace(-1, 1, 50), 1e9, -1e9, 1e300, -1e300][:, None]
    z = MatrixEncoder(["x"]).fit(X).transform(X)["features"][:, 0]
    assert np.abs(z).max() <= CLIP
    assert (np.diff(z[np.argsort(X[:, 0])]) >= 0).all()
    assert z[:50].std() > 0.5


def test_rare_and_unseen_levels_share_a_column():
    encoder = TableEncoder(KINDS).fit(table())
    assert [category.levels for category in encoder.categories] == [["blue", "green", "red"]]
    frame = table().with_columns(pl.lit("never seen").alias("c"))
    block = encoder.transform(frame)["features"]
    np.testing.assert_array_equal(block[:, -4:], [[0, 0, 0, 1]] * N)


def test_weighted_quantiles_are_those_of_repeated_values():
    generator = np.random.default_rng(0)
    for _ in range(50):
        values, times = generator.normal(size=9).round(1), generator.integers(1, 5, size=9)
        shares = (0.1, 0.25, 0.5, 0.75, 1.0)
        expected = np.quantile(np.repeat(values, times), shares, method="inverted_cdf")
        np.testing.assert_array_equal(weighted_quantiles(values, times.astype(float), shares), expected)


def test_infinity_in_a_table_is_told_with_its_place():
    encoder = TableEncoder({"a": "numeric", "b": "boolean"}).fit(pl.DataFrame({"a": [1.0, 2.0], "b": [True, False]}))
    with pytest.raises(InputError, match="expected a finite number") as told:
        encoder.transform(pl.DataFrame({"a": [1.0, float("inf")], "b": [True, None]}))
    assert (told.value.row, told.value.column) == (2, "a")


def test_numbers_of_a_table_are_the_same_as_text():
    frame = pl.DataFrame({"a": [1.5, None, float("nan")], "b": [True, None, False]})
    encoder = TableEncoder({"a": "numeric", "b": "boolean"}).fit(frame)
    as_text = frame.with_columns(pl.Series("a", ["1.5", None, "nan"]), pl.Series("b", ["1", None, "0"]))
    assert np.array_equal(encoder.transform(frame)["features"], encoder.transform(as_text)["features"])
