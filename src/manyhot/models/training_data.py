"""X, y and settings in the forms that training takes, and the encoder that suits them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from manyhot import networks
from manyhot.config.images import NONE, is_pretrained
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.text import CUSTOM_TEXT, PRETRAINED, count_text_weights
from manyhot.config.training import CUSTOM, TrainingConfig
from manyhot.data.labels import LabelSpace
from manyhot.data.number_cells import NumberFormat
from manyhot.data.samples import Arrays, Samples
from manyhot.data.target_input import check_row_counts, parse_targets
from manyhot.encoders import Encoder, MatrixEncoder, PlainEncoder, TableEncoder
from manyhot.encoders.images.backbone_features import ImageFeatures
from manyhot.encoders.images.columns import ImageColumns
from manyhot.encoders.images.encoder import describe_invalid, raise_for_invalid
from manyhot.encoders.tabular import ENCODED_TYPES
from manyhot.encoders.text.custom import CachedTextFunction
from manyhot.errors import InputError

Progress = Callable[[str, float | None], None]
"""Called with what is being done, and the share of it that is done."""


class TrainingInputs(NamedTuple):
    """What a person handed over, ready for training.

    Attributes:
        features: What the encoder takes, n rows.
        column_types: Column name -> kind, when the features are a frame; else None.
        columns: Names of the columns of a matrix.
        labels: The label space.
        targets: Targets (n, l).
        classes: The two values of one binary target, else None.
        config: Settings that change the result.
        runtime: Settings that do not.
        ids: One id per row as text, or None.
        notes: What the reader had to say.
        function: What makes numbers of texts, where the config says "custom".
        is_used: bool (m,), which of the rows that were handed over these are; None where they are all.
        backbone: What makes numbers of images, where the config names one with weights.
        number_formats: Column name -> how its numbers are written, for columns that held them as text.
    """

    features: Any
    column_types: Mapping[str, str] | None
    columns: Sequence[str]
    labels: LabelSpace
    targets: Any  # Targets, or PixelTargets where the features are an `ImageSet`
    classes: np.ndarray | None
    config: TrainingConfig
    runtime: RuntimeConfig
    ids: np.ndarray | None
    notes: tuple[str, ...]
    function: CachedTextFunction | None = None
    is_used: np.ndarray | None = None
    backbone: ImageFeatures | None = None
    number_formats: Mapping[str, NumberFormat] = MappingProxyType({})

    def select_rows(self, values: Any, argument: str) -> Any:
        """Of an array with one value for each row that was handed over, those of the rows that are left."""
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

    def n_table_weights(self) -> int:
        """Numbers in the tables of one member at most; 0 where nothing is sparse."""
        if self.config.network == CUSTOM:
            return 0
        first_units = self.config.hidden_layer_sizes[0] if self.config.hidden_layer_sizes else len(self.labels)
        if self.column_types is not None:
            n_texts = list(self.column_types.values()).count("text")
            return n_texts * count_text_weights(self.config.text, self.config.text_params, first_units)
        return self.features.shape[1] * first_units if sp.issparse(self.features) else 0


def prepare_inputs(
    config: TrainingConfig,
    runtime: RuntimeConfig,
    features: Any,
    column_types: Mapping[str, str] | None,
    y: Any,
    labels: Sequence[str] | None,
    samples: Samples | None = None,
    text: Any = None,
    progress: Progress | None = None,
) -> TrainingInputs:
    """Targets resolved, images decoded, functions of texts and images opened.

    Args:
        config: Settings that change the result.
        runtime: Settings that do not.
        features: What the encoder takes, n rows.
        column_types: Column name -> kind, when the features are a frame.
        y: Targets in any form.
        labels: Names of the labels, where they are known.
        samples: Where the rows came from.
        text: What was handed over as `text`.
        progress: Called with what is being done, and the share of it that is done.

    Raises:
        InputError: What cannot be used, by row, column or argument.
    """
    space, targets, classes = parse_targets(y, labels)
    if classes is not None:  # scikit-learn's contract: the class of the higher probability
        config = config.changed(decision="fixed", decision_params=None)
    check_row_counts(features, targets)
    backbone = image_function(config, column_types)
    decoded = decode_images(features, column_types, config, runtime.on_bad_image, samples, backbone, progress)
    features, is_used, left_out = decoded
    columns = () if column_types is not None or isinstance(features, Arrays) else column_names(features, samples)
    ids, notes = (samples.ids, tuple(samples.notes)) if samples is not None else (None, ())
    if is_used is not None:
        targets, ids, notes = targets.take(is_used), None if ids is None else ids[is_used], (*notes, *left_out)
    function = text_function(config, text, column_types)
    rest = (classes, config, runtime, ids, notes, function, is_used, backbone)
    return TrainingInputs(features, column_types, columns, space, targets, *rest)


def column_names(features: Any, samples: Samples | None) -> list[str]:
    """Names of the columns of a matrix: those of the samples, else x0, x1, ..."""
    if samples is not None:
        return [str(name) for name in samples.feature_names]
    return [f"x{j}" for j in range(features.shape[1])]


class DecodedFrame(NamedTuple):
    """Features with their images decoded.

    Attributes:
        features: The rows that are left, m of n.
        is_used: bool (n,), which those are; None where they are all.
        notes: What is to be told of the others.
    """

    features: Any
    is_used: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def image_bytes(features: Any, column_types: Mapping[str, str], image_params: Mapping[str, Any] | None) -> int:
    """Bytes of the decoded images of a row, as these rows are.

    Args:
        features: A frame of the first rows.
        column_types: Column name -> kind.
        image_params: Settings of images by name.

    Raises:
        InputError: None of the images can be used.
    """
    columns = _image_columns(column_types, image_params).infer_shape(features)
    return sum(math.prod(encoder.shape) for encoder in columns.encoders)


def _image_columns(column_types: Mapping[str, str], image_params: Mapping[str, Any] | None) -> ImageColumns:
    return ImageColumns([name for name, kind in column_types.items() if kind == "image"], image_params)


def decode_images(
    features: Any,
    column_types: Mapping[str, str] | None,
    config: TrainingConfig,
    on_bad_image: str,
    samples: Samples | None = None,
    backbone: ImageFeatures | None = None,
    progress: Progress | None = None,
) -> DecodedFrame:
    """Images of training decoded once, before folds and encoders take their rows, and looked at by the backbone.

    Args:
        features: What the encoder takes, n rows.
        column_types: Column name -> kind, when the features are a frame.
        config: The config.
        on_bad_image: What becomes of rows whose images cannot be used, one of `ON_BAD_IMAGE`.
        samples: Where the rows came from, for messages.
        backbone: What makes numbers of images.
        progress: Called with what is being done, and the share of it that is done.

    Raises:
        InputError: An image that cannot be used, unless such rows are left out; no image that can be.
    """
    if column_types is None or "image" not in column_types.values() or not config.is_encoded:
        return DecodedFrame(features)
    try:
        columns = _image_columns(column_types, config.image_params).infer_shape(features)
        frame, invalid = columns.decode(features)
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
    return (
        DecodedFrame(frame, is_used, (describe_invalid(invalid, "left out", samples),))
        if invalid
        else DecodedFrame(frame)
    )


def image_function(config: TrainingConfig, column_types: Mapping[str, str] | None) -> ImageFeatures | None:
    """The backbone that makes numbers of images, opened; None where the config names none with weights.

    Args:
        config: The config.
        column_types: Column name -> kind, when the features are a frame.

    Raises:
        InputError: No images for it, or weights that cannot be opened.
    """
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
    return (
        ImageFeatures(networks.open_backbone(options["backbone"], options["weights"]), options["cache"])
        if is_pretrained(options)
        else None
    )


def text_function(
    config: TrainingConfig, function: Any, column_types: Mapping[str, str] | None
) -> CachedTextFunction | None:
    """The function that makes numbers of texts, checked and kept; None where the config takes none or no text is there.

    Args:
        config: The config.
        function: What was handed over as `text`.
        column_types: Column name -> kind, when the features are a frame.

    Raises:
        InputError: No function where the config says "custom", one that does not give finite numbers (k, d), or a
            transformer that cannot be opened.
    """
    if config.text not in (CUSTOM_TEXT, PRETRAINED) or "text" not in (column_types or {}).values():
        return None
    options = config.text_params
    if config.text == PRETRAINED:
        name = Path(options["preset"]).name
        return CachedTextFunction(
            networks.preset_function(options["preset"], options["max_tokens"]),
            name,
            options["cache"],
            f"{options['max_tokens']}",
        )
    if isinstance(function, str):
        raise InputError(
            "'custom' stands for a function of yours; hand it over in Python: MultiLabelClassifier(text=function)",
            argument="text",
        )
    return CachedTextFunction(function, options["name"], options["cache"])
