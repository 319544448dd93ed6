"""The network of a saved model: described, and read back with its weights, every field checked before it is built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from manyhot import engine, networks
from manyhot.config.images import (
    BACKBONE,
    BACKBONES,
    IMAGE_NETWORKS,
    NETWORK_SETTINGS,
    PIXEL_NETWORKS,
    PIXEL_SETTINGS,
    POOLS,
)
from manyhot.config.text import POOLS as WORD_POOLS
from manyhot.config.training import BUILT_NETWORKS, CUSTOM, DTYPES, LOSSES, TrainingConfig
from manyhot.encoders import Encoder
from manyhot.encoders.images.backbone_features import ImageFeatures
from manyhot.errors import BundleError
from manyhot.models.network_spec import NetworkSpec
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
        layouts = custom.audited_shapes(config.dtype, n_elements).values()
    else:
        network = _network(reader, encoder, n_labels, config.dtype)
        layouts = _weight_layouts(network, n_elements)
    return network, engine.Weights(*read_weights(reader, "network/", layouts, config.dtype, (n_members,)))


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


def _network(reader: DocumentReader, encoder: Encoder, n_labels: int, dtype: str) -> NetworkSpec:
    name = reader.text("network.name", choices=list(BUILT_NETWORKS))
    settings = {
        "hidden_layer_sizes": reader.list_of_integers(
            "network.settings.hidden_layer_sizes", 1, MAX_UNITS, max_items=MAX_LAYERS
        ),
        "activation": reader.text("network.settings.activation"),
        "dropout": reader.number("network.settings.dropout", 0, 0.99),
        "batch_norm": reader.boolean("network.settings.batch_norm"),
    }
    settings["tables"] = reader.list_of_text("network.settings.tables", is_unique=True)
    if name == "embedding_bag":
        settings |= _word_settings(reader, encoder)
    if (name in (*IMAGE_NETWORKS, *PIXEL_NETWORKS)) != bool(encoder.image_scaling):
        raise BundleError(f"the network {name!r} does not fit {len(encoder.image_scaling)} columns of images")
    if name == BACKBONE:
        backbone = reader.text("network.settings.backbone", choices=list(BACKBONES))
        is_tuned = reader.boolean("network.settings.is_tuned")
        settings |= {"images": encoder.image_scaling, "backbone": backbone, "is_tuned": is_tuned}
        min_edge = BACKBONES[backbone].min_edge
        if any(min(shape[:2]) < min_edge or shape[2] != 3 for shape in encoder.shapes().values() if len(shape) == 3):
            raise BundleError(f"the images are not such as {backbone} takes")
    elif encoder.image_scaling:
        settings |= _image_settings(reader, encoder, name in PIXEL_NETWORKS)
    if settings["tables"] != sorted(encoder.sparse):
        raise BundleError(f"the network has tables for {settings['tables']}, but {sorted(encoder.sparse)} are sparse")
    widths = {block: shape[0] for block, shape in encoder.shapes().items() if len(shape) == 1}
    stored_widths = {block: reader.integer(f"network.widths.{block}", 0, MAX_UNITS) for block in widths}
    if stored_widths != widths or dtype not in DTYPES:
        raise BundleError(f"the network takes {stored_widths} columns, but the encoder gives {widths}")
    return NetworkSpec(name, settings, encoder.shapes(), n_labels, dtype)


def _word_settings(reader: DocumentReader, encoder: Encoder) -> dict[str, Any]:
    vocabularies = encoder.vocabularies
    stored = {block: reader.integer(f"network.settings.vocabularies.{block}", 1, 2**31) for block in vocabularies}
    if stored != vocabularies or not vocabularies:
        raise BundleError(f"the network knows {stored} words, but the encoder gives {vocabularies}")
    units = reader.integer("network.settings.units", 1, MAX_UNITS)
    return {"vocabularies": stored, "units": units, "pool": reader.text("network.settings.pool", choices=WORD_POOLS)}


def _image_settings(reader: DocumentReader, encoder: Encoder, is_per_pixel: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {**NETWORK_SETTINGS, **PIXEL_SETTINGS}
    low, high, counts = fields["filters"].low, fields["filters"].high, fields["filters"].counts
    filters = reader.list_of_integers("network.settings.filters", low, high, min_items=1, max_items=max(counts))
    settings = {"images": encoder.image_scaling, "filters": filters}
    for name in ("blocks", "kernel", "patch") if is_per_pixel else ("blocks", "kernel"):
        settings[name] = reader.integer(f"network.settings.{name}", fields[name].low, fields[name].high)
    if not is_per_pixel:
        settings["pool"] = reader.text("network.settings.pool", choices=POOLS[1:])
    return settings


def _weight_layouts(network: NetworkSpec, n_elements: int) -> tuple[list[Layout], list[Layout]]:
    """Return shape and dtype of each trainable and each fixed weight of one member of a built network."""
    if network.name in networks.WEIGHT_SHAPES:
        trainable, fixed = networks.WEIGHT_SHAPES[network.name](network.shapes, network.n_labels, network.settings)
    else:
        build = partial(networks.BUILDERS[network.name], network.shapes, network.n_labels, network.settings)
        trainable, fixed = networks.infer_weight_shapes(build, n_elements, network.dtype)
    return [(shape, None) for shape in (*network.tables().values(), *trainable)], fixed


def read_weights(
    reader: DocumentReader,
    prefix: str,
    layouts: Iterable[Sequence[Layout]],
    dtype: str,
    members: tuple[int, ...] = (),
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Read trainable and fixed weights, each of exactly its shape and dtype (None: `dtype`)."""
    trainable, fixed = (
        [
            reader.array(f"{prefix}{kind}.{k}", dtype=own_dtype or dtype, shape=(*members, *shape))
            for k, (shape, own_dtype) in enumerate(kind_layouts)
        ]
        for kind, kind_layouts in zip(("trainable", "fixed"), layouts, strict=True)
    )
    return trainable, fixed


def weight_arrays(weights: engine.Weights | engine.ExtremeWeights) -> dict[str, np.ndarray]:
    """Name the weights as `read_weights` reads them, under "network/"."""
    arrays = {f"network/trainable.{k}": leaf for k, leaf in enumerate(weights.trainable)}
    return arrays | {f"network/fixed.{k}": leaf for k, leaf in enumerate(weights.fixed)}


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
