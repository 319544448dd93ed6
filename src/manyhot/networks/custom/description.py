"""How large the description of a Keras model may be in what its numbers mean, known before Keras sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from manyhot.errors import InputError

MODELS = ("Sequential", "Functional")
MAX_CALLS = 2400  # of layers; a network of 1,000 layers inside another is near it
FREE_CALLS, CALLS_PER_ARRAY = 100, 4  # layers without weights beside those that a file holds arrays for
MAX_WIDTH = 2**24
MAX_WINDOW = 2**16
MAX_AXES = 8
# numbers that say how large something is -> the largest that makes sense; what they make together has a budget as well
_LIMITS = {
    **dict.fromkeys(("units", "filters", "input_dim", "output_dim", "key_dim", "value_dim", "head_dim"), MAX_WIDTH),
    **dict.fromkeys(("num_heads", "num_query_heads", "num_key_value_heads", "groups", "depth_multiplier"), MAX_WINDOW),
    **dict.fromkeys(("target_shape", "shape", "batch_shape", "batch_input_shape", "output_shape", "n"), MAX_WIDTH),
    **dict.fromkeys(("kernel_size", "strides", "dilation_rate", "pool_size", "size", "padding"), MAX_WINDOW),
    **dict.fromkeys(("cropping", "output_padding", "lora_rank"), MAX_WINDOW),
    **dict.fromkeys(("axis", "axes", "dims", "shared_axes", "attention_axes", "batch_dims"), MAX_AXES),
}


def check_description(config: Mapping[str, Any], n_arrays: int) -> None:
    """Refuse sizes that no layer has, layers of one name, and more calls of layers than a file with so many arrays has.

    Args:
        config: The description, of at most `allowlist.MAX_DEPTH` levels.
        n_arrays: Arrays of weights in the file.

    Raises:
        InputError: What is too large, by its name in the description.
    """
    _check_sizes(config)
    limit = min(MAX_CALLS, FREE_CALLS + CALLS_PER_ARRAY * n_arrays)
    n_calls = _count_calls(config, limit, is_outermost=True)
    if n_calls > limit:
        raise InputError(
            f"the network calls more than {limit:,} layers, one in another counted twice, but the file holds "
            f"{n_arrays:,} arrays of weights"
        )


def _check_sizes(value: Any) -> None:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name in _LIMITS:
                _check_size(name, inner, 0)
            _check_sizes(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _check_sizes(inner)


def _check_size(name: str, value: Any, depth: int) -> None:
    limit = _LIMITS[name]
    if isinstance(value, (list, tuple)):
        if len(value) > MAX_AXES or depth > 2:
            raise InputError(f"the description of the network has {len(value):,} values as {name!r}")
        for inner in value:
            _check_size(name, inner, depth + 1)
    elif isinstance(value, (int, float)) and abs(value) > limit:
        raise InputError(f"the description of the network has {name!r} of {value:.4g}, at most {limit:,} makes sense")


def _count_calls(part: Any, limit: int, is_outermost: bool = False) -> int:
    """How often layers are called, those inside others twice; stops above the limit."""
    config = part.get("config") if isinstance(part, Mapping) else None
    if not isinstance(config, Mapping):
        return 1
    if part.get("class_name") in MODELS:
        layers = config.get("layers")
        if not isinstance(layers, (list, tuple)):
            raise InputError("the description of the network has no list of layers")
        _check_names(layers)
        total = 0
        for layer in layers:
            total += _times_called(layer) * _count_calls(layer, limit)
            if total > limit:
                break
        return total if is_outermost else 2 * total
    return 1 + sum(3 * _count_calls(inner, limit) for inner in _inner_layers(config))


def _inner_layers(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What a wrapper or a user's layer says is inside it."""
    for value in config.values():
        for inner in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(inner, Mapping) and "class_name" in inner and _is_layer(inner):
                yield inner


def _is_layer(part: Mapping[str, Any]) -> bool:
    is_known = part.get("module") == "keras.layers" or part.get("class_name") in MODELS
    return is_known and isinstance(part.get("config"), Mapping)


def _times_called(layer: Any) -> int:
    nodes = layer.get("inbound_nodes") if isinstance(layer, Mapping) else None
    return max(1, len(nodes)) if isinstance(nodes, (list, tuple)) else 1


def _check_names(layers: Any) -> None:
    names = [
        layer["config"].get("name")
        for layer in layers
        if isinstance(layer, Mapping) and isinstance(layer.get("config"), Mapping)
    ]
    texts = [name for name in names if isinstance(name, str)]
    if len(set(texts)) < len(texts):
        raise InputError("the description of the network has layers of one name")
