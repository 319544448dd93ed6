"""From what a file takes to the blocks that the network sees: numbers scaled, categories as numbers, images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from manyhot.backend import use_dtype
from manyhot.encoders import Encoder, MatrixEncoder, ScoreEncoder
from manyhot.encoders.categories import Category
from manyhot.encoders.scaling import CLIP, MAX_ABS, Scale
from manyhot.errors import InputError
from manyhot.export.graph import ML_DOMAIN, Graph
from manyhot.export.program import Translator, trace
from manyhot.export.traced_values import Value, known
from manyhot.networks.backbone import build_features
from manyhot.networks.fast.layers import choose_layers

NUMBERS, CATEGORIES = "numbers", "categories"
BLOCK = "features"
OUTPUTS = ("probabilities", "labels")
THRESHOLDS = "thresholds"
RESERVED = (*OUTPUTS, THRESHOLDS)
TYPES = {"float64": np.float64, "float32": np.float32, "string": str, "uint8": np.uint8, "int32": np.int32}


@dataclass(frozen=True)
class Input:
    """One input of a file, whose first axis is the batch."""

    name: str
    type_name: str  # a key of `TYPES`
    shape: tuple[int, ...]  # of one row
    columns: tuple[str, ...] = ()  # what its columns are called, or the column of its images
    levels: tuple[tuple[str, ...], ...] = field(default=())  # of each of its columns of categories
    block: str | None = None  # the block of the network that it is, without an encoder between

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        described: dict[str, Any] = {"name": self.name, "type": self.type_name, "shape": list(self.shape)}
        if self.columns:
            described["columns"] = list(self.columns)
        if self.levels:
            described["levels"] = [list(one) for one in self.levels]
        return described


def list_inputs(encoder: Encoder, has_encoder: bool) -> list[Input]:
    """The inputs of a file.

    Args:
        encoder: The encoder of the model.
        has_encoder: Whether it is written too.

    Raises:
        InputError: An encoder that is not written, by the name of its column.
    """
    if isinstance(encoder, ScoreEncoder):
        raise InputError(
            "the model decides on scores of another program and has no network of its own, so there is nothing to "
            "export; its thresholds are in `clf.thresholds_` (manyhot thresholds MODEL --json)"
        )
    names = tuple(map(str, encoder.names))
    if not has_encoder or encoder.takes_arrays:
        return [_block_input(encoder, block, shape) for block, shape in encoder.shapes().items()]
    if encoder.is_sparse:
        raise InputError(
            "sparse rows are not encoded in an ONNX file; say encoder=False (--no-encoder), and hand over the rows "
            "that `clf.model_.encoder.transform` gives, as a dense array",
            argument="encoder",
        )
    if encoder.text_columns:
        raise InputError(
            "texts are not encoded in an ONNX file; say encoder=False (--no-encoder), and hand over what "
            "`clf.model_.encoder.transform` gives, as dense arrays",
            column=encoder.text_columns[0],
            argument="encoder",
        )
    if not encoder.column_types:
        return [Input(NUMBERS, "float64", (len(names),), names)]
    inputs = []
    if encoder.numeric_columns:
        inputs.append(Input(NUMBERS, "float64", (len(encoder.numeric_columns),), tuple(encoder.numeric_columns)))
    if encoder.categorical_columns:
        columns = tuple(encoder.categorical_columns)
        levels = tuple(tuple(one.levels) for one in encoder.categories)
        _refuse_unwritable(columns, levels)
        inputs.append(Input(CATEGORIES, "string", (len(columns),), columns, levels))
    images = zip(encoder.images.pixel_blocks, encoder.image_columns, encoder.images.encoders, strict=True)
    return inputs + [Input(block, "uint8", tuple(one.shape), (column,)) for block, column, one in images]


def _block_input(encoder: Encoder, block: str, shape: tuple[int, ...]) -> Input:
    """The input that is a block; one with the name of an output gets another one."""
    columns: tuple[str, ...] = ()
    if block in encoder.images.blocks:
        type_name, columns = "uint8", (encoder.image_columns[encoder.images.blocks.index(block)],)
    elif block in encoder.vocabularies:
        type_name = "int32"
    else:
        type_name = "float32"
        if encoder.takes_arrays:
            columns = tuple(map(str, encoder.names))
    name = block
    while name in RESERVED:
        name += "_input"
    return Input(name, type_name, tuple(shape), columns, block=block)


def _refuse_unwritable(columns: Sequence[str], levels: Sequence[Sequence[str]]) -> None:
    """Levels are stored as UTF-8, which half of a pair of code units is not."""
    for column, one in zip(columns, levels, strict=True):
        for level in one:
            try:
                level.encode()
            except UnicodeEncodeError:
                raise InputError(f"the level {level!r} is no text that an ONNX file holds", column=column) from None


def write_encoder(graph: Graph, encoder: Encoder, inputs: Sequence[Input]) -> dict[str, str]:
    """Write the inputs and the encoder; block of the network -> its name in the graph."""
    names = {one.name: graph.add_input(one.name, TYPES[one.type_name], one.shape) for one in inputs}
    blocks = {one.block: names[one.name] for one in inputs if one.block is not None}
    if blocks:
        return blocks
    parts = []
    if not encoder.column_types:
        matrix = cast(MatrixEncoder, encoder)
        parts = _numbers(graph, names[NUMBERS], matrix.scale, matrix.gaps)
    elif encoder.numeric_columns or encoder.categorical_columns:
        parts = _table(graph, encoder, names.get(NUMBERS), names.get(CATEGORIES))
    pixels = [names[block] for block in encoder.images.pixel_blocks]
    if encoder.images.is_frozen:
        for scale, images, one in zip(encoder.images.scales, pixels, encoder.images.encoders, strict=True):
            features = _backbone_features(graph, encoder, images, tuple(one.shape))
            parts.append(_scale(graph, graph.cast(features, np.float64), scale))
        pixels = []
    if parts:
        blocks[BLOCK] = parts[0] if len(parts) == 1 else graph.node("Concat", *parts, axis=1)
    return blocks | dict(zip(encoder.images.blocks, pixels, strict=True))


def _table(graph: Graph, encoder: Any, numbers: str | None, categories: str | None) -> list[str]:
    """The parts of the dense block of a table: numbers and pairs scaled, gaps, one column a level."""
    columns, one_hot = [] if numbers is None else [numbers], []
    for k, category in enumerate(encoder.categories):
        places = _level_places(graph, graph.gather(str(categories), [k], axis=1), category)
        if category.is_pair:
            values = [float(place == category.rarer) if place <= 1 else np.nan for place in range(3)]
            columns.append(graph.node("Gather", graph.constant(values, np.float64), places, axis=0))
        elif category.width:
            is_level = graph.node("Equal", places, graph.constant(np.arange(category.width), np.int64))
            size = graph.constant(encoder.level_size, np.float32)
            one_hot.append(graph.node("Mul", graph.cast(is_level, np.float32), size))
    parts = []
    if columns:
        joined = columns[0] if len(columns) == 1 else graph.node("Concat", *columns, axis=1)
        if encoder.number_order is not None:
            joined = graph.gather(joined, encoder.number_order, axis=1)
        parts = _numbers(graph, joined, encoder.scale, encoder.gaps)
    return parts + one_hot


def _level_places(graph: Graph, cells: str, category: Category) -> str:
    """The place of each cell among the levels, int64 (n, 1); their number for any other cell."""
    levels = category.levels or [""]
    return graph.node(
        "LabelEncoder",
        cells,
        domain=ML_DOMAIN,
        keys_strings=levels,
        values_int64s=list(range(len(levels))),
        default_int64=len(category.levels),
    )


def _numbers(graph: Graph, numbers: str, scale: Scale, gaps: np.ndarray) -> list[str]:
    """Numbers (n, k) scaled, and which of those that had gaps are missing."""
    parts = [_scale(graph, numbers, scale)]
    if len(gaps):
        is_missing = graph.node("IsNaN", graph.gather(numbers, gaps, axis=1))
        parts.append(graph.cast(is_missing, np.float32))
    return parts


def _scale(graph: Graph, numbers: str, scale: Scale) -> str:
    """`Scale.apply`: float64 (n, k) to float32 (n, k) in (-CLIP, CLIP), missing as 0."""

    def constant(value: Any) -> str:
        return graph.constant(value, np.float64)

    z = graph.node("Div", graph.node("Sub", numbers, constant(scale.center)), constant(scale.scale))
    z = graph.node("Where", graph.node("IsNaN", numbers), constant(0), z)
    z = graph.node("Clip", z, constant(-MAX_ABS), constant(MAX_ABS))
    ratio = graph.node("Div", z, constant(CLIP))
    bend = graph.node("Sqrt", graph.node("Add", constant(1), graph.node("Mul", ratio, ratio)))
    return graph.cast(graph.node("Div", z, bend), np.float32)


def _backbone_features(graph: Graph, encoder: Any, images: str, shape: tuple[int, ...]) -> str:
    """What a frozen backbone makes of images uint8 (n, h, w, 3), float32 (n, d)."""
    function = encoder.images.backbone().function
    with use_dtype("float32"):
        network = choose_layers(build_features(function.name, (shape[0], shape[1])), False)

        def features(leaves: Any, inputs: Any) -> Any:
            return network.stateless_call(*leaves, inputs["image"], training=False)[0]

        leaves = (list(function.trainable), list(function.fixed))
        program = trace(features, leaves, {"image": (shape, np.uint8)})
        values = [known(leaf) for leaf in (*function.trainable, *function.fixed)]
        batch = program.jaxpr.invars[-1].aval.shape
        translator = Translator(graph, images)
        (result,) = translator.run(program, [*values, Value(batch, batch, np.dtype(np.uint8), name=images)])
        return translator.whole(result)
