"""What a network looks like, without its weights, and what a Keras model of the user's settles of the config."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from manyhot import engine, networks
from manyhot.config.fields import AUTO, NONE
from manyhot.config.images import (
    AVERAGE,
    BACKBONE,
    FLATTEN,
    IMAGE_NETWORKS,
    NETWORK_SETTINGS,
    PIXEL_NETWORKS,
    is_pretrained,
    is_trainable,
)
from manyhot.config.losses import LOSS_SPECS
from manyhot.config.text import TEXT_KINDS
from manyhot.config.training import BINS, COMPILED, CUSTOM, LINEAR, SOFTMAX_LOSSES, TrainingConfig
from manyhot.data.hierarchy import bind_taxonomy
from manyhot.data.labels import LabelSpace
from manyhot.errors import InputError

MAX_BIN_COLUMNS = 500
"""Dense columns up to which "auto" branches have bins: with more the first layer takes too long."""

Start = Callable[[int], "networks.MemberInitializer"]
"""Number of a member -> where it begins."""


@dataclass(frozen=True)
class NetworkSpec:
    """What a network looks like, without its weights."""

    name: str
    settings: Mapping[str, Any]  # named settings of the builder, JSON values; empty for "custom"
    shapes: Mapping[str, tuple[int, ...]]
    n_labels: int
    dtype: str  # "float32" or "float64"
    custom: networks.CustomNetwork | None = None
    levels: tuple[tuple[np.ndarray, np.ndarray], ...] = field(default=(), compare=False)  # see `engine.NetworkFactory`

    def factory(self, n_members: int, start: Start | None = None, first: int = 0) -> engine.NetworkFactory:
        """The members' networks; without `start` only their structure matters."""

        start = start or partial(_any_start, self.dtype)
        build = partial(_build_member, self, start)
        if self.custom is not None:
            optimizer = None if self.custom.optimizer is None else self.custom.make_optimizer
            key: Any = (CUSTOM, self.custom.key(), self.dtype)
            return engine.NetworkFactory(
                build, key, self.shapes, n_members, optimizer, True, first, not self.custom.custom, levels=self.levels
            )
        settings = tuple(sorted((name, str(value)) for name, value in self.settings.items()))
        key = (self.name, settings, tuple(sorted(self.shapes.items())), self.n_labels, self.dtype)
        tables = self.tables()
        init_tables = partial(_init_tables, tables, start, self.n_labels if LINEAR in self.branches else 0)
        return engine.NetworkFactory(
            build,
            key,
            self.shapes,
            n_members,
            first_member=first,
            tables=tables,
            table_parts=networks.table_parts(self.n_labels, self.settings) if tables else (),
            init_tables=init_tables,
            levels=self.levels,
        )

    @property
    def n_table_weights(self) -> int:
        """Numbers in the tables of one member, and in the vectors of its words."""
        n_word_weights = sum(self.settings.get("vocabularies", {}).values()) * self.settings.get("units", 0)
        return n_word_weights + sum(width * units for width, units in self.tables().values())

    @property
    def n_tables(self) -> int:
        """How many of the trainable arrays are tables, or vectors of words; they come first."""
        return len(self.tables()) + len(self.settings.get("vocabularies", {}))

    def tables(self) -> dict[str, tuple[int, int]]:
        """Name of a wide sparse block -> shape of its table."""
        names = self.settings.get("tables", [])
        units = sum(networks.table_parts(self.n_labels, self.settings)) if names else 0
        return {name: (self.shapes[name][0], units) for name in names}

    @property
    def branches(self) -> tuple[str, ...]:
        """What stands beside the hidden layers, by name."""
        return tuple(self.settings.get("branches", ()))


@dataclass(frozen=True)
class TrunkSpec:
    """What the hidden layers of a network over very many labels look like, without their weights."""

    settings: Mapping[str, Any]  # named settings of `networks.build_trunk`, JSON values
    shapes: Mapping[str, tuple[int, ...]]
    dtype: str  # "float32" or "float64"

    def factory(self, start: networks.MemberInitializer | None = None) -> engine.NetworkFactory:
        """One network; without `start` only its structure matters."""
        initial = start or networks.MemberInitializer(0, None, self.dtype)
        settings = tuple(sorted((name, str(value)) for name, value in self.settings.items()))
        key = ("trunk", settings, tuple(sorted(self.shapes.items())), self.dtype)
        return engine.NetworkFactory(
            lambda member: networks.build_trunk(self.shapes, self.settings, initial),
            key,
            self.shapes,
            1,
            tables=self.tables(),
            init_tables=partial(_init_tables, self.tables(), lambda member: initial, 0),
        )

    @property
    def n_tables(self) -> int:
        """How many of the trainable arrays are tables; they come first."""
        return len(self.settings["tables"])

    def tables(self) -> dict[str, tuple[int, int]]:
        """Name of a wide sparse block -> shape of its table."""
        return {
            name: (self.shapes[name][0], self.settings["hidden_layer_sizes"][0]) for name in self.settings["tables"]
        }

    def weight_shapes(self) -> tuple[list[tuple[int, ...]], list[tuple[tuple[int, ...], str | None]]]:
        """Shapes of what learns, tables first, and (shape, dtype) of the rest; dtype None is the precision."""
        trainable, fixed = networks.trunk_weight_shapes(self.shapes, self.settings)
        return [*self.tables().values(), *trainable], fixed


def taxonomy_levels(config: TrainingConfig, labels: LabelSpace | None) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Which labels imply others, as the engine takes it."""
    hierarchy = None if labels is None else bind_taxonomy(config.taxonomy, labels)
    return () if hierarchy is None else hierarchy.levels


def _any_start(dtype: str, member: int) -> networks.MemberInitializer:
    """Where a network begins of which only the structure matters."""
    return networks.MemberInitializer(0, None, dtype)


def _build_member(spec: NetworkSpec, start: Start, member: int) -> Any:
    if spec.custom is not None:
        return spec.custom.build(start(member))
    return networks.BUILDERS[spec.name](spec.shapes, spec.n_labels, spec.settings, start(member))


def _init_tables(
    tables: Mapping[str, tuple[int, int]], start: Start, n_zeros: int, member: int
) -> dict[str, np.ndarray]:
    """What a member's tables begin with; the last `n_zeros` columns with zeros."""
    source = start(member).independent()
    return {
        name: np.pad(source.table((n_rows, units - n_zeros)), ((0, 0), (0, n_zeros)))
        for name, (n_rows, units) in tables.items()
    }


def describe_custom(network: Any, shapes: Mapping[str, tuple[int, ...]], n_labels: int) -> networks.CustomNetwork:
    """The description of a Keras model, or of what a function makes for these shapes."""
    if isinstance(network, networks.CustomNetwork):
        return network
    if network is None or isinstance(network, str):
        raise InputError(
            "'custom' stands for a Keras model of yours; hand it over in Python: MultiLabelClassifier(network=model)",
            argument="network",
        )
    if callable(network) and not hasattr(network, "get_config"):
        shape: Any = next(iter(shapes.values())) if len(shapes) == 1 else dict(shapes)
        network = network(shape, n_labels)
    if not hasattr(network, "stateless_call"):
        raise InputError(
            f"got {type(network).__name__}, expected the name of a network, a Keras model or a function "
            "(input_shape, n_labels) -> keras.Model",
            argument="network",
        )
    return networks.from_keras(network, shapes, n_labels)


def apply_custom_network(config: TrainingConfig, custom: networks.CustomNetwork | None) -> TrainingConfig:
    """The config with what a Keras model says about its output and its loss."""
    if custom is None:
        if config.optimizer == COMPILED:
            raise InputError("there is no compiled Keras model whose optimizer could be taken", argument="optimizer")
        return config
    if config.optimizer == COMPILED and custom.optimizer is None:
        raise InputError("the Keras model is not compiled, so it has no optimizer", argument="optimizer")
    uses_custom_optimizer = custom.optimizer is not None and config.optimizer in ("auto", COMPILED)
    used_names = ("learning_rate", "schedule", "weight_decay", "momentum", "nesterov") if uses_custom_optimizer else ()
    for name in ("hidden_layer_sizes", "branches", "activation", "dropout", "batch_norm", *used_names):
        if getattr(config, name) != getattr(TrainingConfig, name):
            source = "the compiled model's optimizer" if name in used_names else "your own Keras model"
            hint = "; say optimizer='adamw' (or 'adam', 'sgd') to choose another" if name in used_names else ""
            raise InputError(f"has no effect beside {source}, which settles it{hint}", argument=name)
    loss = custom.loss if config.loss == "auto" else config.loss
    if custom.output != "softmax" and loss != "categorical_crossentropy":
        return config
    if config.loss not in SOFTMAX_LOSSES:
        raise InputError(
            f"{config.loss} takes one sigmoid per label, but the Keras model ends in a softmax; end it in "
            "activation='sigmoid', or leave the loss away",
            argument="loss",
        )
    # The head comes from a person's model, so all is checked again.
    return replace(config, head="softmax", loss=loss or "categorical_crossentropy")


def choose_network(
    config: TrainingConfig, vocabularies: Mapping[str, int], images: Mapping[str, Mapping[str, Any]] | None = None
) -> TrainingConfig:
    """The config with a network that suits the features."""
    if images and vocabularies:
        raise InputError("images beside learned vectors of words are not supported; say text='tfidf'", argument="text")
    options = config.image_params
    if config.network == "auto":
        image_network = BACKBONE if is_trainable(options) else "resnet"
        config = config.changed(network=image_network if images else "embedding_bag" if vocabularies else "mlp")
    _check_backbone(config.network, options)
    if config.network in PIXEL_NETWORKS:
        raise InputError(
            f"the network {config.network!r} gives every pixel its labels: it takes images, and targets (n, h, w, l)",
            argument="network",
        )
    if images and config.network in IMAGE_NETWORKS:
        return resolve_augmentation(config, images)
    if config.network in IMAGE_NETWORKS:
        raise InputError(f"the network {config.network!r} is for images, and there are none", argument="network")
    if images and config.network not in (*IMAGE_NETWORKS, CUSTOM):
        raise InputError(
            f"the network {config.network!r} takes no images; say one of {', '.join(IMAGE_NETWORKS)}, or leave it away",
            argument="network",
        )
    if config.network != "embedding_bag" and vocabularies:
        raise InputError(
            f"the network {config.network!r} takes no numbers of words; use text='tfidf' or omit `network`",
            argument="network",
        )
    if config.network == "embedding_bag" and not vocabularies:
        raise InputError(
            "the network 'embedding_bag' is for columns of text with text='embeddings', and there are none",
            argument="network",
        )
    return config


def choose_branches(
    config: TrainingConfig, shapes: Mapping[str, tuple[int, ...]], tables: Collection[str]
) -> TrainingConfig:
    """The config with what stands beside the hidden layers of "mlp", for named inputs of which some are sparse."""
    n_dense = sum(shape[0] for name, shape in shapes.items() if name not in tables)
    is_possible = config.network == "mlp" and bool(config.hidden_layer_sizes)
    loss = config.resolved_loss
    if config.branches == AUTO:
        if config.network != "mlp":
            return config
        is_usual = is_possible and loss == "binary_crossentropy" and config.head == "sigmoid"
        found = [BINS] * (0 < n_dense <= MAX_BIN_COLUMNS) + [LINEAR] * bool(tables)
        return config.changed(branches="+".join(found) if found and is_usual else NONE)
    if config.branches == NONE:
        return config
    problem = None
    if not is_possible:
        problem = "only the network 'mlp' with hidden layers has branches"
    elif config.head != "sigmoid" or LOSS_SPECS[loss].is_coupled:
        problem = f"branches have losses of their own, but {loss} looks at all labels of a row together"
    elif BINS in config.branches and not n_dense:
        problem = "bins are for dense columns of numbers, and there are none"
    if problem is not None:
        raise InputError(f"got {config.branches!r}, but {problem}; leave it away or say 'none'", argument="branches")
    return config


def _check_backbone(network: str, options: Mapping[str, Any]) -> None:
    """Refuse a network that does not go with what is said of a backbone."""
    if network == BACKBONE and options["backbone"] == NONE:
        raise InputError(
            "the network 'backbone' is a known one; say which: image_params={'backbone': 'mobilenetv2'} "
            "(--image-params backbone=mobilenetv2)",
            argument="network",
        )
    if network == BACKBONE and not is_trainable(options):
        raise InputError(
            "a backbone that stays as it is makes numbers for the network 'mlp'; omit `network`, or use "
            "fine_tune_epochs=3 "
            "or so for one that learns",
            argument="network",
        )
    if is_trainable(options) and network != BACKBONE:
        raise InputError(
            f"the network {network!r} has no place for a backbone that learns; omit `network`, or use "
            "fine_tune_epochs=0",
            argument="network",
        )
    if options["backbone"] != NONE and network in (*IMAGE_NETWORKS, *PIXEL_NETWORKS) and network != BACKBONE:
        raise InputError(
            f"the network {network!r} looks at the pixels itself; leave the network or the backbone away",
            argument="network",
        )


def network_settings(
    config: TrainingConfig,
    tables: Collection[str] = (),
    vocabularies: Mapping[str, int] | None = None,
    images: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What a network builder may ask of the config."""
    if config.network == CUSTOM:
        return {}
    image_values = _image_network_settings(config, images) if images else {}
    word_values: dict[str, Any] = {}
    if vocabularies:
        names = TEXT_KINDS[config.text].network_settings
        word_values = {"vocabularies": dict(vocabularies), **{name: config.text_params[name] for name in names}}
    return {
        **word_values,
        **image_values,
        "hidden_layer_sizes": list(config.hidden_layer_sizes),
        "activation": config.activation,
        "dropout": config.dropout,
        "batch_norm": config.batch_norm,
        "tables": sorted(tables),
        **({"branches": config.branches.split("+")} if config.branches not in (AUTO, NONE) else {}),
    }


GREY_AUGMENTATION, COLOUR_AUGMENTATION = ("shift", "rotate", "zoom"), ("flip", "shift", "zoom", "colour")
"""What "auto" does to images: grey ones are often signs or letters, which must not be mirrored."""


def resolve_augmentation(config: TrainingConfig, images: Mapping[str, Mapping[str, Any]]) -> TrainingConfig:
    """The config with what is done to images in training."""
    if config.image_params["augment"] != "auto":
        return config
    is_grey = all(len(statistics["mean"]) == 1 for statistics in images.values())
    augment = list(GREY_AUGMENTATION if is_grey else COLOUR_AUGMENTATION)
    return config.changed(image_params={**config.image_params, "augment": augment})


FILTERS = {
    "cnn": [32, 64, 128, 256],
    "resnet": [32, 64, 128, 256],
    "convnext": [32, 64, 128, 256],
    "unet": [16, 32, 64, 128],
}


def _image_network_settings(config: TrainingConfig, images: Mapping[str, Any]) -> dict[str, Any]:
    """What a network on images is told; nothing is left to choose."""
    options = config.image_params
    if config.network == BACKBONE:
        return {
            "images": {name: dict(statistics) for name, statistics in images.items()},
            "backbone": options["backbone"],
            "is_tuned": is_pretrained(options),
        }
    is_per_pixel = config.network in PIXEL_NETWORKS
    settings = {
        name: options[name] for name in (*NETWORK_SETTINGS, "patch") if name != ("pool" if is_per_pixel else "patch")
    }
    if settings["filters"] == "auto":
        settings["filters"] = FILTERS[config.network]
    if settings.get("pool") == "auto":
        settings["pool"] = FLATTEN if config.network == "cnn" else AVERAGE
    return {"images": {name: dict(statistics) for name, statistics in images.items()}, **settings}
