"""Reading a file the way a trained model expects it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manyhot.data.readers import ReadOptions
from manyhot.data.readers.column_types import as_kind
from manyhot.data.samples import Samples
from manyhot.encoders import MatrixEncoder, TableEncoder
from manyhot.estimators.extreme import ManyLabelClassifier
from manyhot.estimators.multilabel import MultiLabelClassifier


def options_for(
    classifier: MultiLabelClassifier | ManyLabelClassifier, told: Mapping[str, Any], **more: Any
) -> ReadOptions:
    """How to read a file for a model: as its training file was read, except for what is told now."""
    reading = {**classifier.reading_, **{name: value for name, value in told.items() if value is not None}}
    encoder = classifier.model_.encoder
    names = reading.get("column_names")
    kinds = {name: as_kind(kind) for name, kind in encoder.kinds.items()} if isinstance(encoder, TableEncoder) else {}
    return ReadOptions(
        labels=reading.get("labels"),
        sep=reading.get("sep"),
        id_column=reading.get("id_column"),
        format=told.get("format"),
        images=told.get("images"),
        on_bad_image=told.get("on_bad_image", "error"),
        header=names is None,
        column_names=None if names is None else tuple(names),
        kinds=kinds,
        feature_names=encoder.names if isinstance(encoder, MatrixEncoder) else None,
        known_labels=classifier.labels_,
        legend=reading.get("legend"),
        **more,
    )


def extra_columns(classifier: MultiLabelClassifier | ManyLabelClassifier, samples: Samples) -> list[str]:
    """A note on columns that the model does not know."""
    encoder = classifier.model_.encoder
    known = set(encoder.names)
    extra = [name for name in samples.feature_names if name not in known]
    return [f"columns that training did not have are not used: {', '.join(extra[:8])}"] if extra else []
