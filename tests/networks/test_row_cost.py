"""What a row takes, from shapes alone."""

import numpy as np
import pytest

from manyhot.backend import keras
from manyhot.config.training import TrainingConfig
from manyhot.errors import InputError
from manyhot.networks import MemberInitializer, RowCost, from_keras, measure_row
from manyhot.networks.built_shapes import abstract_layouts
from manyhot.networks.row_cost import MAX_VALUE_BYTES

L = keras.layers


def cost_of(inputs, outputs, shape, n_labels=2) -> RowCost:
    model = keras.Model(inputs, L.Dense(n_labels)(outputs))
    network = from_keras(model, {"features": shape}, n_labels).build(MemberInitializer(0))
    return measure_row(network, {"features": shape}, "float32")


def test_values_and_products_of_a_dense_layer_are_counted():
    inputs = keras.Input((100,))
    cost = cost_of(inputs, L.Dense(500)(inputs), (100,))
    assert cost.value_bytes == 4 * 500
    assert cost.products == 100 * 500 + 500 * 2
    assert cost.weight_bytes <= 4 * 100 * 500


def test_convolutions_count_each_place_and_attention_its_scores():
    inputs = keras.Input((12, 10, 3))
    cost = cost_of(inputs, L.GlobalMaxPooling2D()(L.Conv2D(7, 3, padding="same")(inputs)), (12, 10, 3))
    assert cost.value_bytes == 4 * 12 * 10 * 7
    assert cost.products == 12 * 10 * 7 * 27 + 7 * 2
    inputs = keras.Input((200, 2))
    attended = L.MultiHeadAttention(3, 2)(inputs, inputs)
    assert cost_of(inputs, L.GlobalMaxPooling1D()(attended), (200, 2)).value_bytes >= 4 * 3 * 200 * 200


def test_steps_of_a_loop_count_each():
    inputs = keras.Input((50, 2))
    cost = cost_of(inputs, L.SimpleRNN(3)(inputs), (50, 2))
    assert cost.products >= 50 * (2 * 3 + 3 * 3)


def test_a_batch_has_as_few_rows_as_its_values_ask_for():
    assert RowCost().max_rows(64) == 64
    assert RowCost(value_bytes=MAX_VALUE_BYTES // 3).max_rows(64) == 3
    assert RowCost(value_bytes=10 * MAX_VALUE_BYTES).max_rows(64) == 1
    assert RowCost(products=2**36).max_rows(64) == 4


def test_more_than_a_row_may_take_is_refused_without_making_it():
    def build():
        inputs = keras.Input((4,), name="features")
        x = L.RepeatVector(10**9)(L.Dense(4)(inputs))
        return keras.Model({"features": inputs}, L.Dense(2)(L.GlobalMaxPooling1D()(x)))

    with pytest.raises(InputError, match=r"1\.6e\+10 bytes for a value"):
        abstract_layouts(build, {"features": (4,)}, "float32", 10**6)


def test_weights_are_shapes_whatever_their_initializers_are():
    def build():
        inputs = keras.Input((4,), name="features")
        return keras.Model({"features": inputs}, L.Dense(2)(L.Dense(4_000_000_000)(inputs)))

    with pytest.raises(InputError, match="more weights than the file holds"):
        abstract_layouts(build, {"features": (4,)}, "float32", 10**6)


def test_settings_are_bounded_by_the_depth_that_keras_bears():
    with pytest.raises(InputError, match="900 layers, expected 64 at most"):
        TrainingConfig(hidden_layer_sizes=(4,) * 900)
    with pytest.raises(InputError, match="8 stages of 64 blocks"):
        TrainingConfig(image_params={"filters": [4] * 8, "blocks": 64})
    with pytest.raises(InputError, match="4 stages of 17 blocks"):
        TrainingConfig(image_params={"blocks": 17})
    TrainingConfig(hidden_layer_sizes=(4,) * 64, image_params={"filters": [4], "blocks": 64})


@pytest.mark.slow
def test_the_deepest_networks_come_about():
    from manyhot.networks import BUILDERS, infer_weight_shapes

    image = {"images": {"image": {"mean": [0.0] * 3, "deviation": [1.0] * 3}}, "kernel": 1, "patch": 1}
    settings = {
        "hidden_layer_sizes": [2] * 64,
        "activation": "relu",
        "dropout": 0.1,
        "batch_norm": True,
        "filters": [2],
        "blocks": 64,
        "pool": "average",
        **image,
    }
    shapes = {"image": (8, 8, 3)}
    for name in ("cnn", "resnet", "convnext", "unet"):
        trainable, _ = infer_weight_shapes(
            lambda start, name=name: BUILDERS[name](shapes, 2, settings, start), 10**6, "float32", shapes
        )
        assert len(trainable) > 64, name
    mlp = {"features": (3,)}
    trainable, _ = infer_weight_shapes(lambda start: BUILDERS["mlp"](mlp, 2, settings, start), 10**6, "float32", mlp)
    assert sum(np.prod(shape) for shape in trainable) > 64 * 4
