"""The network of a saved model: described, and read back with its weights, every field checked before it is built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from manyhot import engine, networks, validation
from manyhot.config.images import BACKBONE, BACKBONES, PIXEL_NETWORKS
from manyhot.config.training import BUILT_NETWORKS, CUSTOM, LOSSES, TrainingConfig
from manyhot.encoders import Encoder
from manyhot.encoders.images.backbone_features import ImageFeatures
from manyhot.errors import BundleError
from manyhot.models.half_precision import exact_half
from manyhot.models.network_spec import NetworkSpec, choose_network, network_settings
from manyhot.persistence.container import DocumentReader
from manyhot.persistence.encoder import MAX_UNITS

MAX_LAYERS = 1000

Layout = tuple[tuple[int, ...], str | None]  # shape and dtype of an array of weights, None for that of the network


def read_network(
    reader: DocumentReader,
    encoder: Encoder,
    n_labels: int,
    config: TrainingConfig,
    n_members: int,
    custom_objects: Mapping[str, Any],
) -> tuple[NetworkSpec, engine.Weights]:
    """Read the network that a document describes under "network", and its weights."""
    n_elements = reader.n_elements("network/") // n_members
    layouts: Iterable[Sequence[Layout]]
    if config.network == CUSTOM:
        network, custom = _custom_network(reader, encoder, n_labels, config.dtype, custom_objects)
        layouts = custom.audited_shapes(config.dtype, n_elements, len(reader.array_names("network/")))
    else:
        network = _network(reader, encoder, n_labels, config)
        layouts = _weight_layouts(network, n_elements)
    arrays = read_weights(reader, "network/", layouts, config.dtype, (n_members,), network.n_tables)
    return network, engine.Weights(*arrays)


def network_document(network: NetworkSpec) -> dict[str, Any]:
    """Describe a network as JSON values; its weights are arrays."""
    if network.custom is None:
        settings = {name: value for name, value in network.settings.items() if name != "images"}
        widths = {name: shape[0] for name, shape in network.shapes.items() if len(shape) == 1}
        document = {"name": network.name, "settings": settings}  # images have the shape that the encoder says
        return {**document, "widths": widths} if widths else document
    custom = network.custom
    return {
        "name": network.name,
        "config": custom.config,
        "inputs": [{"name": name, "shape": list(shape)} for name, shape in custom.inputs],
        "input_format": custom.input_format,
        "head": custom.head,
        "frozen": list(custom.frozen),
        "output": custom.output,
        "optimizer": custom.optimizer,
        "loss": custom.loss,
    }


def _custom_network(
    reader: DocumentReader,
    encoder: Encoder,
    n_labels: int,
    dtype: str,
    custom_objects: Mapping[str, Any],
) -> tuple[NetworkSpec, networks.CustomNetwork]:
    """Read a Keras model of the user's: its description is checked against the list before anything is built."""
    reader.text("network.name", choices=[CUSTOM])
    inputs = tuple(
        (record.text("name"), tuple(record.list_of_integers("shape", 0, MAX_UNITS, max_items=8)))
        for record in reader.records("network.inputs", 1000, min_items=1)
    )
    if dict(inputs) != encoder.shapes():
        raise BundleError(f"the network takes {dict(inputs)}, but the encoder gives {encoder.shapes()}")
    custom = networks.CustomNetwork(
        config=reader.mapping("network.config"),
        inputs=inputs,
        input_format=reader.text("network.input_format", choices=["tensor", "list", "dict"]),
        n_labels=n_labels,
        head=reader.integer("network.head", -1, MAX_LAYERS),
        output=reader.text("network.output", choices=["sigmoid", "softmax", "linear"]),
        optimizer=reader.mapping("network.optimizer") if "network.optimizer" in reader else None,
        loss=reader.text("network.loss", choices=list(LOSSES)) if "network.loss" in reader else None,
        custom=dict(custom_objects),
        frozen=tuple(reader.list_of_integers("network.frozen", 0, MAX_LAYERS, max_items=MAX_LAYERS)),
    )
    networks.check_allowlist(custom.optimizer, {})
    return NetworkSpec(CUSTOM, {}, encoder.shapes(), n_labels, dtype, custom), custom


def _network(reader: DocumentReader, encoder: Encoder, n_labels: int, config: TrainingConfig) -> NetworkSpec:
    """Read the network that the config and the encoder make."""
    document, images = reader.mapping("network"), encoder.image_scaling
    name = validation.one_of(BUILT_NETWORKS, network=config.network)
    if name not in PIXEL_NETWORKS:
        choose_network(config, encoder.vocabularies, images)
    elif encoder.vocabularies or not images:
        raise BundleError(f"the network {name!r} takes images alone")
    if images:  # what "auto" was made of is as it was then
        stored = reader.mapping("network.settings")
        chosen: dict[str, Any] = {key: stored[key] for key in ("filters", "pool") if key in stored}
        config = replace(config, image_params={**config.image_params, **chosen})
    shapes = encoder.shapes()
    settings = network_settings(config, encoder.sparse, encoder.vocabularies, images)
    network = NetworkSpec(name, settings, shapes, n_labels, config.dtype)
    if document != network_document(network):
        raise BundleError("the network is not the one that its settings and its encoder make")
    if name == BACKBONE:
        min_edge = BACKBONES[settings["backbone"]].min_edge
        if any(min(shape[:2]) < min_edge or shape[2] != 3 for shape in shapes.values() if len(shape) == 3):
            raise BundleError(f"the images are not such as {settings['backbone']} takes")
    return network


def _weight_layouts(network: NetworkSpec, n_elements: int) -> tuple[list[Layout], list[Layout]]:
    """Return shape and dtype of each trainable and each fixed weight of one member of a built network."""
    if network.name in networks.WEIGHT_SHAPES:
        _check_words(network)
        trainable, fixed = networks.WEIGHT_SHAPES[network.name](network.shapes, network.n_labels, network.settings)
    else:
        build = partial(networks.BUILDERS[network.name], network.shapes, network.n_labels, network.settings)
        trainable, fixed = networks.infer_weight_shapes(build, n_elements, network.dtype, network.shapes)
    return [(shape, None) for shape in (*network.tables().values(), *trainable)], fixed


def _check_words(network: NetworkSpec) -> None:
    """Refuse vectors of words that would take too much for a row: a number for each word and unit, and each label."""
    for name in network.settings.get("vocabularies", ()):
        n_numbers = network.shapes[name][0] * max(network.settings["units"], network.n_labels)
        if n_numbers * np.dtype(network.dtype).itemsize > networks.MAX_VALUE_BYTES:
            raise BundleError(
                f"rows of {network.shapes[name][0]:,} words take too much for {network.n_labels:,} labels"
            )


def read_weights(
    reader: DocumentReader,
    prefix: str,
    layouts: Iterable[Sequence[Layout]],
    dtype: str,
    members: tuple[int, ...] = (),
    n_tables: int = 0,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Read trainable and fixed weights, each of exactly its shape and dtype (None: `dtype`).

    The first `n_tables` trainable ones may be stored in half precision where `dtype` is "float32", which they become.
    """

    def read(kind: str, kind_layouts: Sequence[Layout], n_half: int) -> list[np.ndarray]:
        return [
            reader.array(
                f"{prefix}{kind}.{k}", dtype=own_dtype or dtype, shape=(*members, *shape), is_half_allowed=k < n_half
            )
            for k, (shape, own_dtype) in enumerate(kind_layouts)
        ]

    trainable, fixed = layouts
    return read("trainable", trainable, n_tables if dtype == "float32" else 0), read("fixed", fixed, 0)


def weight_arrays(weights: engine.Weights | engine.ExtremeWeights, n_tables: int) -> dict[str, np.ndarray]:
    """Name the weights as `read_weights` reads them, under "network/"; rounded tables are stored as float16."""
    arrays = {
        f"network/trainable.{k}": _stored_table(leaf) if k < n_tables else leaf
        for k, leaf in enumerate(weights.trainable)
    }
    return arrays | {f"network/fixed.{k}": leaf for k, leaf in enumerate(weights.fixed)}


def _stored_table(table: np.ndarray) -> np.ndarray:
    """A table as float16 where that changes no value."""
    half = exact_half(table) if table.dtype == np.float32 else None
    return table if half is None else half


def read_backbone(reader: DocumentReader, encoder: Encoder, is_cached: bool) -> None:
    """Attach the backbone ("encoder/backbone....") that the file holds to the encoder, if it needs one."""
    if not encoder.images.is_frozen:
        return
    name = encoder.images.backbone_name
    if reader.n_elements("encoder/backbone.") != BACKBONES[name].n_weights:
        raise BundleError(f"the file does not hold the weights of {name}")
    edge = BACKBONES[name].min_edge
    with engine.use_dtype("float32"):
        core = networks.build_core(name, (edge, edge), "float32")
    layouts = (
        [(tuple(variable.shape), str(variable.dtype)) for variable in variables]
        for variables in (core.trainable_variables, core.non_trainable_variables)
    )
    weights = read_weights(reader, "encoder/backbone.", layouts, "float32")
    encoder.images.attach(ImageFeatures(networks.Backbone(name, *weights, core.inner.output_shape[-1]), is_cached))
