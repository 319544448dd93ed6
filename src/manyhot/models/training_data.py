"""X, y and settings in the forms that training takes, and the encoder that suits them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from manyhot import networks
from manyhot.config.fields import NONE
from manyhot.config.images import is_pretrained
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.text import CUSTOM_TEXT, ONNX, PRETRAINED
from manyhot.config.training import TrainingConfig
from manyhot.data.hierarchy import Completion, bind_taxonomy, complete_targets
from manyhot.data.invalid_images import describe_invalid, raise_for_invalid
from manyhot.data.labels import LabelSpace
from manyhot.data.number_cells import NumberFormat
from manyhot.data.samples import Arrays, Samples
from manyhot.data.target_input import check_row_counts, parse_targets
from manyhot.encoders import Encoder, MatrixEncoder, PlainEncoder, TableEncoder
from manyhot.encoders.images.backbone_features import ImageFeatures
from manyhot.encoders.images.columns import ImageColumns
from manyhot.encoders.tabular import ENCODED_TYPES
from manyhot.encoders.text.custom import CachedTextFunction
from manyhot.encoders.text.onnx.encoder import OnnxEncoder
from manyhot.errors import InputError

Progress = Callable[[str, float | None], None]  # called with what is being done, and the share of it that is done


class TrainingFeatures(NamedTuple):
    """X as an encoder takes it."""

    features: Any  # n rows
    column_types: Mapping[str, str] | None = None  # column name -> kind, when they are a frame
    number_formats: Mapping[str, NumberFormat] = MappingProxyType({})  # for columns that held numbers as text
    notes: tuple[str, ...] = ()  # what was guessed of the columns of a frame, or left out, in the words of the readers
    ids: np.ndarray | None = None  # text (n,), where a column of a frame holds them


class TrainingInputs(NamedTuple):
    """Validated features, targets and configuration for one fit."""

    features: Any  # what the encoder takes, n rows
    labels: LabelSpace
    targets: Any  # Targets; PixelTargets where the features are an `ImageSet`, CSR with very many labels
    config: TrainingConfig
    runtime: RuntimeConfig
    column_types: Mapping[str, str] | None = None  # column name -> kind, when the features are a frame
    number_formats: Mapping[str, NumberFormat] = MappingProxyType({})
    columns: Sequence[str] = ()  # names of the columns of a matrix
    classes: np.ndarray | None = None  # the two values of one binary target
    ids: np.ndarray | None = None  # text (n,)
    notes: tuple[str, ...] = ()  # about the data, for the report
    is_used: np.ndarray | None = None  # bool (m,), which of the given rows these are; None where they are all
    function: CachedTextFunction | None = None  # makes numbers of texts
    backbone: ImageFeatures | None = None  # makes numbers of images
    completion: Completion = Completion()  # what the taxonomy settled of the targets

    def select_rows(self, values: Any, argument: str) -> Any:
        """Select the values of the rows that were kept."""
        if values is None or self.is_used is None or isinstance(values, (str, Mapping)):
            return values
        if len(values) != len(self.is_used):
            raise InputError(f"got {len(values)} values for {len(self.is_used)} rows", argument=argument)
        return np.asarray(values)[self.is_used]

    def encoder(self) -> Encoder:
        """A fresh encoder for these features, not yet fitted."""
        is_plain = not self.config.is_encoded
        if isinstance(self.features, Arrays):
            if not is_plain:
                raise InputError(
                    "arrays with more than rows and columns need preprocessing='none', or to be images",
                    argument="preprocessing",
                )
            return PlainEncoder()
        if self.column_types is None:
            return PlainEncoder(self.columns) if is_plain else MatrixEncoder(self.columns)
        if is_plain:
            return PlainEncoder([name for name, kind in self.column_types.items() if kind in ENCODED_TYPES])
        config = self.config
        encoder = TableEncoder(
            self.column_types, config.text, config.text_params, config.image_params, self.number_formats
        )
        if self.function is not None:
            encoder.texts.attach(self.function)
        if self.backbone is not None:
            encoder.images.attach(self.backbone)
        return encoder


def prepare_inputs(
    config: TrainingConfig,
    runtime: RuntimeConfig,
    table: TrainingFeatures,
    y: Any,
    labels: Sequence[str] | None,
    samples: Samples | None = None,
    text: Any = None,
    progress: Progress | None = None,
) -> TrainingInputs:
    """Parse targets, decode images, and open the functions of texts and images."""
    features, column_types = table.features, table.column_types
    space, targets, classes = parse_targets(y, labels)
    if classes is not None:  # scikit-learn's contract: the class of the higher probability
        config = config.changed(decision="fixed", decision_params=None)
    check_row_counts(features, targets)
    backbone = _open_backbone(config, column_types)
    ids, notes = (samples.ids, tuple(samples.notes)) if samples is not None else (table.ids, ())
    is_used = None
    if "image" in (column_types or {}).values() and config.is_encoded:
        features, is_used, left_out = _decode_images(table, config, runtime.on_bad_image, samples, backbone, progress)
        notes = (*notes, *left_out)
    if is_used is not None:
        targets, ids = targets.take(is_used), None if ids is None else ids[is_used]
    targets, completion = complete_targets(targets, bind_taxonomy(config.taxonomy, space))
    return TrainingInputs(
        features,
        space,
        targets,
        config,
        runtime,
        column_types,
        table.number_formats,
        matrix_columns(table, samples),
        classes,
        ids,
        notes,
        is_used,
        _text_function(config, text, column_types),
        backbone,
        completion,
    )


def matrix_columns(table: TrainingFeatures, samples: Samples | None) -> list[str]:
    """Names of the columns of a matrix: those of the samples, else x0, x1, ...; none of a frame or arrays."""
    if table.column_types is not None or isinstance(table.features, Arrays):
        return []
    if samples is not None:
        return [str(name) for name in samples.feature_names]
    return [f"x{j}" for j in range(table.features.shape[1])]


def image_bytes(features: Any, column_types: Mapping[str, str], image_params: Mapping[str, Any] | None) -> int:
    """Bytes of the decoded images of a row, as the rows of this frame are."""
    columns = _image_columns(column_types, image_params).infer_shape(features)
    return sum(math.prod(encoder.shape) for encoder in columns.encoders)


def _image_columns(column_types: Mapping[str, str], image_params: Mapping[str, Any] | None) -> ImageColumns:
    return ImageColumns([name for name, kind in column_types.items() if kind == "image"], image_params)


def _decode_images(
    table: TrainingFeatures,
    config: TrainingConfig,
    on_bad_image: str,
    samples: Samples | None,
    backbone: ImageFeatures | None,
    progress: Progress | None,
) -> tuple[Any, np.ndarray | None, tuple[str, ...]]:
    """Decode images once, before folds and encoders take their rows, and show them to the backbone."""
    try:
        columns = _image_columns(table.column_types or {}, config.image_params).infer_shape(table.features)
        frame, invalid = columns.decode(table.features)
        if on_bad_image == "error":
            raise_for_invalid(invalid)
    except InputError as error:
        raise (error if samples is None else samples.locate_error(error)) from None
    is_used = np.ones(len(frame), dtype=bool)
    is_used[list(invalid)] = False
    frame = frame.filter(is_used) if invalid else frame
    if backbone is not None:
        columns.attach(backbone)
        columns.extract_features(frame, None if progress is None else partial(progress, "looking at images"))
    return (frame, is_used, (describe_invalid(invalid, "left out", samples),)) if invalid else (frame, None, ())


def _open_backbone(config: TrainingConfig, column_types: Mapping[str, str] | None) -> ImageFeatures | None:
    """The backbone that makes numbers of images, opened; None where the config names none with weights."""
    options = config.image_params
    if options["backbone"] == NONE:
        return None
    if "image" not in (column_types or {}).values():
        raise InputError(
            f"the backbone {options['backbone']!r} looks at images, and there are none", argument="image_params"
        )
    if not config.is_encoded:
        raise InputError(
            "preprocessing='none' leaves everything as it is, and a backbone makes numbers of images; leave one of "
            "them away",
            argument="image_params",
        )
    if not is_pretrained(options):
        return None
    return ImageFeatures(networks.open_backbone(options["backbone"], options["weights"]), options["cache"])


def _text_function(
    config: TrainingConfig, function: Any, column_types: Mapping[str, str] | None
) -> CachedTextFunction | None:
    """The function that makes numbers of texts, checked and kept; None where there is no text for one."""
    if config.text not in (CUSTOM_TEXT, ONNX, PRETRAINED) or "text" not in (column_types or {}).values():
        return None
    options = config.text_params
    if config.text == ONNX:
        return OnnxEncoder(**options).open_folder(options["model"])
    if config.text == PRETRAINED:
        transformer = networks.preset_function(options["preset"], options["max_tokens"])
        name = Path(options["preset"]).name
        return CachedTextFunction(transformer, name, options["cache"], f"{options['max_tokens']}")
    if isinstance(function, str):
        raise InputError(
            "'custom' stands for a function of yours; hand it over in Python: MultiLabelClassifier(text=function)",
            argument="text",
        )
    return CachedTextFunction(function, options["name"], options["cache"])
