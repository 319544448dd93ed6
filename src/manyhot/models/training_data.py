"""X, y and settings in the forms that training takes, and the encoder that suits them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from manyhot.config.auto import resolve_auto
from manyhot.config.images import NONE, image_settings, is_pretrained
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.text import OWN_TEXT, PRETRAINED, table_numbers, text_settings
from manyhot.config.training import CUSTOM, TrainingConfig
from manyhot.data.labels import LabelSpace
from manyhot.data.samples import Arrays, Samples
from manyhot.data.target_input import check_row_counts, parse_targets
from manyhot.data.targets import Targets
from manyhot.encoders import Encoder, MatrixEncoder, PlainEncoder, TableEncoder
from manyhot.encoders.images.backbone_features import ImageFeatures
from manyhot.encoders.images.columns import ImageColumns
from manyhot.encoders.images.encoder import describe_invalid, raise_for_invalid
from manyhot.encoders.tabular import USED_KINDS
from manyhot.encoders.text.custom import CachedTextFunction
from manyhot.errors import InputError
from manyhot.networks.pretrained_backbone import open_backbone
from manyhot.networks.text_transformer import preset_function

Progress = Callable[[str, float | None], None]
"""Called with what is being done, and the share of it that is done."""


class TrainingInputs(NamedTuple):
    """What a person handed over, ready for training.

    Attributes:
        features: What the encoder takes, n rows.
        kinds: Column name -> kind, when the features are a frame; else None.
        columns: Names of the columns of a matrix.
        labels: The label space.
        targets: Targets (n, l).
        classes: The two values of one binary target, else None.
        plan: Settings that change the result.
        runtime: Settings that do not.
        ids: One id per row as text, or None.
        notes: What the reader had to say.
        function: What makes numbers of texts, where the plan says "own".
        is_kept: bool (m,), which of the rows that were handed over these are; None where they are all.
        backbone: What makes numbers of images, where the plan names one with weights.
    """

    features: Any
    kinds: Mapping[str, str] | None
    columns: Sequence[str]
    labels: LabelSpace
    targets: Targets
    classes: np.ndarray | None
    plan: TrainingConfig
    runtime: RuntimeConfig
    ids: np.ndarray | None
    notes: tuple[str, ...]
    function: CachedTextFunction | None = None
    is_kept: np.ndarray | None = None
    backbone: ImageFeatures | None = None

    def of_rows(self, values: Any, argument: str) -> Any:
        """Of an array with one value for each row that was handed over, those of the rows that are left."""
        if values is None or self.is_kept is None:
            return values
        if len(values) != len(self.is_kept):
            raise InputError(f"got {len(values)} values for {len(self.is_kept)} rows", argument=argument)
        return np.asarray(values)[self.is_kept]

    def encoder(self) -> Encoder:
        """A fresh encoder for these features, not yet fitted."""
        is_plain = resolve_auto(self.plan, self.targets.n_samples).encode == "none"
        if isinstance(self.features, Arrays):
            if not is_plain:
                raise InputError(
                    "arrays with more than rows and columns need encode='none', or to be images", argument="encode"
                )
            return PlainEncoder()
        if self.kinds is None:
            return PlainEncoder(self.columns) if is_plain else MatrixEncoder(self.columns)
        if is_plain:
            return PlainEncoder([name for name, kind in self.kinds.items() if kind in USED_KINDS])
        encoder = TableEncoder(self.kinds, self.plan.text, self.plan.text_settings, self.plan.image_settings)
        if self.function is not None:
            encoder.texts.attach(self.function)
        if self.backbone is not None:
            encoder.looks.attach(self.backbone)
        return encoder

    def n_table(self) -> int:
        """Numbers in the tables of one member at most; 0 where nothing is sparse."""
        if self.plan.network == CUSTOM:
            return 0
        first_units = self.plan.hidden[0] if self.plan.hidden else len(self.labels)
        if self.kinds is not None:
            n_texts = list(self.kinds.values()).count("text")
            return n_texts * table_numbers(self.plan.text, self.plan.text_settings, first_units)
        return self.features.shape[1] * first_units if sp.issparse(self.features) else 0


def prepare_inputs(
    plan: TrainingConfig,
    runtime: RuntimeConfig,
    features: Any,
    kinds: Mapping[str, str] | None,
    y: Any,
    labels: Sequence[str] | None,
    samples: Samples | None = None,
    text: Any = None,
    progress: Progress | None = None,
) -> TrainingInputs:
    """Targets resolved, images decoded, functions of texts and images opened.

    Args:
        plan: Settings that change the result.
        runtime: Settings that do not.
        features: What the encoder takes, n rows.
        kinds: Column name -> kind, when the features are a frame.
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
        plan = replace(plan, decide="half", decide_settings=None)
    check_row_counts(features, targets)
    backbone = image_function(plan, kinds)
    decoded = decode_images(features, kinds, plan, runtime.on_bad_image, samples, backbone, progress)
    features, is_kept, left_out = decoded
    columns = () if kinds is not None or isinstance(features, Arrays) else column_names(features, samples)
    ids, notes = (samples.ids, tuple(samples.notes)) if samples is not None else (None, ())
    if is_kept is not None:
        targets, ids, notes = targets.take(is_kept), None if ids is None else ids[is_kept], (*notes, *left_out)
    function = text_function(plan, text, kinds)
    rest = (classes, plan, runtime, ids, notes, function, is_kept, backbone)
    return TrainingInputs(features, kinds, columns, space, targets, *rest)


def column_names(features: Any, samples: Samples | None) -> list[str]:
    """Names of the columns of a matrix: those of the samples, else x0, x1, ..."""
    if samples is not None:
        return [str(name) for name in samples.feature_names]
    return [f"x{j}" for j in range(features.shape[1])]


class DecodedFrame(NamedTuple):
    """Features with their images decoded.

    Attributes:
        features: The rows that are left, m of n.
        is_kept: bool (n,), which those are; None where they are all.
        notes: What is to be told of the others.
    """

    features: Any
    is_kept: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def image_bytes(features: Any, kinds: Mapping[str, str], image_settings: Mapping[str, Any] | None) -> int:
    """Bytes of the decoded images of a row, as these rows are.

    Args:
        features: A frame of the first rows.
        kinds: Column name -> kind.
        image_settings: Settings of images by name.

    Raises:
        InputError: None of the images can be used.
    """
    found = _image_columns(kinds, image_settings).settle(features)
    return sum(math.prod(encoder.shape) for encoder in found.encoders)


def _image_columns(kinds: Mapping[str, str], image_settings: Mapping[str, Any] | None) -> ImageColumns:
    return ImageColumns([name for name, kind in kinds.items() if kind == "image"], image_settings)


def decode_images(
    features: Any,
    kinds: Mapping[str, str] | None,
    plan: TrainingConfig,
    on_bad_image: str,
    samples: Samples | None = None,
    backbone: ImageFeatures | None = None,
    progress: Progress | None = None,
) -> DecodedFrame:
    """Images of training decoded once, before folds and encoders take their rows, and looked at by the backbone.

    Args:
        features: What the encoder takes, n rows.
        kinds: Column name -> kind, when the features are a frame.
        plan: The plan.
        on_bad_image: What becomes of rows whose images cannot be used, one of `ON_BAD_IMAGE`.
        samples: Where the rows came from, for messages.
        backbone: What makes numbers of images.
        progress: Called with what is being done, and the share of it that is done.

    Raises:
        InputError: An image that cannot be used, unless such rows are left out; no image that can be.
    """
    if kinds is None or "image" not in kinds.values() or resolve_auto(plan, 1).encode == "none":
        return DecodedFrame(features)
    try:
        columns = _image_columns(kinds, plan.image_settings).settle(features)
        frame, bad = columns.opened(features)
        if on_bad_image == "error":
            raise_for_invalid(bad)
    except InputError as error:
        raise (error if samples is None else samples.placed(error)) from None
    is_kept = np.ones(len(frame), dtype=bool)
    is_kept[list(bad)] = False
    frame = frame.filter(is_kept) if bad else frame
    if backbone is not None:
        columns.attach(backbone)
        columns.look(frame, None if progress is None else partial(progress, "looking at images"))
    return DecodedFrame(frame, is_kept, (describe_invalid(bad, "left out", samples),)) if bad else DecodedFrame(frame)


def image_function(plan: TrainingConfig, kinds: Mapping[str, str] | None) -> ImageFeatures | None:
    """The backbone that makes numbers of images, opened; None where the plan names none with weights.

    Args:
        plan: The plan.
        kinds: Column name -> kind, when the features are a frame.

    Raises:
        InputError: No images for it, or weights that cannot be opened.
    """
    told = image_settings(plan.image_settings)
    if told["backbone"] == NONE:
        return None
    if "image" not in (kinds or {}).values():
        raise InputError(
            f"the backbone {told['backbone']!r} looks at images, and there are none", argument="image_settings"
        )
    if resolve_auto(plan, 1).encode == "none":
        raise InputError(
            "encode='none' leaves everything as it is, and a backbone makes numbers of images; leave one of them away",
            argument="image_settings",
        )
    return (
        ImageFeatures(open_backbone(told["backbone"], told["weights"]), told["cache"]) if is_pretrained(told) else None
    )


def text_function(plan: TrainingConfig, function: Any, kinds: Mapping[str, str] | None) -> CachedTextFunction | None:
    """The function that makes numbers of texts, checked and kept; None where the plan takes none or no text is there.

    Args:
        plan: The plan.
        function: What was handed over as `text`.
        kinds: Column name -> kind, when the features are a frame.

    Raises:
        InputError: No function where the plan says "own", one that does not give finite numbers (k, d), or a
            transformer that cannot be opened.
    """
    if plan.text not in (OWN_TEXT, PRETRAINED) or "text" not in (kinds or {}).values():
        return None
    told = text_settings(plan.text, plan.text_settings)
    if plan.text == PRETRAINED:
        name = Path(told["preset"]).name
        return CachedTextFunction(
            preset_function(told["preset"], told["max_tokens"]), name, told["cache"], f"{told['max_tokens']}"
        )
    if isinstance(function, str):
        raise InputError(
            "'own' stands for a function of yours; hand it over in Python: MultiLabelClassifier(text=function)",
            argument="text",
        )
    return CachedTextFunction(function, told["name"], told["cache"])
