"""The parts of a Keras model that a saved file may name: an explicit list, checked before anything is imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from manyhot.errors import InputError

LAYERS = frozenset(
    [
        "Activation",
        "ActivityRegularization",
        "Add",
        "AdditiveAttention",
        "AlphaDropout",
        "Attention",
        "Average",
        "AveragePooling1D",
        "AveragePooling2D",
        "AveragePooling3D",
        "BatchNormalization",
        "Bidirectional",
        "Concatenate",
        "Conv1D",
        "Conv1DTranspose",
        "Conv2D",
        "Conv2DTranspose",
        "Conv3D",
        "Conv3DTranspose",
        "Cropping1D",
        "Cropping2D",
        "Cropping3D",
        "Dense",
        "DepthwiseConv1D",
        "DepthwiseConv2D",
        "Dot",
        "Dropout",
        "ELU",
        "EinsumDense",
        "Embedding",
        "Flatten",
        "GRU",
        "GaussianDropout",
        "GaussianNoise",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling2D",
        "GlobalAveragePooling3D",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "GlobalMaxPooling3D",
        "GroupNormalization",
        "GroupQueryAttention",
        "Identity",
        "InputLayer",
        "LSTM",
        "LayerNormalization",
        "LeakyReLU",
        "Masking",
        "MaxPooling1D",
        "MaxPooling2D",
        "MaxPooling3D",
        "Maximum",
        "Minimum",
        "MultiHeadAttention",
        "Multiply",
        "Normalization",
        "PReLU",
        "Permute",
        "RMSNormalization",
        "ReLU",
        "RepeatVector",
        "Rescaling",
        "Reshape",
        "SeparableConv1D",
        "SeparableConv2D",
        "SimpleRNN",
        "Softmax",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "Subtract",
        "TimeDistributed",
        "UnitNormalization",
        "UpSampling1D",
        "UpSampling2D",
        "UpSampling3D",
        "ZeroPadding1D",
        "ZeroPadding2D",
        "ZeroPadding3D",
    ]
)
# module as a description names it -> names that may stand there
ALLOWED: dict[str, frozenset[str]] = {
    "keras": frozenset({"Sequential", "Functional", "DTypePolicy"}),
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.layers": LAYERS,
    "keras.initializers": frozenset(
        [
            "Constant",
            "GlorotNormal",
            "GlorotUniform",
            "HeNormal",
            "HeUniform",
            "Identity",
            "IdentityInitializer",
            "LecunNormal",
            "LecunUniform",
            "Ones",
            "Orthogonal",
            "OrthogonalInitializer",
            "RandomNormal",
            "RandomUniform",
            "TruncatedNormal",
            "VarianceScaling",
            "Zeros",
        ]
    ),
    "keras.regularizers": frozenset({"L1", "L2", "L1L2", "OrthogonalRegularizer"}),
    "keras.constraints": frozenset({"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"}),
    "keras.optimizers": frozenset(
        [
            "SGD",
            "RMSprop",
            "Adam",
            "AdamW",
            "Adadelta",
            "Adagrad",
            "Adamax",
            "Adafactor",
            "Nadam",
            "Ftrl",
            "Lion",
            "Lamb",
            "Muon",
        ]
    ),
    "keras.optimizers.schedules": frozenset(
        [
            "CosineDecay",
            "CosineDecayRestarts",
            "ExponentialDecay",
            "InverseTimeDecay",
            "PiecewiseConstantDecay",
            "PolynomialDecay",
        ]
    ),
}
TENSOR = "__keras_tensor__"
MAX_NODES = 200_000
MAX_DEPTH = 60
MAX_NUMBER = 10_000_000


def check_allowlist(config: Any, custom: Mapping[str, Any]) -> None:
    """Refuse a description (JSON) that names anything but the list and `custom`, or has sizes beyond reason."""
    for named in _named_parts(config):
        module, name, registered = named.get("module"), named["class_name"], named.get("registered_name")
        if name == TENSOR and module is None and registered is None:
            continue
        if name == "function":
            name, module, registered = named.get("config"), None, named.get("config")
        if _is_listed(module, name, registered):
            continue
        if isinstance(name, str) and (name in custom or registered in custom):
            continue
        requested = str(registered or name)[:100]
        raise InputError(
            f"the network needs {requested!r}, which is no built-in layer of the list; load it with "
            f"custom_objects={{{requested!r}: YourClass}} if you know and trust it"
        )


def find_unlisted_names(config: Any) -> list[str]:
    """The registered names of parts that are not on the list, in the order they appear."""
    names: dict[str, None] = {}
    for named in _named_parts(config):
        module, name = named.get("module"), named["class_name"]
        if not _is_listed(module, name, named.get("registered_name")) and name != TENSOR:
            names[str(named["config"] if name == "function" else named.get("registered_name") or name)] = None
    return list(names)


def _check_named(value: Mapping[str, Any]) -> dict[str, Any]:
    """An object with a class name, all of whose names are text."""
    is_function = value["class_name"] == "function"
    for field in ("module", "class_name", "registered_name", *(["config"] if is_function else [])):
        if not isinstance(value.get(field), (str, type(None))):
            raise InputError(f"the description of the network has no text as {field!r}")
    return dict(value)


def _is_listed(module: object, name: object, registered: object) -> bool:
    return module in ALLOWED and name in ALLOWED[module] and registered in (None, name)


def _named_parts(config: Any) -> Iterator[dict[str, Any]]:
    """Every object with a class name in a description, and the limits on its size."""
    pending, n_seen = [(config, 0)], 0
    while pending:
        value, depth = pending.pop()
        n_seen += 1
        if n_seen > MAX_NODES or depth > MAX_DEPTH:
            raise InputError("the description of the network is larger or deeper than any network needs")
        if isinstance(value, Mapping):
            if "class_name" in value:
                yield _check_named(value)
            pending.extend((inner, depth + 1) for inner in value.values())
        elif isinstance(value, (list, tuple)):
            pending.extend((inner, depth + 1) for inner in value)
        elif isinstance(value, int) and abs(value) > max(MAX_NUMBER, 2**32):
            raise InputError(f"the description of the network holds the number {value}")
