"""Read options for the files of a trained model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manyhot.data.readers import ReadOptions
from manyhot.data.readers.column_types import parse_column_type
from manyhot.data.samples import Samples
from manyhot.estimators.base_classifier import BaseModelClassifier
from manyhot.estimators.extreme import ExtremeMultiLabelClassifier

# of the training file, saved with a model to read further files alike
SAVED_OPTIONS = ("labels", "sep", "id_column", "column_names", "legend", "label_names")
MAX_SAVED_NAMES = 10_000  # more names of numbered labels are not saved: the model has its labels already


def saved_options(read_flags: Mapping[str, Any]) -> dict[str, Any]:
    """The options saved with a model, to read the next file alike."""
    saved = {name: read_flags[name] for name in SAVED_OPTIONS if read_flags.get(name) is not None}
    if len(saved.get("label_names", ())) > MAX_SAVED_NAMES:
        del saved["label_names"]
    return saved


def model_read_options(
    classifier: BaseModelClassifier | ExtremeMultiLabelClassifier, options: Mapping[str, Any], **more: Any
) -> ReadOptions:
    """Read options for a model's file: those of its training file, overridden by `options` where they are not None."""
    saved = {name: value for name, value in classifier.read_options_.items() if name in SAVED_OPTIONS}
    flags = {name: value for name, value in options.items() if value is not None}
    encoder = classifier.model_.encoder
    merged = {**saved, **flags, **more}
    column_names = merged.get("column_names")
    merged |= {
        "header": column_names is None,
        "column_names": None if column_names is None else tuple(column_names),
        "column_types": {name: parse_column_type(kind) for name, kind in encoder.reading_types.items()},
        "number_formats": encoder.number_formats,
        "feature_names": encoder.matrix_names,
        "known_labels": classifier.labels_,
    }
    return ReadOptions(**merged)


def unused_column_notes(classifier: BaseModelClassifier | ExtremeMultiLabelClassifier, samples: Samples) -> list[str]:
    """A note on columns that the model was not trained on, if there are any."""
    encoder = classifier.model_.encoder
    used = set(encoder.names)
    unused = [name for name in samples.feature_names if name not in used]
    return [f"ignoring columns that were not in the training data: {', '.join(unused[:8])}"] if unused else []
