"""The parts of a Keras model that a saved file may name: an explicit list, checked before anything is imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from manyhot.errors import InputError

# module as a description names it, and names that may stand there
_LIST = """
keras: Sequential Functional DTypePolicy
keras.src.models.functional: Functional
keras.layers: Activation Dense EinsumDense Embedding Identity InputLayer Masking ELU LeakyReLU PReLU ReLU Softmax
keras.layers: Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose
keras.layers: DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D
keras.layers: AveragePooling1D AveragePooling2D AveragePooling3D MaxPooling1D MaxPooling2D MaxPooling3D
keras.layers: GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
keras.layers: GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
keras.layers: Bidirectional GRU LSTM SimpleRNN TimeDistributed
keras.layers: AdditiveAttention Attention GroupQueryAttention MultiHeadAttention
keras.layers: BatchNormalization GroupNormalization LayerNormalization Normalization RMSNormalization UnitNormalization
keras.layers: ActivityRegularization AlphaDropout Dropout GaussianDropout GaussianNoise
keras.layers: SpatialDropout1D SpatialDropout2D SpatialDropout3D
keras.layers: Add Average Concatenate Dot Maximum Minimum Multiply Subtract
keras.layers: Cropping1D Cropping2D Cropping3D UpSampling1D UpSampling2D UpSampling3D
keras.layers: Flatten Permute RepeatVector Rescaling Reshape ZeroPadding1D ZeroPadding2D ZeroPadding3D
keras.initializers: Constant Identity IdentityInitializer Ones Orthogonal OrthogonalInitializer Zeros
keras.initializers: GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform
keras.initializers: RandomNormal RandomUniform TruncatedNormal VarianceScaling
keras.regularizers: L1 L2 L1L2 OrthogonalRegularizer
keras.constraints: MaxNorm MinMaxNorm NonNeg UnitNorm
keras.optimizers: SGD RMSprop Adam AdamW Adadelta Adagrad Adamax Adafactor Nadam Ftrl Lion Lamb Muon
keras.optimizers.schedules: CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay
keras.optimizers.schedules: PiecewiseConstantDecay PolynomialDecay
"""
ALLOWED = {
    (module, name)
    for module, names in (line.split(":") for line in _LIST.split("\n") if line)
    for name in names.split()
}
TENSOR = "__keras_tensor__"
MAX_NODES = 200_000
MAX_DEPTH = 60
MAX_NUMBER = 2**32  # of numbers without a meaning of their own, such as seeds


def check_allowlist(config: Any, custom: Mapping[str, Any]) -> None:
    """Refuse a description (JSON) that names anything but the list and `custom`, or has sizes beyond reason."""
    for name, registered in _unlisted_parts(config):
        if name is not None and (name in custom or registered in custom):
            continue
        requested = str(registered or name)[:100]
        raise InputError(
            f"the network needs {requested!r}, which is no built-in layer of the list; load it with "
            f"custom_objects={{{requested!r}: YourClass}} if you know and trust it"
        )


def find_unlisted_names(config: Any) -> list[str]:
    """The registered names of parts that are not on the list, in the order they appear."""
    return list(dict.fromkeys(str(registered or name) for name, registered in _unlisted_parts(config)))


def _unlisted_parts(config: Any) -> Iterator[tuple[str | None, str | None]]:
    """Class name and registered name of each part that is not on the list; twice its own name for a function."""
    for named in _named_parts(config):
        module, name, registered = named.get("module"), named["class_name"], named.get("registered_name")
        if name == "function":
            module, name, registered = None, named.get("config"), named.get("config")
        is_tensor = name == TENSOR and module is None and registered is None
        if not is_tensor and not ((module, name) in ALLOWED and registered in (None, name)):
            yield name, registered


def _check_named(value: Mapping[str, Any]) -> dict[str, Any]:
    """An object with a class name, all of whose names are text."""
    is_function = value["class_name"] == "function"
    for field in ("module", "class_name", "registered_name", *(["config"] if is_function else [])):
        if not isinstance(value.get(field), (str, type(None))):
            raise InputError(f"the description of the network has no text as {field!r}")
    return dict(value)


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
        elif isinstance(value, int) and abs(value) > MAX_NUMBER:
            raise InputError(f"the description of the network holds the number {value}")
