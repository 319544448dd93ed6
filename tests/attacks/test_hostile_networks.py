"""Descriptions of Keras models that lie: nothing outside the list is built, nothing is executed, nothing grows."""

import copy
import json
import resource

import numpy as np
import pytest

from manyhot import MultiLabelClassifier, load
from manyhot.backend import keras
from manyhot.errors import BundleError
from tests.attacks.bundles import put_together, taken_apart
from tests.attacks.mutations import mutants

L = keras.layers


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(40, 3))
    Y = (X[:, :2] > 0).astype(int)
    inputs = keras.Input((3,))
    x = L.BatchNormalization()(L.Dense(4, activation="relu", kernel_regularizer="l2")(inputs))
    model = keras.Model(inputs, L.Dense(2, activation="sigmoid")(L.Dropout(0.1)(x)))
    model.compile(loss="binary_crossentropy", optimizer="adam")
    file = tmp_path_factory.mktemp("own") / "own.manyhot"
    MultiLabelClassifier(network=model, n_members=2, epochs=1, batch_size=16, verbose=0).fit(X, Y).save(file)
    return file


def network_of(sealed: dict) -> dict:
    return sealed["document"]["network"] if "document" in sealed else sealed["network"]


def layer_of(sealed: dict, place: int) -> dict:
    return network_of(sealed)["config"]["config"]["layers"][place]


def lambda_layer(sealed):
    layer_of(sealed, 1)["class_name"] = "Lambda"


def python_function(sealed):
    function = {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"}
    layer_of(sealed, 1)["config"]["activation"] = function


def lambda_code(sealed):
    code = {"class_name": "__lambda__", "config": {"value": "4wEAAAA=", "defaults": None, "closure": None}}
    layer_of(sealed, 1)["config"]["activation"] = code


def other_module(sealed):
    layer_of(sealed, 1).update(module="os", class_name="system", registered_name=None)


def other_keras_module(sealed):
    layer_of(sealed, 1).update(module="keras.src.saving.saving_lib", class_name="load_model", registered_name=None)


def registered_elsewhere(sealed):
    layer_of(sealed, 1)["registered_name"] = "evil>Dense"


def file_layer(sealed):
    layer_of(sealed, 1).update(class_name="TFSMLayer", config={"filepath": "/etc"})


def hidden_in_a_wrapper(sealed):
    inner = {"module": "keras.layers", "class_name": "Lambda", "config": {}, "registered_name": None}
    layer_of(sealed, 1).update(class_name="TimeDistributed")
    layer_of(sealed, 1)["config"] = {"layer": inner}


def hostile_initializer(sealed):
    evil = {"module": "subprocess", "class_name": "Popen", "config": {"args": "true"}, "registered_name": None}
    layer_of(sealed, 1)["config"]["kernel_initializer"] = evil


def hostile_optimizer(sealed):
    network_of(sealed)["optimizer"]["module"] = "os"


def enormous(sealed):
    layer_of(sealed, 1)["config"]["units"] = 9_000_000


def enormous_without_an_initializer(sealed):
    config = layer_of(sealed, 1)["config"]
    for name in [name for name in config if name.endswith("_initializer")]:
        del config[name]
    config["units"] = 16_000_000


def put_in(sealed, *layers):
    """Put layers behind the first, in a row."""
    model = network_of(sealed)["config"]["config"]
    (first, second, *rest) = model["layers"]
    sequence = [first, *layers, second, *rest]
    for place, layer in enumerate(sequence):
        layer.pop("inbound_nodes", None)
        layer["config"]["name"] = f"layer_{place}"
        layer.pop("name", None)
    network_of(sealed)["config"] = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "chain", "layers": sequence},
        "registered_name": None,
    }


def plain(name, **config):
    return {"module": "keras.layers", "class_name": name, "config": config, "registered_name": None}


def repeated(sealed):
    steps = [plain("RepeatVector", n=16_000_000), plain("UpSampling1D", size=2)]
    put_in(sealed, *steps, plain("GlobalAveragePooling1D"))


def repeated_again_and_again(sealed):
    steps = [plain("RepeatVector", n=1000), plain("Flatten"), plain("RepeatVector", n=30_000), plain("Flatten")]
    put_in(sealed, *steps, plain("Reshape", target_shape=[3, -1]), plain("GlobalAveragePooling1D"))


def upsampled(sealed):
    steps = [
        plain("Reshape", target_shape=[3, 1]),
        plain("UpSampling1D", size=20_000),
        plain("UpSampling1D", size=20_000),
    ]
    put_in(sealed, *steps, plain("GlobalMaxPooling1D"))


def padded(sealed):
    steps = [plain("Reshape", target_shape=[3, 1]), *[plain("ZeroPadding1D", padding=65_000) for _ in range(100)]]
    put_in(sealed, *steps, plain("Reshape", target_shape=[1, -1]), plain("UpSampling1D", size=60), plain("Flatten"))


def attention_over_everything(sealed):
    attention = plain("MultiHeadAttention", num_heads=1, key_dim=1)
    steps = [plain("RepeatVector", n=60_000), plain("Reshape", target_shape=[60_000, 3])]
    put_in(sealed, *steps, attention, plain("GlobalMaxPooling1D"))


def hundreds_of_layers(sealed):
    put_in(sealed, *[plain("Activation", activation="relu") for _ in range(900)])


def models_in_models(sealed):
    inner = plain("Activation", activation="relu")
    for k in range(13):
        config = {"name": f"m{k}", "layers": [inner]}
        inner = {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None}
    put_in(sealed, inner)


def enormous_number(sealed):
    layer_of(sealed, 1)["config"]["units"] = 10**15


def other_width(sealed):
    layer_of(sealed, -1)["config"]["units"] = 3


def head_elsewhere(sealed):
    network_of(sealed)["head"] = 900


def no_layers(sealed):
    network_of(sealed)["config"]["config"]["layers"] = []


def nonsense(sealed):
    network_of(sealed)["config"] = {"module": "keras", "class_name": "Sequential", "config": "x"}


def other_inputs(sealed):
    network_of(sealed)["inputs"][0]["shape"] = [7]


ATTACKS = [
    lambda_layer,
    python_function,
    lambda_code,
    other_module,
    other_keras_module,
    registered_elsewhere,
    file_layer,
    hidden_in_a_wrapper,
    hostile_initializer,
    hostile_optimizer,
    enormous,
    enormous_without_an_initializer,
    repeated,
    repeated_again_and_again,
    upsampled,
    padded,
    attention_over_everything,
    hundreds_of_layers,
    models_in_models,
    enormous_number,
    other_width,
    head_elsewhere,
    no_layers,
    nonsense,
    other_inputs,
]


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_it_is_refused(own, tmp_path, attack):
    header, sealed, data = taken_apart(own)
    changed = copy.deepcopy(sealed)
    attack(changed)
    assert changed != sealed
    path = tmp_path / "evil.manyhot"
    put_together(path, header, changed, data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BundleError) as refusal:
        load(path)
    assert refusal.value.file == str(path)
    assert "something unforeseen" not in str(refusal.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


@pytest.mark.slow
def test_the_untouched_one_loads(own, tmp_path):
    header, sealed, data = taken_apart(own)
    put_together(tmp_path / "same.manyhot", header, json.loads(json.dumps(sealed)), data)
    assert load(tmp_path / "same.manyhot").labels_ == ("label_0", "label_1")


@pytest.mark.slow
def test_damaged_descriptions_are_refused_or_valid(own, tmp_path):
    path = tmp_path / "mutant.manyhot"
    outcomes = {"refused": 0, "valid": 0}
    for _, content in mutants(own, 300, seed=5):
        path.write_bytes(content)
        try:
            load(path)
        except BundleError:
            outcomes["refused"] += 1
        else:
            outcomes["valid"] += 1
    assert outcomes["refused"] > 100
