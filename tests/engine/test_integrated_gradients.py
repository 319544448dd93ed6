"""Contributions of pixels beside differences of logits and beside plain gradients."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import logit

from manyhot import engine
from manyhot.backend import keras, precision
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.engine import integrated_gradients
from manyhot.errors import InputError
from manyhot.models.network_spec import NetworkSpec, network_settings
from manyhot.networks import Start

L, M = 3, 2
PLAIN = {"image": [90.0, 120.0, 30.0]}
SEEN = {"image": {"mean": [0.35, 0.47, 0.12], "deviation": [0.2, 0.3, 0.25]}}


def scorer_of(network: str, shapes: dict, **settings) -> tuple[engine.Scorer, list[np.ndarray]]:
    """Members with weights of their own."""
    plan = TrainingConfig(network=network, precision="float64", **{"hidden": (6,), **settings})
    told = network_settings(plan, {"text"} & set(shapes)) | {"images": SEEN, "filters": [4, 5], "pool": "flatten"}
    told |= {"blocks": 1, "kernel": 3}
    spec = NetworkSpec(network, told, shapes, L, "float64")
    networks = spec.networks(M, lambda k: Start(k + 1, np.full(L, 0.1 * k), "float64"))
    generator = np.random.default_rng(0)
    with precision("float64"):
        built = [networks.build(k) for k in range(M)]
        drawn = [networks.begin_tables(k) if networks.begin_tables else {} for k in range(M)]
    tables = [np.stack([one[name] for one in drawn]) for name in networks.tables]
    own = [
        np.stack([np.asarray(v.value) + 0.1 * generator.normal(size=v.shape) for v in together])
        for together in zip(*(one.trainable_variables for one in built), strict=True)
    ]
    fixed = [
        np.stack([np.asarray(v.value) for v in together])
        for together in zip(*(one.non_trainable_variables for one in built), strict=True)
    ]
    weights = engine.Weights([*tables, *own], fixed)
    return engine.Scorer(networks, weights, "float64", RuntimeConfig()), tables


def blocks(**more) -> dict:
    return {"image": np.random.default_rng(2).integers(0, 256, (4, 8, 10, 3), dtype=np.uint8), **more}


def mean_logits(scorer, given) -> np.ndarray:
    return np.mean([logit(scorer.scores(given, (k, k + 1))) for k in range(M)], axis=0)


def found(scorer, tables, given, pairs):
    rows, labels = np.array(pairs).T
    return list(engine.pixel_contributions(scorer, tables, given, rows, labels, PLAIN))


@pytest.mark.slow
@pytest.mark.parametrize("network", ["cnn", "resnet"])
def test_pixels_sum_to_the_difference_of_the_logits(network):
    scorer, tables = scorer_of(network, {"image": (8, 10, 3)}, activation="gelu")
    given = blocks()
    blank = {"image": np.broadcast_to(np.array(PLAIN["image"], np.uint8), given["image"].shape)}
    logits, plain = mean_logits(scorer, given), mean_logits(scorer, blank)
    pairs = [(0, 1), (0, 2), (3, 0), (1, 1)]
    for (row, label), one in zip(pairs, found(scorer, tables, given, pairs), strict=True):
        assert one.logit == pytest.approx(logits[row, label], abs=1e-6)
        assert one.constant == pytest.approx(plain[row, label], abs=1e-6)
        assert one.maps["image"].shape == (8, 10)
        assert one.maps["image"].sum() == pytest.approx(one.logit - one.constant, rel=0.02, abs=1e-3)


@pytest.mark.slow
def test_other_columns_are_held(monkeypatch):
    text = sp.random(4, 30, 0.3, format="csr", random_state=1)
    shapes = {"features": (4,), "image": (8, 10, 3), "text": (30,)}
    scorer, tables = scorer_of("cnn", shapes, activation="gelu")
    given = blocks(features=np.random.default_rng(1).normal(size=(4, 4)), text=text)
    blank = {**given, "image": np.broadcast_to(np.array(PLAIN["image"], np.uint8), given["image"].shape)}
    plain = mean_logits(scorer, blank)
    pairs = [(row, label) for row in range(4) for label in range(L)]
    whole = found(scorer, tables, given, pairs)
    for (row, label), one in zip(pairs, whole, strict=True):
        assert one.constant == pytest.approx(plain[row, label], abs=1e-6)
        assert set(one.maps) == {"image"}
        assert one.maps["image"].sum() == pytest.approx(one.logit - one.constant, rel=0.02, abs=8e-3)
    monkeypatch.setattr(integrated_gradients, "MAX_PIXELS", 8 * 10 * 9)
    for one, other in zip(whole, found(scorer, tables, given, pairs), strict=True):
        np.testing.assert_allclose(one.maps["image"], other.maps["image"], atol=1e-12)


@pytest.mark.slow
def test_a_pixel_that_is_plain_adds_nothing_and_one_that_counts_is_found():
    scorer, tables = scorer_of("cnn", {"image": (8, 10, 3)}, activation="gelu")
    image = np.broadcast_to(np.array(PLAIN["image"], np.uint8), (1, 8, 10, 3)).copy()
    image[0, 5, 2] = [250, 5, 200]
    [one] = found(scorer, tables, {"image": image}, [(0, 1)])
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
        integrated_gradients._followed(network, frozenset(), ("image",))
