"""Read options for the files of a trained model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manyhot.data.readers import ReadOptions
from manyhot.data.readers.column_types import parse_column_type
from manyhot.data.samples import Samples
from manyhot.estimators.extreme import ExtremeMultiLabelClassifier
from manyhot.estimators.multilabel import MultiLabelClassifier


def model_read_options(
    classifier: MultiLabelClassifier | ExtremeMultiLabelClassifier, options: Mapping[str, Any], **kwargs: Any
) -> ReadOptions:
    """Read options for a model's file: those of its training file, overridden by `options` where they are not None."""
    saved = {**classifier.read_options_, **{name: value for name, value in options.items() if value is not None}}
    encoder = classifier.model_.encoder
    column_names = saved.get("column_names")
    column_types = {name: parse_column_type(column_type) for name, column_type in encoder.column_types.items()}
    return ReadOptions(
        labels=saved.get("labels"),
        sep=saved.get("sep"),
        id_column=saved.get("id_column"),
        format=options.get("format"),
        images=options.get("images"),
        on_bad_image=options.get("on_bad_image", "error"),
        header=column_names is None,
        column_names=None if column_names is None else tuple(column_names),
        column_types=column_types,
        number_formats=encoder.number_formats,
        feature_names=encoder.matrix_names,
        known_labels=classifier.labels_,
        legend=saved.get("legend"),
        label_names=saved.get("label_names"),
        sample_weight=options.get("sample_weight"),
        **kwargs,
    )


def unused_column_notes(classifier: MultiLabelClassifier | ExtremeMultiLabelClassifier, samples: Samples) -> list[str]:
    """A note on columns that the model was not trained on, if there are any."""
    encoder = classifier.model_.encoder
    used = set(encoder.names)
    unused = [name for name in samples.feature_names if name not in used]
    return [f"ignoring columns that were not in the training data: {', '.join(unused[:8])}"] if unused else []
