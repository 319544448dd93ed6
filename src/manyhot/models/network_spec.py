"""What a network looks like, without its weights, and what a Keras model of the user's settles of the plan.

Start reading at `NetworkSpec`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from manyhot import engine
from manyhot.config.images import (
    BACKBONE,
    IMAGE_NETWORKS,
    NETWORK_SETTINGS,
    NONE,
    PIXEL_NETWORKS,
    image_settings,
    is_pretrained,
    is_trainable,
)
from manyhot.config.text import TEXT_KINDS, text_settings
from manyhot.config.training import CUSTOM, SOFTMAX_LOSSES, TrainingConfig
from manyhot.errors import InputError
from manyhot.networks import BUILDERS, CustomNetwork, Start, build_trunk, first_units, from_keras, trunk_weight_shapes


@dataclass(frozen=True)
class NetworkSpec:
    """What a network looks like, without its weights.

    Args:
        name: A row of `networks.BUILDERS`, or "own".
        settings: Named settings of the builder, JSON values; empty for "own".
        shapes: Shape of one row of each named input.
        n_labels: Number of logits.
        precision: "float32" or "float64".
        own: The description of a Keras model of the user's.
    """

    name: str
    settings: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]]
    n_labels: int
    precision: str
    own: CustomNetwork | None = None

    def networks(
        self, n_members: int, start: Callable[[int], Start] | None = None, first: int = 0
    ) -> engine.NetworkFactory:
        """The members' networks; without `start` only their structure matters."""

        def build(member: int) -> Any:
            begin = start(member) if start else Start(0, None, self.precision)
            if self.own is not None:
                return self.own.build(begin)
            return BUILDERS[self.name](self.shapes, self.n_labels, self.settings, begin)

        if self.own is not None:
            optimizer = None if self.own.optimizer is None else self.own.make_optimizer
            key: Any = (CUSTOM, self.own.key(), self.precision)
            return engine.NetworkFactory(
                build, key, self.shapes, n_members, optimizer, True, first, not self.own.custom
            )
        settings = tuple(sorted((name, str(value)) for name, value in self.settings.items()))
        key = (self.name, settings, tuple(sorted(self.shapes.items())), self.n_labels, self.precision)
        tables = self.tables()
        begin = _drawn_tables(tables, start or (lambda member: Start(0, None, self.precision)))
        return engine.NetworkFactory(build, key, self.shapes, n_members, first=first, tables=tables, begin_tables=begin)

    @property
    def n_table(self) -> int:
        """Numbers in the tables of one member, and in the vectors of its words."""
        words = sum(self.settings.get("vocabularies", {}).values()) * self.settings.get("units", 0)
        return words + sum(width * units for width, units in self.tables().values())

    def tables(self) -> dict[str, tuple[int, int]]:
        """Name of a wide sparse block -> shape of its table."""
        units = first_units(self.n_labels, self.settings) if self.settings.get("tables") else 0
        return {name: (self.shapes[name][0], units) for name in self.settings.get("tables", [])}


@dataclass(frozen=True)
class TrunkSpec:
    """What the hidden layers of a network over very many labels look like, without their weights.

    Args:
        settings: Named settings of `networks.build_trunk`, JSON values.
        shapes: Shape of one row of each named input.
        precision: "float32" or "float64".
    """

    settings: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]]
    precision: str

    def networks(self, start: Start | None = None) -> engine.NetworkFactory:
        """One network; without `start` only its structure matters."""
        begin = start or Start(0, None, self.precision)
        settings = tuple(sorted((name, str(value)) for name, value in self.settings.items()))
        key = ("trunk", settings, tuple(sorted(self.shapes.items())), self.precision)
        return engine.NetworkFactory(
            lambda member: build_trunk(self.shapes, self.settings, begin),
            key,
            self.shapes,
            1,
            tables=self.tables(),
            begin_tables=_drawn_tables(self.tables(), lambda member: begin),
        )

    def tables(self) -> dict[str, tuple[int, int]]:
        """Name of a wide sparse block -> shape of its table."""
        return {name: (self.shapes[name][0], self.settings["hidden"][0]) for name in self.settings["tables"]}

    def weight_shapes(self) -> tuple[list[tuple[int, ...]], list[tuple[tuple[int, ...], str | None]]]:
        """Shapes of what learns, tables first, and (shape, dtype) of the rest; dtype None is the precision."""
        trainable, fixed = trunk_weight_shapes(self.shapes, self.settings)
        return [*self.tables().values(), *trainable], fixed


def _drawn_tables(
    tables: Mapping[str, tuple[int, int]], start: Callable[[int], Start]
) -> Callable[[int], dict[str, np.ndarray]]:
    """Member number -> what its tables begin with."""

    def begin(member: int) -> dict[str, np.ndarray]:
        drawn = start(member).beside()
        return {name: drawn.table(shape) for name, shape in tables.items()}

    return begin


def describe_custom(network: Any, shapes: Mapping[str, tuple[int, ...]], n_labels: int) -> CustomNetwork:
    """The description of a Keras model, or of what a function makes for these shapes."""
    if isinstance(network, CustomNetwork):
        return network
    if network is None or isinstance(network, str):
        raise InputError(
            "'own' stands for a Keras model of yours; hand it over in Python: MultiLabelClassifier(network=model)",
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
    return from_keras(network, shapes, n_labels)


def apply_custom_network(plan: TrainingConfig, own: CustomNetwork | None) -> TrainingConfig:
    """The plan with what a Keras model says about its output and its loss.

    Raises:
        InputError: Settings that the model has settled already, or a loss that does not go with its softmax.
    """
    if own is None:
        if plan.optimizer == CUSTOM:
            raise InputError("there is no compiled Keras model whose optimizer could be taken", argument="optimizer")
        return plan
    if plan.optimizer == CUSTOM and own.optimizer is None:
        raise InputError("the Keras model is not compiled, so it has no optimizer", argument="optimizer")
    takes_own = own.optimizer is not None and plan.optimizer in ("auto", CUSTOM)
    taken = ("learning_rate", "schedule", "weight_decay", "momentum", "nesterov") if takes_own else ()
    for name in ("hidden", "activation", "dropout", "batch_norm", *taken):
        if getattr(plan, name) != getattr(TrainingConfig, name):
            place = "the compiled model's optimizer" if name in taken else "your own Keras model"
            hint = "; say optimizer='adamw' (or 'adam', 'sgd') to choose another" if name in taken else ""
            raise InputError(f"has no effect beside {place}, which settles it{hint}", argument=name)
    loss = own.loss if plan.loss == "auto" else plan.loss
    if own.output != "softmax" and loss != "categorical_crossentropy":
        return plan
    if plan.loss not in SOFTMAX_LOSSES:
        raise InputError(
            f"{plan.loss} takes one sigmoid per label, but the Keras model ends in a softmax; end it in "
            "activation='sigmoid', or leave the loss away",
            argument="loss",
        )
    return replace(plan, head="softmax", loss=loss or "categorical_crossentropy")


def choose_network(
    plan: TrainingConfig, vocabularies: Mapping[str, int], images: Mapping[str, Mapping[str, Any]] | None = None
) -> TrainingConfig:
    """The plan with a network that suits the features.

    Args:
        plan: The plan.
        vocabularies: Name of a block of numbers of words -> how many different numbers there are.
        images: Name of a block of images -> mean and deviation of each channel.

    Raises:
        InputError: A network that does not take such features.
    """
    if images and vocabularies:
        raise InputError("images beside learned vectors of words are not supported; say text='ngrams'", argument="text")
    told = image_settings(plan.image_settings)
    if plan.network == "auto":
        of_images = BACKBONE if is_trainable(told) else "resnet"
        plan = replace(plan, network=of_images if images else "words" if vocabularies else "mlp")
    _check_backbone(plan.network, told)
    if plan.network in PIXEL_NETWORKS:
        raise InputError(
            f"the network {plan.network!r} gives every pixel its labels: it takes images, and targets (n, h, w, l)",
            argument="network",
        )
    if images and plan.network in IMAGE_NETWORKS:
        return with_variation(plan, images)
    if plan.network in IMAGE_NETWORKS:
        raise InputError(f"the network {plan.network!r} is for images, and there are none", argument="network")
    if images and plan.network not in (*IMAGE_NETWORKS, CUSTOM):
        raise InputError(
            f"the network {plan.network!r} takes no images; say one of {', '.join(IMAGE_NETWORKS)}, or leave it away",
            argument="network",
        )
    if plan.network != "words" and vocabularies:
        raise InputError(
            f"the network {plan.network!r} takes no numbers of words; say text='ngrams' or leave the network away",
            argument="network",
        )
    if plan.network == "words" and not vocabularies:
        raise InputError(
            "the network 'words' is for columns of text with text='embeddings', and there are none", argument="network"
        )
    return plan


def _check_backbone(network: str, told: Mapping[str, Any]) -> None:
    """Refuse a network that does not go with what is said of a backbone."""
    if network == BACKBONE and told["backbone"] == NONE:
        raise InputError(
            "the network 'backbone' is a known one; say which: image_settings={'backbone': 'mobilenetv2'} "
            "(--image-settings backbone=mobilenetv2)",
            argument="network",
        )
    if network == BACKBONE and not is_trainable(told):
        raise InputError(
            "a backbone that stays as it is makes numbers for the network 'mlp'; leave the network away, or say tune=3 "
            "or so for one that learns",
            argument="network",
        )
    if is_trainable(told) and network != BACKBONE:
        raise InputError(
            f"the network {network!r} has no place for a backbone that learns; leave the network away, or tune=0",
            argument="network",
        )
    if told["backbone"] != NONE and network in (*IMAGE_NETWORKS, *PIXEL_NETWORKS) and network != BACKBONE:
        raise InputError(
            f"the network {network!r} looks at the pixels itself; leave the network or the backbone away",
            argument="network",
        )


def network_settings(
    plan: TrainingConfig,
    tables: Collection[str] = (),
    vocabularies: Mapping[str, int] | None = None,
    images: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What a network builder may ask of the plan.

    Args:
        plan: The plan, its network not "auto".
        tables: Names of the blocks that are wide and sparse.
        vocabularies: Name of a block of numbers of words -> how many different numbers there are.
        images: Name of a block of images -> mean and deviation of each channel.
    """
    if plan.network == CUSTOM:
        return {}
    of_images = _image_settings(plan, images) if images else {}
    told = {} if not vocabularies else text_settings(plan.text, plan.text_settings)
    of_words = {name: told[name] for name in TEXT_KINDS[plan.text].of_network} if vocabularies else {}
    return {
        **({"vocabularies": dict(vocabularies), **of_words} if vocabularies else {}),
        **of_images,
        "hidden": list(plan.hidden),
        "activation": plan.activation,
        "dropout": plan.dropout,
        "batch_norm": plan.batch_norm,
        "tables": sorted(tables),
    }


GREY_VARIATION, COLOUR_VARIATION = ("shift", "rotate", "zoom"), ("flip", "shift", "zoom", "colour")
"""What "auto" does to images: grey ones are often signs or letters, which must not be mirrored."""


def with_variation(plan: TrainingConfig, images: Mapping[str, Mapping[str, Any]]) -> TrainingConfig:
    """The plan with what is done to images in training."""
    told = image_settings(plan.image_settings)
    if told["augment"] == "auto":
        is_grey = all(len(one["mean"]) == 1 for one in images.values())
        told["augment"] = list(GREY_VARIATION if is_grey else COLOUR_VARIATION)
    return replace(plan, image_settings=told)


FILTERS = {
    "cnn": [32, 64, 128, 256],
    "resnet": [32, 64, 128, 256],
    "convnext": [32, 64, 128, 256],
    "unet": [16, 32, 64, 128],
}


def _image_settings(plan: TrainingConfig, images: Mapping[str, Any]) -> dict[str, Any]:
    """What a network on images is told; nothing is left to choose."""
    told = image_settings(plan.image_settings)
    if plan.network == BACKBONE:
        return {
            "images": {name: dict(one) for name, one in images.items()},
            "backbone": told["backbone"],
            "is_tuned": is_pretrained(told),
        }
    is_pixels = plan.network in PIXEL_NETWORKS
    settings = {name: told[name] for name in (*NETWORK_SETTINGS, "patch") if name != ("pool" if is_pixels else "patch")}
    if settings["filters"] == "auto":
        settings["filters"] = FILTERS[plan.network]
    if settings.get("pool") == "auto":
        settings["pool"] = "flatten" if plan.network == "cnn" else "average"
    return {"images": {name: dict(told) for name, told in images.items()}, **settings}
