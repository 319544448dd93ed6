"""Branches beside the hidden layers: their layers, and that each is trained as if it were alone."""

import numpy as np
import pytest

from manyhot.backend import jax, keras, use_dtype
from manyhot.config.losses import LOSS_SPECS
from manyhot.config.training import TrainingConfig
from manyhot.engine.device_data import DeviceData
from manyhot.engine.losses import LOSSES
from manyhot.engine.state import LabelCounts, StepScalars
from manyhot.engine.train_step import StepConfig, loss_sums, take_batch
from manyhot.errors import InputError
from manyhot.models.network_spec import NetworkSpec, choose_branches, network_settings
from manyhot.networks import BUILDERS, WEIGHT_SHAPES, MemberInitializer
from manyhot.networks.layers import Bins, BranchMean, Columns


def test_a_place_in_a_bin_grows_from_its_lower_to_its_upper_end():
    layer = Bins(4, dtype="float64")
    with use_dtype("float64"):
        numbers = np.linspace(-4, 4, 401)
        places = np.asarray(layer(numbers[:, None])).reshape(401, 4) * layer.deviation + layer.mean
    for k, (low, high) in enumerate(zip(layer.low, layer.high, strict=True)):
        plain = (numbers - low) / (high - low)
        plain = plain if k == 0 else np.maximum(plain, 0)
        plain = plain if k == 3 else np.minimum(plain, 1)
        np.testing.assert_allclose(places[:, k], plain, atol=1e-9)


def test_places_of_normal_numbers_are_standardised_and_columns_stay_together():
    X = np.random.default_rng(0).normal(size=(20_000, 3))
    with use_dtype("float64"):
        places = np.asarray(Bins(5, dtype="float64")(X))
        first = np.asarray(Bins(5, dtype="float64")(X[:, :1]))
    assert places.shape == (20_000, 15)
    np.testing.assert_allclose(places.mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(places.std(axis=0), 1, atol=0.03)
    np.testing.assert_array_equal(places[:, :5], first)


def test_columns_are_cut_out_and_scaled():
    X = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(Columns(1, 2, 4.0, dtype="float32")(X), 4 * X[:, 1:3])


def test_logits_lie_side_by_side_in_training_and_are_averaged_by_their_shares_otherwise():
    a, b = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    layer = BranchMean(dtype="float32")
    np.testing.assert_allclose(layer([a, b]), (a + b) / 2, atol=1e-6)
    layer.shares.assign([0.25, 0.75])
    np.testing.assert_allclose(layer([a, b]), 0.25 * a + 0.75 * b, atol=1e-6)
    np.testing.assert_array_equal(layer([a, b], training=True), np.stack([a, b], axis=1))
    assert not layer.trainable_variables


def sums(logits, values, known):
    n, width = values.shape
    data = DeviceData({"x": np.zeros((n, 1))}, values, known, np.arange(1.0, n + 1), np.arange(1.0, width + 1))
    step_config = StepConfig(None, None, LOSSES["binary_crossentropy", "sigmoid"], n, 0, False, "constant", {})
    counts = LabelCounts(np.ones(width), np.ones(width), np.full(width, 2.0))
    scalars = StepScalars(None, None, None, None, None, None, {}, 0.1)
    batch = (np.arange(n), np.arange(n) < n - 1)
    return loss_sums(step_config, logits, take_batch(step_config, data, batch), data, batch, counts, scalars)


@pytest.mark.parametrize("is_complete", [False, True])
def test_the_losses_of_branches_add_up(is_complete):
    generator = np.random.default_rng(0)
    values, known = generator.random((6, 4)) < 0.4, generator.random((6, 4)) < 0.7
    logits = generator.normal(size=(6, 3, 4))
    with use_dtype("float64"):
        found = np.array(sums(jax.numpy.asarray(logits), values, None if is_complete else known))
        each = [sums(jax.numpy.asarray(logits[:, k]), values, None if is_complete else known) for k in range(3)]
    np.testing.assert_allclose(found, np.sum(each, axis=0), rtol=1e-12)


@pytest.mark.slow
def test_what_a_branch_learns_does_not_depend_on_the_others():
    X, Y = np.random.default_rng(0).normal(size=(8, 3)), np.eye(8, 2)
    settings = {"hidden_layer_sizes": [4], "activation": "relu", "dropout": 0.0, "batch_norm": False}

    def gradients(branches):
        spec = NetworkSpec(
            "mlp", {**settings, **({"branches": branches} if branches else {})}, {"x": (3,)}, 2, "float64"
        )
        model = spec.factory(1, lambda k: MemberInitializer(1, None, "float64")).build(0)

        def loss(trainable):
            fixed = [variable.value for variable in model.non_trainable_variables]
            logits, _ = model.stateless_call(trainable, fixed, {"x": X}, training=True)
            return (jax.numpy.logaddexp(0, logits) - logits * (Y if logits.ndim == 2 else Y[:, None])).sum()

        grads = jax.grad(loss)([variable.value for variable in model.trainable_variables])
        paths = [variable.path for variable in model.trainable_variables]
        return {path.split("/")[0] + str(grad.shape): grad for path, grad in zip(paths, grads, strict=True)}

    with use_dtype("float64"):
        keras.utils.clear_session()
        alone, together = gradients([]), gradients(["linear"])
    np.testing.assert_allclose(together["logits(4, 2)"], alone["logits(4, 2)"])
    np.testing.assert_allclose(together["linear_logits(2,)"], np.sum(0.5 - Y, axis=0))


@pytest.mark.parametrize(("width", "units"), [(200, [8, 5]), (201, [4, 3])])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_layers_on_bins_of_many_columns_have_half_the_units(width, units, batch_norm):
    settings = {"hidden_layer_sizes": [8, 5], "activation": "relu", "dropout": 0.1, "batch_norm": batch_norm}
    settings["branches"] = ["bins"]
    shapes = {"features": (width,)}
    model = BUILDERS["mlp"](shapes, 3, settings, MemberInitializer(0))
    kernels = [v.shape for v in model.trainable_variables if len(v.shape) == 2]
    assert kernels == [(width, 8), (5 * width, units[0]), (8, 5), tuple(units), (5, 3), (units[1], 3)]
    trainable, fixed = WEIGHT_SHAPES["mlp"](shapes, 3, settings)
    assert [v.shape for v in model.trainable_variables] == trainable
    assert [v.shape for v in model.non_trainable_variables] == [shape for shape, _ in fixed]


@pytest.mark.parametrize(
    ("settings", "shapes", "tables", "expected"),
    [
        ({}, {"features": (5,)}, (), "bins"),
        ({}, {"features": (501,)}, (), "none"),
        ({}, {"text": (9000,)}, ("text",), "linear"),
        ({}, {"features": (5,), "text": (9000,)}, ("text",), "bins+linear"),
        ({"hidden_layer_sizes": ()}, {"features": (5,)}, (), "none"),
        ({"loss": "focal"}, {"features": (5,)}, (), "none"),
        ({"head": "softmax", "allow_softmax": True}, {"features": (5,)}, (), "none"),
        ({"branches": "linear"}, {"features": (5,)}, (), "linear"),
        ({"branches": "none"}, {"text": (9000,)}, ("text",), "none"),
        ({"branches": "bins", "loss": "focal"}, {"features": (5,)}, (), "bins"),
    ],
)
def test_branches_are_chosen_by_the_features(settings, shapes, tables, expected):
    config = choose_branches(TrainingConfig(network="mlp", **settings), shapes, tables)
    assert config.branches == expected
    names = [] if expected == "none" else expected.split("+")
    assert network_settings(config, tables).get("branches", []) == names


COUPLED = next(name for name, spec in LOSS_SPECS.items() if spec.is_coupled and name != "categorical_crossentropy")


@pytest.mark.parametrize("network", ["embedding_bag", "resnet", "custom"])
def test_other_networks_leave_branches_alone(network):
    config = TrainingConfig(network=network)
    assert choose_branches(config, {"features": (5,)}, ()) is config
    assert "branches" not in network_settings(config)


@pytest.mark.parametrize(
    ("settings", "tables", "words"),
    [
        ({"branches": "linear", "hidden_layer_sizes": ()}, (), "only the network 'mlp' with hidden layers"),
        ({"branches": "bins"}, ("features",), "dense columns of numbers, and there are none"),
        ({"branches": "bins", "loss": COUPLED}, (), "looks at all labels of a row together"),
    ],
)
def test_branches_that_cannot_be_are_refused(settings, tables, words):
    with pytest.raises(InputError, match=words) as caught:
        choose_branches(TrainingConfig(network="mlp", **settings), {"features": (5,)}, tables)
    assert caught.value.argument == "branches"


def test_old_files_have_no_branches():
    assert "branches" not in network_settings(TrainingConfig(network="mlp"), ())
