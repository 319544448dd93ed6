"""Contributions of pixels beside differences of logits and beside plain gradients."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import logit

from manyhot import engine
from manyhot.backend import keras, use_dtype
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.engine import integrated_gradients
from manyhot.errors import InputError
from manyhot.models.network_spec import NetworkSpec, network_settings
from manyhot.networks import MemberInitializer

L, M = 3, 2
PLAIN = {"image": [90.0, 120.0, 30.0]}
CHANNEL_STATS = {"image": {"mean": [0.35, 0.47, 0.12], "deviation": [0.2, 0.3, 0.25]}}


def scorer_of(network: str, shapes: dict, **settings) -> tuple[engine.Scorer, list[np.ndarray]]:
    """Members with weights of their own."""
    config = TrainingConfig(network=network, dtype="float64", **{"hidden_layer_sizes": (6,), **settings})
    settings_of_network = network_settings(config, {"text"} & set(shapes)) | {
        "images": CHANNEL_STATS,
        "filters": [4, 5],
        "pool": "flatten",
    }
    settings_of_network |= {"blocks": 1, "kernel": 3}
    spec = NetworkSpec(network, settings_of_network, shapes, L, "float64")
    networks = spec.factory(M, lambda k: MemberInitializer(k + 1, np.full(L, 0.1 * k), "float64"))
    generator = np.random.default_rng(0)
    with use_dtype("float64"):
        built = [networks.build(k) for k in range(M)]
        initial_tables = [networks.init_tables(k) if networks.init_tables else {} for k in range(M)]
    tables = [np.stack([one[name] for one in initial_tables]) for name in networks.tables]
    trainable = [
        np.stack([np.asarray(v.value) + 0.1 * generator.normal(size=v.shape) for v in leaves])
        for leaves in zip(*(one.trainable_variables for one in built), strict=True)
    ]
    fixed = [
        np.stack([np.asarray(v.value) for v in leaves])
        for leaves in zip(*(one.non_trainable_variables for one in built), strict=True)
    ]
    weights = engine.Weights([*tables, *trainable], fixed)
    return engine.Scorer(networks, weights, "float64", RuntimeConfig()), tables


def blocks(**more) -> dict:
    return {"image": np.random.default_rng(2).integers(0, 256, (4, 8, 10, 3), dtype=np.uint8), **more}


def mean_logits(scorer, inputs) -> np.ndarray:
    return np.mean([logit(scorer.scores(inputs, (k, k + 1))) for k in range(M)], axis=0)


def explain_pairs(scorer, tables, inputs, pairs):
    rows, labels = np.array(pairs).T
    return list(engine.pixel_contributions(scorer, tables, inputs, rows, labels, PLAIN))


@pytest.mark.slow
@pytest.mark.parametrize("network", ["cnn", "resnet"])
def test_pixels_sum_to_the_difference_of_the_logits(network):
    scorer, tables = scorer_of(network, {"image": (8, 10, 3)}, activation="gelu")
    inputs = blocks()
    blank = {"image": np.broadcast_to(np.array(PLAIN["image"], np.uint8), inputs["image"].shape)}
    logits, plain = mean_logits(scorer, inputs), mean_logits(scorer, blank)
    pairs = [(0, 1), (0, 2), (3, 0), (1, 1)]
    for (row, label), one in zip(pairs, explain_pairs(scorer, tables, inputs, pairs), strict=True):
        assert one.logit == pytest.approx(logits[row, label], abs=1e-6)
        assert one.constant == pytest.approx(plain[row, label], abs=1e-6)
        assert one.maps["image"].shape == (8, 10)
        assert one.maps["image"].sum() == pytest.approx(one.logit - one.constant, rel=0.02, abs=1e-3)


@pytest.mark.slow
def test_other_columns_are_held(monkeypatch):
    text = sp.random(4, 30, 0.3, format="csr", random_state=1)
    shapes = {"features": (4,), "image": (8, 10, 3), "text": (30,)}
    scorer, tables = scorer_of("cnn", shapes, activation="gelu")
    inputs = blocks(features=np.random.default_rng(1).normal(size=(4, 4)), text=text)
    blank = {**inputs, "image": np.broadcast_to(np.array(PLAIN["image"], np.uint8), inputs["image"].shape)}
    plain = mean_logits(scorer, blank)
    pairs = [(row, label) for row in range(4) for label in range(L)]
    expected_maps = explain_pairs(scorer, tables, inputs, pairs)
    for (row, label), one in zip(pairs, expected_maps, strict=True):
        assert one.constant == pytest.approx(plain[row, label], abs=1e-6)
        assert set(one.maps) == {"image"}
        assert one.maps["image"].sum() == pytest.approx(one.logit - one.constant, rel=0.02, abs=8e-3)
    monkeypatch.setattr(integrated_gradients, "MAX_PIXELS", 8 * 10 * 9)
    for one, other in zip(expected_maps, explain_pairs(scorer, tables, inputs, pairs), strict=True):
        np.testing.assert_allclose(one.maps["image"], other.maps["image"], atol=1e-12)


@pytest.mark.slow
def test_a_pixel_that_is_plain_adds_nothing_and_one_that_counts_is_found():
    scorer, tables = scorer_of("cnn", {"image": (8, 10, 3)}, activation="gelu")
    image = np.broadcast_to(np.array(PLAIN["image"], np.uint8), (1, 8, 10, 3)).copy()
    image[0, 5, 2] = [250, 5, 200]
    [one] = explain_pairs(scorer, tables, {"image": image}, [(0, 1)])
    others = one.maps["image"].copy()
    others[5, 2] = 0
    assert not others.any()
    assert one.maps["image"][5, 2] == pytest.approx(one.logit - one.constant, rel=0.02)


def test_a_network_that_does_not_scale_pixels_by_our_layer_is_refused():
    image = keras.Input((4, 4, 3), name="image", dtype="uint8")
    network = keras.Model(
        {"image": image}, keras.layers.Dense(2)(keras.layers.Flatten()(keras.layers.Rescaling(1)(image)))
    )
    with pytest.raises(InputError, match="way of its own"):
        integrated_gradients._build_path_program(network, frozenset(), ("image",))
