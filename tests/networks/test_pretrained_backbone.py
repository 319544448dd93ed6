"""Known networks that look at images: frozen, tuned and from nothing; saved, answered and refused."""

import pickle
from functools import partial

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone

from manyhot import MultiLabelClassifier, cross_validate, engine, load
from manyhot.backend import jax, keras, use_dtype
from manyhot.config.images import BACKBONES, image_params
from manyhot.config.runtime import RuntimeConfig
from manyhot.data.readers import ReadOptions
from manyhot.errors import BundleError, InputError
from manyhot.models.cross_fitting import train_cross_fits
from manyhot.networks import build_core
from manyhot.networks.pretrained_backbone import Backbone, open_backbone
from manyhot.persistence import container
from tests.attacks.bundles import put_together, taken_apart
from tests.fixtures.backbone_files import EDGE, NAME, SMALL, applied, tints, weights_file
from tests.fixtures.image_files import as_file


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """A cache folder of this file's own, so that features are computed once for all its tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("MANYHOT_CACHE", str(folder))
        yield folder


def short(include_top: bool, weights: None, input_shape: tuple[int, ...], pooling: str | None = None) -> keras.Model:
    """One of the seventeen blocks of MobileNetV2 between its first layers and its last."""
    assert not include_top
    assert weights is None

    def normed(x, layer, is_cut=True):
        x = keras.layers.BatchNormalization(epsilon=1e-3, momentum=0.999)(layer(x))
        return keras.layers.ReLU(6.0)(x) if is_cut else x

    plain = {"padding": "same", "use_bias": False}
    image = keras.Input(input_shape)
    x = normed(image, keras.layers.Conv2D(16, 3, strides=2, **plain))
    x = normed(x, keras.layers.DepthwiseConv2D(3, strides=2, **plain))
    x = normed(x, keras.layers.Conv2D(24, 1, **plain), is_cut=False)
    inner = normed(x, keras.layers.Conv2D(96, 1, **plain))
    inner = normed(inner, keras.layers.DepthwiseConv2D(3, **plain))
    x = keras.layers.Add()([x, normed(inner, keras.layers.Conv2D(24, 1, **plain), is_cut=False)])
    x = normed(x, keras.layers.Conv2D(1280, 1, **plain))
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x) if pooling else x)


@pytest.fixture(scope="module", params=["short", pytest.param("whole", marks=pytest.mark.exhaustive)])
def network(request):
    """What mobilenetv2 is: a short network in its place, which is compiled in a fifth of the time, or itself."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "short":
            patch.setattr(keras.applications, "MobileNetV2", short)
            patch.setitem(BACKBONES, NAME, BACKBONES[NAME]._replace(n_weights=applied(NAME).count_params()))
        yield


on_whole_network = pytest.mark.parametrize("network", ["whole"], indirect=True)
"""Marks a test that runs on MobileNetV2 itself in the ordinary run too."""


@pytest.fixture(scope="module")
def weights(network, tmp_path_factory):
    return weights_file(tmp_path_factory.mktemp("weights") / "small.weights.h5")


def make_settings(weights, **more):
    return {"backbone": NAME, "weights": str(weights), "size": EDGE, **more}


@pytest.fixture(scope="module")
def frozen(weights):
    X, Y = tints()
    return MultiLabelClassifier(**SMALL, image_params=make_settings(weights)).fit(X, Y)


@pytest.fixture(scope="module")
def tuned(weights):
    X, Y = tints()
    return MultiLabelClassifier(**SMALL, image_params=make_settings(weights, fine_tune_epochs=2)).fit(X, Y)


@pytest.mark.slow
@on_whole_network
def test_a_frozen_backbone_makes_numbers_and_travels_in_the_file(frozen, weights, tmp_path, monkeypatch):
    X, Y = tints(40, seed=1)
    assert frozen.model_.network.name == "mlp"
    assert frozen.model_.network.shapes == {"features": (1280,)}
    assert frozen.report_.to_dict()["metrics"]["decision"]["f1_micro"]["value"] > 0.85
    expected = frozen.predict_proba(X)
    frozen.save(tmp_path / "m.manyhot")
    assert (tmp_path / "m.manyhot").stat().st_size < 1.2 * weights.stat().st_size + 2_000_000
    monkeypatch.setenv("MANYHOT_CACHE", str(tmp_path / "other"))
    again = load(tmp_path / "m.manyhot")
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    assert again.image_params["weights"] == ""
    with pytest.raises(InputError, match="expected 'imagenet', 'none', or a file of the weights"):
        clone(again).fit(X, Y)


def predict_compiled(network: keras.Model, pixels: np.ndarray) -> np.ndarray:
    """What `network.predict` gives, compiled without long thought."""
    weights = [[one.value for one in kind] for kind in (network.trainable_variables, network.non_trainable_variables)]
    quickly = {"xla_backend_optimization_level": 0}
    run = jax.jit(partial(network.stateless_call, training=False), compiler_options=quickly)
    return np.asarray(run(*weights, pixels)[0])


@pytest.mark.slow
@on_whole_network
def test_features_are_those_of_keras(weights):
    X, _ = tints(11)
    network = applied(NAME, pooling="avg")
    network.load_weights(weights)
    expected = predict_compiled(network, keras.applications.mobilenet_v2.preprocess_input(X.astype("float32")))
    backbone = open_backbone(NAME, str(weights))
    found = backbone(X)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_array_equal(backbone(X[:3]), found[:3])
    assert found.std(axis=0).max() > 1e-3


@pytest.mark.slow
def test_a_second_fit_looks_at_nothing_again(frozen, weights, monkeypatch):
    X, Y = tints()
    expected = frozen.predict_proba(X)
    seen_counts = []
    monkeypatch.setattr(Backbone, "__call__", lambda self, images: seen_counts.append(len(images)))
    again = MultiLabelClassifier(**SMALL, image_params=make_settings(weights)).fit(X, Y)
    assert not seen_counts
    np.testing.assert_array_equal(again.predict_proba(X), expected)


@pytest.mark.slow
def test_a_tuned_backbone_moves_and_its_averages_stay(tuned, weights, tmp_path):
    X, _ = tints()
    model = tuned.model_
    assert (model.network.name, model.network.settings["is_tuned"]) == ("backbone", True)
    network = model.network.factory(1).build(0)
    known = open_backbone(NAME, str(weights))
    first = next(leaf for leaf in model.weights.trainable if leaf.shape[1:] == known.trainable[0].shape)
    assert 0 < np.abs(first - known.trainable[0]).max() < 0.01
    assert np.abs(first[0] - first[1]).max() > 0
    averages = {variable.path for variable in network.non_trainable_variables if "moving_mean" in variable.path}
    moving_averages = [leaf for leaf in model.weights.fixed if leaf.ndim == 2 and leaf.dtype == np.float32]
    of_file = [leaf for leaf in known.fixed if leaf.ndim == 1 and leaf.dtype == np.float32]
    assert len(of_file) == 2 * len(averages)
    for leaf, expected in zip(
        [one for one in moving_averages if one.shape[1:] != (1280,)],
        [one for one in of_file if one.shape != (1280,)],
        strict=True,
    ):
        np.testing.assert_array_equal(leaf, np.stack([expected] * 2))
    assert tuned.report_.to_dict()["metrics"]["decision"]["f1_micro"]["value"] > 0.85
    assert model.evidence.curves.shape == (2, 42, 2)
    tuned.save(tmp_path / "m.manyhot")
    np.testing.assert_array_equal(load(tmp_path / "m.manyhot").predict_proba(X), tuned.predict_proba(X))
    assert model.encoder.images.features is None


@pytest.mark.slow
def test_out_of_fold_scores_are_those_of_tuned_members(tuned):
    X, _ = tints()
    model, rows = tuned.model_, tuned.model_.evidence.rows
    blocks = model.encoder.transform(pl.DataFrame([pl.Series("image", X)]))
    for member in range(2):
        variable_groups = rows.held_out[:, member]
        own = model.scorer().scores(
            {name: block[variable_groups] for name, block in blocks.items()}, (member, member + 1)
        )
        np.testing.assert_allclose(model.evidence.scores[variable_groups], own, atol=1e-5)


@pytest.mark.slow
def test_tuning_begins_where_the_layers_behind_it_ended(weights, monkeypatch):
    X, Y = tints()
    parts = []

    def record_fit(fits, *rest, **options):
        networks, trained = train_cross_fits(fits, *rest, **options)
        parts.append((fits[0], networks, trained))
        return networks, trained

    monkeypatch.setattr("manyhot.models.fine_tuning.train_cross_fits", record_fit)
    settings = make_settings(weights, fine_tune_epochs=1, fine_tune_learning_rate=1e-9)
    model = MultiLabelClassifier(**SMALL, image_params=settings).fit(X, Y).model_
    head_fit, networks, trained = parts[0]
    assert [fit.network.name for fit, *_ in parts] == ["mlp", "backbone"]
    expected = engine.Scorer(networks, trained.weights, "float32", RuntimeConfig()).scores(head_fit.data.blocks)
    found = model.scorer().scores(parts[1][0].data.blocks)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.slow
def test_members_side_by_side_are_tuned_as_one_by_one(tuned, weights):
    X, Y = tints()
    together = MultiLabelClassifier(
        **SMALL, member_batching="together", image_params=make_settings(weights, fine_tune_epochs=2)
    ).fit(X, Y)
    first, second = (one.model_.weights.trainable for one in (tuned, together))
    apart = max(np.abs(a - b).max() for a, b in zip(first, second, strict=True))
    assert apart < 5e-3  # as far as float noise drives steps of 1e-4 apart, and no further


@pytest.mark.slow
def test_a_backbone_without_weights_is_trained_whole(network, tmp_path):
    X, Y = tints(48)
    settings = {"backbone": NAME, "weights": "none", "size": EDGE, "augment": "none"}
    model = MultiLabelClassifier(**{**SMALL, "epochs": 2}, image_params=settings).fit(X, Y)
    assert model.model_.network.settings["is_tuned"] is False
    assert model.model_.evidence.curves.shape[1] == 2
    model.save(tmp_path / "m.manyhot")
    again = load(tmp_path / "m.manyhot")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    fixed = [leaf for leaf in model.model_.weights.fixed if leaf.dtype == np.float32]
    assert any(np.abs(leaf[0] - leaf[1]).max() > 0 for leaf in fixed)  # averages are each member's own


@pytest.mark.slow
def test_frozen_images_stand_beside_numbers_and_other_images(weights):
    X, Y = tints(48)
    frame = pl.DataFrame([pl.Series("photo", X), pl.Series("x", np.arange(48.0)), pl.Series("other", X[::-1])])
    model = MultiLabelClassifier(**SMALL, image_params=make_settings(weights)).fit(frame, Y)
    assert model.model_.network.shapes == {"features": (1 + 2 * 1280,)}
    wide = MultiLabelClassifier(**SMALL, image_params=make_settings(weights, fine_tune_epochs=1)).fit(frame, Y)
    assert set(wide.model_.network.shapes) == {"features", "image", "image_1"}
    for one in (model, wide):
        assert one.predict_proba(frame).shape == Y.shape


@pytest.mark.slow
@pytest.mark.parametrize("which", ["frozen", "tuned"])
def test_what_goes_on_after_training(network, which, request):
    X, Y = tints()
    model = request.getfixturevalue(which)
    assert clone(model).get_params()["image_params"] == model.image_params
    again = pickle.loads(pickle.dumps(model))
    expected = model.predict_proba(X)
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    again.partial_fit(X, Y)
    assert np.abs(again.predict_proba(X) - expected).max() > 0
    before, after = (one.model_.weights.trainable[0] for one in (model, again))
    n_steps = len(X) // SMALL["batch_size"]
    rate = 1e-4 if which == "tuned" else 2e-3
    assert 0.1 * rate < np.abs(after - before).max() < 2 * n_steps * rate
    more = np.c_[Y, Y[:, 0] & Y[:, 1]]
    grown = pickle.loads(pickle.dumps(model))
    if which == "tuned":
        with pytest.raises(InputError, match="fit anew with all labels"):
            grown.add_labels(X, more, labels=["red", "bright", "both"])
    else:
        grown.add_labels(X, more, labels=["red", "bright", "both"], epochs=2)
        assert grown.predict_proba(X).shape == (len(X), 3)


@pytest.mark.slow
@pytest.mark.parametrize("fine_tune_epochs", [0, 1])
def test_cross_validation_takes_both(weights, fine_tune_epochs):
    X, Y = tints(192)  # half of them are as many as the others train on
    model = MultiLabelClassifier(**SMALL, image_params=make_settings(weights, fine_tune_epochs=fine_tune_epochs))
    result = cross_validate(model, X, Y, n_splits=2, n_repeats=1)
    assert result.mean("f1_micro") > 0.7


@pytest.mark.slow
def test_a_frozen_backbone_is_streamed_and_a_tuned_one_is_not(weights, tmp_path):
    X, Y = tints(200)
    path = tmp_path / "rows.parquet"
    frame = [pl.Series("photo", [as_file(x) for x in X]), *(pl.Series(f"l_{j}", Y[:, j]) for j in range(2))]
    pl.DataFrame(frame).write_parquet(path)
    reading = ReadOptions(labels="l_*")
    model = MultiLabelClassifier(**SMALL, image_params=make_settings(weights)).fit_file(path, reading, stream=True)
    scores = model.predict_proba(pl.DataFrame(frame[:1]))
    assert ((scores > 0.5) == Y).mean() > 0.9
    with pytest.raises(InputError, match="not tuned from a stream"):
        MultiLabelClassifier(**SMALL, image_params=make_settings(weights, fine_tune_epochs=1)).fit_file(
            path, reading, stream=True
        )


@pytest.mark.slow
def test_a_frozen_backbone_is_explained(frozen):
    X, _ = tints(2, seed=3)
    blocks = frozen.model_.encoder.transform(pl.DataFrame([pl.Series("image", X)]))
    scores = np.stack([frozen.model_.scorer().scores(blocks, (k, k + 1)) for k in range(2)])
    logits = np.log(scores / (1 - scores)).mean(axis=0)
    for row, of_row in enumerate(frozen.explain(X, ["red", "bright"])):
        for j, one in enumerate(of_row.values()):
            assert one.maps["image"].shape == (EDGE, EDGE)
            total = one.constant + one.maps["image"].sum() + one.unexplained
            assert total == pytest.approx(one.logit, abs=1e-6)
            assert abs(one.unexplained) < 0.2 * np.abs(one.maps["image"]).sum()
            assert one.logit == pytest.approx(logits[row, j], abs=1e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "mobilnetv2"}, "did you mean 'mobilenetv2'"),
        ({"fine_tune_epochs": 2}, "belongs to a backbone"),
        ({"weights": "none"}, "belongs to a backbone"),
        ({"backbone": NAME, "weights": "none", "fine_tune_epochs": 1}, "omit fine_tune_epochs"),
        ({"backbone": NAME, "size": 16}, "needs 32 pixels"),
        ({"backbone": NAME, "channels": "grey"}, "in colour"),
        ({"backbone": NAME, "filters": [4]}, "has no effect on a backbone"),
        ({"backbone": NAME, "augment": "flip"}, "looks at each image once"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        image_params(settings)


@pytest.mark.slow
def test_networks_and_features_that_do_not_go_with_a_backbone_are_refused(weights):
    X, Y = tints(40)
    for network, settings, words in (
        ("backbone", None, "say which"),
        ("backbone", make_settings(weights), "makes numbers for the network 'mlp'"),
        ("resnet", make_settings(weights), "looks at the pixels itself"),
        ("mlp", make_settings(weights, fine_tune_epochs=1), "no place for a backbone that learns"),
    ):
        with pytest.raises(InputError, match=words):
            MultiLabelClassifier(**SMALL, network=network, image_params=settings).fit(X, Y)
    with pytest.raises(InputError, match="there are none"):
        MultiLabelClassifier(**SMALL, image_params=make_settings(weights)).fit(X.reshape(40, -1), Y)
    with pytest.raises(InputError, match="labels of pixels"):
        MultiLabelClassifier(image_params={"backbone": NAME}).fit(X, X[..., :1] > 30)


def test_weights_that_cannot_be_had_are_named(weights, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="expected 'imagenet', 'none', or a file"):
        open_backbone(NAME, str(tmp_path / "not there.weights.h5"))
    damaged = tmp_path / "damaged.weights.h5"
    damaged.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"damaged.weights.h5 does not hold the weights of mobilenetv2"):
        open_backbone(NAME, str(damaged))
    with pytest.raises(InputError, match=r"does not hold the weights of mobilenetv3_small"):
        open_backbone("mobilenetv3_small", str(weights))

    def no_network(*_, **__):
        raise Exception("URL fetch failure on https://example.org/x_notop.h5: None")

    monkeypatch.setattr("manyhot.networks.pretrained_backbone.build_core", no_network)
    with pytest.raises(InputError, match=r"could not be downloaded.*x_notop.h5.*weights=FILE"):
        open_backbone(NAME, "imagenet")


@pytest.mark.slow
def test_other_files_of_weights_are_read(weights, tmp_path):
    expected = open_backbone(NAME, str(weights)).digest
    for name in ("whole.keras", "whole.h5"):
        assert open_backbone(NAME, str(weights_file(tmp_path / name))).digest == expected
    other = open_backbone(NAME, str(weights_file(tmp_path / "other.weights.h5", seed=1)))
    assert other.digest != expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("which", "place", "value"),
    [
        ("frozen", ("encoder", "images", 0, "backbone"), "resnet50"),
        ("frozen", ("encoder", "images", 0, "backbone"), "os.system"),
        ("frozen", ("encoder", "images", 0, "backbone"), None),
        ("frozen", ("encoder", "images", 0, "shape"), [EDGE, EDGE, 1]),
        ("tuned", ("network", "settings", "backbone"), "convnext_base"),
        ("tuned", ("network", "settings", "backbone"), "mobilenetv3_small"),
        ("tuned", ("network", "settings", "is_tuned"), False),
        ("tuned", ("encoder", "images", 0, "shape"), [8, 8, 3]),
        ("tuned", ("encoder", "images", 0, "backbone"), NAME),
    ],
)
def test_a_file_that_lies_is_refused(network, which, place, value, tmp_path, request):
    file = tmp_path / "m.manyhot"
    request.getfixturevalue(which).save(file)
    header, sealed, data = taken_apart(file)
    inner = sealed["document"]
    for step in place[:-1]:
        inner = inner[step]
    if value is None:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    put_together(file, header, sealed, data)
    with pytest.raises(BundleError):
        load(file)


@pytest.mark.slow
def test_missing_weights_in_a_file_are_found_before_anything_is_built(frozen, tmp_path, monkeypatch):
    file = tmp_path / "m.manyhot"
    frozen.save(file)
    contents = container.read(file)
    arrays = {name: one for name, one in contents.arrays.items() if name != "encoder/backbone.trainable.3"}
    container.write(file, contents.document, arrays)
    monkeypatch.setattr("manyhot.networks.pretrained_backbone.build_core", lambda *_, **__: pytest.fail("built"))
    with pytest.raises(BundleError, match="does not hold the weights of mobilenetv2"):
        load(file)


def keras_features(name: str, core, images: np.ndarray) -> np.ndarray:
    """What Keras makes of images by its own way of scaling them."""
    kind, whole = BACKBONES[name], applied(name, images.shape[1], pooling="avg")
    for ours, own in zip(core.inner.weights, whole.weights, strict=True):
        own.assign(ours.value)
    module = __import__(whole_module(kind.constructor), fromlist=["preprocess_input"])
    return predict_compiled(whole, module.preprocess_input(images.astype("float32")))


def whole_module(maker: str) -> str:
    names = {"MobileNetV2": "mobilenet_v2", "MobileNetV3": "mobilenet_v3", "EfficientNetV2": "efficientnet_v2"}
    names |= {"ConvNeXt": "convnext", "ResNet50V2": "resnet_v2", "ResNet50": "resnet", "DenseNet121": "densenet"}
    names |= {"Xception": "xception", "InceptionV3": "inception_v3"}
    return "keras.applications." + next(module for start, module in names.items() if maker.startswith(start))


OFTEN = ("mobilenetv3_small", "resnet50")


@pytest.mark.slow
@on_whole_network
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in OFTEN else pytest.mark.exhaustive) for name in BACKBONES]
)
def test_every_backbone_is_what_keras_makes_of_it(network, name):
    kind = BACKBONES[name]
    edge = kind.min_edge
    with use_dtype("float32"):
        core = build_core(name, (edge, edge), "float32", np.random.default_rng(0))
    variable_groups = (core.trainable_variables, core.non_trainable_variables)
    trainable, fixed = ([np.asarray(one.value) for one in variables] for variables in variable_groups)
    assert sum(one.size for one in (*trainable, *fixed)) == kind.n_weights
    images = np.random.default_rng(0).integers(0, 256, (2, edge, edge, 3), dtype=np.uint8)
    found = Backbone(name, trainable, fixed, core.inner.output_shape[-1])(images)
    expected = keras_features(name, core, images)
    np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(expected).max())
    assert np.abs(expected[0] - expected[1]).max() > 10 * 2e-3 * np.abs(expected).max()
