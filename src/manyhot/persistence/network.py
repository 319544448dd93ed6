"""The network of a saved model: described, and read back with its weights, every field checked before it is built."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from manyhot import engine, networks
from manyhot.config.fields import IntField, IntListField
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
from manyhot.config.training import BUILT_NETWORKS, CUSTOM, DTYPES, LOSSES
from manyhot.encoders import Encoder
from manyhot.errors import BundleError
from manyhot.models.network_spec import NetworkSpec
from manyhot.persistence.container import DocumentReader
from manyhot.persistence.encoder import MAX_UNITS

MAX_LAYERS = 1000


def read_network(
    reader: DocumentReader,
    encoder: Encoder,
    n_labels: int,
    config: tuple[str, str],
    n_members: int,
    custom_objects: Mapping[str, Any],
    n_elements: int,
) -> tuple[NetworkSpec, engine.Weights]:
    """Read the network that a document describes under "network", and its weights."""
    name, dtype = config
    if name == CUSTOM:
        network = _custom_network(reader, encoder, n_labels, dtype, custom_objects)
        return network, _custom_weights(reader, network, n_members, n_elements // n_members)
    network = _network(reader, encoder, n_labels, dtype)
    return network, _weights(reader, network, n_members, n_elements // n_members)


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
) -> NetworkSpec:
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
    return NetworkSpec(CUSTOM, {}, encoder.shapes(), n_labels, dtype, custom)


def _custom_weights(reader: DocumentReader, network: NetworkSpec, n_members: int, n_elements: int) -> engine.Weights:
    assert network.custom is not None
    trainable, fixed = (
        [
            reader.array(f"network/{kind}.{k}", dtype=dtype, shape=(n_members, *shape))
            for k, (shape, dtype) in enumerate(shapes)
        ]
        for kind, shapes in network.custom.audited_shapes(network.dtype, n_elements).items()
    )
    return engine.Weights(trainable, fixed)


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
    names = ("blocks", "kernel", "patch") if is_per_pixel else ("blocks", "kernel")
    ranges = {**NETWORK_SETTINGS, **PIXEL_SETTINGS}
    filters = NETWORK_SETTINGS["filters"]
    assert isinstance(filters, IntListField)
    stored_filters = reader.list_of_integers(
        "network.settings.filters", filters.low, filters.high, min_items=1, max_items=max(filters.counts)
    )
    numbers = {
        name: reader.integer(f"network.settings.{name}", field.low, field.high)
        for name, field in ((name, ranges[name]) for name in names)
        if isinstance(field, IntField)
    }
    if is_per_pixel:
        return {"images": encoder.image_scaling, "filters": stored_filters, **numbers}
    pool = reader.text("network.settings.pool", choices=POOLS[1:])
    return {"images": encoder.image_scaling, "filters": stored_filters, **numbers, "pool": pool}


def _weights(reader: DocumentReader, network: NetworkSpec, n_members: int, n_elements: int) -> engine.Weights:
    """Read the arrays, each of exactly the shape that the described network has."""
    if network.name in networks.WEIGHT_SHAPES:
        trainable, fixed = networks.WEIGHT_SHAPES[network.name](network.shapes, network.n_labels, network.settings)
    else:
        build = partial(networks.BUILDERS[network.name], network.shapes, network.n_labels, network.settings)
        trainable, fixed = networks.infer_weight_shapes(build, n_elements, network.dtype)
    trainable = [*network.tables().values(), *trainable]
    return engine.Weights(
        [
            reader.array(f"network/trainable.{k}", dtype=network.dtype, shape=(n_members, *shape))
            for k, shape in enumerate(trainable)
        ],
        [
            reader.array(f"network/fixed.{k}", dtype=dtype or network.dtype, shape=(n_members, *shape))
            for k, (shape, dtype) in enumerate(fixed)
        ],
    )
