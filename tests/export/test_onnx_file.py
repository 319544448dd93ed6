"""Whole files: what ONNX Runtime makes of rows beside the model, for every network and encoder."""

import json
import sys

import numpy as np
import onnx
import polars as pl
import pytest
import scipy.sparse as sp
from onnx import numpy_helper

from manyhot import MultiLabelClassifier, load
from manyhot.backend import keras
from manyhot.config.training import BUILT_NETWORKS, ISOTONIC
from manyhot.decisions.calibration import Calibration
from manyhot.decisions.calibration.isotonic import Curve
from manyhot.decisions.rules.rules import Rules
from manyhot.encoders import MatrixEncoder, TableEncoder
from manyhot.encoders.categories import level_texts
from manyhot.encoders.number_columns import frame_numbers
from manyhot.errors import InputError, ManyhotError, OutputError
from manyhot.export import comparison, onnx_file
from manyhot.networks import from_keras
from tests.export import models
from tests.export.models import N_ROWS, NAMES, TABLE, block_encoder, build, image_encoder, images, policy, run

SIZES = (1, 7, N_ROWS)
PICTURES = {"images": {"image": {"mean": [0.5, 0.4, 0.3], "deviation": [0.2, 0.3, 0.1]}}, "kernel": 3}
NORMAL = np.random.default_rng(1).normal
NETWORKS = {
    "mlp": (block_encoder(features=(7,)), {"branches": ["bins", "linear"], "batch_norm": True}),
    "mlp gelu": (block_encoder(features=(7,), more=(2,)), {"activation": "gelu"}),
    "mlp tables": (block_encoder(features=(3,), text=(50,)), {"tables": ["text"], "branches": ["linear"]}),
    "embedding_bag": (
        block_encoder(features=(3,), words=(9,)),
        {"vocabularies": {"words": 20}, "units": 4, "pool": "attention"},
    ),
    "cnn": (image_encoder(), {**PICTURES, "filters": [3, 4], "blocks": 1, "pool": "flatten"}),
    "resnet": (image_encoder(), {**PICTURES, "filters": [3, 4], "blocks": 1, "pool": "average"}),
    "convnext": (image_encoder(), {**PICTURES, "filters": [3, 4], "blocks": 1, "pool": "average"}),
    "backbone": (image_encoder((32, 32, 3)), {**PICTURES, "backbone": "mobilenetv2", "is_tuned": True}),
    "unet": (image_encoder(), {**PICTURES, "filters": [3, 4], "blocks": 1, "patch": 2}),
}


def network_rows(encoder, name):
    kinds = {"image": lambda shape: images(shape, n_rows=n_rows), "words": lambda shape: words(shape)}
    n_rows = 60 if name == "backbone" else N_ROWS

    def words(shape):
        return np.random.default_rng(0).integers(0, 20, (n_rows, *shape), dtype=np.int32)

    def numbers(shape):
        return NORMAL(size=(n_rows, *shape)).astype(np.float32)

    return {block: kinds.get(block, numbers)(shape) for block, shape in encoder.shapes().items()}


def assert_answers(path, model, rows, blocks, atol=1e-5):
    """Equal probabilities, and equal labels, in batches of several sizes."""
    expected = model.policy.calibrate(model.scorer().scores(blocks))
    decided = model.policy.decide(expected.reshape(-1, len(NAMES))).reshape(expected.shape)
    assert expected.std() > 1e-3
    for size in (size for size in SIZES if size <= len(expected)):
        answers = run(path, {name: one[:size] for name, one in rows.items()})
        np.testing.assert_allclose(answers["probabilities"], expected[:size], atol=atol)
        np.testing.assert_array_equal(answers["labels"], decided[:size])
        assert answers["labels"].dtype == bool
        assert answers["probabilities"].dtype == np.float32


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network(name, tmp_path, monkeypatch):
    encoder, settings = NETWORKS[name]
    if "vocabularies" in settings:
        monkeypatch.setattr(type(encoder), "vocabularies", settings["vocabularies"])
    model = build(encoder, name.split()[0], settings)
    described = onnx_file.export(model, tmp_path / "model.onnx")
    assert described["comparison"]["max_difference"] < 1e-5
    rows = network_rows(encoder, name)
    assert_answers(tmp_path / "model.onnx", model, rows, rows)
    assert_answers(tmp_path / "model.onnx", model, rows, rows)


def test_every_network_has_a_case():
    assert {name.split()[0] for name in NETWORKS} == set(BUILT_NETWORKS)


def with_gaps(rows):
    return np.where(np.random.default_rng(2).random(rows.shape) < 0.1, np.nan, rows)


def table_rows(frame, encoder):
    cells = [level_texts(frame[name]).astype(object) for name in encoder.categorical_columns]
    return {"numbers": frame_numbers(frame, encoder.numeric_columns), "categories": np.stack(cells, axis=1)}


@pytest.mark.parametrize("columns", [list(TABLE.columns), ["kind"], ["side"], ["once"], ["energy"], ["once", "side"]])
def test_a_table(columns, tmp_path):
    encoder = TableEncoder({name: models.TYPES[name] for name in columns}).fit(TABLE)
    if columns == ["once"]:
        assert encoder.categories[0].levels == []  # every level is one that training saw once
    model = build(encoder)
    described = onnx_file.export(model, tmp_path / "model.onnx")
    assert described["comparison"]["max_difference"] < 1e-5
    new = TABLE[::-1].with_columns(
        pl.Series("kind", [*["never seen", "", "köln"], *TABLE["kind"][3:]]),
        pl.Series("energy", [None] + [1e300] * 399),
    )
    rows = {name: one for name, one in table_rows(new, encoder).items() if one.shape[1]} if len(columns) > 1 else None
    if rows is None:
        kind = "categories" if encoder.categorical_columns else "numbers"
        values = level_texts(new[columns[0]]).astype(object) if kind == "categories" else frame_numbers(new, columns)
        rows = {kind: values.reshape(-1, 1)}
    blocks = encoder.transform(new)
    if columns != ["once"]:
        assert_answers(tmp_path / "model.onnx", model, rows, blocks)
    assert [one["columns"] for one in described["inputs"]] == [
        names for names in (encoder.numeric_columns, encoder.categorical_columns) if names
    ]


def test_a_matrix(tmp_path):
    rows = with_gaps(NORMAL(1e6, 1, (N_ROWS, 5)))
    model = build(MatrixEncoder(tuple("abcde")).fit(rows))
    onnx_file.export(model, tmp_path / "model.onnx")
    assert_answers(tmp_path / "model.onnx", model, {"numbers": rows}, model.encoder.transform(rows))


def test_images_beside_a_table(tmp_path):
    encoder = image_encoder(more=TABLE)
    settings = {**PICTURES, "filters": [3], "blocks": 1, "pool": "average", "activation": "silu"}
    model = build(encoder, "cnn", settings)
    described = onnx_file.export(model, tmp_path / "model.onnx")
    assert described["image_size"] == {"image": [16, 16, 3]}
    rows = table_rows(TABLE, encoder) | {"image": images()}
    assert_answers(tmp_path / "model.onnx", model, rows, encoder.transform(TABLE.with_columns(picture=images())))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uncalibrated_and_without_labels_and_in_float64(dtype, tmp_path):
    calibration = Calibration(("beta", "platt", "none"), np.array([[2.0, 1, 0.5], [3, 3, -1], [1, 1, 0]]))
    model = build(block_encoder(features=(7,)), own_policy=policy(calibration=calibration), dtype=dtype)
    rows = {"features": NORMAL(size=(N_ROWS, 7)).astype(np.float32)}
    raw = model.scorer().scores(rows)
    for is_calibrated in (True, False):
        path = tmp_path / "model.onnx"
        onnx_file.export(model, path, calibrated=is_calibrated)
        answers = run(path, rows)
        expected = model.policy.calibrate(raw)
        np.testing.assert_allclose(answers["probabilities"], expected if is_calibrated else raw, atol=1e-5)
        np.testing.assert_array_equal(answers["labels"], model.policy.decide(expected))
        onnx_file.export(model, path, calibrated=is_calibrated, labels=False)
        assert list(run(path, rows)) == ["probabilities"]
        assert "thresholds" not in {one.name for one in onnx.load(path).graph.initializer}


def test_a_softmax(tmp_path):
    model = build(block_encoder(features=(7,)), head="softmax", loss="categorical_crossentropy", allow_softmax=True)
    onnx_file.export(model, tmp_path / "model.onnx")
    rows = {"features": NORMAL(size=(N_ROWS, 7)).astype(np.float32)}
    assert_answers(tmp_path / "model.onnx", model, rows, rows)
    np.testing.assert_allclose(run(tmp_path / "model.onnx", rows)["probabilities"].sum(axis=1), 1, atol=1e-6)


def test_a_taxonomy_holds_in_the_last_digit(tmp_path):
    own = policy(taxonomy=(("quiet", "loud"), ("loud", "sad")))
    model = build(block_encoder(features=(7,)), own_policy=own)
    onnx_file.export(model, tmp_path / "model.onnx")
    rows = {"features": NORMAL(size=(N_ROWS, 7)).astype(np.float32)}
    assert_answers(tmp_path / "model.onnx", model, rows, rows)
    probabilities = run(tmp_path / "model.onnx", rows)["probabilities"]
    assert (np.diff(probabilities, axis=1) >= 0).all()


def keras_model(kind):
    layers = keras.layers
    shape, inner = {
        "images": ((8, 8, 2), [layers.Conv2D(3, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()]),
        "pooling": (
            (9, 8, 2),
            [layers.SeparableConv2D(3, 3), layers.AveragePooling2D(3, 2, "same"), layers.GlobalMaxPooling2D()],
        ),
        "up": ((4, 4, 2), [layers.Conv2DTranspose(3, 3, strides=2), layers.UpSampling2D(), layers.Flatten()]),
        "lines": ((9, 3), [layers.Conv1D(4, 3, padding="causal"), layers.LayerNormalization(), layers.Flatten()]),
        "loops": ((9, 3), [layers.LSTM(4)]),
    }[kind]
    return keras.Sequential([keras.Input(shape), *inner, layers.Dense(3, activation="sigmoid")]), shape


@pytest.mark.parametrize("kind", ["images", "pooling", "up", "lines"])
def test_a_keras_model(kind, tmp_path):
    network, shape = keras_model(kind)
    name = "probabilities"  # of an output, and here of an input
    model = build(block_encoder(**{name: shape}), settings=from_keras(network, {name: shape}, 3))
    onnx_file.export(model, tmp_path / "model.onnx")
    rows = NORMAL(size=(N_ROWS, *shape)).astype(np.float32)
    assert_answers(tmp_path / "model.onnx", model, {"probabilities_input": rows}, {name: rows})


def test_a_keras_model_with_a_loop_is_refused(tmp_path):
    network, shape = keras_model("loops")
    model = build(block_encoder(x=shape), settings=from_keras(network, {"x": shape}, 3))
    with pytest.raises(InputError, match="loop"):
        onnx_file.export(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_attention(tmp_path):
    inputs = keras.Input((5, 4))
    x = keras.layers.MultiHeadAttention(2, 3)(inputs, inputs)
    x = keras.layers.GlobalAveragePooling1D()(x)
    network = keras.Model(inputs, keras.layers.Dense(3)(x))
    model = build(block_encoder(x=(5, 4)), settings=from_keras(network, {"x": (5, 4)}, 3))
    onnx_file.export(model, tmp_path / "model.onnx")
    rows = NORMAL(size=(N_ROWS, 5, 4)).astype(np.float32)
    assert_answers(tmp_path / "model.onnx", model, {"x": rows}, {"x": rows})


HOSTILE = ('"', "a,b\n", "\\u0000 \ud800", "thresholds", "名前 🎵", "x" * 5000)


def test_hostile_names_survive(tmp_path):
    types = dict.fromkeys(HOSTILE[:2], "numeric") | dict.fromkeys(HOSTILE[3:], "categorical")
    cells = ["", "ünï\t", '"', "a" * 1000] * 5
    frame = pl.DataFrame({name: NORMAL(size=20) if kind == "numeric" else cells for name, kind in types.items()})
    encoder = TableEncoder(types).fit(frame)
    model = build(encoder, own_policy=policy(6, HOSTILE))
    onnx_file.export(model, tmp_path / "model.onnx")
    loaded = onnx.load(tmp_path / "model.onnx")
    told = {one.key: json.loads(one.value) for one in loaded.metadata_props}
    assert told["manyhot.labels"] == list(HOSTILE)
    assert told["manyhot.thresholds"] == model.thresholds()
    columns = [one["columns"] for one in told["manyhot.inputs"]]
    assert columns == [list(encoder.numeric_columns), list(encoder.categorical_columns)]
    assert told["manyhot.inputs"][1]["levels"] == [one.levels for one in encoder.categories]
    answers = run(tmp_path / "model.onnx", table_rows(frame, encoder))
    expected = model.scorer().scores(encoder.transform(frame))
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-5)


def test_a_level_that_is_no_text_is_refused(tmp_path):
    encoder = TableEncoder({"kind": "categorical"}).fit(TABLE)
    encoder.categories[0].levels[0] = "\ud800"
    with pytest.raises(InputError, match="'kind'"):
        onnx_file.export(build(encoder), tmp_path / "model.onnx")


def test_changed_thresholds_change_the_labels(tmp_path):
    path = tmp_path / "model.onnx"
    model = build(block_encoder(features=(7,)))
    onnx_file.export(model, path)
    rows = {"features": NORMAL(size=(N_ROWS, 7)).astype(np.float32)}
    changed = np.array([0.0, 0.45, 1.0])
    before = run(path, rows)
    file = onnx.load(path)
    (values,) = [one for one in file.graph.initializer if one.name == "thresholds"]
    np.testing.assert_array_equal(numpy_helper.to_array(values), model.policy.thresholds)
    values.CopyFrom(numpy_helper.from_array(changed, "thresholds"))
    onnx.save(file, path)
    after = run(path, rows)
    np.testing.assert_array_equal(after["labels"], before["probabilities"] >= changed)
    assert (after["labels"] != before["labels"]).any()


def test_the_decision_that_does_not_fit_is_refused_or_left_out(tmp_path):
    own = policy(rules=Rules(implies=(("quiet", "loud"),), max_labels=1))
    model = build(block_encoder(features=(7,)), own_policy=own)
    with pytest.raises(InputError, match=r"max_labels.*labels=False"):
        onnx_file.export(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
    assert onnx_file.export(model, tmp_path / "model.onnx", labels=False)["decision"] is None


def test_texts_and_sparse_rows_are_refused_or_taken_encoded(tmp_path):
    texts = TableEncoder({"body": "text"}).fit(pl.DataFrame({"body": ["a cat", "a dog", "the cat"] * 5}))
    sparse = MatrixEncoder(tuple("abc")).fit(sp.random(30, 3, 0.5, "csr", random_state=0))
    for encoder, word in ((texts, "'body'"), (sparse, "sparse")):
        (block,) = encoder.shapes()
        model = build(encoder, settings={"tables": [block]})
        with pytest.raises(InputError, match=word) as refused:
            onnx_file.export(model, tmp_path / "model.onnx")
        assert "--no-encoder" in str(refused.value)
        onnx_file.export(model, tmp_path / "model.onnx", encoder=False)
        rows = {block: NORMAL(size=(N_ROWS, *encoder.shapes()[block])).astype(np.float32)}
        assert_answers(tmp_path / "model.onnx", model, rows, rows)


def test_a_file_that_would_answer_otherwise_is_not_written(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_text("old")
    model = build(block_encoder(features=(7,)))
    with monkeypatch.context() as patch:
        patch.setattr(model.scorer().__class__, "scores", lambda self, blocks: np.full((64, 3), 0.5, np.float32))
        with pytest.raises(ManyhotError, match="differ from the model's"):
            onnx_file.export(model, path)
    with monkeypatch.context() as patch:
        patch.setattr(onnx_file, "write_labels", lambda graph, scores, *_: graph.node("IsNaN", scores))
        with pytest.raises(ManyhotError, match="other labels"):
            onnx_file.export(model, path)
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["model.onnx"]
    with pytest.raises(OutputError, match="the folder does not exist"):
        onnx_file.export(model, tmp_path / "none" / "model.onnx")


def test_a_steep_isotonic_map_is_no_reason_to_refuse(tmp_path):
    model = build(block_encoder(features=(7,)))
    score = float(np.median(model.scorer().scores({"features": comparison_rows(model)})[:, 0]))
    steep = Curve(
        np.array([score, np.nextafter(np.float32(score), np.float32(1), dtype=np.float32)], float), [0.1, 0.9]
    )
    curve = Curve(steep.x, np.array(steep.y))
    calibration = Calibration((ISOTONIC, "none", "none"), np.tile((1.0, 1.0, 0.0), (3, 1)), {0: curve})
    model.policy = policy(calibration=calibration)
    assert onnx_file.export(model, tmp_path / "model.onnx")["comparison"]["n_rows"] == 64


def comparison_rows(model):
    inputs = onnx_file.list_inputs(model.encoder, True)
    return comparison.draw_rows(model.encoder, inputs, 64)["features"]


def test_without_a_runtime_nothing_is_compared(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert onnx_file.export(build(block_encoder(features=(7,))), tmp_path / "model.onnx")["comparison"] is None


def test_without_onnx_the_extra_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("manyhot.export")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("onnx", "onnx.checker"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"pip install 'manyhot\[onnx\]'"):
        __import__("manyhot.export.onnx_file")


@pytest.mark.slow
def test_a_classifier_from_fit_to_file(tmp_path):
    frame = TABLE.select("tempo", "kind", "is_live", "energy")
    Y = np.stack([frame["energy"].to_numpy() > 0, frame["is_live"].to_numpy()], axis=1)
    clf = MultiLabelClassifier(labels=["high", "live"], n_members=2, epochs=2, n_folds=2, verbose=0).fit(frame, Y)
    described = clf.export_onnx(tmp_path / "model.onnx")
    assert described["source"] is None  # it has no file yet
    clf.save(tmp_path / "model.manyhot")
    clf = load(tmp_path / "model.manyhot")
    source = clf.export_onnx(tmp_path / "model.onnx")["source"]
    assert source["name"] == "model.manyhot"
    assert source["bytes"] == (tmp_path / "model.manyhot").stat().st_size
    encoder = clf.model_.encoder
    kinds = np.array([(one or "").strip() for one in frame["kind"]], dtype=object).reshape(-1, 1)
    rows = {"numbers": frame_numbers(frame, encoder.numeric_columns), "categories": kinds}
    answers = run(tmp_path / "model.onnx", rows)
    np.testing.assert_allclose(answers["probabilities"], clf.predict_proba(frame), atol=1e-5)
    np.testing.assert_array_equal(answers["labels"], clf.predict(frame))
    clf.set_thresholds({"high": 0.9})
    assert clf.export_onnx(tmp_path / "model.onnx")["source"] is None  # no longer what the file holds
